//! Where an observation is shown.
//!
//! Invariant: showing never holds up the observation. Memory: as each console says.

use anyhow::Result;
use tracer_core::graph::snapshot::GraphSnapshot;
use tracer_core::{Engine, Output};

/// Something that shows an observation.
pub(crate) trait Console {
    /// Tells one output.
    fn tell(&mut self, output: Output);
    /// May redraw a view of the whole.
    fn show(&mut self, engine: &Engine);
    /// Whether the person watching wants to end it.
    fn wants_to_quit(&mut self) -> bool;
    /// Shows the end.
    fn finish(&mut self, graph: &GraphSnapshot, warning: Option<&str>) -> Result<()>;
}
