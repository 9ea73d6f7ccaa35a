//! Ports for servers, and whether somebody listens on them.
//!
//! Invariant: ports lie below the kernel's ephemeral range. A port within it could be taken by any outgoing connection
//! while its server is stopped, and a client that connects to it then could even be connected to itself.
//! Memory: one table of the kernel's at a time.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Context, Result, bail};

const RANGE_FILE: &str = "/proc/sys/net/ipv4/ip_local_port_range";
/// The first port that is ever given out.
const FIRST: u16 = 10_000;
/// `TCP_LISTEN` as `/proc/net/tcp` shows it.
const LISTEN: &str = "0A";

/// How many ports this process has tried: no port is offered twice before all were.
static TRIED: AtomicU16 = AtomicU16::new(0);

/// A port of 127.0.0.1 that nobody uses now. Processes begin at different places, so that two demos do not race.
pub(super) fn free() -> Result<u16> {
    let text = fs::read_to_string(RANGE_FILE).with_context(|| format!("cannot read {RANGE_FILE}"))?;
    let range = text.split_whitespace().next().and_then(|low| low.parse::<u16>().ok());
    let end = range.with_context(|| format!("{RANGE_FILE} holds no range: {text:?}"))?;
    let count = u32::from(end.saturating_sub(FIRST));
    for _ in 0..count {
        let tried = u32::from(TRIED.fetch_add(1, Ordering::Relaxed));
        let offset = std::process::id().wrapping_mul(31).wrapping_add(tried) % count;
        let port = FIRST.saturating_add(u16::try_from(offset).unwrap_or(0));
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port from {FIRST} to {end}: lower the beginning of {RANGE_FILE} or stop something")
}

/// Whether an IPv4 socket listens on this port, without connecting to it.
pub(super) fn is_listening(port: u16) -> Result<bool> {
    let table = fs::read_to_string("/proc/net/tcp").context("cannot read /proc/net/tcp")?;
    Ok(listens_in(&table, port))
}

/// `/proc/net/tcp`: `sl local_address rem_address st …`, the port in hexadecimal after the colon.
fn listens_in(table: &str, port: u16) -> bool {
    let port = format!("{port:04X}");
    table.lines().skip(1).any(|line| {
        let mut columns = line.split_whitespace().skip(1);
        let local = columns.next().and_then(|address| address.split(':').nth(1));
        local == Some(port.as_str()) && columns.nth(1) == Some(LISTEN)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "  sl  local_address rem_address   st tx_queue rx_queue\n   \
        0: 0100007F:2710 00000000:0000 0A 00000000:00000000\n   \
        1: 0100007F:2711 0100007F:2710 01 00000000:00000000\n";

    #[test]
    fn only_a_listening_socket_counts() {
        assert!(listens_in(TABLE, 10_000));
        assert!(!listens_in(TABLE, 10_001));
        assert!(!listens_in("", 10_000));
    }

    #[test]
    fn free_ports_differ_and_become_listening() {
        let (one, other) = (free().unwrap(), free().unwrap());
        assert_ne!(one, other);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, one)).unwrap();
        assert!(is_listening(one).unwrap());
        drop(listener);
        assert!(!is_listening(one).unwrap());
    }
}
