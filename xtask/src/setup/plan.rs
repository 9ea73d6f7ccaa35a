//! What to install, decided from what was found.
//!
//! Invariant: a pure function of [`Facts`]; the order of steps is the order of execution. Memory: a few names.

use std::collections::BTreeSet;
use std::fmt;

use xtask::toolchain::{Family, Found, OLDEST_RUSTC};

use super::packages::Row;

/// The oldest LLVM that the newest `bpf-linker` can be built with.
const OLDEST_LLVM: u32 = 21;

/// Debian's compilers, by (compiler, cargo, `core` for BPF); the first that is installed or known is taken.
pub(super) const COMPILERS: [[&str; 3]; 2] =
    [["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf"], ["rustc", "cargo", "libstd-rust-dev-bpf"]];

/// What apt would install under a name, and whether it is there already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// (major, minor) of the candidate; (0, 0) where the version does not start that way.
    pub(crate) version: (u32, u32),
    pub(crate) installed: bool,
}

/// What is known of apt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Apt {
    /// Whether the package lists are there and recent; else `apt-get update` comes before anything else.
    pub(crate) fresh: bool,
    /// The packages that have a candidate, of those we asked for.
    pub(crate) known: std::collections::BTreeMap<String, Package>,
    /// Major version of LLVM that Debian's compiler depends on, for when it is not yet installed.
    pub(crate) llvm: Option<u32>,
    /// What apt would remove to install Debian's compiler.
    pub(crate) removes: Vec<String>,
}

/// Everything the plan is made from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) found: Found,
    /// Whether `bpf-linker` was seen to link what the compiler emits; `None`: not tried.
    pub(crate) links: Option<bool>,
    /// `None`: no apt-get on this machine.
    pub(crate) apt: Option<Apt>,
    pub(crate) rustup: bool,
    pub(crate) binstall: bool,
    /// A C++ compiler; its library is linked into `bpf-linker`.
    pub(crate) cxx: bool,
    /// Major versions of LLVM whose development files are installed.
    pub(crate) llvm_dev: BTreeSet<u32>,
    /// What tests need and is missing; empty where tests were not asked for.
    pub(crate) missing: Vec<Row>,
    /// `cargo fmt`, `cargo clippy` that are missing, as rustup's components.
    pub(crate) components: Vec<&'static str>,
    /// Whether the npm packages of the tests are to be installed.
    pub(crate) npm: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    AptUpdate,
    AptInstall(Vec<String>),
    RustupNightly,
    RustupComponents(Vec<&'static str>),
    /// Build `bpf-linker` with this major version of Debian's LLVM.
    BuildLinker(u32),
    /// Fetch the prebuilt `bpf-linker`.
    FetchLinker,
    Npm,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AptUpdate => write!(f, "refresh the package lists (apt-get update), then look again"),
            Self::AptInstall(packages) => write!(f, "install with apt-get: {}", packages.join(" ")),
            Self::RustupNightly => write!(f, "install with rustup: the toolchain nightly with rust-src"),
            Self::RustupComponents(names) => write!(f, "install with rustup: {}", names.join(" ")),
            Self::BuildLinker(llvm) => {
                write!(f, "build and install bpf-linker from crates.io with LLVM {llvm} (a minute or two)")
            }
            Self::FetchLinker => write!(f, "install with cargo binstall: bpf-linker"),
            Self::Npm => write!(f, "install with npm, under target/node: the packages of the Mermaid tests"),
        }
    }
}

impl Step {
    /// The command that a person without `sudo` would run as root in place of this step.
    pub(super) fn for_root(&self) -> Option<String> {
        match self {
            Self::AptUpdate => Some("apt-get update".to_owned()),
            Self::AptInstall(names) => Some(format!("apt-get install --no-install-recommends {}", names.join(" "))),
            _ => None,
        }
    }
}

/// The outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing is missing.
    Ready(Family),
    /// To be done in this order; then look again.
    Steps(Vec<Step>),
    /// What a person has to do first.
    Impossible(String),
}

/// Decides what is to be done.
pub(crate) fn plan(facts: &Facts) -> Plan {
    let mut wanted = BTreeSet::new();
    let mut then = Vec::new();
    let family = match family(facts) {
        Ok(family) => family,
        Err(reason) => return if stale(facts) { update() } else { Plan::Impossible(reason) },
    };
    match family {
        Family::Debian => wanted.extend(debian_compiler(facts)),
        Family::Rustup if !facts.found.rustup.complete() => then.push(Step::RustupNightly),
        Family::Rustup => {}
    }
    if let Err(reason) = linker(facts, family, &mut wanted, &mut then) {
        return if stale(facts) { update() } else { Plan::Impossible(reason) };
    }
    for (need, packages) in &facts.missing {
        match packages.iter().find(|name| known(facts, name)) {
            Some(package) => drop(wanted.insert((*package).to_owned())),
            None if stale(facts) => return update(),
            None => {
                return Plan::Impossible(format!(
                    "the tests need {need:?}, and apt knows no package for it (tried: {}); install it by hand",
                    packages.join(", ")
                ));
            }
        }
    }
    if facts.rustup && !facts.components.is_empty() {
        then.push(Step::RustupComponents(facts.components.clone()));
    }
    if facts.npm {
        then.push(Step::Npm);
    }
    if !wanted.is_empty() {
        if stale(facts) {
            return update();
        }
        then.insert(0, Step::AptInstall(wanted.into_iter().collect()));
    }
    if then.is_empty() { Plan::Ready(family) } else { Plan::Steps(then) }
}

fn update() -> Plan {
    Plan::Steps(vec![Step::AptUpdate])
}

fn stale(facts: &Facts) -> bool {
    facts.apt.as_ref().is_some_and(|apt| !apt.fresh)
}

fn known(facts: &Facts, package: &str) -> bool {
    facts.apt.as_ref().is_some_and(|apt| apt.known.contains_key(package))
}

/// The family whose compiler is complete, else the one that can be completed.
fn family(facts: &Facts) -> Result<Family, String> {
    if let Some(family) = facts.found.compiler() {
        return Ok(family);
    }
    let removes = facts.apt.as_ref().map(|apt| apt.removes.as_slice()).unwrap_or_default();
    if compiler_packages(facts).is_some() && removes.is_empty() {
        return Ok(Family::Debian);
    }
    if facts.rustup {
        return Ok(Family::Rustup);
    }
    Err(if removes.is_empty() {
        "neither apt-get with Debian's rustc-web nor rustup is there; install rustup (rustup.rs), then run this again"
            .to_owned()
    } else {
        format!(
            "Debian's compiler for the BPF target would replace {}; remove that first, or install rustup (rustup.rs)",
            removes.join(", ")
        )
    })
}

/// The names of Debian's compiler: those of the installed one, else the first that is complete and recent enough.
fn compiler_packages(facts: &Facts) -> Option<[&'static str; 3]> {
    let apt = facts.apt.as_ref()?;
    let usable = |names: &&[&str; 3]| {
        let recent = names.first().and_then(|name| apt.known.get(*name)).is_some_and(|it| it.version >= OLDEST_RUSTC);
        recent && names.iter().all(|name| apt.known.contains_key(*name))
    };
    let installed =
        |names: &&[&str; 3]| names.first().and_then(|name| apt.known.get(*name)).is_some_and(|it| it.installed);
    let llvm = facts.found.debian.version.as_ref().map(|version| version.llvm).or(apt.llvm);
    if llvm.is_some_and(|llvm| llvm < OLDEST_LLVM) {
        return None;
    }
    let candidates = || COMPILERS.iter().filter(usable);
    candidates().find(installed).or_else(|| candidates().next()).copied()
}

fn debian_compiler(facts: &Facts) -> Vec<String> {
    if facts.found.debian.complete() {
        return Vec::new();
    }
    let Some([rustc, cargo, core]) = compiler_packages(facts) else { return Vec::new() };
    let debian = &facts.found.debian;
    // The three are released together: naming all of them keeps their versions the same.
    let absent = |there: bool, name: &str| (!there || !debian.core).then(|| name.to_owned());
    [absent(debian.recent_enough(), rustc), absent(debian.cargo, cargo), absent(debian.core, core)]
        .into_iter()
        .flatten()
        .collect()
}

/// Adds what `bpf-linker` needs, where it is missing or cannot read what the compiler emits.
fn linker(facts: &Facts, family: Family, wanted: &mut BTreeSet<String>, then: &mut Vec<Step>) -> Result<(), String> {
    if facts.found.linker.is_some() && facts.links != Some(false) {
        return Ok(());
    }
    if family == Family::Rustup && facts.binstall {
        then.push(Step::FetchLinker);
        return Ok(());
    }
    let llvm = match family {
        Family::Debian => {
            facts.found.debian.version.as_ref().map(|it| it.llvm).or(facts.apt.as_ref().and_then(|apt| apt.llvm))
        }
        Family::Rustup => match &facts.found.rustup.version {
            Some(version) => Some(version.llvm),
            // Known once the toolchain is there; the next round goes on.
            None => return Ok(()),
        },
    };
    let llvm =
        llvm.ok_or("the LLVM version of Debian's compiler is not known; install rustc-web, then run this again")?;
    if !facts.llvm_dev.contains(&llvm) {
        let package = format!("llvm-{llvm}-dev");
        if !known(facts, &package) {
            return Err(format!(
                "bpf-linker has to be built with LLVM {llvm}, like the compiler, and there is no package {package}; \
                 install cargo-binstall, run `cargo binstall bpf-linker`, then run this again"
            ));
        }
        wanted.insert(package);
    }
    if !facts.cxx {
        wanted.insert("g++".to_owned());
    }
    then.push(Step::BuildLinker(llvm));
    Ok(())
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
