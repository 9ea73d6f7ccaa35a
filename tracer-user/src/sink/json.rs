//! A JSON object a line for every new call (`tracer.call/1`) and alert (`tracer.alert/1`).
//!
//! Invariant: one object a line; what a terminal would obey, or not show, is written by number. Memory: one line.

use tracer_core::Output;
use tracer_core::escape::printable_json;

/// The line that tells an output.
pub(crate) fn line(output: &Output) -> Option<String> {
    let line = match output {
        Output::Need(_) | Output::Listens { .. } | Output::Capture(_) => return None,
        Output::NewCall(call) => serde_json::to_string(call),
        Output::Alert(alert) => serde_json::to_string(alert),
    };
    line.ok().map(|line| printable_json(&line))
}
