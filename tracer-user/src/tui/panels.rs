//! The lines around the table.
//!
//! Invariant: each fits its width; what matters most stands first, so that it is cut last. Memory: one line.

use super::View;
use super::keys::Settings;
use super::screen::{ALARM, NOTICE, QUIET};
use crate::sink::columns::{Period, Severity, Sort, watched};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use std::ops::Range;
use std::time::Duration;
use tracer_core::alert::{Alert, AlertState};
use tracer_core::escape::{cut, printable};
use tracer_core::graph::snapshot::CallState;
use tracer_core::limits;
use unicode_width::UnicodeWidthStr;

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const GAP: &str = "  ";

/// Host, time, and how many of everything.
pub(super) fn totals(view: &View<'_>, settings: &Settings, width: usize) -> Line<'static> {
    let graph = view.graph;
    let unexpected = graph.calls.iter().filter(|call| Severity::of(call) == Severity::Unexpected).count();
    let unjudged = !graph.calls.is_empty() && graph.calls.iter().all(|call| call.state == CallState::Unjudged);
    let judged = if unjudged { "no baseline".to_owned() } else { format!("{unexpected} unexpected") };
    let alarming = |count: usize| if count > 0 { ALARM } else { Style::new() };
    let mut parts = vec![(format!("tracer on {}", printable(&graph.host, 32)), BOLD)];
    if settings.paused {
        parts.push(("PAUSED".to_owned(), NOTICE.add_modifier(Modifier::REVERSED)));
    }
    parts.extend([
        (judged, alarming(unexpected)),
        (format!("{} firing", counted(view.firing, "alert")), alarming(view.firing)),
        (counted(graph.calls.len(), "call"), Style::new()),
        (counted(graph.services.len(), "service"), Style::new()),
    ]);
    if let Some(time) = watched(graph) {
        let seconds = Duration::from_secs(time.as_secs());
        parts.push((format!("watched {}", humantime::format_duration(seconds)), Style::new()));
    }
    if let Some(cost) = &graph.cost {
        let budget = cost.budget_percent.map(|limit| format!(" of {limit} %")).unwrap_or_default();
        let memory = cost.memory_bytes / 1_000_000;
        parts.push((format!("tracer {:.1} %{budget} CPU, {memory} MB", cost.percent()), QUIET));
    }
    fitted(parts, width)
}

/// A sentence in at most `most` lines, broken between words; what does not fit the last one is cut.
pub(super) fn wrapped(sentence: &str, width: usize, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in sentence.split(' ') {
        let full = lines.len() >= most;
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if full || line.width() + 1 + word.width() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.into_iter().map(|line| cut(&line, width)).collect()
}

/// One alert: when, what it does, which call, what was found.
pub(super) fn alert(alert: &Alert, width: usize) -> Line<'static> {
    let at = alert.at.get(11..19).unwrap_or("--:--:--");
    let (state, style) = match alert.state {
        AlertState::Firing if alert.kind == "unexpected-call" => ("firing  ", ALARM),
        AlertState::Firing => ("firing  ", NOTICE),
        AlertState::Resolved => ("resolved", QUIET),
    };
    let evidence = &alert.evidence;
    let text = format!(
        "{at}  {state}  {} → {}:{}  {}",
        printable(&evidence.from_name, 24),
        printable(&evidence.to_name, 24),
        printable(&alert.port.to_string(), 24),
        printable(&alert.message, 200)
    );
    Line::styled(cut(&text, width), style)
}

/// The keys, what is chosen, which of the rows are seen, and what `~` means.
pub(super) fn footer(view: &View<'_>, settings: &Settings, seen: &Range<usize>, width: usize) -> Line<'static> {
    let sort = match settings.sort {
        Sort::Rate => "rate",
        Sort::P99 => "p99",
        Sort::Errors => "errors",
        Sort::Name => "name",
    };
    let period = match settings.period {
        #[expect(clippy::cast_precision_loss, reason = "a handful")]
        Period::Recent => format!("last {:.0} s", view.graph.window_seconds * limits::WINDOWS as f64),
        Period::SinceStart => "since start".to_owned(),
    };
    let all = view.graph.calls.len();
    let scroll = if seen.len() < all {
        format!("{}–{}/{all}", seen.start.saturating_add(1), seen.end)
    } else {
        "scroll".to_owned()
    };
    let pause = if settings.paused { "go on" } else { "pause" };
    let parts = [
        ("q", "quit".to_owned()),
        ("↑↓", scroll),
        ("s", format!("by {sort}")),
        ("t", period),
        ("p", pause.to_owned()),
        ("~", "estimated by turns".to_owned()),
    ];
    fitted(parts.into_iter().map(|(key, what)| (format!("{key} {what}"), QUIET)).collect(), width)
}

/// As many of the parts as fit, the last one cut.
fn fitted(parts: Vec<(String, Style)>, width: usize) -> Line<'static> {
    let mut line = Line::default();
    for (text, style) in parts {
        if !line.spans.is_empty() {
            line.push_span(GAP);
        }
        let room = width.saturating_sub(line.width());
        let too_wide = text.width() > room;
        line.push_span(Span::styled(cut(&text, room), style));
        if too_wide {
            break;
        }
    }
    line
}

fn counted(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}
