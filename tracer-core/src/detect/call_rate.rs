//! `call-rate`: a call happens much more or much less often than the baseline says, silence included.
//!
//! `observed` and `limit` are requests per second. A deviation counts when it is outside the allowed share *and* chance
//! does not explain it. Both counts, N requests in the baseline's time T and n in the time t since the last verdict, are
//! taken for Poisson; the surprise that one rate gave both is `N ln(N / rT) + n ln(n / rt)` with r = (N + n) / (T + t),
//! half the statistic of the likelihood-ratio test; the chance is about e to the minus that. Little evidence on either
//! side thus needs no rule of its own: windows are taken together until there is an answer. It is "clean" when the rate
//! is inside, after so much time that silence would have been told.
//! Windows that are partial, have lost records or make up for a loss are skipped. Limit of the method: traffic in bursts
//! that are further apart than a window is not Poisson, and its bursts are told. Memory: one count and one span.

use super::{CallMemory, CallWindow, Detector, Finding, Limits, Verdict, text};
use crate::baseline::{ExpectedCall, Standing};
use crate::time::Span;

/// Expected requests, in units of the surprise asked for, after which collecting ends: a deviation of half is then told
/// (it takes 7 below and 10 above), unless the baseline itself rests on too few requests.
const LONGEST_COLLECTION: f64 = 10.0;

#[derive(Debug)]
pub(super) struct CallRate;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    requests: u64,
    time: Span,
    makes_up_for_loss: bool,
}

impl Detector for CallRate {
    fn kind(&self) -> &'static str {
        "call-rate"
    }

    fn judge(&self, window: &CallWindow<'_>, limits: &Limits, memory: &mut CallMemory) -> Verdict {
        let memory = &mut memory.call_rate;
        let makes_up_for_loss = std::mem::replace(&mut memory.makes_up_for_loss, window.loss);
        let Standing::Expected(expected) = window.standing else {
            return Verdict::NotJudged;
        };
        let can_be_compared = expected.requests > 0 && expected.requests_per_second > 0.0 && window.length > Span::ZERO;
        if !can_be_compared || !window.complete || window.loss || makes_up_for_loss {
            return Verdict::NotJudged;
        }
        memory.requests = memory.requests.saturating_add(window.requests);
        memory.time = Span(memory.time.0.saturating_add(window.length.0));
        let verdict = compare(expected, memory.requests, memory.time, limits);
        if verdict != Verdict::NotJudged {
            *memory = Memory::default();
        }
        verdict
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests, exact below 2^53")]
fn compare(expected: &ExpectedCall, requests: u64, time: Span, limits: &Limits) -> Verdict {
    let rate = expected.requests_per_second;
    let (count, seconds) = (requests as f64, time.as_seconds());
    // Not the length of the learning: a person who edits the rate means it.
    let learned = (expected.requests as f64, expected.requests as f64 / rate);

    let observed = count / seconds;
    let (least, most) = (rate * (1.0 - limits.call_rate_share), rate * (1.0 + limits.call_rate_share));
    if (least..=most).contains(&observed) {
        let silence_would_be_told = surprise(learned, (0.0, seconds)) > limits.call_rate_surprise;
        return if silence_would_be_told { Verdict::Clean } else { Verdict::NotJudged };
    }
    if surprise(learned, (count, seconds)) <= limits.call_rate_surprise {
        let is_longest = rate * seconds >= LONGEST_COLLECTION * limits.call_rate_surprise;
        return if is_longest { Verdict::Clean } else { Verdict::NotJudged };
    }
    let limit = if observed < least { least } else { most };
    let (counted, time) = (text::count(requests, "request"), text::span(time));
    let (per_second, baseline, bound) = (text::number(observed), text::number(rate), text::number(limit));
    Verdict::Anomalous(Finding {
        observed: Some(observed),
        limit: Some(limit),
        message: format!("{per_second} requests per second, baseline {baseline}, limit {bound} ({counted} in {time})"),
    })
}

/// How badly one rate explains two (count, seconds): 0 for perfectly.
fn surprise((count_a, time_a): (f64, f64), (count_b, time_b): (f64, f64)) -> f64 {
    let rate = (count_a + count_b) / (time_a + time_b);
    let term = |count: f64, time: f64| if count > 0.0 { count * (count / (rate * time)).ln() } else { 0.0 };
    term(count_a, time_a) + term(count_b, time_b)
}
