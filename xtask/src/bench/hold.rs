//! Many connections that stay: how the tracer's cost grows with sockets and calls is measured beside them.
//!
//! Invariant: one thread serves and one asks, however many there are. Memory: a descriptor for each end.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

/// What is said when all connections are there.
pub(super) const HELD: &str = "held";
const MESSAGE: [u8; 16] = *b"sixteen bytes. \n";

/// Where the `index`th of many listening sockets is: not on 127.0.0.1, where others may listen.
fn place(port: u16, index: u32) -> Result<SocketAddrV4> {
    let port =
        u16::try_from(index).ok().and_then(|index| port.checked_add(index)).context("the ports reach too high")?;
    Ok(SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, 2), port))
}

/// Listens on so many ports from `port` on and answers what comes, until it is ended.
pub(super) fn serve(port: u16, ports: u32) -> Result<()> {
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC).context("epoll")?;
    let listeners = (0..ports)
        .map(|index| {
            let place = place(port, index)?;
            let listener = TcpListener::bind(place).with_context(|| format!("listening on {place}"))?;
            epoll.add(listener.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, u64::from(index))).context("epoll")?;
            Ok(listener)
        })
        .collect::<Result<Vec<_>>>()?;
    println!("{HELD}");
    let mut streams: Vec<Option<TcpStream>> = Vec::new();
    let mut events = [EpollEvent::empty(); 256];
    loop {
        let ready = epoll.wait(&mut events, EpollTimeout::NONE).context("waiting")?;
        for event in events.iter().take(ready) {
            let place = usize::try_from(event.data())?;
            if let Some(listener) = listeners.get(place) {
                let (stream, _) = listener.accept().context("accepting")?;
                let data = u64::try_from(listeners.len() + streams.len())?;
                epoll.add(stream.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, data)).context("epoll")?;
                streams.push(Some(stream));
            } else if let Some(slot) = streams.get_mut(place - listeners.len())
                && let Some(stream) = slot
            {
                let mut message = MESSAGE;
                let answered = stream.read_exact(&mut message).and_then(|()| stream.write_all(&message));
                if answered.is_err() {
                    *slot = None;
                }
            }
        }
    }
}

/// Makes so many connections to so many ports, says so, and asks `rate` times a second on one after the other.
pub(super) fn ask(port: u16, ports: u32, connections: u32, rate: u32, length: Duration) -> Result<()> {
    let mut streams = (0..connections)
        .map(|index| {
            let place = place(port, index % ports.max(1))?;
            TcpStream::connect(place).with_context(|| format!("connection {index} to {place}"))
        })
        .collect::<Result<Vec<_>>>()?;
    for stream in &mut streams {
        // Each has been used once.
        exchange(stream)?;
    }
    println!("{HELD}");
    let begin = Instant::now();
    for (done, index) in (0_u32..).zip((0..streams.len()).cycle()) {
        let due = Duration::from_secs_f64(f64::from(done) / f64::from(rate));
        if due > length {
            break;
        }
        if let Some(early) = due.checked_sub(begin.elapsed()) {
            std::thread::sleep(early);
        }
        streams.get_mut(index).map_or(Ok(()), exchange)?;
    }
    Ok(())
}

fn exchange(stream: &mut TcpStream) -> Result<()> {
    let mut message = MESSAGE;
    stream.write_all(&message).context("asking")?;
    stream.read_exact(&mut message).context("waiting for an answer")?;
    if message != MESSAGE {
        bail!("the answer is another one");
    }
    Ok(())
}
