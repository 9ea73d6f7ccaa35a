//! Golden screens, in tests/golden; after a change that is meant, write them with `TRACER_BLESS=1 cargo test` and read
//! the difference.
//!
//! Invariant: text is compared in full, colours where they carry meaning. Memory: one screen.

use super::keys::Settings;
use super::{View, panels, screen};
use crate::sink::columns::sample::{call, graph, graph_of, served};
use crate::sink::columns::{Period, Sort};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};
use std::path::Path;
use tracer_core::alert::{Alert, AlertState, Evidence, SCHEMA};
use tracer_core::graph::snapshot::{Call, CallState, Degradation, GraphSnapshot};

type Screen = Terminal<TestBackend>;

fn drawn(view: &View<'_>, settings: &mut Settings, width: u16, height: u16) -> Screen {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| screen::draw(frame, view, settings)).unwrap();
    terminal
}

fn text(screen: &Screen) -> Vec<String> {
    let buffer = screen.backend().buffer();
    let cells = buffer.content().chunks(usize::from(buffer.area.width).max(1));
    cells.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned()).collect()
}

#[track_caller]
fn is_golden(screen: &Screen, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    let actual = text(screen).join("\n") + "\n";
    if std::env::var_os("TRACER_BLESS").is_some() {
        std::fs::write(&path, &actual).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(actual == golden, "{name} is not as it was; is:\n{actual}\nwas:\n{golden}");
}

fn alerts() -> Vec<Alert> {
    let alert = |at: &str, state, kind: &str, (from, to, port): (&str, &str, u16), message: &str| Alert {
        id: String::new(),
        since: at.to_owned(),
        count: 1,
        transport: "tcp".to_owned(),
        schema: SCHEMA.to_owned(),
        kind: kind.to_owned(),
        state,
        severity: tracer_core::detect::Severity::Critical,
        at: format!("2026-01-01T00:00:{at}Z"),
        from: format!("program:{from}"),
        to: format!("program:{to}"),
        port: port.into(),
        protocol: None,
        observed: None,
        limit: None,
        message: message.to_owned(),
        evidence: Evidence {
            from_name: from.to_owned(),
            to_name: to.to_owned(),
            first_seen: String::new(),
            connections: 1,
            requests: 1,
            client: None,
            client_parents: Vec::new(),
            server: None,
            ..Evidence::default()
        },
    };
    let slow = "p99 480 ms, limit 50 ms (9 of 600 in 10 s took longer)";
    vec![
        alert("07.120", AlertState::Firing, "error-rate", ("web", "api", 8080), "error rate 12 %, limit 5 %"),
        alert(
            "27.120",
            AlertState::Resolved,
            "error-rate",
            ("web", "api", 8080),
            "no longer: error rate 12 %, limit 5 %",
        ),
        alert("40.000", AlertState::Firing, "latency-p99", ("api", "cache", 6379), slow),
        alert("51.3", AlertState::Firing, "unexpected-call", ("cron", "198.51.100.7", 4444), "not in the \x1bbaseline"),
    ]
}

fn many(count: u16) -> GraphSnapshot {
    let name = |at: u16| format!("client-{at:04}");
    graph_of(
        (0..count).map(|at| served(call(&name(at), "api", 80), u64::from(count - at), f64::from(count - at))).collect(),
    )
}

#[test]
fn the_screen_at_usual_sizes() {
    let graph = graph();
    let alerts = alerts();
    let view = View { graph: &graph, alerts: &alerts, firing: 3, notice: None };
    for (width, height) in [(80, 24), (120, 40), (200, 50), (20, 5)] {
        let screen = drawn(&view, &mut Settings::default(), width, height);
        is_golden(&screen, &format!("screen-{width}x{height}.txt"));
    }
}

#[test]
fn what_is_lost_is_said_in_red_however_small_the_screen() {
    let mut graph = graph();
    graph.completeness.records_lost = 1_234;
    graph.completeness.degraded =
        vec![Degradation { name: "no socket storage".to_owned(), reason: "the kernel is older than 5.11".to_owned() }];
    let view = View { graph: &graph, alerts: &[], firing: 0, notice: None };
    is_golden(&drawn(&view, &mut Settings::default(), 80, 24), "screen-lossy.txt");
    for (width, height) in [(80, 24), (20, 5), (12, 2)] {
        let screen = drawn(&view, &mut Settings::default(), width, height);
        assert!(text(&screen)[1].starts_with("Incomplete:"), "{width}×{height}");
        assert_eq!(screen.backend().buffer()[(0, 1)].fg, Color::Red);
    }
}

#[test]
fn a_sentence_is_broken_between_words_and_its_end_is_cut_visibly() {
    assert_eq!(panels::wrapped("one two three", 8, 3), ["one two", "three"]);
    assert_eq!(panels::wrapped("one two three four", 8, 2), ["one two", "three f…"]);
    assert_eq!(panels::wrapped("incomprehensible", 8, 2), ["incompr…"]);
}

#[test]
fn a_screen_without_calls_says_that_it_waits() {
    let graph = graph_of(Vec::new());
    let view = View { graph: &graph, alerts: &[], firing: 0, notice: None };
    is_golden(&drawn(&view, &mut Settings::default(), 80, 24), "screen-empty.txt");
}

#[test]
fn what_the_tracer_has_to_say_stands_above_the_keys_in_one_line() {
    let graph = graph_of(Vec::new());
    let notice = "warning: \x1b[31mthe configuration cannot be used: ".to_owned() + &"x".repeat(100);
    let view = View { graph: &graph, alerts: &[], firing: 0, notice: Some(&notice) };
    let lines = text(&drawn(&view, &mut Settings::default(), 80, 24));
    assert!(lines[22].starts_with("warning: ") && !lines[22].contains('\x1b'), "{lines:#?}");
}

#[test]
fn five_thousand_calls_scroll_and_say_which_of_them_are_seen() {
    let graph = many(5_000);
    let view = View { graph: &graph, alerts: &[], firing: 0, notice: None };
    let mut settings = Settings { first: 2_500, ..Settings::default() };
    let screen = drawn(&view, &mut settings, 120, 16);
    is_golden(&screen, "screen-scrolled.txt");
    settings.first = usize::MAX;
    let last = text(&drawn(&view, &mut settings, 120, 16));
    assert!(last[15].contains("4991–5000/5000"), "{}", last[15]);
    assert!(last[12].starts_with("client-4999 → api"), "{}", last[12]);
}

#[test]
fn choices_are_told_in_the_header_and_the_footer() {
    let graph = graph();
    let view = View { graph: &graph, alerts: &[], firing: 1, notice: None };
    let mut settings = Settings { sort: Sort::Errors, period: Period::SinceStart, paused: true, ..Settings::default() };
    is_golden(&drawn(&view, &mut settings, 100, 20), "screen-paused.txt");
}

#[test]
fn unexpected_rows_are_red_and_bold_anomalous_ones_yellow_and_others_plain() {
    let graph = graph();
    let view = View { graph: &graph, alerts: &[], firing: 0, notice: None };
    let screen = drawn(&view, &mut Settings::default(), 120, 40);
    let style = |y| {
        let cell = &screen.backend().buffer()[(0, y)];
        (cell.fg, cell.modifier)
    };
    assert_eq!(style(3), (Color::Red, Modifier::BOLD));
    assert_eq!(style(4), (Color::Yellow, Modifier::empty()));
    assert_eq!(style(5), (Color::Yellow, Modifier::empty()));
    assert_eq!(style(6), (Color::Reset, Modifier::empty()));
}

#[test]
fn no_size_and_no_name_breaks_the_screen() {
    let hostile = Call { state: CallState::Unexpected, ..call("\x1b[2J\u{202e}日本語", &"n".repeat(300), 1) };
    let mut graph = graph_of(vec![hostile]);
    graph.host = "h\x1b".repeat(50);
    "no time".clone_into(&mut graph.from);
    let alerts = alerts();
    let view = View { graph: &graph, alerts: &alerts, firing: 9, notice: None };
    for width in (0..60).chain([80, 120, 300]) {
        for height in (0..20).chain([50]) {
            let screen = drawn(&view, &mut Settings::default(), width, height);
            assert!(!text(&screen).concat().contains(['\x1b', '\u{202e}']));
        }
    }
}
