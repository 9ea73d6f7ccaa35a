//! A whole host: services that call each other on many connections, for measuring how cost grows.
//!
//! As many clients as servers, each a process with a name of its own; call number n goes from client n / √calls to
//! server n % √calls, and connections are dealt out to the calls in turn. Each batch of exchanges goes over the
//! connections in an order that jumps, as a busy host's does, with latencies around 0.3 ms and a tail a hundred times
//! as long. Invariant: the same size gives the same bytes. Memory: two sockets for each connection.

use super::connection::{Connection, Timing};
use super::records::{process, tuple};
use crate::identity::ProcessKey;
use crate::input::{Input, ProcessFacts, Start};
use crate::time::{Moment, Span, Wall};
use std::net::Ipv4Addr;
use tracer_common::ProcessId;

/// How large a host is. There are at least as many connections as calls.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    pub calls: u32,
    pub connections: u32,
}

/// A host under load.
#[derive(Clone, Debug)]
pub struct Host {
    connections: Vec<Connection>,
    /// Connections opened since the start.
    opened: u32,
    now: Moment,
    turn: usize,
    dice: u64,
}

/// Steps from one connection to the next: a prime, so that every connection has its turn.
const STRIDE: usize = 7_919;
/// Client ports in use at one address.
const PORTS: u32 = 50_000;
const FIRST_CLIENT: u32 = 10_000;
const FIRST_SERVER: u32 = 20_000;
const FIRST_BRIEF: u32 = 30_000;
/// Pids of brief processes.
const PIDS: u32 = 2_768;

impl Host {
    /// Starts all processes, opens every connection and lets a tick pass. The inputs go to `each`.
    pub fn start(size: Size, mut each: impl FnMut(&Input)) -> Self {
        let now = Moment(1_000_000_000);
        each(&Input::Start(Start { host: "host".to_owned(), at: now, wall: Wall(0), boottime_ahead: 0 }));
        let side = size.calls.isqrt() + u32::from(size.calls.isqrt().pow(2) < size.calls);
        for number in 0..side {
            each(&named(process(FIRST_CLIENT + number), &format!("/usr/bin/client-{number}")));
            each(&named(process(FIRST_SERVER + number), &format!("/usr/bin/server-{number}")));
        }
        let mut host = Self { connections: Vec::new(), opened: 0, now, turn: 0, dice: 1 };
        let mut out = Vec::new();
        for number in 0..size.connections.max(size.calls) {
            let call = number % size.calls;
            let (client, server) = (process(FIRST_CLIENT + call / side), process(FIRST_SERVER + call % side));
            host.connections.push(host.open(number, client, server, &mut out));
            host.opened = number;
        }
        // The first request makes the server's end known.
        host.send(host.connections.len(), &mut out);
        out.iter().for_each(&mut each);
        each(&host.tick(Span::from_millis(100)));
        host
    }

    fn open(&self, number: u32, client: ProcessId, server: ProcessId, out: &mut Vec<Input>) -> Connection {
        let port = u16::try_from(10_000 + number % PORTS).unwrap_or(u16::MAX);
        let address = Ipv4Addr::from_bits(0x0a00_0001 + number / PORTS);
        let served = u16::try_from(server.pid).unwrap_or(u16::MAX);
        let ends = tuple((address, port).into(), (Ipv4Addr::new(10, 1, 0, 1), served).into());
        Connection::open(u64::from(number) * 2 + 1, client, server, ends, self.now, out)
    }

    /// Finishes `count` exchanges, each with a record of either end.
    pub fn exchanges(&mut self, count: usize) -> Vec<Input> {
        let mut out = Vec::with_capacity(count.saturating_mul(2));
        self.send(count, &mut out);
        out
    }

    fn send(&mut self, count: usize, out: &mut Vec<Input>) {
        for _ in 0..count {
            let timing = self.roll();
            self.turn = (self.turn + STRIDE) % self.connections.len().max(1);
            let Some(connection) = self.connections.get_mut(self.turn) else { return };
            connection.exchange(100, 1_000, timing, self.now, out);
            self.now = self.now.after(Span(1_000));
        }
    }

    /// So many connections from open to close, with two exchanges each, one connection after the other.
    pub fn churn(&mut self, count: usize) -> Vec<Input> {
        let mut out = Vec::new();
        for _ in 0..count {
            self.opened += 1;
            let (client, server) = (process(FIRST_CLIENT), process(FIRST_SERVER));
            let mut connection = self.open(self.opened, client, server, &mut out);
            for _ in 0..2 {
                let timing = self.roll();
                connection.exchange(100, 1_000, timing, self.now, &mut out);
            }
            connection.close(self.now, &mut out);
            self.now = self.now.after(Span(1_000));
        }
        out
    }

    /// So many processes that come, ask something over one connection, and go; each is found out about.
    pub fn brief_processes(&mut self, count: usize) -> Vec<Input> {
        let mut out = Vec::new();
        for _ in 0..count {
            self.opened += 1;
            // A pid is used again, a moment of start is not.
            let client = ProcessId { started: self.now.0, ..process(FIRST_BRIEF + self.opened % PIDS) };
            out.push(named(client, "/usr/bin/brief"));
            let mut connection = self.open(self.opened, client, process(FIRST_SERVER), &mut out);
            let timing = self.roll();
            connection.exchange(100, 1_000, timing, self.now, &mut out);
            connection.close(self.now, &mut out);
            self.now = self.now.after(Span(1_000));
        }
        out
    }

    /// Lets time pass.
    pub fn tick(&mut self, span: Span) -> Input {
        self.now = self.now.after(span);
        Input::Tick { at: self.now, wall: Wall(0) }
    }

    /// Reports every socket, as a look at all of them does.
    #[must_use]
    pub fn look(&self) -> Vec<Input> {
        let mut out = Vec::new();
        for connection in &self.connections {
            connection.client.snapshot(self.now, &mut out);
            connection.server.snapshot(self.now, &mut out);
        }
        out
    }

    /// What the next exchange takes: the product of two dice, and one in a hundred a hundred times as long.
    fn roll(&mut self) -> Timing {
        // A linear congruential generator (Knuth, MMIX).
        self.dice = self.dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let (one, other, third) = (self.dice >> 48 & 0xff, self.dice >> 40 & 0xff, self.dice >> 32);
        let slow = if third % 100 == 0 { 100 } else { 1 };
        Timing { one_way: Span(10_000 + 40 * one), server: Span((100_000 + 400 * one + 2 * one * other) * slow) }
    }
}

/// What the host finds out about a process of that program.
#[must_use]
pub fn named(process: ProcessId, program: &str) -> Input {
    let key = ProcessKey { pid: process.pid, exec: process.exec, started: process.started };
    Input::Process(ProcessFacts {
        process: key,
        uid: Some(0),
        comm: None,
        exe: Some(program.as_bytes().to_vec()),
        arguments: vec![program.as_bytes().to_vec()],
        variable: None,
        cgroup: None,
        container: None,
        elder: None,
        ancestors: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;
    use crate::engine::Config;

    #[test]
    fn a_host_of_any_size_has_as_many_calls_as_asked_for_and_counts_every_exchange() {
        for (calls, connections) in [(1, 1), (3, 10), (100, 250)] {
            let mut engine = Engine::new(Config::default());
            let mut out = Vec::new();
            let mut host = Host::start(Size { calls, connections }, |input| engine.handle(input, &mut out));
            for input in host.exchanges(1000) {
                engine.handle(&input, &mut out);
            }
            engine.handle(&host.tick(Span::from_millis(100)), &mut out);
            let graph = engine.snapshot();
            assert_eq!(graph.calls.len(), usize::try_from(calls).unwrap());
            let timed: u64 = graph.calls.iter().filter_map(|call| call.latency_ms).map(|it| it.samples).sum();
            assert_eq!((timed, graph.completeness.exchanges_lost), (1000, 0));
        }
    }
}
