//! What Cassandra's parser makes of frames and segments, written by hand. Invariant: none reads a file or a clock. Memory: one
//! conversation.

use super::*;
use crate::protocol::Verdict;

fn frame(version: u8, stream: i16, code: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    [&[version, 0], &stream.to_be_bytes()[..], &[code], &length.to_be_bytes(), body].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

fn query(stream: i16, statement: &str) -> Vec<u8> {
    frame(4, stream, frame::QUERY, &[&text(statement), &b"\0\x01\0"[..]].concat())
}

fn void(version: u8, stream: i16) -> Vec<u8> {
    frame(version, stream, frame::RESULT, &[0, 0, 0, 1])
}

/// All that is found in bytes.
fn say(parser: &mut Cassandra, side: Side, bytes: &[u8]) -> Vec<Message> {
    let (mut left, mut messages) = (bytes, Vec::new());
    while !left.is_empty() {
        let mut found = Found::default();
        let Next::Unit(length) = parser.next(side, left, &mut found) else { panic!("{left:?}") };
        left = left.get(usize::try_from(length).unwrap()..).unwrap();
        messages.extend(found.messages.into_iter().chain(found.at_end));
    }
    messages
}

fn operation(bytes: &[u8]) -> String {
    match &say(&mut Cassandra::default(), Side::Client, bytes)[..] {
        [Message::Request { operation, .. }] => operation.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_operation_is_a_statement_and_its_table_and_never_a_value() {
    assert_eq!(operation(&query(1, "SELECT name FROM shop.users WHERE name = 'from orders'")), "SELECT shop.users");
    assert_eq!(operation(&query(1, "INSERT INTO Users JSON '{\"a\": 1}'")), "INSERT users");
    assert_eq!(operation(&query(1, "DELETE a['b'] FROM users WHERE id = 1")), "DELETE users");
    assert_eq!(operation(&query(1, "CREATE MATERIALIZED VIEW IF NOT EXISTS by_name AS SELECT")), "CREATE VIEW by_name");
    assert_eq!(operation(&query(1, "begin batch insert into a (b) values (1); apply batch")), "BATCH");
    assert_eq!(operation(&query(1, "frobnicate 'secret'")), "?");
}

#[test]
fn of_a_long_statement_only_the_beginning_need_be_there() {
    let bytes = query(1, &format!("UPDATE users SET name = '{}'", "x".repeat(5_000)));
    let (mut parser, mut found) = (Cassandra::default(), Found::default());
    assert_eq!(parser.next(Side::Client, &bytes[..3_000], &mut found), Next::Unit(bytes.len() as u64));
    let [Message::Request { operation, .. }] = &found.messages[..] else { panic!("{found:?}") };
    assert_eq!(operation.as_str(), "UPDATE users");
}

#[test]
fn a_stream_that_is_used_again_is_another_request_and_after_a_hole_its_response_is_nobodys() {
    let mut parser = Cassandra::default();
    assert_eq!(say(&mut parser, Side::Client, &query(7, "SELECT a FROM b")).len(), 1);
    let other = say(&mut parser, Side::Client, &query(7, "SELECT a FROM c"));
    let [Message::Request { id, .. }] = &other[..] else { panic!("{other:?}") };
    let answer = say(&mut parser, Side::Server, &void(0x84, 7));
    assert_eq!(answer.last(), Some(&Message::End { id: *id, outcome: None }));
    assert_eq!(say(&mut parser, Side::Server, &void(0x84, 7)), []);
    say(&mut parser, Side::Client, &query(7, "SELECT a FROM b"));
    parser.lost(Side::Server);
    assert_eq!(say(&mut parser, Side::Server, &void(0x84, 7)), []);
}

#[test]
fn what_was_prepared_gives_an_execution_its_name_and_is_forgotten_by_age() {
    let mut parser = Cassandra::default();
    let prepare = |parser: &mut Cassandra, number: &[u8; 16], statement: &str| {
        say(parser, Side::Client, &frame(4, 1, frame::PREPARE, &text(statement)));
        let body = [&[0, 0, 0, 4, 0, 16], &number[..], &[0; 20]].concat();
        say(parser, Side::Server, &frame(0x84, 1, frame::RESULT, &body));
    };
    let execute = |parser: &mut Cassandra, number: &[u8; 16]| {
        let told =
            say(parser, Side::Client, &frame(4, 2, frame::EXECUTE, &[b"\0\x10", &number[..], b"\0\x01\0"].concat()));
        let [Message::Request { operation, .. }] = &told[..] else { panic!("{told:?}") };
        operation.as_str().to_owned()
    };
    prepare(&mut parser, &[1; 16], "SELECT a FROM users");
    assert_eq!(execute(&mut parser, &[1; 16]), "SELECT users");
    assert_eq!(execute(&mut parser, &[2; 16]), "?");
    // As many as are remembered, and one more.
    for number in 0..512_u128 {
        prepare(&mut parser, &(number | 1 << 100).to_be_bytes(), "SELECT a FROM others");
    }
    assert_eq!(execute(&mut parser, &[1; 16]), "?");
}

#[test]
fn segments_begin_when_version_5_is_ready_and_are_opaque_if_they_are_to_be_compressed() {
    let startup = |options: &[u8]| frame(5, 0, frame::STARTUP, options);
    let ready = frame(0x85, 0, frame::READY, b"");
    let mut plain = Cassandra::default();
    say(&mut plain, Side::Client, &startup(b"\0\x01\0\x0bCQL_VERSION\0\x053.0.0"));
    assert_eq!(say(&mut plain, Side::Server, &ready).len(), 2);
    let several = [frame(5, 1, frame::OPTIONS, b""), frame(5, 2, frame::OPTIONS, b"")].concat();
    assert_eq!(say(&mut plain, Side::Client, &segment::of(&several, true)).len(), 2);
    let mut found = Found::default();
    assert!(matches!(plain.next(Side::Client, &several, &mut found), Next::Wrong(_)), "it is in no segment");

    let mut compressed = Cassandra::default();
    say(&mut compressed, Side::Client, &startup(b"\0\x01\0\x0bCOMPRESSION\0\x03lz4"));
    assert_eq!(compressed.next(Side::Server, &ready, &mut found), Next::Opaque(9));
    assert_eq!(compressed.next(Side::Client, b"whatever", &mut found), Next::Opaque(1));
}

#[test]
fn a_frame_of_several_segments_is_over_with_the_last_and_after_a_hole_its_rest_is_none() {
    let mut parser = Cassandra { is_segmented: Some(true), ..Cassandra::default() };
    say(&mut parser, Side::Client, &segment::of(&frame(5, 1, frame::OPTIONS, b""), true));
    let whole = frame(0x85, 1, frame::RESULT, &[0, 0, 0, 1, 9, 9, 9, 9, 9]);
    let [first, middle, last] = [&whole[..13], &whole[13..15], &whole[15..]].map(|part| segment::of(part, false));
    assert!(matches!(&say(&mut parser, Side::Server, &first)[..], [Message::Response { .. }]));
    assert_eq!(say(&mut parser, Side::Server, &middle), []);
    assert!(matches!(&say(&mut parser, Side::Server, &last)[..], [Message::End { .. }]));

    say(&mut parser, Side::Server, &first);
    parser.lost(Side::Server);
    let mut found = Found::default();
    say(&mut parser, Side::Server, &middle[..6]);
    assert!(matches!(parser.next(Side::Server, &middle[6..], &mut found), Next::Wrong(_)), "the rest of what was lost");
}

#[test]
fn of_too_many_requests_the_oldest_is_forgotten() {
    let mut parser = Cassandra::default();
    for stream in 0..=i16::try_from(REQUESTS).unwrap() {
        say(&mut parser, Side::Client, &frame(4, stream, frame::OPTIONS, b""));
    }
    assert_eq!(parser.open.len(), REQUESTS);
    assert_eq!(say(&mut parser, Side::Server, &void(0x84, 0)), []);
    assert_eq!(say(&mut parser, Side::Server, &void(0x84, 1)).len(), 2);
}

#[test]
fn what_may_begin_a_turn_is_recognised_whatever_it_is() {
    let verdict = |side, code, body: &[u8]| {
        let version = if side == Side::Client { 4 } else { 0x84 };
        begins::begins(side, &frame(version, 3, code, body))
    };
    let supported =
        b"\0\x02\0\x25SCYLLA_LWT_OPTIMIZATION_META_BIT_MASK\0\x01\0\x0a2147483648\0\x12TABLETS_ROUTING_V1\0\0";
    assert_eq!(verdict(Side::Server, frame::SUPPORTED, supported), Verdict::Certain);
    assert_eq!(verdict(Side::Client, frame::QUERY, &text("LIST ROLES")), Verdict::Likely);
    assert_eq!(verdict(Side::Client, frame::QUERY, &text("SELECT a FROM b")), Verdict::Certain);
    let part = frame(4, 3, frame::QUERY, &text(" \x01 LIST ROLES"));
    assert_eq!(begins::begins(Side::Client, &part[..14]), Verdict::More, "the next byte is no text");
    assert_eq!(begins::begins(Side::Client, &part), Verdict::No);
    assert_eq!(verdict(Side::Client, frame::QUERY, &text("\x01\x02\x03\x04\x05\x06")), Verdict::No);
    assert_eq!(verdict(Side::Server, frame::ERROR, b"\0\0\x43\x21\0\x04slow\0\0"), Verdict::Likely);
    assert_eq!(verdict(Side::Server, frame::ERROR, b"\0\0\x10\0\0\x02no"), Verdict::Certain);
    assert_eq!(verdict(Side::Server, frame::QUERY, &text("SELECT a FROM b")), Verdict::No);
    assert_eq!(begins::begins(Side::Server, &frame(0x84, -1, frame::RESULT, &[0, 0, 0, 1])), Verdict::No);
}
