//! Where a value of the configuration comes from.
//!
//! Invariant: the later of the variants wins over the earlier. Memory: a path or a name.

use std::fmt;
use std::path::PathBuf;
use tracer_core::escape::printable;

/// Columns of a path.
const PATH_COLUMNS: usize = 120;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    /// Recorded with the tape that is replayed.
    Tape,
    File {
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    Environment(String),
    CommandLine(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Tape => f.write_str("the tape"),
            Self::File { path, line } => write!(f, "{}:{line}", printable(&path.to_string_lossy(), PATH_COLUMNS)),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::CommandLine(option) => write!(f, "command line {option}"),
        }
    }
}
