//! Segments, in which frames travel since version 5 (native protocol v5 §2.2): a header with its own checksum, frames, and
//! a checksum of those.
//!
//! Invariant: a header is believed only with its checksum; that of the frames, of which not all may be there, is passed
//! over. Memory: none.

use crate::protocol::fields::Fields;
use crate::protocol::lines::Short;

/// Bytes of a header, and of what follows the frames.
pub(super) const HEADER_BYTES: usize = 6;
pub(super) const TRAILER_BYTES: u64 = 4;
/// The length of the frames takes 17 bits, and one says that they are whole; the others are 0.
const LENGTH: u32 = (1 << 17) - 1;
const IS_WHOLE: u32 = 1 << 17;
const UNUSED: u32 = !(LENGTH | IS_WHOLE);
/// What the checksum of a header begins with, and its polynomial.
const CRC24_INITIAL: u32 = 0x87_5060;
const CRC24_POLYNOMIAL: u32 = 0x197_4f0b;
const CRC24_TOP: u32 = 1 << 24;

/// A header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    /// Bytes of frames.
    pub(super) length: u64,
    /// They are whole; else they are a part of one that needs several segments.
    pub(super) is_whole: bool,
}

impl Segment {
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Short> {
        let header = Fields::new(bytes, u64::MAX).take(HEADER_BYTES)?;
        let number = |bytes: &[u8]| bytes.iter().rev().fold(0, |number, byte| (number << 8) | u32::from(*byte));
        let (said, checksum) = header.split_at(HEADER_BYTES / 2);
        let word = number(said);
        if crc24(said) != number(checksum) || word & UNUSED != 0 {
            return Err(Short::Wrong("a segment has another checksum"));
        }
        Ok(Self { length: u64::from(word & LENGTH), is_whole: word & IS_WHOLE != 0 })
    }
}

fn crc24(bytes: &[u8]) -> u32 {
    let mut checksum = CRC24_INITIAL;
    for byte in bytes {
        checksum ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            checksum <<= 1;
            if checksum & CRC24_TOP != 0 {
                checksum ^= CRC24_POLYNOMIAL;
            }
        }
    }
    checksum
}

/// Frames in a segment.
#[cfg(test)]
pub(super) fn of(frames: &[u8], is_whole: bool) -> Vec<u8> {
    let word = u32::try_from(frames.len()).unwrap() | if is_whole { IS_WHOLE } else { 0 };
    let [first, second, third, _] = word.to_le_bytes();
    let header = [first, second, third];
    let checksum = crc24(&header).to_le_bytes();
    [&header[..], checksum.get(..3).unwrap(), frames, &[0; 4]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_one_only_with_its_checksum() {
        // As the Python driver makes it, of 22 bytes that are whole.
        let header = [0x16, 0, 2, 0x9d, 0x04, 0xf9];
        assert_eq!(Segment::read(&header), Ok(Segment { length: 22, is_whole: true }));
        for place in 0..HEADER_BYTES {
            let mut other = header;
            other[place] ^= 1;
            assert!(matches!(Segment::read(&other), Err(Short::Wrong(_))), "byte {place}");
        }
        assert_eq!(Segment::read(header.get(..5).unwrap()), Err(Short::More));
        assert_eq!(Segment::read(&of(b"frames", false)), Ok(Segment { length: 6, is_whole: false }));
    }
}
