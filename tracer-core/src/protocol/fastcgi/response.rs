//! How a request was answered: the `Status` header of CGI (RFC 3875 §6.3.3), and what is said at the end.
//!
//! Invariant: a status is told only of a head that was seen up to it, and 200 only of a whole one. Memory: [`HEAD_BYTES`].

use compact_str::format_compact;

use super::super::{Fault, Outcome, Status};
use super::Short;
use super::record::{End, Record};

/// Bytes of a head in which its status is looked for.
pub(super) const HEAD_BYTES: usize = 4 << 10;
/// The status of a head that names none.
const OK: u16 = 200;

/// The head of a response, as far as it is known.
#[derive(Debug)]
pub(super) enum Response {
    Reading(Vec<u8>),
    Known(u16),
    /// It is too long.
    Unknown,
}

impl Default for Response {
    fn default() -> Self {
        Self::Reading(Vec::new())
    }
}

impl Response {
    /// The next record of the response.
    pub(super) fn take(&mut self, record: &Record, bytes: &[u8]) -> Result<(), Short> {
        let Self::Reading(before) = self else { return Ok(()) };
        let (content, is_whole) = record.content(bytes);
        let room = HEAD_BYTES.saturating_sub(before.len());
        let head = [before, content.get(..room).unwrap_or(content)].concat();
        match status(&head) {
            Some(status) => *self = Self::Known(status),
            None if head.len() >= HEAD_BYTES => *self = Self::Unknown,
            None if is_whole => *self = Self::Reading(head),
            None => return Err(Short::More),
        }
        Ok(())
    }

    /// What its head says, if it has said it.
    pub(super) fn outcome(&self) -> Option<Outcome> {
        let Self::Known(status) = self else { return None };
        let fault = match status {
            502..=504 => Some(Fault::Gateway),
            500..=599 => Some(Fault::Service),
            _ => None,
        };
        Some(Outcome { status: Status::from(u32::from(*status)), fault })
    }

    /// How it ended (§5.5).
    pub(super) fn ended(&self, end: End) -> Outcome {
        let failure = |name: &str| Outcome::failure(name, Fault::Service);
        let outcome = self.outcome().unwrap_or_default();
        match end {
            End { protocol: 0, application: 0 } => outcome,
            End { protocol: 0, .. } if outcome.fault.is_some() => outcome,
            End { protocol: 0, application } => {
                failure(format_compact!("{} exit {application}", outcome.status.as_str()).trim())
            }
            End { protocol: 1, .. } => failure("CANT_MPX_CONN"),
            End { protocol: 2, .. } => failure("OVERLOADED"),
            End { protocol: 3, .. } => failure("UNKNOWN_ROLE"),
            End { .. } => failure("UNKNOWN"),
        }
    }
}

/// The status of a head, once it names one or is whole.
fn status(head: &[u8]) -> Option<u16> {
    let mut left = head;
    loop {
        let end = left.iter().position(|byte| *byte == b'\n')?;
        let line = left.get(..end).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Some(OK);
        }
        let value = line.split_at_checked(7).filter(|(name, _)| name.eq_ignore_ascii_case(b"Status:"));
        let digits = value.and_then(|(_, value)| value.trim_ascii_start().get(..3));
        let number = digits.and_then(|digits| std::str::from_utf8(digits).ok()).and_then(|digits| digits.parse().ok());
        if let Some(number) = number.filter(|number| (100..=599).contains(number)) {
            return Some(number);
        }
        left = left.get(end.saturating_add(1)..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_what_a_header_says_or_200_of_a_whole_head() {
        assert_eq!(status(b"X-Powered-By: x\r\nStatus: 404 Not Found\r\n"), Some(404));
        assert_eq!(status(b"status:503\n"), Some(503));
        assert_eq!(status(b"Content-Type: text/html\r\n\r\nStatus: 500\r\n"), Some(200));
        assert_eq!(status(b"Status: 404"), None);
        assert_eq!(status(b"Status: 999\r\n\r\n"), Some(200));
        assert_eq!(status(b""), None);
    }

    #[test]
    fn an_end_that_is_an_error_is_one_whatever_the_head_said() {
        let ended = |response: Response, application, protocol| {
            let outcome = response.ended(End { application, protocol });
            (outcome.status.as_str().to_owned(), outcome.fault)
        };
        let service = Some(Fault::Service);
        assert_eq!(ended(Response::Known(200), 0, 0), ("200".into(), None));
        assert_eq!(ended(Response::Known(200), 255, 0), ("200 exit 255".into(), service));
        assert_eq!(ended(Response::Known(500), 255, 0), ("500".into(), service));
        assert_eq!(ended(Response::Known(503), 0, 0), ("503".into(), Some(Fault::Gateway)));
        assert_eq!(ended(Response::default(), 0, 0), (String::new(), None));
        assert_eq!(ended(Response::default(), 0, 2), ("OVERLOADED".into(), service));
        assert_eq!(ended(Response::Unknown, 1, 0), ("exit 1".into(), service));
    }
}
