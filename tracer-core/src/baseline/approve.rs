//! Taking chosen calls of a graph into a baseline, after a person has looked at them.
//!
//! They become entries of `allow`, not learned calls: an entry says who approved what and why, survives learning again,
//! and expects nothing but that the call may come. A learned call would be held to the figures of one run, perhaps a
//! short or a bad one, be missed when it does not come, and be forgotten by the next learning that does not see it.
//! Whether a call is unexpected is judged anew against this baseline: what the graph says may be of another.
//! Invariant: what is denied stays denied; what was there stays as it was; equal choices add equal entries, in the order of
//! the calls. Memory: the calls' names.

use super::entry::{COMMENT_BYTES, is_called};
use super::{Baseline, CallKey, Entry, Standing};
use crate::graph::snapshot::{GraphSnapshot, ServiceKind};
use crate::identity::rules::{Pattern, RuleError};
use crate::limits;
use std::collections::BTreeMap;

/// Which calls are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    All,
    /// Those that one of these describes.
    Of(Vec<Described>),
}

/// A description of calls: `psql`, an end of theirs; `psql -> postgres*`, both; `… port 5432` or `… port 5432/tcp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    text: String,
    from: Pattern,
    /// `None`: the first pattern means either end.
    to: Option<Pattern>,
    port: Option<String>,
}

/// What was taken, and what was not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Approval {
    /// New entries, each about one call.
    pub taken: Vec<(CallKey, Entry)>,
    /// Chosen, but denied by an entry, by its comment.
    pub denied: Vec<(CallKey, String)>,
    /// Unexpected and not chosen.
    pub left: Vec<CallKey>,
}

/// Why nothing is taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApproveError {
    #[error("no call of the graph is unexpected by this baseline: there is nothing to approve")]
    NothingUnexpected,
    #[error("`{0}` means none of the unexpected calls: {1}")]
    NoneMeant(String, String),
    #[error("{0} is denied ({1}): remove the entry from the list `deny` first, if the call is meant")]
    Denied(String, String),
    #[error("`allow` would have {0} entries, and can have {max}: replace some by a glob", max = limits::RULES)]
    TooMany(usize),
    #[error("{0} has a name that no tracer gives: was the graph written by another program?")]
    NoName(String),
    #[error("the comment has more than {COMMENT_BYTES} bytes")]
    LongComment,
}

impl Described {
    /// Reads a description.
    ///
    /// # Errors
    /// When a pattern is no glob and no regular expression between slashes.
    pub fn parse(text: &str) -> Result<Self, RuleError> {
        let (ends, port) = match text.rsplit_once(" port ") {
            Some((ends, port)) => (ends, Some(port.trim().to_owned())),
            None => (text, None),
        };
        let pattern = |text: &str| Pattern::try_from(text.trim().to_owned());
        let (from, to) = match ends.split_once("->") {
            Some((from, to)) => (pattern(from)?, Some(pattern(to)?)),
            None => (pattern(ends)?, None),
        };
        Ok(Self { text: text.to_owned(), from, to, port })
    }

    /// Whether it means a call.
    #[must_use]
    pub fn means(&self, call: &CallKey) -> bool {
        let ends = match &self.to {
            Some(to) => is_called(&self.from, &call.from) && is_called(to, &call.to),
            None => is_called(&self.from, &call.from) || is_called(&self.from, &call.to),
        };
        let port = call.port.to_string();
        let is_port = |asked: &String| *asked == port || *asked == format!("{port}/{}", call.transport);
        ends && self.port.as_ref().is_none_or(is_port)
    }
}

impl Choice {
    fn means(&self, call: &CallKey) -> bool {
        match self {
            Self::All => true,
            Self::Of(described) => described.iter().any(|one| one.means(call)),
        }
    }
}

impl Baseline {
    /// Allows the chosen ones of the calls that this baseline does not expect. Without a comment, each entry says where and
    /// when its call was seen.
    ///
    /// # Errors
    /// When nothing is unexpected, a description means nothing, a described call is denied, or there is no room. The
    /// baseline is unchanged then.
    pub fn approve(
        &mut self,
        graph: &GraphSnapshot,
        choice: &Choice,
        comment: Option<&str>,
    ) -> Result<Approval, ApproveError> {
        if comment.is_some_and(|comment| comment.len() > COMMENT_BYTES) {
            return Err(ApproveError::LongComment);
        }
        let approval = self.choose(graph, choice, comment)?;
        let entries = self.allow.len() + approval.taken.len();
        if entries > limits::RULES {
            return Err(ApproveError::TooMany(entries));
        }
        self.allow.extend(approval.taken.iter().map(|(_, entry)| entry.clone()));
        Ok(approval)
    }

    fn choose(&self, graph: &GraphSnapshot, choice: &Choice, comment: Option<&str>) -> Result<Approval, ApproveError> {
        let kinds: BTreeMap<&str, ServiceKind> = graph.services.iter().map(|it| (it.id.as_str(), it.kind)).collect();
        let kind = |id: &str| kinds.get(id).copied().unwrap_or(ServiceKind::Unknown);
        let mut calls: Vec<_> = graph.calls.iter().map(|call| (CallKey::of(call), call)).collect();
        calls.sort_by(|(one, _), (other, _)| one.cmp(other));
        calls.dedup_by(|(one, _), (other, _)| one == other);
        let (mut approval, mut unexpected) = (Approval::default(), Vec::new());
        for (key, call) in calls {
            let denied = match Standing::of(Some(self), &key, [kind(&key.from), kind(&key.to)]) {
                Standing::Unexpected => None,
                Standing::Denied(entry) => Some(entry.to_string()),
                Standing::Unjudged | Standing::Allowed(_) | Standing::Expected(_) => continue,
            };
            unexpected.push(key.clone());
            match denied {
                _ if !choice.means(&key) => approval.left.push(key),
                Some(by) => approval.denied.push((key, by)),
                None => {
                    let seen = || format!("seen on {}, {}; requests: {}", graph.host, graph.until, call.requests);
                    let comment = comment.map_or_else(seen, str::to_owned);
                    let entry = Entry::of(&key).ok_or_else(|| ApproveError::NoName(key.to_string()))?;
                    let entry = Entry { comment: Some(short(comment)), ..entry };
                    approval.taken.push((key, entry));
                }
            }
        }
        if unexpected.is_empty() {
            return Err(ApproveError::NothingUnexpected);
        }
        let Choice::Of(described) = choice else { return self.some_of_all(approval) };
        if let Some(vain) = described.iter().find(|one| !unexpected.iter().any(|call| one.means(call))) {
            return Err(ApproveError::NoneMeant(vain.text.clone(), listed(&unexpected)));
        }
        match approval.denied.first() {
            // Somebody named it, so to leave it out in silence would be wrong.
            Some((call, by)) => Err(ApproveError::Denied(call.to_string(), by.clone())),
            None => Ok(approval),
        }
    }

    fn some_of_all(&self, approval: Approval) -> Result<Approval, ApproveError> {
        match (approval.taken.is_empty(), approval.denied.first()) {
            (true, Some((call, by))) => Err(ApproveError::Denied(call.to_string(), by.clone())),
            _ => Ok(approval),
        }
    }
}

/// At most so many bytes as a comment has; a host's name can be anything in a graph from a file.
fn short(mut comment: String) -> String {
    let end = (0..=COMMENT_BYTES.min(comment.len())).rev().find(|end| comment.is_char_boundary(*end)).unwrap_or(0);
    comment.truncate(end);
    comment
}

/// The first few of the calls that could have been meant.
fn listed(calls: &[CallKey]) -> String {
    const SHOWN: usize = 5;
    let mut shown: Vec<String> = calls.iter().take(SHOWN).map(ToString::to_string).collect();
    if calls.len() > SHOWN {
        shown.push(format!("{} more", calls.len() - SHOWN));
    }
    shown.join("; ")
}

#[cfg(test)]
#[path = "approve_tests.rs"]
mod tests;
