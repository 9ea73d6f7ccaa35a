//! `unexpected-path`: two calls that are both expected, of which the one never led to the other.
//!
//! A→B and B→C are in the baseline, but C was only ever reached when D asked B. Of a call that no chain led to while
//! learning nothing can be said: its chains were not seen then. Memory: none.

use super::path::{KnownPaths, PathDetector, Step};
use super::service::finding;
use super::{Verdict, text};
use crate::baseline::CallKey;
use crate::escape::printable;

/// Callers that the message names.
const NAMED: usize = 3;
/// Characters of a service's id.
const NAME_COLUMNS: usize = 60;

#[derive(Debug)]
pub(super) struct UnexpectedPath;

impl PathDetector for UnexpectedPath {
    fn kind(&self) -> &'static str {
        "unexpected-path"
    }

    fn judge(&self, step: &Step<'_>, known: &KnownPaths) -> Verdict {
        if !step.expected || !step.is_joined() || step.chains == 0 {
            return Verdict::NotJudged;
        }
        let Some(causes) = known.causes(step.outbound) else { return Verdict::NotJudged };
        if causes.contains(step.inbound) {
            return Verdict::Clean;
        }
        let name = |id: &str| printable(id, NAME_COLUMNS);
        let CallKey { from: caller, to: through, .. } = step.inbound;
        let mut callers: Vec<String> = causes.iter().map(|cause| name(&cause.from)).collect();
        callers.dedup();
        let more = callers.len().saturating_sub(NAMED);
        callers.truncate(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        finding(format!(
            "{} → {} → {}: each call is expected, but this path never occurred; so far {} was reached through {} for {}{more} \
             ({} now)",
            name(caller),
            name(through),
            name(&step.outbound.to),
            name(&step.outbound.to),
            name(through),
            callers.join(", "),
            text::count(step.chains, "chain"),
        ))
    }
}
