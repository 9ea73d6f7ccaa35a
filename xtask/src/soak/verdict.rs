//! What must hold at the end of a soak.
//!
//! Invariant: each check says what it found, whether it holds or not. Memory: a line for each.

use std::fmt;

use super::load::Made;
use super::tracer::Seen;
use crate::sample::{Sample, mebibytes};

/// A check, and what it found.
#[derive(Debug)]
pub(super) struct Check {
    what: &'static str,
    found: String,
    pub(super) holds: bool,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, found, holds } = self;
        write!(f, "{} {what}: {found}", if *holds { "ok    " } else { "FAILED" })
    }
}

/// What the resident memory may grow by over the last two thirds, bytes: the allocator's own.
const GROWTH: f64 = 2.0 * 1_048_576.0;
/// What the tracer remembers of a process that has ended, bytes …
const PROCESS: f64 = 320.0;
/// … and of how many at most (`limits::PROCESSES` in tracer-core).
const PROCESSES: u64 = 14_336;
/// Descriptors that may come and go.
const DESCRIPTORS: usize = 8;

/// Everything that must hold.
pub(super) fn checks(samples: &[Sample], made: &Made, seen: &Seen) -> Vec<Check> {
    let mut checks = vec![memory(samples), kernel_memory(samples), descriptors(samples), maps(samples, seen)];
    checks.extend(requests(made, seen));
    checks.push(times(made, seen));
    checks
}

/// The samples of the last two thirds of the time.
fn later(samples: &[Sample]) -> &[Sample] {
    samples.get(samples.len() / 3..).unwrap_or_default()
}

fn memory(samples: &[Sample]) -> Check {
    let later = later(samples);
    let growth = trend(later, |sample| sample.resident);
    let remembered = |sample: Option<&Sample>| sample.map_or(0, |sample| sample.processes.min(PROCESSES));
    let more = remembered(later.last()).saturating_sub(remembered(later.first()));
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    let allowed = GROWTH + more as f64 * PROCESS;
    let most = samples.iter().map(|sample| sample.resident).max().unwrap_or(0);
    Check {
        what: "resident memory is flat",
        found: format!(
            "its trend over the last two thirds is {:+.2} MiB, allowed {:.2} (of it {:.2} for {more} more processes remembered, at most \
             {PROCESSES}); {:.1} MiB at most",
            growth / 1_048_576.0,
            allowed / 1_048_576.0,
            (allowed - GROWTH) / 1_048_576.0,
            mebibytes(most)
        ),
        holds: growth <= allowed,
    }
}

fn kernel_memory(samples: &[Sample]) -> Check {
    let growth = trend(later(samples), Sample::kernel_memory);
    Check {
        what: "memory of the kernel's maps is flat",
        found: format!("its trend over the last two thirds is {:+.2} MiB, allowed 2", growth / 1_048_576.0),
        holds: growth <= GROWTH,
    }
}

fn descriptors(samples: &[Sample]) -> Check {
    let later = later(samples);
    let count = |sample: Option<&Sample>| sample.map_or(0, |sample| sample.descriptors);
    let (first, last) = (count(later.first()), count(later.last()));
    Check {
        what: "descriptors are as many as before",
        found: format!("{first}, then {last}"),
        holds: last <= first + DESCRIPTORS,
    }
}

fn maps(samples: &[Sample], seen: &Seen) -> Check {
    let fullest =
        samples.first().map_or(0.0, |first| samples.iter().map(|sample| sample.fullest(first)).fold(0.0, f64::max));
    let told = seen.map_full.map_or("unknown".to_owned(), |count| count.to_string());
    Check {
        what: "no map was full",
        found: format!("refused sockets {told}, the fullest map had {fullest:.1} %"),
        holds: seen.map_full == Some(0),
    }
}

/// Whether it tells of something that may be missing from the counts.
fn is_loss(name: &str) -> bool {
    ["sockets", "connections", "records"].iter().any(|what| name.starts_with(what))
}

/// By place: what was counted is what was made, and what is missing was said to be.
fn requests(made: &Made, seen: &Seen) -> Vec<Check> {
    let completeness = &seen.graph.completeness;
    let losses: Vec<String> = completeness
        .degraded
        .iter()
        .filter(|degradation| degradation.reason.ends_with(" times") && is_loss(&degradation.name))
        .map(|degradation| format!("{} {}", degradation.name, degradation.reason))
        .collect();
    let said = completeness.records_lost > 0 || !losses.is_empty();
    let check = |what, place: &super::load::Place| {
        let ours = seen.graph.calls.iter().filter(|call| call.transport == place.transport && call.port == place.port);
        let (counted, connections) = ours
            .fold((0, 0), |(requests, connections), call| (requests + call.requests, connections + call.connections));
        let missing = i128::from(place.requests) - i128::from(counted);
        Check {
            what,
            found: format!(
                "{} made, {counted} counted on {connections} connections; said to be lost: {} records{}{}",
                place.requests,
                completeness.records_lost,
                if losses.is_empty() { "" } else { ", " },
                losses.join(", ")
            ),
            holds: missing == 0 || missing > 0 && said,
        }
    };
    made.places.iter().map(|(what, place)| check(*what, place)).collect()
}

/// Every exchange has its times, or is among those said to have none.
fn times(made: &Made, seen: &Seen) -> Check {
    let ours = |call: &&super::tracer::Call| {
        made.places.iter().any(|(_, place)| call.transport == place.transport && call.port == place.port)
    };
    let (mut counted, mut timed) = (0, 0);
    for call in seen.graph.calls.iter().filter(ours) {
        counted += call.requests;
        timed += call.latency_ms.as_ref().map_or(0, |latency| latency.samples);
    }
    let lost = seen.graph.completeness.exchanges_lost;
    Check {
        what: "times are known, or said not to be",
        found: format!("{timed} of {counted} are known, {lost} said to be lost"),
        holds: timed <= counted && counted - timed <= lost,
    }
}

/// What the straight line through the samples (least squares) grows by from the first to the last.
#[expect(clippy::cast_precision_loss, reason = "bytes, of which some do not matter")]
fn trend(samples: &[Sample], value: impl Fn(&Sample) -> u64) -> f64 {
    let count = samples.len() as f64;
    let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count.max(1.0);
    let (at, height) = (mean(&|sample| sample.at), mean(&|sample| value(sample) as f64));
    let spread: f64 = samples.iter().map(|sample| (sample.at - at).powi(2)).sum();
    let rise: f64 = samples.iter().map(|sample| (sample.at - at) * (value(sample) as f64 - height)).sum();
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else { return 0.0 };
    if spread > 0.0 { rise / spread * (last.at - first.at) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::soak::load::Place;
    use std::collections::BTreeMap;

    fn sample(at: u32, resident: u64, processes: u64) -> Sample {
        Sample { at: f64::from(at), resident, cpu: 0.0, descriptors: 9, maps: BTreeMap::new(), processes }
    }

    fn run(resident: impl Fn(u64) -> u64, processes: u64) -> Vec<Sample> {
        (0..90).map(|turn| sample(turn * 20, resident(u64::from(turn)), u64::from(turn) * processes)).collect()
    }

    #[test]
    fn memory_that_grows_to_a_height_and_stays_is_flat_and_memory_that_leaks_is_not() {
        let mebibyte = 1 << 20;
        assert!(memory(&run(|turn| (turn.min(30) + turn % 3) * mebibyte, 0)).holds);
        assert!(!memory(&run(|turn| turn * mebibyte / 15, 0)).holds);
        assert!(memory(&run(|turn| turn * mebibyte / 15, 130)).holds, "for 7,670 more processes");
        assert!(!memory(&run(|turn| turn * mebibyte / 15, 2_000)).holds, "all are remembered before");
    }

    fn seen(requests: u64, samples: u64, records_lost: u64) -> Seen {
        let graph = serde_json::json!({
            "calls": [
                {"port": 80, "transport": "tcp", "requests": requests, "connections": 1, "latency_ms": {"samples": samples}},
                {"port": 81, "transport": "tcp", "requests": 99, "connections": 1, "latency_ms": null}
            ],
            "completeness": {"records_lost": records_lost, "exchanges_lost": 2, "degraded": []}
        });
        Seen { graph: serde_json::from_value(graph).unwrap(), map_full: Some(0) }
    }

    #[test]
    fn what_is_missing_must_be_said_and_nothing_may_be_counted_twice() {
        let place = Place { transport: "tcp", port: 80.into(), requests: 10 };
        let made = Made { places: vec![("connections", place)], processes: 0 };
        let holds = |requests, lost| requests_of(&made, &seen(requests, requests, lost));
        assert_eq!([holds(10, 0), holds(9, 0), holds(9, 1), holds(11, 1)], [true, false, true, false]);
        assert!(times(&made, &seen(10, 8, 0)).holds);
        assert!(!times(&made, &seen(10, 7, 0)).holds);
    }

    fn requests_of(made: &Made, seen: &Seen) -> bool {
        requests(made, seen).iter().all(|check| check.holds)
    }
}
