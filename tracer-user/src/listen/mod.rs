//! Answers over HTTP: health, metrics, the graph, alerts.
//!
//! ```text
//! observation ─ offers, when somebody has asked ─► board ─► server (a thread of its own) ─► who asks
//! ```
//!
//! A path is a row of `routes`. Invariant: the observation waits for nobody who asks; it copies the graph at most once a
//! second, and only if somebody has asked. There is no authentication, so it listens on loopback unless told otherwise.
//! Memory: [`server::MOST_CONNECTIONS`] connections, for each at most one state of the graph with its texts, and in the
//! kernel [`MOST_UNREAD`].

pub(crate) mod address;
mod board;
mod routes;
mod server;

use anyhow::{Context as _, Result};
use board::Board;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::oneshot;
use tracer_core::alert::Account;
use tracer_core::{Engine, Output};

/// What the kernel holds of answers that somebody does not read, bytes; it takes twice as much for its own account of them.
/// Left to itself it takes [4 MiB](https://docs.kernel.org/networking/ip-sysctl.html) for each connection.
const MOST_UNREAD: usize = 128 * 1024;

/// A listening server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Listener {
    board: Arc<Board>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Where it listens, with the port that the kernel has chosen if none was asked for.
    pub(crate) address: SocketAddr,
}

impl Listener {
    /// Begins to listen.
    pub(crate) fn start(address: SocketAddr) -> Result<Self> {
        let socket = std::net::TcpListener::bind(address)
            .with_context(|| format!("cannot listen on {address}; --listen takes another address or port"))?;
        socket.set_nonblocking(true).context("set up the listening socket")?;
        // Those that are accepted have it from this one.
        rustix::net::sockopt::set_socket_send_buffer_size(&socket, MOST_UNREAD)
            .context("set up the listening socket")?;
        let address = socket.local_addr().context("ask the listening socket for its address")?;
        let board = Arc::new(Board::default());
        let (end, ended) = oneshot::channel();
        let shared = Arc::clone(&board);
        let thread = std::thread::Builder::new()
            .name("listen".to_owned())
            .spawn(move || server::run(socket, &shared, ended))
            .context("start a thread for the listening socket")?;
        Ok(Self { board, end: Some(end), thread: Some(thread), address })
    }

    /// Time has passed: gives what the engine knows to those who ask, with the accounts of the sinks of alerts.
    pub(crate) fn offer(&self, engine: &Engine, sinks: impl FnOnce() -> Vec<(String, Account)>) {
        self.board.offer(engine, sinks);
    }

    /// Takes note of alerts that are over.
    pub(crate) fn note(&self, outputs: &[Output]) {
        self.board.note(outputs);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            // Fails only if the thread is over already.
            let _ = end.send(());
        }
        if let Some(thread) = self.thread.take() {
            // It has nothing to say at its end.
            let _ = thread.join();
        }
    }
}
