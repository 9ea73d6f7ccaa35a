//! Where to listen, as people write it.
//!
//! Invariant: what names no address is loopback. Memory: none.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Takes `9464`, `:9464`, `127.0.0.1:9464`, `[::1]:9464`.
pub(crate) fn parse(text: &str) -> Result<SocketAddr, String> {
    let port = text.strip_prefix(':').unwrap_or(text);
    let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    if let Ok(port) = port.parse() {
        return Ok(loopback(port));
    }
    let named = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()).map(loopback);
    named.or_else(|| text.parse().ok()).ok_or_else(|| {
        "it must be a port, or an IP address and a port, such as 9464, 127.0.0.1:9464 or [::1]:9464".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_on_loopback_and_an_address_is_as_it_is() {
        for (text, address) in [
            ("9464", "127.0.0.1:9464"),
            (":9464", "127.0.0.1:9464"),
            ("localhost:1", "127.0.0.1:1"),
            ("0.0.0.0:9464", "0.0.0.0:9464"),
            ("[::1]:9464", "[::1]:9464"),
        ] {
            assert_eq!(parse(text).unwrap().to_string(), address);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_is_one() {
        for text in ["", ":", "65536", "example.org:80", "127.0.0.1", "::1:80:"] {
            assert!(parse(text).unwrap_err().contains("such as 9464"), "{text}");
        }
    }
}
