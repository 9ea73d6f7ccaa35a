//! The judgement as one JSON object, `tracer.check/1`, for programs.
//!
//! Invariant: fields are only added within a version. Memory: the text.

use super::Report;

/// The report, over several lines, with a newline at its end.
///
/// # Errors
/// None that a report can have: it is text and numbers.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(report).map(|text| text + "\n")
}
