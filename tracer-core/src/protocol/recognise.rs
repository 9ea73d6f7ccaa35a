//! Which protocol a connection speaks, from its first bytes in both directions.
//!
//! Invariant: a protocol is taken if one side's bytes are certain and the other's do not contradict, or if both sides' are
//! likely and no other may be it yet; a port chooses only among protocols that fit equally. Memory: [`OPENING_BYTES`] for
//! each side, [`PIECES`].

use super::{PARSERS, Protocol, Side, Verdict};
use crate::time::Moment;

/// Bytes of a side that are looked at.
const OPENING_BYTES: usize = 2 << 10;
/// Pieces in which they may come.
const PIECES: usize = 64;

/// Bytes, or a hole, as it came: whether it began a turn.
pub(super) type Piece = (Side, Option<Box<[u8]>>, Moment, bool);

/// The first bytes of a connection.
#[derive(Debug, Default)]
pub(super) struct Openings {
    /// Only what is spoken in datagrams is looked for.
    datagrams: bool,
    /// The connection is older than the bytes.
    older: bool,
    /// That of the server.
    port: u16,
    pieces: Vec<Piece>,
    client: Opening,
    server: Opening,
}

/// The first bytes of a side.
#[derive(Debug, Default)]
struct Opening {
    bytes: Vec<u8>,
    /// The beginning of a message is to come yet.
    lost: bool,
    /// It comes with the next bytes.
    aligned: bool,
    /// Nothing more is taken.
    full: bool,
}

/// What the first bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    Wait,
    Known(Protocol),
    Unknown,
}

impl Openings {
    /// Of a connection that is older than the bytes.
    pub(super) fn older() -> Self {
        let lost = || Opening { lost: true, ..Opening::default() };
        let holes = [Side::Client, Side::Server].map(|side| (side, None, Moment::default(), false));
        Self { older: true, pieces: holes.into(), client: lost(), server: lost(), ..Self::default() }
    }

    /// Of datagrams.
    pub(super) fn datagrams() -> Self {
        Self { datagrams: true, ..Self::default() }
    }

    /// Takes the next bytes of a side; `port` is the server's.
    pub(super) fn feed(&mut self, side: Side, port: u16, bytes: &[u8], at: Moment, begins_turn: bool) {
        self.port = port;
        let opening = self.opening(side);
        let begins_turn = std::mem::take(&mut opening.aligned) || begins_turn;
        opening.lost &= !begins_turn;
        if opening.lost {
            // Nobody will look for the beginning of a message in the middle of a turn.
            return self.lose(side);
        }
        // What comes behind a hole does not continue what came before it.
        let room = if opening.full { 0 } else { OPENING_BYTES.saturating_sub(opening.bytes.len()) };
        opening.bytes.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        self.pieces.push((side, Some(bytes.into()), at, begins_turn));
        let full = self.pieces.len() >= PIECES;
        let opening = self.opening(side);
        opening.full |= full || opening.bytes.len() >= OPENING_BYTES;
    }

    /// A message begins with the next bytes of a side, whatever was missing before. Of an older connection that is not
    /// taken for granted: what its parser would have to know may have been said before.
    pub(super) fn realign(&mut self, side: Side) {
        let older = self.older;
        self.opening(side).aligned = !older;
    }

    pub(super) fn gap(&mut self, side: Side) {
        let opening = self.opening(side);
        opening.aligned = false;
        if opening.full {
            // The hole before has not ended.
            return;
        }
        if opening.bytes.is_empty() {
            opening.lost = true;
        } else {
            opening.full = true;
        }
        self.lose(side);
    }

    /// A hole, if anything came since the last one of this side.
    fn lose(&mut self, side: Side) {
        let holes = self.pieces.iter().rev().take_while(|(_, bytes, ..)| bytes.is_none());
        if holes.into_iter().all(|(other, ..)| *other != side) && self.pieces.len() < PIECES {
            self.pieces.push((side, None, Moment::default(), false));
        }
    }

    pub(super) fn held(&self) -> usize {
        self.pieces.iter().filter_map(|(_, bytes, ..)| bytes.as_ref()).map(|bytes| bytes.len()).sum()
    }

    /// The server's, as it was told last.
    pub(super) fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn into_pieces(self) -> Vec<Piece> {
        self.pieces
    }

    fn opening(&mut self, side: Side) -> &mut Opening {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

/// Asks every protocol; whether nothing more may come.
pub(super) fn judge(openings: &Openings, is_over: bool) -> Judgement {
    let verdict = |begins: fn(Side, &[u8]) -> Verdict, side, opening: &Opening| {
        if opening.bytes.is_empty() { Verdict::More } else { begins(side, &opening.bytes) }
    };
    let rows = PARSERS.iter().filter(|row| row.datagrams || !openings.datagrams);
    let fitting = rows.filter_map(|row| {
        let client = verdict(row.begins, Side::Client, &openings.client);
        let server = verdict(row.begins, Side::Server, &openings.server);
        let (least, most) = (client.min(server), client.max(server));
        (least != Verdict::No).then_some((row, least, most))
    });
    let is_heard = !openings.client.bytes.is_empty() && !openings.server.bytes.is_empty();
    let is_full = openings.client.full || openings.server.full;
    let (mut open, mut is_close) = (false, false);
    let mut best = None;
    for (row, least, most) in fitting {
        open = true;
        // It may fit yet as well as others do, or better.
        is_close |= is_heard && least == Verdict::More;
        if most == Verdict::Certain || least >= Verdict::Likely {
            let rank = (most == Verdict::Certain, row.ports.contains(&openings.port));
            if best.is_none_or(|(before, _)| rank > before) {
                best = Some((rank, row.protocol));
            }
        }
    }
    match best {
        // How the bytes are cut must not choose among protocols.
        Some(((false, _), _)) if is_close && !is_full && !is_over => Judgement::Wait,
        Some(((false, _), _)) if is_close && openings.pieces.len() >= PIECES => Judgement::Unknown,
        Some((_, protocol)) => Judgement::Known(protocol),
        None if !open || is_full => Judgement::Unknown,
        None => Judgement::Wait,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_behind_a_hole_does_not_continue_what_came_before_it() {
        // Together they would begin a connection of PostgreSQL.
        let mut openings = Openings::default();
        openings.feed(Side::Client, 0, b"\0\0\0\x1a\0\x03\0", Moment::default(), false);
        openings.gap(Side::Client);
        openings.feed(Side::Client, 0, b"\0user\0", Moment::default(), false);
        assert_eq!(judge(&openings, false), Judgement::Unknown);
    }

    #[test]
    fn what_is_likely_is_taken_once_no_other_may_be_it_or_nothing_more_comes() {
        let mut openings = Openings::default();
        for number in 1..=5 {
            openings.feed(Side::Client, 0, b"\xc0\0", Moment::default(), true);
            openings.feed(Side::Server, 0, b"\xd0\0", Moment::default(), true);
            // The length of a message of MongoDB, and what it would answer.
            let expected = if number < 5 { Judgement::Wait } else { Judgement::Known(Protocol::Mqtt) };
            assert_eq!(judge(&openings, false), expected, "{number}");
            assert_eq!(judge(&openings, true), Judgement::Known(Protocol::Mqtt), "{number}");
        }
    }

    #[test]
    fn holes_and_the_middle_of_a_turn_are_not_kept() {
        let mut openings = Openings::older();
        for _ in 0..1_000 {
            openings.gap(Side::Client);
            openings.feed(Side::Client, 0, b"in the middle", Moment::default(), false);
        }
        openings.feed(Side::Server, 0, b"begins", Moment::default(), true);
        for _ in 0..1_000 {
            openings.gap(Side::Server);
        }
        assert_eq!((openings.held(), openings.into_pieces().len()), (6, 4));
    }
}
