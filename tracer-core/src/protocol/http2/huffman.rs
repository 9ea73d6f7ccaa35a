//! The Huffman code of HPACK (RFC 7541 §5.2, appendix B).
//!
//! The code is canonical: how long each word is says which it is. Invariant: a string whose filling is not that of the
//! specification is none. Memory: the word that has begun.

/// Bits of the word of each byte and, last, of the end of a string.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];
/// Bits of the longest word.
const LONGEST: usize = 30;
const CODE: Code = Code::new();

/// What each word stands for.
struct Code {
    /// By the length of a word.
    levels: [Level; LONGEST + 1],
    /// Bytes and the end of a string, in the order of their words.
    symbols: [u16; LENGTHS.len()],
}

/// The words of one length: they are consecutive numbers.
#[derive(Clone, Copy)]
struct Level {
    first: u32,
    count: u32,
    /// Where their symbols are.
    start: usize,
}

impl Code {
    #[expect(clippy::indexing_slicing, reason = "it is run by the compiler only")]
    const fn new() -> Self {
        let mut levels = [Level { first: 0, count: 0, start: 0 }; LONGEST + 1];
        let mut symbols = [0; LENGTHS.len()];
        let (mut word, mut place, mut length) = (0, 0, 1);
        while length <= LONGEST {
            word <<= 1;
            levels[length] = Level { first: word, count: 0, start: place };
            let mut symbol = 0_u16;
            while (symbol as usize) < LENGTHS.len() {
                if LENGTHS[symbol as usize] as usize == length {
                    symbols[place] = symbol;
                    levels[length].count += 1;
                    place += 1;
                    word += 1;
                }
                symbol += 1;
            }
            length += 1;
        }
        Self { levels, symbols }
    }
}

/// A string that is read byte by byte.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Huffman {
    word: u32,
    bits: usize,
}

impl Huffman {
    /// Gives the bytes whose last bit is in this one.
    pub(super) fn read(&mut self, byte: u8, mut take: impl FnMut(u8)) -> Result<(), &'static str> {
        const WRONG: &str = "a string is not in the Huffman code";
        for shift in (0..8).rev() {
            self.word = (self.word << 1) | u32::from((byte >> shift) & 1);
            self.bits += 1;
            let level = CODE.levels.get(self.bits).ok_or(WRONG)?;
            let place = self.word.wrapping_sub(level.first);
            if place < level.count {
                let symbol = usize::try_from(place).ok().and_then(|place| CODE.symbols.get(level.start + place));
                // The end of a string must not be in one.
                take(symbol.and_then(|symbol| u8::try_from(*symbol).ok()).ok_or(WRONG)?);
                *self = Self::default();
            }
        }
        Ok(())
    }

    /// Whether a string may end here: less than a byte is left, and all of it is ones.
    pub(super) fn is_over(self) -> bool {
        self.bits < 8 && self.word == (1 << self.bits) - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8]) -> Option<String> {
        let (mut huffman, mut text) = (Huffman::default(), Vec::new());
        bytes.iter().try_for_each(|byte| huffman.read(*byte, |letter| text.push(letter))).ok()?;
        huffman.is_over().then(|| String::from_utf8(text).unwrap())
    }

    #[test]
    fn the_code_uses_every_word() {
        let used: u64 = LENGTHS.iter().map(|length| 1 << (LONGEST - usize::from(*length))).sum();
        assert_eq!(used, 1 << LONGEST);
    }

    #[test]
    fn the_strings_of_the_specification_are_decoded() {
        // RFC 7541 appendices C.4 and C.6.
        let strings: [(&[u8], &str); 12] = [
            (b"\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff", "www.example.com"),
            (b"\xa8\xeb\x10\x64\x9c\xbf", "no-cache"),
            (b"\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f", "custom-key"),
            (b"\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf", "custom-value"),
            (b"\x64\x02", "302"),
            (b"\xae\xc3\x77\x1a\x4b", "private"),
            (
                b"\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x82\xa6\x2d\x1b\xff",
                "Mon, 21 Oct 2013 20:13:21 GMT",
            ),
            (b"\x9d\x29\xad\x17\x18\x63\xc7\x8f\x0b\x97\xc8\xe9\xae\x82\xae\x43\xd3", "https://www.example.com"),
            (b"\x64\x0e\xff", "307"),
            (
                b"\xd0\x7a\xbe\x94\x10\x54\xd4\x44\xa8\x20\x05\x95\x04\x0b\x81\x66\xe0\x84\xa6\x2d\x1b\xff",
                "Mon, 21 Oct 2013 20:13:22 GMT",
            ),
            (b"\x9b\xd9\xab", "gzip"),
            (
                b"\x94\xe7\x82\x1d\xd7\xf2\xe6\xc7\xb3\x35\xdf\xdf\xcd\x5b\x39\x60\xd5\xaf\x27\x08\x7f\x36\x72\xc1\xab\
                  \x27\x0f\xb5\x29\x1f\x95\x87\x31\x60\x65\xc0\x03\xed\x4e\xe5\xb1\x06\x3d\x50\x07",
                "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
            ),
        ];
        for (bytes, text) in strings {
            assert_eq!(decode(bytes).as_deref(), Some(text));
        }
    }

    #[test]
    fn a_string_that_ends_in_a_whole_byte_of_ones_in_zeros_or_in_an_end_is_none() {
        assert_eq!(decode(b"\x64\x0e\xff\xff"), None);
        assert_eq!(decode(b"\x64\x0e\xfe"), None);
        assert_eq!(decode(b"\xff\xff\xff\xff"), None);
    }
}
