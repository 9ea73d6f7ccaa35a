//! Connections that listeners dropped, by the kernel's socket diagnostics (`sock_diag(7)`): what `ss -ltm` shows as `d`.
//!
//! A listener counts a drop when its accept queue is full (`tcp_conn_request`, `tcp_v4_syn_recv_sock` in
//! `net/ipv4`), and when the SYN itself could not be taken. Invariant: what was dropped before a namespace was first
//! looked at is not told; nothing is told twice. Memory: a netlink socket for each of [`NAMESPACES`] and a number for each of
//! [`LISTENERS`] sockets.

use anyhow::{Context as _, Result, ensure};
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, InetResponse, SocketId, StateFlags, nlas::Nla};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_SOCK_DIAG};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use tracer_core::input::Overflow;

/// Network namespaces that are looked at; one that is gone makes room.
const NAMESPACES: usize = 64;
/// Listeners whose drops are remembered.
const LISTENERS: usize = 16_384;
/// What one answer of the kernel may hold: it never writes more at once (`netlink_dump` in `net/netlink/af_netlink.c`).
const ANSWER_BYTES: usize = 32_768;

/// The accept queues of the namespaces that were asked for.
#[derive(Default)]
pub(crate) struct AcceptQueues {
    namespaces: HashMap<u32, Namespace>,
    /// That they are looked at was told.
    told: bool,
}

struct Namespace {
    socket: Socket,
    /// Drops by the cookie of the listener; `None` before the first look.
    drops: Option<HashMap<[u8; 8], u64>>,
}

impl AcceptQueues {
    /// Looks at the listeners of the namespace in which a process is, from now on.
    ///
    /// # Errors
    /// When the namespace cannot be entered, or is another one by now.
    pub(crate) fn watch(&mut self, netns: u32, pid: u32) -> Result<()> {
        if self.namespaces.contains_key(&netns) || self.namespaces.len() >= NAMESPACES {
            return Ok(());
        }
        let path = format!("/proc/{pid}/ns/net");
        let namespace = File::open(&path).with_context(|| format!("open {path}"))?;
        let found = namespace.metadata().with_context(|| format!("look at {path}"))?.ino();
        ensure!(found == u64::from(netns), "{path} is another network namespace by now");
        // A socket stays in the namespace in which it was made: the thread is needed for that moment alone.
        let made = std::thread::spawn(move || {
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))
                .context("enter a network namespace")?;
            let mut socket = Socket::new(NETLINK_SOCK_DIAG).context("open a netlink socket")?;
            socket.bind_auto().context("bind a netlink socket")?;
            socket.connect(&SocketAddr::new(0, 0)).context("connect a netlink socket")?;
            socket.set_non_blocking(true).context("make a netlink socket non-blocking")?;
            anyhow::Ok(socket)
        });
        let socket = made.join().map_err(|_| anyhow::anyhow!("the thread that enters a namespace ended"))??;
        self.namespaces.insert(netns, Namespace { socket, drops: None });
        Ok(())
    }

    /// What was dropped since the last look, which is nothing after the first one; `None` where there is nothing to tell.
    pub(crate) fn look(&mut self) -> Option<Vec<Overflow>> {
        let mut overflows = Vec::new();
        for (netns, namespace) in &mut self.namespaces {
            // What cannot be read now is told with the next look.
            if let Ok(listeners) = namespace.listeners() {
                overflows.extend(namespace.compare(*netns, &listeners));
            }
        }
        let news = !overflows.is_empty() || !(self.namespaces.is_empty() || std::mem::replace(&mut self.told, true));
        news.then_some(overflows)
    }
}

impl Namespace {
    fn listeners(&self) -> Result<Vec<InetResponse>> {
        let mut listeners = self.dump(AF_INET)?;
        listeners.extend(self.dump(AF_INET6)?);
        Ok(listeners)
    }

    /// Asks for all listeners of a family.
    fn dump(&self, family: u8) -> Result<Vec<InetResponse>> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let request = InetRequest {
            family,
            protocol: IPPROTO_TCP,
            extensions: ExtensionFlags::SKMEMINFO,
            states: StateFlags::LISTEN,
            socket_id: if family == AF_INET { SocketId::new_v4() } else { SocketId::new_v6() },
        };
        let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        self.socket.send(&bytes, 0).context("ask for listeners")?;
        let mut found = Vec::new();
        let mut answer = Vec::with_capacity(ANSWER_BYTES);
        loop {
            answer.clear();
            self.socket.recv(&mut answer, 0).context("read the listeners")?;
            let mut rest = answer.as_slice();
            while !rest.is_empty() {
                let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest).context("read a listener")?;
                let length = usize::try_from(message.header.length)?.next_multiple_of(4).max(16);
                rest = rest.get(length..).unwrap_or_default();
                match message.payload {
                    NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(response))
                        if found.len() < LISTENERS =>
                    {
                        found.push(*response);
                    }
                    NetlinkPayload::Done(_) => return Ok(found),
                    NetlinkPayload::Error(error) => anyhow::bail!("the kernel refused: {error}"),
                    _ => {}
                }
            }
        }
    }

    /// Remembers what each has dropped, and tells what that has grown by.
    fn compare(&mut self, netns: u32, listeners: &[InetResponse]) -> Vec<Overflow> {
        let (mut now, mut grown) = (HashMap::new(), Vec::new());
        for listener in listeners {
            let id = &listener.header.socket_id;
            let drops =
                listener.nlas.iter().find_map(|nla| if let Nla::MemInfo(info) = nla { Some(info.drops) } else { None });
            let Some(drops) = drops.map(u64::from) else { continue };
            now.insert(id.cookie, drops);
            // A listener that was not there before began with none.
            let before = self.drops.as_ref().map_or(drops, |before| before.get(&id.cookie).copied().unwrap_or(0));
            let dropped = drops.saturating_sub(before);
            if dropped > 0 {
                grown.push(Overflow { netns, address: id.source_address, port: id.source_port, dropped });
            }
        }
        self.drops = Some(now);
        grown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
    use std::time::Duration;

    #[test]
    fn a_listener_whose_accept_queue_is_full_drops_connections() {
        let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        bind(&listener, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).unwrap();
        listen(&listener, 0).unwrap();
        let listener = TcpListener::from(listener);
        let address = listener.local_addr().unwrap();
        let netns = u32::try_from(std::fs::metadata("/proc/self/ns/net").unwrap().ino()).unwrap();
        let mut queues = AcceptQueues::default();
        queues.watch(netns, std::process::id()).unwrap();
        assert_eq!(queues.look(), Some(Vec::new()), "what was before is not told");
        let _clients: Vec<_> =
            (0..4).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(200))).collect();
        let told = queues.look().expect("drops");
        let found = told.iter().find(|overflow| overflow.port == address.port()).expect("drops");
        assert_eq!((found.netns, found.address), (netns, address.ip()));
        assert!(found.dropped >= 1, "{found:?}");
        let again = queues.look();
        assert!(
            again.iter().flatten().all(|overflow| overflow.port != address.port() || overflow.dropped < found.dropped)
        );
    }

    #[test]
    fn a_namespace_that_a_process_is_not_in_is_not_watched() {
        let error = AcceptQueues::default().watch(1, std::process::id()).unwrap_err();
        assert!(error.to_string().contains("another network namespace"), "{error:#}");
    }
}
