//! Which limits a call is held to: those for all calls, and what rules change for some.
//!
//! Invariant: of several rules that match a call, the first that sets a limit counts for that limit, as of several rules
//! of naming the first counts. Memory: `limits::RULES` rules; calls that no rule matches share one set of limits.

use super::{Knob, KnobError, Limits};
use crate::baseline::{CallKey, hold};
use crate::identity::Port;
use crate::identity::rules::Pattern;
use crate::limits;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use thiserror::Error;

/// The limits for every call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Policy {
    all: Arc<Limits>,
    calls: Vec<CallRule>,
}

/// Limits for some calls.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CallRule {
    /// The id of the client's service, or what follows the id's `:`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Pattern>,
    /// The same of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Pattern>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
    /// `tcp`, `udp` or `unix`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// Names of knobs and their values, as [`Knob::set`] reads them.
    #[serde(default)]
    pub limits: BTreeMap<String, String>,
}

/// Why a policy cannot be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    #[error("there are {count} rules for calls, the most is {}", limits::RULES)]
    TooMany { count: usize },
    #[error("`{name}` is no limit")]
    Unknown { name: String },
    #[error(transparent)]
    Value(#[from] KnobError),
}

/// A policy as it is written down: only what differs from the defaults.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    all: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    calls: Vec<CallRule>,
}

impl CallRule {
    /// What a rule looks at.
    pub const CONDITIONS: [&'static str; 4] = ["from", "to", "port", "transport"];

    /// Whether all conditions hold that are given.
    #[must_use]
    pub fn matches(&self, call: &CallKey) -> bool {
        hold([self.from.as_ref(), self.to.as_ref()], self.port.as_ref(), self.transport.as_deref(), call)
    }
}

impl Policy {
    /// `all` for every call, but for what the rules change.
    ///
    /// # Errors
    /// When there are too many rules, or one of them sets what is no limit, or to what is no value.
    pub fn new(all: Limits, calls: Vec<CallRule>) -> Result<Self, PolicyError> {
        if calls.len() > limits::RULES {
            return Err(PolicyError::TooMany { count: calls.len() });
        }
        calls.iter().try_for_each(|rule| set(&mut all.clone(), &rule.limits))?;
        Ok(Self { all: Arc::new(all), calls })
    }

    /// Whether it is the one that holds where nothing was configured.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// The limits for calls that no rule matches.
    #[must_use]
    pub fn all(&self) -> &Limits {
        &self.all
    }

    /// The rules, in their order.
    #[must_use]
    pub fn calls(&self) -> &[CallRule] {
        &self.calls
    }

    /// The limits of one call.
    #[must_use]
    pub fn of(&self, call: &CallKey) -> Arc<Limits> {
        let mut own: Option<Limits> = None;
        // The first rule is to have the last word.
        for rule in self.calls.iter().rev().filter(|rule| rule.matches(call)) {
            let limits = own.get_or_insert_with(|| (*self.all).clone());
            // Tried when the policy was made.
            let _ = set(limits, &rule.limits);
        }
        own.map_or_else(|| Arc::clone(&self.all), Arc::new)
    }
}

fn set(limits: &mut Limits, values: &BTreeMap<String, String>) -> Result<(), PolicyError> {
    values.iter().try_for_each(|(name, value)| {
        let knob = Knob::find(name).ok_or_else(|| PolicyError::Unknown { name: name.clone() })?;
        Ok(knob.set(limits, value)?)
    })
}

impl TryFrom<Written> for Policy {
    type Error = PolicyError;

    fn try_from(written: Written) -> Result<Self, PolicyError> {
        let mut all = Limits::default();
        set(&mut all, &written.all)?;
        Self::new(all, written.calls)
    }
}

impl From<Policy> for Written {
    fn from(policy: Policy) -> Self {
        let default = Limits::default();
        let changed = super::KNOBS.iter().filter(|knob| knob.get(&policy.all) != knob.get(&default));
        let all = changed.map(|knob| (knob.name.to_owned(), knob.get(&policy.all))).collect();
        Self { all, calls: policy.calls }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    fn key(from: &str, to: &str, port: u16) -> CallKey {
        CallKey { from: from.into(), to: to.into(), port: port.into(), transport: "tcp".into() }
    }

    fn policy(json: &str) -> Result<Policy, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }

    #[test]
    fn a_call_is_held_to_the_first_rule_that_sets_a_limit_and_else_to_the_limits_for_all() {
        let json = r#"{"all":{"stalled_after":"40s"},"calls":[
            {"from":"api*","to":"program:postgres","limits":{"latency_p99":"200ms"}},
            {"to":"postgres","port":5432,"limits":{"latency_p99":"9s","error_rate":"0.5"}},
            {"transport":"unix","limits":{"off":"stalled"}}]}"#;
        let policy = policy(json).unwrap();
        let of = |key: &CallKey| {
            let limits = policy.of(key);
            (limits.latency_p99, limits.error_rate, limits.stalled_after, limits.off.len())
        };
        let (second, stalled) = (Span::from_seconds(1), Span::from_seconds(40));
        assert_eq!(of(&key("program:api-2", "program:postgres", 5432)), (Span::from_millis(200), 0.5, stalled, 0));
        assert_eq!(of(&key("program:api-2", "program:postgres", 5433)), (Span::from_millis(200), 0.05, stalled, 0));
        assert_eq!(of(&key("program:web", "program:postgres", 5432)), (Span::from_seconds(9), 0.5, stalled, 0));
        assert_eq!(of(&key("program:web", "program:redis", 6379)), (second, 0.05, stalled, 0));
        let local = CallKey { transport: "unix".into(), ..key("program:web", "program:redis", 1) };
        assert_eq!(of(&local), (second, 0.05, stalled, 1));
    }

    #[test]
    fn a_policy_is_written_and_read_back_and_the_default_is_empty() {
        assert_eq!(serde_json::to_string(&Policy::default()).unwrap(), "{}");
        let json = r#"{"all":{"error_rate":"0.1"},"calls":[{"to":"x*","limits":{"off":"stalled"}}]}"#;
        let read = policy(json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        assert!(!read.is_default() && policy("{}").unwrap().is_default());
    }

    #[test]
    fn what_is_no_limit_or_no_value_is_refused_by_name() {
        assert!(policy(r#"{"all":{"latency":"1s"}}"#).unwrap_err().contains("`latency` is no limit"));
        let value = policy(r#"{"calls":[{"limits":{"latency_p99":"fast"}}]}"#).unwrap_err();
        assert!(value.contains("`fast` is no value of `latency_p99`"), "{value}");
        let many = format!(r#"{{"calls":[{}]}}"#, vec!["{}"; limits::RULES + 1].join(","));
        assert!(policy(&many).unwrap_err().contains("the most is"));
    }
}
