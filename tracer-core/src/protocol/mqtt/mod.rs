//! MQTT 3.1, 3.1.1 and 5 (OASIS, MQTT Version 5.0 and MQTT Version 3.1.1).
//!
//! Recognised are CONNECT, which every connection begins with, and packets whose fields agree with their length.
//! Invariant: of a packet nothing but its topic is kept, with values left out; neither payloads, nor client
//! identifiers, nor credentials. Memory: [`ALIASES`] topics for each side.

mod packet;
mod reason;

use std::collections::VecDeque;

use super::{About, Found, Id, Message, Next, Operation, Parser, Protocol, Row, Side, Verdict, lines::Short};
use crate::input::Capture;
use packet::{Kind, Packet};

pub(super) const ROW: Row = Row {
    protocol: Protocol::Mqtt,
    name: "mqtt",
    ports: &[1883],
    begins,
    parser: || Box::<Mqtt>::default(),
    capture: Capture::Stream,
    turns: true,
    unasked: true,
    datagrams: false,
    about: About {
        specification: "OASIS MQTT 3.1.1, MQTT 5.0 (and 3.1)",
        recognised: "CONNECT; packets whose fields agree with their length, on both sides",
        operation: "the packet and its topic, `{id}` in place of what looks like a value, such as `PUBLISH \
                    sensors/{id}/temp`; of a subscription the first filter",
        status: "the reason, such as `Success` or `Not authorized`; of several, the worst",
        errors: "a reason of 0x80 or more; a return code of CONNACK that is not 0",
        matching: "packet identifier; a PUBLISH with QoS 2 ends with its PUBCOMP",
        older: "from the next packet that begins a turn on; as the version is not known, fields are read as those of \
                3.1.1 and of 5",
        limits: "a PUBLISH with QoS 0 has no response; one whose topic was given a number before anybody looked is \
                 not told; topics of more than 4096 bytes and properties of more than 1024 are not read; MQTT over \
                 WebSocket is not read",
    },
};

/// Topics that have a number instead (MQTT 5 §3.3.2.3.4), for each side; the oldest goes first.
const ALIASES: usize = 64;
/// Numbers of requests that have no packet identifier.
const CONNECT: u64 = 1 << 16;
const PING: u64 = CONNECT + 1;
/// Bits of a number below that of the loss.
const LOSS_SHIFT: u32 = 17;

fn begins(side: Side, bytes: &[u8]) -> Verdict {
    match Packet::read(bytes, side, None) {
        Err(Short::More) => Verdict::More,
        Err(Short::Wrong(_)) => Verdict::No,
        // An empty topic is possible, and too little to tell by.
        Ok(packet) if packet.kind == Kind::Publish && packet.topic.is_empty() => Verdict::No,
        Ok(packet) if packet.kind == Kind::Connect => Verdict::Certain,
        Ok(packet) if packet.kind == Kind::Auth => Verdict::No,
        Ok(_) => Verdict::Likely,
    }
}

#[derive(Debug, Default)]
struct Mqtt {
    /// The protocol's level: 3, 4 or 5, if CONNECT was seen.
    level: Option<u8>,
    /// How often the server's bytes were lost: an identifier may have been free again since.
    losses: u64,
    client: Aliases,
    server: Aliases,
}

/// Topics by the number that a side gave them.
#[derive(Debug, Default)]
struct Aliases(VecDeque<(u16, String)>);

impl Parser for Mqtt {
    fn next(&mut self, side: Side, bytes: &[u8], found: &mut Found) -> Next {
        let packet = match Packet::read(bytes, side, self.level) {
            Ok(packet) => packet,
            Err(short) => return short.into(),
        };
        match side {
            Side::Client => self.request(&packet, found),
            Side::Server => self.response(&packet, found),
        }
        Next::Unit(packet.length)
    }

    fn lost(&mut self, side: Side) {
        match side {
            Side::Client => self.client.0.clear(),
            Side::Server => {
                self.server.0.clear();
                self.losses = self.losses.saturating_add(1);
            }
        }
    }
}

impl Mqtt {
    fn request(&mut self, packet: &Packet<'_>, found: &mut Found) {
        let mut ask = |verb: &str, about: &str, number: Option<u64>| {
            let id = self.losses.wrapping_shl(LOSS_SHIFT) | number.unwrap_or_default();
            let operation = Operation::new(verb, about);
            found.messages.push(Message::Request { id: Id::Number(id), operation, answered: number.is_some() });
        };
        let identifier = packet.identifier.map(u64::from);
        match packet.kind {
            Kind::Connect => {
                ask("CONNECT", "", Some(CONNECT));
                self.level = packet.level;
            }
            Kind::Publish => {
                if let Some(topic) = self.client.topic(packet) {
                    ask("PUBLISH", &topic, identifier);
                }
            }
            Kind::Subscribe => ask("SUBSCRIBE", &packet.name(), identifier),
            Kind::Unsubscribe => ask("UNSUBSCRIBE", &packet.name(), identifier),
            Kind::PingRequest => ask("PINGREQ", "", Some(PING)),
            Kind::Disconnect => ask("DISCONNECT", "", None),
            // It acknowledges what the server sent, or goes on with what has begun.
            _ => {}
        }
    }

    fn response(&mut self, packet: &Packet<'_>, found: &mut Found) {
        let identifier = packet.identifier.map_or(0, u64::from);
        let number = match packet.kind {
            Kind::ConnectAck => CONNECT,
            Kind::PingResponse => PING,
            Kind::Publish => {
                if let Some(topic) = self.server.topic(packet) {
                    found.at_end.push(Message::Push { operation: Operation::new("PUBLISH", &topic) });
                }
                return;
            }
            Kind::Disconnect => {
                let operation = Operation::new("DISCONNECT", reason::name(packet.reason));
                return found.at_end.push(Message::Push { operation });
            }
            Kind::Acknowledge | Kind::Received | Kind::Complete | Kind::SubscribeAck | Kind::UnsubscribeAck => {
                identifier
            }
            // The client's release of what it received, and steps of an authentication.
            _ => return,
        };
        let id = Id::Number(self.losses.wrapping_shl(LOSS_SHIFT) | number);
        let outcome = match packet.kind {
            Kind::ConnectAck if self.level.is_some_and(|level| level < 5) => reason::connection(packet.reason),
            Kind::ConnectAck if self.level.is_none() && packet.reason < 0x80 => reason::connection(packet.reason),
            Kind::SubscribeAck => reason::subscription(packet.reason),
            _ => reason::outcome(packet.reason),
        };
        found.messages.push(Message::Response { id, outcome: None });
        // Delivery in two steps goes on after the first, if that did not fail.
        if packet.kind != Kind::Received || outcome.fault.is_some() {
            found.at_end.push(Message::End { id, outcome: Some(outcome) });
        }
    }
}

impl Aliases {
    /// The topic of a publication, which gives it a number or is known by one; `None` if the number was given unseen.
    fn topic(&mut self, packet: &Packet<'_>) -> Option<String> {
        let Some(alias) = packet.alias else { return Some(packet.name()).filter(|topic| !topic.is_empty()) };
        let known = self.0.iter().position(|(number, _)| *number == alias);
        if packet.topic.is_empty() {
            return known.and_then(|place| self.0.get(place)).map(|(_, topic)| topic.clone());
        }
        if let Some(place) = known {
            self.0.remove(place);
        } else if self.0.len() >= ALIASES {
            self.0.pop_front();
        }
        self.0.push_back((alias, packet.name()));
        Some(packet.name())
    }
}
