//! The accounts of the hooks add up, and those of the sinks of alerts: nothing is lost without being counted.
//!
//! Invariant: as in `main`. Memory: none.

use crate::alerts::wait_for;
use crate::host::{Peer, binary, patience, plane, port, scale, signal};
use crate::sinks::get;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The smallest ring, KiB.
const TINY: &str = "4";

/// What became of the messages of a sink of alerts, by the metrics of a tracer that watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) raised: u64,
    pub(crate) found: u64,
    pub(crate) delivered: u64,
    pub(crate) dropped: u64,
    pub(crate) waiting: u64,
    /// Attempts.
    pub(crate) failed: u64,
}

/// The account of a sink, which must balance; `listen` is where the tracer answers.
pub(crate) fn account(listen: u16, sink: &str) -> Account {
    let mut text = None;
    wait_for("the tracer answers", Duration::from_secs(10), || {
        text = get(listen, "/metrics");
        text.is_some()
    });
    let text = text.unwrap();
    // Those of all labels together.
    let sum = |name: &str| {
        let of_sink = format!("tracer_alert_{name}{{sink=\"{sink}\"");
        let values = text.lines().filter(|line| line.starts_with(&of_sink));
        let value = |line: &str| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap();
        values.map(value).reduce(|a, b| a + b).unwrap_or_else(|| panic!("{name} of {sink} is not told: {text}"))
    };
    let account = Account {
        raised: sum("messages_raised_total"),
        found: sum("messages_found_total"),
        delivered: sum("messages_delivered_total"),
        dropped: sum("messages_dropped_total"),
        waiting: sum("messages_waiting"),
        failed: sum("attempts_failed_total"),
    };
    let Account { raised, found, delivered, dropped, waiting, .. } = account;
    assert_eq!(raised + found, delivered + dropped + waiting, "{sink}: {account:?}");
    account
}

/// The rows of `--kernel-counters` by hook: seen, filtered, tracked, map full, emitted, submitted, kept aside, ring full, read
/// fault; and how many records were received.
fn accounts(ring_kib: &str) -> (Vec<(String, Vec<u64>)>, u64) {
    let port = port();
    let _server = Peer::start("server.py", &["server", "127.0.0.1", &port.to_string()]);
    let mut tracer = Command::new(binary())
        .args(["watch", "--output", "json", "--kernel-counters", "--ring-kib", ring_kib])
        .args(plane())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = BufReader::new(tracer.stderr.take().unwrap());
    let mut said = String::new();
    errors.read_line(&mut said).unwrap();
    assert!(said.contains("watching"), "the tracer said: {said}");
    let count = scale(500).to_string();
    let mut client = Peer::start("client.py", &["short", "127.0.0.1", &port.to_string(), &count, "1000"]);
    if ring_kib == TINY {
        // A tracer that stands still reads nothing, so the ring overflows on any machine.
        signal(tracer.id(), "STOP");
    }
    client.expect("done");
    signal(tracer.id(), "CONT");
    // The accounts are those of a quiet host: what the hooks have begun, they have finished.
    std::thread::sleep(patience(Duration::from_millis(500)));
    signal(tracer.id(), "INT");
    errors.read_to_string(&mut said).unwrap();
    assert!(tracer.wait().unwrap().success());
    let received = said.lines().find_map(|line| line.strip_prefix("records received ")).unwrap();
    let rows = said.lines().filter(|line| line.ends_with(|last: char| last.is_ascii_digit()));
    let rows = rows.filter(|line| !line.starts_with("records")).map(|line| {
        let (name, figures) = line.split_at(16);
        (name.trim().to_owned(), figures.split_whitespace().map(|figure| figure.parse().unwrap()).collect())
    });
    (rows.collect(), received.parse().unwrap())
}

#[test]
fn every_event_is_filtered_tracked_or_refused_and_every_record_received_or_lost() {
    for ring_kib in ["4096", TINY] {
        let (rows, received) = accounts(ring_kib);
        assert_eq!(rows.len(), 13, "{rows:?}");
        for (name, row) in &rows {
            let [seen, filtered, tracked, map_full, emitted, submitted, spilled, ring_full, _] = row[..] else {
                panic!("{row:?}")
            };
            assert_eq!(seen, filtered + tracked + map_full, "{name}: {row:?}");
            assert_eq!(emitted, submitted + spilled + ring_full, "{name}: {row:?}");
        }
        let sum = |field: usize| rows.iter().map(|(_, row)| row[field]).sum::<u64>();
        assert_eq!(sum(5) + sum(6), received, "{rows:?}");
        assert_eq!(sum(6) + sum(7) > 0, ring_kib == TINY, "{rows:?}");
    }
}
