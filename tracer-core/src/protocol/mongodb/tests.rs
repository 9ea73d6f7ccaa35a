//! What the parser of MongoDB makes of messages, written by hand. Invariant: none reads a file or a clock. Memory: one
//! conversation.

use super::*;

const MORE: u32 = 2;
const EXHAUST: u32 = 1 << 16;

/// A document of these elements.
fn document(elements: &[&[u8]]) -> Vec<u8> {
    let elements = elements.concat();
    let length = u32::try_from(elements.len() + 5).unwrap();
    [&length.to_le_bytes(), elements.as_slice(), b"\0"].concat()
}

fn text(name: &str, value: &str) -> Vec<u8> {
    let length = u32::try_from(value.len() + 1).unwrap();
    [b"\x02", name.as_bytes(), b"\0", &length.to_le_bytes(), value.as_bytes(), b"\0"].concat()
}

fn number(name: &str, value: u32) -> Vec<u8> {
    [b"\x10", name.as_bytes(), b"\0", &value.to_le_bytes()].concat()
}

fn message([id, answers, kind]: [u32; 3], body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 16).unwrap();
    [length, id, answers, kind].iter().flat_map(|number| number.to_le_bytes()).chain(body.iter().copied()).collect()
}

/// An `OP_MSG` with one document.
fn said(ids: [u32; 2], flags: u32, elements: &[&[u8]]) -> Vec<u8> {
    message([ids[0], ids[1], 2013], &[&flags.to_le_bytes(), &b"\0"[..], &document(elements)].concat())
}

fn say(parser: &mut Mongodb, side: Side, bytes: &[u8]) -> Vec<Message> {
    let mut found = Found::default();
    assert_eq!(parser.next(side, bytes, &mut found), Next::Unit(bytes.len() as u64));
    [found.messages, found.at_end].concat()
}

fn operation(bytes: &[u8]) -> String {
    match &say(&mut Mongodb::default(), Side::Client, bytes)[..] {
        [Message::Request { operation, .. }] => operation.as_str().to_owned(),
        other => panic!("{other:?}"),
    }
}

/// The status of an answer with these elements, and whether it is an error.
fn outcome(elements: &[&[u8]]) -> (String, bool) {
    let mut parser = Mongodb::default();
    say(&mut parser, Side::Client, &said([1, 0], 0, &[&number("ping", 1)]));
    match &say(&mut parser, Side::Server, &said([2, 1], 0, elements))[..] {
        [Message::Response { outcome: Some(outcome), .. }, Message::End { .. }] => {
            (outcome.status.as_str().to_owned(), outcome.fault.is_some())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_operation_is_a_command_and_its_collection_and_never_a_value() {
    let of = |elements: &[&[u8]]| operation(&said([1, 0], 0, elements));
    assert_eq!(of(&[&text("find", "users"), &text("filter", "secret")]), "find users");
    assert_eq!(of(&[&text("insert", "orders.2024-11-28")]), "insert orders.{id}-{id}-{id}");
    assert_eq!(of(&[&number("aggregate", 1)]), "aggregate");
    assert_eq!(of(&[&number("getMore", 7), &text("collection", "users")]), "getMore users");
    assert_eq!(of(&[&text("createUser", "anna")]), "createUser");
    assert_eq!(of(&[&text("it is 5 o'clock", "users")]), "?");
    assert_eq!(of(&[]), "?");
    let inner = [&b"\x03explain\0"[..], &document(&[&text("count", "users")])].concat();
    assert_eq!(of(&[&inner]), "explain count users");
}

#[test]
fn the_section_with_the_command_may_come_after_documents() {
    let documents = [b"documents\0".as_slice(), &document(&[&text("name", "anna")])].concat();
    let length = u32::try_from(documents.len() + 4).unwrap();
    let sections = |long: u32, documents: &[u8]| {
        let first = [b"\x01".as_slice(), &long.to_le_bytes(), documents].concat();
        let second = [b"\0".as_slice(), &document(&[&text("insert", "users")])].concat();
        message([1, 0, 2013], &[&[1, 0, 0, 0], &first[..], &second, &[9; 4]].concat())
    };
    assert_eq!(operation(&sections(length, &documents)), "insert users");
    let long = vec![b'x'; bson::LOOKED_AT];
    assert_eq!(operation(&sections(u32::try_from(long.len() + 4).unwrap(), &long)), "?");
}

#[test]
fn an_answer_says_ok_or_the_name_of_its_error_and_whose_it_is() {
    let ok = |value| number("ok", value);
    let status = |status: &str, is_error| (status.to_owned(), is_error);
    assert_eq!(outcome(&[&number("n", 1), &ok(1)]), status("OK", false));
    assert_eq!(
        outcome(&[&ok(0), &text("errmsg", "secret"), &number("code", 13), &text("codeName", "Unauthorized")]),
        status("Unauthorized", false)
    );
    assert_eq!(
        outcome(&[&ok(0), &number("code", 10107), &text("codeName", "NotWritablePrimary")]),
        status("NotWritablePrimary", true)
    );
    assert_eq!(outcome(&[&ok(0)]), status("ERROR", true));
    let failed = |code| {
        let error = [&b"\x030\0"[..], &document(&[&number("index", 0), &number("code", code)])].concat();
        [&b"\x04writeErrors\0"[..], &document(&[&error])].concat()
    };
    assert_eq!(outcome(&[&number("n", 0), &failed(11_000), &ok(1)]), status("DuplicateKey", false));
    assert_eq!(outcome(&[&number("n", 0), &failed(91), &ok(1)]), status("ShutdownInProgress", true));
    let unsure = [&b"\x03writeConcernError\0"[..], &document(&[&number("code", 64)])].concat();
    assert_eq!(outcome(&[&number("n", 1), &unsure, &ok(1)]), status("WriteConcernTimeout", true));
    let long = [&b"\x04values\0"[..], &document(&[&text("0", &"x".repeat(bson::LOOKED_AT))])].concat();
    assert_eq!(outcome(&[&long, &ok(1)]), status("OK", false));
    assert_eq!(outcome(&[&text("errmsg", &"x".repeat(bson::LOOKED_AT)), &ok(0)]), status("", false));
}

#[test]
fn what_says_that_more_comes_has_no_response_and_an_answer_that_goes_on_ends_once() {
    let mut parser = Mongodb::default();
    let told = say(&mut parser, Side::Client, &said([1, 0], MORE, &[&text("insert", "users")]));
    assert!(matches!(&told[..], [Message::Request { answered: false, .. }]), "{told:?}");
    say(&mut parser, Side::Client, &said([2, 0], EXHAUST, &[&text("find", "users")]));
    let answer = |ids, flags| said(ids, flags, &[&number("ok", 1)]);
    assert_eq!(say(&mut parser, Side::Server, &answer([7, 2], MORE)).len(), 2);
    let push = Message::Push { operation: Operation::new("find", "users") };
    assert_eq!(say(&mut parser, Side::Server, &answer([8, 7], MORE)), std::slice::from_ref(&push));
    assert_eq!(say(&mut parser, Side::Server, &answer([9, 8], 0)), [push]);
    assert_eq!(say(&mut parser, Side::Server, &answer([10, 9], 0)), []);
    assert!(parser.open.is_empty() && parser.streams.is_empty());
}

#[test]
fn a_hello_that_waits_for_changes_is_a_subscription() {
    let mut parser = Mongodb::default();
    let told = say(&mut parser, Side::Client, &said([1, 0], EXHAUST, &[&number("hello", 1)]));
    assert!(matches!(&told[..], [Message::Request { answered: false, .. }]), "{told:?}");
    for (id, answers) in [(5, 1), (6, 5)] {
        let push = say(&mut parser, Side::Server, &said([id, answers], MORE, &[&number("ok", 1)]));
        assert_eq!(push, [Message::Push { operation: Operation::new("hello", "") }]);
    }
    parser.lost(Side::Server);
    assert_eq!(say(&mut parser, Side::Server, &said([8, 7], MORE, &[&number("ok", 1)])), [], "it may be another's");
}

#[test]
fn a_compressed_request_that_is_overtaken_ends_without_a_status() {
    let mut parser = Mongodb::default();
    let compressed =
        |ids: [u32; 2]| message([ids[0], ids[1], 2012], &[&[0xdd, 7, 0, 0, 9, 0, 0, 0, 2], &b"zlib"[..]].concat());
    assert_eq!(say(&mut parser, Side::Client, &compressed([1, 0])).len(), 1);
    assert_eq!(say(&mut parser, Side::Client, &compressed([2, 0])).len(), 1);
    let ended = say(&mut parser, Side::Server, &compressed([9, 2]));
    let ends = ended.iter().filter(|message| matches!(message, Message::End { .. })).count();
    assert_eq!((ends, parser.open.len()), (2, 0));
}

#[test]
fn of_too_many_requests_the_oldest_is_forgotten() {
    let mut parser = Mongodb::default();
    for id in 1..=u32::try_from(REQUESTS).unwrap() + 1 {
        say(&mut parser, Side::Client, &said([id, 0], 0, &[&number("ping", 1)]));
    }
    assert_eq!(parser.open.len(), REQUESTS);
    assert_eq!(say(&mut parser, Side::Server, &said([9, 1], 0, &[&number("ok", 1)])), []);
    assert_eq!(say(&mut parser, Side::Server, &said([9, 2], 0, &[&number("ok", 1)])).len(), 2);
    for id in 0..=u32::try_from(STREAMS).unwrap() {
        say(&mut parser, Side::Client, &said([id, 0], EXHAUST, &[&number("hello", 1)]));
    }
    assert_eq!(parser.streams.len(), STREAMS);
}
