//! What the files of `tests/wire` cannot say: holes in long answers, and more requests than are kept.
//!
//! Invariant: no request ends that did not. Memory: none to speak of.

use super::*;
use crate::protocol::{Conversation, Piece, Requests, Talk};
use crate::time::Moment;

/// A connection and what ended on it.
#[derive(Default)]
struct Told {
    conversation: Conversation,
    requests: Requests,
    lines: Vec<String>,
}

impl Told {
    fn new() -> Self {
        let mut told = Self::default();
        told.hear(Side::Client, b"\0\0\0\x10\0\x03\0\0user\0a\0\0", 0);
        told.hear(Side::Server, b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I", 0);
        told.lines.clear();
        told
    }

    /// Bytes, and so many after them that nobody saw.
    fn hear(&mut self, side: Side, bytes: &[u8], missing: u64) {
        let mut events = Vec::new();
        self.conversation.feed(side, 5432, bytes, Moment(1), &mut events);
        self.conversation.gap(side, missing, Moment(1), &mut events);
        let ended = events.iter().filter_map(|event| self.requests.take(event));
        self.lines.extend(ended.map(|ended| format!("{} {}", ended.operation.as_str(), ended.outcome.status.as_str())));
    }
}

const QUERY: &[u8] = b"Q\0\0\0\x0eSELECT 1;\0";
const ROW: &[u8] = b"T\0\0\0\x0a\0\x01a\0\0\0D\0\0\0\x0b\0\x01\0\0\0\x01";

#[test]
fn the_end_of_a_long_answer_is_found_behind_what_nobody_saw() {
    let mut told = Told::new();
    for end in
        [b"in a row1C\0\0\0\x0dSELECT 9\0Z\0\0\0\x05I".as_slice(), b"in a rowE\0\0\0\x13SERROR\0C57014\0\0Z\0\0\0\x05I"]
    {
        told.hear(Side::Client, QUERY, 0);
        told.hear(Side::Server, ROW, 4_000);
        told.hear(Side::Server, b"rows, and more", 4_000);
        told.hear(Side::Server, end, 0);
    }
    assert_eq!(told.lines, ["SELECT OK", "SELECT 57014"]);
}

#[test]
fn of_a_long_answer_whose_end_was_not_told_all_is_known_but_its_status() {
    let mut talk = Talk::new();
    let startup = b"\0\0\0\x10\0\x03\0\0user\0a\0\0";
    let ready = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
    let places = [(Side::Client, startup.as_slice(), 0), (Side::Server, ready, 0)];
    let turns = [(Side::Client, QUERY, 0), (Side::Server, ROW, 9_000)];
    let mut positions = [0, 0];
    let mut lines = Vec::new();
    for (turn, (side, bytes, missing)) in (0..).zip(places.into_iter().chain(turns).chain(turns).chain(turns)) {
        let (own, other) = if side == Side::Client { (0, 1) } else { (1, 0) };
        let length = bytes.len() as u64 + missing;
        let [position, other] = [positions[own], positions[other]];
        let (at, begins, exchange) = (Moment(u64::from(turn)), turn > 0, turn / 2);
        talk.hear(&Piece { side, position, other, length, bytes, at, begins, exchange, weight: 1 }, 5432);
        positions[own] += length;
        let ended = talk.take_ended().map(|(ended, _)| (ended.operation, ended.outcome.status));
        lines.extend(ended.map(|(operation, status)| format!("{} {}", operation.as_str(), status.as_str())));
    }
    assert_eq!(lines, ["CONNECT OK", "SELECT ", "SELECT "]);
}

#[test]
fn an_end_that_may_be_that_of_another_answer_ends_nothing() {
    let end = b"1C\0\0\0\x0dSELECT 9\0Z\0\0\0\x05I";
    let mut several = Told::new();
    several.hear(Side::Client, &[QUERY, QUERY].concat(), 0);
    several.hear(Side::Server, ROW, 4_000);
    several.hear(Side::Server, end, 0);
    assert_eq!(several.lines, [""; 0]);

    let mut later = Told::new();
    later.hear(Side::Client, QUERY, 0);
    later.hear(Side::Server, ROW, 4_000);
    later.hear(Side::Client, b"", QUERY.len() as u64);
    later.hear(Side::Server, end, 0);
    assert_eq!(later.lines, [""; 0]);
}

#[test]
fn of_a_long_pipeline_what_is_beyond_the_limit_is_not_told_and_the_rest_is() {
    let mut told = Told::new();
    let execute = b"E\0\0\0\x09\0\0\0\0\0";
    told.hear(Side::Client, &[&execute.repeat(600), b"S\0\0\0\x04".as_slice()].concat(), 0);
    let complete = b"C\0\0\0\x0dSELECT 1\0";
    told.hear(Side::Server, &[&complete.repeat(600), b"Z\0\0\0\x05I".as_slice()].concat(), 0);
    assert_eq!(told.lines, vec!["? OK"; 512]);
    told.lines.clear();
    told.hear(Side::Client, QUERY, 0);
    told.hear(Side::Server, &[complete.as_slice(), b"Z\0\0\0\x05I"].concat(), 0);
    assert_eq!(told.lines, ["SELECT OK"]);
}
