//! A conversation of arbitrary bytes, with arbitrary cuts and holes, in front of a parser.
//!
//! Held to be true: nothing panics; without holes, however the bytes are cut, the same is found at the same moments; after
//! a hole a side says nothing until its next turn; no response in order is joined to a request from before a loss; what is
//! held does not grow with what the peer claims. Invariant: as said. Memory: [`MOST`] and [`FOR_EACH_BYTE`].

use std::collections::BTreeMap;

use tracer_core::protocol::{Conversation, Event, HEAD_BYTES, Id, Message, Piece, Requests, Row, Side, Talk};
use tracer_core::time::Moment;

use crate::numbers::Numbers;
use crate::steps::{self, Sent, Start};
use crate::wire::Step;
use crate::{Use, memory};

/// Bytes that one conversation may take, whatever is said.
const MOST: usize = 2 << 20;
/// And for each byte of the input: the input itself, cut and joined, and the messages of one step.
const FOR_EACH_BYTE: usize = 256;
/// Pieces in which the opening of a connection may come (`recognise`); what is cut finer need not be recognised.
const PIECES: usize = 64;
/// Inputs up to here are cut into single bytes as well.
const SHORT: usize = 512;

pub(crate) fn run(row: &'static Row, input: &[u8]) -> Use {
    let most = MOST + FOR_EACH_BYTE * input.len();
    memory::within(most, || check(row, input))
}

fn check(row: &'static Row, input: &[u8]) -> Use {
    let (start, sent) = steps::read(input);
    let port = row.ports.first().copied().unwrap_or(0);
    let told = listen(row, start, port, &seen(&sent));
    let whole = sent.iter().map(Sent::whole).collect::<Vec<_>>();
    let has_holes = whole.iter().any(|step| matches!(step, Step::Gap(..)));
    if !has_holes {
        let mut numbers = Numbers::of(input);
        let uncut = listen(row, start, port, &numbered(&whole, &[usize::MAX]));
        let cuts: Vec<usize> = (0..8).map(|_| numbers.upto(40)).collect();
        let ways: &[&[usize]] = if input.len() <= SHORT { &[&cuts, &[1]] } else { &[&cuts] };
        for cuts in ways {
            let pieces = numbered(&whole, cuts);
            let cut = listen(row, start, port, &pieces);
            let is_fine = pieces.len() < PIECES || cut.is_known;
            if is_fine {
                same(&cut.events, &uncut.events);
            }
        }
    }
    overhear(row, start, port, &sent);
    if told.is_other { Use::Reject } else { Use::Keep }
}

/// The same is found. Numbers of requests may be others, as long as they join the same: some parsers count losses in them.
fn same(cut: &[Event], uncut: &[Event]) {
    let [cut, uncut] = [cut, uncut].map(renumbered);
    let place = cut.iter().zip(&uncut).take_while(|(cut, uncut)| cut == uncut).count();
    let (cut, uncut) = (cut.get(place), uncut.get(place));
    assert!(cut == uncut, "event {place}, if it is cut: {cut:?}\nif not: {uncut:?}");
}

/// With numbers in the order in which they come.
fn renumbered(events: &[Event]) -> Vec<Event> {
    let mut known = BTreeMap::new();
    let mut events = events.to_vec();
    for event in &mut events {
        let Event::Message(_, message) = event else { continue };
        if let Message::Request { id, .. } | Message::Response { id, .. } | Message::End { id, .. } = message
            && let Id::Number(number) = id
        {
            let next = known.len() as u64;
            *number = *known.entry(*number).or_insert(next);
        }
    }
    events
}

impl Sent {
    fn whole(&self) -> Step {
        match self {
            Self::Seen(step) => step.clone(),
            Self::Hidden(side, bytes) => Step::Bytes(*side, bytes.clone()),
        }
    }
}

/// What is seen, and when.
fn seen(sent: &[Sent]) -> Vec<(Moment, Step)> {
    let step = |sent: &Sent| match sent {
        Sent::Seen(step) => step.clone(),
        Sent::Hidden(side, bytes) => Step::Gap(*side, bytes.len() as u64),
    };
    (1..).map(Moment).zip(sent.iter().map(step)).collect()
}

/// Steps with their bytes in pieces of these lengths; all pieces of a step come at its moment.
fn numbered(steps: &[Step], cuts: &[usize]) -> Vec<(Moment, Step)> {
    let mut lengths = cuts.iter().copied().cycle();
    let mut pieces = Vec::new();
    for (at, step) in (1..).map(Moment).zip(steps) {
        let Step::Bytes(side, bytes) = step else {
            pieces.push((at, step.clone()));
            continue;
        };
        let mut left = bytes.as_slice();
        while !left.is_empty() {
            let (piece, rest) = left.split_at(lengths.next().unwrap_or(1).min(left.len()));
            pieces.push((at, Step::Bytes(*side, piece.to_vec())));
            left = rest;
        }
    }
    pieces
}

fn begin(row: &Row, start: Start) -> Conversation {
    match start {
        Start::New => Conversation::default(),
        Start::Older => Conversation::older(),
        Start::Known => Conversation::known(row.protocol),
    }
}

/// What is found in a conversation.
#[derive(Default)]
struct Told {
    events: Vec<Event>,
    /// What it spoke at its end is known.
    is_known: bool,
    /// It was recognised at some time, and never as the protocol that this is about.
    is_other: bool,
}

fn listen(row: &Row, start: Start, port: u16, steps: &[(Moment, Step)]) -> Told {
    let mut conversation = begin(row, start);
    let (mut told, mut requests, mut events) = (Told::default(), Requests::default(), Vec::new());
    // Requests in order whose response may come, since bytes were lost.
    let mut asked = 0_u64;
    let (mut is_own, mut is_any) = (false, false);
    // Sides of which a hole was told, in whose turn it is still.
    let mut silent = None;
    for (at, step) in steps {
        let (side, is_empty) = match step {
            Step::Bytes(side, bytes) => (*side, bytes.is_empty()),
            Step::Gap(side, length) => (*side, *length == 0),
            Step::Close(side) => (*side, true),
        };
        silent = silent.filter(|silent| is_empty || *silent == side);
        match step {
            Step::Bytes(side, bytes) => conversation.feed(*side, port, bytes, *at, &mut events),
            Step::Gap(side, length) => conversation.gap(*side, *length, *at, &mut events),
            Step::Close(side) => conversation.close(*side, *at, &mut events),
        }
        if silent.is_some() && matches!(step, Step::Bytes(..)) {
            let is_silent = events.iter().all(|event| matches!(event, Event::Lost(_)));
            assert!(is_silent, "invented after a hole: {events:?}");
        }
        if matches!(step, Step::Gap(..)) && events.contains(&Event::Lost(side)) {
            silent = Some(side);
        }
        let longest = if let Step::Bytes(_, bytes) = step { bytes.len() } else { 0 };
        let most = 4 * HEAD_BYTES + 2 * longest;
        assert!(conversation.held() <= most, "{} bytes of a connection are held", conversation.held());
        let protocol = conversation.protocol();
        is_own |= protocol == Some(row.protocol);
        is_any |= protocol.is_some();
        for event in events.drain(..) {
            match event {
                Event::Lost(_) => asked = 0,
                Event::Message(_, Message::Request { id: Id::Order, answered: true, .. }) => asked += 1,
                Event::Message(..) => {}
            }
            if let Some(ended) = requests.take(&event) {
                let answered = ended.answered.unwrap_or(ended.asked);
                assert!(ended.asked <= answered && answered <= ended.ended, "{ended:?}");
                if ended.id == Id::Order && ended.answered.is_some() {
                    assert!(asked > 0, "joined over a loss: {ended:?}");
                    asked -= 1;
                }
            }
            // That bytes are still lost says nothing new.
            if matches!(event, Event::Message(..)) || told.events.last() != Some(&event) {
                told.events.push(event);
            }
        }
    }
    told.is_known = conversation.protocol().is_some();
    told.is_other = is_any && !is_own;
    told
}

/// The same as the kernel would tell it, where bytes have a place and turns a number.
fn overhear(row: &Row, start: Start, port: u16, sent: &[Sent]) {
    let mut talk = match start {
        Start::New => Talk::new(),
        Start::Older => Talk::older(),
        Start::Known => Talk::known(row.protocol),
    };
    let (mut places, mut turn, mut exchange) = ([0_u64; 2], None, 0);
    let mut at = Moment(0);
    for sent in sent {
        at.0 += 1;
        let (side, length, bytes) = match sent {
            Sent::Seen(Step::Bytes(side, bytes)) => (*side, bytes.len() as u64, bytes.as_slice()),
            // The beginning was told.
            Sent::Hidden(side, bytes) => (*side, bytes.len() as u64, &bytes[..bytes.len() / 2]),
            Sent::Seen(Step::Gap(side, length)) => {
                let place = &mut places[usize::from(*side == Side::Server)];
                *place = place.saturating_add(*length);
                continue;
            }
            Sent::Seen(Step::Close(_)) => continue,
        };
        let begins = turn.replace(side) != Some(side);
        exchange += u32::from(begins && side == Side::Client);
        let (mine, others) = if side == Side::Client { (0, 1) } else { (1, 0) };
        let (position, other) = (places[mine], places[others]);
        places[mine] = position.saturating_add(length);
        let weight = if length % 7 == 3 { 64 } else { 1 };
        talk.hear(&Piece { side, position, other, length, bytes, at, begins, exchange, weight }, port);
        for (ended, _) in talk.take_ended() {
            let answered = ended.answered.unwrap_or(ended.asked);
            assert!(ended.asked <= answered && answered <= ended.ended, "{ended:?}");
        }
    }
    talk.close(places[0], places[1], Moment(at.0 + 1));
}
