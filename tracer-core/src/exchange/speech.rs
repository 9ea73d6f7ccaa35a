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
        let turn = near(self.covered, piece.exchange);
        self.whole = self.talk.is_whole();
        if piece.side == protocol::Side::Client {
            let gap = before.map_or(0, |before| piece.position.saturating_sub(before));
            self.missed = self.missed.saturating_add(if self.whole { gap } else { gap.saturating_add(piece.length) });
            if self.talk.is_understood() {
                self.understood = self.understood.saturating_add(piece.length);
                self.found = self.found.saturating_add(found);
            }
        }
        if self.whole {
            let from = self.waits_from.take().unwrap_or(turn);
            self.make_up(from.saturating_sub(1).saturating_sub(self.covered));
            self.covered = self.covered.max(turn);
            self.spoken += found;
        } else if self.talk.is_undecided() {
            self.waits_from.get_or_insert(turn);
        } else {
            self.waits_from = None;
        }
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
mod tests {
    use super::*;
    use crate::protocol;

    const PORT: u16 = 6379;

    /// A connection of Redis, and the place of each side in it.
    struct Redis {
        speech: Speech,
        places: [u64; 2],
    }

    impl Redis {
        fn new() -> Self {
            Self { speech: Speech::new(Side::Server, Talk::new(), 0, 0), places: [0, 0] }
        }

        fn say(&mut self, side: protocol::Side, exchange: u32, bytes: &[u8], share: bool) {
            let number = usize::from(side == protocol::Side::Server);
            let length = bytes.len() as u64;
            let (position, other) = (self.places[number], self.places[1 - number]);
            let (at, begins, weight) = (Moment(1), true, if share { 64 } else { 1 });
            self.places[number] += length;
            self.speech.hear(&Piece { side, position, other, length, bytes, at, begins, exchange, weight }, PORT);
        }

        fn turn(&mut self, exchange: u32, requests: usize, share: bool) {
            self.say(protocol::Side::Client, exchange, "*1\r\n$4\r\nPING\r\n".repeat(requests).as_bytes(), share);
            self.say(protocol::Side::Server, exchange, "+PONG\r\n".repeat(requests).as_bytes(), share);
        }

        fn told(&self, turns: u64) -> Told {
            Told { turns, asked: self.places[0], answered: self.places[1] }
        }

        fn grow(&mut self, turns: u64) -> u64 {
            let told = self.told(turns);
            self.speech.grow(turns, told)
        }

        /// Turns of which nothing is told.
        fn skip(&mut self, turns: u64) {
            self.places[0] += turns * 14;
            self.places[1] += turns * 7;
        }
    }

    #[test]
    fn a_turn_with_several_requests_counts_for_as_many_and_a_turn_without_a_name_for_one() {
        let mut redis = Redis::new();
        redis.turn(1, 1, false);
        assert_eq!(redis.grow(1), 1);
        redis.turn(2, 16, false);
        assert_eq!(redis.grow(2), 16);
        redis.skip(3);
        redis.turn(6, 1, false);
        assert_eq!(redis.grow(6), 4);
    }

    #[test]
    fn of_a_busy_connection_turns_are_counted_and_those_that_were_understood_are_not_counted_again() {
        let mut redis = Redis::new();
        redis.turn(1, 2, false);
        redis.skip(60);
        redis.turn(62, 1, true);
        assert_eq!(redis.grow(70), 2 + 69);
        assert_eq!(redis.grow(80), 10);
        redis.skip(18);
        redis.turn(81, 1, false);
        assert_eq!(redis.grow(81), 1);
        assert_eq!(redis.grow(81), 0);
    }

    #[test]
    fn what_is_not_told_of_a_connection_that_stays_open_is_counted_before_anything_follows_it() {
        let mut redis = Redis::new();
        redis.turn(1, 1, false);
        assert_eq!(redis.grow(1), 1);
        redis.skip(3);
        assert_eq!(redis.grow(4), 3);
        redis.turn(5, 1, false);
        assert_eq!((redis.grow(5), redis.speech.take_estimated()), (1, 0));
    }

    #[test]
    fn a_turn_that_its_teller_has_not_read_yet_is_not_counted() {
        let mut redis = Redis::new();
        redis.turn(1, 2, false);
        let told = redis.told(1);
        assert_eq!(redis.speech.grow(2, told), 2);
    }

    #[test]
    fn where_requests_overlap_what_was_not_told_counts_by_its_bytes_and_that_is_said() {
        let mut redis = Redis::new();
        for turn in 1..=10 {
            redis.turn(turn, 16, false);
        }
        assert_eq!((redis.grow(10), redis.speech.take_estimated()), (160, 0));
        redis.skip(5 * 16);
        // Until it is known again where a command begins, each turn counts for one at least.
        for turn in 16..=40 {
            redis.turn(turn, 16, false);
        }
        redis.grow(40);
        redis.speech.end(redis.told(40), Moment(1));
        redis.grow(40);
        assert_eq!(redis.speech.told, 40 * 16);
        let estimated = redis.speech.take_estimated();
        assert!((1..=30 * 16).contains(&estimated), "{estimated}");
    }

    #[test]
    fn what_overlaps_counts_by_its_bytes_also_where_a_share_is_told_from_the_beginning_on() {
        let mut redis = Redis::new();
        redis.skip(100 * 16);
        for turn in 0..5 {
            redis.turn(101 + turn * 100, 16, true);
            redis.skip(99 * 16);
        }
        redis.grow(600);
        redis.speech.end(redis.told(600), Moment(1));
        redis.grow(600);
        assert_eq!(redis.speech.told, 600 * 16);
        assert!((1..=600 * 16).contains(&redis.speech.take_estimated()));
    }

    #[test]
    fn what_was_sent_before_the_first_turn_that_is_told_counts_by_its_bytes_too() {
        let mut redis = Redis::new();
        redis.skip(99 * 16);
        for turn in 100..=120 {
            redis.turn(turn, 16, false);
        }
        assert_eq!(redis.grow(120), 120 * 16);
        // Each turn counts for one at least; what is beyond that is the estimate.
        assert_eq!(redis.speech.take_estimated(), 99 * 15);
    }

    #[test]
    fn what_the_other_end_was_counted_for_before_the_first_byte_was_heard_is_not_counted_again() {
        let mut redis = Redis { speech: Speech::new(Side::Server, Talk::new(), 0, 1), ..Redis::new() };
        redis.turn(1, 2, false);
        assert_eq!(redis.grow(1), 1);
        redis.turn(2, 3, false);
        assert_eq!(redis.grow(2), 3);
    }

    #[test]
    fn what_nobody_understands_is_counted_by_turns() {
        let mut redis = Redis::new();
        for turn in 1..=3 {
            redis.say(protocol::Side::Client, turn, b"\xff\xfe\xfdwhat", false);
            redis.say(protocol::Side::Server, turn, b"\xff\xfe\xfdever", false);
            assert_eq!(redis.grow(u64::from(turn)), 1);
        }
    }

    #[test]
    fn the_low_bits_of_a_turn_say_which_one_it_is() {
        assert_eq!(near(5, 7), 7);
        assert_eq!(near(0xffff_fffe, 1), 0x1_0000_0001);
        assert_eq!(near(0x1_0000_0001, 0xffff_fffe), 0xffff_fffe);
        assert_eq!(near(0, u32::MAX), 0);
    }
}
