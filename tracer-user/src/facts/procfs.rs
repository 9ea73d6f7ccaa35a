//! A process as `/proc` shows it.
//!
//! Invariant: a process is described only if its start time is the one asked for, before and after reading, so that
//! a pid used again is not taken for the process that had it. Memory: one process and its parents, within a frame of
//! the tape (`tape::FRAME_BYTES`); at most 64 KiB of its environment while they are read.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use tracer_core::identity::{ProcessKey, cgroup as control_group, environment};
use tracer_core::input::{Ancestor, ProcessFacts};
use tracer_core::limits;

/// Bytes that are read of a process's arguments, and of other single values.
const VALUE_BYTES: usize = 4096;
/// The same for each of its parents.
pub(super) const PARENTS_VALUE_BYTES: usize = 1024;
/// Parents remembered, of some KiB at most; when full, all are forgotten and described again.
const MOST_PARENTS: usize = 1_024;
/// Bytes of an environment that are read; a name beyond is not found.
const ENVIRONMENT_BYTES: usize = 64 << 10;
/// Bytes of `/proc/PID/cgroup`: a line for each of some fifteen hierarchies.
const CGROUPS_BYTES: usize = 64 << 10;
/// `/proc/<pid>/stat` counts in hundredths of a second on every architecture that Linux runs eBPF on.
const NANOSECONDS_PER_TICK: u64 = 10_000_000;

/// Looks a process up; `None` when it is gone. `own` is the tracer's control group.
pub(super) fn look_up(process: ProcessKey, own: &[u8], parents: &mut Parents) -> Option<ProcessFacts> {
    let expected = process.started / NANOSECONDS_PER_TICK;
    let before = stat(process.pid)?;
    if before.started != expected {
        return None;
    }
    let Ancestor { uid, comm, exe, arguments, cgroup, .. } = describe(process.pid, own, VALUE_BYTES);
    let variable =
        read(process.pid, "environ", ENVIRONMENT_BYTES).and_then(|contents| environment::service_name(&contents));
    let after = stat(process.pid)?;
    // One that ends loses its memory first: what was read last may be missing then, and half a process has a wrong name.
    let ended = exe.is_some() && std::fs::read_link(path(process.pid, "exe")).is_err();
    if after.started != expected || ended {
        return None;
    }
    let ancestors = parents.above(before.parent, own);
    Some(ProcessFacts { process, uid, comm, exe, arguments, variable, cgroup, container: None, elder: None, ancestors })
}

/// The process that has a pid now, as far as `/proc` tells: how often it executed a program is not known.
pub(super) fn key(pid: u32) -> Option<ProcessKey> {
    Some(ProcessKey { pid, exec: 0, started: stat(pid)?.started.checked_mul(NANOSECONDS_PER_TICK)? })
}

/// Whether the service manager executed the process itself, and not one of its parents.
pub(super) fn is_started_by_systemd(pid: u32) -> bool {
    let own = format!("SYSTEMD_EXEC_PID={pid}");
    let environment = read(pid, "environ", ENVIRONMENT_BYTES).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| entry == own.as_bytes())
}

/// The path of a process's control group, as seen from the container that `own` is in.
pub(super) fn cgroup(pid: u32, own: &[u8]) -> Option<Vec<u8>> {
    let contents = read(pid, "cgroup", CGROUPS_BYTES)?;
    Some(control_group::seen_from(own, control_group::pick(&contents)?).to_vec())
}

/// What of `/proc/PID/stat` is used.
pub(super) struct Stat {
    /// That of the program, cut, unless the process gave itself another.
    name: Vec<u8>,
    parent: u32,
    /// Clock ticks since boot.
    pub(super) started: u64,
}

/// Fields 4 and 22 of `/proc/<pid>/stat` (proc_pid_stat(5)); the name in field 2 may hold anything, even `)`.
pub(super) fn stat(pid: u32) -> Option<Stat> {
    let bytes = read(pid, "stat", VALUE_BYTES)?;
    let (name, fields) = bytes.split_at_checked(bytes.iter().rposition(|byte| *byte == b')')?)?;
    let mut fields = std::str::from_utf8(fields.get(1..)?).ok()?.split_ascii_whitespace();
    Some(Stat { name: name.to_vec(), parent: fields.nth(1)?.parse().ok()?, started: fields.nth(17)?.parse().ok()? })
}

/// Parents that were described before: most processes have the same few.
///
/// One that has executed another program since, which shows in its name, is described again.
#[derive(Debug, Default)]
pub(super) struct Parents {
    /// By pid and start time, with the name at that time.
    known: HashMap<(u32, u64), (Vec<u8>, Ancestor)>,
}

impl Parents {
    /// A process and its parents, nearest first.
    fn above(&mut self, mut parent: u32, own: &[u8]) -> Vec<Ancestor> {
        let mut found = Vec::new();
        while parent != 0 && found.len() < limits::PARENTS {
            let Some(next) = stat(parent) else { break };
            found.push(self.describe(parent, &next, own));
            parent = next.parent;
        }
        found
    }

    fn describe(&mut self, pid: u32, stat: &Stat, own: &[u8]) -> Ancestor {
        let key = (pid, stat.started);
        if let Some((_, ancestor)) = self.known.get(&key).filter(|(name, _)| *name == stat.name) {
            return ancestor.clone();
        }
        let ancestor = describe(pid, own, PARENTS_VALUE_BYTES);
        if self.known.len() >= MOST_PARENTS {
            self.known.clear();
        }
        self.known.insert(key, (stat.name.clone(), ancestor.clone()));
        ancestor
    }
}

/// Describes a process; a path of more than `most` bytes is not told, and of arguments no more.
pub(super) fn describe(pid: u32, own: &[u8], most: usize) -> Ancestor {
    let comm = read(pid, "comm", 64).map(|bytes| bytes.strip_suffix(b"\n").unwrap_or(&bytes).to_vec());
    let exe = std::fs::read_link(path(pid, "exe")).ok().map(|exe| known_as(exe, comm.as_deref()));
    let exe = exe.filter(|exe| exe.len() <= most);
    let arguments = read(pid, "cmdline", most).unwrap_or_default();
    let arguments = arguments.strip_suffix(b"\0").unwrap_or(&arguments);
    Ancestor {
        pid,
        uid: uid(pid),
        comm,
        exe,
        arguments: if arguments.is_empty() {
            Vec::new()
        } else {
            arguments.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
        },
        cgroup: cgroup(pid, own).filter(|path| path.len() <= most.min(limits::CGROUP_BYTES)),
    }
}

/// The name under which a file was executed, when it is a link beside the file: Debian's `redis-server` is a link to
/// `redis-check-rdb`. A process may call itself what it likes, so only a link that is really there counts.
fn known_as(exe: PathBuf, comm: Option<&[u8]>) -> Vec<u8> {
    let by_link = || {
        let name = std::ffi::OsStr::from_bytes(comm.filter(|comm| !comm.contains(&b'/') && !comm.is_empty())?);
        let link = exe.parent()?.join(name);
        let same = std::fs::symlink_metadata(&link).ok()?.is_symlink() && std::fs::canonicalize(&link).ok()? == exe;
        same.then_some(link)
    };
    by_link().unwrap_or(exe).as_os_str().as_bytes().to_vec()
}

/// The effective user, as the owner of the directory.
fn uid(pid: u32) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(Path::new("/proc").join(pid.to_string())).ok().map(|metadata| metadata.uid())
}

fn path(pid: u32, file: &str) -> PathBuf {
    ["/proc", &pid.to_string(), file].iter().collect()
}

fn read(pid: u32, file: &str, most: usize) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path(pid, file)).ok()?.take(u64::try_from(most).ok()?).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_start() -> u64 {
        stat(std::process::id()).unwrap().started * NANOSECONDS_PER_TICK
    }

    #[test]
    fn this_process_is_found_with_its_arguments_and_parents() {
        let key = ProcessKey { pid: std::process::id(), exec: 1, started: own_start() };
        let facts = look_up(key, b"", &mut Parents::default()).unwrap();
        assert!(facts.exe.is_some() && !facts.arguments.is_empty() && !facts.ancestors.is_empty());
        assert!(facts.cgroup.is_some() && facts.ancestors.iter().all(|ancestor| ancestor.cgroup.is_some()));
    }

    #[test]
    fn another_process_with_the_same_pid_is_not_taken_for_it() {
        let key = ProcessKey { pid: std::process::id(), exec: 1, started: own_start() + NANOSECONDS_PER_TICK };
        assert_eq!(look_up(key, b"", &mut Parents::default()), None);
    }

    #[test]
    fn a_parent_is_described_once_and_again_when_it_has_another_name_or_start() {
        let mut parents = Parents::default();
        let pid = std::process::id();
        let known = parents.above(pid, b"");
        assert!(!known.is_empty());
        let own = stat(pid).unwrap();
        let key = (pid, own.started);
        let remembered = parents.known.get_mut(&key).unwrap();
        remembered.1.exe = Some(b"remembered".to_vec());
        assert_eq!(parents.above(pid, b"").first().unwrap().exe.as_deref(), Some(&b"remembered"[..]));
        let renamed = Stat { name: b"1 (other".to_vec(), ..own };
        assert_eq!(parents.describe(pid, &renamed, b"").exe, known.first().unwrap().exe);
        assert_eq!(parents.above(pid, b""), known);
    }

    #[test]
    fn a_program_executed_through_a_link_is_known_by_the_links_name_only_if_the_link_is_there() {
        let folder = std::env::temp_dir().join(format!("tracer-known-as-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let folder = folder.canonicalize().unwrap();
        std::fs::write(folder.join("program"), "").unwrap();
        std::os::unix::fs::symlink(folder.join("program"), folder.join("link")).unwrap();
        let named = |comm: &[u8]| known_as(folder.join("program"), Some(comm));
        assert!(named(b"link").ends_with(b"/link"));
        assert!(named(b"nginx").ends_with(b"/program"));
        assert!(named(b"../link").ends_with(b"/program"));
        std::fs::remove_dir_all(folder).unwrap();
    }
}
