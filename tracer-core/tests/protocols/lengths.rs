//! Messages that begin with their length are of many protocols: none is taken for another because of it.
//!
//! Invariant: the numbers are the same in each run. Memory: one conversation.

use tracer_core::protocol::{Conversation, Side, row};
use tracer_core::time::Moment;

use crate::Numbers;

/// A request and its response as of Kafka: a length, what is asked in which version, a number, who asks.
fn kafka(numbers: &mut Numbers) -> [Vec<u8>; 2] {
    let [key, version, number] = [numbers.next() % 70, numbers.next() % 14, numbers.next()];
    let [key, version] = [key, version].map(|field| u16::try_from(field).unwrap().to_be_bytes());
    // Most clients count from 0.
    let number = u32::try_from(number % if number.is_multiple_of(2) { 300 } else { 1 << 32 }).unwrap().to_be_bytes();
    let rest = |numbers: &mut Numbers| {
        let length = numbers.next() % 400;
        numbers.bytes(length)
    };
    let request = [&key[..], &version, &number, b"\0\x08consumer", &rest(numbers)].concat();
    let response = [&number[..], &rest(numbers)].concat();
    [request, response].map(|body| [&u32::try_from(body.len()).unwrap().to_be_bytes()[..], &body].concat())
}

/// Random bytes behind their length, with the lowest byte first.
fn lowest_first(numbers: &mut Numbers) -> [Vec<u8>; 2] {
    [(); 2].map(|()| {
        let length = 8 + numbers.next() % 400;
        let body = numbers.bytes(length);
        [&u32::try_from(body.len() + 4).unwrap().to_le_bytes()[..], &body].concat()
    })
}

#[test]
fn what_begins_with_its_length_is_taken_for_neither_mongodb_nor_cassandra() {
    let mut numbers = Numbers(0x1f83_d9ab_fb41_bd6b);
    let mut events = Vec::new();
    for round in 0..200_000_u32 {
        let [client, server] = if round.is_multiple_of(2) { kafka(&mut numbers) } else { lowest_first(&mut numbers) };
        let port = if round % 4 < 2 { 27017 } else { 9042 };
        let mut conversation = Conversation::default();
        conversation.feed(Side::Client, port, &client, Moment(0), &mut events);
        conversation.feed(Side::Server, port, &server, Moment(1), &mut events);
        let found = conversation.protocol().map(|protocol| row(protocol).name);
        assert!(!matches!(found, Some("mongodb" | "cassandra")), "{found:?}: {client:02x?} {server:02x?}");
    }
}
