//! What a detector sees of a chain: two calls, of which the second was made to serve the first.
//!
//! The seam for chains. Where the kernel tells which inbound request a thread was serving when it sent another, every
//! such pair is a [`Step`]; a chain A→B→C→D is the steps (A→B, B→C) and (B→C, C→D). Nothing fills it yet.
//! Invariant: a step joins at one service: the server of the first call is the client of the second. Memory: at most
//! [`MOST_STEPS`] known steps.

use super::unexpected_path::UnexpectedPath;
use super::{Judgement, Limits, Verdict};
use crate::baseline::CallKey;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

/// Steps that are remembered; beyond it a new one is not known, and counted.
pub const MOST_STEPS: usize = 65_536;

/// All detectors of chains.
pub static PATH_DETECTORS: [&dyn PathDetector; 1] = [&UnexpectedPath];

/// Finds one kind of anomaly of a chain.
pub trait PathDetector: Debug + Sync {
    fn kind(&self) -> &'static str;

    fn judge(&self, step: &Step<'_>, known: &KnownPaths) -> Verdict;
}

/// Two calls of a chain that follow each other.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    pub inbound: &'a CallKey,
    pub outbound: &'a CallKey,
    /// Whether the baseline lists both calls: one that it does not list is told as such.
    pub expected: bool,
    /// Chains that took this step.
    pub chains: u64,
}

impl Step<'_> {
    /// Whether the second call begins where the first ends.
    #[must_use]
    pub fn is_joined(&self) -> bool {
        self.inbound.to == self.outbound.from
    }
}

/// The steps that occurred while learning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownPaths {
    /// By outbound call: the inbound calls that caused it.
    causes: BTreeMap<CallKey, BTreeSet<CallKey>>,
    steps: usize,
    dropped: u64,
}

impl KnownPaths {
    /// Notes a step; one that does not join is none.
    pub fn learn(&mut self, step: &Step<'_>) {
        if !step.is_joined() {
            return;
        }
        let known = self.causes.get(step.outbound).is_some_and(|causes| causes.contains(step.inbound));
        if known {
            return;
        }
        if self.steps >= MOST_STEPS {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.causes.entry(step.outbound.clone()).or_default().insert(step.inbound.clone());
        self.steps += 1;
    }

    /// What caused a call while learning; `None` if no chain with it was seen.
    #[must_use]
    pub fn causes(&self, outbound: &CallKey) -> Option<&BTreeSet<CallKey>> {
        self.causes.get(outbound)
    }

    /// Steps that found no room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// The judgement of every detector on a step.
#[must_use]
pub fn judge(step: &Step<'_>, known: &KnownPaths, limits: &Limits) -> Vec<Judgement> {
    let judge = |detector: &&dyn PathDetector| {
        let kind = detector.kind();
        let verdict = if limits.off.contains(kind) { Verdict::Clean } else { detector.judge(step, known) };
        Judgement { kind, verdict }
    };
    PATH_DETECTORS.iter().map(judge).collect()
}
