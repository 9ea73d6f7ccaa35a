//! A conversation as an input: what happens on the wire, one step after the other.
//!
//! The first byte says how the connection is first seen ([`Start`]). What follows are steps, each of them
//! [`SEPARATOR`], a byte whose three low bits say what happens, and bytes up to the next separator: so an engine can take
//! bytes out and put bytes in anywhere, and the rest still means the same. `0` and `1`: the client and the server send
//! them; `2` and `3`: they do, and nobody sees it; `4` and `5`: they close; `6` and `7`: as many bytes are sent as these
//! say (little-endian), and nobody sees it. Invariant: every input has a meaning. Memory: that of the input.

use crate::wire::Step;
use tracer_core::protocol::Side;

/// Bytes that hardly any protocol has.
pub(crate) const SEPARATOR: [u8; 3] = [0xf5, 0xc1, 0xfa];

/// How a connection is first seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    New,
    /// It began before.
    Older,
    /// It began before, and what it speaks is known.
    Known,
}

/// A step with the bytes that nobody sees, where some are not seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Seen(Step),
    Hidden(Side, Vec<u8>),
}

/// What an input says.
pub(crate) fn read(input: &[u8]) -> (Start, Vec<Sent>) {
    let Some((first, rest)) = input.split_first() else { return (Start::New, Vec::new()) };
    let start = match first % 4 {
        1 => Start::Older,
        2 => Start::Known,
        _ => Start::New,
    };
    (start, parts(rest).into_iter().filter_map(step).collect())
}

/// The pieces of an input between separators.
pub(crate) fn parts(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(place) = rest.windows(SEPARATOR.len()).position(|window| window == SEPARATOR) {
        let (part, after) = rest.split_at(place);
        parts.push(part);
        rest = &after[SEPARATOR.len()..];
    }
    parts.push(rest);
    parts.retain(|part| !part.is_empty());
    parts
}

fn step(part: &[u8]) -> Option<Sent> {
    let (kind, bytes) = part.split_first()?;
    let side = if kind & 1 == 0 { Side::Client } else { Side::Server };
    Some(match kind & 6 {
        0 => Sent::Seen(Step::Bytes(side, bytes.to_vec())),
        2 => Sent::Hidden(side, bytes.to_vec()),
        4 => Sent::Seen(Step::Close(side)),
        _ => {
            let length = bytes.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
            Sent::Seen(Step::Gap(side, length))
        }
    })
}

/// The input that says this.
pub(crate) fn write(start: Start, steps: &[Step]) -> Vec<u8> {
    let mut input = vec![match start {
        Start::New => b'0',
        Start::Older => b'1',
        Start::Known => b'2',
    }];
    for step in steps {
        let (kind, side, length);
        let bytes = match step {
            Step::Bytes(of, bytes) => {
                (kind, side) = (b'0', of);
                bytes.as_slice()
            }
            Step::Close(of) => {
                (kind, side) = (b'4', of);
                &[]
            }
            Step::Gap(of, number) => {
                (kind, side, length) = (b'6', of, number.to_le_bytes());
                &length[..]
            }
        };
        input.extend(SEPARATOR);
        input.push(kind + u8::from(*side == Side::Server));
        input.extend(bytes);
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let steps = [
            Step::Bytes(Side::Client, b"GET\n".to_vec()),
            Step::Gap(Side::Server, 70_000),
            Step::Bytes(Side::Server, vec![0xf5, 0xc1, 0]),
            Step::Close(Side::Server),
        ];
        let input = write(Start::Older, &steps);
        assert_eq!(read(&input), (Start::Older, steps.map(Sent::Seen).to_vec()));
        assert_eq!(read(b"2\xf5\xc1\xfa2ab"), (Start::Known, vec![Sent::Hidden(Side::Client, b"ab".to_vec())]));
        assert_eq!(read(b""), (Start::New, Vec::new()));
    }
}
