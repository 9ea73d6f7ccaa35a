//! What adapters find out about the host when the core asks.
//!
//! Invariant: facts are handed over as inputs, so that a tape holds them; of an environment only the name of the
//! service leaves the reader. Memory: one answer at a time, and the names of containers.

mod containers;
pub(crate) mod listening;
mod procfs;

use containers::Containers;
use tracer_core::identity::{ProcessKey, cgroup};
use tracer_core::input::ProcessFacts;

/// Looks processes up.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The tracer's own control group.
    own_cgroup: Vec<u8>,
    containers: Containers,
}

impl Facts {
    pub(crate) fn new() -> Self {
        let own_cgroup = procfs::cgroup(std::process::id(), b"").unwrap_or_default();
        Self { own_cgroup, containers: Containers::default() }
    }

    /// Looks a process up; `None` when it is gone.
    pub(crate) fn look_up(&mut self, process: ProcessKey) -> Option<ProcessFacts> {
        let mut facts = procfs::look_up(process, &self.own_cgroup)?;
        facts.container = facts.cgroup.as_deref().and_then(|path| self.containers.name(&cgroup::Place::of(path)));
        Some(facts)
    }

    /// Looks up the process that has a pid now.
    pub(crate) fn look_up_pid(&mut self, pid: u32) -> Option<ProcessFacts> {
        self.look_up(procfs::key(pid)?)
    }
}
