//! `listener-overflow`: the server's kernel drops connections because its accept queue is full. Needs no baseline.
//!
//! `observed` and `limit` are connections in the window. Where drops are not counted nothing is said. Memory: none.

use super::{CallMemory, CallWindow, Detector, Finding, Limits, Verdict, text};

#[derive(Debug)]
pub(super) struct ListenerOverflow;

impl Detector for ListenerOverflow {
    fn kind(&self) -> &'static str {
        "listener-overflow"
    }

    #[expect(clippy::cast_precision_loss, reason = "a count for people, exact below 2^53")]
    fn judge(&self, window: &CallWindow<'_>, limits: &Limits, _: &mut CallMemory) -> Verdict {
        match window.accept_queue_drops {
            None => Verdict::NotJudged,
            Some(drops) if drops < limits.listener_drops => Verdict::Clean,
            Some(drops) => Verdict::Anomalous(Finding {
                observed: Some(drops as f64),
                limit: Some(limits.listener_drops as f64),
                message: format!(
                    "the accept queue is full: {} dropped in {}; the server accepts too slowly or its backlog is too short",
                    text::count(drops, "connection"),
                    text::span(window.length)
                ),
            }),
        }
    }
}
