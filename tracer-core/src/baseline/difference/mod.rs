//! What is different between two baselines: `tracer.baseline-diff/1`.
//!
//! `rule` says when a figure has changed; `text`, `json` and `mermaid` write the difference down. Invariant: every call of
//! either baseline is in at most one list, each list sorted by key; turned round, the difference of two baselines is the
//! difference of the turned, with new and gone exchanged. Memory: copies of what differs.

mod json;
mod mermaid;
mod rule;
mod text;

pub use json::json;
pub use mermaid::mermaid;
pub use rule::{Change, Value};
pub use text::{Paint, text};

use super::{Baseline, Entry, ExpectedCall, Learned};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The value of [`Difference::schema`].
pub const SCHEMA: &str = "tracer.baseline-diff/1";

/// The difference of two baselines.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    pub schema: &'static str,
    pub older: Side,
    pub newer: Side,
    /// Calls that only the newer one has.
    pub new: Vec<ExpectedCall>,
    /// Calls that only the older one has.
    pub gone: Vec<ExpectedCall>,
    /// Calls that both have and that are not as they were.
    pub changed: Vec<Changed>,
    /// Calls that both have and that are.
    pub same: usize,
    /// What somebody wrote into the list `allow`, or took out.
    pub allow: Entries,
    /// The same of `deny`.
    pub deny: Entries,
}

/// One of the two.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Side {
    /// What it was read from.
    pub name: String,
    pub learned: Learned,
}

/// A call that is not as it was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Changed {
    pub before: ExpectedCall,
    pub after: ExpectedCall,
    /// At least one.
    pub changes: Vec<Change>,
}

/// Entries that one of the two has alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Entries {
    pub new: Vec<Entry>,
    pub gone: Vec<Entry>,
}

impl Difference {
    /// Compares two baselines, by the names of what they were read from. `entries` says whether what was written by hand
    /// is compared, which a graph does not have.
    #[must_use]
    pub fn of((older_name, older): (&str, &Baseline), (newer_name, newer): (&str, &Baseline), entries: bool) -> Self {
        let side = |name: &str, of: &Baseline| Side { name: name.to_owned(), learned: of.learned().clone() };
        let missing_in = |other: &Baseline, of: &Baseline| -> Vec<ExpectedCall> {
            of.calls().iter().filter(|call| other.expectation(&call.key()).is_none()).cloned().collect()
        };
        let (mut new, mut gone) = (missing_in(older, newer), missing_in(newer, older));
        let mut pairs: Vec<(ExpectedCall, ExpectedCall)> = moved(&mut gone, &mut new);
        let both =
            older.calls().iter().filter_map(|call| Some((call.clone(), newer.expectation(&call.key())?.clone())));
        pairs.extend(both);
        pairs.sort_by_cached_key(|(before, _)| before.key());
        let all = pairs.len();
        let changed: Vec<Changed> = pairs
            .into_iter()
            .filter_map(|(before, after)| {
                let changes = rule::changes((&before, older.learned()), (&after, newer.learned()));
                (!changes.is_empty()).then_some(Changed { before, after, changes })
            })
            .collect();
        let compared = |of: fn(&Baseline) -> &[Entry]| {
            let without = |one: &Baseline, other: &Baseline| -> Vec<Entry> {
                of(one).iter().filter(|entry| entries && !of(other).contains(entry)).cloned().collect()
            };
            Entries { new: without(newer, older), gone: without(older, newer) }
        };
        Self {
            schema: SCHEMA,
            older: side(older_name, older),
            newer: side(newer_name, newer),
            same: all - changed.len(),
            new,
            gone,
            changed,
            allow: compared(Baseline::allow),
            deny: compared(Baseline::deny),
        }
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let without = |entries: &Entries| entries.new.is_empty() && entries.gone.is_empty();
        self.new.is_empty()
            && self.gone.is_empty()
            && self.changed.is_empty()
            && without(&self.allow)
            && without(&self.deny)
    }
}

/// Calls between the same two services that only changed their port: one is gone and one is new, and no other of either.
fn moved(gone: &mut Vec<ExpectedCall>, new: &mut Vec<ExpectedCall>) -> Vec<(ExpectedCall, ExpectedCall)> {
    type Ends = (String, String, String);
    let ends = |call: &ExpectedCall| -> Ends { (call.from.clone(), call.to.clone(), call.transport.clone()) };
    let single = |calls: &[ExpectedCall]| -> BTreeSet<Ends> {
        let mut count = BTreeMap::<Ends, usize>::new();
        calls.iter().for_each(|call| *count.entry(ends(call)).or_default() += 1);
        count.into_iter().filter(|(_, count)| *count == 1).map(|(ends, _)| ends).collect()
    };
    let both: BTreeSet<Ends> = single(gone).intersection(&single(new)).cloned().collect();
    let take = |calls: &mut Vec<ExpectedCall>| -> BTreeMap<Ends, ExpectedCall> {
        calls.extract_if(.., |call| both.contains(&ends(call))).map(|call| (ends(&call), call)).collect()
    };
    let (before, mut after) = (take(gone), take(new));
    before.into_iter().filter_map(|(ends, call)| Some((call, after.remove(&ends)?))).collect()
}

#[cfg(test)]
mod tests;
