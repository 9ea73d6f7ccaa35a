//! The last windows of a call, put away: they are looked at only to be shown.
//!
//! Invariant: what is put away comes back the same, but for the order in which values came. Memory: `limits::WINDOWS`
//! windows in which something happened, packed: 24 bytes and some 25 for each, and two for most buckets of its latency;
//! nothing for a window in which nothing happened.

use super::histogram::Packed;
use super::metrics::Window;
use crate::limits;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Windows that are over.
#[derive(Debug, Default)]
pub struct Past {
    /// How many windows are over.
    closed: u64,
    /// The last of them, each with its number and packed, without those in which nothing happened.
    windows: VecDeque<(u64, Box<[u8]>)>,
}

/// A window as it is put away.
#[derive(Debug, Serialize, Deserialize)]
struct PackedWindow {
    requests: u64,
    failed_connections: u64,
    errors: u64,
    latency: Packed,
}

impl Past {
    /// Puts a window away, and forgets those that are too old.
    pub fn add(&mut self, window: &Window) {
        self.closed += 1;
        let oldest = self.closed.saturating_sub(kept());
        while self.windows.front().is_some_and(|(number, _)| *number <= oldest) {
            self.windows.pop_front();
        }
        if self.windows.is_empty() {
            self.windows = VecDeque::new();
        }
        if window.is_empty() {
            return;
        }
        let Window { requests, failed_connections, errors, .. } = *window;
        let packed = PackedWindow { requests, failed_connections, errors, latency: window.latency.pack() };
        // Nothing of it can fail to be written to memory.
        if let Ok(bytes) = postcard::to_allocvec(&packed) {
            self.windows.reserve_exact(1);
            self.windows.push_back((self.closed, bytes.into_boxed_slice()));
        }
    }

    /// How many windows are kept, those in which nothing happened among them.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.closed.min(kept())
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.closed == 0
    }

    /// Adds all that is kept to `window`.
    pub fn add_to(&self, window: &mut Window) {
        for (_, bytes) in &self.windows {
            let Ok(packed) = postcard::from_bytes::<PackedWindow>(bytes) else { continue };
            window.requests = window.requests.saturating_add(packed.requests);
            window.failed_connections = window.failed_connections.saturating_add(packed.failed_connections);
            window.errors = window.errors.saturating_add(packed.errors);
            window.latency.merge_packed(&packed.latency);
        }
    }
}

fn kept() -> u64 {
    u64::try_from(limits::WINDOWS).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    fn window(requests: u64, latencies: &[u64]) -> Window {
        let mut window = Window { requests, errors: requests / 2, ..Window::default() };
        latencies.iter().for_each(|latency| window.latency.record(Span(*latency)));
        window
    }

    fn all(past: &Past) -> Window {
        let mut all = Window::default();
        past.add_to(&mut all);
        all
    }

    #[test]
    fn what_was_put_away_comes_back_as_it_was_whatever_its_size() {
        let latencies: Vec<u64> = (0..3_000).map(|number| number * number * 1_000).chain([u64::MAX]).collect();
        let mut past = Past::default();
        past.add(&window(7, &latencies));
        past.add(&window(3, &[5, 5]));
        let both = window(10, &[latencies.as_slice(), &[5, 5]].concat());
        let found = all(&past);
        assert_eq!((found.requests, found.errors), (10, 4));
        assert_eq!(found.latency, both.latency);
    }

    #[test]
    fn only_the_last_windows_are_kept_and_empty_ones_take_nothing() {
        let mut past = Past::default();
        for number in 1..=20 {
            past.add(&window(number, &[number]));
        }
        assert_eq!((past.len(), all(&past).requests), (6, (15..=20).sum()));
        for _ in 0..5 {
            past.add(&Window::default());
        }
        assert_eq!((past.len(), all(&past).requests), (6, 20));
        past.add(&Window::default());
        assert_eq!((past.windows.capacity(), all(&past).latency.len()), (0, 0));
    }
}
