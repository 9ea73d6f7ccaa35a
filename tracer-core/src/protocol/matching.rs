//! Joins responses to requests.
//!
//! Invariant: a response ends the request that has its number, or the oldest where order counts. After a loss nothing that
//! was in order is joined, until a request begins a turn and nothing earlier can be open: requests never overlapped on
//! this connection, or it was quiet for [`QUIET`]. Memory: [`REQUESTS`] for each connection.

use std::collections::VecDeque;

use super::{Event, Id, Message, Operation, Outcome, Side};
use crate::time::{Moment, Span};

/// Requests of one connection that wait for their response; the oldest goes first.
pub(super) const REQUESTS: usize = 1_024;

/// A connection that nobody used for so long has no request open.
pub(super) const QUIET: Span = Span::from_millis(100);

/// A request that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    pub id: Id,
    pub operation: Operation,
    /// When its first byte was sent.
    pub asked: Moment,
    /// When the first byte of its response came; `None` for one that nobody answers.
    pub answered: Option<Moment>,
    /// When its response was over.
    pub ended: Moment,
    pub outcome: Outcome,
}

/// The requests of one connection that wait.
#[derive(Debug, Default)]
pub struct Requests {
    waiting: VecDeque<Waiting>,
    /// Requests that were seen to begin.
    asked: u64,
    /// Requests whose response is not known, because bytes were lost or too many waited.
    unmatched: u64,
    /// Responses in order are not joined.
    suspended: bool,
    /// The last message was the server's.
    answering: bool,
    /// A request began a turn while another waited in order.
    overlapped: bool,
    /// More than one waited at once.
    several: bool,
    /// Since when the client has said nothing but what nobody answers …
    remarked: Option<Moment>,
    /// … and that a request came behind it, so that the turn is older than the request, or the server spoke all the same.
    late: bool,
    last: Moment,
}

#[derive(Debug)]
struct Waiting {
    id: Id,
    operation: Operation,
    asked: Moment,
    /// When its response began, and its outcome if that is known.
    answered: Option<(Moment, Option<Outcome>)>,
    /// Its response may be among bytes that were lost.
    doubtful: bool,
}

impl Requests {
    /// Takes what was found; gives the request that is over with it.
    pub fn take(&mut self, event: &Event) -> Option<Ended> {
        match event {
            Event::Message(at, message) => self.message(*at, message),
            Event::Lost(_) => {
                self.suspend();
                self.answering = false;
                None
            }
        }
    }

    /// Those that are known to wait, the oldest first: what they ask, since when, and whether a response has begun.
    pub fn waiting(&self) -> impl Iterator<Item = (&Operation, Moment, bool)> {
        let known = self.waiting.iter().filter(|waiting| !waiting.doubtful);
        known.map(|waiting| (&waiting.operation, waiting.asked, waiting.answered.is_some()))
    }

    /// Whether requests ever waited beside each other: turns do not tell them apart.
    #[must_use]
    pub fn are_several(&self) -> bool {
        self.several
    }

    /// Whether turns ever began with what nobody answers: those do not tell how long requests took.
    #[must_use]
    pub fn are_late(&self) -> bool {
        self.late
    }

    /// The server speaks after the client.
    pub fn replied(&mut self) {
        self.late |= self.remarked.take().is_some() && self.waiting.is_empty();
    }

    /// How many began.
    #[must_use]
    pub fn asked(&self) -> u64 {
        self.asked
    }

    /// Whether responses in order are not joined, because bytes were lost.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// Bytes of a side were lost. Of those in order whose response said how they ended and has only its end to come,
    /// nothing more will be known; of numbered ones the end may be among what the server sent, and never come again.
    pub fn settle(&mut self, lost: Side) -> Vec<Ended> {
        let is_settled = |waiting: &Waiting| {
            (waiting.id == Id::Order || lost == Side::Server) && matches!(waiting.answered, Some((_, Some(_))))
        };
        let (settled, rest) = self.waiting.drain(..).partition::<VecDeque<_>, _>(is_settled);
        self.waiting = rest;
        if lost == Side::Server {
            self.waiting.iter_mut().for_each(|waiting| waiting.doubtful = true);
        }
        settled
            .into_iter()
            .filter_map(|waiting| {
                let (at, outcome) = waiting.answered?;
                Some(Ended {
                    id: waiting.id,
                    operation: waiting.operation,
                    asked: waiting.asked,
                    answered: Some(at),
                    ended: at,
                    outcome: outcome.unwrap_or_default(),
                })
            })
            .collect()
    }

    /// A response comes whose request nobody saw: what it asks for is not known, and when it did neither.
    pub fn presume(&mut self, at: Moment) {
        self.realign();
        let operation = Operation::default();
        self.waiting.push_back(Waiting { id: Id::Order, operation, asked: at, answered: None, doubtful: false });
    }

    /// From here on nothing earlier is open.
    pub fn realign(&mut self) {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.id != Id::Order);
        self.unmatched += (before - self.waiting.len()) as u64;
        self.suspended = false;
        self.answering = false;
    }

    /// How many were forgotten.
    #[must_use]
    pub fn unmatched(&self) -> u64 {
        self.unmatched
    }

    /// Which response is whose is not known any more, where it is by order.
    fn suspend(&mut self) {
        let before = self.waiting.len();
        self.waiting.retain(|waiting| waiting.id != Id::Order);
        self.unmatched += (before - self.waiting.len()) as u64;
        self.suspended = true;
    }

    fn message(&mut self, at: Moment, message: &Message) -> Option<Ended> {
        match message {
            Message::Remark => {
                self.remarked.get_or_insert(at);
                return None;
            }
            Message::Request { answered: false, .. } => _ = self.remarked.get_or_insert(at),
            Message::Request { .. } => self.late |= self.remarked.take().is_some_and(|remarked| remarked < at),
            _ => self.remarked = None,
        }
        let quiet = at.since(std::mem::replace(&mut self.last, at)) >= QUIET;
        self.asked += u64::from(matches!(message, Message::Request { .. }));
        let was_answering = std::mem::replace(&mut self.answering, !matches!(message, Message::Request { .. }));
        match message {
            Message::Request { operation, answered: false, .. } => Some(Ended {
                id: Id::Order,
                operation: operation.clone(),
                asked: at,
                answered: None,
                ended: at,
                outcome: Outcome::default(),
            }),
            Message::Request { id, operation, .. } => {
                if *id == Id::Order && was_answering {
                    self.overlapped |= !self.suspended && self.waiting.iter().any(|waiting| waiting.id == Id::Order);
                    self.suspended &= self.overlapped && !quiet;
                }
                if *id == Id::Order && self.suspended {
                    self.unmatched += 1;
                    return None;
                }
                if self.waiting.len() >= REQUESTS {
                    if *id == Id::Order {
                        // The response of the one that would be forgotten is nobody else's, and so for all after it.
                        self.suspend();
                        self.overlapped = true;
                        self.unmatched += 1;
                        return None;
                    }
                    self.waiting.pop_front();
                    self.unmatched += 1;
                }
                self.several |= !self.waiting.is_empty();
                self.waiting.push_back(Waiting {
                    id: *id,
                    operation: operation.clone(),
                    asked: at,
                    answered: None,
                    doubtful: false,
                });
                None
            }
            Message::Response { id, outcome } => {
                let place = self.find(*id)?;
                let waiting = self.waiting.get_mut(place)?;
                // Bytes that came before may turn out to be its response only now.
                let at = at.max(waiting.asked);
                waiting.answered.get_or_insert((at, outcome.clone()));
                None
            }
            Message::End { id, outcome } => {
                let place = self.find(*id)?;
                let waiting = self.waiting.remove(place)?;
                let at = at.max(waiting.asked);
                let (answered, known) = waiting.answered.unwrap_or((at, None));
                Some(Ended {
                    id: waiting.id,
                    operation: waiting.operation,
                    asked: waiting.asked,
                    answered: Some(answered),
                    ended: at.max(answered),
                    outcome: outcome.clone().or(known).unwrap_or_default(),
                })
            }
            Message::Push { .. } | Message::Peer { .. } | Message::Remark => None,
        }
    }

    /// The request that a response belongs to.
    fn find(&self, id: Id) -> Option<usize> {
        if id == Id::Order && self.suspended {
            return None;
        }
        self.waiting.iter().position(|waiting| waiting.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(at: u64, id: Id, verb: &str) -> Event {
        Event::Message(Moment(at), Message::Request { id, operation: Operation::new(verb, ""), answered: true })
    }

    fn response(at: u64, id: Id, status: &str) -> Event {
        Event::Message(Moment(at), Message::Response { id, outcome: Some(Outcome::success(status)) })
    }

    fn end(at: u64, id: Id) -> Event {
        Event::Message(Moment(at), Message::End { id, outcome: None })
    }

    fn run(requests: &mut Requests, events: &[Event]) -> Vec<(String, String, u64, u64)> {
        let ended = events.iter().filter_map(|event| requests.take(event));
        ended
            .map(|ended| {
                (ended.operation.as_str().into(), ended.outcome.status.as_str().into(), ended.asked.0, ended.ended.0)
            })
            .collect()
    }

    #[test]
    fn responses_in_order_end_the_oldest_and_numbered_ones_their_own() {
        let mut requests = Requests::default();
        let order = [
            request(1, Id::Order, "a"),
            request(2, Id::Order, "b"),
            response(3, Id::Order, "1"),
            end(4, Id::Order),
            response(5, Id::Order, "2"),
            end(6, Id::Order),
            end(7, Id::Order),
        ];
        let ended = run(&mut requests, &order);
        assert_eq!(ended, [("a".into(), "1".into(), 1, 4), ("b".into(), "2".into(), 2, 6)]);
        let numbered = [
            request(1, Id::Number(1), "a"),
            request(2, Id::Number(3), "b"),
            response(3, Id::Number(3), "1"),
            end(4, Id::Number(3)),
            end(5, Id::Number(9)),
        ];
        assert_eq!(run(&mut requests, &numbered), [("b".into(), "1".into(), 2, 4)]);
        assert_eq!(requests.waiting().count(), 1);
    }

    #[test]
    fn what_nobody_answers_makes_turns_older_than_their_requests_unless_both_came_at_once() {
        let unanswered = |at| {
            let operation = Operation::new("set", "");
            Event::Message(Moment(at), Message::Request { id: Id::Order, operation, answered: false })
        };
        let remark = |at| Event::Message(Moment(at), Message::Remark);
        let turn = [request(5, Id::Order, "a"), end(6, Id::Order)];
        for (first, is_late) in [(unanswered(1), true), (remark(1), true), (unanswered(5), false), (remark(5), false)] {
            let mut requests = Requests::default();
            assert_eq!(run(&mut requests, &turn).len(), 1);
            requests.take(&first);
            assert!(!requests.are_late());
            assert_eq!(run(&mut requests, &turn).len(), 1);
            assert_eq!((requests.are_late(), requests.are_several()), (is_late, false), "{first:?}");
        }
        let mut pushed = Requests::default();
        pushed.replied();
        pushed.take(&remark(1));
        assert!(!pushed.are_late());
        pushed.replied();
        assert!(pushed.are_late(), "what the server says is no answer");
    }

    #[test]
    fn a_response_of_which_a_part_came_before_its_request_begins_with_the_request() {
        let mut requests = Requests::default();
        for event in [request(5, Id::Order, "a"), response(4, Id::Order, "1")] {
            assert_eq!(requests.take(&event), None);
        }
        let ended = requests.take(&end(4, Id::Order)).unwrap();
        assert_eq!((ended.asked, ended.answered, ended.ended), (Moment(5), Some(Moment(5)), Moment(5)));
    }

    #[test]
    fn after_a_loss_no_response_is_joined_to_a_request_that_was_in_order() {
        let mut requests = Requests::default();
        let events = [
            request(1, Id::Order, "a"),
            request(1, Id::Number(2), "b"),
            Event::Lost(Side::Server),
            end(4, Id::Order),
            end(5, Id::Number(2)),
        ];
        assert_eq!(run(&mut requests, &events), [("b".into(), String::new(), 1, 5)]);
        assert_eq!(requests.unmatched(), 1);
    }

    #[test]
    fn requests_in_order_are_joined_again_from_a_turn_on_before_which_nothing_can_be_open() {
        let turn = |at| [request(at, Id::Order, "c"), response(at + 1, Id::Order, "3"), end(at + 2, Id::Order)];
        let lost = [request(1, Id::Order, "a"), Event::Lost(Side::Server)];
        let mut sequential = Requests::default();
        run(&mut sequential, &lost);
        assert_eq!(run(&mut sequential, &turn(10)), [], "the response may be that of a");
        assert_eq!(run(&mut sequential, &turn(20)).len(), 1);

        let mut overlapping = Requests::default();
        run(&mut overlapping, &[request(1, Id::Order, "a"), request(2, Id::Order, "b"), end(3, Id::Order)]);
        run(&mut overlapping, &[request(4, Id::Order, "c"), Event::Lost(Side::Server), end(5, Id::Order)]);
        assert_eq!(run(&mut overlapping, &turn(10)), []);
        assert_eq!(run(&mut overlapping, &turn(20)), []);
        assert_eq!(run(&mut overlapping, &turn(30 + QUIET.0)).len(), 1);
    }

    #[test]
    fn when_bytes_of_the_server_are_lost_what_has_said_its_outcome_is_over() {
        let mut requests = Requests::default();
        for (number, verb) in [(1, "a"), (3, "b"), (5, "c")] {
            requests.take(&request(number, Id::Number(number), verb));
        }
        requests.take(&response(6, Id::Number(1), "1"));
        requests.take(&Event::Message(Moment(7), Message::Response { id: Id::Number(3), outcome: None }));
        assert_eq!(requests.settle(Side::Client), []);
        let settled = requests.settle(Side::Server);
        let told = settled.iter().map(|ended| (ended.operation.as_str(), ended.outcome.status.as_str(), ended.ended));
        assert_eq!(told.collect::<Vec<_>>(), [("a", "1", Moment(6))]);
        assert_eq!(requests.waiting().count(), 0, "their responses may have been among what was lost");
        assert_eq!(run(&mut requests, &[end(8, Id::Number(1)), end(9, Id::Number(3))]).len(), 1);
    }

    #[test]
    fn of_too_many_requests_the_oldest_are_forgotten_and_counted() {
        let mut requests = Requests::default();
        for at in 0..REQUESTS as u64 + 5 {
            requests.take(&request(at, Id::Number(at), "a"));
        }
        assert_eq!((requests.waiting().count(), requests.unmatched()), (REQUESTS, 5));
    }

    #[test]
    fn of_too_many_requests_in_order_none_is_joined_until_the_connection_was_quiet() {
        let mut requests = Requests::default();
        for at in 0..=REQUESTS as u64 {
            requests.take(&request(at, Id::Order, "a"));
        }
        assert_eq!((requests.waiting().count(), requests.unmatched()), (0, REQUESTS as u64 + 1));
        let late = [end(5_000, Id::Order), request(5_001, Id::Order, "b"), end(5_002, Id::Order)];
        assert_eq!(run(&mut requests, &late), []);
        let quiet = [request(6_000 + QUIET.0, Id::Order, "c"), end(6_001 + QUIET.0, Id::Order)];
        assert_eq!(run(&mut requests, &quiet).len(), 1);
    }
}
