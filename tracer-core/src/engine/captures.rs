//! What is told of the bytes of connections, as it was chosen: by port, and of what finds no room there by socket.
//!
//! Invariant: no more is chosen than the kernel's maps hold. Memory: [`Capture::PORTS`] and [`Capture::SOCKETS`]; a port
//! stays, a socket goes with its connection, and what finds no room is said.

use std::collections::HashMap;

use tracer_common::Capture as Level;

use crate::graph::snapshot::Degradation;
use crate::input::{Capture, Choice, Place};

/// The choices.
#[derive(Debug, Default)]
pub(super) struct Captures {
    places: HashMap<Place, Capture>,
    ports: usize,
    /// Something found no room.
    is_full: bool,
}

impl Captures {
    /// What was chosen for a place.
    pub(super) fn find(&self, place: &Place) -> Option<Capture> {
        self.places.get(place).copied()
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
        if before.is_some_and(|before| *before >= choice.capture) {
            return false;
        }
        self.ports += usize::from(before.is_none() && is_port(&choice.place));
        self.places.insert(choice.place, choice.capture);
        true
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
                assert!(captures.choose(Choice { place, capture: Capture::Stream }));
                assert!(!captures.choose(Choice { place, capture: Capture::Opening }));
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
}
