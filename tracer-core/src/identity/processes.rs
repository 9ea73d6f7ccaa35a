//! What is known of each process.
//!
//! Invariant: facts only add to what is known; a child that has not executed a program since it was forked is its
//! parent's program. Memory: `limits::PROCESSES`; when full, the half used longest ago goes and is counted.

use super::choose::{self, Finding, Subject};
use super::lineage::{Lineage, Lineages};
use super::{Port, ProcessKey, Rules, naming};
use crate::alert::ProcessEvidence;
use crate::graph::ServiceName;
use crate::input::{Ancestor, ProcessFacts};
use crate::limits;
use std::collections::HashMap;
use tracer_common::{ExecRecord, SocketRecord};

/// Bytes of a command line that evidence shows.
const COMMAND_LINE_BYTES: usize = 512;

/// What is known of one process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Process {
    pub parent: Option<ProcessKey>,
    pub uid: Option<u32>,
    pub comm: Option<Vec<u8>>,
    pub exe: Option<Vec<u8>>,
    pub arguments: Vec<Vec<u8>>,
    /// See [`ProcessFacts`], as for the next three.
    variable: Option<Vec<u8>>,
    cgroup: Option<Vec<u8>>,
    container: Option<String>,
    elder: Option<Box<Ancestor>>,
    /// What it listens on, at most `limits::PORTS`.
    ports: Vec<Port>,
    /// Its parents as `/proc` showed them.
    ancestors: Lineage,
    /// It runs its parent's program, having executed none of its own.
    same_program_as_parent: bool,
    /// It was asked for, so it is not asked for again.
    asked: bool,
    /// Everything that can be found out about it is known.
    learned: bool,
    /// The service that it is, once it was learned.
    service: Option<ServiceName>,
    used: u64,
}

/// All known processes.
#[derive(Debug, Default)]
pub struct Processes {
    rules: Rules,
    table: HashMap<ProcessKey, Process>,
    lineages: Lineages,
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

    /// A program was executed.
    pub fn executed(&mut self, record: &ExecRecord) {
        let Some(key) = ProcessKey::from_kernel(record.process) else { return };
        let used = usize::from(record.arguments_length).min(record.arguments.len());
        let arguments = split(record.arguments.get(..used).unwrap_or_default());
        let process = self.entry(key);
        process.parent = ProcessKey::from_kernel(record.parent);
        process.uid = Some(record.uid);
        process.comm = Some(until_nul(&record.comm).to_vec());
        process.exe = Some(until_nul(&record.filename).to_vec()).filter(|file| !file.is_empty());
        process.arguments = arguments;
        process.same_program_as_parent = false;
    }

    /// A socket's owner was described.
    pub fn described(&mut self, record: &SocketRecord) {
        let Some(key) = ProcessKey::from_kernel(record.owner) else { return };
        let process = self.entry(key);
        process.parent = process.parent.or(ProcessKey::from_kernel(record.parent));
        process.uid = process.uid.or(Some(record.uid));
        if process.comm.is_none() {
            process.comm = Some(until_nul(&record.comm).to_vec());
        }
        // The parent may have executed another program since, or be the reaper of an orphan.
        process.same_program_as_parent = record.owner.exec == record.parent_exec_at_fork
            && record.parent.exec == record.parent_exec_at_fork
            && record.parent.pid > 1;
    }

    /// An adapter looked the process up.
    pub fn learned(&mut self, facts: &ProcessFacts) {
        let ancestors = self.lineages.share(&facts.ancestors);
        let process = self.entry(facts.process);
        (process.asked, process.learned, process.service) = (true, true, None);
        process.uid = process.uid.or(facts.uid);
        process.ancestors = ancestors;
        process.comm = process.comm.take().or_else(|| facts.comm.clone());
        process.exe = process.exe.take().or_else(|| facts.exe.clone());
        if process.arguments.is_empty() {
            process.arguments.clone_from(&facts.arguments);
        }
        process.variable.clone_from(&facts.variable);
        process.cgroup.clone_from(&facts.cgroup);
        process.container.clone_from(&facts.container);
        process.elder.clone_from(&facts.elder);
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

    /// What is known of it.
    #[must_use]
    pub fn get(&self, key: ProcessKey) -> Option<&Process> {
        self.table.get(&key)
    }

    /// The service that it is: what a person calls it. Found once, when all is known that can be.
    pub fn service(&mut self, key: ProcessKey) -> Option<ServiceName> {
        if let Some(service) = self.table.get(&key).and_then(|process| process.service.as_ref()) {
            return Some(service.clone());
        }
        let service = choose::choose(&self.subject(key)?, &self.rules)?;
        if let Some(process) = self.table.get_mut(&key).filter(|process| process.learned) {
            process.service = Some(service.clone());
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
        let program = self.program_of(key)?;
        let lineage = self.lineage(key);
        let mut ports: Vec<Port> = lineage.iter().flat_map(|process| process.ports.iter().cloned()).collect();
        ports.sort_unstable();
        ports.dedup();
        let ancestors = lineage.iter().map(|process| &*process.ancestors).find(|all| !all.is_empty());
        Some(Subject {
            exe: program.exe.as_deref(),
            arguments: &program.arguments,
            comm: program.comm.as_deref(),
            variable: lineage.iter().find_map(|process| process.variable.as_deref()),
            cgroup: lineage.iter().find_map(|process| process.cgroup.as_deref()),
            container: lineage.iter().find_map(|process| process.container.as_deref()),
            elder: lineage.iter().find_map(|process| process.elder.as_deref()),
            ancestors: ancestors.unwrap_or_default(),
            ports,
        })
    }

    /// The executed file, as text.
    #[must_use]
    pub fn exe(&self, key: ProcessKey) -> Option<String> {
        self.program_of(key)?.exe.as_deref().map(naming::text)
    }

    /// The process whose program this one runs: itself, or the nearest ancestor it was forked from without an exec.
    fn program_of(&self, key: ProcessKey) -> Option<&Process> {
        let lineage = self.lineage(key);
        let is_known = |process: &&&Process| process.exe.is_some() || !process.arguments.is_empty();
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

    /// The process for a person.
    #[must_use]
    pub fn evidence(&self, key: ProcessKey) -> Option<ProcessEvidence> {
        let process = self.program_of(key)?;
        let uid = self.table.get(&key).and_then(|process| process.uid);
        Some(evidence(key.pid, uid, process.exe.as_deref(), &process.arguments, process.comm.as_deref()))
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
        self.table.retain(|_, process| process.used >= median);
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
        command_line: String::from_utf8_lossy(&line).into_owned(),
    }
}

fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|byte| *byte == 0).next().unwrap_or(bytes)
}

/// Splits an argument vector whose arguments end in NUL.
fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    let bytes = bytes.strip_suffix(&[0]).unwrap_or(bytes);
    if bytes.is_empty() {
        return Vec::new();
    }
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
    fn beyond_the_cap_what_was_used_longest_ago_goes_and_is_counted() {
        let mut processes = Processes::default();
        for pid in 0..=u32::try_from(limits::PROCESSES).unwrap() {
            processes.entry(key(pid));
        }
        assert!(processes.dropped > 0 && processes.get(key(0)).is_none());
        assert!(processes.get(key(u32::try_from(limits::PROCESSES).unwrap())).is_some());
    }
}
