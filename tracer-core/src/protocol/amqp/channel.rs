//! What waits on the channels of an AMQP connection: requests for their reply, publications for their confirmation.
//!
//! Invariant: numbers are never used again, so that nothing after a loss is joined to what was before it. Memory:
//! [`CHANNELS`], of which the highest goes first; [`REQUESTS`] and [`PUBLICATIONS`], the oldest first.

use std::collections::{BTreeMap, VecDeque};

use super::method::{self, Code, Method};
use super::{Found, Operation, Side};
use crate::protocol::{Fault, Id, Message, Outcome};

/// Channels whose way to publish is known.
const CHANNELS: usize = 256;
/// Requests that wait for a reply.
const REQUESTS: usize = 256;
/// Publications that wait for a confirmation.
const PUBLICATIONS: usize = 1_024;
/// So many publications that nobody confirms say that none is.
const PROOF: u8 = 64;

#[derive(Debug, Default)]
pub(super) struct Channels {
    known: BTreeMap<u16, Publishing>,
    requests: VecDeque<Request>,
    publications: VecDeque<Publication>,
    /// Numbers that were given.
    last: u64,
}

/// How a channel publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Publishing {
    Plain,
    /// The next publication has this number.
    Confirmed(u64),
    /// Whether there are confirmations was not seen; so many publications were.
    Unsure(u8),
    /// There are, and the numbers are not known.
    Unnumbered,
}

/// A request that waits for its reply.
#[derive(Debug)]
struct Request {
    channel: u16,
    code: Code,
    /// The class of the reply, and the methods that may be it.
    replies: (u16, [u16; 2]),
    id: Id,
}

/// A publication that waits for its confirmation.
#[derive(Debug)]
struct Publication {
    channel: u16,
    tag: u64,
    id: Id,
    /// A hash of where it goes, if it is to come back when it finds no queue.
    mandatory: Option<u32>,
    /// Why it came back.
    returned: Option<u16>,
}

impl Channels {
    /// After a loss, what waited may have been answered, or have come back.
    pub(super) fn lost(&mut self, side: Side) {
        self.requests.clear();
        self.publications.clear();
        if side == Side::Client {
            for publishing in self.known.values_mut() {
                *publishing = match publishing {
                    Publishing::Plain | Publishing::Unsure(_) => Publishing::Unsure(0),
                    Publishing::Confirmed(_) | Publishing::Unnumbered => Publishing::Unnumbered,
                };
            }
        }
    }

    /// A request without a reply.
    pub(super) fn tell(&mut self, operation: Operation, found: &mut Found) {
        let id = self.number();
        found.messages.push(Message::Request { id, operation, answered: false });
    }

    /// A request that one of these methods answers.
    pub(super) fn ask(
        &mut self,
        channel: u16,
        code: Code,
        replies: (u16, [u16; 2]),
        operation: Operation,
        found: &mut Found,
    ) {
        let id = self.number();
        if self.requests.len() >= REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(Request { channel, code, replies, id });
        found.messages.push(Message::Request { id, operation, answered: true });
    }

    /// A method that says how the channel publishes.
    pub(super) fn select(&mut self, channel: u16, code: Code) {
        match code {
            method::OPEN_CHANNEL => {
                // What waits is of a channel that was closed before, and nobody will answer it.
                self.requests.retain(|request| request.channel != channel);
                self.publications.retain(|publication| publication.channel != channel);
                *self.publishing(channel) = Publishing::Plain;
            }
            method::CONFIRM => {
                let publishing = self.publishing(channel);
                if matches!(publishing, Publishing::Plain | Publishing::Unsure(_)) {
                    *publishing = Publishing::Confirmed(1);
                }
            }
            _ => {}
        }
    }

    pub(super) fn publish(&mut self, channel: u16, method: &Method, operation: Operation, found: &mut Found) {
        let publishing = self.publishing(channel);
        let tag = match publishing {
            Publishing::Plain => None,
            Publishing::Confirmed(next) => {
                let tag = *next;
                *next = tag.saturating_add(1);
                Some(tag)
            }
            Publishing::Unsure(seen) if *seen >= PROOF => None,
            Publishing::Unsure(seen) => {
                *seen = seen.saturating_add(1);
                return;
            }
            Publishing::Unnumbered => return,
        };
        let Some(tag) = tag else { return self.tell(operation, found) };
        let id = self.number();
        if self.publications.len() >= PUBLICATIONS {
            self.publications.pop_front();
        }
        let mandatory = method.mandatory.then(|| crc32fast::hash(method.about.as_bytes()));
        self.publications.push_back(Publication { channel, tag, id, mandatory, returned: None });
        found.messages.push(Message::Request { id, operation, answered: true });
    }

    /// A reply: it ends the oldest request that it may be of.
    pub(super) fn answer(&mut self, channel: u16, code: Code, found: &mut Found) {
        let is_of = |request: &Request| {
            request.channel == channel && request.replies.0 == code.0 && request.replies.1.contains(&code.1)
        };
        let Some(place) = self.requests.iter().position(is_of) else { return };
        let Some(request) = self.requests.remove(place) else { return };
        end(request.id, Outcome::success(if code == method::EMPTY { "EMPTY" } else { "OK" }), found);
    }

    /// Publications that were taken, or refused.
    pub(super) fn confirm(&mut self, channel: u16, method: &Method, found: &mut Found) {
        let publishing = self.publishing(channel);
        if matches!(publishing, Publishing::Plain | Publishing::Unsure(_)) {
            *publishing = Publishing::Unnumbered;
        }
        let is_refused = method.kind.code == method::REFUSE;
        self.publications.retain(|publication| {
            let is_meant = publication.tag == method.tag
                || (method.multiple && (method.tag == 0 || publication.tag <= method.tag));
            if publication.channel != channel || !is_meant {
                return true;
            }
            let outcome = match publication.returned {
                // There is nobody whom it could be given to.
                Some(code) => Outcome::failure(method::reply_name(code), Fault::Gateway),
                None if is_refused => Outcome::failure("NACK", Fault::Service),
                None => Outcome::success("OK"),
            };
            end(publication.id, outcome, found);
            false
        });
    }

    /// A publication that came back: whether it waits for its confirmation, which follows.
    pub(super) fn returned(&mut self, channel: u16, method: &Method) -> bool {
        let about = Some(crc32fast::hash(method.about.as_bytes()));
        let is_it = |publication: &&mut Publication| {
            publication.channel == channel && publication.returned.is_none() && publication.mandatory == about
        };
        let Some(publication) = self.publications.iter_mut().find(is_it) else {
            // Where there may be confirmations, its request was not told either.
            return *self.publishing(channel) != Publishing::Plain;
        };
        publication.returned = Some(method.reply);
        true
    }

    /// Whether the server closes a channel, or all, for what nobody waits for.
    pub(super) fn closes_unasked(&mut self, channel: u16, method: &Method) -> bool {
        let is_publication = method.failed == method::PUBLISH && *self.publishing(channel) == Publishing::Plain;
        // Who it is was not believed: the answer to what the connection began with.
        let is_refusal = method.reply == 403;
        is_publication || (method.failed == (0, 0) && !is_refusal)
    }

    /// A channel, or all, that the server closes: whether anything waited there.
    pub(super) fn close(&mut self, channel: Option<u16>, method: &Method, found: &mut Found) -> bool {
        let outcome = match method.reply {
            200 => Outcome::success("OK"),
            code => Outcome::failure(method::reply_name(code), Fault::Service),
        };
        let mut ended = false;
        self.requests.retain(|request| {
            let is_meant = channel.is_none_or(|channel| request.channel == channel);
            if is_meant {
                // What closes it at the same time did not fail.
                let crosses = matches!(request.code, method::CLOSE_CHANNEL | method::CLOSE_CONNECTION);
                end(request.id, if crosses { Outcome::success("OK") } else { outcome.clone() }, found);
                ended |= !crosses;
            }
            !is_meant
        });
        self.publications.retain(|publication| {
            let is_meant = channel.is_none_or(|channel| publication.channel == channel);
            if is_meant {
                end(publication.id, outcome.clone(), found);
                ended = true;
            }
            !is_meant
        });
        ended
    }

    fn number(&mut self) -> Id {
        self.last = self.last.saturating_add(1);
        Id::Number(self.last)
    }

    fn publishing(&mut self, channel: u16) -> &mut Publishing {
        if self.known.len() >= CHANNELS && !self.known.contains_key(&channel) {
            // The highest numbers are the ones that are seldom used.
            self.known.pop_last();
        }
        self.known.entry(channel).or_insert(Publishing::Unsure(0))
    }
}

fn end(id: Id, outcome: Outcome, found: &mut Found) {
    found.messages.push(Message::Response { id, outcome: None });
    found.at_end.push(Message::End { id, outcome: Some(outcome) });
}
