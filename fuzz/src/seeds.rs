//! The inputs that an engine begins with, made of what the tests have already: conversations, a simulated host, a graph.
//!
//! `fuzz/corpus/TARGET` holds those that are short, by name, and beside them inputs that were found (`found-…`).
//! Invariant: the same sources give the same bytes. Memory: all of them, a few MiB.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use tracer_common::record::{RecordKind, STREAM_BYTES, StreamHead};
use tracer_core::Input;
use tracer_core::baseline::Baseline;
use tracer_core::graph::snapshot::GraphSnapshot;
use tracer_core::input::{Detail, Loss, Overflow, SocketLatencies};
use tracer_core::protocol::Side;
use tracer_core::sim::{Host, Size};
use tracer_core::time::{Moment, Span};
use zerocopy::{FromZeros as _, IntoBytes as _};

use crate::steps::{self, SEPARATOR, Start};
use crate::wire;
use crate::{Target, holes, tape, targets};

/// Bytes of a seed: longer ones make an engine slow.
const MOST: usize = 6 << 10;
/// An input that a run found, rather than one that is made here.
pub const FOUND: &str = "found-";

/// A seed: its target's name, its own, and its bytes.
pub type Seed = (&'static str, String, Vec<u8>);

/// Where inputs of a target are kept.
#[must_use]
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target)
}

/// Every seed.
#[must_use]
pub fn all() -> Vec<Seed> {
    let mut seeds = Vec::new();
    let wires = wire::files();
    for target in targets() {
        let of_target = match target {
            Target::Protocol(row) => {
                let own = wires.iter().filter(|wire| wire.protocol == row.name);
                let seed = |wire: &wire::Wire| {
                    let start = if wire.older { Start::Older } else { Start::New };
                    (wire.name.clone(), steps::write(start, &wire.steps))
                };
                own.map(seed).collect()
            }
            Target::Other("holes", _) => holes::seeds(),
            Target::Other("records", _) => records(),
            Target::Other("tape", _) => tapes(),
            Target::Other("baseline", _) => baselines(),
            Target::Other(name, _) => unreachable!("{name} has no seeds"),
        };
        let short = of_target.into_iter().filter(|(_, bytes)| bytes.len() <= MOST);
        seeds.extend(short.map(|(name, bytes)| (target.name(), name, bytes)));
    }
    seeds
}

/// A small host from start to end: two services, three connections, one of which is over.
fn host() -> Vec<Input> {
    let mut inputs = Vec::new();
    let mut host = Host::start(Size { calls: 2, connections: 2 }, |input| inputs.push(input.clone()));
    inputs.extend(host.exchanges(3));
    inputs.extend(host.churn(1));
    inputs.push(host.tick(Span::from_seconds(1)));
    inputs.extend(host.look());
    inputs.push(Input::End);
    inputs.push(host.tick(Span::from_seconds(1)));
    inputs
}

fn records() -> Vec<(String, Vec<u8>)> {
    let mut records: Vec<Vec<u8>> = host()
        .into_iter()
        .filter_map(|input| if let Input::Record(bytes) = input { Some(bytes) } else { None })
        .collect();
    let sent: &[(Side, &[u8])] = &[
        (Side::Client, b"*1\r\n$4\r\nPING\r\n"),
        (Side::Server, b"+PONG\r\n"),
        (Side::Client, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
        (Side::Server, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ];
    let streams = sent.iter().zip(1..).map(|((side, bytes), exchange)| stream(*side, bytes, exchange));
    let middle = records.len() / 2;
    records.splice(middle..middle, streams);
    vec![("host".to_owned(), records.join(&SEPARATOR[..]))]
}

/// What the client of the first connection of the simulated host sends and receives.
fn stream(side: Side, bytes: &[u8], exchange: u32) -> Vec<u8> {
    assert!(bytes.len() <= STREAM_BYTES, "an input or output is told in part");
    let mut head = StreamHead::new_zeroed();
    head.header.kind = RecordKind::STREAM;
    head.header.length = u16::try_from(size_of::<StreamHead>() + bytes.len()).expect("a short record");
    head.header.at = 1_000_100_000 + u64::from(exchange);
    head.cookie = 1;
    head.length = u32::try_from(bytes.len()).expect("a short record");
    head.exchange = exchange.div_ceil(2);
    head.sent = u8::from(side == Side::Client);
    head.begins = 1;
    [head.as_bytes(), bytes].concat()
}

fn tapes() -> Vec<(String, Vec<u8>)> {
    let mut inputs = host();
    // One of each kind that the host has not.
    inputs.push(Input::Settings(Box::default()));
    inputs.push(Input::Hosts(vec![(Ipv4Addr::LOCALHOST.into(), "a".to_owned())]));
    inputs.push(Input::Loss(Loss { ring_full: 1, ..Loss::default() }));
    inputs.push(Input::Detail(Detail::Counts));
    inputs.push(Input::Latencies(SocketLatencies { cookie: 1, sum: 5_000, counts: vec![(40, 2)] }));
    inputs.push(Input::Looked { began: Moment(1) });
    let dropped = Overflow { netns: 1, address: Ipv4Addr::LOCALHOST.into(), port: 80, dropped: 3 };
    inputs.push(Input::Overflows(vec![dropped]));
    let [whole, bodies] = tape::seeds(&inputs);
    vec![("whole".to_owned(), whole), ("bodies".to_owned(), bodies)]
}

fn baselines() -> Vec<(String, Vec<u8>)> {
    let graph = include_str!("../../tracer-core/tests/golden/sample.json");
    let graph: GraphSnapshot = serde_json::from_str(graph).expect("the sample is a graph");
    let baseline = Baseline::learn(&graph).expect("a baseline of the sample").render();
    vec![("learned".to_owned(), baseline.into_bytes())]
}
