//! Exporters: the graph in other formats, a file and a row of [`FORMATS`] each.
//!
//! Invariant: an exporter is a pure function of the snapshot, so equal graphs give equal bytes; each escapes names for
//! its own format. Memory: the text.

mod dot;
mod json;
mod labels;
mod mermaid;

pub use json::parse;

use crate::graph::snapshot::GraphSnapshot;
use std::path::Path;
use thiserror::Error;

/// A format, by the ending of its files.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    ending: &'static str,
    render: fn(&GraphSnapshot) -> String,
}

/// Every format.
const FORMATS: [Format; 3] = [
    Format { ending: "dot", render: dot::render },
    Format { ending: "mmd", render: mermaid::render },
    Format { ending: "json", render: json::render },
];

/// A file whose ending names no format.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}: the ending picks the format; known are {}", endings())]
pub struct UnknownFormat {
    file: String,
}

impl Format {
    /// The format of a file.
    ///
    /// # Errors
    /// When its ending names none.
    pub fn from_path(path: &Path) -> Result<Self, UnknownFormat> {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_ascii_lowercase());
        let known = FORMATS.iter().find(|format| ending.as_deref() == Some(format.ending));
        known.copied().ok_or_else(|| UnknownFormat { file: path.display().to_string() })
    }

    /// The graph in this format.
    #[must_use]
    pub fn render(self, graph: &GraphSnapshot) -> String {
        (self.render)(graph)
    }
}

fn endings() -> String {
    FORMATS.map(|format| format!(".{}", format.ending)).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_picks_the_format_and_an_unknown_one_is_refused_with_those_that_are_known() {
        assert_eq!(Format::from_path(Path::new("a/b.DOT")).unwrap().ending, "dot");
        let error = Format::from_path(Path::new("graph.png")).unwrap_err().to_string();
        assert_eq!(error, "graph.png: the ending picks the format; known are .dot .mmd .json");
        assert!(Format::from_path(Path::new("json")).is_err());
    }
}
