//! Addresses and endpoints.
//!
//! Invariant: one address has one spelling: IPv4-mapped IPv6 is IPv4. Memory: none.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use tracer_common::Tuple;

/// An address and a port in a network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    pub netns: u32,
    pub address: IpAddr,
    pub port: u16,
}

impl Endpoint {
    /// The socket's own end.
    #[must_use]
    pub fn local(tuple: &Tuple) -> Self {
        Self { netns: tuple.netns, address: canonical(tuple.local_address), port: tuple.local_port }
    }

    /// The end that the socket talks to, as seen from the socket's network namespace.
    #[must_use]
    pub fn remote(tuple: &Tuple) -> Self {
        Self { netns: tuple.netns, address: canonical(tuple.remote_address), port: tuple.remote_port }
    }

    /// Whether the address means something only inside its network namespace (RFC 1122 §3.2.1.3, RFC 4291 §2.5).
    #[must_use]
    pub fn is_confined(&self) -> bool {
        match self.address {
            IpAddr::V4(address) => address.is_loopback() || address.is_link_local(),
            IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local(),
        }
    }

    /// Whether the address is a loopback address, so that the other end must be in the same network namespace.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        self.address.is_loopback()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", std::net::SocketAddr::new(self.address, self.port))
    }
}

fn canonical(bytes: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(bytes).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_address_is_the_ipv4_address_that_it_maps() {
        let mapped = "::ffff:127.0.0.1".parse::<Ipv6Addr>().unwrap().octets();
        let tuple =
            Tuple { local_address: mapped, remote_address: mapped, local_port: 80, remote_port: 4000, netns: 1 };
        let local = Endpoint::local(&tuple);
        assert_eq!(local.to_string(), "127.0.0.1:80");
        assert!(local.is_confined() && local.is_loopback());
    }

    #[test]
    fn an_ipv6_endpoint_is_written_with_brackets() {
        let endpoint = Endpoint { netns: 1, address: "2001:db8::1".parse().unwrap(), port: 443 };
        assert_eq!(endpoint.to_string(), "[2001:db8::1]:443");
        assert!(!endpoint.is_confined());
    }
}
