//! A watch whose windows are known: a fault is put into one of them, and what is told of it is counted from there.
//!
//! Invariant: how long something took is told by the alert's own time, and by nothing that depends on when the test hears of
//! it. Memory: what was told.

use crate::alerts::wait_for;
use crate::host::{Folder, Graph, Tracer, patience, port};
use crate::sinks::get;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

/// Of a window, where the machine is as fast as any.
const LENGTH: Duration = Duration::from_secs(2);
/// Windows that a detector waits for which asks for several in a row, and some more.
const PATIENCE: u32 = 6;

/// A tracer that watches in short windows.
pub(crate) struct Watch {
    tracer: Tracer,
    listen: u16,
    length: Duration,
    /// When the first window began.
    began: SystemTime,
}

/// Kinds of alerts that fired, each with its client and its server.
pub(crate) type Fired = BTreeSet<[String; 3]>;

/// What fires: a kind, a client and a server each.
pub(crate) fn fires<const COUNT: usize>(alerts: [[&str; 3]; COUNT]) -> Fired {
    alerts.into_iter().map(|alert| alert.map(str::to_owned)).collect()
}

/// A moment as the tracer writes it.
fn moment(text: &Value) -> Option<SystemTime> {
    humantime::parse_rfc3339(text.as_str()?).ok()
}

/// The kinds of errors of a call, but for those that it does not have.
pub(crate) fn errors(call: &Value) -> BTreeMap<String, u64> {
    let mut kinds: BTreeMap<String, u64> = serde_json::from_value(call["errors_by_kind"].clone()).unwrap();
    kinds.retain(|_, count| *count > 0);
    kinds
}

impl Watch {
    pub(crate) fn start(folder: &Folder, more: &[&str]) -> Self {
        let (listen, length) = (port(), patience(LENGTH));
        let (window, address) = (format!("{}s", length.as_secs()), format!("127.0.0.1:{listen}"));
        let tracer = Tracer::watch(folder, &[&["--window", &window, "--listen", &address], more].concat());
        let mut watch = Self { tracer, listen, length, began: SystemTime::UNIX_EPOCH };
        wait_for("it says when it began", Duration::from_secs(10), || {
            let began = watch.graph().and_then(|graph| moment(&graph.0["from"]));
            watch.began = began.unwrap_or(watch.began);
            began.is_some()
        });
        watch
    }

    /// The graph now.
    pub(crate) fn graph(&self) -> Option<Graph> {
        serde_json::from_str(&get(self.listen, "/graph.json")?).ok().map(Graph)
    }

    /// How many windows had ended at a moment.
    fn ended(&self, at: SystemTime) -> u128 {
        at.duration_since(self.began).unwrap().as_nanos() / self.length.as_nanos()
    }

    /// Waits until a window has just begun; the one before was whole as well.
    pub(crate) fn next_window(&self) {
        let ended = u32::try_from(self.ended(SystemTime::now())).unwrap();
        let next = self.began + self.length * (ended + 2) + self.length / 20;
        std::thread::sleep(next.duration_since(SystemTime::now()).unwrap());
    }

    /// Waits for the alert of this kind at a port; it must come with the end of the `windows`th window from that of the fault
    /// on, at the latest.
    pub(crate) fn tells(&mut self, kind: &str, port: u16, fault: SystemTime, windows: u128) {
        let alert = self.told(kind, port, "firing");
        let took = self.ended(moment(&alert["at"]).unwrap()) - self.ended(fault);
        assert!((1..=windows).contains(&took), "{kind} takes {took} windows: {alert:#}");
    }

    /// Waits until the alert of this kind at a port is over.
    pub(crate) fn resolves(&mut self, kind: &str, port: u16) {
        self.told(kind, port, "resolved");
    }

    fn told(&mut self, kind: &str, port: u16, state: &str) -> Value {
        let wanted = |told: &Value| told["kind"] == kind && told["port"] == port && told["state"] == state;
        let limit = LENGTH * PATIENCE;
        self.tracer.told_within(limit, wanted).unwrap_or_else(|| panic!("no {kind} at {port} is {state}"))
    }

    /// Ends it; gives the graph, and all that fired at these ports.
    pub(crate) fn finish(self, ports: &[u16]) -> (Graph, Fired) {
        let (graph, told) = self.tracer.finish_with_told();
        let here = |told: &&Value| ports.iter().any(|port| told["port"] == *port);
        let firing = told.iter().filter(|told| told["state"] == "firing").filter(here);
        let text = |alert: &Value, field: &str| alert[field].as_str().unwrap().to_owned();
        (graph, firing.map(|alert| ["kind", "from", "to"].map(|field| text(alert, field))).collect())
    }
}
