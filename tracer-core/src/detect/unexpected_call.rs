//! `unexpected-call`: the baseline does not list the call, or denies it.
//!
//! Judged at once, when the call is first seen. Ends only when the baseline does list it. Memory: none.

use super::{CallMemory, CallWindow, Detector, Finding, Limits, Verdict};
use crate::baseline::Standing;

#[derive(Debug)]
pub(super) struct UnexpectedCall;

impl Detector for UnexpectedCall {
    fn kind(&self) -> &'static str {
        "unexpected-call"
    }

    fn is_immediate(&self) -> bool {
        true
    }

    fn judge(&self, window: &CallWindow<'_>, _: &Limits, _: &mut CallMemory) -> Verdict {
        match window.standing {
            Standing::Unjudged => Verdict::NotJudged,
            Standing::Expected(_) | Standing::Allowed(_) => Verdict::Clean,
            Standing::Unexpected => found("the baseline does not list this call".to_owned()),
            Standing::Denied(entry) => found(format!("the baseline denies this call: {entry}")),
        }
    }
}

fn found(message: String) -> Verdict {
    Verdict::Anomalous(Finding { observed: None, limit: None, message })
}
