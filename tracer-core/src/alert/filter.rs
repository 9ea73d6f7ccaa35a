//! Which alerts a sink is told of: by kind, severity and call.
//!
//! Invariant: an alert and its end pass the same filter, so no sink hears of an end alone. Memory: its patterns.

use super::Alert;
use crate::detect::{CallRule, Severity};
use std::collections::BTreeSet;

/// Takes alerts for which everything holds that is given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Empty: every kind.
    pub kinds: BTreeSet<String>,
    /// Nothing below it; `None`: every severity.
    pub severity: Option<Severity>,
    /// Conditions on the call; its limits mean nothing here.
    pub call: CallRule,
}

impl Filter {
    #[must_use]
    pub fn takes(&self, alert: &Alert) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&alert.kind))
            && self.severity.is_none_or(|least| alert.severity >= least)
            && self.call.matches(&alert.call())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::sample;
    use crate::identity::rules::Pattern;

    #[test]
    fn an_alert_passes_only_if_everything_holds_that_is_given() {
        let alert = Alert {
            kind: "error-rate".to_owned(),
            severity: Severity::Warning,
            from: "program:api".to_owned(),
            to: "program:postgres".to_owned(),
            port: 5432.into(),
            ..sample::alert("2026-01-01T00:00:00.000Z")
        };
        let pattern = |text: &str| Some(Pattern::try_from(text.to_owned()).unwrap());
        let kinds =
            |kinds: &[&str]| Filter { kinds: kinds.iter().map(|it| (*it).to_owned()).collect(), ..Filter::default() };
        let call = |call: CallRule| Filter { call, ..Filter::default() };
        for (filter, taken) in [
            (Filter::default(), true),
            (kinds(&["stalled", "error-rate"]), true),
            (kinds(&["stalled"]), false),
            (Filter { severity: Some(Severity::Warning), ..Filter::default() }, true),
            (Filter { severity: Some(Severity::Critical), ..Filter::default() }, false),
            (call(CallRule { to: pattern("postgres*"), ..CallRule::default() }), true),
            (call(CallRule { to: pattern("redis*"), ..CallRule::default() }), false),
            (call(CallRule { port: Some(5432.into()), ..CallRule::default() }), true),
            (call(CallRule { transport: Some("udp".to_owned()), ..CallRule::default() }), false),
        ] {
            assert_eq!(filter.takes(&alert), taken, "{filter:?}");
        }
    }
}
