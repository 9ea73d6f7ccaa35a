//! Answers of resolvers without anything but what names addresses: as a tape has them that is to hold no payload.
//!
//! Invariant: what is left is read as the whole was (`answers`), and is no longer than that; an answer that names nothing
//! leaves nothing. Memory: one record.

use super::Transport;
use super::answers::{self, Answer};
use serde_json::json;
use std::net::IpAddr;
use tracer_common::PayloadRecord;
use tracer_common::record::PAYLOAD_LENGTH;
use zerocopy::{FromBytes as _, IntoBytes as _};

/// Before the question of a message (RFC 1035 §4.1.1).
const HEADER_BYTES: usize = 12;
/// Of a label (RFC 1035 §2.3.4); larger numbers are pointers.
const LABEL_BYTES: u8 = 63;
/// Types of records (RFC 1035 §3.2.2, RFC 3596 §2.1).
const A: u8 = 1;
const AAAA: u8 = 28;

/// The record of an answer with nothing in it but a name and its addresses; `None` for one that names nothing.
#[must_use]
pub fn bare(record: &[u8]) -> Option<Vec<u8>> {
    let mut record = PayloadRecord::read_from_bytes(record).ok()?;
    let whole = record.bytes.get(..usize::from(record.length))?;
    let left = match Transport::from_kernel(record.transport) {
        Transport::Unix => varlink(whole),
        Transport::Udp | Transport::Tcp => dns(whole),
    }?;
    // What lies behind its end is of earlier ones.
    record.bytes = [0; PAYLOAD_LENGTH];
    record.bytes.get_mut(..left.len())?.copy_from_slice(&left);
    record.length = u16::try_from(left.len()).ok()?;
    Some(record.as_bytes().to_vec())
}

fn dns(message: &[u8]) -> Option<Vec<u8>> {
    let Answer { addresses, .. } = answers::dns(message)?;
    let count = u16::try_from(addresses.len()).ok()?.to_be_bytes();
    let mut left = [&[0, 0][..], message.get(2..4)?, &[0, 1], &count, &[0; 4], question(message)?].concat();
    for address in &addresses {
        let (kind, address) = (if address.is_ipv4() { A } else { AAAA }, octets(address));
        // Of the name that was asked for, on the Internet, with no time to live.
        left.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0, 0, u8::try_from(address.len()).ok()?]);
        left.extend(address);
    }
    Some(left)
}

/// The bytes of the first question.
fn question(message: &[u8]) -> Option<&[u8]> {
    let begin = message.get(HEADER_BYTES..)?;
    let mut rest = begin;
    loop {
        let (length, after) = rest.split_first()?;
        if *length > LABEL_BYTES {
            return None;
        }
        rest = after.get(usize::from(*length)..)?;
        if *length == 0 {
            // Its type and its class follow.
            return begin.get(..begin.len() - rest.len() + 4);
        }
    }
}

fn varlink(message: &[u8]) -> Option<Vec<u8>> {
    let Answer { name, addresses } = answers::varlink(message)?;
    let addresses: Vec<_> = addresses.iter().map(|address| json!({ "address": octets(address) })).collect();
    let text = json!({ "parameters": { "addresses": addresses, "name": name } }).to_string();
    Some([text.as_bytes(), &[0]].concat())
}

fn octets(address: &IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use simple_dns::rdata::{A, AAAA, CNAME, RData, TXT};
    use simple_dns::{CLASS, Name, Packet, QCLASS, QTYPE, Question, ResourceRecord, TYPE};
    use tracer_common::TransportKind;
    use zerocopy::FromZeros as _;

    const SECRET: &[u8] = b"a-secret";

    /// An alias, its addresses if there are any, and a text beside them.
    fn message(addresses: bool) -> Vec<u8> {
        let mut packet = Packet::new_reply(7);
        let name = Name::new("DB.example.com").unwrap();
        packet.questions.push(Question::new(name.clone(), QTYPE::TYPE(TYPE::A), QCLASS::CLASS(CLASS::IN), false));
        let record = |name: &Name<'static>, data| ResourceRecord::new(name.clone(), CLASS::IN, 60, data);
        let alias = Name::new("a-secret.example.net").unwrap();
        packet.answers.push(record(&name, RData::CNAME(CNAME(alias.clone()))));
        if addresses {
            packet.answers.push(record(&alias, RData::A(A { address: 0xc000_0201 })));
            packet.answers.push(record(&alias, RData::AAAA(AAAA { address: 0x2001_0db8 << 96 })));
        }
        let text = TXT::new().with_string("a-secret").unwrap();
        packet.additional_records.push(record(&name, RData::TXT(text)));
        packet.build_bytes_vec().unwrap()
    }

    /// A record that was used for something longer before.
    fn record(transport: u8, message: &[u8]) -> Vec<u8> {
        let mut record = PayloadRecord::new_zeroed();
        record.transport = transport;
        record.length = u16::try_from(message.len()).unwrap();
        record.bytes[1_000..1_000 + SECRET.len()].copy_from_slice(SECRET);
        record.bytes[..message.len()].copy_from_slice(message);
        record.as_bytes().to_vec()
    }

    fn said(record: &[u8]) -> Vec<u8> {
        let record = PayloadRecord::read_from_bytes(record).unwrap();
        record.bytes[..usize::from(record.length)].to_vec()
    }

    fn holds_secret(bytes: &[u8]) -> bool {
        bytes.windows(SECRET.len()).any(|window| window == SECRET)
    }

    #[test]
    fn of_a_dns_answer_the_name_and_its_addresses_are_left_and_nothing_else() {
        let whole = record(TransportKind::UDP, &message(true));
        let left = bare(&whole).unwrap();
        let answer = answers::dns(&said(&left)).unwrap();
        assert_eq!((answer.name.as_str(), answer.addresses.len()), ("db.example.com", 2));
        assert_eq!(Some(answer), answers::dns(&said(&whole)));
        assert!(holds_secret(&whole) && !holds_secret(&left));
        assert_eq!(bare(&left).as_ref(), Some(&left), "a second time takes nothing away");
        assert_eq!(bare(&record(TransportKind::UDP, &message(false))), None);
    }

    #[test]
    fn of_an_answer_of_the_local_resolver_as_well() {
        let reply = br#"{"parameters":{"addresses":[{"ifindex":2,"family":2,"address":[192,0,2,7]}],"name":"a.example",
            "flags":1,"note":"a-secret"}}"#;
        let whole = record(TransportKind::UNIX_STREAM, reply);
        let left = bare(&whole).unwrap();
        assert_eq!(answers::varlink(&said(&left)), answers::varlink(reply));
        assert!(holds_secret(&whole) && !holds_secret(&left));
        assert_eq!(bare(&record(TransportKind::UNIX_STREAM, br#"{"parameters":{"name":"a-secret"}}"#)), None);
    }

    proptest! {
        #[test]
        fn however_an_answer_is_changed_what_is_left_is_read_as_it_was(at: prop::sample::Index, byte: u8) {
            let mut bytes = message(true);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Some(left) = dns(&bytes) {
                prop_assert_eq!(answers::dns(&left), answers::dns(&bytes));
                prop_assert!(left.len() <= bytes.len());
            }
        }
    }
}
