//! What a graph does not show, in one sentence.
//!
//! Invariant: every number of `Completeness` that is not zero and every degradation is in the sentence.
//! Memory: one string, bounded by the degradations.

use tracer_core::escape::printable;
use tracer_core::graph::snapshot::{Completeness, GraphSnapshot};

/// One plain sentence: what was lost, what could not be known and what is degraded, or that there is none of it.
pub(crate) fn completeness(graph: &GraphSnapshot) -> String {
    let Completeness {
        records_lost,
        exchanges_lost,
        exchanges_counted: _,
        connections_before_start,
        unresolved_peers,
        degraded,
    } = &graph.completeness;
    let counted = [
        (*records_lost, "record lost (buffer full)", "records lost (buffer full)"),
        (*exchanges_lost, "exchange counted without its times", "exchanges counted without their times"),
        (*connections_before_start, "connection older than the tracer", "connections older than the tracer"),
        (*unresolved_peers, "local peer not found", "local peers not found"),
    ];
    let mut gaps: Vec<String> = counted
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
    gaps.extend(degraded.iter().map(|what| {
        let [name, reason] = [&what.name, &what.reason].map(|text| printable(text, usize::MAX));
        format!("degraded: {name} ({reason})")
    }));
    if gaps.is_empty() {
        return "Complete: nothing was lost, nothing is degraded.".to_owned();
    }
    let kind = if is_lossy(graph) { "Incomplete" } else { "Nothing was lost, but" };
    format!("{kind}: {}.", gaps.join("; "))
}

/// Whether anything was lost or does not work as it should, beyond what no tracer that starts late can know.
pub(crate) fn is_lossy(graph: &GraphSnapshot) -> bool {
    let completeness = &graph.completeness;
    completeness.records_lost > 0 || completeness.exchanges_lost > 0 || !completeness.degraded.is_empty()
}
