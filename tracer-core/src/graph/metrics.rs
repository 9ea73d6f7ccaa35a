//! The figures of a call: what grew, how long it took, and both by window.
//!
//! Invariant: counts are sums of what connections grew by, so they are exact whatever records were lost.
//! Memory: histograms grow with the number of different latencies; `limits::WINDOWS` windows; `HELD_SAMPLES` exchanges.

use super::histogram::LatencyHistogram;
use super::snapshot::ErrorsByKind;
use crate::exchange::{Sample, Side};
use smallvec::SmallVec;
use tracer_common::Totals;

/// Exchanges of one connection that are held one by one.
const HELD_SAMPLES: usize = 8;

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
        totals.requests = totals.requests.saturating_add(self.requests);
        totals.responses = totals.responses.saturating_add(self.responses);
        totals.bytes_sent = totals.bytes_sent.saturating_add(self.bytes_sent);
        totals.bytes_received = totals.bytes_received.saturating_add(self.bytes_received);
    }
}

/// Latencies as the client sees them, as the server does, and the difference.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    pub client: LatencyHistogram,
    pub server: LatencyHistogram,
    pub wait: LatencyHistogram,
    /// Until the last byte of the response, at the client: from the first response on that came in parts. Behind that the
    /// kernel's counts are not in it.
    complete: Option<Box<LatencyHistogram>>,
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
        if let Some(complete) = sample.complete {
            if self.complete.is_none() && sample.latency.is_some_and(|latency| latency < complete) {
                self.complete = Some(Box::new(self.complete_until_now()));
            }
            if let Some(histogram) = &mut self.complete {
                histogram.record(complete);
            }
        }
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

    /// Until the last byte of the response, at the client.
    #[must_use]
    pub fn complete(&self) -> &LatencyHistogram {
        self.complete.as_deref().unwrap_or(&self.client)
    }

    /// As long as each response came at once, it was complete when it was there; of those that the kernel counted nobody
    /// knows any more which they were.
    fn complete_until_now(&self) -> LatencyHistogram {
        if self.counted == 0 { self.client.clone() } else { LatencyHistogram::default() }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        if self.complete.is_none() && other.complete.is_some() {
            self.complete = Some(Box::new(self.complete_until_now()));
        }
        if let Some(complete) = &mut self.complete {
            complete.merge(other.complete());
        }
        self.client.merge(&other.client);
        self.server.merge(&other.server);
        self.wait.merge(&other.wait);
        self.counted = self.counted.saturating_add(other.counted);
    }
}

/// What was measured of exchanges before it was known which call they are of.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The first of them: most connections have one or two by then, and a histogram costs more than those.
    pub samples: SmallVec<[Sample; 1]>,
    /// All others.
    pub more: Option<Box<Latencies>>,
}

impl Held {
    /// Adds one exchange.
    pub fn record(&mut self, sample: Sample) {
        if self.samples.len() < HELD_SAMPLES {
            self.samples.push(sample);
        } else {
            self.more.get_or_insert_default().record(&sample);
        }
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        other.samples.iter().for_each(|sample| self.record(*sample));
        if let Some(more) = &other.more {
            self.more.get_or_insert_default().merge(more);
        }
    }
}

/// What happened in one window.
#[derive(Clone, Debug, Default)]
pub struct Window {
    pub requests: u64,
    /// Requests that were answered; judged, and not put away.
    pub responses: u64,
    pub failed_connections: u64,
    pub errors: u64,
    /// Connections that the server's kernel dropped; judged, and not put away.
    pub accept_queue_drops: u64,
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
    let connections = [errors.refused, errors.timed_out, errors.connect_failed, errors.reset];
    let requests = [errors.unanswered, errors.closed_in_response, errors.service, errors.gateway];
    connections.into_iter().chain(requests).fold(0, u64::saturating_add)
}

/// Adds `more` to `errors`.
pub fn add(errors: &mut ErrorsByKind, more: &ErrorsByKind) {
    errors.refused = errors.refused.saturating_add(more.refused);
    errors.timed_out = errors.timed_out.saturating_add(more.timed_out);
    errors.connect_failed = errors.connect_failed.saturating_add(more.connect_failed);
    errors.reset = errors.reset.saturating_add(more.reset);
    errors.unanswered = errors.unanswered.saturating_add(more.unanswered);
    errors.closed_in_response = errors.closed_in_response.saturating_add(more.closed_in_response);
    errors.service = errors.service.saturating_add(more.service);
    errors.gateway = errors.gateway.saturating_add(more.gateway);
}
