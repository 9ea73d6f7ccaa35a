//! Tapes, in front of their reader.
//!
//! An input that begins with `0` is a tape. With another first byte the rest is bodies of frames with [`SEPARATOR`]
//! between them, the first of them the header's: what they are framed with is right. Held to be true: however a tape is
//! cut, it says the same; an error is the last word; what is read can be written and read again. Invariant: as said.
//! Memory: [`MOST`], and [`FOR_EACH_BYTE`].

use tracer_core::Input;
use tracer_core::tape::{Ending, MAGIC, Reader, TapeError, TapeHeader, VERSION, Writer};
use tracer_core::time::{Span, Wall};

use crate::numbers::Numbers;
use crate::steps::{SEPARATOR, parts};
use crate::{Use, memory};

const MOST: usize = 16 << 20;
/// And for each byte of the input.
const FOR_EACH_BYTE: usize = 64;

pub(crate) fn run(input: &[u8]) -> Use {
    let Some((kind, rest)) = input.split_first() else { return Use::Reject };
    memory::within(MOST + FOR_EACH_BYTE * input.len(), || {
        let tape = if *kind == b'0' { rest.to_vec() } else { framed(&parts(rest)) };
        let whole = read(&tape, &[usize::MAX]);
        let mut numbers = Numbers::of(input);
        let cuts: Vec<usize> = (0..8).map(|_| numbers.upto(64)).collect();
        assert_eq!(read(&tape, &cuts), whole);
        for (frame, _) in &whole.0 {
            let mut again = header();
            again.extend(frame);
            let (frames, ending) = read(&again, &[usize::MAX]);
            assert_eq!(frames.first().map(|(frame, _)| frame), Some(frame));
            assert_eq!(ending, Ok(Ending::Clean));
        }
    });
    Use::Keep
}

/// An input, as it would be written and as a person sees it.
type Told = (Vec<u8>, String);

/// The inputs of a tape, and how it ends.
fn read(tape: &[u8], cuts: &[usize]) -> (Vec<Told>, Result<Ending, TapeError>) {
    let (mut reader, mut inputs, mut lengths) = (Reader::default(), Vec::new(), cuts.iter().copied().cycle());
    let mut left = tape;
    while !left.is_empty() {
        let (mut piece, rest) = left.split_at(lengths.next().unwrap_or(1).min(left.len()));
        left = rest;
        while !piece.is_empty() {
            piece = reader.feed(piece);
            loop {
                match reader.next_input() {
                    Ok(Some(input)) => inputs.push((frame(&input), format!("{input:?}"))),
                    Ok(None) => break,
                    Err(error) => {
                        assert_eq!(reader.next_input(), Err(error), "an error is final");
                        break;
                    }
                }
            }
        }
    }
    (inputs, reader.finish())
}

fn frame(input: &Input) -> Vec<u8> {
    let mut frame = Vec::new();
    Writer::frame(input, &mut frame).expect("what was read fits a frame");
    frame
}

/// The header of a tape of this tracer.
pub(crate) fn header() -> Vec<u8> {
    let header = TapeHeader::new("0.1.0", "host", "6.18", Span::from_seconds(5), Wall(0));
    Writer::header(&header).expect("a short header")
}

/// A tape with these bodies; without any, its header's is missing.
fn framed(bodies: &[&[u8]]) -> Vec<u8> {
    let mut tape = [&MAGIC[..], &VERSION.to_le_bytes()].concat();
    for body in bodies {
        let length = u32::try_from(body.len()).expect("an input is short");
        tape.extend(length.to_le_bytes());
        tape.extend(crc32fast::hash(body).to_le_bytes());
        tape.extend(*body);
    }
    tape
}

/// A tape as an input, whole and as the bodies of its frames.
pub(crate) fn seeds(inputs: &[Input]) -> [Vec<u8>; 2] {
    let frames = inputs.iter().map(frame).collect::<Vec<_>>();
    let mut whole = vec![b'0'];
    whole.extend(header());
    whole.extend(frames.concat());
    // Behind magic and version, and the prefix of each frame.
    let mut bodies = vec![b'1'];
    bodies.extend(&header()[MAGIC.len() + 2 + 8..]);
    for frame in frames {
        bodies.extend(SEPARATOR);
        bodies.extend(&frame[8..]);
    }
    [whole, bodies]
}
