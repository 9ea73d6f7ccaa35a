//! Whether what tracer found is what there is: pure functions over `tracer.graph/1` and `tracer.alert/1`.
//!
//! Other programs of the host are in the graph as well, so only the demo's part is judged: calls to one of its ports,
//! and calls between its services on any port (that is how a call with its direction turned round is noticed).
//!
//! Invariant: a field that is missing fails the check that needs it. Memory: references into one graph.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::expect::{Expected, ExpectedCall};

/// The outcome of one check: what was looked at, and what was found or is wrong.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) what: String,
    pub(super) outcome: Result<String, String>,
}

impl Check {
    pub(super) fn new(what: &str, outcome: Result<String, String>) -> Self {
        Self { what: what.to_owned(), outcome }
    }

    /// Holds if both are equal; shows both if they are not.
    fn equal<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T, shown: String) -> Self {
        let outcome =
            if found == expected { Ok(shown) } else { Err(format!("found {found:?}, expected {expected:?}")) };
        Self::new(what, outcome)
    }
}

/// The demo's part of a graph.
#[derive(Debug)]
pub(super) struct Part<'a> {
    /// Names by id, of the services that take part.
    names: BTreeMap<&'a str, &'a str>,
    calls: Vec<&'a Value>,
    expected: &'a Expected,
}

impl<'a> Part<'a> {
    pub(super) fn of(graph: &'a Value, expected: &'a Expected) -> Self {
        let all = || list(graph, "calls");
        let at_our_ports = all().filter(|call| number(call, "port").is_some_and(|port| expected.has_port(port)));
        let ours: BTreeSet<&str> = at_our_ports.flat_map(|call| [text(call, "from"), text(call, "to")]).collect();
        let names = list(graph, "services").map(|service| (text(service, "id"), text(service, "name")));
        let mut part = Self { names: names.filter(|(id, _)| ours.contains(id)).collect(), calls: Vec::new(), expected };
        part.calls = all().filter(|call| part.has(call)).collect();
        part
    }

    /// Whether a call, or an alert about one, belongs to the demo.
    fn has(&self, call: &Value) -> bool {
        number(call, "port").is_some_and(|port| self.expected.has_port(port))
            || ["from", "to"].iter().all(|end| self.names.contains_key(text(call, end)))
    }

    /// The call with the names in the place of ids.
    fn named(&self, call: &Value) -> ExpectedCall {
        let name = |end| self.names.get(text(call, end)).copied().unwrap_or("(not a service)");
        let port = number(call, "port").and_then(|port| u16::try_from(port).ok()).unwrap_or_default();
        ExpectedCall::new(name("from"), name("to"), port)
    }

    /// The services are the demo's, each once.
    pub(super) fn services(&self) -> Check {
        let mut found: Vec<&str> = self.names.values().copied().collect();
        found.sort_unstable();
        let expected: Vec<&str> = self.expected.services().into_iter().collect();
        Check::equal("services", &found, &expected, expected.join(", "))
    }

    /// Each call is there once, from its client to its server, and no other is.
    pub(super) fn calls(&self) -> Check {
        let mut found: Vec<ExpectedCall> = self.calls.iter().map(|call| self.named(call)).collect();
        found.sort();
        let mut expected: Vec<ExpectedCall> = self.expected.calls().into_iter().cloned().collect();
        expected.sort();
        let text = |calls: &[ExpectedCall]| calls.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (found, expected) = (text(&found), text(&expected));
        Check::equal("calls and their directions", &found, &expected, expected.join(", "))
    }

    /// The calls of the baseline are `expected`, the other one is `unexpected`.
    pub(super) fn states(&self) -> Check {
        let wrong = self.calls.iter().filter_map(|call| {
            let (name, state) = (self.named(call), text(call, "state"));
            let right = if name == self.expected.unexpected { "unexpected" } else { "expected" };
            (state != right).then(|| format!("{name} is {state:?}, not {right}"))
        });
        let unexpected = &self.expected.unexpected;
        let missing = !self.calls.iter().any(|call| self.named(call) == *unexpected);
        let missing = missing.then(|| format!("{unexpected} is missing"));
        let wrong: Vec<String> = wrong.chain(missing).collect();
        let right = format!("only {unexpected} is unexpected");
        Check::new("states", if wrong.is_empty() { Ok(right) } else { Err(wrong.join("; ")) })
    }

    /// The requests from the load client to nginx are as many as the client sent.
    pub(super) fn requests(&self, sent: u64) -> Check {
        let entry = self.calls.iter().find(|call| self.named(call) == self.expected.entry);
        let found = entry.and_then(|call| number(call, "requests"));
        let shown = format!("{sent} on {}, as many as the client sent", self.expected.entry);
        Check::equal("request count", &found, &Some(sent), shown)
    }

    /// Exactly one alert about an unexpected call, and it is about the right one.
    pub(super) fn one_unexpected_call(&self, alerts: &[Value]) -> Check {
        let unexpected = alerts.iter().filter(|alert| is_firing(alert, "unexpected-call") && self.has(alert));
        let found: Vec<String> = unexpected.map(|alert| self.named(alert).to_string()).collect();
        let right = self.expected.unexpected.to_string();
        Check::equal("unexpected-call alerts", &found, &vec![right.clone()], right)
    }

    /// At least one alert whose kind begins with `kind` is about `call`.
    pub(super) fn is_alerted(&self, what: &str, kind: &str, call: &ExpectedCall, alerts: &[Value]) -> Check {
        let fits = alerts.iter().find(|alert| is_firing(alert, kind) && self.named(alert) == *call);
        let missing = || {
            let others = alerts.iter().filter(|alert| self.has(alert));
            let others: Vec<String> =
                others.map(|alert| format!("{} on {}", text(alert, "kind"), self.named(alert))).collect();
            format!("no {kind} alert on {call}; there are [{}]", others.join(", "))
        };
        Check::new(what, fits.map(|alert| text(alert, "message").to_owned()).ok_or_else(missing))
    }
}

/// Two files hold the same bytes.
pub(super) fn same_bytes(what: &str, one: &[u8], other: &[u8]) -> Check {
    let outcome = match one.iter().zip(other).position(|(left, right)| left != right) {
        _ if one.is_empty() => Err("there is nothing to compare".to_owned()),
        None if one.len() == other.len() => Ok(format!("{} bytes, all equal", one.len())),
        None => Err(format!("{} bytes and {} bytes", one.len(), other.len())),
        Some(at) => Err(format!("they differ from byte {at}")),
    };
    Check::new(what, outcome)
}

fn is_firing(alert: &Value, kind: &str) -> bool {
    text(alert, "state") == "firing" && text(alert, "kind").starts_with(kind)
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value.get(field).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn number(value: &Value, field: &str) -> Option<u64> {
    value.get(field).and_then(Value::as_u64)
}

#[cfg(test)]
#[path = "checks_tests.rs"]
mod tests;
