//! Who listens where, now and until recently.
//!
//! Invariant: a listener that is gone keeps naming its port, so that a refused connect is shown as a call to the
//! service that used to answer there; a newer listener replaces it. Memory: `limits::LISTENERS`, the oldest goes first.

use super::{Endpoint, Port, ProcessKey, Transport};
use crate::limits;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Listening sockets by port.
#[derive(Debug, Default)]
pub struct Listeners {
    ports: HashMap<(Transport, Endpoint), ProcessKey>,
    order: VecDeque<(Transport, Endpoint)>,
    paths: HashMap<Port, BTreeMap<u64, ProcessKey>>,
    path_order: VecDeque<(Port, u64)>,
    /// Listeners forgotten because of the cap.
    pub dropped: u64,
}

impl Listeners {
    /// `owner` listens on `endpoint`.
    pub fn insert(&mut self, transport: Transport, endpoint: Endpoint, owner: ProcessKey) {
        if self.ports.insert((transport, endpoint), owner).is_some() {
            return;
        }
        self.order.push_back((transport, endpoint));
        if self.order.len() > limits::LISTENERS
            && let Some(oldest) = self.order.pop_front()
        {
            self.dropped += 1;
            self.ports.remove(&oldest);
        }
    }

    /// `owner` listens, or waits for datagrams, on a Unix socket of this path; `cookie` names the socket.
    pub fn insert_path(&mut self, path: Port, cookie: u64, owner: ProcessKey) {
        if self.paths.entry(path.clone()).or_default().insert(cookie, owner).is_some() {
            return;
        }
        self.path_order.push_back((path, cookie));
        if self.path_order.len() > limits::LISTENERS
            && let Some((path, cookie)) = self.path_order.pop_front()
        {
            self.dropped += 1;
            self.remove_path(&path, cookie);
        }
    }

    /// The socket of this path is gone.
    pub fn remove_path(&mut self, path: &Port, cookie: u64) {
        let Some(sockets) = self.paths.get_mut(path) else { return };
        sockets.remove(&cookie);
        if sockets.is_empty() {
            self.paths.remove(path);
        }
    }

    /// Who listens on a path. `None` where several processes do: the same path may be another file in another mount
    /// namespace.
    #[must_use]
    pub fn find_path(&self, path: &Port) -> Option<ProcessKey> {
        let mut owners = self.paths.get(path)?.values();
        let first = owners.next()?;
        owners.all(|owner| owner == first).then_some(*first)
    }

    /// Who listens on `endpoint`: by the very address, else by a wildcard address (`0.0.0.0`, `::`).
    #[must_use]
    pub fn find(&self, transport: Transport, endpoint: &Endpoint) -> Option<ProcessKey> {
        let at = |address: IpAddr| self.ports.get(&(transport, Endpoint { address, ..*endpoint })).copied();
        let wildcards: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        at(endpoint.address).or_else(|| wildcards.into_iter().find_map(at))
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
        listeners.insert(Transport::Tcp, endpoint("0.0.0.0", 80), process(1));
        listeners.insert(Transport::Tcp, endpoint("127.0.0.1", 80), process(2));
        assert_eq!(listeners.find(Transport::Tcp, &endpoint("127.0.0.1", 80)), Some(process(2)));
        assert_eq!(listeners.find(Transport::Tcp, &endpoint("127.0.0.2", 80)), Some(process(1)));
        assert_eq!(listeners.find(Transport::Tcp, &Endpoint { netns: 2, ..endpoint("127.0.0.1", 80) }), None);
    }

    #[test]
    fn a_datagram_port_and_a_stream_port_of_the_same_number_are_two() {
        let mut listeners = Listeners::default();
        listeners.insert(Transport::Udp, endpoint("0.0.0.0", 53), process(1));
        assert_eq!(listeners.find(Transport::Tcp, &endpoint("0.0.0.0", 53)), None);
        assert_eq!(listeners.find(Transport::Udp, &endpoint("127.0.0.1", 53)), Some(process(1)));
    }

    #[test]
    fn a_path_on_which_two_processes_listen_names_neither() {
        let mut listeners = Listeners::default();
        let path = Port::of_path(b"/run/a");
        listeners.insert_path(path.clone(), 1, process(1));
        listeners.insert_path(path.clone(), 2, process(1));
        assert_eq!(listeners.find_path(&path), Some(process(1)));
        listeners.insert_path(path.clone(), 3, process(2));
        assert_eq!(listeners.find_path(&path), None);
        listeners.remove_path(&path, 3);
        assert_eq!(listeners.find_path(&path), Some(process(1)));
    }

    #[test]
    fn beyond_the_cap_the_oldest_listener_goes_and_is_counted() {
        let mut listeners = Listeners::default();
        for number in 0..=limits::LISTENERS {
            let address = IpAddr::from(u32::try_from(number).unwrap().to_be_bytes());
            listeners.insert(Transport::Tcp, Endpoint { netns: 1, address, port: 80 }, process(1));
        }
        assert_eq!(listeners.dropped, 1);
        assert_eq!(listeners.find(Transport::Tcp, &endpoint("0.0.0.1", 80)), Some(process(1)));
    }
}
