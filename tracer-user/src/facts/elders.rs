//! Whether a process that nobody in its systemd unit started is the unit's main process, or was left behind by one
//! that is gone: both are children of process 1, or of another one outside of the unit.
//!
//! The service manager tells a process that it started itself by `SYSTEMD_EXEC_PID` (systemd.exec(5), since 248).
//! Where that is not so (a daemon that forked and left its parent, an older systemd), the oldest one is the main one.
//! Invariant: an answer holds for pid and start time. Memory: [`MOST_KNOWN`] answers; when full, all are forgotten.

use super::procfs;
use ::procfs::process::{MountInfo, Process};
use std::collections::HashMap;
use std::path::PathBuf;

/// Answers remembered.
const MOST_KNOWN: usize = 1_024;
/// Processes of a unit that are looked at.
const MOST_PROCESSES: usize = 1_024;

/// The elders that were found.
#[derive(Debug)]
pub(super) struct Elders {
    mounts: Vec<PathBuf>,
    /// By pid and start time of the younger.
    known: HashMap<(u32, u64), Option<u32>>,
}

impl Elders {
    pub(super) fn new() -> Self {
        Self { mounts: mounts(), known: HashMap::new() }
    }

    /// The process of this control group that is its main one, if it is not `pid`.
    pub(super) fn of(&mut self, pid: u32, cgroup: &[u8]) -> Option<u32> {
        let started = procfs::stat(pid)?.started;
        if let Some(elder) = self.known.get(&(pid, started)) {
            return *elder;
        }
        let elder = if procfs::is_started_by_systemd(pid) {
            None
        } else {
            eldest(pid, started, &processes(&self.mounts, cgroup))
        };
        if self.known.len() >= MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert((pid, started), elder);
        elder
    }
}

/// The oldest of the processes, if it is older than `pid`, which started at `started`.
fn eldest(pid: u32, started: u64, processes: &[u32]) -> Option<u32> {
    let ages = processes.iter().filter_map(|other| Some((procfs::stat(*other)?.started, *other)));
    ages.min().filter(|oldest| *oldest < (started, pid)).map(|(_, oldest)| oldest)
}

/// Where the hierarchies are mounted that systemd puts its units in: v2, or a named one of v1 (cgroups(7)).
fn mounts() -> Vec<PathBuf> {
    let all = Process::myself().and_then(|own| own.mountinfo()).map(|mounts| mounts.0).unwrap_or_default();
    let is_systemds = |mount: &MountInfo| {
        let named = || mount.super_options.get("name").is_some_and(|name| name.as_deref() == Some("systemd"));
        mount.root == "/" && (mount.fs_type == "cgroup2" || mount.fs_type == "cgroup" && named())
    };
    all.into_iter().filter(is_systemds).map(|mount| mount.mount_point).collect()
}

/// The processes of a control group, none where its hierarchy is not mounted.
fn processes(mounts: &[PathBuf], cgroup: &[u8]) -> Vec<u32> {
    let Some(group) = std::str::from_utf8(cgroup).ok().map(|path| path.trim_start_matches('/')) else {
        return Vec::new();
    };
    if group.split('/').any(|segment| segment == "..") {
        return Vec::new();
    }
    let contents = mounts.iter().find_map(|mount| std::fs::read_to_string(mount.join(group).join("cgroup.procs")).ok());
    contents.unwrap_or_default().lines().take(MOST_PROCESSES).filter_map(|pid| pid.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_process_is_the_elder_of_all_others_and_has_none() {
        let own = std::process::id();
        let started = procfs::stat(own).unwrap().started;
        // Process 1 started before every other.
        assert_eq!(eldest(own, started, &[own, 1]), Some(1));
        assert_eq!(eldest(own, started, &[own]), None);
        assert_eq!(eldest(1, procfs::stat(1).unwrap().started, &[own, 1]), None);
        assert_eq!(eldest(own, started, &[]), None);
    }

    #[test]
    fn a_path_that_leads_out_of_the_hierarchy_is_not_followed() {
        assert!(processes(&[PathBuf::from("/")], b"/../../sys/fs/cgroup").is_empty());
        assert!(processes(&[PathBuf::from("/")], b"/\xff").is_empty());
    }
}
