//! Every protocol on the wire: what is found in whole conversations, in cut ones, in ones with holes, and in nonsense.
//!
//! Invariant: each test runs over all parsers, by the files of `tests/wire`. Memory: the files.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod damage;
mod lengths;
mod page;
mod wire;

use damage::{are_among, cut, length, with_hole};
use proptest::prelude::*;
use tracer_core::protocol::{Conversation, PARSERS, Side, Verdict};
use tracer_core::time::Moment;
use wire::{Step, files, run};

#[test]
fn each_conversation_is_recognised_and_every_request_in_it_is_found_with_its_outcome() {
    for wire in files() {
        let (lines, protocol, wrong) = run(&wire, &wire.steps);
        assert_eq!(protocol, Some(wire.protocol.as_str()), "{}: {wrong:?}", wire.name);
        assert_eq!(lines, wire.expected, "{}: {wrong:?}", wire.name);
        assert_eq!(wrong, None, "{}", wire.name);
    }
}

#[test]
fn every_parser_has_a_row_and_a_conversation() {
    let files = files();
    for row in PARSERS {
        assert_eq!(tracer_core::protocol::row(row.protocol).name, row.name);
        assert!(files.iter().any(|wire| wire.protocol == row.name), "tests/wire has none of {}", row.name);
    }
}

#[test]
fn bytes_that_come_one_by_one_say_the_same() {
    for wire in files() {
        let (lines, protocol, wrong) = run(&wire, &cut(&wire.steps, &[1]));
        assert_eq!(protocol, Some(wire.protocol.as_str()), "{}: {wrong:?}", wire.name);
        assert_eq!(lines, wire.expected, "{}: {wrong:?}", wire.name);
    }
}

#[test]
fn more_bytes_turn_no_verdict_around() {
    for wire in files() {
        for step in &wire.steps {
            let Step::Bytes(side, bytes) = step else { continue };
            for row in PARSERS {
                let verdicts = (1..=bytes.len().min(256)).map(|end| (row.begins)(*side, &bytes[..end]));
                let mut known = Verdict::More;
                for verdict in verdicts {
                    let is_same = known == Verdict::More || (known == Verdict::No) == (verdict == Verdict::No);
                    assert!(
                        is_same && (known == Verdict::More || verdict != Verdict::More),
                        "{}: {}",
                        wire.name,
                        row.name
                    );
                    known = verdict;
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn however_the_bytes_are_cut_they_say_the_same(cuts in prop::collection::vec(1..40_usize, 1..20)) {
        for wire in files() {
            let (lines, _, wrong) = run(&wire, &cut(&wire.steps, &cuts));
            prop_assert_eq!(&lines, &wire.expected, "{}: {:?}", wire.name, wrong);
        }
    }

    #[test]
    fn with_a_hole_nothing_is_invented(start: prop::sample::Index, size in 1..200_usize) {
        for wire in files() {
            let steps = with_hole(&wire.steps, start.index(length(&wire)), size);
            let (lines, protocol, _) = run(&wire, &steps);
            let is_one = |name: &str| name == wire.protocol || wire.before.iter().any(|before| before == name);
            prop_assert!(protocol.is_none_or(is_one), "{}: {:?}", wire.name, protocol);
            prop_assert!(are_among(&lines, &wire.expected), "{}: {:?} of {:?}", wire.name, lines, steps);
        }
    }

    #[test]
    fn no_change_to_the_bytes_panics_or_keeps_much(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        cuts in prop::collection::vec(1..400_usize, 1..20),
    ) {
        for mut wire in files() {
            for (place, byte) in &changes {
                let mut place = place.index(length(&wire));
                for step in &mut wire.steps {
                    let Step::Bytes(_, bytes) = step else { continue };
                    if let Some(changed) = bytes.get_mut(place) {
                        *changed = *byte;
                        break;
                    }
                    place -= bytes.len();
                }
            }
            run(&wire, &cut(&wire.steps, &cuts));
        }
    }

    #[test]
    fn no_bytes_panic_in_any_parser(pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)), 0..20)) {
        for row in PARSERS {
            let mut conversation = Conversation::known(row.protocol);
            let mut events = Vec::new();
            for (is_client, bytes) in &pieces {
                let side = if *is_client { Side::Client } else { Side::Server };
                conversation.feed(side, 0, bytes, Moment(0), &mut events);
            }
            prop_assert!(conversation.held() <= 1 << 17);
        }
    }
}

/// A generator whose numbers are the same in each run (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn bytes(&mut self, length: u64) -> Vec<u8> {
        (0..length).map(|_| self.next().to_be_bytes()[0]).collect()
    }
}

#[test]
fn a_million_random_and_tls_like_buffers_are_no_protocol() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut events = Vec::new();
    for round in 0..500_000_u64 {
        let mut buffer = |round: u64| {
            let length = 1 + numbers.next() % 96;
            let mut bytes = numbers.bytes(length);
            if round.is_multiple_of(2) {
                // Application data of TLS (RFC 8446 §5.2).
                let length = u8::try_from(bytes.len()).unwrap();
                bytes.splice(0..0, [23, 3, 3, 0, length]);
            }
            bytes
        };
        let (client, server) = (buffer(round), buffer(round));
        let port = PARSERS[usize::try_from(round).unwrap() % PARSERS.len()].ports.first().copied().unwrap_or(0);
        let mut conversation = Conversation::default();
        conversation.feed(Side::Client, port, &client, Moment(0), &mut events);
        conversation.feed(Side::Server, port, &server, Moment(1), &mut events);
        let found = conversation.protocol().map(|protocol| tracer_core::protocol::row(protocol).name);
        let is_tls = round.is_multiple_of(2);
        assert!(found.is_none_or(|name| is_tls && name == "tls"), "{found:?}: {client:02x?} {server:02x?}");
    }
}
