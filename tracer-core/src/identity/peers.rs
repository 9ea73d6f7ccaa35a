//! What peers on other hosts are called: by the name that this host asked for, else by the one that a client wanted to reach
//! there (TLS: server_name, RFC 6066 §3), else by `/etc/hosts`.
//!
//! Invariant: an address of this host itself is never named. The latest answer for an address counts, and the first wish. A program
//! can ask a resolver of its own choice, or wish for any name, and so name addresses as it likes; evidence shows addresses
//! besides. Memory: `limits::PEER_NAMES` names that were asked for, the oldest goes first, and as many wishes.

use super::answers::{self, Answer};
use crate::limits;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// Names of addresses.
#[derive(Debug, Default)]
pub struct Peers {
    resolved: HashMap<IpAddr, String>,
    order: VecDeque<IpAddr>,
    claimed: HashMap<IpAddr, String>,
    hosts: HashMap<IpAddr, String>,
    /// Names forgotten because of the cap.
    pub dropped: u64,
}

impl Peers {
    /// A DNS message was received from a name server.
    pub fn dns_answered(&mut self, message: &[u8]) {
        if let Some(answer) = answers::dns(message) {
            self.answered(answer);
        }
    }

    /// The local resolver answered.
    pub fn resolver_answered(&mut self, message: &[u8]) {
        if let Some(answer) = answers::varlink(message) {
            self.answered(answer);
        }
    }

    /// A client wants to reach this name at an address. Another name at the same address later is another site of one server.
    pub fn claimed(&mut self, address: IpAddr, name: &str) {
        if !may_be_named(&address) || self.claimed.contains_key(&address) {
            return;
        }
        if self.claimed.len() >= limits::PEER_NAMES {
            self.dropped += 1;
            return;
        }
        self.claimed.insert(address, name.to_owned());
    }

    /// Takes over `/etc/hosts`, of which an address' first name counts (hosts(5)).
    pub fn hosts(&mut self, entries: &[(IpAddr, String)]) {
        self.hosts.clear();
        for (address, name) in entries.iter().take(limits::PEER_NAMES) {
            if may_be_named(address) {
                self.hosts.entry(*address).or_insert_with(|| name.clone());
            }
        }
    }

    /// The name of an address.
    #[must_use]
    pub fn name(&self, address: &IpAddr) -> Option<&str> {
        let found = self.resolved.get(address).or_else(|| self.claimed.get(address));
        found.or_else(|| self.hosts.get(address)).map(String::as_str)
    }

    fn answered(&mut self, answer: Answer) {
        for address in answer.addresses.into_iter().filter(may_be_named) {
            if self.resolved.insert(address, answer.name.clone()).is_some() {
                continue;
            }
            self.order.push_back(address);
            if self.order.len() > limits::PEER_NAMES
                && let Some(oldest) = self.order.pop_front()
            {
                self.resolved.remove(&oldest);
                self.dropped += 1;
            }
        }
    }
}

fn may_be_named(address: &IpAddr) -> bool {
    !(address.is_loopback() || address.is_unspecified() || address.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(name: &str, address: [u8; 4]) -> Answer {
        Answer { name: name.to_owned(), addresses: vec![IpAddr::from(address)] }
    }

    #[test]
    fn what_was_looked_up_counts_more_than_hosts_and_the_latest_most() {
        let mut peers = Peers::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        peers.hosts(&[(address, "first".to_owned()), (address, "second".to_owned())]);
        assert_eq!(peers.name(&address), Some("first"));
        peers.answered(answer("a.example", [192, 0, 2, 1]));
        peers.answered(answer("b.example", [192, 0, 2, 1]));
        assert_eq!(peers.name(&address), Some("b.example"));
    }

    #[test]
    fn what_a_client_wants_to_reach_counts_less_than_what_was_looked_up_and_the_first_counts() {
        let mut peers = Peers::default();
        let address = IpAddr::from([192, 0, 2, 1]);
        peers.hosts(&[(address, "hosts".to_owned())]);
        peers.claimed(address, "one.example");
        peers.claimed(address, "two.example");
        assert_eq!(peers.name(&address), Some("one.example"));
        peers.answered(answer("asked.example", [192, 0, 2, 1]));
        assert_eq!(peers.name(&address), Some("asked.example"));
        peers.claimed(IpAddr::from([127, 0, 0, 1]), "evil.example");
        assert_eq!(peers.name(&IpAddr::from([127, 0, 0, 1])), None);
    }

    #[test]
    fn an_address_of_this_host_is_never_named() {
        let mut peers = Peers::default();
        peers.answered(answer("evil.example", [127, 0, 0, 1]));
        peers.hosts(&[(IpAddr::from([127, 0, 0, 1]), "localhost".to_owned())]);
        assert_eq!(peers.name(&IpAddr::from([127, 0, 0, 1])), None);
    }

    #[test]
    fn beyond_the_cap_the_oldest_name_goes_and_is_counted() {
        let mut peers = Peers::default();
        for number in 0..=u32::try_from(limits::PEER_NAMES).unwrap() {
            peers.answered(answer("x.example", (0x0a00_0000 + number).to_be_bytes()));
        }
        assert_eq!((peers.dropped, peers.name(&IpAddr::from([10, 0, 0, 0]))), (1, None));
    }
}
