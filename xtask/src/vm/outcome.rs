//! What came of one kernel: told to a person, and counted.
//!
//! Invariant: a tracer that refuses where nothing is missing makes its kernel one that was not tried, never one that
//! passed. Memory: the findings of one kernel.

use std::ops::Add;

use super::findings::{Found, Live};
use super::kernels::Kernel;
use super::runs::{Plane, Probe};

/// The findings.
pub(super) struct Outcome {
    pub(super) kernel: Kernel,
    /// As `uname -r` says it.
    pub(super) release: String,
    /// The version of Debian's package.
    pub(super) version: String,
    /// In the order in which they ran; the first one is where nothing is missing.
    pub(super) probes: Vec<(Probe, Found)>,
    pub(super) live: Vec<Live>,
    /// Why guests did not come to their end.
    pub(super) broken: Vec<String>,
    /// The planes on which live tests were to run.
    pub(super) planes: Vec<Plane>,
}

/// Probes and live tests by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
    /// Kernels that were not tried.
    pub(crate) not_run: u64,
}

impl Add for Totals {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            ignored: self.ignored + other.ignored,
            not_run: self.not_run + other.not_run,
        }
    }
}

/// A finding in words, and how it counts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passed(String),
    Failed(String),
    Ignored(String),
    NotRun(String),
}

impl Outcome {
    /// Every finding, in the order of the runs.
    pub(super) fn verdicts(&self) -> Vec<Verdict> {
        let mut verdicts: Vec<_> = self.broken.iter().cloned().map(Verdict::Failed).collect();
        for (number, (probe, found)) in self.probes.iter().enumerate() {
            let name = format!("probe {}", probe.folder());
            let refusal = || found.refusal().filter(|_| number == 0);
            verdicts.push(match (found.complaint(probe.plane), refusal()) {
                (Some(complaint), _) => Verdict::Failed(format!("{name}: {complaint}")),
                (None, Some(said)) => Verdict::NotRun(format!("the tracer does not run here: {said}")),
                (None, None) => Verdict::Passed(name),
            });
        }
        for plane in &self.planes {
            let live = self.live.iter().find(|live| live.plane == *plane);
            let ran = self.probes.iter().any(|(probe, found)| probe.is_plain(plane) && found.ran());
            match live {
                Some(live) => verdicts.extend(of_tests(live)),
                None if ran => verdicts.push(Verdict::Failed(format!("the live tests {plane} did not begin"))),
                // The probe has said why the tracer does not run.
                None => {}
            }
        }
        verdicts
    }

    /// What failed, with the kernel's name.
    pub(super) fn failures(&self) -> Vec<String> {
        let failed = |verdict| if let Verdict::Failed(what) = verdict { Some(what) } else { None };
        let failed = self.verdicts().into_iter().filter_map(failed);
        failed.map(|what| format!("{}: {what}", self.kernel.name)).collect()
    }

    /// Tells what did not pass, and counts everything.
    pub(super) fn tell(&self) -> Totals {
        let mut totals = Totals::default();
        for verdict in self.verdicts() {
            match verdict {
                Verdict::Passed(_) => totals.passed += 1,
                Verdict::Ignored(_) => totals.ignored += 1,
                Verdict::Failed(what) => {
                    eprintln!("{}: FAILED {what}", self.kernel.name);
                    totals.failed += 1;
                }
                Verdict::NotRun(why) => {
                    eprintln!("{}: not run: {why}", self.kernel.name);
                    totals.not_run += 1;
                }
            }
        }
        eprintln!("{}: {} passed, {} failed", self.kernel.name, totals.passed, totals.failed);
        totals
    }
}

fn of_tests(live: &Live) -> Vec<Verdict> {
    let named = |name: &String| {
        let plane = if live.plane.is_empty() { String::new() } else { format!(" ({})", live.plane) };
        format!("live {name}{plane}")
    };
    let mut verdicts: Vec<_> = live.passed.iter().map(|name| Verdict::Passed(named(name))).collect();
    verdicts.extend(live.failed.iter().map(|name| Verdict::Failed(named(name))));
    verdicts.extend(live.ignored.iter().map(|name| Verdict::Ignored(named(name))));
    if !live.whole && live.failed.is_empty() {
        verdicts.push(Verdict::Failed("the live tests did not come to their end".to_owned()));
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vm::conditions::{FAULTS, PLAIN};
    use crate::vm::findings::{Seen, Tried};
    use crate::vm::kernels::KERNELS;

    fn ran() -> Found {
        Found::Tried(Tried { doctor: Some(0), watch: Some(0), seen: Seen::Whole, ..Tried::default() })
    }

    fn refused() -> Found {
        let said = vec!["tracer: no such hook".to_owned()];
        Found::Tried(Tried { doctor: Some(2), watch: Some(2), said, ..Tried::default() })
    }

    fn outcome(probes: Vec<(Probe, Found)>, live: Vec<Live>) -> Outcome {
        let (release, version) = ("6.1.0-1-amd64".to_owned(), "6.1.1-1".to_owned());
        Outcome { kernel: KERNELS[0], release, version, probes, live, broken: vec![], planes: vec![""] }
    }

    fn plain() -> Probe {
        Probe { condition: PLAIN, plane: "" }
    }

    #[test]
    fn a_kernel_is_not_run_where_the_tracer_refuses_although_nothing_is_missing() {
        let totals = outcome(vec![(plain(), refused())], vec![]).tell();
        assert_eq!(totals, Totals { not_run: 1, ..Totals::default() });
        let fault = Probe { condition: FAULTS[2], plane: "" };
        let live = Live { passed: vec!["a".to_owned()], whole: true, ..Live::default() };
        let totals = outcome(vec![(plain(), ran()), (fault, refused())], vec![live]).tell();
        assert_eq!(totals, Totals { passed: 3, ..Totals::default() });
    }

    #[test]
    fn live_tests_that_did_not_begin_or_did_not_end_are_failures() {
        let totals = outcome(vec![(plain(), ran())], vec![]).tell();
        assert_eq!(totals, Totals { passed: 1, failed: 1, ..Totals::default() });
        let cut = Live { passed: vec!["a".to_owned()], ..Live::default() };
        let outcome = outcome(vec![(plain(), ran())], vec![cut]);
        assert_eq!(outcome.tell(), Totals { passed: 2, failed: 1, ..Totals::default() });
        let name = KERNELS[0].name;
        assert_eq!(outcome.failures(), [format!("{name}: the live tests did not come to their end")]);
    }

    #[test]
    fn a_guest_that_was_cut_is_a_failure_even_where_every_test_before_passed() {
        let live = Live { passed: vec!["a".to_owned()], whole: true, ..Live::default() };
        let mut outcome = outcome(vec![(plain(), ran())], vec![live]);
        outcome.broken.push("it ran longer than 240 s".to_owned());
        assert_eq!(outcome.tell(), Totals { passed: 2, failed: 1, ..Totals::default() });
    }
}
