//! The live table in a terminal.
//!
//! `terminal` borrows the terminal, `keys` says what a key means, `screen` draws. Invariant: however it ends, also by a
//! panic or a signal, the terminal is given back as it was; drawing waits for nothing. Memory: the cells of the screen; while paused, one graph.

mod keys;
mod panels;
mod screen;
mod terminal;

#[cfg(test)]
mod tests;

use anyhow::{Context, Result};
use keys::Settings;
use ratatui::DefaultTerminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event;
use std::time::Duration;
use terminal::Borrowed;
use tracer_core::alert::Alert;
use tracer_core::graph::snapshot::GraphSnapshot;

/// Key strokes taken in one turn; what a held key adds beyond it waits for the next.
const KEYS_PER_TURN: usize = 64;

/// What is shown.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) graph: &'a GraphSnapshot,
    /// The last alerts, the latest last.
    pub(crate) alerts: &'a [Alert],
    /// How many alerts fire now.
    pub(crate) firing: usize,
    /// What the tracer itself has to say, as of a configuration that was read again.
    pub(crate) notice: Option<&'a str>,
}

/// What the person watching wants of the program; everything else is between them and the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Quit,
    Nothing,
}

/// The terminal while it shows the table.
pub(crate) struct Tui {
    // Dropped before `borrowed`: it shows the cursor while the terminal is still ours.
    terminal: DefaultTerminal,
    borrowed: Borrowed,
    settings: Settings,
    /// The graph at the moment of the pause. Alerts are shown on.
    paused: Option<GraphSnapshot>,
}

impl Tui {
    /// Takes the terminal over until it is dropped.
    ///
    /// # Errors
    /// If standard output is no terminal, or does not let itself be set up.
    pub(crate) fn start() -> Result<Self> {
        let borrowed = Borrowed::take()?;
        let terminal = DefaultTerminal::new(CrosstermBackend::new(std::io::stdout()))
            .context("cannot set up the terminal for the live table; try --output text")?;
        Ok(Self { terminal, borrowed, settings: Settings::default(), paused: None })
    }

    /// Draws the view, or the graph of the pause with the alerts of the view.
    ///
    /// # Errors
    /// If the terminal cannot be written to.
    pub(crate) fn draw(&mut self, view: &View<'_>) -> Result<()> {
        if !self.settings.paused {
            self.paused = None;
        } else if self.paused.is_none() {
            self.paused = Some(view.graph.clone());
        }
        let view = View { graph: self.paused.as_ref().unwrap_or(view.graph), ..*view };
        let Self { terminal, borrowed, settings, .. } = self;
        borrowed
            .while_ours(|| terminal.draw(|frame| screen::draw(frame, &view, settings)).map(drop))
            .context("cannot draw the live table")
    }

    /// Takes the keys that were pressed since, without waiting.
    ///
    /// # Errors
    /// If the terminal cannot be read.
    pub(crate) fn keys(&mut self) -> Result<Action> {
        for _ in 0..KEYS_PER_TURN {
            if !event::poll(Duration::ZERO).context("cannot ask the terminal for keys")? {
                break;
            }
            let event = event::read().context("cannot read keys from the terminal")?;
            if self.settings.take(&event) == Action::Quit {
                return Ok(Action::Quit);
            }
        }
        Ok(Action::Nothing)
    }
}
