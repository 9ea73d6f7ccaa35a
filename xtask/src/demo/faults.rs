//! `cargo xtask demo --faults`: three things go wrong, one watch for each, and each must be noticed on its own call.
//!
//! Invariant: every fault begins and ends within its watch, so the next one begins with a healthy system.
//! Memory: one graph and its alerts.

use std::time::Duration;

use anyhow::Result;

use super::checks::{Check, Part};
use super::expect::{Expected, ExpectedCall};
use super::report::{say, say_servers};
use super::stack::{Options, Place, Proxy, Stack};
use super::watch::{Observatory, endless_load};

const LEARN: Duration = Duration::from_secs(10);
const WATCH: Duration = Duration::from_secs(24);
/// How long a system is healthy within a watch before its fault.
const HEALTHY: Duration = Duration::from_secs(6);
/// How much later answers come.
const DELAY: Duration = Duration::from_secs(2);

/// Something that goes wrong.
struct Fault {
    /// Names the files.
    name: &'static str,
    what: &'static str,
    /// What the kind of the alert must begin with.
    kind: &'static str,
    lasts: Duration,
    call: fn(&Expected) -> &ExpectedCall,
    begin: fn(&mut Stack) -> Result<()>,
    end: fn(&mut Stack) -> Result<()>,
}

const FAULTS: [Fault; 3] = [
    Fault {
        name: "fault-frozen",
        what: "redis-server frozen",
        kind: "stalled",
        lasts: Duration::from_secs(6),
        call: |expected| &expected.to_redis,
        begin: |stack| stack.redis_freeze(),
        end: |stack| stack.redis_thaw(),
    },
    Fault {
        name: "fault-slow",
        what: "answers of api.py 2 s late",
        kind: "latency-",
        lasts: Duration::from_secs(10),
        call: |expected| &expected.to_api,
        begin: |stack| stack.set_delayed(true),
        end: |stack| stack.set_delayed(false),
    },
    Fault {
        name: "fault-stopped",
        what: "PostgreSQL stopped",
        kind: "error-rate",
        lasts: Duration::from_secs(8),
        call: |expected| &expected.to_postgres,
        begin: Stack::postgres_stop,
        end: Stack::postgres_start,
    },
];

/// Runs all faults on a system of their own, with a proxy between nginx and `api.py`.
pub(super) fn run(observatory: &Observatory, keep_folder: bool) -> Result<Vec<Check>> {
    say("\nStarting the same system again, with a proxy that can delay answers")?;
    let proxy = Some(Proxy { place: Place::BeforeApi, delay: DELAY });
    let mut stack = Stack::start(&Options { proxy, keep_folder })?;
    say_servers(&stack)?;
    let expected = Expected::of(&stack);

    say(format_args!("\nLearning what is normal, {} s", LEARN.as_secs()))?;
    let baseline = observatory.learn(&mut stack, "baseline-faults", LEARN)?;
    let mut checks = Vec::new();
    for fault in &FAULTS {
        say(format_args!("\nWatching, {} s; after {} s: {}", WATCH.as_secs(), HEALTHY.as_secs(), fault.what))?;
        let load = endless_load(&mut stack)?;
        let (looking, files) = observatory.watch(fault.name, &baseline, WATCH)?;
        observatory.interrupt.sleep(HEALTHY)?;
        (fault.begin)(&mut stack)?;
        observatory.interrupt.sleep(fault.lasts)?;
        (fault.end)(&mut stack)?;
        looking.finish(WATCH, &observatory.interrupt)?;
        load.stop()?;

        let alerts = observatory.replay(&files)?;
        let graph = files.graph()?;
        checks.push(Part::of(&graph, &expected).is_alerted(fault.what, fault.kind, (fault.call)(&expected), &alerts));
    }
    if keep_folder {
        say(format_args!("\nThe servers' logs are kept in {}", stack.folder().display()))?;
    }
    stack.stop()?;
    Ok(checks)
}
