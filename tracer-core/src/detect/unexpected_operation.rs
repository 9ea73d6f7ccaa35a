//! `unexpected-operation`: something is asked for that the baseline does not list for this call. A warning.
//!
//! Only where the baseline lists operations of the call; what has no name, beyond the cap of operations or unseen, is not
//! judged. Ends only when the baseline lists it. `observed` is how many operations are not listed. Memory: none.

use super::{CallMemory, CallWindow, Detector, Finding, Limits, Severity, Verdict};
use crate::baseline::Standing;
use crate::escape::printable;

/// Columns of an operation's name.
const NAME: usize = 120;

#[derive(Debug)]
pub(super) struct UnexpectedOperation;

impl Detector for UnexpectedOperation {
    fn kind(&self) -> &'static str {
        "unexpected-operation"
    }

    fn severity(&self) -> Severity {
        Severity::Warning
    }

    #[expect(clippy::cast_precision_loss, reason = "at most as many operations as a call has")]
    fn judge(&self, window: &CallWindow<'_>, _: &Limits, _: &mut CallMemory) -> Verdict {
        let Standing::Expected(expected) = window.standing else { return Verdict::NotJudged };
        // With no list, nothing is wrong any more that a list called so.
        let (Some(_), Some(unlisted)) = (&expected.operations, window.unlisted) else { return Verdict::Clean };
        let more = match unlisted.count {
            1 => String::new(),
            count => format!(", nor {} more", count - 1),
        };
        let message = format!("the baseline does not list {} for this call{more}", printable(unlisted.first, NAME));
        Verdict::Anomalous(Finding { observed: Some(unlisted.count as f64), limit: Some(0.0), message })
    }
}
