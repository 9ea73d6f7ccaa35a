//! Lines of the two text formats.
//!
//! Invariant: a label's value cannot end its place, and holds no character that a terminal would obey. Memory: the text.

use super::{Family, Kind, TextFormat};
use crate::export::escape::is_plain;
use crate::graph::distribution::{BOUNDS, Distribution};
use std::fmt::{Display, Write as _};

/// The text so far.
pub(super) struct Text {
    format: TextFormat,
    text: String,
    /// The family that is told now.
    name: &'static str,
    kind: Kind,
}

impl Text {
    pub(super) fn new(format: TextFormat) -> Self {
        Self { format, text: String::new(), name: "", kind: Kind::Gauge }
    }

    /// What follows is of this family.
    pub(super) fn begin(&mut self, family: &Family) {
        (self.name, self.kind) = (family.name, family.kind);
        let (name, kind) = match self.format {
            TextFormat::OpenMetrics => (family.name.to_owned(), family.kind.name()),
            // There, a counter's name has its suffix, and an info is a gauge.
            TextFormat::Prometheus if family.kind == Kind::Info => (format!("{}_info", family.name), "gauge"),
            TextFormat::Prometheus => (format!("{}{}", family.name, family.kind.suffix()), family.kind.name()),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
        if self.format == TextFormat::OpenMetrics
            && let Some(unit) = family.unit()
        {
            let _ = writeln!(self.text, "# UNIT {name} {unit}");
        }
    }

    /// One figure; `labels` as [`labels`] writes them.
    pub(super) fn value(&mut self, labels: &str, value: impl Display) {
        let suffix = self.kind.suffix();
        self.line(suffix, labels, "", value);
    }

    /// One figure with a label more.
    pub(super) fn labelled(&mut self, labels: &str, name: &str, label: &str, value: impl Display) {
        let (suffix, more) = (self.kind.suffix(), pair(name, label));
        self.line(suffix, labels, &more, value);
    }

    /// One distribution, seconds.
    pub(super) fn distribution(&mut self, labels: &str, of: &Distribution) {
        for ((bound, _), up_to) in BOUNDS.iter().zip(of.up_to) {
            self.line("_bucket", labels, &pair("le", bound), up_to);
        }
        self.line("_bucket", labels, &pair("le", "+Inf"), of.count);
        self.line("_sum", labels, "", of.sum.as_seconds());
        self.line("_count", labels, "", of.count);
    }

    fn line(&mut self, suffix: &str, labels: &str, more: &str, value: impl Display) {
        let comma = if labels.is_empty() || more.is_empty() { "" } else { "," };
        let _ = if labels.is_empty() && more.is_empty() {
            writeln!(self.text, "{}{suffix} {value}", self.name)
        } else {
            writeln!(self.text, "{}{suffix}{{{labels}{comma}{more}}} {value}", self.name)
        };
    }

    pub(super) fn end(mut self) -> String {
        if self.format == TextFormat::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
        self.text
    }
}

/// Labels as they stand between the braces.
pub(super) fn labels(pairs: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| pair(name, value)).collect();
    pairs.join(",")
}

/// A label. Both formats escape the backslash, the quotation mark and the line feed; what would not be seen as itself is
/// written by number, as in the pictures.
fn pair(name: &str, value: &str) -> String {
    let mut text = format!("{name}=\"");
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c if is_plain(c) => text.push(c),
            c => {
                let _ = write!(text, "\\\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    text.push('"');
    text
}
