//! Where an observation is shown: a live table, lines, or nothing.
//!
//! Invariant: showing never holds up the observation. Memory: the queue of a sink, or one screen.

use crate::sink::{Sink, columns, json, text};
use crate::tui::{Action, Tui, View};
use anyhow::{Context as _, Result};
use std::collections::VecDeque;
use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};
use tracer_core::alert::Alert;
use tracer_core::graph::snapshot::GraphSnapshot;
use tracer_core::{Engine, Output};

/// Something that shows an observation.
pub(crate) trait Console {
    /// The observation has begun.
    fn begin(&mut self, _host: &str) {}
    /// Tells one output.
    fn tell(&mut self, output: Output);
    /// May redraw a view of the whole.
    fn show(&mut self, _engine: &Engine) {}
    /// Says something that does not belong to the output.
    fn notice(&mut self, line: &str) {
        say(line);
    }
    /// Whether the person watching wants to end it, or is gone.
    fn wants_to_quit(&mut self) -> bool {
        false
    }
    /// Shows the end.
    fn finish(&mut self, graph: &GraphSnapshot, warning: Option<&str>) -> Result<()>;
}

/// Whether standard output is a terminal.
pub(crate) fn is_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// The live table.
pub(crate) fn live_table() -> Result<Box<dyn Console>> {
    Ok(Box::new(Table { tui: Some(Tui::start()?), alerts: VecDeque::new(), notice: None, drawn: None, quit: false }))
}

/// A line for every new call and alert, and a table at the end.
pub(crate) fn lines() -> Result<Box<dyn Console>> {
    let coloured = is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let render = if coloured { text::coloured_line } else { text::line };
    Ok(Box::new(Lines { sink: Some(Sink::start(render, tokio::io::stdout())?), summary: true }))
}

/// A JSON object a line for every new call and alert.
pub(crate) fn json_lines() -> Result<Box<dyn Console>> {
    Ok(Box::new(Lines { sink: Some(Sink::start(json::line, tokio::io::stdout())?), summary: false }))
}

/// Nothing but warnings.
pub(crate) fn quiet() -> Box<dyn Console> {
    Box::new(Lines { sink: None, summary: false })
}

/// Nothing at all.
pub(crate) fn silent() -> Box<dyn Console> {
    Box::new(Silent)
}

/// Prints a text. A reader that has gone away (`| head`) is no error.
pub(crate) fn print(text: &str) -> Result<()> {
    match std::io::stdout().write_all(text.as_bytes()).and_then(|()| std::io::stdout().flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error).context("write to standard output"),
        _ => Ok(()),
    }
}

/// A line on standard error. Nobody is left to tell when it is closed.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Lines on standard output.
struct Lines {
    sink: Option<Sink>,
    summary: bool,
}

impl Console for Lines {
    fn begin(&mut self, host: &str) {
        say(&format!("watching {host}; Ctrl-C ends it"));
    }

    fn tell(&mut self, output: Output) {
        if let Some(sink) = &self.sink {
            sink.tell(&output);
        }
    }

    fn wants_to_quit(&mut self) -> bool {
        self.sink.as_ref().is_some_and(Sink::is_closed)
    }

    fn finish(&mut self, graph: &GraphSnapshot, warning: Option<&str>) -> Result<()> {
        let dropped = self.sink.take().map_or(0, Sink::finish);
        if self.summary {
            print(&format!("\n{}\n{}\n", columns::table(graph, width()), columns::completeness(graph)))?;
        }
        if dropped > 0 {
            say(&format!("{dropped} lines were dropped, because standard output was read too slowly"));
        }
        if let Some(warning) = warning {
            say(&format!("warning: {warning}"));
        }
        Ok(())
    }
}

/// Shows nothing: somebody else has the terminal.
struct Silent;

impl Console for Silent {
    fn tell(&mut self, _output: Output) {}

    fn finish(&mut self, _graph: &GraphSnapshot, warning: Option<&str>) -> Result<()> {
        if let Some(warning) = warning {
            say(&format!("warning: {warning}"));
        }
        Ok(())
    }
}

/// Columns of the terminal, or enough for a log.
fn width() -> usize {
    rustix::termios::tcgetwinsize(std::io::stdout()).map_or(160, |size| usize::from(size.ws_col).max(80))
}

/// Between two redraws.
const REDRAW_EVERY: Duration = Duration::from_millis(500);
/// Alerts kept for the panel.
const ALERTS: usize = 100;
/// For how long a notice is shown.
const NOTICE_FOR: Duration = Duration::from_secs(60);

/// The live table.
struct Table {
    tui: Option<Tui>,
    alerts: VecDeque<Alert>,
    /// The last notice, and when it came.
    notice: Option<(String, Instant)>,
    drawn: Option<Instant>,
    quit: bool,
}

impl Console for Table {
    fn tell(&mut self, output: Output) {
        if let Output::Alert(alert) = output {
            if self.alerts.len() >= ALERTS {
                self.alerts.pop_front();
            }
            self.alerts.push_back(*alert);
            self.drawn = None;
        }
    }

    /// A line would tear the table up, so it is shown in a place of its own.
    fn notice(&mut self, line: &str) {
        self.notice = Some((line.to_owned(), Instant::now()));
        self.drawn = None;
    }

    fn show(&mut self, engine: &Engine) {
        let Some(tui) = &mut self.tui else { return };
        self.notice.take_if(|(_, came)| came.elapsed() >= NOTICE_FOR);
        let action = tui.keys();
        let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW_EVERY);
        let result = match action {
            Ok(Action::Quit) => {
                self.quit = true;
                return;
            }
            Ok(Action::Nothing) if !due => return,
            Ok(_) => {
                self.drawn = Some(Instant::now());
                let alerts = self.alerts.make_contiguous();
                let notice = self.notice.as_ref().map(|(line, _)| line.as_str());
                tui.draw(&View { graph: &engine.snapshot(), alerts, firing: engine.firing(), notice })
            }
            Err(error) => Err(error),
        };
        // A terminal that cannot be drawn on is gone.
        self.quit |= result.is_err();
    }

    fn wants_to_quit(&mut self) -> bool {
        self.quit
    }

    fn finish(&mut self, graph: &GraphSnapshot, warning: Option<&str>) -> Result<()> {
        // Gives the terminal back before anything is printed.
        self.tui = None;
        print(&format!("{}\n{}\n", columns::table(graph, width()), columns::completeness(graph)))?;
        if let Some(warning) = warning {
            say(&format!("warning: {warning}"));
        }
        Ok(())
    }
}
