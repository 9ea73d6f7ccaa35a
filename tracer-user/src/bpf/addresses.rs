//! Attaching the hooks on the addresses of datagrams, which belong to a cgroup: the root of the second hierarchy.
//!
//! Invariant: without them the tracer runs; what is missing is a named degradation. Memory: none.

use super::load::Loaded;
use anyhow::{Context as _, Result};
use aya::Ebpf;
use aya::programs::{CgroupAttachMode, CgroupSockAddr};
use std::fs::File;

/// The programs, by the names of their hooks.
pub(super) const PROGRAMS: [&str; 4] = ["send_address4", "send_address6", "receive_address4", "receive_address6"];

/// What cannot be said without them.
pub(super) const WITHOUT: &str = "datagrams of sockets that are not connected are counted for nobody";

/// Attaches all of them, or says why not.
pub(super) fn attach(programs: &mut Ebpf, loaded: &mut Loaded) -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("read /proc/self/mounts")?;
    let root = root(&mounts).context("no cgroup2 hierarchy is mounted (mount -t cgroup2 none /sys/fs/cgroup)")?;
    let root = File::open(root).with_context(|| format!("open {root}"))?;
    for name in PROGRAMS {
        let program: &mut CgroupSockAddr = programs.program_mut(name).context("the object lacks it")?.try_into()?;
        loaded.take(name)?;
        // A link goes beside those of others; the mode is for the older way of attaching.
        program.attach(&root, CgroupAttachMode::Single)?;
    }
    Ok(())
}

/// Where the second hierarchy is mounted (proc_pid_mounts(5)).
fn root(mounts: &str) -> Option<&str> {
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let place = fields.nth(1)?;
        (fields.next()? == "cgroup2").then_some(place)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_hierarchy_is_found_beside_the_first() {
        let mounts = "proc /proc proc rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n\
                      cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
        assert_eq!(root(mounts), Some("/sys/fs/cgroup/unified"));
        assert_eq!(root("proc /proc proc rw 0 0\n"), None);
    }
}
