//! What the bytes of a connection tell of it as a whole: what waits, and what was left open.
//!
//! Invariant: where the bytes are understood they tell, else the turns do. Memory: none of its own.

use super::connection::Connection;
use super::connection::End;
use super::connections::GRACE;
use super::{Side, Speech, Told};
use crate::protocol;
use crate::time::Moment;
use tracer_common::Totals;

impl Connection {
    /// Whether the end that tells what is said has not closed yet: a last answer may be on its way.
    #[must_use]
    pub fn awaits_teller(&self, now: Moment) -> bool {
        let Some(speech) = self.speech.as_ref().filter(|speech| !self.judged && speech.is_whole()) else {
            return false;
        };
        let open = self.end(speech.teller).is_some_and(|end| end.closing.is_none());
        open && self.telling().is_some_and(|(_, end)| now < end.heard.after(GRACE))
    }

    /// What the end that tells what is said has counted.
    #[must_use]
    pub fn told(&self) -> Told {
        let Some(teller) = self.speech.as_ref().map(|speech| speech.teller) else { return Told::default() };
        let totals = self.end(teller).map(|end| &end.totals);
        totals.map_or_else(Told::default, |totals| {
            let Totals { bytes_sent, bytes_received, requests: turns, .. } = *totals;
            let (asked, answered) =
                if teller == Side::Client { (bytes_sent, bytes_received) } else { (bytes_received, bytes_sent) };
            Told { turns, asked, answered }
        })
    }

    /// The connection is over: what was said tells what was left open.
    pub fn end_speech(&mut self) {
        let told = self.told();
        let (Some(speech), false) = (&mut self.speech, self.judged) else { return };
        let (client, server) = (&mut self.client, &mut self.server);
        let teller = if speech.teller == Side::Client { &*client } else { &*server };
        let Some(end) = teller.as_ref().filter(|end| end.closing.is_some()) else { return };
        let Some((without, within)) = speech.end(told, end.heard) else { return };
        for closing in [client, server].into_iter().flatten().filter_map(|end| end.closing.as_mut()) {
            (closing.unanswered, closing.unfinished) = (without, Some(within));
        }
    }

    /// Requests without an answer, and since when the oldest of them waits: as the bytes say where they are understood,
    /// by the turns of an end elsewhere.
    #[must_use]
    pub fn in_flight(&self, end: &End) -> (u64, Option<Moment>) {
        match self.speech.as_ref().filter(|speech| speech.is_whole()) {
            Some(speech) => {
                let waiting = || speech.talk.requests().waiting().filter(|(.., answered)| !answered);
                let unread = self.unread(speech);
                let oldest = waiting().map(|(_, asked, _)| asked).chain(unread).min();
                (waiting().count() as u64 + u64::from(unread.is_some()), oldest)
            }
            None => (end.in_flight(), end.waiting_since()),
        }
    }

    /// Since when a request waits that its server has not even read: only what it reads is heard where it tells.
    fn unread(&self, speech: &Speech) -> Option<Moment> {
        let client = self.client.as_ref().filter(|_| speech.teller == Side::Server)?;
        let heard = speech.talk.heard(protocol::Side::Client)?;
        client.waiting_since().filter(|_| client.totals.bytes_sent > heard)
    }
}
