//! Which call a connection counts for, and what it adds.
//!
//! Invariant: a connection adds to one call at a time and from one end only; a service is named when its process is
//! known, and called unknown when it is not. Memory: none of its own.

use super::Engine;
use crate::exchange::{Connection, ConnectionId, End, Episode, Side, closing, connections::GRACE};
use crate::graph::{CallId, Open, ServiceId, ServiceName};
use crate::identity::{Endpoint, Port, ProcessKey, Transport};
use crate::input::Output;
use crate::protocol::Protocol;
use crate::time::Moment;
use tracer_common::SocketFlags;

/// A service, or that it is not known yet.
enum Found {
    Process(ProcessKey),
    Name(ServiceName),
    NotYet,
}

impl Engine {
    /// Looks at a connection that has no call yet, or that is over.
    pub(super) fn attend(&mut self, id: ConnectionId, out: &mut Vec<Output>) {
        let Some(connection) = self.connections.get(id) else { return };
        if connection.call.is_none() && !self.settle(id, out) {
            self.connections.attend(id);
            return;
        }
        if self.presumes(id) {
            return;
        }
        self.stop_presuming(id, out);
        self.count(id);
        let now = self.moments.now;
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.telling().is_none_or(|(_, end)| end.closing.is_none()) {
            return;
        }
        if connection.awaits_teller(now) {
            return self.connections.attend(id);
        }
        let over = connection.is_over();
        if !connection.judged {
            // Late records of its owner reading what was left, and those of the other end, may still come.
            connection.deadline = now.after(GRACE);
            self.connections.attend_at(now.after(GRACE), id);
            self.conclude(id);
        }
        let late = self.connections.get(id).is_some_and(|connection| now >= connection.deadline);
        if over || late {
            self.tell_unpaired(id);
        }
        if over && late {
            self.forget(id);
        } else if over && let Some(connection) = self.connections.get_mut(id) {
            // Both ends have told all that was said.
            connection.speech = None;
        }
    }

    /// Finds the call of a connection; `false` while a service is not known.
    fn settle(&mut self, id: ConnectionId, out: &mut Vec<Output>) -> bool {
        let Some(connection) = self.connections.get(id) else { return true };
        let (Some((_, telling)), opened) = (connection.telling(), connection.opened) else { return true };
        let late = self.ending || self.moments.now >= connection.deadline;
        if !telling.was_established() && telling.closing.is_none() && !late {
            return false;
        }
        let failed = !telling.was_established();
        let presumed = !failed && self.may_be_served(connection);
        let transport = telling.transport;
        let port = match (&connection.client, &connection.server) {
            (Some(End { path: Some(path), .. }), _) | (_, Some(End { path: Some(path), .. })) => Port::clone(path),
            (_, Some(server)) => server.local.port.into(),
            (Some(client), None) => client.remote.port.into(),
            (None, None) => return true,
        };
        let from = self.client_of(connection, late);
        let to = self.server_of(connection, late || failed);
        let (from, to) = match (from, to) {
            (Found::NotYet, _) | (_, Found::NotYet) => return false,
            found => found,
        };
        let is_unknown =
            |found: &&Found| matches!(found, Found::Name(ServiceName::Unknown(_) | ServiceName::UnknownSocket(_)));
        let unresolved = [&from, &to].iter().any(is_unknown);
        if unresolved && port == Port::UNNAMED {
            // Of a pair without a name nobody can tell who has the other end until it is used.
            return true;
        }
        if unresolved && !failed {
            self.gaps.unresolved += 1;
        }
        let processes = [&from, &to].map(|found| if let Found::Process(key) = found { Some(*key) } else { None });
        let [client, server] = processes;
        let (from, to) = (self.service(from), self.service(to));
        self.tell_episodes(id, (from, to), transport, &port, opened, out);
        if from == to && port == Port::UNNAMED {
            // A pair of sockets inside one service: its own affair, and nobody's call.
            return true;
        }
        let call = self.graph.call((from, to), transport, port, opened);
        let followed = self.followed(client);
        if let Some(node) = self.graph.get_mut(call) {
            node.client = client.or(node.client);
            node.server = server.or(node.server);
            node.followed = followed.or(node.followed);
        }
        self.note_reach(call, [client, server]);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.call = Some(call);
            connection.presumed = presumed;
            let counted = if connection.client.is_some() { Side::Client } else { Side::Server };
            connection.counted.get_or_insert(counted);
        }
        if presumed {
            self.stand(call);
        } else {
            self.count(id);
            self.tell_call(id, call, out);
        }
        true
    }

    /// Whether a connection still waits for somebody to serve it; looks again where time alone decides.
    fn presumes(&mut self, id: ConnectionId) -> bool {
        let Some(connection) = self.connections.get(id).filter(|connection| connection.presumed) else { return false };
        let presumes = self.may_be_served(connection);
        let left = connection.telling().is_some_and(|(_, end)| end.closing.is_some());
        if presumes && (left || connection.server.is_none()) {
            self.connections.attend(id);
        }
        presumes
    }

    fn may_be_served(&self, connection: &Connection) -> bool {
        let local = connection.client.as_ref().is_some_and(|client| self.is_local(&client.remote));
        !self.ending && connection.may_be_served(local, self.moments.now)
    }

    /// Nobody else will serve the connection: it is a call to who listens.
    pub(super) fn stop_presuming(&mut self, id: ConnectionId, out: &mut Vec<Output>) {
        let Some(connection) = self.connections.get_mut(id).filter(|connection| connection.presumed) else { return };
        connection.presumed = false;
        let call = connection.call;
        self.count(id);
        if let Some(call) = call {
            self.tell_call(id, call, out);
        }
    }

    /// Tells a call that is new, as its first connection shows it.
    fn tell_call(&mut self, id: ConnectionId, call: CallId, out: &mut Vec<Output>) {
        let mut open = Open::default();
        if let Some(connection) = self.connections.get(id) {
            open.add(connection);
        }
        self.new_call(call, open, out);
    }

    /// Adds what a connection did under earlier owners to their calls; an end that had no owner yet is the present one.
    fn tell_episodes(
        &mut self,
        id: ConnectionId,
        present: (ServiceId, ServiceId),
        transport: Transport,
        port: &Port,
        opened: Moment,
        out: &mut Vec<Output>,
    ) {
        let episodes = self.connections.get_mut(id).map(|held| std::mem::take(&mut held.episodes)).unwrap_or_default();
        for Episode { client, server, grown, held } in episodes {
            let from = client.map_or(present.0, |key| self.service(Found::Process(key)));
            let to = server.map_or(present.1, |key| self.service(Found::Process(key)));
            let call = self.graph.call((from, to), transport, port.clone(), opened);
            let followed = self.followed(client);
            if let Some(node) = self.graph.get_mut(call) {
                node.client = client.or(node.client);
                node.server = server.or(node.server);
                node.followed = followed.or(node.followed);
                node.connections += 1;
                node.grow(&grown);
                if let Some(held) = held {
                    node.record_all(&held);
                }
            }
            self.note_reach(call, [client, server]);
            self.new_call(call, Open::default(), out);
        }
    }

    fn client_of(&self, connection: &Connection, late: bool) -> Found {
        match (&connection.client, &connection.server) {
            (Some(client), _) => match client.owner {
                Some(owner) => Found::Process(owner),
                None if late => Found::Name(Self::unknown(client, &client.local)),
                None => Found::NotYet,
            },
            (None, Some(server)) if late => Found::Name(self.address(server, &server.remote)),
            _ => Found::NotYet,
        }
    }

    fn server_of(&self, connection: &Connection, late: bool) -> Found {
        if let Some(owner) = connection.server.as_ref().and_then(|server| server.owner) {
            return Found::Process(owner);
        }
        // The census tells connections and listeners together: no other end will come later.
        let from_census = connection.server.is_none()
            && connection.client.as_ref().is_some_and(|client| client.flags & SocketFlags::PREEXISTING != 0);
        if !late && !from_census {
            return Found::NotYet;
        }
        let (told_by, end) = match (&connection.server, &connection.client) {
            (Some(server), _) => (server, &server.local),
            (None, Some(client)) => (client, &client.remote),
            (None, None) => return Found::NotYet,
        };
        let listener = match &told_by.path {
            Some(path) => self.listeners.find_path(path),
            None => self.listeners.find(told_by.transport, end).filter(|_| self.is_local(end)),
        };
        match listener {
            Some(owner) => Found::Process(owner),
            None if !late => Found::NotYet,
            None => Found::Name(self.address(told_by, end)),
        }
    }

    fn is_local(&self, end: &Endpoint) -> bool {
        end.is_loopback() || self.local_addresses.contains(&(end.netns, end.address))
    }

    /// What the place is called that an end talks to or is at, where its process is not known.
    fn address(&self, told_by: &End, place: &Endpoint) -> ServiceName {
        let elsewhere = told_by.transport != Transport::Unix && !self.is_local(place);
        if !elsewhere {
            return Self::unknown(told_by, place);
        }
        match self.peers.name(&place.address) {
            Some(name) => ServiceName::NamedPeer(name.to_owned()),
            None => ServiceName::Peer(place.address),
        }
    }

    fn unknown(told_by: &End, place: &Endpoint) -> ServiceName {
        match &told_by.path {
            Some(path) => ServiceName::UnknownSocket(path.to_string()),
            None => ServiceName::Unknown(place.address),
        }
    }

    fn service(&mut self, found: Found) -> ServiceId {
        match found {
            Found::Process(key) => {
                let unnamed = || ServiceName::Program(format!("pid {}", key.pid));
                let name = self.processes.service(key).unwrap_or_else(unnamed);
                let service = self.graph.service(name);
                self.graph.add_instance(service, key);
                service
            }
            Found::Name(name) => self.graph.service(name),
            Found::NotYet => self.graph.service(ServiceName::Other),
        }
    }

    /// Adds to its call what a connection grew by since it was counted last.
    pub(super) fn count(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let (Some(call), Some(counted)) = (connection.counts_for(), connection.counted) else { return };
        let Some(call) = self.graph.get_mut(call) else { return };
        if let Some(held) = connection.held.take() {
            call.record_all(&held);
        }
        if let Some(speech) = &mut connection.speech {
            call.hear(speech);
        }
        let established = connection.telling().is_some_and(|(_, end)| end.was_established());
        if established && !connection.counted_open {
            connection.counted_open = true;
            call.connections += 1;
            if connection.telling().is_some_and(|(_, end)| end.closing.is_none()) {
                connection.open_in = connection.call;
                call.pool.open();
            }
        }
        let told = connection.told();
        for side in [Side::Client, Side::Server] {
            let Some(end) = connection.end_mut(side) else { continue };
            let mut grown = std::mem::take(&mut end.uncounted);
            let turns = end.totals.requests;
            if side == counted {
                if let Some(speech) = &mut connection.speech {
                    grown.requests = speech.grow(turns, told);
                }
                call.grow(&if side == Side::Client { grown } else { grown.mirrored() });
            }
        }
    }

    /// Tells the exchanges that wait for their other end from their one side.
    pub(super) fn tell_unpaired(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(call) = connection.counts_for().and_then(|call| self.graph.get_mut(call)) else { return };
        connection.pairing.flush().for_each(|sample| call.record(&sample));
        if let Some(speech) = &mut connection.speech {
            speech.flush().for_each(|sample| call.record(&sample));
        }
    }

    /// A connection is not among the open ones of a call any more.
    pub(super) fn leave(&mut self, call: Option<CallId>) {
        if let Some(call) = call.and_then(|call| self.graph.get_mut(call)) {
            call.pool.close();
        }
    }

    /// Forgets a connection, but not what was lost of it.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        let was_open_in = self.connections.get_mut(id).and_then(|connection| connection.open_in.take());
        self.leave(was_open_in);
        if let Some(connection) = self.connections.get(id) {
            self.gaps.exchanges_without_times =
                self.gaps.exchanges_without_times.saturating_add(connection.without_times());
            for end in [&connection.client, &connection.server].into_iter().flatten() {
                self.captures.forget(end.cookie);
            }
        }
        self.connections.remove(id);
    }

    /// Judges how a connection ended, once.
    pub(super) fn conclude(&mut self, id: ConnectionId) {
        if let Some(connection) = self.connections.get_mut(id) {
            connection.end_speech();
        }
        self.count(id);
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(call) = connection.counts_for().and_then(|call| self.graph.get_mut(call)) else { return };
        let Some((side, end)) = connection.telling() else { return };
        let Some(closing) = end.closing.as_deref().filter(|_| !connection.judged) else { return };
        let protocol = connection.speech.as_ref().and_then(|speech| speech.talk.protocol());
        let is_tls = protocol == Some(Protocol::Tls);
        let errors = closing::errors(side, end, closing, call.has_answers(), is_tls);
        call.fail(&errors, end.was_established());
        connection.judged = true;
    }
}
