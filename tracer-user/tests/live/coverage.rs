//! What the live tests have shown, case by case, for docs/coverage.md.
//!
//! Invariant: a case is told to hold only at the end of the test that shows it; one that no test has told of is not
//! covered. A named limit is told only where a test has shown that it is as the limit says.
//! Memory: one line for each case.

use std::io::Write as _;

/// Every case: id, and what it is, in the order of the table. The part before `/` is its chapter.
pub(crate) const CASES: &[(&str, &str)] = &[
    ("socket/tcp", "TCP over IPv4, IPv6 and IPv4-mapped addresses"),
    ("socket/unix-stream", "Unix stream, by path and by abstract name"),
    ("socket/unix-seqpacket", "Unix seqpacket"),
    ("socket/unix-datagram", "Unix datagram, connected and to a path"),
    ("socket/unix-pair", "unnamed pair of sockets between two services"),
    ("socket/udp-connected", "UDP, connected"),
    ("socket/udp-unconnected", "UDP, not connected, several peers on one socket"),
    ("io/read-write", "read, write"),
    ("io/readv-writev", "readv, writev, preadv2, pwritev2"),
    ("io/send-recv", "send, recv, sendto, recvfrom, sendmsg, recvmsg"),
    ("io/mmsg", "sendmmsg, recvmmsg"),
    ("io/sendfile", "sendfile"),
    ("io/splice", "splice out of a socket and into one"),
    ("io/io_uring", "io_uring"),
    ("io/peek", "MSG_PEEK is not counted, MSG_WAITALL and MSG_TRUNC are"),
    ("io/nonblocking", "non-blocking, edge-triggered"),
    ("io/zerocopy", "MSG_ZEROCOPY, with its notices on the error queue"),
    ("io/pread", "pread on a socket fails and counts nothing"),
    ("owner/prefork", "a parent accepts, a child serves"),
    ("owner/inherited", "a socket inherited over fork and exec"),
    ("owner/dup", "a duplicated descriptor"),
    ("owner/passed", "a socket passed to another program with SCM_RIGHTS"),
    ("owner/activated", "a listener made by another process (socket activation)"),
    ("owner/reuseport", "workers that share a port with SO_REUSEPORT"),
    ("owner/threads", "threads; the main thread gone"),
    ("owner/changes", "a connection used by two processes in turn: each with its own bytes"),
    ("owner/pid-reuse", "a pid that is used again by another program"),
    ("owner/short-lived", "a process that lives a millisecond has its command line"),
    ("before/mixed", "1,000 mixed sockets opened before start, in two network namespaces"),
    ("before/restarts", "five restarts of the tracer under keep-alive load"),
    ("netns/veth", "host to namespace, namespace to namespace"),
    ("netns/loopback", "loopback inside each namespace is its own world"),
    ("netns/dnat", "through DNAT"),
    ("netns/masquerade", "through masquerade"),
    ("name/rules", "services named by rule, variable, container, unit, program"),
    ("name/dns", "peers named by this host's own lookups"),
    ("name/tls", "peers named by what a TLS client wants to reach"),
    ("protocol/dns", "DNS over TCP: dnsmasq"),
    ("protocol/fastcgi", "FastCGI over TCP: nginx before PHP-FPM; 200, 404, 500, 503"),
    ("protocol/fastcgi-unix", "FastCGI over a Unix socket: nginx before PHP-FPM; 200, 404, 500, 503"),
    ("protocol/http", "HTTP/1.1: nginx before a Python server; 200, 404, 500, 502"),
    ("protocol/http2", "HTTP/2: nghttpd and h2load"),
    ("protocol/grpc", "gRPC: grpcio on both sides"),
    ("protocol/tls", "TLS: nginx and OpenSSL's client; a peer elsewhere, which is a script"),
    ("protocol/redis", "Redis: redis-server"),
    ("protocol/memcached", "memcached, text protocol"),
    ("protocol/nats", "NATS: nats-server"),
    ("protocol/mqtt", "MQTT: mosquitto"),
    ("protocol/amqp", "AMQP 0-9-1: RabbitMQ"),
    ("protocol/kafka", "Kafka: librdkafka's mock cluster, requests by hand and kafka-python"),
    ("protocol/postgres", "PostgreSQL: simple, extended and failed statements"),
    ("protocol/mysql", "MySQL: MariaDB, texts and prepared statements"),
    ("protocol/mongodb", "MongoDB: PyMongo; the server is a script"),
    ("protocol/cassandra", "CQL versions 4 and 5: the driver of DataStax; the server is a script"),
    ("loss/ring", "a ring of 64 KiB under full load: connections, requests and bytes exact, loss exact"),
    ("recall/ipv4", "10,000 connections at full speed over 127.0.0.1"),
    ("recall/ipv6", "10,000 connections at full speed over ::1"),
    ("recall/unix", "10,000 connections at full speed over a Unix socket"),
];

/// The case holds here.
pub(crate) fn passed(case: &str) {
    tell(case, "pass");
}

/// The case holds here but for a limit, which the test has shown.
pub(crate) fn limited(case: &str, limit: &str) {
    tell(case, &format!("limit: {limit}"));
}

/// Whether the tests run on the plane of system calls.
pub(crate) fn on_system_calls() -> bool {
    plane() == "syscall"
}

fn plane() -> String {
    std::env::var("TRACER_LIVE_PLANE").unwrap_or_else(|_| "socket".to_owned())
}

fn tell(case: &str, outcome: &str) {
    assert!(CASES.iter().any(|(known, _)| *known == case), "{case} is no case of the table");
    let Some(folder) = std::env::var_os("TRACER_LIVE_RESULTS") else { return };
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let flavour = if release.contains("-rt") { "-rt" } else { "" };
    let series = release.split('.').take(2).collect::<Vec<_>>().join(".") + flavour;
    let line = serde_json::json!({
        "case": case, "kernel": series, "arch": std::env::consts::ARCH, "plane": plane(), "outcome": outcome,
    });
    let path = std::path::Path::new(&folder).join("results.jsonl");
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    writeln!(file, "{line}").unwrap();
}

/// The table itself, so that whoever renders it knows what was not told.
#[test]
fn the_table_of_cases_has_each_case_once_and_is_told_with_the_results() {
    let mut ids: Vec<&str> = CASES.iter().map(|(id, _)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CASES.len());
    if let Some(folder) = std::env::var_os("TRACER_LIVE_RESULTS") {
        let table: Vec<_> = CASES.iter().map(|(id, title)| serde_json::json!({ "case": id, "title": title })).collect();
        std::fs::write(std::path::Path::new(&folder).join("cases.json"), serde_json::to_vec(&table).unwrap()).unwrap();
    }
}
