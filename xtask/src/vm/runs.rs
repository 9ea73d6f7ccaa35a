//! What is run on a kernel: which boots, and in each which probes and which live tests.
//!
//! Invariant: conditions that need the same command line share a boot, and the live tests run in the one where nothing
//! is missing. Memory: the lines of one script.

use std::path::Path;

use super::conditions::{Condition, FAULTS, PLAIN};

/// The functions that the lines of a boot call.
pub(super) const SCRIPT: &str = include_str!("../../vm/run.sh");

/// The first port that a probe's server listens on.
const FIRST_PORT: usize = 20_100;

/// The live tests that say whether capture works on a kernel, as prefixes of their names.
pub(super) const CAPTURE_TESTS: &[&str] = &[
    "accounting::",
    "counting::",
    "failures::",
    "kinds::",
    "namespaces::",
    "nat::",
    "older::",
    "owning::",
    "peer_names::",
    "ways_of_io::",
];

/// The live tests that no guest runs: the demo's servers and their load want a real machine, and the sweep over every
/// refused system call starts the tracer more often than a guest has time for.
pub(super) const NOT_IN_GUESTS: &[&str] = &["demo::", "privileges::whatever_the_kernel_refuses"];

/// A way of hooking, as `--plane` names it; empty: what the tracer chooses.
pub(super) type Plane = &'static str;

/// Those that can be chosen.
pub(super) const PLANES: [Plane; 2] = ["socket", "syscall"];

/// The tracer and its live tests, at the same place outside and in the guest.
pub(super) struct Binaries<'a> {
    pub(super) tracer: &'a Path,
    pub(super) live: &'a Path,
    /// The folder of the package that they belong to.
    pub(super) package: &'a Path,
}

/// A condition on a plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probe {
    pub(super) condition: Condition,
    pub(super) plane: Plane,
}

impl Probe {
    /// The folder of its results.
    pub(super) fn folder(&self) -> String {
        let plane = if self.plane.is_empty() { "auto" } else { self.plane };
        format!("{}-{plane}", self.condition.id)
    }

    /// Whether it is the one where nothing is missing, on this plane.
    pub(super) fn is_plain(&self, plane: Plane) -> bool {
        self.condition == PLAIN && self.plane == plane
    }
}

/// One boot.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) command_line: &'static str,
    pub(super) probes: Vec<Probe>,
    /// The planes on which the live tests run.
    pub(super) live: Vec<Plane>,
}

impl Session {
    /// The folder of its results.
    pub(super) fn folder(&self) -> &'static str {
        self.command_line.split_once('=').map_or(PLAIN.id, |(_, value)| value)
    }

    /// What the guest runs.
    pub(super) fn script(&self, binaries: &Binaries<'_>, filters: &[String]) -> String {
        let mut script = SCRIPT.to_owned();
        let shown = |path: &Path| quoted(&path.display().to_string());
        let (tracer, peers) = (shown(binaries.tracer), shown(&binaries.package.join("tests/live/peers.py")));
        for (number, probe) in self.probes.iter().enumerate() {
            let (folder, plane, port) = (probe.folder(), quoted(probe.plane), FIRST_PORT + number);
            let wrapper = probe.condition.wrapper.join(" ");
            script.push_str(&format!("probe {folder} {port} {plane} {tracer} {peers} {wrapper}\n"));
        }
        let skipped = NOT_IN_GUESTS.iter().map(|name| format!(" --skip {name}")).collect::<String>();
        let filters = filters.iter().map(|filter| format!(" {}", quoted(filter))).collect::<String>();
        for plane in &self.live {
            let probe = Probe { condition: PLAIN, plane }.folder();
            let (plane, package, live) = (quoted(plane), shown(binaries.package), shown(binaries.live));
            script.push_str(&format!("live {probe} {plane} {probe} {package} {live}{skipped}{filters}\n"));
        }
        // The guest ends well when it has run everything; what came out is in the files.
        script.push_str("exit 0\n");
        script
    }
}

/// The boots of one kernel; the live tests run on `planes`.
pub(super) fn sessions(planes: &[Plane], faults: bool) -> Vec<Session> {
    let plain = [""].iter().chain(planes).map(|plane| Probe { condition: PLAIN, plane });
    let mut sessions = vec![Session { command_line: "", probes: plain.collect(), live: planes.to_vec() }];
    for condition in FAULTS.iter().filter(|_| faults) {
        let probe = Probe { condition: *condition, plane: "" };
        match sessions.iter_mut().find(|session| session.command_line == condition.command_line) {
            Some(session) => session.probes.push(probe),
            None => {
                let command_line = condition.command_line;
                sessions.push(Session { command_line, probes: vec![probe], live: Vec::new() });
            }
        }
    }
    sessions
}

/// A word as the shell takes it, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_the_command_line_have_their_own_boots_and_the_others_share_the_one_of_the_live_tests() {
        let sessions = sessions(&["socket", "syscall"], true);
        let lines: Vec<_> = sessions.iter().map(|session| session.command_line).collect();
        assert_eq!(lines, ["", "lockdown=integrity", "lockdown=confidentiality"]);
        assert_eq!(sessions[0].live, ["socket", "syscall"]);
        assert_eq!(sessions[0].probes.len(), 3 + FAULTS.len() - 2);
        assert!(sessions[1].live.is_empty());
        assert_eq!(super::sessions(&[], false).len(), 1);
    }

    #[test]
    fn what_a_guest_runs_is_quoted() {
        let [session] = &sessions(&["socket"], false)[..] else { panic!("one boot") };
        let binaries =
            Binaries { tracer: Path::new("/a b/tracer"), live: Path::new("/l'ive"), package: Path::new("/p") };
        let script = session.script(&binaries, &["one two".to_owned()]);
        let lines: Vec<_> = script.strip_prefix(SCRIPT).unwrap().lines().collect();
        assert_eq!(lines[0], "probe plain-auto 20100 '' '/a b/tracer' '/p/tests/live/peers.py' env");
        let live = r"live plain-socket 'socket' plain-socket '/p' '/l'\''ive' --skip demo::";
        assert!(lines[2].starts_with(live), "{}", lines[2]);
        assert!(lines[2].ends_with(" 'one two'"), "{}", lines[2]);
    }
}
