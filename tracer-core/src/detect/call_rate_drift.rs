//! `call-rate-drift`: a warning that a call happens somewhat more or less often than the baseline says.
//!
//! As `call-rate`, for what is beyond the share that is warned of and within the share that is an alert.
//! `observed` and `limit` are requests per second. Memory: two counts and two figures.

use super::call_rate::{Band, Memory};
use super::{CallMemory, CallWindow, Detector, Limits, Severity, Verdict};

/// As for `call-rate`; a deviation of a fifth takes 45 below and 55 above.
const LONGEST_COLLECTION: f64 = 60.0;

#[derive(Debug)]
pub(super) struct CallRateDrift;

impl Detector for CallRateDrift {
    fn kind(&self) -> &'static str {
        "call-rate-drift"
    }

    fn severity(&self) -> Severity {
        Severity::Warning
    }

    fn judge(&self, window: &CallWindow<'_>, limits: &Limits, memory: &mut CallMemory) -> Verdict {
        let band = Band { from: limits.call_rate_warning, to: limits.call_rate, longest: LONGEST_COLLECTION };
        let memory: &mut Memory = &mut memory.call_rate_drift;
        memory.judge(&band, window, limits)
    }
}
