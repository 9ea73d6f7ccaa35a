//! What is asked for over a call, by operation.
//!
//! Invariant: a request counts for one operation; what is beyond the cap counts for `other`, and so does an error of which
//! nobody saw what was asked. Memory: 32 bytes for each call, some 180 for each of its
//! at most 128 operations, with a histogram and 32 for each of at most 16 statuses.

use super::histogram::LatencyHistogram;
use crate::protocol::{Ended, Fault, Operation, Status};
use std::collections::BTreeMap;

/// Operations of a call that are told apart.
pub const OPERATIONS: usize = 128;
/// Statuses of an operation.
const STATUSES: usize = 16;

/// The operations of a call.
#[derive(Clone, Debug, Default)]
pub struct Operations {
    known: BTreeMap<Operation, Box<Figures>>,
    /// `None` while there is nothing in it, as for most calls.
    other: Option<Box<Figures>>,
}

/// The figures of one operation.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    pub requests: u64,
    /// Some of them stand for others.
    pub sampled: bool,
    /// Failures of the service itself, and those that a gateway tells.
    pub service: u64,
    pub gateway: u64,
    /// By status, in ascending order.
    pub statuses: Vec<(Status, u64)>,
    pub latency: LatencyHistogram,
}

impl Operations {
    /// Adds a request that stands for so many, but for errors, which are all told.
    pub fn add(&mut self, ended: &Ended, share: u64) {
        let figures = if ended.operation.is_unknown() {
            self.other.get_or_insert_default()
        } else if let Some(figures) = self.known.get_mut(&ended.operation) {
            figures
        } else if self.known.len() < OPERATIONS {
            self.known.entry(ended.operation.clone()).or_default()
        } else {
            self.other.get_or_insert_default()
        };
        let weight = if ended.outcome.fault.is_none() { share } else { 1 };
        figures.requests = figures.requests.saturating_add(weight);
        figures.sampled |= share > 1;
        match ended.outcome.fault {
            Some(Fault::Service) => figures.service += 1,
            Some(Fault::Gateway) => figures.gateway += 1,
            None => {}
        }
        figures.count(&ended.outcome.status, weight);
        if let Some(answered) = ended.answered.filter(|_| !ended.operation.is_unknown()) {
            figures.latency.record(answered.since(ended.asked));
        }
    }

    /// Adds requests of which nothing but their number is known any more.
    pub fn add_untold(&mut self, requests: u64) {
        if requests > 0 {
            let other = self.other.get_or_insert_default();
            other.requests = other.requests.saturating_add(requests);
        }
    }

    /// Each operation and its figures, by name; what is beyond the cap last, under no name.
    pub fn iter(&self) -> impl Iterator<Item = (Option<&Operation>, &Figures)> {
        let other = self.other.as_deref().filter(|other| other.requests > 0).map(|other| (None, other));
        self.known.iter().map(|(operation, figures)| (Some(operation), &**figures)).chain(other)
    }
}

impl Figures {
    /// Counts a status; one beyond the cap is not told apart.
    fn count(&mut self, status: &Status, weight: u64) {
        match self.statuses.binary_search_by(|(held, _)| held.cmp(status)) {
            Ok(place) => {
                let held = self.statuses.get_mut(place).into_iter();
                held.for_each(|(_, count)| *count = count.saturating_add(weight));
            }
            Err(place) if self.statuses.len() < STATUSES => {
                self.statuses.reserve_exact(1);
                self.statuses.insert(place, (status.clone(), weight));
            }
            Err(_) => {}
        }
    }
}
