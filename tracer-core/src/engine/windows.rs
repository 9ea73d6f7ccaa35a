//! Judging calls: at once for what cannot wait, and at the end of each window for the rest.
//!
//! Invariant: a window is closed by a tick and by nothing else; every call is judged in every window, in the order of
//! the calls, so alerts come in the same order from the same inputs. Memory: none of its own.

use super::Engine;
use super::absent::Services;
use crate::alert::{Alert, Evidence, Transition};
use crate::baseline::{CallKey, Observed, Standing};
use crate::detect::{CallWindow, Judgement, Pool, Unlisted, WindowLatency};
use crate::graph::metrics::Window;
use crate::graph::snapshot::ServiceKind;
use crate::graph::{CallId, Open};
use crate::input::Output;
use crate::limits;
use crate::time::{Span, Wall};
use std::collections::HashMap;
use std::sync::Arc;

impl Engine {
    /// Closes the windows that have ended.
    pub(super) fn close_windows(&mut self, out: &mut Vec<Output>) {
        let length = self.moments.window;
        if length == Span::ZERO || self.moments.now.since(self.moments.window_began) < length {
            return;
        }
        let ended = self.moments.now.since(self.moments.window_began).0 / length.0;
        // Without ticks (a suspended machine) there was nothing to see: those windows are empty and not judged.
        for number in 0..ended.min(u64::try_from(limits::WINDOWS).unwrap_or(1) + 1) {
            self.close_window(number == 0, out);
        }
        self.moments.window_began = self.moments.window_began.after(Span(length.0.saturating_mul(ended)));
    }

    fn close_window(&mut self, judged: bool, out: &mut Vec<Output>) {
        let open = if judged { self.open() } else { HashMap::new() };
        let began = self.moments.window_began;
        let loss = self.loss.ring_full != self.loss_before.ring_full;
        self.loss_before = self.loss;
        let first = began == self.moments.start.at;
        if !first {
            self.alerts.settle();
        }
        let mut services = std::mem::take(&mut self.services);
        if judged {
            self.doubt(&open, &mut services);
        }
        for id in self.graph.call_ids() {
            let Some(call) = self.graph.get_mut(id) else { continue };
            let window = call.close_window();
            let open = open.get(&id).copied().unwrap_or_default();
            let pool = if judged { call.pool.end_window(&open, &call.latencies) } else { None };
            let complete = !first && call.first_seen < began;
            if judged {
                let seen = Seen { window: &window, open, pool, complete, loss };
                self.judge(id, &seen, Some(&mut services), out);
            }
        }
        self.services = services;
        if judged {
            self.judge_services(out);
            self.judge_absent(!first, loss, out);
        }
    }

    /// Tells whose servers are to be judged: where requests were made and none was answered.
    fn doubt(&self, open: &HashMap<CallId, Open>, services: &mut Services) {
        for id in self.graph.call_ids() {
            let Some(call) = self.graph.get(id) else { continue };
            let Window { requests, failed_connections, errors, responses, .. } = call.current;
            let waits = open.get(&id).is_some_and(|open| open.oldest.is_some());
            if responses == 0
                && (waits || requests > 0 || failed_connections > 0 || errors > 0)
                && let Some((key, _)) = self.key(id)
            {
                services.doubt(key);
            }
        }
    }

    /// The middle of the window that ends now.
    pub(super) fn middle(&self) -> Wall {
        let half = i64::try_from(self.moments.window.0 / 2).unwrap_or(i64::MAX);
        Wall(self.moments.wall(self.moments.now).0.saturating_sub(half))
    }

    /// Says whether a call is expected.
    pub(super) fn stand(&mut self, id: CallId) {
        let Some((key, ends)) = self.key(id) else { return };
        self.absent.remove(&key);
        let anomalies = self.alerts.anomalies(&key);
        let Some(call) = self.graph.get_mut(id) else { return };
        // What fired before the start, or before the call was seen.
        call.anomalies = anomalies;
        call.state = Standing::of(self.config.baseline.as_ref(), &key, ends).state();
    }

    /// Says whether a call is expected, and judges what cannot wait for the end of the window.
    pub(super) fn judge_now(&mut self, id: CallId, out: &mut Vec<Output>) {
        self.stand(id);
        let window = Window::default();
        self.judge(
            id,
            &Seen { window: &window, open: Open::default(), pool: None, complete: false, loss: false },
            None,
            out,
        );
    }

    /// Judges a call. `services` is there at the end of a window, and takes the call in.
    fn judge(&mut self, id: CallId, seen: &Seen<'_>, services: Option<&mut Services>, out: &mut Vec<Output>) {
        let Some((key, ends)) = self.key(id) else { return };
        let (at, length) = (self.middle(), self.moments.window);
        let Some(call) = self.graph.get_mut(id) else { return };
        let limits = Arc::clone(call.limits.get_or_insert_with(|| self.config.policy.of(&key)));
        let latency = &seen.window.latency;
        let standing = Standing::of(self.config.baseline.as_ref(), &key, ends);
        let names = call.operations.iter().filter_map(|(operation, _)| Some(operation?.as_str()));
        let window = CallWindow {
            length,
            at,
            complete: seen.complete,
            loss: seen.loss,
            requests: seen.window.requests,
            failed_connections: seen.window.failed_connections,
            errors: seen.window.errors,
            latency: latency.mean().zip(latency.percentile(99.0)).map(|(mean, p99)| WindowLatency {
                mean,
                p99,
                samples: latency.len(),
                slow: latency.count_above(limits.latency_p99),
            }),
            oldest_in_flight: seen.open.oldest.map(|since| self.moments.now.since(since)),
            ever_answered: call.has_answers(),
            pool: seen.pool,
            accept_queue_drops: self.accept_queues_are_counted.then_some(seen.window.accept_queue_drops),
            unlisted: Unlisted::of(standing, names),
            standing,
        };
        let judgements = match services {
            Some(services) => {
                services.add(&key, ends, &window, seen.window.responses);
                if let Some(habits) = self.habits.as_mut().filter(|_| seen.complete && !seen.loss) {
                    let mean = window.latency.map(|latency| latency.mean);
                    let p99 = window.latency.map(|latency| latency.p99);
                    let attempts = window.requests.saturating_add(window.failed_connections);
                    let error_rate = (attempts > 0).then(|| share(window.errors, attempts));
                    habits.add(&key, &Observed { at, length, requests: window.requests, mean, p99, error_rate });
                }
                call.judge.close_window(&window, &limits)
            }
            None => call.judge.between_windows(&window, &limits),
        };
        self.raise(id, &key, judgements, seen.open, out);
    }

    fn raise(&mut self, id: CallId, key: &CallKey, judgements: Vec<Judgement>, open: Open, out: &mut Vec<Output>) {
        let transitions = self.alerts.enter(key, judgements);
        if transitions.is_empty() {
            return;
        }
        let anomalies = self.alerts.anomalies(key);
        if let Some(call) = self.graph.get_mut(id) {
            call.anomalies = anomalies;
        }
        if let Some(evidence) = self.evidence(id, key, open) {
            self.tell(key, transitions, &evidence, out);
        }
    }

    /// Tells what begins and ends.
    pub(super) fn tell(
        &mut self,
        key: &CallKey,
        transitions: Vec<Transition>,
        evidence: &Evidence,
        out: &mut Vec<Output>,
    ) {
        let at = self.moments.wall(self.moments.now);
        for transition in transitions {
            let alert = Alert::new(key.clone(), None, transition, at, evidence.clone());
            self.alerts.told(key, &alert);
            out.push(Output::Alert(Box::new(alert)));
        }
    }

    /// The name of a call, and what kinds of thing its ends are.
    pub(super) fn key(&self, id: CallId) -> Option<(CallKey, [ServiceKind; 2])> {
        let (from, to) = self.graph.ends(id)?;
        let call = self.graph.get(id)?;
        let (port, transport) = (call.port.clone(), call.transport.name().to_owned());
        let kinds = [from.name.kind(), to.name.kind()];
        Some((CallKey { from: from.name.id(), to: to.name.id(), port, transport }, kinds))
    }
}

/// A share of a count, 0 to 1.
#[expect(clippy::cast_precision_loss, reason = "counts of requests, exact below 2^53")]
fn share(part: u64, whole: u64) -> f64 {
    (part as f64 / whole as f64).min(1.0)
}

/// What a judgement is about.
struct Seen<'a> {
    window: &'a Window,
    open: Open,
    pool: Option<Pool>,
    complete: bool,
    loss: bool,
}
