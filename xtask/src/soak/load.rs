//! The load of a soak: connections and processes that come and go, and some that stay.
//!
//! Invariant: a request is counted when its response is there, and none is left without one, so at the end the counts are
//! exact. Memory: a thread for each kind.

use std::fmt;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::work::{Addresses, BRIEF_CONNECTIONS, BRIEF_REQUESTS, MESSAGE, Server, ask, connect};

/// Where requests go, and how many went there.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// As the graph of the tracer writes it, as is the port.
    pub(super) transport: &'static str,
    pub(super) port: Value,
    pub(super) requests: u64,
}

/// What the load did.
#[derive(Clone, Debug)]
pub(super) struct Made {
    pub(super) places: Vec<(&'static str, Place)>,
    /// Processes started.
    pub(super) processes: u64,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let requests: u64 = self.places.iter().map(|(_, place)| place.requests).sum();
        write!(f, "{requests} requests and {} processes so far", self.processes)
    }
}

/// One kind of load.
struct Kind {
    name: &'static str,
    transport: &'static str,
    port: fn(&Addresses) -> Value,
    run: fn(&Work) -> Result<()>,
}

const KINDS: [Kind; 6] = [
    Kind { name: "requests of brief processes", transport: "tcp", port: |to| to.brief.into(), run: brief },
    Kind { name: "requests on brief connections", transport: "tcp", port: |to| to.churn.into(), run: churn },
    Kind { name: "requests on connections that stay", transport: "tcp", port: |to| to.keep.into(), run: keep },
    Kind { name: "requests on a busy connection", transport: "tcp", port: |to| to.busy.into(), run: busy },
    Kind { name: "datagrams", transport: "udp", port: |to| to.datagrams.into(), run: datagrams },
    Kind {
        name: "requests on Unix sockets",
        transport: "unix",
        port: |to| to.path.to_string_lossy().into(),
        run: local,
    },
];

/// What a thread works with.
struct Work {
    to: Addresses,
    client: PathBuf,
    stop: Arc<AtomicBool>,
    made: AtomicU64,
    processes: AtomicU64,
}

/// The running load.
pub(super) struct Load {
    stop: Arc<AtomicBool>,
    works: Vec<Arc<Work>>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Load {
    pub(super) fn start(server: &Server) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut works, mut threads) = (Vec::new(), Vec::new());
        for Kind { name, run, .. } in KINDS {
            let work = Arc::new(Work {
                to: server.addresses.clone(),
                client: server.client.clone(),
                stop: Arc::clone(&stop),
                made: AtomicU64::new(0),
                processes: AtomicU64::new(0),
            });
            works.push(Arc::clone(&work));
            threads.push(thread::spawn(move || run(&work).context(name)));
        }
        Self { stop, works, threads }
    }

    /// What was done so far.
    pub(super) fn made(&self) -> Made {
        let place = |(kind, work): (&Kind, &Arc<Work>)| {
            let requests = work.made.load(Ordering::Relaxed);
            (kind.name, Place { transport: kind.transport, port: (kind.port)(&work.to), requests })
        };
        Made {
            places: KINDS.iter().zip(&self.works).map(place).collect(),
            processes: self.works.iter().map(|work| work.processes.load(Ordering::Relaxed)).sum(),
        }
    }

    /// Fails if a part of it has ended.
    pub(super) fn must_run(&self) -> Result<()> {
        let over = KINDS.iter().zip(&self.threads).find(|(_, thread)| thread.is_finished());
        match over {
            Some((kind, _)) if !self.stop.load(Ordering::Relaxed) => bail!("the load of {} ended too early", kind.name),
            _ => Ok(()),
        }
    }

    /// Ends it; what it did.
    pub(super) fn stop(mut self) -> Result<Made> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            match thread.join() {
                Ok(result) => result?,
                Err(_) => bail!("a thread of the load has ended in disorder"),
            }
        }
        Ok(self.made())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Work {
    /// Does a step so many times a second until it is to end.
    fn pace(&self, a_second: u32, mut step: impl FnMut() -> Result<()>) -> Result<()> {
        let every = Duration::from_secs(1) / a_second;
        let mut next = Instant::now();
        while !self.stop.load(Ordering::Relaxed) {
            step()?;
            next += every;
            let now = Instant::now();
            // What a slow machine has missed is not made up for.
            next = next.max(now);
            thread::sleep(next.duration_since(now));
        }
        Ok(())
    }

    fn count(&self, requests: u64) {
        self.made.fetch_add(requests, Ordering::Relaxed);
    }
}

fn brief(work: &Work) -> Result<()> {
    work.pace(60, || {
        let mut command = Command::new(&work.client);
        command.args(["soak-work", "brief", &work.to.brief.to_string()]).stdin(Stdio::null());
        work.processes.fetch_add(1, Ordering::Relaxed);
        let status = command.status().context("starting a process")?;
        if !status.success() {
            bail!("a brief process failed ({status})");
        }
        work.count(BRIEF_CONNECTIONS * BRIEF_REQUESTS);
        Ok(())
    })
}

fn churn(work: &Work) -> Result<()> {
    let mut turn = 0_u64;
    work.pace(200, || {
        let mut stream = connect(work.to.churn)?;
        turn += 1;
        for _ in 0..turn % 3 + 1 {
            ask(&mut stream)?;
            work.count(1);
        }
        Ok(())
    })
}

fn keep(work: &Work) -> Result<()> {
    let mut streams = (0..200).map(|_| connect(work.to.keep)).collect::<Result<Vec<_>>>()?;
    let mut turn = 0..streams.len();
    work.pace(1_000, || {
        let at = turn.next().unwrap_or_else(|| {
            turn = 1..streams.len();
            0
        });
        let stream = streams.get_mut(at).context("a connection that is none")?;
        ask(stream)?;
        work.count(1);
        Ok(())
    })
}

fn busy(work: &Work) -> Result<()> {
    let mut stream = connect(work.to.busy)?;
    work.pace(2_000, || {
        ask(&mut stream)?;
        work.count(1);
        Ok(())
    })
}

fn datagrams(work: &Work) -> Result<()> {
    work.pace(10, || {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("making a socket")?;
        socket.connect((Ipv4Addr::LOCALHOST, work.to.datagrams)).context("connecting a socket")?;
        socket.set_read_timeout(Some(Duration::from_secs(10))).context("setting a limit of time")?;
        for _ in 0..10 {
            let mut message = [7; MESSAGE];
            socket.send(&message).context("sending a datagram")?;
            socket.recv(&mut message).context("receiving a datagram")?;
            work.count(1);
        }
        Ok(())
    })
}

fn local(work: &Work) -> Result<()> {
    work.pace(20, || {
        let mut stream = UnixStream::connect(&work.to.path).context("connecting")?;
        for _ in 0..5 {
            ask(&mut stream)?;
            work.count(1);
        }
        Ok(())
    })
}
