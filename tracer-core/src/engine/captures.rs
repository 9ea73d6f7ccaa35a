//! What is told of the bytes of connections, as it was chosen: by port, and of what finds no room there by socket.
//!
//! Invariant: no more is chosen than the kernel's maps hold. Memory: [`Level::PORTS`] and [`Level::SOCKETS`]; a port
//! stays, a socket goes with its connection, and what finds no room is said. Of a port at which thousands of requests a
//! second arrive on connections that are not busy themselves, a share of the heads is told, as of a busy connection.

use foldhash::fast::RandomState;
use std::collections::HashMap;

use tracer_common::Capture as Level;

use crate::graph::snapshot::Degradation;
use crate::input::{Capture, Choice, Place};
use crate::time::{Moment, Span};

/// How often the pace of a port is taken.
const PACE_EVERY: Span = Span::from_millis(500);
/// A port is busy from so many requests a second on whose heads are all told …
const BUSY: u64 = 2_000;
/// … and no longer below so many.
const CALM: u64 = 1_000;

/// The choices.
#[derive(Debug, Default)]
pub(super) struct Captures {
    /// Looked into for every piece that is heard; others choose their ports: hashed with a seed of this run.
    places: HashMap<Place, Chosen, RandomState>,
    ports: usize,
    /// Something found no room.
    is_full: bool,
}

/// What was chosen for a place, and its pace.
#[derive(Debug)]
struct Chosen {
    capture: Capture,
    busy: bool,
    /// Since when requests are counted; those that were told, and all that they stand for.
    since: Moment,
    told: u64,
    all: u64,
}

impl Captures {
    /// What was chosen for a place.
    pub(super) fn find(&self, place: &Place) -> Option<Capture> {
        self.places.get(place).map(|chosen| chosen.capture)
    }

    /// Where a choice for `place` can be made: there, or for the socket alone.
    pub(super) fn room(&mut self, place: Place, cookie: u64) -> Option<Place> {
        let socket = Place::Socket(cookie);
        let sockets = self.places.len() - self.ports;
        if self.places.contains_key(&place) || (is_port(&place) && self.ports < limit(Level::PORTS)) {
            return Some(place);
        }
        let room = self.places.contains_key(&socket) || sockets < limit(Level::SOCKETS);
        self.is_full |= !room;
        room.then_some(socket)
    }

    /// Chooses; whether that is more than before. What needs less there is not heard less for it.
    pub(super) fn choose(&mut self, choice: Choice) -> bool {
        let before = self.places.get(&choice.place);
        if before.is_some_and(|before| before.capture >= choice.capture) {
            return false;
        }
        self.ports += usize::from(before.is_none() && is_port(&choice.place));
        let Choice { capture, busy, .. } = choice;
        self.places.insert(choice.place, Chosen { capture, busy, since: Moment(0), told: 0, all: 0 });
        true
    }

    /// A request was told at a place, which stands for so many; what is chosen anew because the place is busy, or no longer.
    pub(super) fn pace(&mut self, place: Place, weight: u64, at: Moment) -> Option<Choice> {
        let chosen = self.places.get_mut(&place).filter(|_| is_port(&place))?;
        let Capture::Heads { .. } = chosen.capture else { return None };
        chosen.told += u64::from(weight == 1);
        chosen.all = chosen.all.saturating_add(weight);
        let passed = at.since(chosen.since);
        if passed < PACE_EVERY {
            return None;
        }
        let per_second = |count: u64| u128::from(count) * 1_000_000_000 / u128::from(passed.0);
        let was_busy = chosen.busy;
        chosen.busy = if was_busy {
            per_second(chosen.all) >= u128::from(CALM)
        } else {
            per_second(chosen.told) >= u128::from(BUSY)
        };
        (chosen.since, chosen.told, chosen.all) = (at, 0, 0);
        (chosen.busy != was_busy).then_some(Choice { place, capture: chosen.capture, busy: chosen.busy })
    }

    /// A connection is over.
    pub(super) fn forget(&mut self, cookie: u64) {
        self.places.remove(&Place::Socket(cookie));
    }

    /// What does not work because something found no room.
    pub(super) fn degradation(&self) -> Option<Degradation> {
        let name = "requests of some connections are not understood".to_owned();
        let reason =
            format!("those of more than {} ports and {} connections beside them", Level::PORTS, Level::SOCKETS);
        self.is_full.then_some(Degradation { name, reason })
    }
}

fn is_port(place: &Place) -> bool {
    matches!(place, Place::Port { .. })
}

fn limit(entries: u32) -> usize {
    usize::try_from(entries).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Transport;

    #[test]
    fn where_the_ports_are_full_a_choice_is_for_a_socket_and_where_both_are_that_is_said() {
        let mut captures = Captures::default();
        let port = |netns, port| Place::Port { netns, port, transport: Transport::Tcp };
        let mut chosen = Vec::new();
        for number in 0..Level::PORTS + Level::SOCKETS + 1 {
            let place = port(number, 80);
            chosen.push(captures.room(place, u64::from(number)));
            if let Some(place) = chosen[chosen.len() - 1] {
                assert!(captures.choose(Choice { place, capture: Capture::Stream, busy: false }));
                assert!(!captures.choose(Choice { place, capture: Capture::Opening, busy: false }));
            }
            assert_eq!(captures.degradation().is_some(), number == Level::PORTS + Level::SOCKETS, "{number}");
        }
        assert_eq!(chosen[0], Some(port(0, 80)));
        assert_eq!(chosen[limit(Level::PORTS)], Some(Place::Socket(u64::from(Level::PORTS))));
        assert_eq!(chosen.last(), Some(&None));
        captures.forget(u64::from(Level::PORTS));
        assert_eq!(captures.room(port(1, 81), 7), Some(Place::Socket(7)));
        assert_eq!(captures.find(&port(0, 80)), Some(Capture::Stream));
    }

    #[test]
    fn a_port_at_which_thousands_of_requests_arrive_tells_a_share_until_it_is_calm() {
        let mut captures = Captures::default();
        let place = Place::Port { netns: 1, port: 80, transport: Transport::Tcp };
        let capture = Capture::Heads { error: None };
        assert!(captures.choose(Choice { place, capture, busy: false }));
        // So many a second, each standing for as many, for two seconds: what was chosen anew.
        let mut second = 1;
        let mut run = |rate: u64, weight: u64| -> Vec<bool> {
            let at = |number: u64| Moment(second * 1_000_000_000 + number * 1_000_000_000 / rate);
            let chosen = (0..2 * rate).filter_map(|number| captures.pace(place, weight, at(number)));
            let chosen = chosen.map(|choice| choice.busy).collect();
            second += 2;
            chosen
        };
        assert_eq!(run(1_900, 1), [] as [bool; 0]);
        assert_eq!(run(2_500, 1), [true]);
        assert_eq!(run(40, 64), [] as [bool; 0]);
        assert_eq!(run(10, 64), [false]);
        // Busy connections tell a share already.
        assert_eq!(run(1_000, 64), [] as [bool; 0]);
        assert!(captures.pace(Place::Socket(7), 1, Moment(1)).is_none());
    }
}
