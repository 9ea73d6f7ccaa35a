//! Where alerts go: held to limits, grouped by call, filtered, and given to each sink's own thread.
//!
//! ```text
//! engine ─► limiter ─► terminal (the console)
//!              └► notices ─► filter ─► mailbox ─► worker: backlog (spool) ─► sink     one for each entry of [[sink]]
//! engine ─► state file                     └─────────────┴─► what is dropped: losses
//! ```
//!
//! A sink is a file here that knows how to [`Deliver`], and a row in `table`. Invariant: the observation waits for none of
//! them; what is lost is counted, listed and said, and the account of each sink balances at every moment. Memory: that of the
//! mailboxes and backlogs, each with its cap.

mod alertmanager;
mod backlog;
mod backoff;
mod command;
mod file;
mod http;
mod journald;
mod losses;
mod mailbox;
mod secret;
pub(crate) mod settings;
mod spool;
pub(crate) mod state;
mod status;
pub(crate) mod table;
pub(crate) mod terminal;
mod webhook;
mod worker;

use crate::clock;
use crate::config::Configuration;
use anyhow::{Context as _, Result};
use backoff::Backoff;
use losses::{Losses, Writer};
use settings::SinkSettings;
use spool::{Caps, Spool};
use state::{Found, Keeper};
use std::path::Path;
use std::time::{Duration, Instant};
use tracer_core::alert::{Account, Alert, AlertState, Filter, Limiter, Notice, sample};
use tracer_core::graph::snapshot::Degradation;
use tracer_core::time::{Moment, Span};
use tracer_core::{Engine, Output};
use worker::Worker;

/// Between two writings of what fires.
const KEEP_EVERY: Span = Span::from_seconds(1);
/// Between two writings where only counts have changed.
const COUNT_EVERY: Span = Span::from_seconds(60);
/// How long the end waits for all sinks together.
const PATIENCE: Duration = Duration::from_millis(700);
/// How long it waits for the disk: without this file everything would fire anew.
const KEEP_PATIENCE: Duration = Duration::from_secs(3);

/// How long it waits for the list of what was dropped.
const LIST_PATIENCE: Duration = Duration::from_millis(200);

/// Delivers notices to one place. Runs in a thread of its own and may take its time.
pub(crate) trait Deliver: Send {
    fn deliver(&mut self, notice: &Notice) -> Result<(), Failure>;
    /// Files may have been moved.
    fn reopen(&mut self) {}
    /// These fire since before the start, and were told then.
    fn fired_before(&mut self, _alerts: &[Alert]) {}
    /// When [`Self::tick`] is to be called.
    fn due(&self) -> Option<Instant> {
        None
    }
    fn tick(&mut self) -> Result<(), Failure> {
        Ok(())
    }
}

/// Why something was not delivered. Reasons hold no secret.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be tried again, not before the time that the receiver asks for.
    Later { reason: String, after: Option<Duration> },
    /// It will never be taken.
    Never { reason: String },
}

impl Failure {
    fn later(reason: String) -> Self {
        Self::Later { reason, after: None }
    }
}

/// One entry of `[[sink]]`, at work.
#[derive(Debug)]
struct Sink {
    name: String,
    filter: Filter,
    /// What it could not deliver is kept on disk.
    spools: bool,
    worker: Worker,
}

/// All of it.
#[derive(Debug)]
pub(crate) struct Alerts {
    host: String,
    limiter: Limiter,
    /// Which alerts the terminal shows; none: all.
    terminal: Vec<Filter>,
    sinks: Vec<Sink>,
    keeper: Option<Keeper>,
    /// Lists what is dropped, where there is a folder for it.
    writer: Option<Writer>,
    losses: Losses,
    found: Found,
    kept: Option<(Moment, u64)>,
    said_held: bool,
    notes: Vec<String>,
}

impl Alerts {
    /// Opens everything that is configured; what cannot be used is an error.
    pub(crate) fn start(configuration: &Configuration) -> Result<Self> {
        let folder = configuration.alert_directory();
        let opened = folder.as_deref().map(state::open).transpose()?;
        let (keeper, found) = opened.map_or_else(|| (None, Found::default()), |(keeper, found)| (Some(keeper), found));
        let writer = folder.as_deref().map(Writer::start).transpose()?;
        let losses = writer.as_ref().map(Writer::losses).unwrap_or_default();
        let (mut terminal, mut sinks, mut notes) = (Vec::new(), Vec::new(), Vec::new());
        for settings in configuration.sinks() {
            let Some(make) = settings.kind.make else {
                terminal.push(settings.filter.clone());
                continue;
            };
            let unusable = || format!("the sink `{}` cannot be used", settings.name);
            let sink = make(settings).with_context(unusable)?;
            let spool = folder.as_deref().filter(|_| settings.kind.spools);
            let open = |folder: &Path| open_spool(folder, settings, losses.clone());
            let spool = spool.map(open).transpose().with_context(unusable)?;
            if settings.kind.spools && spool.is_none() {
                notes.push(format!(
                    "warning: what the sink `{}` cannot deliver is kept in memory alone; set `directory` in [alerts]",
                    settings.name
                ));
            }
            let backoff = Backoff::new(settings.time("backoff"), settings.time("backoff_most"));
            let worker = Worker::start(&settings.name, sink, spool, losses.clone(), backoff)?;
            let fired = found.alerts.iter().filter(|alert| settings.filter.takes(alert)).cloned().collect();
            worker.fired_before(fired);
            let (name, filter) = (settings.name.clone(), settings.filter.clone());
            sinks.push(Sink { name, filter, spools: settings.kind.spools, worker });
        }
        notes.extend(found.trouble.iter().map(|trouble| format!("warning: {trouble}")));
        if !found.alerts.is_empty() {
            let count = found.alerts.len();
            notes.push(format!(
                "{count} alerts fire since before the start and are not told again: `tracer alerts show`"
            ));
        }
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let limiter = Limiter::new(configuration.alert_rates()?);
        let (kept, said_held) = (None, false);
        Ok(Self { host, limiter, terminal, sinks, keeper, writer, losses, found, kept, said_held, notes })
    }

    /// What fired when the tracer ended the last time, for the engine.
    pub(crate) fn fired(&mut self) -> Vec<Alert> {
        std::mem::take(&mut self.found.alerts)
    }

    /// Gives alerts to the sinks; returns what the console is to show, alerts that the limits allow among it.
    pub(crate) fn pass(&mut self, outputs: &mut Vec<Output>, engine: &Engine) -> Vec<Output> {
        let now = clock::now();
        let (mut shown, mut told) = (Vec::new(), self.limiter.release(now));
        shown.extend(told.iter().filter(|alert| self.shows(alert)).map(|alert| Output::Alert(Box::new(alert.clone()))));
        for output in outputs.drain(..) {
            let Output::Alert(alert) = output else {
                shown.push(output);
                continue;
            };
            if is_own(&alert) {
                continue;
            }
            let entered = self.limiter.enter(*alert, now);
            if let Some(dropped) = self.limiter.take_dropped() {
                self.losses.note_held_back(&dropped);
            }
            let Some(alert) = entered else { continue };
            if self.shows(&alert) {
                shown.push(Output::Alert(Box::new(alert.clone())));
            }
            told.push(alert);
        }
        for Sink { filter, worker, .. } in self.sinks.iter().filter(|_| !told.is_empty()) {
            let wanted = told.iter().filter(|alert| filter.takes(alert)).cloned().collect();
            Notice::group(&self.host, wanted).into_iter().for_each(|notice| worker.post(notice));
        }
        self.keep(engine, now);
        shown
    }

    fn shows(&self, alert: &Alert) -> bool {
        self.terminal.is_empty() || self.terminal.iter().any(|filter| filter.takes(alert))
    }

    /// Has written what fires, if that has changed.
    fn keep(&mut self, engine: &Engine, now: Moment) {
        let Some(keeper) = &self.keeper else { return };
        let changes = engine.alert_changes();
        let (at, before) = self.kept.unwrap_or_default();
        let firing = engine.firing();
        // The more there are, the longer it takes to copy them here, where records wait.
        let own = Span::from_millis(u64::try_from(firing).unwrap_or(u64::MAX));
        let wait = if changes == before { COUNT_EVERY } else { KEEP_EVERY.max(own) };
        let idle = changes == before && firing == 0;
        // The first is written in any case: it shows that the folder can be written to, and since when nothing fires.
        if self.kept.is_some() && (idle || now.since(at) < wait) {
            return;
        }
        // What counts as told is told after a crash, too.
        if self.sinks.iter().any(|sink| sink.spools && !sink.worker.status.is_saved()) {
            return;
        }
        self.kept = Some((now, changes));
        keeper.keep(self.firing(engine));
    }

    /// What fires and was told: what is held back would otherwise never be.
    fn firing(&self, engine: &Engine) -> Vec<Alert> {
        let held: std::collections::BTreeSet<&str> = self.limiter.held().collect();
        engine.firing_alerts().filter(|alert| !held.contains(alert.id.as_str()) && !is_own(alert)).collect()
    }

    /// What is to be said to the person watching, and what is degraded.
    pub(crate) fn news(&mut self) -> (Vec<String>, Vec<Degradation>) {
        let (mut lines, mut degraded) = (std::mem::take(&mut self.notes), Vec::new());
        if let Some(reason) = self.found.trouble.take() {
            degraded.push(Degradation { name: "what fired before the start is not known whole".to_owned(), reason });
        }
        for Sink { worker, .. } in &self.sinks {
            let (said, worse) = worker.status.take();
            lines.extend(said);
            degraded.extend(worse);
        }
        if let Some(reason) = self.keeper.as_ref().and_then(Keeper::failure) {
            let name = "what fires is not kept: after a restart it is told again".to_owned();
            lines.push(format!("warning: {name}: {reason}"));
            degraded.push(Degradation { name, reason });
        }
        if self.limiter.waiting() > 0 && !std::mem::replace(&mut self.said_held, true) {
            lines.push(
                "warning: more alerts began than `rate_limit` allows: the others are held back for now".to_owned(),
            );
        }
        (lines, degraded)
    }

    /// What became of the messages of each sink, by name.
    pub(crate) fn accounts(&self) -> Vec<(String, Account)> {
        self.sinks.iter().map(|sink| (sink.name.clone(), sink.worker.status.account())).collect()
    }

    /// Files may have been moved.
    pub(crate) fn reopen(&self) {
        self.sinks.iter().for_each(|sink| sink.worker.reopen());
    }

    /// Ends all sinks; says what is left to say.
    pub(crate) fn finish(mut self, engine: &Engine) -> Vec<String> {
        let end = Instant::now() + PATIENCE;
        self.sinks.iter().for_each(|sink| sink.worker.close());
        let firing = self.firing(engine);
        let mut lines = Vec::new();
        if let Some(keeper) = self.keeper.take() {
            keeper.keep(firing);
            if !keeper.finish(Instant::now() + KEEP_PATIENCE) {
                lines.push("warning: what fires could not be kept: after a restart it is told again".to_owned());
            }
        }
        let counts = self.limiter.counts();
        let mut dropped = counts.dropped > 0;
        for Sink { worker, .. } in &self.sinks {
            worker.ends_by(end);
            lines.extend(worker.status.take().0);
            lines.extend(worker.status.summary());
            dropped |= worker.status.account().dropped().iter().any(|(_, count)| *count > 0);
        }
        lines.extend(self.writer.take().and_then(|writer| writer.finish(Instant::now() + LIST_PATIENCE, dropped)));
        if counts.held > 0 {
            let left = self.limiter.waiting();
            lines.push(format!(
                "alerts held back by `rate_limit`: {}, of which ended meanwhile: {}, dropped: {}, still waiting: {left}",
                counts.held, counts.over, counts.dropped
            ));
        }
        lines
    }
}

/// Whether it is about a call that this process makes: what is wrong with those to its sinks it says in its own words, and
/// an alert about the telling of alerts would be told in turn.
fn is_own(alert: &Alert) -> bool {
    alert.evidence.client.as_ref().is_some_and(|client| client.pid == std::process::id())
}

fn open_spool(folder: &Path, settings: &SinkSettings, losses: Losses) -> Result<Spool> {
    let entries = usize::try_from(settings.count("spool_entries")).unwrap_or(usize::MAX);
    let bytes = u64::from(settings.count("spool_kib")) << 10;
    let place = folder.join(format!("spool-{}", settings.name));
    Spool::open(&place, Caps { entries, bytes }, &settings.name, losses)
}

/// Sends a sample to a sink, once: how it went. `None` for what shows alerts itself.
pub(crate) fn test(settings: &SinkSettings) -> Option<Result<()>> {
    let make = settings.kind.make?;
    let sent = make(settings).and_then(|mut sink| {
        let now = clock::wall().rfc3339();
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let firing = sample::alert(&now);
        // Its end too: nobody is to be left with a test that fires.
        let over = Alert { state: AlertState::Resolved, ..firing.clone() };
        for alert in [firing, over] {
            for notice in Notice::group(&host, vec![alert]) {
                sink.deliver(&notice).map_err(|failure| match failure {
                    Failure::Later { reason, .. } | Failure::Never { reason } => anyhow::anyhow!(reason),
                })?;
            }
        }
        Ok(())
    });
    Some(sent)
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
