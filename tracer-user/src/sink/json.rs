//! A JSON object a line for every new call (`tracer.call/1`) and alert (`tracer.alert/1`).
//!
//! Invariant: one object a line; control characters are escaped by JSON itself. Memory: one line.

use tracer_core::Output;

/// The line that tells an output.
pub(crate) fn line(output: &Output) -> Option<String> {
    match output {
        Output::Need(_) | Output::Listens { .. } | Output::Capture(_) => None,
        Output::NewCall(call) => serde_json::to_string(call).ok(),
        Output::Alert(alert) => serde_json::to_string(alert).ok(),
    }
}
