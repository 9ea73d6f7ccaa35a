//! Who a process is, what a person calls it, and who listens where.
//!
//! Invariant: a process is named by pid, start time and exec count together, never by its pid alone; what is not
//! known stays unknown. Memory: bounded by `limits::PROCESSES` and `limits::LISTENERS`.

pub mod address;
pub mod answers;
pub mod bare;
pub mod cgroup;
pub mod choose;
pub mod descent;
pub mod environment;
pub mod listeners;
pub mod naming;
pub mod peers;
pub mod port;
pub mod processes;
pub mod rules;
mod shared;

pub use address::Endpoint;
pub use bare::bare;
pub use descent::Descent;
pub use listeners::Listeners;
pub use peers::Peers;
pub use port::{Port, Transport};
pub use processes::Processes;
pub use rules::Rules;

use serde::{Deserialize, Serialize};
use tracer_common::ProcessId;

/// The identity of a process image; see [`ProcessId`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessKey {
    pub pid: u32,
    pub exec: u32,
    /// Nanoseconds since boot.
    pub started: u64,
}

impl ProcessKey {
    /// `None` for the all-zero id that stands for "not known".
    #[must_use]
    pub fn from_kernel(id: ProcessId) -> Option<Self> {
        (id.pid != 0).then_some(Self { pid: id.pid, exec: id.exec, started: id.started })
    }
}
