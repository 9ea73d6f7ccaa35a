//! How a connection ended, and what went wrong on it.
//!
//! Invariant: what ended well is no error, however rudely it did: a goodbye that nobody reads is no request that failed.
//! Memory: fixed for each end.

use super::{End, Side};
use crate::graph::snapshot::ErrorsByKind;
use crate::time::Span;
use tracer_common::SocketFlags;

const ECONNREFUSED: u32 = 111;
const ETIMEDOUT: u32 = 110;
/// Nobody gives up waiting for an answer earlier than this.
const PATIENCE: Span = Span::from_millis(100);

/// How an end of a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    pub error: u32,
    pub flags: u16,
    /// Requests without an answer.
    pub unanswered: u64,
    /// How long the last of them had waited when the first side closed.
    pub waited: Span,
    /// Requests whose answer was not over. They and those without an answer are known from what was said, in place of
    /// turns.
    pub unfinished: Option<u64>,
}

/// What went wrong on a connection that ended, as `side` saw it. `answers` says whether requests of this call are
/// answered at all: one that never are (a log shipper's, say) are not failures for being closed without an answer.
/// `is_tls` says that turns may be what TLS says for itself.
#[must_use]
pub fn errors(side: Side, end: &End, closing: &Closing, answers: bool, is_tls: bool) -> ErrorsByKind {
    let mut errors = ErrorsByKind::default();
    if !end.was_established() {
        match closing.error {
            ECONNREFUSED => errors.refused = 1,
            ETIMEDOUT => errors.timed_out = 1,
            _ => errors.connect_failed = 1,
        }
        return errors;
    }
    // A client whose server has left says goodbye all the same (close_notify, RFC 8446 §6.1). Nobody reads that, and the
    // server's kernel answers it with a reset, which may be there before the goodbye itself is counted.
    let is_left = is_tls && side == Side::Client && closing.flags & SocketFlags::PEER_CLOSED_FIRST != 0;
    let late = is_left && closing.flags & SocketFlags::ASKED_AFTER_CLOSE != 0;
    let unanswered = closing.unanswered.saturating_sub(u64::from(late));
    let reset = match side {
        // The server, or something between, tore it down.
        Side::Client => closing.flags & SocketFlags::RESET_RECEIVED != 0 && !(is_left && unanswered == 0),
        // Seen from the server, a reset by a client that waits for nothing is only a rude close.
        Side::Server => {
            closing.flags & (SocketFlags::RESET_SENT | SocketFlags::RESET_RECEIVED) != 0 && closing.unanswered > 0
        }
    };
    // A client that asks and leaves at once wanted no answer: it said goodbye (PostgreSQL's Terminate, MySQL's COM_QUIT).
    let client_closed_first = (side == Side::Server) == (closing.flags & SocketFlags::PEER_CLOSED_FIRST != 0);
    let goodbye = client_closed_first && closing.waited < PATIENCE && closing.unfinished.is_none();
    // Datagrams have no end that says who left; what is not answered is an error only where answers are usual.
    let server_closed_first = !client_closed_first && !end.datagrams;
    if reset {
        errors.reset = 1;
    } else if closing.error == ETIMEDOUT {
        errors.timed_out = 1;
    } else if answers || server_closed_first || closing.unfinished.is_some() {
        errors.closed_in_response = closing.unfinished.unwrap_or(0);
        errors.unanswered = unanswered.saturating_sub(u64::from(goodbye));
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_common::SocketRecord;
    use zerocopy::FromZeros as _;

    fn end(flags: u16) -> End {
        let mut record = SocketRecord::new_zeroed();
        record.flags = flags;
        End::new(&record, None)
    }

    fn judge(side: Side, flags: u16, error: u32, unanswered: u64, answers: bool) -> ErrorsByKind {
        let waited = Span::from_seconds(1);
        errors(side, &end(flags), &Closing { error, flags, unanswered, waited, unfinished: None }, answers, false)
    }

    #[test]
    fn a_client_that_says_goodbye_and_leaves_at_once_has_not_failed() {
        let waited = Span::from_millis(1);
        let established = SocketFlags::ESTABLISHED;
        for (side, flags) in [(Side::Client, established), (Side::Server, established | SocketFlags::PEER_CLOSED_FIRST)]
        {
            let closing = Closing { error: 0, flags, unanswered: 1, waited, unfinished: None };
            assert_eq!(errors(side, &end(flags), &closing, true, false).unanswered, 0);
        }
        let left_by_server = established | SocketFlags::PEER_CLOSED_FIRST;
        let closing = Closing { error: 0, flags: left_by_server, unanswered: 1, waited, unfinished: None };
        assert_eq!(errors(Side::Client, &end(left_by_server), &closing, true, false).unanswered, 1);
    }

    #[test]
    fn a_connect_that_failed_is_an_error_of_its_own_kind() {
        assert_eq!(judge(Side::Client, 0, ECONNREFUSED, 0, true).refused, 1);
        assert_eq!(judge(Side::Client, 0, ETIMEDOUT, 0, true).timed_out, 1);
        assert_eq!(judge(Side::Client, 0, 113, 0, true).connect_failed, 1);
        assert_eq!(judge(Side::Client, 0, 0, 0, true).connect_failed, 1);
    }

    #[test]
    fn a_request_that_was_closed_without_an_answer_is_an_error_unless_the_call_never_has_answers() {
        let established = SocketFlags::ESTABLISHED;
        assert_eq!(judge(Side::Client, established, 0, 1, true).unanswered, 1);
        assert_eq!(judge(Side::Client, established, 0, 1, false), ErrorsByKind::default());
        let server_left = established | SocketFlags::PEER_CLOSED_FIRST;
        assert_eq!(judge(Side::Client, server_left, 0, 1, false).unanswered, 1);
        assert_eq!(judge(Side::Client, established, 0, 0, true), ErrorsByKind::default());
    }

    #[test]
    fn a_reset_counts_once_and_a_rude_close_by_an_idle_client_does_not() {
        let reset = SocketFlags::ESTABLISHED | SocketFlags::RESET_RECEIVED;
        let told = judge(Side::Client, reset, 104, 1, true);
        assert_eq!((told.reset, told.unanswered), (1, 0));
        assert_eq!(judge(Side::Server, reset, 104, 0, true), ErrorsByKind::default());
        assert_eq!(judge(Side::Server, reset, 104, 1, true).reset, 1);
    }

    #[test]
    fn the_goodbye_of_tls_to_a_server_that_has_left_is_no_failure_and_what_waited_before_is_one() {
        let waited = Span::from_millis(1);
        let left = SocketFlags::ESTABLISHED | SocketFlags::PEER_CLOSED_FIRST;
        let judge = |flags, unanswered, is_tls| {
            let closing = Closing { error: 0, flags, unanswered, waited, unfinished: None };
            let told = errors(Side::Client, &end(flags), &closing, true, is_tls);
            (told.reset, told.unanswered)
        };
        let (reset, asked) = (SocketFlags::RESET_RECEIVED, SocketFlags::ASKED_AFTER_CLOSE);
        // Answered with a reset, which may come before the goodbye is counted, or with nothing.
        assert_eq!(
            [(left | reset, 0), (left | reset | asked, 1), (left | asked, 1)]
                .map(|(flags, open)| judge(flags, open, true)),
            [(0, 0); 3]
        );
        assert_eq!(
            [judge(left | reset, 1, true), judge(left, 1, true), judge(left | reset | asked, 2, true)],
            [(1, 0), (0, 1), (1, 0)]
        );
        // A server that tore it down did not leave; and what is no goodbye has failed.
        assert_eq!(judge(SocketFlags::ESTABLISHED | reset, 0, true), (1, 0));
        assert_eq!([judge(left | reset | asked, 1, false), judge(left | asked, 1, false)], [(1, 0), (0, 1)]);
    }
}
