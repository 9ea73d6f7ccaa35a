//! How many requests a connection made: as its bytes say where they are understood, by turns elsewhere.
//!
//! Turns are exact as long as one request follows another's response, but a pipeline is one turn, and a greeting or a
//! ping of the protocol's own is one too. Where requests overlap and bytes of the client were not told, those are taken to
//! hold as many requests as the others do, and it is said how many are counted so. Invariant: what is counted never
//! shrinks, and no turn is counted whose bytes were understood. Memory: that of two [`Talk`]s and of [`Overlaps`].

use super::{Overlaps, Sample, Side};
use crate::protocol::{self, Ended, Piece, Talk};
use crate::time::Moment;
use compact_str::CompactString;

/// What is said on a connection.
#[derive(Debug)]
pub struct Speech {
    /// The end that tells it: the one that was heard first.
    pub teller: Side,
    pub talk: Talk,
    /// What the client wants to speak inside of what hides it.
    pub inside: Option<CompactString>,
    /// What the other end tells of requests that overlap, and views that wait for it.
    echo: Option<Box<Talk>>,
    overlaps: Overlaps,
    /// The last turn that is counted, or whose bytes were understood.
    covered: u64,
    /// The first turn that was heard while nobody knew what it says.
    waits_from: Option<u64>,
    /// Requests of turns whose bytes were not understood.
    by_turns: u64,
    /// Requests found in bytes.
    spoken: u64,
    /// What the talk had found when it was asked last.
    asked: u64,
    /// Turns from here on are understood.
    whole: bool,
    /// Nobody knows how much the client had sent before what is counted.
    began_before: bool,
    /// A piece was told, and one of the client.
    has_begun: bool,
    has_asked: bool,
    /// Bytes of the client that were told while nobody knew what they say.
    undecided: u64,
    /// Bytes of the client that were understood, and the requests in them, also where those are a share of all.
    understood: u64,
    found: u64,
    /// Bytes of the client whose requests are not counted by what they say.
    missed: u64,
    /// What was missed before anything was understood.
    early: Option<Early>,
    /// Requests that are an estimate and were not taken yet.
    estimated: u64,
    /// Requests that were told for some call.
    told: u64,
}

/// What a client sent before the first turn that was understood: whether requests overlapped in it, the next turns tell.
#[derive(Clone, Copy, Debug)]
struct Early {
    bytes: u64,
    /// How many turns it was, which are counted already, and the number of the one that was understood.
    turns: u64,
    before: u64,
}

/// What was said.
#[derive(Clone, Copy, Debug)]
pub enum Said<'a> {
    /// A request that is over, and for how many it stands.
    Ended(&'a Ended, u64),
    /// The times of one that overlapped with others.
    Time(&'a Sample),
}

/// What the end that tells what is said has counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Told {
    pub turns: u64,
    /// Bytes that the client sent and the server, as far as the teller has sent or received them.
    pub asked: u64,
    pub answered: u64,
}

impl Speech {
    /// Of a connection of which so many turns were counted as its teller tells them, and so many requests told for some
    /// call: perhaps as the other end tells them, which may be ahead.
    #[must_use]
    pub fn new(teller: Side, talk: Talk, counted: u64, told: u64) -> Self {
        let began_before = talk.heard(protocol::Side::Client).is_none();
        Self {
            teller,
            talk,
            inside: None,
            echo: None,
            overlaps: Overlaps::default(),
            covered: counted,
            waits_from: None,
            by_turns: counted,
            spoken: 0,
            asked: 0,
            whole: false,
            began_before,
            has_begun: false,
            has_asked: false,
            undecided: 0,
            understood: 0,
            found: 0,
            missed: 0,
            early: None,
            estimated: 0,
            told,
        }
    }

    /// Takes a piece; `port` is the server's.
    pub fn hear(&mut self, piece: &Piece<'_>, port: u16) {
        let before = self.talk.heard(protocol::Side::Client);
        self.talk.hear(piece, port);
        let asked = self.talk.requests().asked();
        let found = asked.saturating_sub(std::mem::replace(&mut self.asked, asked));
        self.whole = self.talk.is_whole();
        let is_client = piece.side == protocol::Side::Client;
        // What the client has sent since is known from a piece of the server too.
        let now = self.talk.heard(protocol::Side::Client);
        let passed = now.zip(before).map_or(0, |(now, before)| now.saturating_sub(before));
        let length = if is_client { piece.length } else { 0 };
        self.missed = self.missed.saturating_add(passed.saturating_sub(length));
        self.undecided = self.undecided.saturating_add(length);
        let turn = near(self.covered, piece.exchange);
        if is_client && !std::mem::replace(&mut self.has_asked, true) && piece.begins && turn <= self.covered {
            // A look at the socket came before what is told now: its turns, from this one on, count by what they say.
            self.by_turns = self.by_turns.saturating_sub(self.covered.saturating_sub(turn).saturating_add(1));
            self.covered = turn.saturating_sub(1);
        }
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if self.talk.is_undecided() {
            // With what an older connection is heard first, nobody knows where a message begins.
            let is_lost = is_first && is_client && self.began_before && !self.talk.is_of_datagrams();
            self.waits_from.get_or_insert(turn.saturating_add(u64::from(is_lost)));
            return;
        }
        // With what is spoken, all that was said before is known.
        let heard = std::mem::take(&mut self.undecided);
        if self.talk.is_understood() {
            self.understood = self.understood.saturating_add(heard);
            self.found = self.found.saturating_add(if heard > 0 { found } else { 0 });
        }
        let waited_from = self.waits_from.take();
        if !self.whole {
            self.missed = self.missed.saturating_add(heard);
            return;
        }
        // Which turns were not told, the next bytes of the client say.
        if is_client || waited_from.is_some() {
            let turns = waited_from.unwrap_or(turn).saturating_sub(1).saturating_sub(self.covered);
            // Where several threads work on a connection, bytes may be told with the number of a later turn: without a
            // hole in what the client sent, none was passed over.
            let is_whole = !self.began_before && self.missed == 0;
            self.began_before = now.is_none();
            self.make_up(if is_whole { 0 } else { turns });
            self.covered = self.covered.max(turn);
        }
        self.spoken = self.spoken.saturating_add(found);
    }

    /// Counts what was asked in bytes that were not told and in so many turns.
    fn make_up(&mut self, turns: u64) {
        let missed = std::mem::take(&mut self.missed);
        self.by_turns = self.by_turns.saturating_add(turns);
        if !self.is_overlapping() {
            let before = self.covered.saturating_add(turns).saturating_add(1);
            if self.spoken == 0 && missed > 0 {
                self.early = Some(Early { bytes: missed, turns, before });
            }
            // The turn after the first has not overlapped either.
            self.early = self.early.filter(|early| before <= early.before.saturating_add(1));
            return;
        }
        let early = self.early.take().map_or((0, 0), |early| (early.bytes, early.turns));
        let (missed, turns) = (missed.saturating_add(early.0), turns.saturating_add(early.1));
        let guess = u128::from(missed) * u128::from(self.found) / u128::from(self.understood.max(1));
        let overlapping = u64::try_from(guess).unwrap_or(u64::MAX).saturating_sub(turns);
        self.by_turns = self.by_turns.saturating_add(overlapping);
        self.estimated = self.estimated.saturating_add(overlapping);
    }

    /// How many of the requests are an estimate, since this was asked last.
    pub fn take_estimated(&mut self) -> u64 {
        std::mem::take(&mut self.estimated)
    }

    /// Takes a piece that the other end tells: of use only where requests overlap.
    pub fn hear_echo(&mut self, piece: &Piece<'_>, port: u16) {
        if !self.is_overlapping() {
            return;
        }
        if self.echo.is_none() {
            self.echo = self.talk.echo().map(Box::new);
        }
        if let Some(echo) = &mut self.echo {
            echo.hear(piece, port);
        }
    }

    /// Whether requests overlap or may, so that turns do not tell them apart.
    #[must_use]
    pub fn is_overlapping(&self) -> bool {
        self.talk.overlaps()
    }

    /// Hands out the requests that are over, and the times of those that overlapped.
    pub fn take(&mut self, mut each: impl FnMut(Said<'_>)) {
        let overlapping = self.is_overlapping();
        for (ended, share) in self.talk.take_ended() {
            if overlapping {
                self.overlaps.add(self.teller, &ended).iter().for_each(|sample| each(Said::Time(sample)));
            }
            each(Said::Ended(&ended, share));
        }
        for (ended, _) in self.echo.iter_mut().filter(|_| overlapping).flat_map(|echo| echo.take_ended()) {
            self.overlaps.add(self.teller.other(), &ended).iter().for_each(|sample| each(Said::Time(sample)));
        }
    }

    /// The times of requests of which one end alone told.
    pub fn flush(&mut self) -> impl Iterator<Item = Sample> + '_ {
        self.overlaps.flush()
    }

    /// What the requests have grown by, where the connection has had so many turns, and as its teller says so many, with so
    /// many bytes of the client. Where requests overlap, what was not told is counted with what follows it.
    pub fn grow(&mut self, turns: u64, teller: Told) -> u64 {
        let is_heard = self.talk.heard(protocol::Side::Client).is_none_or(|heard| heard >= teller.asked);
        let unheard = match self.whole {
            false => turns.saturating_sub(self.covered),
            true if is_heard || self.is_overlapping() => 0,
            true => teller.turns.saturating_sub(self.covered),
        };
        let all = self.by_turns.saturating_add(self.spoken).saturating_add(unheard);
        let grown = all.saturating_sub(self.told);
        self.told = self.told.max(all);
        grown
    }

    /// The connection is over, of which its teller has told all this. Requests without an answer, and those whose answer was
    /// not over, where the bytes say it.
    pub fn end(&mut self, told: Told, at: Moment) -> Option<(u64, u64)> {
        let Told { turns, asked, answered } = told;
        let heard = self.talk.heard(protocol::Side::Client).unwrap_or(asked);
        self.missed = self.missed.saturating_add(asked.saturating_sub(heard));
        self.talk.close(asked, answered, at);
        self.whole &= self.talk.is_whole();
        if (self.missed > 0 || self.early.is_some()) && self.is_overlapping() {
            let unheard = if self.whole { 0 } else { turns.saturating_sub(self.covered) };
            self.make_up(unheard);
            self.covered += unheard;
        }
        self.talk.left_open().filter(|_| self.whole)
    }

    /// Whether what is open is known from bytes.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.whole
    }
}

/// The number with these low bits that is nearest to `known`.
fn near(known: u64, low: u32) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "a difference modulo 2^32")]
    let ahead = low.wrapping_sub(known as u32) as i32;
    known.saturating_add_signed(i64::from(ahead))
}

#[cfg(test)]
mod tests;
