//! How user space's cost grows: time for each record by stage, by open sockets, by calls and by rate; time for each
//! tick, each end of a window and each snapshot.
//!
//! Records are made beforehand and lie one behind the other, as in the ring. `cargo xtask bench pipeline` runs this and makes
//! tables of it. Invariant: what makes inputs is never measured. Memory: one simulated host and a batch of records.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use std::time::{Duration, Instant};
use tracer_core::decode::{Record, decode};
use tracer_core::engine::Config;
use tracer_core::exchange::{Half, Pairing, Side};
use tracer_core::graph::histogram::LatencyHistogram;
use tracer_core::input::SocketLatencies;
use tracer_core::sim::{Host, Size};
use tracer_core::time::{Moment, Span};
use tracer_core::{Engine, Input, Output};

/// Exchanges made before the clock runs.
const BATCH: u64 = 8_192;
/// A host of middling size, where the size is not what is measured.
const MIDDLING: Size = Size { calls: 100, connections: 1_000 };
const EVERY_TICK: Span = Span::from_millis(100);

/// A host and the engine that follows it.
struct Run {
    host: Host,
    engine: Engine,
    out: Vec<Output>,
}

impl Run {
    fn new(size: Size) -> Self {
        let mut engine = Engine::new(Config::default());
        let mut out = Vec::new();
        let host = Host::start(size, |input| engine.handle(input, &mut out));
        out.clear();
        let mut run = Self { host, engine, out };
        // Every connection has paired an exchange, and every call has seen what latencies there are.
        run.records(u64::from(size.connections) + 50 * u64::from(size.calls.min(2_000)));
        run
    }

    /// Handles so many records, and says how long that took.
    fn records(&mut self, records: u64) -> Duration {
        let mut spent = Duration::ZERO;
        for exchanges in batches(records / 2 + 1) {
            let ring = Ring::of(&self.host.exchanges(exchanges));
            let began = Instant::now();
            ring.each(|bytes| self.engine.record(bytes, &mut self.out));
            spent += began.elapsed();
        }
        self.tick(EVERY_TICK);
        spent
    }

    /// Lets time pass with one tick, and says how long that took.
    fn tick(&mut self, span: Span) -> Duration {
        let tick = self.host.tick(span);
        let began = Instant::now();
        self.engine.handle(&tick, &mut self.out);
        let spent = began.elapsed();
        self.out.clear();
        spent
    }
}

/// Records of one length, one behind the other.
struct Ring {
    bytes: Vec<u8>,
    length: usize,
}

impl Ring {
    fn of(inputs: &[Input]) -> Self {
        let mut ring = Self { bytes: Vec::new(), length: 1 };
        for input in inputs {
            if let Input::Record(record) = input {
                ring.length = record.len();
                ring.bytes.extend_from_slice(record);
            }
        }
        ring
    }

    fn each<'a>(&'a self, each: impl FnMut(&'a [u8])) {
        self.bytes.chunks_exact(self.length).for_each(each);
    }
}

fn batches(exchanges: u64) -> impl Iterator<Item = usize> {
    let whole = (0..exchanges / BATCH).map(|_| BATCH);
    whole.chain(std::iter::once(exchanges % BATCH)).filter_map(|count| usize::try_from(count).ok())
}

/// Each stage by itself, and the whole.
fn stages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stage");
    group.throughput(Throughput::Elements(1));
    let mut run = Run::new(MIDDLING);
    let ring = Ring::of(&run.host.exchanges(4_096));
    let records: Vec<Record<'_>> = {
        let mut records = Vec::new();
        ring.each(|bytes| records.extend(decode(bytes).ok()));
        records
    };
    let mut turns = ring.bytes.chunks_exact(ring.length).cycle();
    group.bench_function("decode", |bencher| bencher.iter(|| turns.next().map(decode)));

    let exchanges: Vec<_> =
        records.iter().filter_map(|record| if let Record::Exchange(it) = record { Some(it) } else { None }).collect();
    let halves: Vec<Half> = exchanges
        .iter()
        .map(|record| Half {
            side: if record.role == tracer_common::Role::CLIENT { Side::Client } else { Side::Server },
            sequence: record.exchange.request_sequence,
            counted_late: false,
            counted: false,
            request_first: Moment(record.exchange.request_first),
            response_first: Moment(record.exchange.response_first),
            response_last: Moment(record.exchange.response_last),
        })
        .collect();
    let mut pairing = Pairing::default();
    let mut turns = halves.iter().cycle();
    group.bench_function("pairing", |bencher| bencher.iter(|| turns.next().map(|half| pairing.add(*half))));

    let mut histogram = LatencyHistogram::default();
    let mut turns = halves.iter().map(|half| half.response_first.since(half.request_first)).cycle();
    group.bench_function("histogram", |bencher| bencher.iter(|| turns.next().map(|span| histogram.record(span))));
    group.bench_function("whole", |bencher| bencher.iter_custom(|records| run.records(records)));

    let look = Ring::of(&run.host.look());
    let mut turns = look.bytes.chunks_exact(look.length).cycle();
    group.bench_function("look", |bencher| {
        bencher.iter(|| turns.next().map(|bytes| run.engine.record(bytes, &mut run.out)));
    });
    let counted = Input::Latencies(SocketLatencies {
        cookie: 1,
        sum: 1,
        counts: (1_600..1_700).map(|index| (index, 1)).collect(),
    });
    group.bench_function("latencies", |bencher| bencher.iter(|| run.engine.handle(&counted, &mut run.out)));
    group.finish();
}

/// The whole, by what there is of one thing.
fn growth(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sockets");
    group.throughput(Throughput::Elements(1));
    for sockets in [10, 100, 1_000, 10_000, 100_000] {
        let mut run = Run::new(Size { calls: 5, connections: sockets / 2 });
        group.bench_function(BenchmarkId::from_parameter(sockets), |bencher| {
            bencher.iter_custom(|records| run.records(records));
        });
    }
    group.finish();
    let mut group = criterion.benchmark_group("calls");
    group.throughput(Throughput::Elements(1));
    for calls in [1, 10, 100, 1_000, 10_000] {
        let mut run = Run::new(Size { calls, connections: 10_000 });
        group.bench_function(BenchmarkId::from_parameter(calls), |bencher| {
            bencher.iter_custom(|records| run.records(records));
        });
    }
    group.finish();
}

/// A second of traffic at a rate: its records, and a tick every 100 ms. The time is that for a second.
fn rates(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("second");
    for rate in [1_000, 10_000, 100_000, 300_000] {
        let mut run = Run::new(MIDDLING);
        group.bench_function(BenchmarkId::from_parameter(rate), |bencher| {
            bencher
                .iter_custom(|seconds| (0..seconds * 10).map(|_| run.records(rate / 5) + run.tick(EVERY_TICK)).sum());
        });
    }
    group.finish();
}

/// What is done without records: ticks, ends of windows, snapshots.
fn moments(criterion: &mut Criterion) {
    let sizes = [(10, 1_000), (10, 10_000), (10, 100_000), (100, 10_000), (1_000, 10_000), (10_000, 10_000)];
    for (calls, sockets) in sizes {
        let mut run = Run::new(Size { calls, connections: (sockets / 2).max(calls) });
        let name = format!("{calls} calls {sockets} sockets");
        let mut group = criterion.benchmark_group("tick");
        group.bench_function(&name, |bencher| {
            bencher.iter_custom(|ticks| (0..ticks).map(|_| run.tick(Span(1))).sum());
        });
        group.finish();
        let mut group = criterion.benchmark_group("window");
        group.bench_function(&name, |bencher| {
            bencher.iter_custom(|windows| (0..windows).map(|_| run.tick(Span::from_seconds(10))).sum());
        });
        group.finish();
        let mut group = criterion.benchmark_group("snapshot");
        group.bench_function(&name, |bencher| bencher.iter(|| black_box(run.engine.snapshot())));
        group.finish();
    }
}

/// A connection from its first record to its last: four exchanges and twelve records of sockets.
fn churn(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("churn");
    group.throughput(Throughput::Elements(1));
    let mut run = Run::new(MIDDLING);
    group.bench_function("connection", |bencher| {
        bencher.iter_custom(|connections| {
            let mut spent = Duration::ZERO;
            for count in batches(connections) {
                // As many as 10,000 a second between two ticks.
                for part in (0..count).step_by(1_000) {
                    let records = run.host.churn((count - part).min(1_000));
                    let began = Instant::now();
                    records.iter().for_each(|record| run.engine.handle(record, &mut run.out));
                    spent += began.elapsed() + run.tick(EVERY_TICK);
                }
            }
            spent
        });
    });
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
        .without_plots();
    targets = stages, growth, rates, moments, churn
}
criterion_main!(benches);
