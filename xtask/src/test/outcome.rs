//! What came out of a step: counts, read from what the test harness prints, what failed and why, and the closing table.
//!
//! Invariant: a step that failed counts at least one failure, and what failed is said once more at the end, where a log that
//! is cut in the middle still shows it. Memory: a few numbers per step, and [`REASON_LINES`] for each failure.

use std::fmt::Write;
use std::ops::Add;
use std::time::Duration;

/// Tests by what became of them; a check without tests of its own counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) passed: u64,
    pub(super) failed: u64,
    /// Marked `#[ignore]` by their authors.
    pub(super) ignored: u64,
    /// Could not run on this machine.
    pub(super) not_run: u64,
}

impl Counts {
    pub(super) const PASSED: Self = Self { passed: 1, failed: 0, ignored: 0, not_run: 0 };
    pub(super) const FAILED: Self = Self { passed: 0, failed: 1, ignored: 0, not_run: 0 };

    pub(super) fn skipped(self) -> u64 {
        self.ignored + self.not_run
    }

    /// A run that fails without a failed test (it did not compile, it was killed) counts as one failure.
    pub(super) fn with_success(self, success: bool) -> Self {
        if success || self.failed > 0 { self } else { self + Self::FAILED }
    }
}

impl Add for Counts {
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

/// Lines that say why a test failed: where it panicked, and what it compared.
const REASON_LINES: usize = 8;

/// What came out of a step, and each failure: its name, and lines that say why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) counts: Counts,
    pub(super) failures: Vec<String>,
    /// Lines that may still belong to the last failure.
    room: usize,
}

impl From<Counts> for Report {
    fn from(counts: Counts) -> Self {
        Self { counts, ..Self::default() }
    }
}

impl Report {
    /// Of a step that ended with an error.
    pub(super) fn of_error(error: &anyhow::Error) -> Self {
        Self { failures: vec![format!("{error:#}")], ..Counts::FAILED.into() }
    }

    pub(super) fn with_failures(self, failures: Vec<String>) -> Self {
        Self { failures, ..self }
    }

    /// The next line that a test harness prints.
    pub(super) fn read(&mut self, line: &str) {
        self.counts = self.counts + test_result(line).unwrap_or_default();
        let name = line.strip_prefix("---- ").and_then(|line| line.strip_suffix(" stdout ----"));
        if let Some(name) = name {
            self.failures.push(name.to_owned());
            self.room = REASON_LINES;
            return;
        }
        if line == "stack backtrace:" || line == "failures:" {
            self.room = 0;
        }
        let Some(failure) = self.failures.last_mut().filter(|_| self.room > 0 && !line.is_empty()) else { return };
        self.room -= 1;
        failure.push_str("\n    ");
        failure.push_str(line);
    }
}

/// Reads `test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s`.
pub(super) fn test_result(line: &str) -> Option<Counts> {
    let (_, figures) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let figure = |name: &str| {
        figures.split("; ").find_map(|part| part.strip_suffix(name)?.strip_suffix(' ')?.trim().parse::<u64>().ok())
    };
    Some(Counts { passed: figure("passed")?, failed: figure("failed")?, ignored: figure("ignored")?, not_run: 0 })
}

/// One step in the closing table.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) took: Duration,
    pub(super) report: Report,
}

/// The closing table, widest name first column.
pub(super) fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.name.len()).max().unwrap_or(0).max(4);
    let mut text = format!("{:width$}  {:>8}  {:>7}  {:>7}  {:>8}", "step", "seconds", "passed", "failed", "skipped");
    for Row { name, took, report: Report { counts, .. } } in rows {
        let (seconds, skipped) = (took.as_secs_f64(), counts.skipped());
        // Writing to a string does not fail.
        let _ =
            write!(text, "\n{name:width$}  {seconds:>8.1}  {:>7}  {:>7}  {skipped:>8}", counts.passed, counts.failed);
    }
    text
}

/// What failed, by steps; empty if nothing did.
pub(super) fn failures(rows: &[Row]) -> String {
    let mut text = String::new();
    for Row { name, report, .. } in rows.iter().filter(|row| row.report.counts.failed > 0) {
        // Of a check without tests of its own, its name says what failed. Writing to a string does not fail.
        let _ = writeln!(text, "FAILED: {name}");
        for failure in &report.failures {
            let _ = writeln!(text, "  {failure}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_harness_result_line_is_read_and_nothing_else() {
        let line = "test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 7 filtered out; finished in 0.10s";
        assert_eq!(test_result(line), Some(Counts { passed: 5, failed: 2, ignored: 1, not_run: 0 }));
        for other in [
            "",
            "test result: ok",
            "test result: ok. ",
            "test result: ok. many passed; 0 failed; 0 ignored",
            "test a::result: ok. 1 passed; 0 failed; 0 ignored ... ok",
            "note: test result: ok. 1 passed; 0 failed; 0 ignored;",
        ] {
            assert_eq!(test_result(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_failed_run_without_a_failed_test_is_one_failure() {
        assert_eq!(Counts::PASSED.with_success(false).failed, 1);
        assert_eq!(Counts::FAILED.with_success(false), Counts::FAILED);
        assert_eq!(Counts::PASSED.with_success(true), Counts::PASSED);
    }

    #[test]
    fn the_table_has_one_line_per_step_under_its_heading() {
        let report = Report::from(Counts::PASSED);
        let rows = [Row { name: "live tests", took: Duration::from_millis(1500), report }];
        assert_eq!(failures(&rows), "");
        let table = table(&rows);
        let lines: Vec<_> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
        assert_eq!(
            lines,
            [vec!["step", "seconds", "passed", "failed", "skipped"], vec!["live", "tests", "1.5", "1", "0", "0"]]
        );
    }
    #[test]
    fn what_failed_is_said_with_its_reason_and_without_its_backtrace() {
        let mut report = Report::default();
        let printed = "test a::b ... FAILED\n\nfailures:\n\n---- a::b stdout ----\n\nthread 'a::b' panicked at a.rs:1:2:\n\
                       assertion failed: x\nstack backtrace:\n   0: panic\n\n---- a::c stdout ----\nError: \"no\"\n\n\
                       failures:\n    a::b\n    a::c\n\n\
                       test result: FAILED. 5 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.10s\n";
        printed.lines().for_each(|line| report.read(line));
        assert_eq!(report.counts.failed, 2);
        let rows = [Row { name: "live tests", took: Duration::ZERO, report }];
        let expected = "FAILED: live tests\n  a::b\n    thread 'a::b' panicked at a.rs:1:2:\n    assertion failed: x\n  a::c\n    \
                        Error: \"no\"\n";
        assert_eq!(failures(&rows), expected);
    }
}
