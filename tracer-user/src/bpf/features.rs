//! What this host lets the tracer do, found out by trying.
//!
//! Invariant: a feature is called working only if it was tried just now; nothing stays loaded. Memory: none.

use super::hooks::HOOKS;
use super::offsets;
use super::{Asked, Capture, Look, PlaneChoice};
use anyhow::Result;

/// One thing that was tried.
#[derive(Debug)]
pub(crate) struct Check {
    pub(crate) name: String,
    /// What was found, or why it does not work and what to do.
    pub(crate) found: Result<String>,
    /// Whether the tracer cannot run without it.
    pub(crate) essential: bool,
}

/// Tries everything, from the ground up.
pub(crate) fn checks() -> Vec<Check> {
    let check = |name: &str, essential, found| Check { name: name.to_owned(), found, essential };
    let mut checks = vec![
        check("kernel", false, Ok(kernel())),
        check("lockdown", false, Ok(lockdown())),
        check("capabilities", true, super::privilege::require().map(|()| super::privilege::describe())),
        check("BTF", true, btf()),
    ];
    if checks.iter().any(|check| check.essential && check.found.is_err()) {
        return checks;
    }
    match Capture::start(PlaneChoice::Auto, Asked { ring: 1 << 16, kernel_log: false, follows: false }) {
        Ok(mut capture) => {
            checks.push(check("programs", true, Ok("loaded and attached".to_owned())));
            checks.push(plane(&capture));
            for hook in HOOKS.iter().chain(capture.plane.hooks()) {
                let missing = capture.missing(hook);
                let found = missing.map_or_else(|| Ok("attached".to_owned()), |reason| Err(anyhow::anyhow!(reason)));
                checks.push(check(&format!("hook {}", hook.tracepoint), hook.essential, found));
            }
            let addresses = capture.missing_addresses();
            let found = addresses.map_or_else(|| Ok("attached".to_owned()), |reason| Err(anyhow::anyhow!(reason)));
            checks.push(check("hooks on addresses of datagrams", false, found));
            let mut sockets = 0_u64;
            let census = capture.census(&mut |_: &[u8]| sockets += 1);
            checks.push(check("census of open sockets", true, census.map(|()| format!("{sockets} sockets"))));
            let snapshot = capture.snapshot(Look::All, |_: &[u8]| {});
            checks.push(check("snapshot of tracked sockets", true, snapshot.map(|()| "works".to_owned())));
        }
        Err(error) => checks.push(check("programs", true, Err(error))),
    }
    checks
}

fn plane(capture: &Capture) -> Check {
    let found = match capture.fallback() {
        Some(reason) => Err(anyhow::anyhow!(reason)),
        None => Ok(capture.plane.name().to_owned()),
    };
    Check { name: "plane".to_owned(), found, essential: false }
}

fn kernel() -> String {
    let name = rustix::system::uname();
    format!("{} {}", name.release().to_string_lossy(), name.machine().to_string_lossy())
}

fn lockdown() -> String {
    let state = std::fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    let chosen = state.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    match chosen {
        Some(mode) => format!("{mode} (the default hooks work in every mode but confidentiality)"),
        None => "not known (securityfs is not mounted, or the kernel has no lockdown)".to_owned(),
    }
}

fn btf() -> Result<String> {
    let (offsets, _) = offsets::of_this_kernel()?;
    Ok(format!("{} structure members found", offsets.len()))
}
