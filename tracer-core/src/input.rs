//! Everything that enters the core, and everything that leaves it.
//!
//! Invariant: what is not an [`Input`] cannot influence an [`Output`], so a tape of inputs replays exactly.
//! Memory: inputs are borrowed or small; outputs are consumed at once by the caller.

use crate::alert::Alert;
use crate::graph::snapshot::{Call, Cost, Degradation};
use crate::identity::ProcessKey;
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

/// Latencies that the kernel counted for one socket since it told them last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketLatencies {
    pub cookie: u64,
    /// Nanoseconds.
    pub sum: u64,
    /// Buckets of a [`crate::graph::histogram::LatencyHistogram`] and how many latencies lie in each.
    pub counts: Vec<(u16, u32)>,
}

/// Something for the caller to do or to tell.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Look this process up and deliver [`Input::Process`].
    Need(ProcessKey),
    /// A call was seen for the first time.
    NewCall(Box<NewCall>),
    /// An alert fires or is resolved.
    Alert(Box<Alert>),
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
