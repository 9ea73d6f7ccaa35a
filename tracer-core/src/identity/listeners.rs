//! Who listens where, now and until recently.
//!
//! Invariant: a listener that is gone keeps naming its port, so that a refused connect is shown as a call to the
//! service that used to answer there; a newer listener replaces it. Memory: `limits::LISTENERS`, the oldest goes first.

use super::{Endpoint, ProcessKey};
use crate::limits;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

/// Listening sockets by port.
#[derive(Debug, Default)]
pub struct Listeners {
    ports: HashMap<(u32, u16), BTreeMap<IpAddr, ProcessKey>>,
    order: VecDeque<Endpoint>,
    /// Listeners forgotten because of the cap.
    pub dropped: u64,
}

impl Listeners {
    /// `owner` listens on `endpoint`.
    pub fn insert(&mut self, endpoint: Endpoint, owner: ProcessKey) {
        let addresses = self.ports.entry((endpoint.netns, endpoint.port)).or_default();
        if addresses.insert(endpoint.address, owner).is_some() {
            return;
        }
        self.order.push_back(endpoint);
        if self.order.len() > limits::LISTENERS
            && let Some(oldest) = self.order.pop_front()
        {
            self.dropped += 1;
            self.forget(&oldest);
        }
    }

    /// Who listens on `endpoint`: by the very address, else by a wildcard address (`0.0.0.0`, `::`).
    #[must_use]
    pub fn find(&self, endpoint: &Endpoint) -> Option<ProcessKey> {
        let addresses = self.ports.get(&(endpoint.netns, endpoint.port))?;
        let wildcard = || addresses.iter().find(|(address, _)| address.is_unspecified()).map(|(_, owner)| owner);
        addresses.get(&endpoint.address).or_else(wildcard).copied()
    }

    fn forget(&mut self, endpoint: &Endpoint) {
        let key = (endpoint.netns, endpoint.port);
        if let Some(addresses) = self.ports.get_mut(&key) {
            addresses.remove(&endpoint.address);
            if addresses.is_empty() {
                self.ports.remove(&key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(address: &str, port: u16) -> Endpoint {
        Endpoint { netns: 1, address: address.parse().unwrap(), port }
    }

    fn process(pid: u32) -> ProcessKey {
        ProcessKey { pid, exec: 1, started: 1 }
    }

    #[test]
    fn the_very_address_is_preferred_to_a_wildcard_and_another_namespace_is_another_world() {
        let mut listeners = Listeners::default();
        listeners.insert(endpoint("0.0.0.0", 80), process(1));
        listeners.insert(endpoint("127.0.0.1", 80), process(2));
        assert_eq!(listeners.find(&endpoint("127.0.0.1", 80)), Some(process(2)));
        assert_eq!(listeners.find(&endpoint("127.0.0.2", 80)), Some(process(1)));
        assert_eq!(listeners.find(&Endpoint { netns: 2, ..endpoint("127.0.0.1", 80) }), None);
    }

    #[test]
    fn beyond_the_cap_the_oldest_listener_goes_and_is_counted() {
        let mut listeners = Listeners::default();
        for number in 0..=limits::LISTENERS {
            let address = IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
            listeners.insert(Endpoint { netns: 1, address, port: 80 }, process(1));
        }
        assert_eq!(listeners.dropped, 1);
        assert_eq!(listeners.find(&endpoint("0.0.0.1", 80)), Some(process(1)));
    }
}
