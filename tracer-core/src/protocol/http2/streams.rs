//! The streams of a connection (RFC 9113 §5.1, §8.1): a request each, and how it is answered.
//!
//! Invariant: only a stream whose request was seen is answered, and once; where gRPC may have said otherwise, a 200 is
//! not told; a request that came by HTTP/1.1 is the one that waits in order. Memory: [`STREAMS`]; the oldest goes first.

use std::collections::BTreeMap;

use super::super::{Found, Id, Message, Outcome, Side};
use super::fields::{Fields, Grpc};
use super::outcome;

/// Requests that wait for their response: as many as wait in `matching`.
const STREAMS: usize = super::super::matching::REQUESTS;
const OK: u16 = 200;

/// The stream of a request that was upgraded from HTTP/1.1 (RFC 7540 §3.2).
const UPGRADED: u32 = 1;

#[derive(Debug)]
pub(super) struct Streams(BTreeMap<u32, Stream>);

/// A request that is not answered, or not wholly.
#[derive(Debug)]
struct Stream {
    id: Id,
    grpc: Grpc,
    is_answered: bool,
    status: Option<u16>,
}

impl Default for Streams {
    /// What the server answers before it is asked is what was asked before HTTP/2 was spoken.
    fn default() -> Self {
        Self(BTreeMap::from([(UPGRADED, Stream::new(Id::Order, Grpc::No))]))
    }
}

impl Streams {
    /// Bytes were lost: what is not known to be asked may have been.
    pub(super) fn lost(&mut self) {
        self.0.retain(|_, stream| stream.id != Id::Order);
    }

    /// Fields that the client sends: a request, or its trailers.
    pub(super) fn ask(&mut self, id: u32, fields: &Fields, found: &mut Found) {
        if !fields.is_request() {
            return;
        }
        if self.0.len() >= STREAMS {
            self.0.pop_first();
        }
        let number = Id::Number(u64::from(id));
        self.0.insert(id, Stream::new(number, fields.grpc()));
        found.messages.push(Message::Request { id: number, operation: fields.operation(), answered: true });
    }

    /// Fields that the server sends: an interim response, a response, or trailers. With the last ones a stream is over.
    pub(super) fn answer(&mut self, id: u32, fields: &Fields, is_last: bool, found: &mut Found) {
        let Some(stream) = self.0.get_mut(&id) else { return };
        let is_interim = fields.status.is_some_and(|status| status < OK) && !is_last;
        if is_interim {
            return;
        }
        stream.status = stream.status.or(fields.status);
        // Trailers do not say what the content is.
        if stream.grpc == Grpc::Perhaps && fields.status.is_some() {
            stream.grpc = fields.grpc();
        }
        if !std::mem::replace(&mut stream.is_answered, true) {
            // How a call of gRPC went, its trailers say.
            let status = stream.status.filter(|status| stream.grpc == Grpc::No || *status != OK);
            found.messages.push(Message::Response { id: stream.id, outcome: status.map(outcome::of_http) });
        }
        if is_last {
            let outcome = stream.outcome(Some(fields));
            self.end(id, outcome, found);
        }
    }

    /// The server has sent all of the content, and nothing follows it.
    pub(super) fn finish(&mut self, id: u32, found: &mut Found) {
        if let Some(stream) = self.0.get(&id) {
            let outcome = stream.outcome(None);
            self.end(id, outcome, found);
        }
    }

    /// A side does not want the stream any more.
    pub(super) fn reset(&mut self, side: Side, id: u32, code: u32, found: &mut Found) {
        if self.0.contains_key(&id) {
            self.end(id, Some(outcome::of_reset(code, side)), found);
        }
    }

    /// The server goes away, and will not look at what came after this stream (RFC 9113 §6.8).
    pub(super) fn refuse_after(&mut self, last: u32, found: &mut Found) {
        let refused: Vec<u32> = self.0.range(last.saturating_add(1)..).map(|(id, _)| *id).collect();
        for id in refused {
            self.reset(Side::Server, id, outcome::REFUSED_STREAM, found);
        }
    }

    fn end(&mut self, id: u32, outcome: Option<Outcome>, found: &mut Found) {
        let Some(Stream { id, .. }) = self.0.remove(&id) else { return };
        found.at_end.push(Message::End { id, outcome: Some(outcome.unwrap_or_default()) });
    }
}

impl Stream {
    fn new(id: Id, grpc: Grpc) -> Self {
        Self { id, grpc, is_answered: false, status: None }
    }

    /// How it ended, if that is known: `last` are the fields that ended it.
    fn outcome(&self, last: Option<&Fields>) -> Option<Outcome> {
        let said = last.and_then(|fields| fields.grpc_status.as_deref());
        let may_say = last.is_some_and(|fields| fields.has_unknown);
        match (self.grpc, said) {
            (Grpc::Yes | Grpc::Perhaps, Some(code)) => Some(outcome::of_grpc(code)),
            (Grpc::Yes | Grpc::Perhaps, None) if may_say && self.status.is_none_or(|status| status == OK) => None,
            // It must say one (gRPC, PROTOCOL-HTTP2.md, "Responses").
            (Grpc::Yes, None) if self.status == Some(OK) => Some(outcome::of_grpc("")),
            _ => self.status.map(outcome::of_http),
        }
    }
}

#[cfg(test)]
mod tests {
    use compact_str::CompactString;

    use super::super::table::{Field, Name};
    use super::*;
    use crate::protocol::Fault;

    const METHOD: (Name, &str) = (Name::Method, "POST");
    const GRPC: (Name, &str) = (Name::ContentType, "application/grpc");
    const UNKNOWN: (Name, &str) = (Name::Unknown, "");

    fn fields(pairs: &[(Name, &'static str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in pairs {
            fields.take(Field { name: *name, value: CompactString::const_new(value) });
        }
        fields
    }

    fn asked(pairs: &[(Name, &'static str)]) -> Streams {
        let mut streams = Streams::default();
        streams.ask(1, &fields(pairs), &mut Found::default());
        streams
    }

    /// How a request ended that these fields answered, the last of them at the end.
    fn answered(mut streams: Streams, blocks: &[&[(Name, &'static str)]]) -> Outcome {
        let mut found = Found::default();
        for (place, block) in blocks.iter().enumerate() {
            streams.answer(1, &fields(block), place + 1 == blocks.len(), &mut found);
        }
        outcome(&found)
    }

    fn outcome(found: &Found) -> Outcome {
        match found.at_end.as_slice() {
            [Message::End { outcome: Some(outcome), .. }] => outcome.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_call_of_grpc_ends_with_its_status_with_that_of_a_gateway_or_with_none() {
        let call = || asked(&[METHOD, GRPC]);
        let ok = (Name::Status, "200");
        assert_eq!(answered(call(), &[&[ok, GRPC], &[(Name::GrpcStatus, "0")]]), Outcome::success("OK"));
        let unavailable = Outcome::failure("UNAVAILABLE", Fault::Service);
        assert_eq!(answered(call(), &[&[ok, GRPC, (Name::GrpcStatus, "14")]]), unavailable);
        let gateway = Outcome::failure("503", Fault::Gateway);
        assert_eq!(answered(call(), &[&[(Name::Status, "503"), (Name::ContentType, "text/html")]]), gateway);
        assert_eq!(answered(call(), &[&[ok, GRPC], &[]]), Outcome::failure("UNKNOWN", Fault::Service));
        assert_eq!(answered(call(), &[&[ok, GRPC], &[UNKNOWN]]), Outcome::default());
    }

    #[test]
    fn where_a_call_may_be_one_of_grpc_a_200_is_told_only_if_nothing_may_say_otherwise() {
        let perhaps = || asked(&[METHOD, UNKNOWN]);
        let ok = (Name::Status, "200");
        assert_eq!(answered(perhaps(), &[&[ok, UNKNOWN], &[UNKNOWN]]), Outcome::default());
        assert_eq!(answered(perhaps(), &[&[ok, UNKNOWN]]), Outcome::default());
        assert_eq!(answered(perhaps(), &[&[ok, UNKNOWN], &[(Name::GrpcStatus, "5")]]), Outcome::success("NOT_FOUND"));
        assert_eq!(answered(perhaps(), &[&[(Name::Status, "404"), UNKNOWN]]), Outcome::success("404"));
        assert_eq!(
            answered(perhaps(), &[&[ok, (Name::ContentType, "text/html")], &[UNKNOWN]]),
            Outcome::success("200")
        );
        let (mut streams, mut found) = (perhaps(), Found::default());
        streams.answer(1, &fields(&[ok, UNKNOWN]), false, &mut found);
        streams.finish(1, &mut found);
        assert_eq!(outcome(&found), Outcome::success("200"), "calls of gRPC end with trailers");
    }

    #[test]
    fn a_stream_ends_once_and_one_that_nobody_asked_for_never() {
        let (mut streams, mut found) = (asked(&[METHOD]), Found::default());
        streams.reset(Side::Client, 1, 8, &mut found);
        streams.answer(1, &fields(&[(Name::Status, "200")]), true, &mut found);
        streams.finish(1, &mut found);
        streams.answer(3, &fields(&[(Name::Status, "200")]), true, &mut found);
        assert_eq!(outcome(&found), Outcome::success("CANCEL"));
        assert_eq!(found.messages, []);
    }

    #[test]
    fn what_is_answered_before_it_is_asked_was_asked_by_http_1_unless_bytes_were_lost() {
        let ok = fields(&[(Name::Status, "200")]);
        let (mut streams, mut found) = (Streams::default(), Found::default());
        streams.ask(3, &fields(&[METHOD]), &mut found);
        streams.answer(1, &ok, true, &mut found);
        assert_eq!(found.at_end, [Message::End { id: Id::Order, outcome: Some(Outcome::success("200")) }]);
        streams.answer(1, &ok, true, &mut found);
        assert_eq!(found.at_end.len(), 1);

        let (mut asked, mut found) = (asked(&[METHOD]), Found::default());
        asked.lost();
        asked.answer(1, &ok, true, &mut found);
        assert_eq!(found.at_end, [Message::End { id: Id::Number(1), outcome: Some(Outcome::success("200")) }]);

        let (mut streams, mut found) = (Streams::default(), Found::default());
        streams.lost();
        streams.answer(1, &ok, true, &mut found);
        assert!(found.messages.is_empty() && found.at_end.is_empty());
    }

    #[test]
    fn of_too_many_streams_the_oldest_are_forgotten() {
        let mut streams = Streams::default();
        for id in (1..).step_by(2).take(STREAMS + 5) {
            streams.ask(id, &fields(&[METHOD]), &mut Found::default());
        }
        assert_eq!((streams.0.len(), streams.0.first_key_value().map(|(id, _)| *id)), (STREAMS, Some(11)));
    }
}
