//! `pool-saturation`: a client's connections are all in use, no more are opened, and requests wait. Needs no baseline.
//!
//! `observed` and `limit` are milliseconds: what a request waits outside the server, and what it may. A pool is full
//! when every open connection has a request in flight and as many are open as ever were; it is too small when the wait
//! is longer than the service. Either alone is usual: a burst, or a slow network. Memory: one counter.

use super::{CallMemory, CallWindow, Detector, Finding, Limits, Verdict, text};
use crate::time::Span;

#[derive(Debug)]
pub(super) struct PoolSaturation;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    windows_full: u32,
}

impl Detector for PoolSaturation {
    fn kind(&self) -> &'static str {
        "pool-saturation"
    }

    fn judge(&self, window: &CallWindow<'_>, limits: &Limits, memory: &mut CallMemory) -> Verdict {
        let Memory { windows_full } = &mut memory.pool_saturation;
        let Some(pool) = window.pool.filter(|pool| pool.samples >= limits.least_samples) else {
            return Verdict::NotJudged;
        };
        let full = pool.open > 0 && pool.busy >= pool.open && pool.open >= pool.high_water;
        // A millisecond is lost to a scheduler's slice.
        let limit = share(pool.server, limits.pool_wait).max(Span::from_millis(1));
        if !full || pool.wait <= limit {
            *windows_full = 0;
            return Verdict::Clean;
        }
        *windows_full = windows_full.saturating_add(1);
        if *windows_full < limits.pool_windows {
            return Verdict::NotJudged;
        }
        let (wait, server, bound) = (text::span(pool.wait), text::span(pool.server), text::span(limit));
        let open = text::count(pool.open, "connection");
        Verdict::Anomalous(Finding {
            observed: Some(pool.wait.as_millis()),
            limit: Some(limit.as_millis()),
            message: format!(
                "all of {open} in use, as many as ever: requests wait {wait}, limit {bound}, and are served in {server}, \
                 {windows_full} windows in a row"
            ),
        })
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a limit, saturating"
)]
fn share(span: Span, share: f64) -> Span {
    Span((span.0 as f64 * share) as u64)
}
