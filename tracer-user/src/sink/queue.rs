//! A bounded queue between the observation and a sink.
//!
//! Invariant: pushing never waits; when full, the oldest goes and is counted. Memory: [`CAPACITY`] items.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Items that wait at most.
pub(crate) const CAPACITY: usize = 4096;

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    dropped: u64,
    closed: bool,
}

/// The queue: one side is the observation, which is not asynchronous, the other a sink, which is.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Notify,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let state = State { items: VecDeque::new(), dropped: 0, closed: false };
        Self { state: Mutex::new(state), changed: Notify::new() }
    }
}

impl<T> Queue<T> {
    /// Adds an item; drops the oldest when full.
    pub(crate) fn push(&self, item: T) {
        let mut state = self.lock();
        if state.items.len() >= CAPACITY {
            state.items.pop_front();
            state.dropped += 1;
        }
        state.items.push_back(item);
        drop(state);
        self.changed.notify_one();
    }

    /// The oldest item; waits for one. `None` once the queue is closed and empty.
    pub(crate) async fn pop(&self) -> Option<T> {
        loop {
            {
                let mut state = self.lock();
                if let Some(item) = state.items.pop_front() {
                    return Some(item);
                }
                if state.closed {
                    return None;
                }
            }
            // A notification given in between is kept, so none is missed.
            self.changed.notified().await;
        }
    }

    /// Nothing will be added any more.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// Items dropped because the queue was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Items that wait.
    pub(crate) fn left(&self) -> u64 {
        u64::try_from(self.lock().items.len()).unwrap_or(u64::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // A panic elsewhere leaves the queue itself whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_full_queue_drops_the_oldest_and_counts_it() {
        let queue = Queue::default();
        (0..CAPACITY + 3).for_each(|number| queue.push(number));
        assert_eq!((queue.dropped(), queue.pop().await), (3, Some(3)));
    }

    #[tokio::test]
    async fn a_closed_queue_gives_what_it_holds_and_then_nothing() {
        let queue = Queue::default();
        queue.push(1);
        queue.close();
        assert_eq!((queue.pop().await, queue.pop().await), (Some(1), None));
    }
}
