//! The load client, while it runs and what it reports.
//!
//! Invariant: the numbers are the client's own; nothing here counts. Memory: one report.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::server::Server;

/// What `load.py` wrote about itself.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct LoadReport {
    /// Requests that left the client.
    pub sent: u64,
    /// Requests that got an answer, whatever its status.
    pub answered: u64,
    /// `sent - answered`.
    pub unanswered: u64,
    /// Answers by HTTP status.
    pub statuses: BTreeMap<String, u64>,
    /// Failures by the name of the exception.
    pub errors: BTreeMap<String, u64>,
    /// Connections that were established.
    pub connections_opened: u64,
    /// From its start to the report.
    pub seconds: f64,
    pub latency_ms: Option<LoadLatency>,
}

/// The client's latency, from the send to the last byte of the answer, milliseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct LoadLatency {
    pub mean: f64,
    pub p50: f64,
    pub p90: f64,
    pub p99: f64,
    pub max: f64,
}

/// A load client that was started. Dropping it ends it without a report.
#[derive(Debug)]
pub struct LoadHandle {
    client: Server,
    report: PathBuf,
}

impl LoadHandle {
    pub(super) fn new(client: Server, report: PathBuf) -> Self {
        Self { client, report }
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.client.pid()
    }

    /// Waits until every request was sent.
    ///
    /// # Errors
    /// It takes longer than `limit`, or the client failed.
    pub fn wait(mut self, limit: Duration) -> Result<LoadReport> {
        if !self.client.ends_within(limit)? {
            bail!("load.py (pid {}) still has requests to send after {:.0} s", self.pid(), limit.as_secs_f64());
        }
        self.client.stop()?;
        self.read()
    }

    /// Ends the load early: requests under way get two seconds, the rest is not sent.
    ///
    /// # Errors
    /// The client failed.
    pub fn stop(mut self) -> Result<LoadReport> {
        self.client.stop()?;
        self.read()
    }

    fn read(&self) -> Result<LoadReport> {
        let text = fs::read_to_string(&self.report).with_context(|| {
            format!("load.py left no report {}; its log ends with\n{}", self.report.display(), self.client.log_tail())
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} is not a report of load.py", self.report.display()))
    }
}
