//! The graph as a file: one exporter per format, chosen by the ending of the file's name.
//!
//! Invariant: an exporter is a pure function of one snapshot; equal snapshots give equal bytes; no output holds a byte
//! below 0x20 but the newline, whatever the names in the graph are. Memory: the text, of a size bounded by the graph:
//! the drawings cut every name at `escape::SHOWN_CHARS`.

mod dot;
pub(crate) mod escape;
mod json;
mod mermaid;
pub mod metrics;
mod picture;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::graph::snapshot::GraphSnapshot;

/// A format that the graph can be written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Graphviz, 2.43 or later: <https://graphviz.org/doc/info/lang.html>.
    Dot,
    /// A Mermaid flowchart: <https://mermaid.js.org/syntax/flowchart.html>.
    Mermaid,
    /// `tracer.graph/1`, everything the snapshot holds.
    Json,
}

/// The file name has no ending that an exporter knows.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} has no ending that names a graph format; end it in one of {}", endings())]
pub struct UnknownFormat {
    pub path: PathBuf,
}

struct Exporter {
    format: Format,
    ending: &'static str,
    render: fn(&GraphSnapshot) -> String,
}

/// A new exporter is one file and one row here.
const EXPORTERS: [Exporter; 3] = [
    Exporter { format: Format::Dot, ending: "dot", render: dot::render },
    Exporter { format: Format::Mermaid, ending: "mmd", render: mermaid::render },
    Exporter { format: Format::Json, ending: "json", render: json::render },
];

impl Format {
    /// The format that the ending of `path` names, in upper or lower case.
    ///
    /// # Errors
    /// [`UnknownFormat`], which lists the known endings.
    pub fn from_path(path: &Path) -> Result<Self, UnknownFormat> {
        let ending = path.extension().and_then(OsStr::to_str).unwrap_or_default();
        EXPORTERS
            .iter()
            .find(|exporter| exporter.ending.eq_ignore_ascii_case(ending))
            .map(|exporter| exporter.format)
            .ok_or_else(|| UnknownFormat { path: path.to_owned() })
    }

    /// The graph in this format: UTF-8 that ends with a newline.
    pub fn render(self, graph: &GraphSnapshot) -> String {
        EXPORTERS
            .iter()
            .find(|exporter| exporter.format == self)
            .map_or_else(String::new, |exporter| (exporter.render)(graph))
    }
}

fn endings() -> String {
    EXPORTERS.map(|exporter| format!(".{}", exporter.ending)).join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_names_the_format_in_any_case() {
        assert_eq!(Format::from_path(Path::new("/a.b/graph.dot")), Ok(Format::Dot));
        assert_eq!(Format::from_path(Path::new("graph.x.MMD")), Ok(Format::Mermaid));
        assert_eq!(Format::from_path(Path::new("graph.json")), Ok(Format::Json));
    }

    #[test]
    fn an_unknown_ending_is_an_error_that_lists_the_known_ones() {
        for name in ["graph", "graph.png", ".dot", "graph.json~", ""] {
            let error = Format::from_path(Path::new(name)).unwrap_err().to_string();
            assert!(error.contains(".dot .mmd .json"), "{error}");
        }
    }

    #[test]
    fn every_format_has_a_row() {
        for format in [Format::Dot, Format::Mermaid, Format::Json] {
            assert_eq!(EXPORTERS.iter().filter(|exporter| exporter.format == format).count(), 1);
        }
    }
}
