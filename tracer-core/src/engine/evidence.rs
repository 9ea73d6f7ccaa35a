//! What supports an alert: who makes the call, what it is like, what would have been expected.
//!
//! Invariant: made only when something is to be told, from what is known at that moment. Memory: one piece of evidence.

use super::Engine;
use crate::alert::{Evidence, ExpectedFigures, Figures, NearestCall, ProcessEvidence};
use crate::baseline::{Baseline, CallKey, ExpectedCall};
use crate::graph::{CallId, Open};

impl Engine {
    /// What supports an alert about a call.
    pub(super) fn evidence(&self, id: CallId, key: &CallKey, open: Open) -> Option<Evidence> {
        let (from, to) = self.graph.ends(id)?;
        let call = self.graph.get(id)?;
        let shown = self.graph.call_snapshot(id, &self.moments, open)?;
        let baseline = self.config.baseline.as_ref();
        let expected = baseline.and_then(|baseline| baseline.expectation(key));
        let nearest = baseline.filter(|_| expected.is_none()).and_then(|baseline| nearest(baseline, key));
        let named = shown.operations.iter().filter(|it| it.name.is_some());
        let sample = named.max_by_key(|it| (it.service_errors.saturating_add(it.gateway_errors), it.requests));
        let made_by = call.followed.or(call.client);
        let client = made_by.and_then(|client| self.processes.evidence(client));
        let parents = made_by.map(|client| self.processes.parents(client)).unwrap_or_default();
        let server = call.server.and_then(|server| self.processes.evidence(server));
        Some(Evidence {
            from_name: from.name.display(),
            to_name: to.name.display(),
            first_seen: self.moments.wall(call.first_seen).rfc3339(),
            connections: call.connections,
            requests: call.totals.requests,
            client: client.map(|process| self.with_user(process)),
            client_parents: parents.into_iter().map(|process| self.with_user(process)).collect(),
            server: server.map(|process| self.with_user(process)),
            nearest,
            operation: sample.and_then(|operation| operation.name.clone()),
            figures: Some(Figures::of(&shown, expected.map(figures))),
        })
    }

    /// What can be said of what no call stands for.
    pub(super) fn evidence_without_call(&self, key: &CallKey, requests: u64) -> Evidence {
        let name = |id: &str| id.split_once(':').map_or(id, |(_, name)| name).to_owned();
        Evidence {
            from_name: name(&key.from),
            to_name: name(&key.to),
            first_seen: self.moments.wall(self.moments.start.at).rfc3339(),
            requests,
            ..Evidence::default()
        }
    }

    fn with_user(&self, process: ProcessEvidence) -> ProcessEvidence {
        let user = process.uid.and_then(|uid| self.users.get(&uid).cloned());
        ProcessEvidence { user, ..process }
    }
}

fn figures(expected: &ExpectedCall) -> ExpectedFigures {
    ExpectedFigures {
        requests_per_second: expected.requests_per_second,
        error_rate: expected.error_rate,
        mean_ms: expected.mean_ms,
        p99_ms: expected.p99_ms,
    }
}

/// The expected call with which a call has most in common; the first of several. One that shares neither end is none.
fn nearest(baseline: &Baseline, key: &CallKey) -> Option<NearestCall> {
    let weight = |call: &ExpectedCall| {
        let ends = 4 * u8::from(call.from == key.from) + 4 * u8::from(call.to == key.to);
        let port = 2 * u8::from(call.port == key.port) + u8::from(call.transport == key.transport);
        (ends > 0).then_some(ends + port)
    };
    let best = baseline.calls().iter().filter_map(|call| Some((weight(call)?, call)));
    // Of equal ones the last would win.
    let (_, call) = best.rev().max_by_key(|(weight, _)| *weight)?;
    Some(NearestCall {
        from: call.from.clone(),
        to: call.to.clone(),
        port: call.port.clone(),
        transport: call.transport.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_expected_call_shares_most_and_at_least_one_end() {
        let call = |from: &str, to: &str, port: u16| {
            format!(
                r#"{{"from":"program:{from}","to":"program:{to}","port":{port},"transport":"tcp","protocol":null,
                "requests":1,"requests_per_second":1,"mean_ms":null,"p99_ms":null,"error_rate":null,"samples":0}}"#
            )
        };
        let calls = [call("api", "db", 5432), call("api", "redis", 6379), call("web", "api", 80)].join(",");
        let file = format!(
            r#"{{"schema":"tracer.baseline/1","learned":{{"host":"h","from":"2026-01-01T00:00:00.000Z",
            "until":"2026-01-01T00:01:00.000Z","seconds":60,"calls_left_out":0}},"calls":[{calls}]}}"#
        );
        let baseline = Baseline::parse(file.as_bytes()).unwrap();
        let nearest = |from: &str, to: &str, port: u16| {
            let key = CallKey {
                from: format!("program:{from}"),
                to: format!("program:{to}"),
                port: port.into(),
                transport: "tcp".into(),
            };
            nearest(&baseline, &key).map(|call| (call.from, call.to))
        };
        let named = |from: &str, to: &str| Some((format!("program:{from}"), format!("program:{to}")));
        assert_eq!(nearest("api", "db", 5433), named("api", "db"), "another port");
        assert_eq!(nearest("psql", "db", 5432), named("api", "db"), "another client");
        assert_eq!(nearest("api", "cache", 6379), named("api", "redis"), "another server on the same port");
        assert_eq!(nearest("psql", "mail", 25), None);
    }
}
