//! Everything that enters the core, and everything that leaves it.
//!
//! Invariant: what is not an [`Input`] cannot influence an [`Output`], so a tape of inputs replays exactly.
//! Memory: inputs are borrowed or small; outputs are consumed at once by the caller.

use crate::alert::Alert;
use crate::detect::Policy;
use crate::graph::snapshot::{Call, Cost, Degradation};
use crate::identity::{ProcessKey, Rules, Transport};
use crate::time::{Moment, Wall};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// First of all inputs.
    Start(Start),
    /// One record as the kernel wrote it (`tracer_common::record`), not yet checked.
    Record(Vec<u8>),
    /// What an adapter found out about a process.
    Process(ProcessFacts),
    /// Kernel counters since the programs were loaded.
    Loss(Loss),
    /// Latencies that the kernel counted for one socket.
    Latencies(SocketLatencies),
    /// A changed configuration, from now on.
    Settings(Box<Settings>),
    /// What is told of exchanges, from now on.
    Detail(Detail),
    /// What the tracer itself costs.
    Cost(Cost),
    /// Something does not work, from now on.
    Degraded(Degradation),
    /// Every open socket has been reported since `began`: one that was not is gone, and the record of its end was lost.
    Looked { began: Moment },
    /// Time has passed; everything before `at` has been delivered.
    Tick { at: Moment, wall: Wall },
    /// The last tick follows: what is not known by then will not be.
    End,
    /// `/etc/hosts`: addresses and their names, in the order of the file.
    Hosts(Vec<(IpAddr, String)>),
    /// Connections that listeners dropped since this was told last; where it is never told, nobody counts them.
    Overflows(Vec<Overflow>),
    /// The users of this host: their numbers and names.
    Users(Vec<(u32, String)>),
    /// An alert that fired when the tracer ended the last time.
    Fired(Box<Fired>),
}

/// An alert from before the start. Written as JSON, which leaves out what is as always.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fired(pub Alert);

impl From<Fired> for String {
    fn from(Fired(alert): Fired) -> Self {
        // A struct of texts and numbers: nothing that JSON could not hold.
        serde_json::to_string(&alert).unwrap_or_default()
    }
}

impl TryFrom<String> for Fired {
    type Error = serde_json::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        serde_json::from_str(&text).map(Self)
    }
}

/// Where and how the observation began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    pub host: String,
    pub at: Moment,
    pub wall: Wall,
    /// `CLOCK_BOOTTIME` minus `CLOCK_MONOTONIC` at the start, nanoseconds: process start times are on the former.
    pub boottime_ahead: u64,
}

/// A process as `/proc` shows it. Fields that could not be read are `None` or empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessFacts {
    pub process: ProcessKey,
    pub uid: Option<u32>,
    pub comm: Option<Vec<u8>>,
    pub exe: Option<Vec<u8>>,
    pub arguments: Vec<Vec<u8>>,
    /// The name that its environment gives it (`identity::environment`).
    pub variable: Option<Vec<u8>>,
    /// The path of its control group, of at most `limits::CGROUP_BYTES`.
    pub cgroup: Option<Vec<u8>>,
    /// The name of its container, or `NAMESPACE/NAME` of its pod, where the runtime's files tell it.
    pub container: Option<String>,
    /// The main process of the systemd unit that it is in, where neither it nor a parent of it is.
    pub elder: Option<Box<Ancestor>>,
    /// Its parents, nearest first, at most `limits::PARENTS`.
    pub ancestors: Vec<Ancestor>,
}

/// A parent of a process as `/proc` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ancestor {
    pub pid: u32,
    pub uid: Option<u32>,
    pub comm: Option<Vec<u8>>,
    pub exe: Option<Vec<u8>>,
    pub arguments: Vec<Vec<u8>>,
    /// The path of its control group, of at most `limits::CGROUP_BYTES`.
    pub cgroup: Option<Vec<u8>>,
}

/// Cumulative losses in the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Records that found the ring full.
    pub ring_full: u64,
    /// Sockets for which no state could be made.
    pub map_full: u64,
    /// Fields that could not be read.
    pub read_fault: u64,
}

/// How much is told of exchanges. Counts of connections, requests and bytes are the same with each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Detail {
    /// No times.
    Counts,
    /// Every latency; of the exchanges of busy connections a share by themselves.
    #[default]
    Latencies,
    /// Every exchange by itself.
    Exchanges,
}

/// What of a configuration can change while it is in force. Written as JSON, which leaves out what is as always.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Settings {
    pub rules: Rules,
    pub policy: Policy,
}

#[derive(Serialize, Deserialize)]
struct SettingsText {
    rules: Rules,
    policy: Policy,
}

impl From<Settings> for String {
    fn from(Settings { rules, policy }: Settings) -> Self {
        // Maps and lists of texts: nothing that JSON could not hold.
        serde_json::to_string(&SettingsText { rules, policy }).unwrap_or_default()
    }
}

impl TryFrom<String> for Settings {
    type Error = serde_json::Error;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        serde_json::from_str(&text).map(|SettingsText { rules, policy }| Self { rules, policy })
    }
}

/// Latencies that the kernel counted for one socket since it told them last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketLatencies {
    pub cookie: u64,
    /// Nanoseconds.
    pub sum: u64,
    /// Buckets of a [`crate::graph::histogram::LatencyHistogram`] and how many latencies lie in each.
    pub counts: Vec<(u16, u32)>,
}

/// Connections that a listener dropped because its accept queue was full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overflow {
    pub netns: u32,
    /// Where it listens.
    pub address: IpAddr,
    pub port: u16,
    pub dropped: u64,
}

/// Something for the caller to do or to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Look this process up and deliver [`Input::Process`].
    Need(ProcessKey),
    /// Somebody listens in a network namespace: look at its accept queues, and deliver [`Input::Overflows`].
    Listens { netns: u32, by: ProcessKey },
    /// A call was seen for the first time.
    NewCall(Box<NewCall>),
    /// An alert fires or is resolved.
    Alert(Box<Alert>),
    /// What to tell of the bytes of connections from now on.
    Capture(Choice),
}

/// What is told of the bytes of some connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    pub place: Place,
    pub capture: Capture,
    /// So much is asked there that a share of the heads is enough.
    pub busy: bool,
}

/// Of which connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Those to a port, as seen from this network namespace.
    Port { netns: u32, port: u16, transport: Transport },
    /// That of the socket with this cookie.
    Socket(u64),
}

/// What is told of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capture {
    /// Nothing.
    None,
    /// The beginning of each connection.
    Opening,
    /// The beginnings of requests and responses; of busy connections a share, and each response that is an error by one
    /// byte of it, if there is such a byte.
    Heads { error: Option<ErrorByte> },
    /// The beginning of each input and output, of one end.
    Stream,
    /// The same of both ends: turns do not tell requests apart, so latencies are taken from what both say.
    Streams,
}

/// A response whose byte at this place, below 16, is this one is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ErrorByte {
    pub at: u8,
    pub byte: u8,
}

/// A call seen for the first time: names instead of ids.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewCall {
    /// `tracer.call/1`.
    pub schema: String,
    /// RFC 3339.
    pub at: String,
    pub from_name: String,
    pub to_name: String,
    pub call: Call,
}
