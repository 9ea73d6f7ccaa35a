//! The difference for programs.
//!
//! Invariant: what a terminal would obey is written by number. Memory: the text, twice.

use super::Difference;
use crate::escape::printable_json;

/// The difference as JSON over several lines, with a newline at its end.
#[must_use]
pub fn json(difference: &Difference) -> String {
    // Structs of texts and finite numbers: nothing that JSON could not hold.
    let json = serde_json::to_string_pretty(difference).unwrap_or_default();
    // Line breaks between the fields are no part of a string.
    let mut text: String = json.split('\n').map(printable_json).collect::<Vec<_>>().join("\n");
    text.push('\n');
    text
}
