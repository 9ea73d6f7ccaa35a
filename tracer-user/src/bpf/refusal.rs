//! Why the kernel refused a program, in one line: a verifier's log is thousands of lines and its point the last.
//!
//! Invariant: one line, whatever the kernel wrote. Memory: that line.

use anyhow::{Error, anyhow};
use aya::programs::ProgramError;

/// How the lines begin that the verifier ends its log with: figures, not reasons.
const FIGURES: [&str; 4] = ["processed ", "verification time ", "stack depth ", "insns_"];

/// The error of a program that was not loaded, without the log but with the log's point.
pub(super) fn refused(error: ProgramError) -> Error {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => match point(&verifier_log.to_string()) {
            Some(point) => anyhow!("the kernel refused it ({io_error}): {point}{}", explained(point)),
            None => anyhow!("the kernel refused it: {io_error}"),
        },
        other => other.into(),
    }
}

/// The last line of a log that is a reason.
fn point(log: &str) -> Option<&str> {
    let mut lines = log.lines().rev().map(str::trim);
    lines.find(|line| !line.is_empty() && FIGURES.iter().all(|figures| !line.starts_with(figures)))
}

/// What stands behind a reason that does not say so itself.
fn explained(point: &str) -> &'static str {
    // With lockdown=confidentiality the kernel hides the helpers that read its memory (kernel/trace/bpf_trace.c).
    if point.starts_with("unknown func bpf_probe_read") {
        "; this kernel is locked down against programs that read its memory, which tracing system calls needs: start it with \
         lockdown=integrity, or take a kernel from 6.3, where trace points on sockets need no such reads"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_point_of_a_log_is_its_last_line_before_the_figures() {
        let log = "0: R1=ctx() R10=fp0\n158: (85) call bpf_probe_read_str#45\n\
            program of this type cannot use helper bpf_probe_read_str#45\nverification time 164067 usec\n\
            stack depth 112+0\nprocessed 3360 insns (limit 1000000) max_states_per_insn 4\n\n";
        assert_eq!(point(log), Some("program of this type cannot use helper bpf_probe_read_str#45"));
        assert!(explained("unknown func bpf_probe_read#4").contains("lockdown=integrity"));
        assert_eq!((explained("invalid mem access 'scalar'"), point("")), ("", None));
        assert_eq!(point("processed 0 insns (limit 1000000)\n"), None);
    }
}
