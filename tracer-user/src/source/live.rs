//! Inputs from the running kernel.
//!
//! Invariant: no record wakes the tracer by itself: while there is traffic the ring is drained on a timer, on an idle
//! host the tracer sleeps until the next look at all sockets. Memory: the ring, and what one look finds.

use super::pace::Pace;
use super::{Delivery, Source, Turn};
use crate::bpf::{Asked, Capture, Found, Look, PlaneChoice, SiteTotals, Slots, Told};
use crate::cost::Meter;
use crate::facts::{AcceptQueues, Facts, hosts, users};
use crate::stop::Stop;
use crate::{clock, console};
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::time::Duration;
use tracer_common::Site;
use tracer_core::budget::Budget;
use tracer_core::graph::snapshot::Degradation;
use tracer_core::identity::ProcessKey;
use tracer_core::input::{Choice, Detail, Input, ProcessFacts, Start};
use tracer_core::time::Span;

/// Between two drains while there is traffic.
const DRAIN_EVERY: Duration = Duration::from_millis(100);

/// Looks at every socket after records were lost: those that say a connection ended may be among them.
const LOOKS_AFTER_LOSS: u32 = 3;

/// How to capture.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    /// How to hook.
    pub(crate) plane: PlaneChoice,
    /// What to tell of exchanges.
    pub(crate) detail: Detail,
    /// What the tracer may cost, percent of one CPU.
    pub(crate) budget: Option<f64>,
    /// Size of the ring in bytes, a power of two.
    pub(crate) ring: u32,
    /// Whether the programs say what they do.
    pub(crate) kernel_log: bool,
    /// Whether to say at the end what each hook counted.
    pub(crate) counters: bool,
    /// The length of windows.
    pub(crate) window: Span,
    pub(crate) extras: Extras,
}

/// What only some who capture need.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extras {
    /// Whether keys end a wait.
    pub(crate) keys: bool,
    /// Whether to tell which process starts which.
    pub(crate) follows: bool,
}

/// The running kernel.
pub(crate) struct Live {
    capture: Capture,
    slots: Slots,
    detail: Detail,
    budget: Option<Budget>,
    meter: Meter,
    facts: Facts,
    queues: AcceptQueues,
    /// What does not work since that was told last, the newest of each kind.
    failures: BTreeMap<&'static str, String>,
    counters: bool,
    /// Records taken out of the ring.
    received: u64,
    host: String,
    started: bool,
    /// Whether the last drain found nothing.
    idle: bool,
    pace: Pace,
    /// Records taken out of the ring until then.
    received_before: u64,
    /// Records lost when it was looked last.
    lost: u64,
    /// How many of the next looks take in every socket, changed or not.
    whole_looks: u32,
}

impl Live {
    /// Loads and attaches the programs. A wait ends as soon as a signal comes.
    pub(crate) fn start(options: Options, stop: &Stop) -> Result<Self> {
        let Options { ring, kernel_log, extras: Extras { follows, .. }, .. } = options;
        let mut capture = Capture::start(options.plane, Asked { ring, kernel_log, follows })?;
        capture.set_detail(options.detail);
        capture.also_wait_for(stop.as_fd())?;
        if options.extras.keys && std::io::stdin().is_terminal() {
            capture.also_wait_for(std::io::stdin().as_fd())?;
        }
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let counters = options.counters;
        Ok(Self {
            slots: capture.take_slots().context("the slots of busy sockets were taken before")?,
            meter: Meter::new(&capture),
            capture,
            detail: options.detail,
            budget: options.budget.map(|limit| Budget::new(limit, options.detail)),
            facts: Facts::new(),
            queues: AcceptQueues::default(),
            failures: BTreeMap::new(),
            counters,
            received: 0,
            host,
            started: false,
            idle: false,
            pace: Pace::new(options.window, clock::now()),
            received_before: 0,
            lost: 0,
            whole_looks: 0,
        })
    }

    fn begin(&mut self, each: &mut dyn FnMut(Delivery<'_>)) -> Result<()> {
        let (at, wall, boottime_ahead) = (clock::now(), clock::wall(), clock::boottime_ahead());
        self.pace.begin(at);
        let host = self.host.clone();
        each(Delivery::Input(Input::Start(Start { host, at, wall, boottime_ahead })));
        each(Delivery::Input(Input::Hosts(hosts::read())));
        each(Delivery::Input(Input::Users(users::read())));
        each(Delivery::Input(Input::Detail(self.detail)));
        for degradation in std::mem::take(&mut self.capture.degraded) {
            each(Delivery::Input(Input::Degraded(degradation)));
        }
        let mut told = Telling { slots: &mut self.slots, each, failure: None };
        self.capture.census(|record: &[u8]| told.tell(record))?;
        told.finish()?;
        self.started = true;
        Ok(())
    }

    fn drain(&mut self, each: &mut dyn FnMut(Delivery<'_>)) -> Result<u64> {
        self.drain_with(Found::default(), each)
    }

    /// Takes what waits, and what a look has found, in the order in which it happened.
    fn drain_with(&mut self, found: Found, each: &mut dyn FnMut(Delivery<'_>)) -> Result<u64> {
        let mut told = Telling { slots: &mut self.slots, each, failure: None };
        let records = self.capture.drain(found, |record: &[u8]| told.tell(record));
        told.finish()?;
        self.received += records;
        Ok(records)
    }

    /// Looks at all sockets, then takes what has come in the meantime; returns how many records that were.
    fn look(&mut self, last: bool, each: &mut dyn FnMut(Delivery<'_>)) -> Result<u64> {
        let began = clock::now();
        let loss = self.capture.loss()?;
        if loss.ring_full != self.lost {
            self.lost = loss.ring_full;
            self.whole_looks = LOOKS_AFTER_LOSS;
        }
        let whole = self.whole_looks > 0;
        self.whole_looks = self.whole_looks.saturating_sub(1);
        let look = match (last, whole) {
            (true, _) => Look::Last,
            (false, true) => Look::All,
            (false, false) => Look::Changed,
        };
        // A socket is found as it is now: what happened to it before, under another owner perhaps, waits in the ring.
        let mut found = Found::default();
        let worked = clock::of_this_process();
        self.capture.snapshot(look, |record: &[u8]| found.add(record))?;
        let took = clock::of_this_process().saturating_sub(worked);
        let found_nothing = found.is_empty();
        let records = self.drain_with(found, each)?;
        let told_nothing = std::mem::replace(&mut self.received_before, self.received) == self.received;
        self.pace.looked(began, took, found_nothing && told_nothing);
        // Read after the records: what is lost is never told later than what it is missing from.
        each(Delivery::Input(Input::Loss(self.capture.loss()?)));
        if let Some(overflows) = self.queues.look() {
            each(Delivery::Input(Input::Overflows(overflows)));
        }
        for (name, reason) in std::mem::take(&mut self.failures) {
            each(Delivery::Input(Input::Degraded(Degradation { name: name.to_owned(), reason })));
        }
        if whole {
            each(Delivery::Input(Input::Looked { began }));
        }
        self.account(each)?;
        Ok(records)
    }
}

impl Live {
    /// Measures what the tracer costs, and lowers or raises detail to stay within the budget.
    fn account(&mut self, each: &mut dyn FnMut(Delivery<'_>)) -> Result<()> {
        let cost = self.meter.measure(&self.capture, self.received, self.budget.as_ref())?;
        each(Delivery::Input(Input::Cost(cost)));
        let Some(budget) = &mut self.budget else { return Ok(()) };
        if let Some(detail) = budget.spend(cost.percent()) {
            let reason =
                format!("the tracer took {:.1} % of a CPU, the budget is {} %", cost.percent(), budget.limit());
            let name = match detail {
                Detail::Counts => "latencies were not measured for a time",
                Detail::Latencies | Detail::Exchanges => "not every request was told by itself",
            };
            self.capture.set_detail(detail);
            each(Delivery::Input(Input::Detail(detail)));
            if detail < self.detail {
                each(Delivery::Input(Input::Degraded(Degradation { name: name.to_owned(), reason })));
            }
            self.detail = detail;
        }
        Ok(())
    }

    /// The counters at a moment at which every record that they count has been taken, if the host allows for one.
    fn settled_counters(&mut self, each: &mut dyn FnMut(Delivery<'_>)) -> Result<Vec<SiteTotals>> {
        let mut counters = self.capture.counters()?;
        for _ in 0..TRIES {
            self.drain(each)?;
            let now = self.capture.counters()?;
            if now == counters {
                break;
            }
            counters = now;
        }
        Ok(counters)
    }
}

/// Hands on records, each with what the kernel has counted for its socket.
struct Telling<'a> {
    slots: &'a mut Slots,
    each: &'a mut dyn FnMut(Delivery<'_>),
    failure: Option<anyhow::Error>,
}

impl Telling<'_> {
    fn tell(&mut self, record: &[u8]) {
        let told = self.slots.told_with(record).unwrap_or_else(|error| {
            self.failure.get_or_insert(error);
            Told::Nothing
        });
        match told {
            Told::Nothing => (self.each)(Delivery::Record(record)),
            Told::Before(latencies) => {
                (self.each)(Delivery::Input(Input::Latencies(latencies)));
                (self.each)(Delivery::Record(record));
            }
            Told::After(latencies) => {
                (self.each)(Delivery::Record(record));
                (self.each)(Delivery::Input(Input::Latencies(latencies)));
            }
        }
    }

    fn finish(self) -> Result<()> {
        self.failure.map_or(Ok(()), |error| Err(error.context("read the latencies of a busy socket")))
    }
}

/// How often to try for a moment at which nothing happens.
const TRIES: usize = 1000;

/// What each hook counted, a line each; see `tracer_common::counters` for what must add up.
fn accounts(counters: &[SiteTotals], received: u64) -> String {
    let mut text = format!("{:<16}", "hook");
    FIELDS.iter().for_each(|field| text.push_str(&format!("{field:>12}")));
    for (name, totals) in Site::NAMES.iter().zip(counters) {
        text.push_str(&format!("\n{name:<16}"));
        totals.iter().for_each(|total| text.push_str(&format!("{total:>12}")));
    }
    text + &format!("\nrecords received {received}")
}

/// The fields of `SiteCounters`, in their order.
const FIELDS: [&str; 9] =
    ["seen", "filtered", "tracked", "map full", "emitted", "submitted", "kept aside", "ring full", "read fault"];

fn tick() -> Turn {
    Turn::Tick(Input::Tick { at: clock::now(), wall: clock::wall() })
}

impl Source for Live {
    fn host(&self) -> Option<&str> {
        Some(&self.host)
    }

    fn turn(&mut self, each: &mut dyn FnMut(Delivery<'_>)) -> Result<Turn> {
        if !self.started {
            self.begin(each)?;
            return Ok(tick());
        }
        self.capture.fall_asleep(self.idle)?;
        // What came before falling asleep wakes nobody.
        let mut records = if self.idle { self.drain(each)? } else { 0 };
        if records == 0 {
            let until_look = Duration::from_nanos(self.pace.wait(clock::now()).0);
            self.capture.wait(if self.idle { until_look } else { until_look.min(DRAIN_EVERY) })?;
        }
        records += self.drain(each)?;
        self.meter.end_sample(&self.capture);
        if self.pace.wait(clock::now()) == Span::ZERO {
            records += self.look(false, each)?;
        }
        self.idle = records == 0;
        self.capture.log();
        Ok(tick())
    }

    fn finish(&mut self, each: &mut dyn FnMut(Delivery<'_>)) -> Result<Turn> {
        self.drain(each)?;
        self.look(true, each)?;
        if self.counters {
            let counters = self.settled_counters(each)?;
            console::say(&accounts(&counters, self.received));
        }
        each(Delivery::Input(Input::End));
        Ok(tick())
    }

    fn look_up(&mut self, process: ProcessKey) -> Option<ProcessFacts> {
        self.facts.look_up(process)
    }

    fn watch_queues(&mut self, netns: u32, by: ProcessKey) {
        if let Err(error) = self.queues.watch(netns, by.pid) {
            self.failures.insert("full accept queues of a network namespace are not seen", format!("{error:#}"));
        }
    }

    fn choose(&mut self, choice: Choice) {
        // The programs go on as before, and the calls are seen.
        if let Err(error) = self.capture.choose(choice) {
            self.failures.insert("requests of some connections are not understood", format!("{error:#}"));
        }
    }
}
