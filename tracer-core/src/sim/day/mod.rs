//! A simulated day of twelve services: rhythm, deploys, restarts, churn of processes and connections, and deviations.
//!
//! The inputs are those of a host whose sockets are all busy: what the kernel would tell of each exchange it counts, so
//! every socket tells its totals and the histogram of its latencies once a window. From there on it is the whole path,
//! from the bytes of records to alerts. What is not simulated at this level: single exchanges (`host` does that), and
//! what no record tells yet: pools and accept queues (`pressure` simulates their figures), and chains.
//! Invariant: the same seed and plan give the same inputs. Memory: two sockets for each call, and one window of inputs.

mod plan;
pub mod pressure;
mod topology;
mod traffic;

pub use plan::{Deviation, Kind, plan};
pub use topology::{LINES, Line, SERVICES, Service};

use super::records::tuple;
use super::socket::SimSocket;
use super::{Connection, Dice, named};
use crate::input::{Input, SocketLatencies, Start};
use crate::time::{Moment, Span, Wall};
use std::net::Ipv4Addr;
use topology::{factor, service_at};
use tracer_common::{ProcessId, SocketCause};

/// How long the day is.
pub const DAY: Span = Span::from_seconds(86_400);
/// The window that the day is cut into.
pub const WINDOW: Span = Span::from_seconds(10);

/// The monotonic clock when the day begins.
const BEGIN: Moment = Moment(1_000_000_000_000);
/// Monday, 2026-01-05, midnight UTC.
const MIDNIGHT: Wall = Wall(1_767_571_200_000_000_000);
/// Windows between two workers that are replaced by a fork of their own.
const CHURN: u64 = 30;
const FIRST_PID: u32 = 1_000;
const REFUSED: u32 = 111;

/// The wall-clock time so long after the day began.
#[must_use]
pub fn date(since: Span) -> Wall {
    Wall(MIDNIGHT.0.saturating_add(i64::try_from(since.0).unwrap_or(i64::MAX)))
}

/// The moment so long after the day began.
#[must_use]
pub fn moment(since: Span) -> Moment {
    BEGIN.after(since)
}

/// A day that is being simulated.
#[derive(Debug)]
pub struct Day {
    dice: Dice,
    plan: Vec<Deviation>,
    /// Windows that are over.
    windows: u64,
    /// The process of each service.
    processes: Vec<ProcessId>,
    /// The connection of each line.
    lines: Vec<Connection>,
    /// The connection that a deviation needs for itself, and until when.
    extra: Option<(Connection, Deviation)>,
    opened: u64,
    pids: u32,
}

impl Day {
    /// A day with those deviations. The inputs that begin it are added to `out`.
    pub fn begin(seed: u64, plan: Vec<Deviation>, out: &mut Vec<Input>) -> Self {
        out.push(Input::Start(Start { host: "shop".to_owned(), at: BEGIN, wall: MIDNIGHT, boottime_ahead: 0 }));
        let dice = Dice::new(seed);
        let (processes, lines) = (Vec::new(), Vec::new());
        let mut day = Self { dice, plan, windows: 0, processes, lines, extra: None, opened: 0, pids: FIRST_PID };
        for place in 0..SERVICES.len() {
            let process = day.start_process(place, BEGIN, out);
            day.processes.push(process);
        }
        for line in &LINES {
            let connection = day.open(line.from, line.to, BEGIN, out);
            day.lines.push(connection);
        }
        day
    }

    /// Adds the inputs of the next window, a tick as the last; `false` when the day is over.
    pub fn window(&mut self, out: &mut Vec<Input>) -> bool {
        let began = Span(self.windows * WINDOW.0);
        if began >= DAY {
            return false;
        }
        let end = Span(began.0 + WINDOW.0);
        self.churn(moment(began), out);
        let bad = self.plan.iter().copied().find(|bad| bad.begin < end && began < bad.end);
        self.deviate(bad, began, end, out);
        for place in 0..LINES.len() {
            self.line(place, bad, began, out);
        }
        self.windows += 1;
        out.push(Input::Tick { at: moment(end), wall: date(end) });
        true
    }

    /// What one line does in a window, told just before it ends.
    fn line(&mut self, place: usize, bad: Option<Deviation>, began: Span, out: &mut Vec<Input>) {
        let end = Span(began.0 + WINDOW.0);
        let Some(line) = LINES.get(place) else { return };
        let own = bad.filter(|bad| match bad.kind {
            Kind::Silent { service } => service == line.to,
            kind => kind.line() == Some(place),
        });
        let load = factor(date(Span(began.0 + WINDOW.0 / 2)));
        let flow = traffic::flow(line, load, WINDOW, own.map(|bad| (bad, overlap(bad, began, end))), &mut self.dice);
        let told = moment(Span(end.0 - 1_000_000));
        for _ in 0..flow.refused {
            let ends = self.ends(service_at(line.to).port);
            let user = self.process(line.from);
            let mut refused = SimSocket::connect(self.cookies(), user, ends, told, out);
            refused.fail(REFUSED, told, out);
        }
        let hangs = own.filter(|bad| matches!(bad.kind, Kind::Silent { .. }));
        let Some(Connection { client, .. }) = self.lines.get_mut(place) else { return };
        if flow.answered > 0 {
            client.count(flow.answered, moment(began), out);
            let counts = flow.buckets.iter().map(|(bucket, count)| (*bucket, *count)).collect();
            out.push(Input::Latencies(SocketLatencies { cookie: client.cookie(), sum: flow.sum, counts }));
        }
        if let Some(bad) = hangs {
            if (began..end).contains(&bad.begin) {
                client.send(100, moment(bad.begin), out);
            }
            if bad.end <= end {
                client.receive(300, moment(bad.end), out);
            }
        }
        client.snapshot(told, out);
    }

    /// What a deviation does besides changing the traffic of its line.
    fn deviate(&mut self, bad: Option<Deviation>, began: Span, end: Span, out: &mut Vec<Input>) {
        let told = moment(Span(end.0 - 1_000_000));
        if let Some(bad) = bad.filter(|bad| (began..end).contains(&bad.begin)) {
            let ends = match bad.kind {
                Kind::NewCall { from, to } => Some((from, to)),
                Kind::Stalled { line } => LINES.get(line).map(|line| (line.from, line.to)),
                _ => None,
            };
            if let Some((from, to)) = ends {
                let mut connection = self.open(from, to, moment(bad.begin), out);
                connection.client.send(100, moment(bad.begin), out);
                if matches!(bad.kind, Kind::NewCall { .. }) {
                    connection.client.receive(300, moment(bad.begin).after(Span::from_millis(2)), out);
                }
                self.extra = Some((connection, bad));
            }
        }
        if let Some((mut connection, bad)) = self.extra.take() {
            if bad.end <= end {
                connection.client.receive(300, moment(bad.end), out);
                connection.close(told, out);
            } else {
                connection.client.snapshot(told, out);
                self.extra = Some((connection, bad));
            }
        }
    }

    /// Deploys, restarts, workers that are replaced and connections that are opened anew, where nothing else goes on.
    fn churn(&mut self, at: Moment, out: &mut Vec<Input>) {
        // A program that runs for a moment, as those of cron do.
        let helper = self.next_process(at);
        out.push(named(helper, "/usr/bin/run-parts"));
        let busy = |bad: &Deviation| {
            let margin = Span(WINDOW.0 * 6).0;
            moment(Span(bad.begin.0.saturating_sub(margin))) < at && at < moment(Span(bad.end.0 + margin))
        };
        if self.plan.iter().any(busy) {
            return;
        }
        if self.windows % CHURN == CHURN / 2 {
            let place = usize::try_from(self.dice.below(SERVICES.len() as u64)).unwrap_or(0);
            self.deploy(place, at, out);
        }
        let line = usize::try_from(self.dice.below(LINES.len() as u64)).unwrap_or(0);
        self.reopen(line, at, out);
    }

    /// The service runs in a new process from now on, and everybody connects again.
    fn deploy(&mut self, place: usize, at: Moment, out: &mut Vec<Input>) {
        let process = self.start_process(place, at, out);
        if let Some(held) = self.processes.get_mut(place) {
            *held = process;
        }
        for (number, line) in LINES.iter().enumerate() {
            if line.from == place || line.to == place {
                self.reopen(number, at, out);
            }
        }
    }

    fn reopen(&mut self, number: usize, at: Moment, out: &mut Vec<Input>) {
        let Some(line) = LINES.get(number) else { return };
        let new = self.open(line.from, line.to, at, out);
        if let Some(held) = self.lines.get_mut(number) {
            std::mem::replace(held, new).close(at, out);
        }
    }

    /// A connection on which the server's end is known.
    fn open(&mut self, from: usize, to: usize, at: Moment, out: &mut Vec<Input>) -> Connection {
        let ends = self.ends(service_at(to).port);
        let cookie = self.cookies();
        let mut connection = Connection::open(cookie, self.process(from), self.process(to), ends, at, out);
        connection.server.receive(1, at, out);
        connection
    }

    fn ends(&mut self, port: u16) -> tracer_common::Tuple {
        let local = u16::try_from(32_768 + self.opened % 28_000).unwrap_or(u16::MAX);
        tuple((Ipv4Addr::LOCALHOST, local).into(), (Ipv4Addr::LOCALHOST, port).into())
    }

    /// The cookie of a client's end; that of its server's end is one more.
    fn cookies(&mut self) -> u64 {
        self.opened += 1;
        self.opened * 2
    }

    fn process(&self, place: usize) -> ProcessId {
        self.processes.get(place).copied().unwrap_or(ProcessId { pid: 1, exec: 1, started: 0 })
    }

    fn next_process(&mut self, at: Moment) -> ProcessId {
        self.pids = FIRST_PID + (self.pids - FIRST_PID + 1) % 31_000;
        ProcessId { pid: self.pids, exec: 1, started: at.0 }
    }

    fn start_process(&mut self, place: usize, at: Moment, out: &mut Vec<Input>) -> ProcessId {
        let Service { name, port } = service_at(place);
        let process = self.next_process(at);
        out.push(named(process, &format!("/usr/bin/{name}")));
        let listens = tracer_common::SocketRecord {
            cookie: self.cookies(),
            tuple: tuple((Ipv4Addr::LOCALHOST, port).into(), (Ipv4Addr::UNSPECIFIED, 0).into()),
            ..super::records::owned_socket(process, SocketCause::LISTENING, at)
        };
        out.push(super::input(&listens));
        process
    }
}

/// Which share of a window a deviation takes.
#[expect(clippy::cast_precision_loss, reason = "nanoseconds of a window, exact below 2^53")]
fn overlap(bad: Deviation, began: Span, end: Span) -> f64 {
    let taken = bad.end.min(end).0.saturating_sub(bad.begin.max(began).0);
    taken as f64 / (end.0 - began.0) as f64
}
