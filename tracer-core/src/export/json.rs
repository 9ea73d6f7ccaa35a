//! JSON: the snapshot as it is, `tracer.graph/1`.
//!
//! Invariant: reading back what was written gives the same snapshot. Memory: the text.

use crate::graph::snapshot::{GraphSnapshot, SCHEMA};

/// The graph as pretty-printed JSON.
pub(super) fn render(graph: &GraphSnapshot) -> String {
    // Strings, numbers and lists alone: serialising them into memory cannot fail.
    let mut text = serde_json::to_string_pretty(graph).unwrap_or_default();
    text.push('\n');
    text
}

/// Reads a graph back.
///
/// # Errors
/// When it is not JSON of this schema; the message names line and column.
pub fn parse(text: &[u8]) -> Result<GraphSnapshot, serde_json::Error> {
    let graph: GraphSnapshot = serde_json::from_slice(text)?;
    if graph.schema == SCHEMA {
        Ok(graph)
    } else {
        let other = format!("the schema is {:?}, not {SCHEMA}", graph.schema);
        Err(serde::de::Error::custom(other))
    }
}
