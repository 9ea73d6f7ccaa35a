//! Real conversations with holes anywhere, cut anyhow: nothing may be found that was not said.
//!
//! An input is two bytes that choose a file of `tests/wire` (that with the next hash of its name, so that the choice stays
//! when files are added), one for how it is cut (with its highest bit, whole exchanges
//! are not told, where a parser needs no more than a share of them), and four for each hole: its place and its length. Invariant: as said. Memory: [`MOST`].

use std::collections::BTreeMap;
use std::sync::LazyLock;

use tracer_core::input::Capture;
use tracer_core::protocol::{Conversation, PARSERS, Piece, Requests, Side, Talk};
use tracer_core::time::Moment;

use crate::damage::{are_among, cut, length, with_hole};
use crate::numbers::Numbers;
use crate::wire::{self, Step, Wire};
use crate::{Use, memory};

const MOST: usize = 8 << 20;
/// Holes of one conversation.
const HOLES: usize = 6;
/// Bytes of a piece that are told.
const HEADS: [usize; 3] = [512, 4_032, 48];

/// By the hashes of their names.
static WIRES: LazyLock<BTreeMap<u16, Wire>> =
    LazyLock::new(|| wire::files().into_iter().map(|wire| (hash(&wire.name), wire)).collect());

fn hash(name: &str) -> u16 {
    let [one, other, ..] = Numbers::of(name.as_bytes()).hash().to_be_bytes();
    u16::from_be_bytes([one, other])
}

pub(crate) fn run(input: &[u8]) -> Use {
    let Some((choice, rest)) = input.split_first_chunk::<2>() else { return Use::Reject };
    let Some((pieces, holes)) = rest.split_first() else { return Use::Reject };
    let mut next = WIRES.range(u16::from_le_bytes(*choice)..).chain(WIRES.iter());
    let (_, wire) = next.next().expect("there are conversations");
    memory::within(MOST, || {
        let all = length(wire);
        let mut steps = wire.steps.clone();
        for hole in holes.chunks_exact(4).take(HOLES) {
            let [start, size] = [&hole[..2], &hole[2..]].map(|two| usize::from(two[0]) | usize::from(two[1]) << 8);
            steps = with_hole(&steps, start % all.max(1), size % 512);
        }
        let length = usize::from(*pieces & 0x7f);
        if length > 0 {
            steps = cut(&steps, &[length]);
        }
        let (lines, protocol, _) = wire::run(wire, &steps);
        let is_one = |name: &str| name == wire.protocol || wire.before.iter().any(|before| before == name);
        assert!(protocol.is_none_or(is_one), "{}: {protocol:?}", wire.name);
        assert!(are_among(&lines, &wire.expected), "{}: {lines:#?} of\n{}", wire.name, shown(&steps));
        overhear(wire, &steps, HEADS[length % HEADS.len()], *pieces > 0x7f);
    });
    Use::Keep
}

/// The same as the kernel would tell it: with no more than so many bytes of each piece.
fn overhear(wire: &Wire, steps: &[Step], head: usize, is_share: bool) {
    let mut rows = PARSERS.iter().filter(|row| row.name == wire.protocol);
    let is_heads = rows.any(|row| matches!(row.capture, Capture::Heads { .. }));
    let talk = if wire.older { Talk::older() } else { Talk::new() };
    let mut heard = Heard { talk, places: [0; 2], turn: None, exchange: 0, share: is_share && is_heads };
    let mut lines = Vec::new();
    for (at, step) in (1..).map(Moment).zip(steps) {
        let Some(piece) = heard.piece(step, head, at) else { continue };
        heard.talk.hear(&piece, wire.port);
        let named = heard.talk.take_ended().filter(|(ended, _)| !ended.operation.is_unknown());
        lines.extend(named.map(|(ended, _)| wire::line(&ended)));
    }
    // Where what shows that requests overlap may be lost, turns are taken for what they are not.
    let is_said = overlaps(wire) || are_among(&lines, &said(wire));
    assert!(is_said, "{}, of each piece {head} bytes: {lines:#?} of\n{}", wire.name, shown(steps));
}

/// What may be told of a conversation: also a response that began, if its end is lost.
fn said(wire: &Wire) -> Vec<String> {
    let begun = whole(wire).settle(Side::Server);
    wire.expected.iter().cloned().chain(begun.iter().map(wire::line)).collect()
}

/// Whether requests ever wait beside each other.
fn overlaps(wire: &Wire) -> bool {
    whole(wire).are_several()
}

/// What waits at the end.
fn whole(wire: &Wire) -> Requests {
    let mut conversation = if wire.older { Conversation::older() } else { Conversation::default() };
    let (mut requests, mut events) = (Requests::default(), Vec::new());
    for step in &wire.steps {
        let Step::Bytes(side, bytes) = step else { continue };
        conversation.feed(*side, wire.port, bytes, Moment(0), &mut events);
    }
    events.iter().for_each(|event| drop(requests.take(event)));
    requests
}

/// Steps as in a file of `tests/wire`; pieces of one side that follow each other stand in a line.
fn shown(steps: &[Step]) -> String {
    let mut text = String::new();
    let mut last = None;
    for step in steps {
        let (side, what) = match step {
            Step::Bytes(side, bytes) => (*side, bytes.escape_ascii().to_string()),
            Step::Gap(side, length) => (*side, format!("[{length} bytes]")),
            Step::Close(side) => (*side, "[close]".to_owned()),
        };
        match last.replace(side) == Some(side) {
            true => text.push(' '),
            false => text.push_str(if side == Side::Client { "\n> " } else { "\n< " }),
        }
        text.push_str(&what);
    }
    text
}

/// A connection as it is told.
struct Heard {
    talk: Talk,
    places: [u64; 2],
    turn: Option<Side>,
    exchange: u32,
    /// Only a share of the exchanges is told.
    share: bool,
}

impl Heard {
    fn piece<'a>(&mut self, step: &'a Step, head: usize, at: Moment) -> Option<Piece<'a>> {
        let (side, length, bytes) = match step {
            Step::Bytes(side, bytes) => (*side, bytes.len() as u64, Some(bytes.get(..head).unwrap_or(bytes))),
            // What began it was not told.
            Step::Gap(side, length) => (*side, *length, None),
            Step::Close(_) => return None,
        };
        let begins = self.turn.replace(side) != Some(side);
        self.exchange += u32::from(begins && side == Side::Client);
        let (mine, others) = if side == Side::Client { (0, 1) } else { (1, 0) };
        let (position, other) = (self.places[mine], self.places[others]);
        self.places[mine] += length;
        let bytes = bytes.filter(|_| !self.share || !self.exchange.is_multiple_of(3))?;
        let weight = if self.share { 3 } else { 1 };
        Some(Piece { side, position, other, length, bytes, at, begins, exchange: self.exchange, weight })
    }
}

/// Inputs for each file: one whole, and one with holes here and there.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let seed = |(hash, wire): (&u16, &Wire)| {
        let [low, high] = hash.to_le_bytes();
        let [third, rest, ..] = (length(wire) / 3).to_le_bytes();
        (wire.name.clone(), vec![low, high, 0, third, rest, 40, 0, third, rest.saturating_mul(2), 7, 0])
    };
    WIRES.iter().map(seed).collect()
}
