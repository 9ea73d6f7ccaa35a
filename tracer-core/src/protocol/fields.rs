//! Fields of a binary unit whose length is known: integers, and text with its length before it.
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
    }
}
