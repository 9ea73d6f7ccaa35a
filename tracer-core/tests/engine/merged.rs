//! What several instances of a service have together: the distribution of all their exchanges, not a mean of figures.
//!
//! Invariant: inputs come from `sim` alone, and what is expected is computed from every single latency. Memory: one run.

use crate::run::{Run, TIMING, client, server};
use tracer_core::graph::snapshot::Latency;
use tracer_core::sim::{self, Timing};
use tracer_core::time::Span;

const FAST: u64 = 197;
const SLOW: u64 = 3;

/// The percentile of these by its definition: the smallest that so many percent do not exceed.
fn percentile(values: &mut [u64], percent: usize) -> u64 {
    values.sort_unstable();
    *values.get((values.len() * percent).div_ceil(100) - 1).unwrap()
}

#[test]
fn the_percentiles_of_two_instances_are_those_of_all_their_exchanges_and_no_mean_of_the_two() {
    let mut run = Run::new(None);
    // A second process that runs the same program is a second instance of the service; so is a second client.
    let (second_server, second_client) = (sim::process(21), sim::process(11));
    for (process, program) in [(second_server, "/usr/bin/server"), (second_client, "/usr/bin/client")] {
        let exec = sim::exec(process, program.as_bytes(), &[program.as_bytes()], run.now);
        run.give(vec![sim::input(&exec)]);
    }
    let instances: [(_, _, Vec<u64>); 2] = [
        (client(), server(), (0..FAST).map(|number| number % 5 + 8).collect()),
        (second_client, second_server, (0..SLOW).map(|number| number * 50 + 400).collect()),
    ];
    let [mut of_fast, mut of_slow] = instances.map(|(client, server, served)| {
        let mut connection = run.open(client, server);
        let mut latencies = Vec::new();
        for millis in served {
            let timing = Timing { server: Span::from_millis(millis), ..TIMING };
            run.exchange(&mut connection, timing);
            latencies.push(timing.server.0 + 2 * timing.one_way.0);
            if latencies.len() % 10 == 0 {
                // Some windows end on the way.
                run.pass(Span::from_millis(100));
            }
        }
        run.close(connection);
        latencies
    });
    run.pass(Span::from_millis(200));

    let call = run.only_call();
    let instances = |id: &str| run.graph().services.iter().find(|it| it.id == id).unwrap().instances.len();
    assert_eq!((instances("program:client"), instances("program:server")), (2, 2));
    let mut all = [of_fast.clone(), of_slow.clone()].concat();
    let exact = percentile(&mut all, 99);
    let [one, other] = [&mut of_fast, &mut of_slow].map(|latencies| percentile(latencies, 99));
    for mean in [(one + other) / 2, (one * FAST + other * SLOW) / (FAST + SLOW)] {
        assert!(mean.abs_diff(exact) > exact / 4, "{exact} and {mean} can be told apart");
    }
    // The windows that are over are merged as well, and all of them are among the last six.
    for Latency { p50, p90, p99, samples, .. } in [call.latency_ms, call.recent_latency_ms].map(Option::unwrap) {
        assert_eq!(samples, FAST + SLOW);
        for (found, percent) in [(p50, 50), (p90, 90), (p99, 99)] {
            let exact = Span(percentile(&mut all, percent)).as_millis();
            assert!((exact..=exact * (1.0 + 1.0 / 128.0)).contains(&found), "p{percent} is {exact}, not {found}");
        }
    }
}
