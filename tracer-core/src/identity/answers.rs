//! Which name stands for which address, from the answers of resolvers: DNS messages (RFC 1035 §4) and the local
//! resolver's own protocol (systemd's varlink, `io.systemd.Resolve`).
//!
//! Invariant: nothing but whole, well-formed answers names anything; a name is the one that was asked for, whatever
//! aliases led to the address. Memory: at most `ADDRESSES` addresses of one answer.

use serde::Deserialize;
use simple_dns::rdata::RData;
use simple_dns::{Packet, PacketFlag};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses taken from one answer.
const ADDRESSES: usize = 64;
/// Bytes of a name (RFC 1035 §2.3.4).
const NAME_BYTES: usize = 253;

/// A name and the addresses that it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub name: String,
    pub addresses: Vec<IpAddr>,
}

/// Reads a DNS message; `None` if it is not a successful answer to one question that has addresses.
#[must_use]
pub fn dns(message: &[u8]) -> Option<Answer> {
    let packet = Packet::parse(message).ok()?;
    if !packet.has_flags(PacketFlag::RESPONSE) || packet.rcode() != simple_dns::RCODE::NoError {
        return None;
    }
    let [question] = packet.questions.as_slice() else { return None };
    let addresses = packet.answers.iter().filter_map(|answer| match &answer.rdata {
        RData::A(address) => Some(IpAddr::V4(Ipv4Addr::from(address.address))),
        RData::AAAA(address) => Some(IpAddr::V6(Ipv6Addr::from(address.address))),
        _ => None,
    });
    answer(&question.qname.to_string(), addresses)
}

/// Reads a message of the local resolver: a JSON object that ends in NUL.
#[must_use]
pub fn varlink(message: &[u8]) -> Option<Answer> {
    #[derive(Deserialize)]
    struct Reply {
        parameters: Parameters,
    }
    #[derive(Deserialize)]
    struct Parameters {
        name: String,
        addresses: Vec<Address>,
    }
    #[derive(Deserialize)]
    struct Address {
        address: Vec<u8>,
    }
    let json = message.split(|byte| *byte == 0).next()?;
    let Parameters { name, addresses } = serde_json::from_slice::<Reply>(json).ok()?.parameters;
    let addresses = addresses.into_iter().filter_map(|found| {
        let four = <[u8; 4]>::try_from(found.address.as_slice()).map(IpAddr::from);
        four.or_else(|_| <[u8; 16]>::try_from(found.address.as_slice()).map(IpAddr::from)).ok()
    });
    answer(&name, addresses)
}

fn answer(name: &str, addresses: impl Iterator<Item = IpAddr>) -> Option<Answer> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_name = !name.is_empty() && name.len() <= NAME_BYTES && name.parse::<IpAddr>().is_err();
    let addresses: Vec<IpAddr> = addresses.map(|address| address.to_canonical()).take(ADDRESSES).collect();
    (is_name && !addresses.is_empty()).then_some(Answer { name, addresses })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use simple_dns::rdata::{A, CNAME};
    use simple_dns::{CLASS, Name, QCLASS, QTYPE, Question, ResourceRecord, TYPE};

    fn message(rcode: simple_dns::RCODE) -> Vec<u8> {
        let mut packet = Packet::new_reply(7);
        *packet.rcode_mut() = rcode;
        let name = Name::new("DB.example.com").unwrap();
        packet.questions.push(Question::new(name.clone(), QTYPE::TYPE(TYPE::A), QCLASS::CLASS(CLASS::IN), false));
        let alias = Name::new("db-1.example.net").unwrap();
        packet.answers.push(ResourceRecord::new(name, CLASS::IN, 60, RData::CNAME(CNAME(alias.clone()))));
        let address = A { address: u32::from(Ipv4Addr::new(192, 0, 2, 1)) };
        packet.answers.push(ResourceRecord::new(alias, CLASS::IN, 60, RData::A(address)));
        packet.build_bytes_vec().unwrap()
    }

    #[test]
    fn an_address_behind_an_alias_has_the_name_that_was_asked_for() {
        let answer = dns(&message(simple_dns::RCODE::NoError)).unwrap();
        assert_eq!(answer.name, "db.example.com");
        assert_eq!(answer.addresses, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn a_question_a_failure_and_a_cut_message_name_nothing() {
        assert_eq!(dns(&message(simple_dns::RCODE::NameError)), None);
        let whole = message(simple_dns::RCODE::NoError);
        assert_eq!(dns(&whole[..whole.len() - 1]), None);
        let mut question = whole;
        question[2] &= 0x7f;
        assert_eq!(dns(&question), None);
    }

    #[test]
    fn the_local_resolver_answers_in_json() {
        let reply = br#"{"parameters":{"addresses":[{"ifindex":2,"family":2,"address":[192,0,2,7]},
            {"family":10,"address":[32,1,13,184,0,0,0,0,0,0,0,0,0,0,0,1]}],"name":"api.example.com","flags":1}}"#;
        let answer = varlink(&[reply.as_slice(), b"\0{}"].concat()).unwrap();
        assert_eq!(answer.name, "api.example.com");
        assert_eq!(answer.addresses, ["192.0.2.7", "2001:db8::1"].map(|text| text.parse::<IpAddr>().unwrap()));
        assert_eq!(varlink(br#"{"error":"io.systemd.Resolve.NoSuchResourceRecord","parameters":{}}"#), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = (dns(&bytes), varlink(&bytes));
        }

        #[test]
        fn no_change_to_a_message_panics(at: prop::sample::Index, byte: u8) {
            let mut bytes = message(simple_dns::RCODE::NoError);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Some(answer) = dns(&bytes) {
                prop_assert!(answer.name.len() <= NAME_BYTES && answer.addresses.len() <= ADDRESSES);
            }
        }
    }
}
