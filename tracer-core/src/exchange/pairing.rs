//! Joining the two views of one exchange: the client's and the server's.
//!
//! Both ends name an exchange by the TCP sequence number of its request's first byte, which is the same at both ends
//! and survives address translation; on other sockets both count their requests, and where that began in
//! the middle of a connection, the two views must overlap in time. Invariant: the server's time lies within the client's, so a wait is never
//! negative: where the client's send was seen later than the server's receive (a long or preempted system call), the
//! exchange began no later than the server had it. Memory: `limits::UNPAIRED_EXCHANGES` for each connection; the
//! oldest is told from its one side.

use super::Side;
use crate::limits;
use crate::time::{Moment, Span};
use smallvec::SmallVec;

/// One end's view of an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Half {
    pub side: Side,
    /// TCP sequence number of the request's first byte, or the number of the request.
    pub sequence: u32,
    /// It is the number of the request since the tracer began, not of the connection: the other end's may be another.
    pub counted_late: bool,
    /// The kernel has counted its latency.
    pub counted: bool,
    pub request_first: Moment,
    pub response_first: Moment,
    pub response_last: Moment,
}

/// The times of one exchange, as far as they are known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    pub latency: Option<Span>,
    pub server_latency: Option<Span>,
    pub wait: Option<Span>,
    /// Until the last byte of the response, at the client.
    pub complete: Option<Span>,
    /// The kernel has counted the client's latency, or the server's.
    pub client_counted: bool,
    pub server_counted: bool,
}

impl Sample {
    /// What one side alone has measured.
    #[must_use]
    pub fn of(side: Side, span: Span) -> Self {
        match side {
            Side::Client => Self { latency: Some(span), ..Self::default() },
            Side::Server => Self { server_latency: Some(span), ..Self::default() },
        }
    }
}

/// Exchanges of one connection that wait for their other end, oldest first. Mostly there is one.
#[derive(Clone, Debug, Default)]
pub struct Pairing {
    waiting: SmallVec<[Half; 1]>,
}

impl Pairing {
    /// Adds a view; returns what can be told now.
    pub fn add(&mut self, half: Half) -> Option<Sample> {
        let other = self
            .waiting
            .iter()
            .position(|held| held.side != half.side && held.sequence == half.sequence && are_one(held, &half));
        if let Some(held) = other.map(|place| self.waiting.remove(place)) {
            let (client, server) = if half.side == Side::Client { (half, held) } else { (held, half) };
            return Some(join(client, server));
        }
        self.waiting.push(half);
        (self.waiting.len() > limits::UNPAIRED_EXCHANGES).then(|| alone(self.waiting.remove(0)))
    }

    /// The views that wait.
    pub(super) fn into_waiting(self) -> impl Iterator<Item = Half> {
        self.waiting.into_iter()
    }

    /// Tells what waits, from its one side.
    pub fn flush(&mut self) -> impl Iterator<Item = Sample> + '_ {
        self.waiting.drain(..).map(alone)
    }
}

/// Whether two views of the same number are of one exchange.
fn are_one(one: &Half, other: &Half) -> bool {
    let overlap = one.request_first <= other.response_first && other.request_first <= one.response_first;
    overlap || !(one.counted_late || other.counted_late)
}

fn join(client: Half, server: Half) -> Sample {
    let began = client.request_first.min(server.request_first);
    let latency = client.response_first.since(began);
    let server_latency = server.response_first.since(server.request_first);
    Sample {
        latency: Some(latency),
        server_latency: Some(server_latency),
        wait: Some(Span(latency.0.saturating_sub(server_latency.0))),
        complete: Some(client.response_last.since(began)),
        client_counted: client.counted,
        server_counted: server.counted,
    }
}

/// What one side alone tells.
#[must_use]
pub fn alone(half: Half) -> Sample {
    let span = Some(half.response_first.since(half.request_first));
    match half.side {
        Side::Client => {
            let complete = Some(half.response_last.since(half.request_first));
            Sample { latency: span, complete, client_counted: half.counted, ..Sample::default() }
        }
        Side::Server => Sample { server_latency: span, server_counted: half.counted, ..Sample::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn half(side: Side, sequence: u32, request: u64, response: u64) -> Half {
        let (counted_late, counted) = (false, false);
        // Each response takes five more until its last byte.
        let [request_first, response_first, response_last] = [request, response, response + 5].map(Moment);
        Half { side, sequence, counted_late, counted, request_first, response_first, response_last }
    }

    #[test]
    fn the_wait_is_what_the_client_saw_beyond_the_server_whichever_end_is_told_first() {
        for order in [[Side::Client, Side::Server], [Side::Server, Side::Client]] {
            let mut pairing = Pairing::default();
            let mut told = None;
            for side in order {
                let (request, response) = if side == Side::Client { (100, 200) } else { (130, 180) };
                told = pairing.add(half(side, 7, request, response));
            }
            let [latency, server_latency, wait] = [100, 50, 50].map(|span| Some(Span(span)));
            let complete = Some(Span(105));
            let expected = Sample { latency, server_latency, wait, complete, ..Sample::default() };
            assert_eq!(told, Some(expected));
        }
    }

    #[test]
    fn a_client_whose_send_was_seen_late_did_not_wait_less_than_nothing() {
        let mut pairing = Pairing::default();
        pairing.add(half(Side::Server, 7, 100, 190));
        let sample = pairing.add(half(Side::Client, 7, 150, 200)).unwrap();
        assert_eq!((sample.latency, sample.wait), (Some(Span(100)), Some(Span(10))));
    }

    #[test]
    fn views_counted_from_the_middle_of_a_connection_must_overlap() {
        let mut pairing = Pairing::default();
        let late = |half| Half { counted_late: true, ..half };
        assert_eq!(pairing.add(late(half(Side::Client, 1, 0, 10))), None);
        assert_eq!(pairing.add(late(half(Side::Server, 1, 20, 30))), None);
        assert!(pairing.add(late(half(Side::Server, 1, 5, 8))).is_some());
    }

    #[test]
    fn exchanges_with_other_sequence_numbers_are_not_joined_and_the_oldest_is_told_alone() {
        let mut pairing = Pairing::default();
        for sequence in 0..u32::try_from(limits::UNPAIRED_EXCHANGES).unwrap() {
            assert_eq!(pairing.add(half(Side::Client, sequence, 0, 10)), None);
        }
        let told = pairing.add(half(Side::Server, 99, 0, 10)).unwrap();
        assert_eq!(told, Sample { latency: Some(Span(10)), complete: Some(Span(15)), ..Sample::default() });
        assert_eq!(pairing.flush().count(), limits::UNPAIRED_EXCHANGES);
    }
}
