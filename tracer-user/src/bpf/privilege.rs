//! Which privileges the tracer has, and which it needs.
//!
//! Invariant: what is missing is named before anything is tried, with what to do. Memory: none.

use anyhow::{Result, bail};
use rustix::thread::{CapabilitySet, capabilities};

/// What loading and attaching needs, and what reading other users' processes needs.
const NEEDED: [(CapabilitySet, &str); 2] = [(CapabilitySet::BPF, "CAP_BPF"), (CapabilitySet::PERFMON, "CAP_PERFMON")];
const WANTED: [(CapabilitySet, &str, &str); 2] = [
    (CapabilitySet::SYS_PTRACE, "CAP_SYS_PTRACE", "programs of other users are named by their comm"),
    (CapabilitySet::DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "some files of other users cannot be read"),
];

/// The effective capabilities; `CAP_SYS_ADMIN` stands for those that were split from it.
fn effective() -> CapabilitySet {
    let held = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    if held.contains(CapabilitySet::SYS_ADMIN) { held | CapabilitySet::BPF | CapabilitySet::PERFMON } else { held }
}

/// Fails when the programs cannot be loaded for want of a privilege.
pub(crate) fn require() -> Result<()> {
    let held = effective();
    let missing: Vec<&str> =
        NEEDED.iter().filter(|(needed, _)| !held.contains(*needed)).map(|(_, name)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    bail!("{} missing: run it as root (sudo tracer …), or grant {}", missing.join(" and "), missing.join(" and "));
}

/// What is held, and what is worse for want of a privilege.
pub(crate) fn describe() -> String {
    let held = effective();
    let lacking: Vec<String> = WANTED
        .iter()
        .filter(|(wanted, ..)| !held.contains(*wanted))
        .map(|(_, name, without)| format!("without {name} {without}"))
        .collect();
    if lacking.is_empty() { "all that are needed".to_owned() } else { lacking.join("; ") }
}
