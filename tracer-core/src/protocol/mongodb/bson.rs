//! Elements of a BSON document (bsonspec.org, version 1.1), one after the other.
//!
//! Invariant: a document is read up to [`LOOKED_AT`] bytes from the beginning of its message, and values are passed over by
//! their length; documents within it are read only where somebody asks. Memory: none.

use crate::protocol::fields::Fields;
use crate::protocol::lines::Short;

/// Bytes of a message at whose beginnings of elements anybody looks.
pub(super) const LOOKED_AT: usize = 3_072;
/// Bytes of an element's name, and of what is passed over up to its end.
const TEXT_BYTES: usize = 255;
/// Bytes of the shortest document: its length and its end.
const SHORTEST: u64 = 5;

const DOUBLE: u8 = 0x01;
const STRING: u8 = 0x02;
const DOCUMENT: u8 = 0x03;
const ARRAY: u8 = 0x04;
const BOOLEAN: u8 = 0x08;
const INT32: u8 = 0x10;
const INT64: u8 = 0x12;

/// What is left of a document.
#[derive(Clone, Debug)]
pub(super) struct Document<'a> {
    fields: Fields<'a>,
    is_cut: bool,
}

/// A name and its value.
#[derive(Debug)]
pub(super) struct Element<'a> {
    pub(super) name: &'a [u8],
    kind: u8,
    value: Fields<'a>,
}

impl<'a> Document<'a> {
    /// The one that begins here, which is passed over.
    pub(super) fn read(fields: &mut Fields<'a>) -> Result<Self, Short> {
        let length = u64::from(fields.clone().u32_le()?);
        if length < SHORTEST {
            return Err(Short::Wrong("a document is shorter than any"));
        }
        let mut inner = fields.within(length)?;
        inner.skip(4)?;
        Ok(Self { fields: inner, is_cut: false })
    }

    /// The next element; `None` behind the last one, and where nobody looks any more.
    pub(super) fn next(&mut self) -> Result<Option<Element<'a>>, Short> {
        if self.fields.at() >= LOOKED_AT {
            self.is_cut = true;
            return Ok(None);
        }
        let kind = self.fields.byte()?;
        if kind == 0 {
            return Ok(None);
        }
        let name = self.fields.until_zero(TEXT_BYTES)?;
        let length = self.length(kind)?;
        let value = self.fields.within(length)?;
        Ok(Some(Element { name, kind, value }))
    }

    /// Whether elements follow at which nobody looks.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Bytes of a value that begins here.
    fn length(&self, kind: u8) -> Result<u64, Short> {
        let mut fields = self.fields.clone();
        let mut counted = || fields.u32_le().map(u64::from);
        Ok(match kind {
            0x06 | 0x0a | 0x7f | 0xff => 0,
            BOOLEAN => 1,
            INT32 => 4,
            DOUBLE | 0x09 | 0x11 | INT64 => 8,
            0x07 => 12,
            0x13 => 16,
            // Text, of which code is a kind.
            STRING | 0x0d | 0x0e => counted()?.saturating_add(4),
            0x05 => counted()?.saturating_add(5),
            0x0c => counted()?.saturating_add(16),
            DOCUMENT | ARRAY | 0x0f => counted()?,
            // A pattern and its options.
            0x0b => {
                let before = fields.at();
                fields.until_zero(TEXT_BYTES)?;
                fields.until_zero(TEXT_BYTES)?;
                fields.at().saturating_sub(before) as u64
            }
            _ => return Err(Short::Wrong("a value is of no known type")),
        })
    }
}

impl<'a> Element<'a> {
    /// A short text.
    pub(super) fn text(&self) -> Result<Option<&'a [u8]>, Short> {
        if self.kind != STRING {
            return Ok(None);
        }
        let mut value = self.value.clone();
        let length = usize::try_from(value.u32_le()?).unwrap_or(usize::MAX);
        if length == 0 || length > TEXT_BYTES {
            return Ok(None);
        }
        Ok(Some(value.take(length.saturating_sub(1))?))
    }

    /// A number without a fraction, as codes of errors are.
    pub(super) fn number(&self) -> Result<Option<i32>, Short> {
        let mut value = self.value.clone();
        match self.kind {
            INT32 => Ok(Some(value.u32_le()?.cast_signed())),
            _ => Ok(None),
        }
    }

    /// Whether it is true, or a number other than 0; `None` for anything else.
    pub(super) fn is_true(&self) -> Result<Option<bool>, Short> {
        let mut value = self.value.clone();
        let bytes = match self.kind {
            BOOLEAN => value.take(1)?,
            INT32 => value.take(4)?,
            DOUBLE | INT64 => value.take(8)?,
            _ => return Ok(None),
        };
        Ok(Some(bytes.iter().any(|byte| *byte != 0)))
    }

    /// A document or an array.
    pub(super) fn is_document(&self) -> bool {
        matches!(self.kind, DOCUMENT | ARRAY)
    }

    /// The document or the array that it is.
    pub(super) fn document(&self) -> Result<Option<Document<'a>>, Short> {
        if !self.is_document() {
            return Ok(None);
        }
        Document::read(&mut self.value.clone()).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A document of these elements.
    fn document(elements: &[u8]) -> Vec<u8> {
        let length = u32::try_from(elements.len() + 5).unwrap();
        [&length.to_le_bytes(), elements, b"\0"].concat()
    }

    fn names(bytes: &[u8]) -> Result<Vec<String>, Short> {
        let mut document = Document::read(&mut Fields::new(bytes, bytes.len() as u64))?;
        let mut names = Vec::new();
        while let Some(element) = document.next()? {
            names.push(String::from_utf8_lossy(element.name).into_owned());
        }
        Ok(names)
    }

    #[test]
    fn a_value_of_each_type_is_passed_over_by_its_length() {
        let values: &[(u8, &[u8])] = &[
            (0x01, &[0; 8]),
            (0x02, b"\x02\0\0\0x\0"),
            (0x03, b"\x05\0\0\0\0"),
            (0x04, b"\x05\0\0\0\0"),
            (0x05, b"\x01\0\0\0\0x"),
            (0x06, b""),
            (0x07, &[1; 12]),
            (0x08, &[1]),
            (0x09, &[1; 8]),
            (0x0a, b""),
            (0x0b, b"^a\0i\0"),
            (0x0c, b"\x01\0\0\0\0bbbbbbbbbbbb"),
            (0x0d, b"\x01\0\0\0\0"),
            (0x0e, b"\x01\0\0\0\0"),
            (0x0f, b"\x0e\0\0\0\x01\0\0\0\0\x05\0\0\0\0"),
            (0x10, &[1; 4]),
            (0x11, &[1; 8]),
            (0x12, &[1; 8]),
            (0x13, &[1; 16]),
            (0x7f, b""),
            (0xff, b""),
        ];
        for (kind, value) in values {
            let bytes = document(&[&[*kind, b'a', 0], *value, b"\x0ab\0"].concat());
            assert_eq!(names(&bytes), Ok(vec!["a".to_owned(), "b".to_owned()]), "{kind:#x}");
        }
        assert!(matches!(names(&document(b"\x20a\0")), Err(Short::Wrong(_))));
    }

    #[test]
    fn what_claims_to_be_longer_than_what_it_is_in_is_wrong_and_what_is_not_there_may_come() {
        let long = document(b"\x02a\0\xff\xff\xff\xff");
        assert!(matches!(names(&long), Err(Short::Wrong(_))));
        let whole = document(b"\x02a\0\x02\0\0\0x\0\x0ab\0");
        let mut part = Fields::new(whole.get(..8).unwrap(), whole.len() as u64);
        assert!(matches!(Document::read(&mut part).unwrap().next(), Err(Short::More)));
    }

    #[test]
    fn behind_a_long_value_nobody_looks() {
        let length = u32::try_from(LOOKED_AT).unwrap();
        let value = [&length.to_le_bytes()[..], &vec![b'x'; LOOKED_AT]].concat();
        let bytes = document(&[b"\x02a\0", value.as_slice(), b"\x20b\0"].concat());
        // The value itself need not be there.
        let mut fields = Fields::new(bytes.get(..16).unwrap(), bytes.len() as u64);
        let mut document = Document::read(&mut fields).unwrap();
        assert_eq!(document.next().unwrap().unwrap().name, b"a");
        assert!(document.next().unwrap().is_none() && document.is_cut());
    }
}
