//! What is known now, for those who ask.
//!
//! Invariant: a page never changes; a new one is put up only when somebody has asked since the last. Memory: one page, and
//! the pages that somebody is reading; [`MOST_ENDED`] alerts that are over.

use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tracer_core::alert::{Account, Alert, AlertState};
use tracer_core::export::metrics::Exposition;
use tracer_core::{Engine, Output};

/// A page that is not older is fresh.
const FRESH: Duration = Duration::from_secs(1);
/// How long somebody waits for a fresh one: the observation sleeps for up to two seconds while nothing happens.
const PATIENCE: Duration = Duration::from_secs(3);
/// Alerts that are over and still told.
const MOST_ENDED: usize = 100;

/// Where pages are put up.
#[derive(Debug)]
pub(super) struct Board {
    page: watch::Sender<Option<Arc<Page>>>,
    /// Whether somebody has asked since the last page.
    asked: AtomicBool,
    ended: Mutex<VecDeque<Alert>>,
}

/// What was known at a moment.
#[derive(Debug)]
pub(super) struct Page {
    made: Instant,
    pub(super) exposition: Exposition,
    pub(super) firing: Vec<Alert>,
    /// The last ones that are over, the latest last.
    pub(super) ended: Vec<Alert>,
    /// Texts that were asked for, by what they were made by.
    texts: Mutex<Vec<(usize, Bytes)>>,
}

impl Default for Board {
    fn default() -> Self {
        // The first page is made without being asked for, so that there is one.
        Self { page: watch::Sender::new(None), asked: AtomicBool::new(true), ended: Mutex::default() }
    }
}

impl Board {
    /// Puts up a page if somebody has asked for one; `sinks` gives the accounts of who is told of alerts.
    pub(super) fn offer(&self, engine: &Engine, sinks: impl FnOnce() -> Vec<(String, Account)>) {
        if !self.asked.swap(false, Ordering::Relaxed) {
            return;
        }
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect();
        let page = Page {
            made: Instant::now(),
            exposition: Exposition { sinks: sinks(), ..engine.exposition() },
            firing: engine.firing_alerts().collect(),
            ended,
            texts: Mutex::default(),
        };
        self.page.send_replace(Some(Arc::new(page)));
    }

    /// Takes note of alerts that are over.
    pub(super) fn note(&self, outputs: &[Output]) {
        for output in outputs {
            if let Output::Alert(alert) = output
                && alert.state == AlertState::Resolved
            {
                let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
                if ended.len() >= MOST_ENDED {
                    ended.pop_front();
                }
                ended.push_back(alert.as_ref().clone());
            }
        }
    }

    /// A fresh page, or the last one if the observation makes none; `None` if there never was one.
    pub(super) async fn page(&self) -> Option<Arc<Page>> {
        let mut pages = self.page.subscribe();
        let now = pages.borrow_and_update().clone();
        if let Some(page) = now.as_ref().filter(|page| page.is_fresh()) {
            return Some(Arc::clone(page));
        }
        self.asked.store(true, Ordering::Relaxed);
        match tokio::time::timeout(PATIENCE, pages.changed()).await {
            Ok(Ok(())) => pages.borrow().clone(),
            _ => now,
        }
    }
}

impl Page {
    /// Whether it was made within the last second.
    pub(super) fn is_fresh(&self) -> bool {
        self.made.elapsed() <= FRESH
    }

    /// Whether the observation did not make another one although somebody waited for it.
    pub(super) fn is_stale(&self) -> bool {
        self.made.elapsed() >= PATIENCE
    }

    /// The text that `make` makes of the page; made once for each `kind`.
    pub(super) fn text(&self, kind: usize, make: impl FnOnce(&Self) -> String) -> Bytes {
        let mut texts = self.texts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, text)) = texts.iter().find(|(of, _)| *of == kind) {
            return text.clone();
        }
        let text = Bytes::from(make(self));
        texts.push((kind, text.clone()));
        text
    }
}
