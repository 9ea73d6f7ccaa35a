//! What adapters find out about the host when the core asks.
//!
//! Invariant: facts are handed over as inputs, so that a tape holds them; of an environment only the name of the
//! service leaves the reader. Memory: one answer at a time, and what is remembered of parents,
//! containers and units, each with its cap.

mod accept_queues;
mod containers;
mod elders;
pub(crate) mod hosts;
pub(crate) mod listening;
mod procfs;
pub(crate) mod users;

pub(crate) use accept_queues::AcceptQueues;
use containers::Containers;
use elders::Elders;
use procfs::Parents;
use tracer_core::identity::ProcessKey;
use tracer_core::identity::cgroup::{Place, Unit};
use tracer_core::input::{Ancestor, ProcessFacts};

/// Looks processes up.
#[derive(Debug)]
pub(crate) struct Facts {
    /// The tracer's own control group.
    own_cgroup: Vec<u8>,
    containers: Containers,
    elders: Elders,
    parents: Parents,
}

impl Facts {
    pub(crate) fn new() -> Self {
        let own_cgroup = procfs::cgroup(std::process::id(), b"").unwrap_or_default();
        Self { own_cgroup, containers: Containers::default(), elders: Elders::new(), parents: Parents::default() }
    }

    /// Looks a process up; `None` when it is gone.
    pub(crate) fn look_up(&mut self, process: ProcessKey) -> Option<ProcessFacts> {
        let mut facts = procfs::look_up(process, &self.own_cgroup, &mut self.parents)?;
        facts.container = facts.cgroup.as_deref().and_then(|path| self.containers.name(&Place::of(path)));
        facts.elder = self.elder(&facts).map(Box::new);
        Some(facts)
    }

    /// The main process of the unit that a process is in, where none of its parents is.
    fn elder(&mut self, facts: &ProcessFacts) -> Option<Ancestor> {
        let cgroup = facts.cgroup.as_deref()?;
        let unit = Place::of(cgroup).unit.filter(Unit::names_its_program)?;
        let inside = facts.ancestors.iter().take_while(|ancestor| {
            ancestor.cgroup.as_deref().and_then(|path| Place::of(path).unit).is_some_and(|its| its.path == unit.path)
        });
        let first = inside.last().map_or(facts.process.pid, |ancestor| ancestor.pid);
        let elder = self.elders.of(first, cgroup)?;
        Some(procfs::describe(elder, &self.own_cgroup, procfs::PARENTS_VALUE_BYTES))
    }

    /// Looks up the process that has a pid now.
    pub(crate) fn look_up_pid(&mut self, pid: u32) -> Option<ProcessFacts> {
        self.look_up(procfs::key(pid)?)
    }
}
