//! What is known of each process.
//!
//! Invariant: facts only add to what is known; a child that has not executed a program since it was forked is its
//! parent's program. Memory: `limits::PROCESSES`; when full, the half used longest ago goes and is counted.

use super::choose::{self, Finding, Subject};
use super::shared::Shared;
use super::{Port, ProcessKey, Rules, naming};
use crate::alert::ProcessEvidence;
use crate::graph::ServiceName;
use crate::input::{Ancestor, ProcessFacts};
use crate::limits;
use foldhash::fast::RandomState;
use std::collections::HashMap;
use std::sync::Arc;
use tracer_common::{ExecRecord, SocketRecord};

/// Bytes of a command line that evidence shows.
const COMMAND_LINE_BYTES: usize = 512;

/// What a process runs, and where. Many processes run the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Program {
    comm: Option<Vec<u8>>,
    exe: Option<Vec<u8>>,
    /// See [`ProcessFacts`], as for the next three.
    variable: Option<Vec<u8>>,
    cgroup: Option<Vec<u8>>,
    container: Option<String>,
    elder: Option<Box<Ancestor>>,
}

static UNKNOWN: Program = Program { comm: None, exe: None, variable: None, cgroup: None, container: None, elder: None };

/// What is known of one process.
#[derive(Debug, Default)]
struct Process {
    parent: Option<ProcessKey>,
    uid: Option<u32>,
    program: Option<Arc<Program>>,
    /// With which it was executed, a NUL between each two: what processes of one program mostly differ in.
    arguments: Option<Arc<[u8]>>,
    /// What it listens on, at most `limits::PORTS`.
    ports: Vec<Port>,
    /// Its parents as `/proc` showed them, nearest first, at most `limits::PARENTS`.
    ancestors: Arc<[Ancestor]>,
    /// It runs its parent's program, having executed none of its own.
    same_program_as_parent: bool,
    /// It was asked for, so it is not asked for again.
    asked: bool,
    /// Everything that can be found out about it is known.
    learned: bool,
    /// The service that it is, once it was learned.
    service: Option<Arc<ServiceName>>,
    used: u64,
}

impl Process {
    fn program(&self) -> &Program {
        self.program.as_deref().unwrap_or(&UNKNOWN)
    }

    fn arguments(&self) -> Vec<Vec<u8>> {
        self.arguments.as_deref().map(split).unwrap_or_default()
    }
}

/// All known processes.
#[derive(Debug, Default)]
pub struct Processes {
    rules: Rules,
    table: HashMap<ProcessKey, Process, RandomState>,
    programs: Shared<Program>,
    arguments: Shared<[u8]>,
    ancestors: Shared<[Ancestor]>,
    services: Shared<ServiceName>,
    turn: u64,
    /// Processes forgotten because of the cap.
    pub dropped: u64,
}

impl Processes {
    /// None yet; to be named by `rules` first.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        Self { rules, ..Self::default() }
    }

    /// Names processes by other rules from now on.
    pub fn name_by(&mut self, rules: Rules) {
        self.rules = rules;
    }

    /// A program was executed.
    pub fn executed(&mut self, record: &ExecRecord) {
        let Some(key) = ProcessKey::from_kernel(record.process) else { return };
        let used = usize::from(record.arguments_length).min(record.arguments.len());
        let arguments = record.arguments.get(..used).unwrap_or_default();
        let arguments = self.share_arguments(arguments.strip_suffix(&[0]).unwrap_or(arguments));
        self.run(key, |program| {
            program.comm = Some(until_nul(&record.comm).to_vec());
            program.exe = Some(until_nul(&record.filename).to_vec()).filter(|file| !file.is_empty());
        });
        let process = self.entry(key);
        process.arguments = arguments;
        process.parent = ProcessKey::from_kernel(record.parent);
        process.uid = Some(record.uid);
        process.same_program_as_parent = false;
    }

    /// A socket's owner was described.
    pub fn described(&mut self, record: &SocketRecord) {
        let Some(key) = ProcessKey::from_kernel(record.owner) else { return };
        if self.table.get(&key).is_none_or(|process| process.program().comm.is_none()) {
            self.run(key, |program| program.comm = Some(until_nul(&record.comm).to_vec()));
        }
        let process = self.entry(key);
        process.parent = process.parent.or(ProcessKey::from_kernel(record.parent));
        process.uid = process.uid.or(Some(record.uid));
        // The parent may have executed another program since, or be the reaper of an orphan.
        process.same_program_as_parent = record.owner.exec == record.parent_exec_at_fork
            && record.parent.exec == record.parent_exec_at_fork
            && record.parent.pid > 1;
    }

    /// An adapter looked the process up.
    pub fn learned(&mut self, facts: &ProcessFacts) {
        self.run(facts.process, |program| {
            program.comm = program.comm.take().or_else(|| facts.comm.clone());
            program.exe = program.exe.take().or_else(|| facts.exe.clone());
            program.variable.clone_from(&facts.variable);
            program.cgroup.clone_from(&facts.cgroup);
            program.container.clone_from(&facts.container);
            program.elder.clone_from(&facts.elder);
        });
        let ancestors = facts.ancestors.get(..limits::PARENTS).unwrap_or(&facts.ancestors);
        let ancestors = self.ancestors.share(ancestors);
        let arguments = self.share_arguments(&facts.arguments.join(&0));
        let process = self.entry(facts.process);
        process.arguments = process.arguments.take().or(arguments);
        (process.asked, process.learned, process.service) = (true, true, None);
        process.uid = process.uid.or(facts.uid);
        process.ancestors = ancestors;
    }

    /// Arguments as they are kept; `None` without any.
    fn share_arguments(&mut self, arguments: &[u8]) -> Option<Arc<[u8]>> {
        (!arguments.is_empty()).then(|| self.arguments.share(arguments))
    }

    /// More is known of what a process runs.
    fn run(&mut self, key: ProcessKey, change: impl FnOnce(&mut Program)) {
        let mut program = self.table.get(&key).map_or(&UNKNOWN, Process::program).clone();
        change(&mut program);
        let program = self.programs.keep(program);
        self.entry(key).program = Some(program);
    }

    /// It listens on a port.
    pub fn listens(&mut self, key: ProcessKey, port: Port) {
        let process = self.entry(key);
        if process.ports.len() < limits::PORTS && !process.ports.contains(&port) {
            process.ports.push(port);
            process.service = None;
        }
    }

    /// Whether the process should be looked up; true once for each process.
    pub fn should_ask(&mut self, key: ProcessKey) -> bool {
        !std::mem::replace(&mut self.entry(key).asked, true)
    }

    /// The service that it is: what a person calls it. Found once, when all is known that can be.
    pub fn service(&mut self, key: ProcessKey) -> Option<ServiceName> {
        if let Some(service) = self.table.get(&key).and_then(|process| process.service.as_ref()) {
            return Some(ServiceName::clone(service));
        }
        let service = choose::choose(&self.subject(key)?, &self.rules)?;
        if let Some(process) = self.table.get_mut(&key).filter(|process| process.learned) {
            process.service = Some(self.services.keep(service.clone()));
        }
        Some(service)
    }

    /// What each rule of naming makes of it, in order.
    #[must_use]
    pub fn explain(&self, key: ProcessKey) -> Option<Vec<Finding>> {
        Some(choose::explain(&self.subject(key)?, &self.rules))
    }

    /// What is known of it that may name it: its own, else that of the process it was forked from without an exec.
    fn subject(&self, key: ProcessKey) -> Option<Subject<'_>> {
        let process = self.program_of(key)?;
        let program = process.program();
        let lineage = self.lineage(key);
        let mut ports: Vec<Port> = lineage.iter().flat_map(|process| process.ports.iter().cloned()).collect();
        ports.sort_unstable();
        ports.dedup();
        let ancestors = lineage.iter().map(|process| &*process.ancestors).find(|all| !all.is_empty());
        Some(Subject {
            exe: program.exe.as_deref(),
            arguments: process.arguments().into(),
            comm: program.comm.as_deref(),
            variable: lineage.iter().find_map(|process| process.program().variable.as_deref()),
            cgroup: lineage.iter().find_map(|process| process.program().cgroup.as_deref()),
            container: lineage.iter().find_map(|process| process.program().container.as_deref()),
            elder: lineage.iter().find_map(|process| process.program().elder.as_deref()),
            ancestors: ancestors.unwrap_or_default(),
            ports,
        })
    }

    /// The executed file, as text.
    #[must_use]
    pub fn exe(&self, key: ProcessKey) -> Option<String> {
        self.program_of(key)?.program().exe.as_deref().map(naming::text)
    }

    /// The process whose program this one runs: itself, or the nearest ancestor it was forked from without an exec.
    fn program_of(&self, key: ProcessKey) -> Option<&Process> {
        let lineage = self.lineage(key);
        let is_known = |process: &&&Process| process.program().exe.is_some() || process.arguments.is_some();
        lineage.iter().find(is_known).or(lineage.last()).copied()
    }

    /// It, and the processes before it that ran the same program, nearest first. Empty when it is not known.
    fn lineage(&self, key: ProcessKey) -> Vec<&Process> {
        let mut lineage: Vec<&Process> = self.table.get(&key).into_iter().collect();
        while let Some(process) = lineage.last().filter(|_| lineage.len() <= limits::PARENTS) {
            let parent = process.parent.filter(|_| process.same_program_as_parent);
            let Some(parent) = parent.and_then(|parent| self.table.get(&parent)) else { break };
            lineage.push(parent);
        }
        lineage
    }

    /// The process that it was forked from without executing a program of its own, as workers are; else itself.
    #[must_use]
    pub fn origin(&self, key: ProcessKey) -> ProcessKey {
        let mut origin = key;
        for _ in 0..limits::PARENTS {
            let Some(process) = self.table.get(&origin).filter(|process| process.same_program_as_parent) else { break };
            let Some(parent) = process.parent else { break };
            origin = parent;
        }
        origin
    }

    /// The process for a person.
    #[must_use]
    pub fn evidence(&self, key: ProcessKey) -> Option<ProcessEvidence> {
        let process = self.program_of(key)?;
        let (program, arguments) = (process.program(), process.arguments());
        let uid = self.table.get(&key).and_then(|process| process.uid);
        Some(evidence(key.pid, uid, program.exe.as_deref(), &arguments, program.comm.as_deref()))
    }

    /// Its parents, nearest first: as the kernel told them, and beyond those as `/proc` showed them.
    #[must_use]
    pub fn parents(&self, key: ProcessKey) -> Vec<ProcessEvidence> {
        let mut parents = Vec::new();
        let mut process = self.table.get(&key);
        while let Some(held) = process {
            if !held.ancestors.is_empty() {
                parents.extend(held.ancestors.iter().map(|ancestor| {
                    let Ancestor { pid, uid, comm, exe, arguments, .. } = ancestor;
                    evidence(*pid, *uid, exe.as_deref(), arguments, comm.as_deref())
                }));
                break;
            }
            let Some(parent) = held.parent.filter(|_| parents.len() < limits::PARENTS) else { break };
            parents.extend(self.evidence(parent));
            process = self.table.get(&parent);
        }
        parents.truncate(limits::PARENTS);
        parents
    }

    fn entry(&mut self, key: ProcessKey) -> &mut Process {
        self.turn += 1;
        if self.table.len() >= limits::PROCESSES && !self.table.contains_key(&key) {
            self.forget_half();
        }
        let process = self.table.entry(key).or_default();
        process.used = self.turn;
        process
    }

    fn forget_half(&mut self) {
        let mut turns: Vec<u64> = self.table.values().map(|process| process.used).collect();
        let middle = turns.len() / 2;
        let (_, median, _) = turns.select_nth_unstable(middle);
        let median = *median;
        let before = self.table.len();
        // A table from which was removed doubles before it is full.
        let mut kept = HashMap::with_capacity_and_hasher(limits::PROCESSES, self.table.hasher().clone());
        kept.extend(self.table.drain().filter(|(_, process)| process.used >= median));
        self.table = kept;
        self.dropped += u64::try_from(before - self.table.len()).unwrap_or(0);
    }
}

fn evidence(
    pid: u32,
    uid: Option<u32>,
    exe: Option<&[u8]>,
    arguments: &[Vec<u8>],
    comm: Option<&[u8]>,
) -> ProcessEvidence {
    let mut line = arguments.join(&b' ');
    line.truncate(COMMAND_LINE_BYTES);
    // A process that writes its own title leaves blanks behind it.
    line.truncate(line.trim_ascii_end().len());
    ProcessEvidence {
        pid,
        name: naming::name(exe, arguments, comm).unwrap_or_else(|| format!("pid {pid}")),
        exe: exe.map(naming::text),
        uid,
        user: None,
        command_line: String::from_utf8_lossy(&line).into_owned(),
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or(bytes)
}

/// Splits arguments with a NUL between each two.
fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(pid: u32) -> ProcessKey {
        ProcessKey { pid, exec: 3, started: 1 }
    }

    fn facts(pid: u32, exe: &str) -> ProcessFacts {
        ProcessFacts {
            process: key(pid),
            uid: Some(0),
            comm: None,
            exe: Some(exe.as_bytes().to_vec()),
            arguments: vec![exe.as_bytes().to_vec()],
            variable: None,
            cgroup: None,
            container: None,
            elder: None,
            ancestors: Vec::new(),
        }
    }

    fn program(name: &str) -> Option<ServiceName> {
        Some(ServiceName::Program(name.to_owned()))
    }

    #[test]
    fn a_forked_child_that_executed_nothing_has_its_parents_name_and_another_process_has_not() {
        let mut processes = Processes::default();
        processes.learned(&facts(1, "/usr/sbin/nginx"));
        for (pid, same) in [(2, true), (3, false)] {
            let child = processes.entry(key(pid));
            child.parent = Some(key(1));
            child.same_program_as_parent = same;
        }
        assert_eq!(processes.service(key(2)), program("nginx"));
        assert_eq!(processes.service(key(3)), None);
        assert_eq!(processes.parents(key(2)).first().unwrap().pid, 1);
    }

    #[test]
    fn a_pid_that_is_used_again_is_another_process() {
        let mut processes = Processes::default();
        processes.learned(&facts(1, "/bin/first"));
        assert_eq!(processes.service(ProcessKey { started: 2, ..key(1) }), None);
        assert_eq!(processes.service(ProcessKey { exec: 4, ..key(1) }), None);
    }

    #[test]
    fn a_process_is_asked_for_once() {
        let mut processes = Processes::default();
        assert!(processes.should_ask(key(1)));
        assert!(!processes.should_ask(key(1)));
    }

    #[test]
    fn processes_that_run_the_same_hold_it_once() {
        let mut processes = Processes::default();
        for pid in 1..=2 {
            processes.learned(&facts(pid, "/bin/first"));
            processes.service(key(pid));
        }
        let [one, two] = [1, 2].map(|pid| processes.table.get(&key(pid)).unwrap());
        assert!(Arc::ptr_eq(one.program.as_ref().unwrap(), two.program.as_ref().unwrap()));
        assert!(Arc::ptr_eq(one.service.as_ref().unwrap(), two.service.as_ref().unwrap()));
    }

    #[test]
    fn of_the_parents_of_a_process_as_many_are_kept_as_are_shown() {
        let mut processes = Processes::default();
        let parent = |pid| Ancestor { pid, uid: None, comm: None, exe: None, arguments: Vec::new(), cgroup: None };
        processes.learned(&ProcessFacts { ancestors: (2..100).map(parent).collect(), ..facts(1, "/bin/first") });
        assert_eq!(processes.parents(key(1)).len(), limits::PARENTS);
    }

    #[test]
    fn beyond_the_cap_what_was_used_longest_ago_goes_and_is_counted() {
        let mut processes = Processes::default();
        for pid in 0..=u32::try_from(limits::PROCESSES).unwrap() {
            processes.entry(key(pid));
        }
        assert!(processes.dropped > 0 && !processes.table.contains_key(&key(0)));
        assert!(processes.table.contains_key(&key(u32::try_from(limits::PROCESSES).unwrap())));
    }
}
