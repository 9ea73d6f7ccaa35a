//! Ending cleanly: on SIGINT and SIGTERM, or when somebody else asks for it.
//!
//! Invariant: the first signal asks the observation to end, which writes everything; a second one ends the process
//! at once. Memory: one socket pair.

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGINT, SIGTERM};
use std::io::Write as _;
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

    /// Leaves the signals alone: ends when the other half asks for it.
    pub(crate) fn on_request() -> Result<(Self, Ask)> {
        let (readable, writable) = UnixStream::pair().context("make a socket pair")?;
        let asked = Arc::new(AtomicBool::new(false));
        Ok((Self { asked: Arc::clone(&asked), readable }, Ask { asked, writable }))
    }

    /// Whether the end was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }
}

/// Asks an observation to end.
#[derive(Debug)]
pub(crate) struct Ask {
    asked: Arc<AtomicBool>,
    writable: UnixStream,
}

impl Ask {
    pub(crate) fn ask(mut self) {
        self.asked.store(true, Ordering::Relaxed);
        // Ends a wait; who does not wait looks at the flag.
        let _ = self.writable.write_all(&[0]);
    }
}

impl AsFd for Stop {
    /// Readable once the end was asked for.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.readable.as_fd()
    }
}
