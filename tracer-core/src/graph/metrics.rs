//! The figures of a call: what grew, how long it took, and both by window.
//!
//! Invariant: counts are sums of what connections grew by, so they are exact whatever records were lost.
//! Memory: histograms grow with the number of different latencies; `limits::WINDOWS` windows.

use super::histogram::LatencyHistogram;
use super::snapshot::ErrorsByKind;
use crate::exchange::{Sample, Side};
use tracer_common::Totals;

/// What grew at one end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    pub requests: u64,
    pub responses: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
}

impl Delta {
    /// The same growth as the other end would tell it.
    #[must_use]
    pub fn mirrored(self) -> Self {
        Self { bytes_sent: self.bytes_received, bytes_received: self.bytes_sent, ..self }
    }

    /// Adds to a call's totals.
    pub fn add_to(&self, totals: &mut Totals) {
        totals.requests += self.requests;
        totals.responses += self.responses;
        totals.bytes_sent += self.bytes_sent;
        totals.bytes_received += self.bytes_received;
    }
}

/// Latencies as the client sees them, as the server does, and the difference.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    pub client: LatencyHistogram,
    pub server: LatencyHistogram,
    pub wait: LatencyHistogram,
    /// Exchanges that the kernel counted: only a share of them is known by itself.
    pub counted: u64,
}

impl Latencies {
    /// What the kernel has counted at one side.
    #[must_use]
    pub fn of(side: Side, seen: LatencyHistogram) -> Self {
        let counted = seen.len();
        match side {
            Side::Client => Self { client: seen, counted, ..Self::default() },
            Side::Server => Self { server: seen, counted, ..Self::default() },
        }
    }

    /// Adds one exchange, without what the kernel has counted.
    pub fn record(&mut self, sample: &Sample) {
        let pairs = [
            (&mut self.client, sample.latency, sample.client_counted),
            (&mut self.server, sample.server_latency, sample.server_counted),
            (&mut self.wait, sample.wait, false),
        ];
        for (histogram, span, counted) in pairs {
            if let Some(span) = span.filter(|_| !counted) {
                histogram.record(span);
            }
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.client.merge(&other.client);
        self.server.merge(&other.server);
        self.wait.merge(&other.wait);
        self.counted = self.counted.saturating_add(other.counted);
    }
}

/// What happened in one window.
#[derive(Clone, Debug, Default)]
pub struct Window {
    pub requests: u64,
    pub failed_connections: u64,
    pub errors: u64,
    /// The client's latency, or the server's where no client is on this host.
    pub latency: LatencyHistogram,
}

impl Window {
    /// Whether nothing happened in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requests == 0 && self.failed_connections == 0 && self.errors == 0 && self.latency.is_empty()
    }
}

/// All errors.
#[must_use]
pub fn sum(errors: &ErrorsByKind) -> u64 {
    errors.refused + errors.timed_out + errors.connect_failed + errors.reset + errors.unanswered
}

/// Adds `more` to `errors`.
pub fn add(errors: &mut ErrorsByKind, more: &ErrorsByKind) {
    errors.refused += more.refused;
    errors.timed_out += more.timed_out;
    errors.connect_failed += more.connect_failed;
    errors.reset += more.reset;
    errors.unanswered += more.unanswered;
}
