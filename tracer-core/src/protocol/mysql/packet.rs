//! Packets of MySQL, and the numbers in them (MySQL's "Client/Server Protocol", MariaDB's "Clients & Utilities: Protocol").
//!
//! Invariant: nothing behind a packet is looked at for it. Memory: none.

use crate::protocol::short::Short;

/// The length and the sequence number of a packet.
pub(super) const HEADER_BYTES: usize = 4;
/// What this many bytes say goes on in the next packet.
pub(super) const LONGEST: usize = 0xff_ffff;

/// A packet: as much of its content as is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Packet<'a> {
    /// Without the header.
    pub(super) length: usize,
    pub(super) sequence: u8,
    pub(super) content: &'a [u8],
}

impl<'a> Packet<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Short> {
        let Some(([low, middle, high, sequence], rest)) = bytes.split_first_chunk() else { return Err(Short::More) };
        let length = usize::from(*low) | usize::from(*middle) << 8 | usize::from(*high) << 16;
        Ok(Self { length, sequence: *sequence, content: rest.get(..length).unwrap_or(rest) })
    }

    /// Its length with its header.
    pub(super) fn whole(&self) -> u64 {
        self.length.saturating_add(HEADER_BYTES) as u64
    }

    /// All of its content is there.
    pub(super) fn is_whole(&self) -> bool {
        self.content.len() == self.length
    }

    /// So many bytes from a place on.
    pub(super) fn part(&self, from: usize, length: usize) -> Result<&'a [u8], Short> {
        let part = self.content.get(from..from.saturating_add(length));
        part.ok_or(if self.is_whole() { Short::Wrong("a packet is too short") } else { Short::More })
    }

    /// What follows from a place on, up to this many bytes of it.
    pub(super) fn rest(&self, from: usize, most: usize) -> Result<&'a [u8], Short> {
        self.part(from, self.length.saturating_sub(from).min(most))
    }

    pub(super) fn byte(&self, at: usize) -> Result<u8, Short> {
        Ok(self.part(at, 1)?.first().copied().unwrap_or_default())
    }

    pub(super) fn short(&self, at: usize) -> Result<u16, Short> {
        Ok(self.part(at, 2)?.iter().rev().fold(0, |number, byte| number << 8 | u16::from(*byte)))
    }

    pub(super) fn long(&self, at: usize) -> Result<u32, Short> {
        Ok(self.part(at, 4)?.iter().rev().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// A number of one byte or more, and the place after it.
    pub(super) fn number(&self, at: usize) -> Result<(u64, usize), Short> {
        let first = self.byte(at)?;
        let (from, length) = match first {
            0xfc => (at.saturating_add(1), 2),
            0xfd => (at.saturating_add(1), 3),
            0xfe => (at.saturating_add(1), 8),
            0xfb | 0xff => return Err(Short::Wrong("a number is none")),
            _ => (at, 1),
        };
        let digits = self.part(from, length)?;
        let number = digits.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
        Ok((number, from.saturating_add(length)))
    }

    /// The flags of the server's status: where they stand depends on what the packet is.
    pub(super) fn status(&self) -> Result<u16, Short> {
        if self.is_end() {
            return self.short(3);
        }
        let (_, at) = self.number(1)?;
        let (_, at) = self.number(at)?;
        self.short(at)
    }

    /// An end in the manner of servers before MySQL 5.7.5: nothing but warnings and a status.
    pub(super) fn is_end(&self) -> bool {
        self.length == 5 && self.content.first() == Some(&0xfe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(content: &[u8]) -> Packet<'_> {
        Packet { length: content.len(), sequence: 1, content }
    }

    #[test]
    fn numbers_have_one_byte_or_more() {
        assert_eq!(packet(&[250]).number(0), Ok((250, 1)));
        assert_eq!(packet(&[0xfc, 1, 2]).number(0), Ok((0x201, 3)));
        assert_eq!(packet(&[0xfd, 1, 2, 3]).number(0), Ok((0x3_0201, 4)));
        assert_eq!(packet(&[0xfe, 1, 0, 0, 0, 0, 0, 0, 2]).number(0), Ok(((2 << 56) + 1, 9)));
        assert!(matches!(packet(&[0xfb]).number(0), Err(Short::Wrong(_))));
        assert!(matches!(packet(&[0xfc, 1]).number(0), Err(Short::Wrong(_))));
        assert_eq!(Packet { length: 3, ..packet(&[0xfc, 1]) }.number(0), Err(Short::More));
    }

    #[test]
    fn the_status_stands_elsewhere_in_an_end_than_in_a_success() {
        assert_eq!(packet(&[0xfe, 0, 0, 0x0a, 0]).status(), Ok(10));
        assert_eq!(packet(&[0, 1, 0xfc, 1, 1, 0x02, 0x40, 0, 0]).status(), Ok(0x4002));
    }
}
