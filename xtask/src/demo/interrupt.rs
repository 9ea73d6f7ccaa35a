//! Ctrl-C and SIGTERM end the demo in order: an error that unwinds, so that every guard stops its processes.
//!
//! Invariant: after a signal every wait of the demo ends with an error. Memory: one flag.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGINT, SIGTERM};

use super::wait;

/// Whether somebody asked the demo to end.
#[derive(Clone, Debug)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From now on SIGINT and SIGTERM do not kill this process but are noted here.
    pub(super) fn install() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&flag)).context("cannot handle SIGINT and SIGTERM")?;
        }
        Ok(Self(flag))
    }

    /// An error if a signal came.
    pub(super) fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("interrupted");
        }
        Ok(())
    }

    /// Sleeps, unless a signal comes.
    pub(super) fn sleep(&self, span: Duration) -> Result<()> {
        let end = Instant::now() + span;
        wait::until("time to pass", span + Duration::from_secs(1), || {
            self.check()?;
            Ok((Instant::now() >= end).then_some(()))
        })
    }
}
