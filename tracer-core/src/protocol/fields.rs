//! Fields of a binary unit whose length is known: integers in either order, text, and fields within fields.
//!
//! Invariant: what is read depends only on bytes up to the end of the last field, and never on bytes behind the unit.
//! Memory: none.

use super::lines::Short;

/// Reads fields one after the other.
#[derive(Clone, Debug)]
pub(super) struct Fields<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the unit ends, of which not all bytes may be there.
    end: u64,
}

impl<'a> Fields<'a> {
    /// Those of a unit that begins with the first of `bytes` and has so many.
    pub(super) fn new(bytes: &'a [u8], length: u64) -> Self {
        Self { bytes, at: 0, end: length }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Short> {
        let end = self.at.saturating_add(length);
        if end as u64 > self.end {
            return Err(Short::Wrong("a field is longer than what it is in"));
        }
        let field = self.bytes.get(self.at..end).ok_or(Short::More)?;
        self.at = end;
        Ok(field)
    }

    /// Passes over bytes, which need not be there.
    pub(super) fn skip(&mut self, length: u64) -> Result<(), Short> {
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        let end = end.filter(|end| *end as u64 <= self.end);
        self.at = end.ok_or(Short::Wrong("a field is longer than what it is in"))?;
        Ok(())
    }

    /// The fields of what has so many bytes and begins here, which is passed over.
    pub(super) fn within(&mut self, length: u64) -> Result<Self, Short> {
        let mut inner = self.clone();
        self.skip(length)?;
        inner.end = self.at as u64;
        Ok(inner)
    }

    /// Text up to a byte that is 0, and that byte, of so many bytes at most without it.
    pub(super) fn until_zero(&mut self, most: usize) -> Result<&'a [u8], Short> {
        let seen = self.seen(most.saturating_add(1));
        match seen.iter().position(|byte| *byte == 0) {
            Some(length) => {
                let text = self.take(length)?;
                self.skip(1)?;
                Ok(text)
            }
            None if seen.len() > most || seen.len() as u64 >= self.left() => Err(Short::Wrong("a text has no end")),
            None => Err(Short::More),
        }
    }

    /// The next bytes as far as they are there, so many at most; they are not passed over.
    pub(super) fn seen(&self, most: usize) -> &'a [u8] {
        let most = usize::try_from(self.left()).unwrap_or(usize::MAX).min(most);
        let seen = self.bytes.get(self.at..).unwrap_or_default();
        seen.get(..most).unwrap_or(seen)
    }

    /// Bytes up to here, from the beginning of the unit.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Bytes of the unit that were not read.
    pub(super) fn left(&self) -> u64 {
        self.end.saturating_sub(self.at as u64)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Short> {
        Ok(self.take(1)?.first().copied().unwrap_or_default())
    }

    /// In network order.
    pub(super) fn u16(&mut self) -> Result<u16, Short> {
        Ok(self.take(2)?.iter().fold(0, |number, byte| (number << 8) | u16::from(*byte)))
    }

    /// In network order.
    pub(super) fn u32(&mut self) -> Result<u32, Short> {
        Ok(self.take(4)?.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte)))
    }

    /// The lowest byte first.
    pub(super) fn u32_le(&mut self) -> Result<u32, Short> {
        Ok(self.take(4)?.iter().rev().fold(0, |number, byte| (number << 8) | u32::from(*byte)))
    }

    /// In network order.
    pub(super) fn u64(&mut self) -> Result<u64, Short> {
        Ok(self.take(8)?.iter().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_is_not_there_yet_may_come_and_one_behind_the_unit_may_not() {
        let mut fields = Fields::new(&[1, 2, 3, 9], 6);
        assert!(matches!(fields.byte(), Ok(1)));
        assert!(matches!(fields.u16(), Ok(0x203)));
        assert_eq!(fields.left(), 3);
        assert!(matches!(fields.take(2), Err(Short::More)));
        assert!(matches!(fields.take(4), Err(Short::Wrong(_))));
        assert!(matches!(Fields::new(&[0, 0, 1, 2], 4).u32(), Ok(0x102)));
        assert!(matches!(Fields::new(&[0, 0, 0, 0, 0, 0, 1, 2], 8).u64(), Ok(0x102)));
        assert!(matches!(Fields::new(&[1, 2, 3, 4], 4).u32_le(), Ok(0x0403_0201)));
        assert!(matches!(Fields::new(&[1, 2, 3, 4], 4).u32(), Ok(0x0102_0304)));
    }

    #[test]
    fn a_text_ends_with_a_zero_and_what_is_within_a_field_ends_with_it() {
        let mut fields = Fields::new(b"ab\0cd", 9);
        assert!(matches!(fields.until_zero(1), Err(Short::Wrong(_))));
        assert!(matches!(fields.until_zero(2), Ok(b"ab")));
        assert!(matches!(fields.clone().until_zero(8), Err(Short::More)));
        assert!(matches!(fields.clone().until_zero(1), Err(Short::Wrong(_))));
        let mut inner = fields.within(2).unwrap_or_else(|_| fields.clone());
        assert!(matches!(inner.until_zero(8), Err(Short::Wrong(_))), "no end within the field");
        assert!(matches!(inner.take(2), Ok(b"cd")));
        assert_eq!((inner.left(), fields.left()), (0, 4));
        assert!(fields.skip(4).is_ok() && fields.skip(1).is_err());
    }
}
