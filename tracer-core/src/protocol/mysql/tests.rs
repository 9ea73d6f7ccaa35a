//! What no file can hold: packets of 16 MB, and holes in long answers.
//!
//! Invariant: none of the bytes that are not there is needed. Memory: none to speak of.

use super::*;

fn said(found: &Found) -> Vec<String> {
    let line = |message: &Message| match message {
        Message::Request { operation, .. } => operation.as_str().to_owned(),
        Message::End { outcome, .. } => outcome.clone().unwrap_or_default().status.as_str().to_owned(),
        _ => String::new(),
    };
    found.messages.iter().chain(&found.at_end).map(line).filter(|line| !line.is_empty()).collect()
}

#[test]
fn statements_and_rows_of_several_packets_are_one() {
    let mut mysql = Mysql::default();
    mysql.lost(Side::Client);
    let mut hear = |side, bytes: &[u8]| {
        let mut found = Found::default();
        let next = mysql.next(side, bytes, &mut found);
        (next, said(&found))
    };
    let longest = 0x100_0003;
    let query = [&[0xff, 0xff, 0xff, 0, 3], b"INSERT INTO orders VALUES ('x".as_slice()].concat();
    assert_eq!(hear(Side::Client, &query), (Next::Unit(longest), vec!["INSERT orders".into()]));
    assert_eq!(hear(Side::Client, &[0xff, 0xff, 0xff, 1, 3]), (Next::Unit(longest), vec![]));
    assert_eq!(hear(Side::Client, &[2, 0, 0, 2, 3, 3]), (Next::Unit(6), vec![]));
    assert_eq!(hear(Side::Server, &[7, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0]), (Next::Unit(11), vec!["OK".into()]));

    let query = [&[20, 0, 0, 0, 3], b"SELECT * FROM blobs".as_slice()].concat();
    assert_eq!(hear(Side::Client, &query).1, ["SELECT blobs"]);
    assert_eq!(hear(Side::Server, &[1, 0, 0, 1, 1]), (Next::Unit(5), vec![]));
    assert_eq!(hear(Side::Server, &[30, 0, 0, 2, 3]), (Next::Unit(34), vec![]));
    assert_eq!(hear(Side::Server, &[5, 0, 0, 3, 0xfe, 0, 0, 2, 0]), (Next::Unit(9), vec![]));
    // The length of a column of 2^24 bytes begins as an end does.
    assert_eq!(hear(Side::Server, &[0xff, 0xff, 0xff, 4, 0xfe]), (Next::Unit(longest), vec![]));
    assert_eq!(hear(Side::Server, &[10, 0, 0, 5, 0xff]), (Next::Unit(14), vec![]));
    assert_eq!(hear(Side::Server, &[5, 0, 0, 6, 0xfe, 0, 0, 2, 0]), (Next::Unit(9), vec!["OK".into()]));
}

#[test]
fn where_nobody_saw_what_was_agreed_on_the_first_result_says_how_definitions_end() {
    for has_ends in [false, true] {
        let mut mysql = Mysql::default();
        mysql.lost(Side::Client);
        let mut hear = |side, bytes: &[u8]| {
            let mut found = Found::default();
            mysql.next(side, bytes, &mut found);
            said(&found)
        };
        let statement = [&[26, 0, 0, 0, 0x16], b"DELETE FROM a WHERE b = ?".as_slice()].concat();
        assert_eq!(hear(Side::Client, &statement), ["PREPARE DELETE a"]);
        assert_eq!(hear(Side::Server, &[12, 0, 0, 1, 0, 9, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]), [""; 0]);
        assert_eq!(hear(Side::Server, &[23, 0, 0, 2, 3]), ["OK"]);
        if has_ends {
            assert_eq!(hear(Side::Server, &[5, 0, 0, 3, 0xfe, 0, 0, 2, 0]), [""; 0]);
        }
        assert_eq!(hear(Side::Client, &[10, 0, 0, 0, 0x17, 9, 0, 0, 0, 0, 1, 0, 0, 0]), ["DELETE a"]);
        assert_eq!(hear(Side::Server, &[7, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0]), ["OK"]);
        assert_eq!(hear(Side::Client, &[10, 0, 0, 0, 0x17, 8, 0, 0, 0, 0, 1, 0, 0, 0]), ["?"]);
        assert_eq!(mysql.has_ends, Some(has_ends));
    }
}

#[test]
fn a_command_that_nobody_answers_may_come_in_the_middle_of_an_answer() {
    let mut mysql = Mysql { phase: Phase::Commands, has_ends: Some(true), ..Mysql::default() };
    let mut found = Found::default();
    let query = [&[14, 0, 0, 0, 3], b"SELECT a FROM".as_slice()].concat();
    for (side, bytes) in [
        (Side::Client, query.as_slice()),
        (Side::Server, &[1, 0, 0, 1, 1]),
        (Side::Server, &[30, 0, 0, 2, 3]),
        (Side::Client, &[5, 0, 0, 0, 0x19, 1, 0, 0, 0]),
        (Side::Server, &[5, 0, 0, 3, 0xfe, 0, 0, 2, 0]),
        (Side::Server, &[5, 0, 0, 4, 0xfe, 0, 0, 2, 0]),
    ] {
        assert!(matches!(mysql.next(side, bytes, &mut found), Next::Unit(_)));
    }
    assert_eq!(said(&found), ["SELECT", "OK"]);
}

#[test]
fn the_end_of_rows_is_found_behind_what_nobody_saw() {
    for (has_ends, end) in
        [(true, [5, 0, 0, 77, 0xfe, 0, 0, 2, 0].as_slice()), (false, &[7, 0, 0, 77, 0xfe, 0, 0, 2, 0, 0, 0])]
    {
        let mut mysql = Mysql { phase: Phase::Commands, has_ends: Some(has_ends), ..Mysql::default() };
        let mut found = Found::default();
        let query = [&[20, 0, 0, 0, 3], b"SELECT * FROM blobs".as_slice()].concat();
        mysql.next(Side::Client, &query, &mut found);
        mysql.next(Side::Server, &[1, 0, 0, 1, 1], &mut found);
        mysql.next(Side::Server, &[30, 0, 0, 2, 3], &mut found);
        if has_ends {
            assert!(!mysql.may_resume(Side::Server));
            mysql.next(Side::Server, &[5, 0, 0, 3, 0xfe, 0, 0, 2, 0], &mut found);
        }
        mysql.next(Side::Server, &[30, 0, 0, 4, 3], &mut found);
        assert!(mysql.may_resume(Side::Server));
        assert_eq!(mysql.resume(Side::Server, b"in a row"), None);
        let rest = [b"in a row", end].concat();
        assert_eq!(mysql.resume(Side::Server, &rest), Some(8));
        mysql.next(Side::Server, end, &mut found);
        assert_eq!(said(&found), ["SELECT blobs", "OK"]);
    }
}
