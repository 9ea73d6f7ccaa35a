//! A webhook: `tracer.notice/1`, a call's alerts that begin or end together, in the body of a POST.
//!
//! Invariant: the header `Idempotency-Key` is the notice's id, the same in each attempt, so that a receiver that was too
//! slow to answer can tell what it has already. Memory: one notice.

use super::http::Client;
use super::settings::SinkSettings;
use super::{Deliver, Failure};
use anyhow::Result;
use tracer_core::alert::Notice;
use tracer_core::escape::printable_json;

pub(super) const ABOUT: &str = "A POST of `tracer.notice/1` to a URL: all alerts of one call that begin or end together, with the header \
     `Idempotency-Key`. What cannot be delivered is kept on disk, in order, and tried again.";

struct Webhook(Client);

pub(super) fn make(settings: &SinkSettings) -> Result<Box<dyn Deliver>> {
    Ok(Box::new(Webhook(Client::new(settings, "")?)))
}

impl Deliver for Webhook {
    fn deliver(&mut self, notice: &Notice) -> Result<(), Failure> {
        let body = body(notice).map_err(|error| Failure::Never { reason: error.to_string() })?;
        self.0.post(Some(&notice.id), body.as_bytes())
    }
}

/// What a terminal would obey is written by number: receivers print bodies into logs.
pub(super) fn body(notice: &Notice) -> serde_json::Result<String> {
    Ok(printable_json(&serde_json::to_string(notice)?))
}
