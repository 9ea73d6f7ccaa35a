//! The wiring: every input, on its way through all rooms, in order.
//!
//! Invariant: inputs are handled in the order given and nothing else is looked at, so the same inputs give the same
//! outputs. Memory: the tables of the rooms, each with its cap.

mod absent;
mod attribute;
mod captures;
mod evidence;
mod observe;
mod overflow;
mod reach;
mod report;
mod scope;
mod stream;
mod windows;

use crate::alert::AlertBook;
use crate::baseline::{Baseline, Habits, LearnError, Progress, Saturation};
use crate::decode::{Record, decode};
use crate::detect::Policy;
use crate::exchange::Connections;
use crate::graph::snapshot::{Cost, Degradation, GraphSnapshot};
use crate::graph::{CallGraph, Moments};
use crate::identity::{Descent, Listeners, Peers, Port, Processes, Rules, Transport};
use crate::input::{Detail, Input, Loss, Output, Settings, Start};
use crate::time::{Moment, Span, Wall};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

/// How to look.
#[derive(Clone, Debug)]
pub struct Config {
    /// Length of a window.
    pub window: Span,
    /// The calls that are expected.
    pub baseline: Option<Baseline>,
    /// What calls are held to.
    pub policy: Policy,
    /// How the user names services.
    pub rules: Rules,
    /// Whether a baseline is to be learned.
    pub learn: bool,
    /// The process whose descendants are followed.
    pub follow: Option<u32>,
}

impl Default for Config {
    fn default() -> Self {
        let (policy, rules) = (Policy::default(), Rules::default());
        Self { window: Span::from_seconds(10), baseline: None, policy, rules, learn: false, follow: None }
    }
}

/// What could not be told, by number.
#[derive(Clone, Copy, Debug, Default)]
struct Gaps {
    undecodable: u64,
    exchanges_without_times: u64,
    before_start: u64,
    ends_unseen: u64,
    unresolved: u64,
    /// Exchanges that the kernel counted in histograms.
    counted: u64,
}

/// The state of an observation.
#[derive(Debug)]
pub struct Engine {
    config: Config,
    moments: Moments,
    processes: Processes,
    listeners: Listeners,
    peers: Peers,
    local_addresses: HashSet<(u32, IpAddr)>,
    /// Network namespaces whose accept queues were asked for.
    listening_in: HashSet<u32>,
    accept_queues_are_counted: bool,
    connections: Connections,
    graph: CallGraph,
    alerts: AlertBook,
    /// Expected calls that have not been seen.
    absent: absent::Absent,
    services: absent::Services,
    /// What windows teach, while a baseline is learned.
    habits: Option<Habits>,
    /// When calls were new, while a baseline is learned.
    saturation: Option<Saturation>,
    /// Names of users, for evidence.
    users: BTreeMap<u32, String>,
    degraded: BTreeSet<Degradation>,
    loss: Loss,
    /// The loss at the end of the last window.
    loss_before: Loss,
    gaps: Gaps,
    detail: Detail,
    /// What is told of the bytes of connections.
    captures: captures::Captures,
    /// The processes that are followed, if any are.
    descent: Option<Descent>,
    /// Who calls whom by process, while some are followed.
    reach: reach::Reach,
    cost: Option<Cost>,
    /// The next tick is the last.
    ending: bool,
}

impl Engine {
    #[must_use]
    pub fn new(config: Config) -> Self {
        let start = Start { host: String::new(), at: Moment(0), wall: Wall(0), boottime_ahead: 0 };
        let moments = Moments { start, now: Moment(0), window: config.window, window_began: Moment(0) };
        Self {
            processes: Processes::new(config.rules.clone()),
            absent: absent::expected(config.baseline.as_ref()),
            services: absent::Services::default(),
            habits: config.learn.then(Habits::default),
            saturation: None,
            descent: config.follow.map(Descent::new),
            reach: reach::Reach::default(),
            config,
            moments,
            listeners: Listeners::default(),
            peers: Peers::default(),
            local_addresses: HashSet::new(),
            listening_in: HashSet::new(),
            accept_queues_are_counted: false,
            connections: Connections::default(),
            graph: CallGraph::default(),
            alerts: AlertBook::default(),
            users: BTreeMap::new(),
            degraded: BTreeSet::new(),
            loss: Loss::default(),
            loss_before: Loss::default(),
            gaps: Gaps::default(),
            detail: Detail::default(),
            captures: captures::Captures::default(),
            cost: None,
            ending: false,
        }
    }

    /// Handles one input; what follows from it is added to `out`.
    pub fn handle(&mut self, input: &Input, out: &mut Vec<Output>) {
        match input {
            Input::Start(start) => self.start(start),
            Input::Record(bytes) => self.record(bytes, out),
            Input::Process(facts) => self.processes.learned(facts),
            Input::Loss(loss) => self.loss = *loss,
            Input::Latencies(latencies) => self.latencies(latencies),
            Input::Cost(cost) => self.cost = Some(*cost),
            Input::Detail(detail) => self.detail = *detail,
            Input::Settings(settings) => self.configure(settings),
            Input::Degraded(degradation) => drop(self.degraded.insert(degradation.clone())),
            Input::Looked { began } => self.gaps.ends_unseen += self.connections.close_unfound(*began),
            Input::End => self.ending = true,
            Input::Hosts(entries) => self.peers.hosts(entries),
            Input::Overflows(told) => self.overflows(told),
            Input::Users(users) => self.users = users.iter().cloned().collect(),
            Input::Fired(fired) => self.restore(&fired.0),
            Input::Tick { at, wall: _ } => self.tick(*at, out),
        }
    }

    fn start(&mut self, start: &Start) {
        self.moments.start = start.clone();
        self.moments.now = start.at;
        self.moments.window_began = start.at;
        self.saturation = self.config.learn.then(|| Saturation::new(self.config.window, start.at));
    }

    /// Takes over a changed configuration. Services that have a name keep it until a new connection shows another.
    fn configure(&mut self, settings: &Settings) {
        self.processes.name_by(settings.rules.clone());
        self.config.rules = settings.rules.clone();
        self.config.policy = settings.policy.clone();
        self.forget_limits();
        for id in self.graph.call_ids() {
            if let Some(call) = self.graph.get_mut(id) {
                call.limits = None;
            }
        }
    }

    /// What is expected from now on, by all that was seen.
    ///
    /// # Errors
    /// As [`Baseline::learn`].
    pub fn learned(&self) -> Result<Baseline, LearnError> {
        self.learned_of(&self.snapshot())
    }

    /// How far learning is; `None` where nothing is learned, or before the start.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        self.saturation.as_ref().map(|saturation| saturation.progress(self.moments.now))
    }

    fn learned_of(&self, graph: &GraphSnapshot) -> Result<Baseline, LearnError> {
        let mut baseline = Baseline::learn(graph)?;
        if let Some(habits) = &self.habits {
            habits.write_into(&mut baseline);
        }
        Ok(baseline)
    }

    /// Handles one record as the kernel wrote it.
    pub fn record(&mut self, bytes: &[u8], out: &mut Vec<Output>) {
        match decode(bytes) {
            Ok(Record::Socket(record)) => self.socket(&record, None, out),
            Ok(Record::Flow(record)) => {
                let name = record.path.get(..usize::from(record.path_length)).unwrap_or_default();
                let path = Transport::from_kernel(record.socket.transport) == Transport::Unix;
                self.socket(&record.socket, path.then(|| Port::of_path(name)), out);
            }
            Ok(Record::Exchange(record)) => self.exchange(&record),
            Ok(Record::Payload(record)) => {
                let bytes = record.bytes.get(..usize::from(record.length)).unwrap_or_default();
                match Transport::from_kernel(record.transport) {
                    Transport::Unix => self.peers.resolver_answered(bytes),
                    Transport::Udp | Transport::Tcp => self.peers.dns_answered(bytes),
                }
            }
            Ok(Record::Fork(record)) => {
                if let Some(descent) = &mut self.descent {
                    descent.forked(&record);
                }
            }
            Ok(Record::Stream(head, bytes)) => self.stream(&head, bytes, out),
            Ok(Record::Exec(record)) => {
                self.processes.executed(&record);
                self.ask_for(crate::identity::ProcessKey::from_kernel(record.parent), out);
            }
            Err(_) => self.gaps.undecodable += 1,
        }
    }

    fn tick(&mut self, at: Moment, out: &mut Vec<Output>) {
        self.moments.now = self.moments.now.max(at);
        for id in self.connections.take_attention(self.moments.now) {
            self.attend(id, out);
        }
        if self.ending {
            for id in self.connections.ids() {
                self.stop_presuming(id, out);
                self.tell_unpaired(id);
            }
        }
        self.close_windows(out);
    }

    fn ask_for(&mut self, process: Option<crate::identity::ProcessKey>, out: &mut Vec<Output>) {
        if let Some(key) = process.filter(|key| self.processes.should_ask(*key)) {
            out.push(Output::Need(key));
        }
    }
}
