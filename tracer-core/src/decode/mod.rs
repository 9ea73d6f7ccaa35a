//! From the bytes of a record to the record, by checked conversion.
//!
//! Invariant: bytes are accepted only with the kind, the length and the values that the ABI allows; everything else
//! is an error with its reason, never a panic and never a guess. Memory: one record.

use thiserror::Error;
use tracer_common::record::STREAM_BYTES;
use tracer_common::{
    ExchangeRecord, ExecRecord, FlowRecord, ForkRecord, Header, PayloadRecord, Phase, RecordKind, Role, SocketCause,
    SocketRecord, StreamHead, TransportKind,
};
use zerocopy::FromBytes;

/// A record of the kernel programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    Socket(SocketRecord),
    Exchange(ExchangeRecord),
    Exec(Box<ExecRecord>),
    Fork(ForkRecord),
    Flow(Box<FlowRecord>),
    Payload(Box<PayloadRecord>),
    /// With the bytes that were told.
    Stream(StreamHead, &'a [u8]),
}

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    #[error("{0} bytes are too few for a record")]
    Short(usize),
    #[error("record kind {0} is not known")]
    UnknownKind(u16),
    #[error("a record of kind {kind} has {found} bytes and says {stated}, expected {expected}")]
    Length { kind: u16, found: usize, stated: usize, expected: usize },
    #[error("the field {0} has a value that is not known")]
    Value(&'static str),
}

/// Decodes one record.
///
/// # Errors
/// When the bytes are not exactly one record of a known kind.
pub fn decode(bytes: &[u8]) -> Result<Record<'_>, DecodeError> {
    let (header, _) = Header::read_from_prefix(bytes).map_err(|_| DecodeError::Short(bytes.len()))?;
    match header.kind {
        RecordKind::SOCKET => {
            let record: SocketRecord = whole(bytes, header)?;
            check_socket(&record)?;
            Ok(Record::Socket(record))
        }
        RecordKind::FLOW => {
            let record: FlowRecord = whole(bytes, header)?;
            check_socket(&record.socket)?;
            check(usize::from(record.path_length) <= record.path.len(), "path_length")?;
            Ok(Record::Flow(Box::new(record)))
        }
        RecordKind::EXCHANGE => {
            let record: ExchangeRecord = whole(bytes, header)?;
            check(matches!(record.role, Role::CLIENT | Role::SERVER), "role")?;
            Ok(Record::Exchange(record))
        }
        RecordKind::PAYLOAD => {
            let record: PayloadRecord = whole(bytes, header)?;
            check(usize::from(record.length) <= record.bytes.len(), "length")?;
            Ok(Record::Payload(Box::new(record)))
        }
        RecordKind::EXEC => {
            let record: ExecRecord = whole(bytes, header)?;
            check(usize::from(record.arguments_length) <= record.arguments.len(), "arguments_length")?;
            Ok(Record::Exec(Box::new(record)))
        }
        RecordKind::FORK => whole(bytes, header).map(Record::Fork),
        RecordKind::STREAM => stream(bytes, header),
        kind => Err(DecodeError::UnknownKind(kind)),
    }
}

fn whole<T: FromBytes>(bytes: &[u8], header: Header) -> Result<T, DecodeError> {
    let length = DecodeError::Length {
        kind: header.kind,
        found: bytes.len(),
        stated: usize::from(header.length),
        expected: size_of::<T>(),
    };
    if usize::from(header.length) != size_of::<T>() {
        return Err(length);
    }
    // The ring rounds lengths up to eight bytes.
    T::read_from_prefix(bytes).ok().filter(|(_, rest)| rest.len() < 8).map(|(record, _)| record).ok_or(length)
}

fn stream(bytes: &[u8], header: Header) -> Result<Record<'_>, DecodeError> {
    let length = usize::from(header.length);
    let (head, rest) = StreamHead::read_from_prefix(bytes).map_err(|_| DecodeError::Short(bytes.len()))?;
    let told = length.checked_sub(size_of::<StreamHead>()).and_then(|told| rest.get(..told));
    // The ring rounds lengths up to eight bytes.
    let told = told.filter(|told| rest.len() - told.len() < 8).ok_or(DecodeError::Length {
        kind: header.kind,
        found: bytes.len(),
        stated: length,
        expected: size_of::<StreamHead>(),
    })?;
    check(head.sent <= 1, "sent")?;
    check(told.len() as u64 <= u64::from(head.length) && told.len() <= STREAM_BYTES, "length")?;
    Ok(Record::Stream(head, told))
}

fn check_socket(record: &SocketRecord) -> Result<(), DecodeError> {
    check(record.role <= Role::LISTENER, "role")?;
    check(record.phase <= Phase::REPORTED, "phase")?;
    check(record.transport <= TransportKind::UNIX_SEQPACKET, "transport")?;
    check((SocketCause::CONNECTING..=SocketCause::LISTENING).contains(&record.cause), "cause")
}

fn check(holds: bool, field: &'static str) -> Result<(), DecodeError> {
    if holds { Ok(()) } else { Err(DecodeError::Value(field)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zerocopy::{FromZeros as _, IntoBytes as _};

    fn exchange() -> ExchangeRecord {
        let mut record = ExchangeRecord::new_zeroed();
        record.header.kind = RecordKind::EXCHANGE;
        record.header.length = u16::try_from(size_of::<ExchangeRecord>()).unwrap();
        record.role = Role::CLIENT;
        record
    }

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let record = exchange();
        assert_eq!(decode(record.as_bytes()), Ok(Record::Exchange(record)));
    }

    #[test]
    fn a_record_that_is_cut_or_has_an_unknown_kind_role_or_length_is_an_error_with_its_reason() {
        let record = exchange();
        let bytes = record.as_bytes();
        assert_eq!(decode(&bytes[..8]), Err(DecodeError::Short(8)));
        assert!(matches!(decode(&bytes[..bytes.len() - 1]), Err(DecodeError::Length { .. })));
        let mut unknown = record;
        unknown.header.kind = 99;
        assert_eq!(decode(unknown.as_bytes()), Err(DecodeError::UnknownKind(99)));
        let mut role = record;
        role.role = Role::LISTENER;
        assert_eq!(decode(role.as_bytes()), Err(DecodeError::Value("role")));
        let mut length = record;
        length.header.length -= 8;
        assert!(matches!(decode(length.as_bytes()), Err(DecodeError::Length { .. })));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(kind in 0_u16..9, mut bytes in proptest::collection::vec(any::<u8>(), 0..1300)) {
            if let Some(place) = bytes.get_mut(..2) {
                place.copy_from_slice(&kind.to_le_bytes());
            }
            let _ = decode(&bytes);
        }
    }
}
