//! What is answered at which path.
//!
//! Invariant: an answer depends on one page alone. Memory: its text.

use super::board::Page;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde_json::json;
use tracer_core::export::Format;
use tracer_core::export::metrics::{self, MOST_CALLS, TextFormat};

const JSON: &str = "application/json";
const PLAIN: &str = "text/plain; charset=utf-8";

/// A path.
pub(super) struct Route {
    pub(super) path: &'static str,
    about: &'static str,
    answer: fn(&Page, &HeaderMap) -> Answer,
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) text: Bytes,
}

/// Every path but `/`, which lists these.
pub(super) static ROUTES: [Route; 6] = [
    Route {
        path: "/health",
        about: "whether it watches, and what does not work: ready, degraded, starting, stuck (the last two with 503)",
        answer: health,
    },
    Route { path: "/metrics", about: "for Prometheus: OpenMetrics, or the older text format", answer: of_metrics },
    Route {
        path: "/graph.json",
        about: "the call graph, tracer.graph/1",
        answer: |page, _| graph(page, Format::Json, JSON),
    },
    Route {
        path: "/graph.dot",
        about: "the same for Graphviz",
        answer: |page, _| graph(page, Format::Dot, "text/vnd.graphviz; charset=utf-8"),
    },
    Route {
        path: "/graph.mmd",
        about: "the same for Mermaid",
        answer: |page, _| graph(page, Format::Mermaid, "text/vnd.mermaid; charset=utf-8"),
    },
    Route {
        path: "/alerts",
        about: "the alerts that fire, and the last ones that are over, tracer.alert/1",
        answer: alerts,
    },
];

/// The answer of a path; `None` if there is no such path.
pub(super) fn answer(path: &str, page: Option<&Page>, headers: &HeaderMap) -> Option<Answer> {
    if path == "/" {
        return Some(Answer { status: StatusCode::OK, content_type: PLAIN, text: Bytes::from(index()) });
    }
    let route = ROUTES.iter().find(|route| route.path == path)?;
    Some(page.map_or_else(starting, |page| (route.answer)(page, headers)))
}

/// All paths, a line each.
pub(super) fn index() -> String {
    ROUTES.iter().map(|route| format!("{:<12} {}\n", route.path, route.about)).collect()
}

fn starting() -> Answer {
    let text = json!({"status": "starting", "reasons": []}).to_string();
    Answer { status: StatusCode::SERVICE_UNAVAILABLE, content_type: JSON, text: Bytes::from(text + "\n") }
}

fn health(page: &Page, _: &HeaderMap) -> Answer {
    let graph = &page.exposition.graph;
    let complete = &graph.completeness;
    let lost = [
        ("records were lost", complete.records_lost, "the buffer between the kernel and the tracer was full"),
        ("times of requests were lost", complete.exchanges_lost, "they are counted"),
    ];
    let lost = lost.into_iter().filter(|(_, count, _)| *count > 0);
    let lost = lost.map(|(name, count, reason)| json!({"name": name, "reason": format!("{count} so far: {reason}")}));
    let degraded = complete.degraded.iter().map(|degraded| json!({"name": degraded.name, "reason": degraded.reason}));
    let mut reasons: Vec<_> = degraded.chain(lost).collect();
    let (status, state) = if page.is_stale() {
        reasons
            .push(json!({"name": "the observation stands still", "reason": "it has made no graph for some seconds"}));
        (StatusCode::SERVICE_UNAVAILABLE, "stuck")
    } else if reasons.is_empty() {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::OK, "degraded")
    };
    let text = json!({
        "status": state, "reasons": reasons, "host": graph.host, "from": graph.from, "until": graph.until,
        "alerts_firing": page.firing.len(),
    });
    Answer { status, content_type: JSON, text: Bytes::from(text.to_string() + "\n") }
}

fn of_metrics(page: &Page, headers: &HeaderMap) -> Answer {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let format =
        if accept.contains("application/openmetrics-text") { TextFormat::OpenMetrics } else { TextFormat::Prometheus };
    let text = page.text(format as usize, |page| metrics::render(&page.exposition, format, MOST_CALLS));
    Answer { status: StatusCode::OK, content_type: format.content_type(), text }
}

fn graph(page: &Page, format: Format, content_type: &'static str) -> Answer {
    /// Beside the formats of metrics.
    const GRAPHS: usize = 16;
    let text = page.text(GRAPHS + format as usize, |page| format.render(&page.exposition.graph));
    Answer { status: StatusCode::OK, content_type, text }
}

fn alerts(page: &Page, _: &HeaderMap) -> Answer {
    let text = json!({"schema": "tracer.alerts/1", "firing": page.firing, "resolved": page.ended}).to_string();
    Answer { status: StatusCode::OK, content_type: JSON, text: Bytes::from(text + "\n") }
}
