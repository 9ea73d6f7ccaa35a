//! Why a row of the budget is not met, where that is known.
//!
//! Invariant: every number in a reason was measured by the same run. Memory: the text.

use super::budget::Figure;
use super::overhead::Placement;
use super::{EMPTY, Results};

/// The reason, if the row that is about `figure` is not met.
pub(super) fn of(figure: &Figure, results: &Results) -> Option<String> {
    match *figure {
        Figure::Ratio { load, .. } => Some(hooks(load, results)),
        _ => None,
    }
}

/// What hooks cost that do nothing.
fn hooks(load: &str, results: &Results) -> String {
    let mut rows = results.overhead.iter();
    let floor = rows.find(|row| row.load == load && row.tool == EMPTY && row.placement == Placement::OneCore);
    floor.map_or_else(String::new, |row| format!("programs that do nothing at the same trace points leave {:.3}", row.ratio))
}
