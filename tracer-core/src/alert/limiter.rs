//! How many alerts are told: so many a minute, of one call and of all together.
//!
//! An alert beyond that is held back, and told as soon as there is room if it still fires; if it ends before, neither its
//! begin nor its end is told. An end is never held back: there are no more ends than begins that were told.
//! Invariant: whoever was told that an alert fires is told that it ended. Memory: at most `HELD` alerts, of which the oldest
//! goes and is counted, and a level for each of at most `CALLS` calls.

use super::{Alert, AlertState};
use crate::baseline::CallKey;
use crate::time::{Moment, Span};
use std::collections::{BTreeMap, VecDeque};

/// Alerts that are held back at most.
const HELD: usize = 4_096;
/// Calls whose alerts are counted; those beyond it are held to the limit of all alone.
const CALLS: usize = 4_096;
/// What the limits refer to.
const PERIOD: Span = Span::from_seconds(60);

/// Alerts that may begin in a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub all: u32,
    pub of_one_call: u32,
}

/// What the limiter did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Alerts that were held back for a while or for good.
    pub held: u64,
    /// Of those: over before there was room.
    pub over: u64,
    /// Of those: dropped, because too many were held back.
    pub dropped: u64,
}

/// Lets so many through.
#[derive(Clone, Debug)]
pub struct Limiter {
    limits: Limits,
    all: Level,
    calls: BTreeMap<CallKey, Level>,
    held: VecDeque<Alert>,
    /// What was dropped last, until it is taken.
    dropped: Option<Alert>,
    counts: Counts,
}

/// A leaky bucket: each alert adds its share of the period, and time takes it away.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    /// When it is empty.
    empty: Moment,
}

impl Level {
    fn has_room(self, limit: u32, now: Moment) -> bool {
        limit > 0 && self.empty.since(now).0.saturating_add(PERIOD.0 / u64::from(limit)) <= PERIOD.0
    }

    fn add(&mut self, limit: u32, now: Moment) {
        self.empty = self.empty.max(now).after(Span(PERIOD.0 / u64::from(limit.max(1))));
    }
}

impl Limiter {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            all: Level::default(),
            calls: BTreeMap::new(),
            held: VecDeque::new(),
            dropped: None,
            counts: Counts::default(),
        }
    }

    /// Takes an alert; gives it back if it is to be told now.
    pub fn enter(&mut self, alert: Alert, now: Moment) -> Option<Alert> {
        if alert.state == AlertState::Resolved {
            let before = self.held.len();
            self.held.retain(|held| held.id != alert.id);
            let over = before.saturating_sub(self.held.len());
            self.counts.over = self.counts.over.saturating_add(u64::try_from(over).unwrap_or(0));
            return (over == 0).then_some(alert);
        }
        if self.admits(&alert, now) {
            return Some(alert);
        }
        self.counts.held = self.counts.held.saturating_add(1);
        if self.held.len() >= HELD {
            self.dropped = self.held.pop_front();
            self.counts.dropped = self.counts.dropped.saturating_add(1);
        }
        self.held.push_back(alert);
        None
    }

    /// The alert that the last one which entered has displaced: it is told never, unless it begins anew.
    pub fn take_dropped(&mut self) -> Option<Alert> {
        self.dropped.take()
    }

    /// What was held back and may be told now, oldest first.
    pub fn release(&mut self, now: Moment) -> Vec<Alert> {
        if self.held.is_empty() || !self.all.has_room(self.limits.all, now) {
            return Vec::new();
        }
        let held = std::mem::take(&mut self.held);
        let (mut told, mut kept) = (Vec::new(), VecDeque::new());
        for alert in held {
            if self.admits(&alert, now) { told.push(alert) } else { kept.push_back(alert) }
        }
        self.held = kept;
        told
    }

    /// The ids of the alerts that are held back now.
    pub fn held(&self) -> impl Iterator<Item = &str> {
        self.held.iter().map(|held| held.id.as_str())
    }

    /// Alerts that are held back now.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.held.len()
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    fn admits(&mut self, alert: &Alert, now: Moment) -> bool {
        let call = alert.call();
        let level = self.calls.get(&call).copied().unwrap_or_default();
        if !self.all.has_room(self.limits.all, now) || !level.has_room(self.limits.of_one_call, now) {
            return false;
        }
        self.all.add(self.limits.all, now);
        if self.calls.len() >= CALLS {
            self.calls.retain(|_, level| level.empty > now);
        }
        if self.calls.len() < CALLS || self.calls.contains_key(&call) {
            self.calls.entry(call).or_default().add(self.limits.of_one_call, now);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::sample;

    fn alert(id: &str, port: u16, state: AlertState) -> Alert {
        let sample = sample::alert("2026-01-01T00:00:00.000Z");
        Alert { id: id.to_owned(), port: port.into(), state, ..sample }
    }

    fn at(seconds: u64) -> Moment {
        Moment(1_000_000_000_000).after(Span::from_seconds(seconds))
    }

    fn ids(alerts: &[Alert]) -> Vec<&str> {
        alerts.iter().map(|alert| alert.id.as_str()).collect()
    }

    #[test]
    fn what_is_beyond_the_limit_is_told_in_order_as_soon_as_there_is_room() {
        let mut limiter = Limiter::new(Limits { all: 2, of_one_call: 60 });
        let firing = |id, port| alert(id, port, AlertState::Firing);
        let told: Vec<bool> = ["a", "b", "c", "d"]
            .iter()
            .zip(1..)
            .map(|(id, port)| limiter.enter(firing(id, port), at(0)).is_some())
            .collect();
        assert_eq!(told, [true, true, false, false]);
        assert_eq!((limiter.waiting(), limiter.counts().held), (2, 2));
        assert!(limiter.release(at(29)).is_empty());
        assert_eq!(ids(&limiter.release(at(30))), ["c"]);
        assert_eq!(ids(&limiter.release(at(60))), ["d"]);
        assert_eq!(limiter.counts(), Counts { held: 2, over: 0, dropped: 0 });
    }

    #[test]
    fn one_call_that_flaps_is_held_to_its_own_limit_and_the_others_are_told() {
        let mut limiter = Limiter::new(Limits { all: 60, of_one_call: 1 });
        assert!(limiter.enter(alert("a", 1, AlertState::Firing), at(0)).is_some());
        assert!(limiter.enter(alert("a", 1, AlertState::Resolved), at(1)).is_some());
        assert!(limiter.enter(alert("a", 1, AlertState::Firing), at(2)).is_none());
        assert!(limiter.enter(alert("b", 2, AlertState::Firing), at(2)).is_some());
        assert!(limiter.enter(alert("a", 1, AlertState::Resolved), at(3)).is_none(), "its begin was not told either");
        assert_eq!(limiter.counts(), Counts { held: 1, over: 1, dropped: 0 });
        assert!(limiter.release(at(600)).is_empty());
    }

    #[test]
    fn an_end_is_told_whenever_its_begin_was_however_many_there_are() {
        let mut limiter = Limiter::new(Limits { all: 1, of_one_call: 1 });
        assert!(limiter.enter(alert("a", 1, AlertState::Firing), at(0)).is_some());
        for id in ["a", "fired before the start"] {
            assert!(limiter.enter(alert(id, 1, AlertState::Resolved), at(0)).is_some());
        }
    }

    #[test]
    fn when_too_many_are_held_back_the_oldest_goes_and_is_counted() {
        let mut limiter = Limiter::new(Limits { all: 0, of_one_call: 1 });
        for number in 0..=HELD {
            assert!(limiter.enter(alert(&number.to_string(), 1, AlertState::Firing), at(0)).is_none());
        }
        assert_eq!((limiter.waiting(), limiter.counts().dropped), (HELD, 1));
        assert_eq!(limiter.take_dropped().map(|alert| alert.id).as_deref(), Some("0"));
        assert!(limiter.take_dropped().is_none());
        assert!(limiter.enter(alert("0", 1, AlertState::Resolved), at(0)).is_some(), "said rather than forgotten");
        assert!(limiter.enter(alert("1", 1, AlertState::Resolved), at(0)).is_none());
    }
}
