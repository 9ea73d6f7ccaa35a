//! The graph as JSON, `tracer.graph/1`: indented by two spaces, in the order of the snapshot's fields.
//!
//! Invariant: it parses back to an equal snapshot; what a terminal would obey or hide is written by number (RFC 8259,
//! section 7). Nothing is cut: who reads this is a program. Memory: the text, twice.

use std::fmt::Write as _;

use super::escape::is_plain;
use crate::graph::snapshot::GraphSnapshot;

pub(super) fn render(graph: &GraphSnapshot) -> String {
    // Serialising fails only for a map whose keys are not strings and for a writer that fails; neither is here.
    let json = serde_json::to_string_pretty(graph).unwrap_or_default();
    let mut text = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        // JSON escapes what is below 0x20; all above ASCII is inside strings.
        if c == '\n' || is_plain(c) {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a `String` cannot fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text.push('\n');
    text
}
