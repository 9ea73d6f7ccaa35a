//! Joining the two views of requests that overlap on one connection, which turns do not tell apart.
//!
//! Invariant: two views are joined only if they have the same number, or ask the same where order counts, and their times
//! overlap; of several that do, those that came first. Memory: 64 views of each end for each connection; the oldest is
//! told alone.

use super::{Sample, Side};
use crate::protocol::{Ended, Id, Operation};
use crate::time::{Moment, Span};
use smallvec::SmallVec;
use std::collections::VecDeque;

/// Views of one end that wait for those of the other.
const WAITING: usize = 64;
/// How long the other end may take to tell its view.
const PATIENCE: Span = Span::from_seconds(2);

/// Views that wait, the oldest first: those of the client's end and those of the server's.
#[derive(Debug, Default)]
pub struct Overlaps {
    client: VecDeque<View>,
    server: VecDeque<View>,
}

/// One end's view of a request.
#[derive(Debug)]
struct View {
    id: Id,
    operation: Operation,
    asked: Moment,
    answered: Moment,
    ended: Moment,
}

impl Overlaps {
    /// Takes an end's view, if it is one of an answer, and gives what can be told now.
    pub fn add(&mut self, side: Side, ended: &Ended) -> SmallVec<[Sample; 1]> {
        let is_presumed = ended.id == Id::Order && ended.operation.is_unknown();
        let Some(answered) = ended.answered.filter(|_| !is_presumed) else { return SmallVec::new() };
        let view =
            View { id: ended.id, operation: ended.operation.clone(), asked: ended.asked, answered, ended: ended.ended };
        let (waiting, others) = match side {
            Side::Client => (&mut self.client, &mut self.server),
            Side::Server => (&mut self.server, &mut self.client),
        };
        let mut told = SmallVec::new();
        if let Some(place) = others.iter().position(|held| held.is_other_end_of(&view)) {
            // Where both ends tell in the same order, the views of what came before were lost at this one.
            let lost = if view.id == Id::Order { place } else { 0 };
            told.extend(others.drain(..lost).map(|held| held.alone(side.other())));
            told.extend(
                others
                    .remove(place - lost)
                    .map(|held| if side == Side::Client { join(&view, &held) } else { join(&held, &view) }),
            );
            return told;
        }
        tell_late(&mut told, others, side.other(), &view, 0);
        tell_late(&mut told, waiting, side, &view, 1);
        waiting.push_back(view);
        told
    }

    /// Tells what waits, from its one side.
    pub fn flush(&mut self) -> impl Iterator<Item = Sample> + '_ {
        let client = self.client.drain(..).map(|view| view.alone(Side::Client));
        client.chain(self.server.drain(..).map(|view| view.alone(Side::Server)))
    }
}

/// Tells the views of an end for whose other ones nobody waits any more at the time of `view`, also to make room for so many.
fn tell_late(told: &mut SmallVec<[Sample; 1]>, waiting: &mut VecDeque<View>, side: Side, view: &View, room: usize) {
    let is_late = |held: &View| held.answered.after(PATIENCE) < view.answered;
    let late = waiting.iter().take_while(|held| is_late(held)).count();
    let late = late.max((waiting.len() + room).saturating_sub(WAITING));
    told.extend(waiting.drain(..late).map(|view| view.alone(side)));
}

impl View {
    fn is_other_end_of(&self, other: &Self) -> bool {
        self.id == other.id
            && self.asked <= other.answered
            && other.asked <= self.answered
            // What a number asks may be known at one end alone, which heard the connection from its first byte on.
            && (self.id != Id::Order || self.operation == other.operation)
    }

    fn alone(&self, side: Side) -> Sample {
        let complete = (side == Side::Client).then(|| self.ended.since(self.asked));
        Sample { complete, ..Sample::of(side, self.answered.since(self.asked)) }
    }
}

/// As in `pairing`: a send may be seen later than what it led to.
fn join(client: &View, server: &View) -> Sample {
    let began = client.asked.min(server.asked);
    let latency = client.answered.since(began);
    let server_latency = server.answered.since(server.asked);
    Sample {
        latency: Some(latency),
        server_latency: Some(server_latency),
        wait: Some(Span(latency.0.saturating_sub(server_latency.0))),
        complete: Some(client.ended.since(began)),
        ..Sample::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Outcome;

    fn ended(id: u64, verb: &str, asked: u64, answered: u64) -> Ended {
        Ended {
            id: Id::Number(id),
            operation: Operation::new(verb, ""),
            asked: Moment(asked),
            answered: Some(Moment(answered)),
            ended: Moment(answered + 3),
            outcome: Outcome::default(),
        }
    }

    #[test]
    fn of_a_number_one_end_may_not_know_what_it_asks() {
        let mut overlaps = Overlaps::default();
        assert_eq!(overlaps.add(Side::Server, &ended(7, "a", 20, 30)).as_slice(), []);
        assert_eq!(overlaps.add(Side::Client, &ended(7, "", 10, 40)).len(), 1);
    }

    #[test]
    fn views_of_one_request_are_joined_whatever_lies_between_them() {
        let mut overlaps = Overlaps::default();
        assert_eq!(overlaps.add(Side::Client, &ended(1, "a", 10, 50)).as_slice(), []);
        assert_eq!(overlaps.add(Side::Client, &ended(3, "a", 11, 40)).as_slice(), []);
        let spans = |latency, server, wait| Sample {
            latency: Some(Span(latency)),
            server_latency: Some(Span(server)),
            wait: Some(Span(wait)),
            complete: Some(Span(latency + 3)),
            ..Sample::default()
        };
        assert_eq!(overlaps.add(Side::Server, &ended(3, "a", 20, 35)).as_slice(), [spans(29, 15, 14)]);
        assert_eq!(overlaps.add(Side::Server, &ended(1, "a", 20, 45)).as_slice(), [spans(40, 25, 15)]);
        assert_eq!(overlaps.flush().count(), 0);
    }

    #[test]
    fn where_order_counts_what_came_before_a_view_that_is_joined_is_told_alone() {
        let mut overlaps = Overlaps::default();
        let in_order = |at| Ended { id: Id::Order, ..ended(0, "a", at, at + 5) };
        for at in [10, 20, 30, 40] {
            assert_eq!(overlaps.add(Side::Server, &in_order(at)).as_slice(), []);
        }
        let told = overlaps.add(Side::Client, &in_order(30));
        assert_eq!(told.iter().filter(|sample| sample.latency.is_none()).count(), 2);
        assert_eq!((told.len(), overlaps.server.len()), (3, 1));
    }

    #[test]
    fn views_that_do_not_fit_are_told_alone() {
        let mut overlaps = Overlaps::default();
        overlaps.add(Side::Client, &ended(1, "a", 10, 50));
        assert_eq!(overlaps.add(Side::Server, &ended(2, "a", 20, 30)).as_slice(), []);
        assert_eq!(overlaps.add(Side::Server, &ended(1, "a", 60, 70)).as_slice(), []);
        let late = PATIENCE.0 + 100;
        assert_eq!(overlaps.add(Side::Server, &ended(5, "a", late, late)).len(), 3);
        for number in 0..WAITING as u64 {
            overlaps.add(Side::Server, &ended(number, "c", late, late));
        }
        assert_eq!((overlaps.client.len(), overlaps.server.len()), (0, WAITING));
    }
}
