//! What a process listens on, as `/proc` shows it. While watching, the kernel's own records tell; this is for a look
//! at one process without watching.
//!
//! Invariant: only sockets that the process holds, in its own network namespace. Memory: the tables of that
//! namespace's sockets.

use procfs::net::{TcpState, UdpState, UnixState};
use procfs::process::{FDTarget, Process};
use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt as _;
use tracer_core::identity::Port;

/// The ports and paths that a process listens on, sorted; empty where its descriptors cannot be read.
pub(crate) fn ports(pid: u32) -> Vec<Port> {
    let Some(process) = i32::try_from(pid).ok().and_then(|pid| Process::new(pid).ok()) else { return Vec::new() };
    let Ok(descriptors) = process.fd() else { return Vec::new() };
    let sockets: HashSet<u64> = descriptors
        .filter_map(Result::ok)
        .filter_map(|descriptor| if let FDTarget::Socket(inode) = descriptor.target { Some(inode) } else { None })
        .collect();
    let tcp = [process.tcp(), process.tcp6()].into_iter().filter_map(Result::ok).flatten();
    let udp = [process.udp(), process.udp6()].into_iter().filter_map(Result::ok).flatten();
    let unix = process.unix().unwrap_or_default().into_iter();
    let tcp = tcp.filter(|socket| socket.state == TcpState::Listen && sockets.contains(&socket.inode));
    // A datagram socket that is not connected takes what comes.
    let udp = udp.filter(|socket| socket.state == UdpState::Close && sockets.contains(&socket.inode));
    let unix = unix.filter(|socket| socket.state == UnixState::UNCONNECTED && sockets.contains(&socket.inode));
    let mut ports: Vec<Port> = tcp
        .map(|socket| Port::Number(socket.local_address.port()))
        .chain(udp.map(|socket| Port::Number(socket.local_address.port())))
        .chain(unix.filter_map(|socket| Some(path(socket.path?.as_os_str().as_bytes()))))
        .filter(|port| *port != Port::Number(0))
        .collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// `/proc/net/unix` writes the NUL at the beginning of an abstract name as `@`.
fn path(name: &[u8]) -> Port {
    match name.split_first() {
        Some((b'@', rest)) => Port::of_path(&[&[0], rest].concat()),
        _ => Port::of_path(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::{SocketAddr, UnixListener};

    #[test]
    fn this_process_listens_on_what_it_listens_on_and_on_nothing_that_it_only_uses() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let listening = listener.local_addr().unwrap();
        let client = TcpStream::connect(listening).unwrap();
        let datagrams = UdpSocket::bind("[::1]:0").unwrap();
        let name = format!("tracer-listening-{}", std::process::id());
        let _unix = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let found = ports(std::process::id());
        assert!(found.contains(&listening.port().into()), "{found:?}");
        assert!(found.contains(&datagrams.local_addr().unwrap().port().into()), "{found:?}");
        assert!(found.contains(&Port::Path(format!("@{name}"))), "{found:?}");
        assert!(!found.contains(&client.local_addr().unwrap().port().into()), "{found:?}");
    }

    #[test]
    fn a_process_that_is_gone_listens_on_nothing() {
        assert!(ports(u32::MAX).is_empty());
    }
}
