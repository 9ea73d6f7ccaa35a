//! The connections that a call goes over: how many are open, the most that ever were at once, and what requests waited
//! outside the server in a window.
//!
//! Invariant: the most that were open is never less than what a window or a snapshot finds open; it may be too low where
//! connections were over before anybody knew whose they were. Memory: seven numbers for each call.

use super::Open;
use super::histogram::LatencyHistogram;
use super::metrics::Latencies;
use crate::detect;
use crate::time::Span;

/// The connections of a call.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pool {
    open: u64,
    most: u64,
    /// The most before the current window.
    most_before: u64,
    wait: Measured,
    server: Measured,
}

/// What was measured until the current window.
#[derive(Clone, Copy, Debug, Default)]
struct Measured {
    samples: u64,
    sum: u64,
}

impl Pool {
    /// One more is open.
    pub fn open(&mut self) {
        self.open += 1;
        self.most = self.most.max(self.open);
    }

    /// One is not open any more.
    pub fn close(&mut self) {
        self.open = self.open.saturating_sub(1);
    }

    /// The most that were open at once; `now` are.
    #[must_use]
    pub fn most(&self, now: u64) -> u64 {
        self.most.max(now)
    }

    /// Ends a window, at the end of which `open` is open and `latencies` were measured since the start. `None` where nothing was
    /// measured of what requests wait.
    pub fn end_window(&mut self, open: &Open, latencies: &Latencies) -> Option<detect::Pool> {
        let (waited, served) = (self.wait.advance(&latencies.wait), self.server.advance(&latencies.server));
        let (high_water, most) = (self.most_before, self.most(open.connections));
        (self.open, self.most, self.most_before) = (open.connections, most, most);
        let ((wait, samples), (server, _)) = (waited?, served?);
        Some(detect::Pool { open: open.connections, busy: open.busy, high_water, wait, server, samples })
    }
}

impl Measured {
    /// The mean of what came since, and of how many that is.
    fn advance(&mut self, all: &LatencyHistogram) -> Option<(Span, u64)> {
        let now = Self { samples: all.len(), sum: all.sum().0 };
        let before = std::mem::replace(self, now);
        let samples = now.samples.saturating_sub(before.samples);
        Some((Span(now.sum.saturating_sub(before.sum).checked_div(samples)?), samples))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::Sample;

    fn sample(wait: u64, server: u64) -> Sample {
        Sample { wait: Some(Span(wait)), server_latency: Some(Span(server)), ..Sample::default() }
    }

    #[test]
    fn a_window_has_the_means_of_its_own_exchanges_and_the_most_that_were_open_before() {
        let (mut pool, mut latencies) = (Pool::default(), Latencies::default());
        (0..3).for_each(|_| pool.open());
        pool.close();
        let open = Open { connections: 2, busy: 1, ..Open::default() };
        assert_eq!(pool.end_window(&open, &latencies), None, "nothing was measured");
        assert_eq!((pool.most(2), pool.most(5)), (3, 5));
        latencies.record(&sample(100, 10));
        latencies.record(&sample(300, 30));
        let first = detect::Pool { open: 2, busy: 1, high_water: 3, wait: Span(200), server: Span(20), samples: 2 };
        assert_eq!(pool.end_window(&open, &latencies), Some(first));
        latencies.record(&sample(50, 5));
        let second = detect::Pool { wait: Span(50), server: Span(5), samples: 1, ..first };
        assert_eq!(pool.end_window(&open, &latencies), Some(second));
    }
}
