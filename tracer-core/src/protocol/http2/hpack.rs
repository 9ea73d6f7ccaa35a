//! Header blocks (HPACK, RFC 7541 §5, §6), in pieces as they come.
//!
//! Own code, because a decoder has to go on where its table is not known, and to keep no values that say nothing.
//! Invariant: the fields do not depend on how a block is cut. Memory: its `Table`, and [`TEXT_BYTES`] of one string.

use compact_str::CompactString;

use super::huffman::Huffman;
use super::table::{Field, Name, Table};

/// Bytes that are kept of a name or a value.
const TEXT_BYTES: usize = 256;
/// Bytes of a name or a value; servers accept far less in all fields together.
const STRING_BYTES: u64 = 1 << 20;
/// Bits of a number: no more are ever needed.
const NUMBER_BITS: u32 = 28;

/// Reads the header blocks of one side.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    table: Table,
    /// `None` between two fields.
    within: Option<Within>,
    /// The block has a field already, or the beginning of one.
    is_begun: bool,
}

/// What comes next within a field.
#[derive(Debug)]
enum Within {
    /// More of a number.
    Number { meaning: Meaning, value: u64, shift: u32 },
    /// The length of a string.
    Length(Literal),
    /// More of a string.
    Text(Literal, Text),
}

/// What a number says.
#[derive(Debug)]
enum Meaning {
    Index,
    /// Of the table.
    Size,
    NameIndex {
        is_added: bool,
    },
    Length {
        literal: Literal,
        is_huffman: bool,
    },
}

/// A field that is spelled out.
#[derive(Debug)]
struct Literal {
    /// It is to be in the table.
    is_added: bool,
    /// With its size; the first string is the name where this is none.
    name: Option<(Name, u64)>,
}

#[derive(Debug)]
struct Text {
    left: u64,
    /// Bytes; of a string in the Huffman code that says nothing, those that were sent.
    size: u64,
    huffman: Option<Huffman>,
    is_wanted: bool,
    /// As far as there is room.
    kept: Vec<u8>,
}

impl Decoder {
    /// Reads more of a block, and gives the fields that are whole.
    pub(super) fn read(&mut self, bytes: &[u8], take: &mut impl FnMut(Field)) -> Result<(), &'static str> {
        let mut left = bytes;
        while let Some((byte, rest)) = left.split_first() {
            left = rest;
            let Some(within) = self.within.take() else {
                self.begin(*byte, take)?;
                continue;
            };
            match within {
                Within::Number { meaning, value, shift } => {
                    if shift >= NUMBER_BITS {
                        return Err("a number is too large");
                    }
                    let value = value + (u64::from(byte & 0x7f) << shift);
                    if *byte < 0x80 {
                        self.number(meaning, value, take)?;
                    } else {
                        self.within = Some(Within::Number { meaning, value, shift: shift + 7 });
                    }
                }
                Within::Length(literal) => {
                    let meaning = Meaning::Length { literal, is_huffman: *byte >= 0x80 };
                    self.prefix(*byte, 7, meaning, take)?;
                }
                Within::Text(literal, mut text) => {
                    left = text.read(*byte, left)?;
                    if text.left == 0 {
                        self.text(&literal, &text, take)?;
                    } else {
                        self.within = Some(Within::Text(literal, text));
                    }
                }
            }
        }
        Ok(())
    }

    /// A block ends.
    pub(super) fn end(&mut self) -> Result<(), &'static str> {
        self.is_begun = false;
        if self.within.is_none() { Ok(()) } else { Err("a header block ends within a field") }
    }

    fn begin(&mut self, byte: u8, take: &mut impl FnMut(Field)) -> Result<(), &'static str> {
        let (bits, meaning) = match byte {
            0x80.. => (7, Meaning::Index),
            0x40.. => (6, Meaning::NameIndex { is_added: true }),
            0x20.. if self.is_begun => return Err("a table is resized within a header block"),
            0x20.. => (5, Meaning::Size),
            _ => (4, Meaning::NameIndex { is_added: false }),
        };
        self.is_begun |= !matches!(meaning, Meaning::Size);
        self.prefix(byte, bits, meaning, take)
    }

    /// The first byte of a number, which has so many bits in it.
    fn prefix(
        &mut self,
        byte: u8,
        bits: u32,
        meaning: Meaning,
        take: &mut impl FnMut(Field),
    ) -> Result<(), &'static str> {
        let most = (1_u64 << bits) - 1;
        let value = u64::from(byte) & most;
        if value < most {
            return self.number(meaning, value, take);
        }
        self.within = Some(Within::Number { meaning, value, shift: 0 });
        Ok(())
    }

    fn number(&mut self, meaning: Meaning, value: u64, take: &mut impl FnMut(Field)) -> Result<(), &'static str> {
        match meaning {
            Meaning::Index => take(self.table.get(value)?),
            Meaning::Size => self.table.resize(value),
            Meaning::NameIndex { is_added } => {
                // The size of a name that is only referred to is not worth keeping.
                let name = if value == 0 { None } else { Some((self.table.get(value)?.name, 0)) };
                self.within = Some(Within::Length(Literal { is_added, name }));
            }
            Meaning::Length { literal, is_huffman } => {
                if value > STRING_BYTES {
                    return Err("a string is too long");
                }
                let is_wanted = literal.name.is_none_or(|(name, _)| name.has_value());
                let huffman = is_huffman.then(Huffman::default);
                let text = Text { left: value, size: 0, huffman, is_wanted, kept: Vec::new() };
                if value == 0 {
                    return self.text(&literal, &text, take);
                }
                self.within = Some(Within::Text(literal, text));
            }
        }
        Ok(())
    }

    /// A string is whole.
    fn text(&mut self, literal: &Literal, text: &Text, take: &mut impl FnMut(Field)) -> Result<(), &'static str> {
        if text.is_wanted && text.huffman.is_some_and(|huffman| !huffman.is_over()) {
            return Err("a string does not end as the Huffman code does");
        }
        let Some((name, size)) = literal.name else {
            let name = Some((Name::of(&text.kept), text.size));
            self.within = Some(Within::Length(Literal { name, ..*literal }));
            return Ok(());
        };
        let mut kept = text.kept.as_slice();
        if name == Name::Path {
            // Queries are full of values.
            kept = kept.split(|byte| matches!(byte, b'?' | b'#')).next().unwrap_or_default();
        }
        let field = Field { name, value: CompactString::from_utf8_lossy(kept) };
        if literal.is_added {
            self.table.add(field.clone(), size.saturating_add(text.size));
        }
        take(field);
        Ok(())
    }
}

impl Text {
    /// Takes a byte, and what follows it; gives what follows the string.
    fn read<'a>(&mut self, byte: u8, rest: &'a [u8]) -> Result<&'a [u8], &'static str> {
        let more = usize::try_from(self.left - 1).unwrap_or(usize::MAX).min(rest.len());
        let (more, rest) = rest.split_at_checked(more).unwrap_or((rest, &[]));
        let length = more.len() as u64 + 1;
        self.left -= length;
        if !self.is_wanted {
            self.size += length;
            return Ok(rest);
        }
        for byte in std::iter::once(&byte).chain(more) {
            let (size, kept) = (&mut self.size, &mut self.kept);
            let mut keep = |letter| {
                *size += 1;
                if kept.len() < TEXT_BYTES {
                    kept.push(letter);
                }
            };
            match &mut self.huffman {
                Some(huffman) => huffman.read(*byte, keep)?,
                None => keep(*byte),
            }
        }
        Ok(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Decodes blocks of hexadecimal digits, each in pieces of so many bytes.
    fn decode(blocks: &[&str], piece: usize) -> Result<Vec<String>, &'static str> {
        let mut decoder = Decoder::default();
        let mut read = |block: &&str| {
            let digits: Vec<u32> = block.chars().filter_map(|letter| letter.to_digit(16)).collect();
            let bytes: Vec<u8> = digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect();
            let mut fields = Vec::new();
            for piece in bytes.chunks(piece) {
                decoder.read(piece, &mut |field| fields.push(format!("{:?} {}", field.name, field.value)))?;
            }
            decoder.end()?;
            Ok(fields.join(", "))
        };
        blocks.iter().map(&mut read).collect()
    }

    fn check(blocks: &[&str], expected: &[&str]) {
        for piece in [1, 2, 3, 7, 1_000] {
            assert_eq!(decode(blocks, piece).unwrap(), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn the_representations_of_the_specification_are_read() {
        // RFC 7541 appendix C.2.
        check(&["400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"], &["Other "]);
        check(&["040c 2f73 616d 706c 652f 7061 7468"], &["Path /sample/path"]);
        check(&["1008 7061 7373 776f 7264 0673 6563 7265 74"], &["Other "]);
        check(&["82"], &["Method GET"]);
    }

    #[test]
    fn the_requests_of_the_specification_are_read() {
        let expected = [
            "Method GET, Scheme , Path /, Authority www.example.com",
            "Method GET, Scheme , Path /, Authority www.example.com, Other ",
            "Method GET, Scheme , Path /index.html, Authority www.example.com, Other ",
        ];
        // RFC 7541 appendices C.3 and C.4.
        let plain = [
            "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "8286 84be 5808 6e6f 2d63 6163 6865",
            "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
        ];
        let huffman = [
            "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
            "8286 84be 5886 a8eb 1064 9cbf",
            "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
        ];
        check(&plain, &expected);
        check(&huffman, &expected);
    }

    #[test]
    fn the_responses_of_the_specification_are_read_though_entries_are_evicted() {
        let expected = [
            "Status 302, Other , Other , Other ",
            "Status 307, Other , Other , Other ",
            "Status 200, Other , Other , Other , Other , Other ",
        ];
        // RFC 7541 appendices C.5 and C.6, with the size of 256 that they assume said first.
        let plain = [
            "3fe101 4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32
             3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
            "4803 3330 37c1 c0bf",
            "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738
             666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33
             3630 303b 2076 6572 7369 6f6e 3d31",
        ];
        let huffman = [
            "3fe101 4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad
             1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
            "4883 640e ffc1 c0bf",
            "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7
             b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07",
        ];
        check(&plain, &expected);
        check(&huffman, &expected);
    }

    #[test]
    fn after_a_start_in_the_middle_what_is_not_known_is_unknown_and_the_rest_is_read() {
        // `:method: GET` and a path are known; two entries are not, until one is added before them.
        check(&["82 bf be 04022f61"], &["Method GET, Unknown , Unknown , Path /a"]);
        check(&["88 be 4803323031", "be bf"], &["Status 200, Unknown , Status 201", "Status 201, Unknown "]);
        // A name that is not known has a value that says nothing.
        check(&["7f0003 2f61 62", "be"], &["Unknown ", "Unknown "]);
    }

    #[test]
    fn a_query_is_not_kept_and_a_long_path_is_cut() {
        check(&["04 07 2f613f623d6323"], &["Path /a"]);
        let long = format!("04 7f ae02 2f{}", "61".repeat(428));
        check(&[&long], &[&format!("Path /{}", "a".repeat(255))]);
    }

    #[test]
    fn what_is_no_header_block_is_wrong() {
        for wrong in ["80", "ff ffff ffff ffff ff01", "82 20", "04 02 2f", "40", "04 81 00", "04 7f ffff ffff 0f", "ff"]
        {
            assert!(decode(&[wrong], 1_000).is_err(), "{wrong}");
        }
    }
}
