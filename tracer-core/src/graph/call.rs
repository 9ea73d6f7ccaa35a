//! A call: an edge of the graph.
//!
//! Invariant: totals are since start and only grow; the current window is closed by the engine's tick alone.
//! Memory: four histograms and the windows put away.

use super::histogram::LatencyHistogram;
use super::metrics::{self, Delta, Held, Latencies, Window};
use super::operations::Operations;
use super::past::Past;
use super::pool::Pool;
use super::snapshot::{Anomaly, CallState, ErrorsByKind};
use crate::detect::{CallJudge, Limits};
use crate::exchange::{Said, Sample, Side, Speech};
use crate::identity::{Port, ProcessKey, Transport};
use crate::protocol::{Ended, Fault, Protocol};
use crate::time::{Moment, Span};
use compact_str::CompactString;
use std::sync::Arc;
use tracer_common::Totals;

/// An edge of the graph.
#[derive(Debug)]
pub struct CallNode {
    pub port: Port,
    pub transport: Transport,
    pub protocol: Option<Protocol>,
    /// What is spoken inside, where the protocol hides it: as the client wanted it last.
    pub inside: Option<CompactString>,
    pub operations: Operations,
    pub state: CallState,
    pub first_seen: Moment,
    /// Whether it has been told as a new call.
    pub told: bool,
    pub totals: Totals,
    pub connections: u64,
    pub pool: Pool,
    /// Connections that the server's kernel dropped because its accept queue was full.
    pub accept_queue_drops: u64,
    /// How many of the requests are an estimate, from bytes that were not told.
    pub requests_estimated: u64,
    pub failed_connections: u64,
    /// `None` while there are none.
    errors: Option<Box<ErrorsByKind>>,
    pub latencies: Latencies,
    pub current: Window,
    pub past: Past,
    pub anomalies: Vec<Anomaly>,
    pub judge: CallJudge,
    /// What it is held to; `None` until it is judged, and after a change of the configuration.
    pub limits: Option<Arc<Limits>>,
    /// Who made the call last, and who served it last.
    pub client: Option<ProcessKey>,
    pub server: Option<ProcessKey>,
    /// Who of the processes that are followed made it last.
    pub followed: Option<ProcessKey>,
}

impl CallNode {
    #[must_use]
    pub fn new(port: Port, transport: Transport, at: Moment) -> Self {
        Self {
            port,
            transport,
            protocol: None,
            inside: None,
            operations: Operations::default(),
            state: CallState::Unjudged,
            first_seen: at,
            told: false,
            totals: Totals { requests: 0, responses: 0, bytes_sent: 0, bytes_received: 0 },
            connections: 0,
            pool: Pool::default(),
            accept_queue_drops: 0,
            requests_estimated: 0,
            failed_connections: 0,
            errors: None,
            latencies: Latencies::default(),
            current: Window::default(),
            past: Past::default(),
            anomalies: Vec::new(),
            judge: CallJudge::default(),
            limits: None,
            client: None,
            server: None,
            followed: None,
        }
    }

    /// Adds what a connection grew by, as the client tells it.
    pub fn grow(&mut self, delta: &Delta) {
        delta.add_to(&mut self.totals);
        self.current.requests = self.current.requests.saturating_add(delta.requests);
        self.current.responses = self.current.responses.saturating_add(delta.responses);
    }

    /// Adds the errors of a connection that ended.
    pub fn fail(&mut self, errors: &ErrorsByKind, connected: bool) {
        let all = metrics::sum(errors);
        if all > 0 {
            metrics::add(self.errors.get_or_insert_default(), errors);
        }
        self.current.errors = self.current.errors.saturating_add(all);
        if !connected {
            self.failed_connections += 1;
            self.current.failed_connections += 1;
        }
    }

    /// Its errors since the start.
    #[must_use]
    pub fn errors(&self) -> ErrorsByKind {
        self.errors.as_deref().copied().unwrap_or_default()
    }

    /// Adds an exchange.
    pub fn record(&mut self, sample: &Sample) {
        self.latencies.record(sample);
        let (span, counted) = match sample.latency {
            Some(span) => (Some(span), sample.client_counted),
            None => (sample.server_latency, sample.server_counted),
        };
        if let Some(span) = span.filter(|_| !counted) {
            self.current.latency.record(span);
        }
    }

    /// Adds exchanges that the kernel counted at one end; `in_window` says that the windows go by this end.
    pub fn count(&mut self, side: Side, seen: &LatencyHistogram, in_window: bool) {
        self.latencies.counted = self.latencies.counted.saturating_add(seen.len());
        match side {
            Side::Client => self.latencies.client.merge(seen),
            Side::Server => self.latencies.server.merge(seen),
        }
        if in_window {
            self.current.latency.merge(seen);
        }
    }

    /// Takes over what a connection has said.
    pub fn hear(&mut self, speech: &mut Speech) {
        self.protocol = speech.talk.protocol().or(self.protocol);
        if speech.inside.is_some() {
            self.inside.clone_from(&speech.inside);
        }
        self.operations.add_untold(speech.talk.take_untold());
        let estimated = speech.take_estimated();
        self.requests_estimated = self.requests_estimated.saturating_add(estimated);
        self.operations.add_untold(estimated);
        speech.take(|said| match said {
            Said::Time(sample) => self.record(sample),
            Said::Ended(ended, share) => self.end(ended, share),
        });
    }

    /// Adds a request that is over, and stands for so many.
    fn end(&mut self, ended: &Ended, share: u64) {
        if let Some(fault) = ended.outcome.fault {
            let errors = self.errors.get_or_insert_default();
            match fault {
                Fault::Service => errors.service += 1,
                Fault::Gateway => errors.gateway += 1,
            }
            self.current.errors += 1;
        }
        self.operations.add(ended, share);
    }

    /// Whether its requests are told apart by what is said, not by turns.
    #[must_use]
    pub fn is_understood(&self) -> bool {
        self.protocol.is_some_and(|protocol| protocol != Protocol::Tls)
    }

    /// Adds exchanges that were measured before the call was known.
    pub fn record_all(&mut self, held: &Held) {
        held.samples.iter().for_each(|sample| self.record(sample));
        let Some(held) = &held.more else { return };
        self.latencies.merge(held);
        let seen = if held.client.is_empty() { &held.server } else { &held.client };
        self.current.latency.merge(seen);
    }

    /// Ends the current window, puts it away and returns it.
    pub fn close_window(&mut self) -> Window {
        let window = std::mem::take(&mut self.current);
        self.past.add(&window);
        window
    }

    /// Whether nothing was ever counted: its connections turned out to be calls of others.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections == 0 && self.failed_connections == 0 && self.totals.requests == 0
    }

    /// Whether a request of this call was ever answered.
    #[must_use]
    pub fn has_answers(&self) -> bool {
        self.totals.responses > 0
    }

    /// The last windows and the current one, as one.
    #[must_use]
    pub fn recent(&self) -> Window {
        let mut all = self.current.clone();
        self.past.add_to(&mut all);
        all
    }

    /// Requests a second over the last windows, `requests` in all; `running` is how long the current one lasts already.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub fn rate(&self, requests: u64, window: Span, running: Span, now: Moment) -> Option<f64> {
        let covered =
            Span(window.0.saturating_mul(self.past.len()).saturating_add(running.0)).min(now.since(self.first_seen));
        (covered >= Span::from_millis(100)).then(|| requests as f64 / covered.as_seconds())
    }
}
