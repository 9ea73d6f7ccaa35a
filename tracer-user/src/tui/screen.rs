//! The whole screen: header, table, last alerts, keys.
//!
//! Invariant: it never fails, however small the screen is: panels give way from the bottom of their importance, and what
//! was lost is said as long as there are two lines. Only the rows that are seen are made. Memory: the rows seen.

use super::View;
use super::keys::Settings;
use super::panels::{alert, footer, totals, wrapped};
use crate::sink::columns::{Fit, Names, Row, Severity, completeness, is_lossy, ordered};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::Line;
use std::ops::Range;
use tracer_core::escape::printable;

pub(super) const ALARM: Style = Style::new().fg(Color::Red).add_modifier(Modifier::BOLD);
pub(super) const NOTICE: Style = Style::new().fg(Color::Yellow);
pub(super) const QUIET: Style = Style::new().add_modifier(Modifier::DIM);
const TITLES: Style = Style::new().add_modifier(Modifier::REVERSED);

/// From this many lines on there is room for the alerts.
const ROOM_FOR_ALERTS: u16 = 14;

pub(super) fn draw(frame: &mut Frame<'_>, view: &View<'_>, settings: &mut Settings) {
    let Rect { width, height, .. } = frame.area();
    let width = usize::from(width);
    let lossy = is_lossy(view.graph);
    let sentence = if height >= 6 || (lossy && height >= 2) {
        wrapped(&completeness(view.graph), width, usize::from(height / 6).clamp(1, 4))
    } else {
        Vec::new()
    };
    let alerts = if height < ROOM_FOR_ALERTS { 0 } else { lines(view.alerts.len()).clamp(1, height / 5) + 1 };
    let constraints = [
        Constraint::Length(1),
        Constraint::Length(lines(sentence.len())),
        Constraint::Min(0),
        Constraint::Length(alerts),
        Constraint::Length(u16::from(height >= 6 && view.notice.is_some())),
        Constraint::Length(u16::from(height >= 4)),
    ];
    let [top, missing, table, panel, notice, bottom] = Layout::vertical(constraints).areas(frame.area());
    write(frame, top, totals(view, settings, width));
    for (text, area) in sentence.into_iter().zip(missing.rows()) {
        write(frame, area, Line::styled(text, if lossy { ALARM } else { QUIET }));
    }
    let seen = draw_table(frame, table, view, settings);
    draw_alerts(frame, panel, view);
    for text in view.notice.into_iter().flat_map(|text| wrapped(&printable(text, width), width, 1)) {
        write(frame, notice, Line::styled(text, NOTICE));
    }
    write(frame, bottom, footer(view, settings, &seen, width));
}

/// Draws the table; returns which of the calls are seen.
fn draw_table(frame: &mut Frame<'_>, area: Rect, view: &View<'_>, settings: &mut Settings) -> Range<usize> {
    let calls = ordered(view.graph, settings.period, settings.sort);
    let room = usize::from(area.height.saturating_sub(1));
    let first = settings.scroll(calls.len(), room);
    let names = Names::of(view.graph, settings.period);
    let rows: Vec<Row> = calls.iter().skip(first).take(room).map(|call| Row::of(call, &names)).collect();
    let seen = first..first.saturating_add(rows.len());
    let fit = Fit::new(usize::from(area.width), &rows);
    let mut areas = area.rows();
    if let Some(area) = areas.next() {
        frame.buffer_mut().set_style(area, TITLES);
        write(frame, area, Line::raw(fit.heading()));
    }
    if rows.is_empty()
        && let Some(area) = areas.next()
    {
        write(frame, area, Line::styled("waiting for the first call…", QUIET));
    }
    for (row, area) in rows.iter().zip(areas) {
        let style = match row.severity {
            Severity::Unexpected => ALARM,
            Severity::Anomalous => NOTICE,
            Severity::Ordinary => Style::new(),
        };
        write(frame, area, Line::styled(fit.line(row), style));
    }
    seen
}

fn draw_alerts(frame: &mut Frame<'_>, area: Rect, view: &View<'_>) {
    let mut areas = area.rows();
    let Some(title) = areas.next() else { return };
    frame.buffer_mut().set_style(title, TITLES);
    write(frame, title, Line::raw("LAST ALERTS (UTC), the latest first"));
    if view.alerts.is_empty()
        && let Some(area) = areas.next()
    {
        write(frame, area, Line::styled("none so far", QUIET));
        return;
    }
    for (what, area) in view.alerts.iter().rev().zip(areas) {
        write(frame, area, alert(what, usize::from(area.width)));
    }
}

fn write(frame: &mut Frame<'_>, area: Rect, line: Line<'_>) {
    frame.render_widget(line, area);
}

fn lines(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}
