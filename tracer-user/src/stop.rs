//! Ending cleanly on SIGINT and SIGTERM.
//!
//! Invariant: the first signal asks the observation to end, which writes everything; a second one ends the process
//! at once. Memory: one socket pair.

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the observation shall end.
#[derive(Debug)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    readable: UnixStream,
}

impl Stop {
    /// Takes over the two signals.
    pub(crate) fn on_signals() -> Result<Self> {
        let (readable, writable) = UnixStream::pair().context("make a socket pair")?;
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&asked))
                .context("take over a signal")?;
            signal_hook::flag::register(signal, Arc::clone(&asked)).context("take over a signal")?;
            signal_hook::low_level::pipe::register(signal, writable.try_clone()?).context("take over a signal")?;
        }
        Ok(Self { asked, readable })
    }

    /// Whether a signal has come.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

impl AsFd for Stop {
    /// Readable once a signal has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }
}
