//! What a connection of Redis is counted for: turns that are told, some that are not, and some that are told late.
//!
//! Invariant: a request counts once, whichever way it is known. Memory: one connection.

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
fn a_turn_in_which_the_client_sent_nothing_is_no_request() {
    let mut redis = Redis::new();
    redis.turn(1, 1, false);
    // As where another thread's hook has gone on to the next turn before what moved in this one was told.
    redis.say(protocol::Side::Client, 3, b"*1\r\n$4\r\nPING\r\n", false);
    redis.say(protocol::Side::Server, 5, b"+PONG\r\n", false);
    assert_eq!(redis.grow(5), 2);
    redis.turn(6, 1, false);
    assert_eq!(redis.grow(6), 1);
    redis.skip(1);
    redis.say(protocol::Side::Server, 8, b"+PONG\r\n", false);
    redis.turn(9, 1, false);
    assert_eq!((redis.grow(9), redis.speech.take_estimated()), (3, 0));
}

#[test]
fn a_turn_that_was_counted_before_its_first_byte_was_heard_is_not_counted_again() {
    for talk in [Talk::new(), Talk::older()] {
        let mut redis = Redis { speech: Speech::new(Side::Server, talk, 2, 2), ..Redis::new() };
        redis.turn(1, 1, false);
        assert_eq!(redis.grow(2), 0);
        redis.turn(2, 3, false);
        assert_eq!(redis.grow(2), 2);
        redis.turn(3, 1, false);
        assert_eq!((redis.grow(3), redis.speech.told), (1, 5));
    }
}

#[test]
fn of_an_older_connection_the_first_turn_counts_also_where_it_is_not_understood() {
    let mut redis = Redis { speech: Speech::new(Side::Server, Talk::older(), 0, 0), places: [70, 35] };
    for turn in 1..=4 {
        redis.turn(turn, 1, false);
        assert_eq!(redis.grow(u64::from(turn)), 1, "{turn}");
    }
}

#[test]
fn turns_before_the_first_byte_that_was_heard_are_counted_also_where_it_is_not_understood_at_once() {
    let mut redis = Redis { speech: Speech::new(Side::Server, Talk::older(), 3, 3), places: [70, 35] };
    redis.say(protocol::Side::Client, 6, b"*1\r\n$4\r\n", false);
    redis.say(protocol::Side::Client, 6, b"PING\r\n", false);
    redis.say(protocol::Side::Server, 6, b"+PONG\r\n", false);
    assert_eq!(redis.grow(6), 3);
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
