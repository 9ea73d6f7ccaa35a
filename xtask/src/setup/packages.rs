//! What tests and demo need from the system, and which Debian package brings it.
//!
//! Invariant: a need is what a test uses (a command, a file, a module), never a package by name, so that whatever
//! brings it will do. Memory: one static table.

/// Something that must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// A program on `PATH` or in a `sbin` directory.
    Program(&'static str),
    /// A program on `PATH` that answers `--version`; version managers leave stand-ins that do not.
    Working(&'static str),
    /// The program `bin/…` of some installed version of PostgreSQL; Debian keeps them off `PATH`.
    PostgresProgram(&'static str),
    /// The application server of some installed version of PHP; Debian keeps its version in its name.
    PhpServer,
    /// A module that `/usr/bin/python3` can import.
    PythonModule(&'static str),
}

/// A need and the packages that meet it; of several, the first that the package lists know.
pub(crate) type Row = (Need, &'static [&'static str]);

/// Everything `--tests` looks for.
pub(crate) const NEEDS: &[Row] = &[
    (Need::Program("nginx"), &["nginx-light", "nginx"]),
    (Need::Program("redis-server"), &["redis-server"]),
    (Need::PostgresProgram("postgres"), &["postgresql"]),
    (Need::PostgresProgram("initdb"), &["postgresql"]),
    (Need::PostgresProgram("pgbench"), &["postgresql"]),
    (Need::PythonModule("psycopg"), &["python3-psycopg"]),
    (Need::Program("mariadbd"), &["mariadb-server"]),
    (Need::Program("mariadb-install-db"), &["mariadb-server"]),
    (Need::PythonModule("pymysql"), &["python3-pymysql"]),
    (Need::PythonModule("pymongo"), &["python3-pymongo"]),
    (Need::PythonModule("cassandra"), &["python3-cassandra"]),
    (Need::Program("memcached"), &["memcached"]),
    (Need::Program("nats-server"), &["nats-server"]),
    (Need::Program("mosquitto"), &["mosquitto"]),
    (Need::Program("dnsmasq"), &["dnsmasq-base"]),
    (Need::PythonModule("dns"), &["python3-dnspython"]),
    (Need::PhpServer, &["php-fpm"]),
    (Need::Program("rabbitmq-server"), &["rabbitmq-server"]),
    (Need::Program("epmd"), &["erlang-base"]),
    // It brings librdkafka, whose mock cluster is the broker.
    (Need::PythonModule("confluent_kafka"), &["python3-confluent-kafka"]),
    (Need::PythonModule("kafka"), &["python3-kafka"]),
    (Need::Program("redis-cli"), &["redis-tools"]),
    (Need::Program("redis-benchmark"), &["redis-tools"]),
    (Need::Program("wrk"), &["wrk"]),
    (Need::Program("nghttpd"), &["nghttp2-server"]),
    (Need::Program("h2load"), &["nghttp2-client"]),
    (Need::PythonModule("grpc"), &["python3-grpcio"]),
    (Need::Program("prometheus-alertmanager"), &["prometheus-alertmanager"]),
    (Need::Program("prometheus"), &["prometheus"]),
    (Need::Program("promtool"), &["prometheus"]),
    // Its journal is in the same package.
    (Need::Program("journalctl"), &["systemd"]),
    (Need::Program("openssl"), &["openssl"]),
    (Need::Program("dot"), &["graphviz"]),
    (Need::Working("/usr/bin/python3"), &["python3"]),
    (Need::PythonModule("pytest"), &["python3-pytest"]),
    (Need::PythonModule("redis"), &["python3-redis"]),
    (Need::PythonModule("psycopg2"), &["python3-psycopg2"]),
    (Need::Program("bpftool"), &["bpftool"]),
    (Need::Program("ip"), &["iproute2"]),
    (Need::Program("curl"), &["curl"]),
    (Need::Program("strace"), &["strace"]),
    (Need::Program("nft"), &["nftables"]),
    (Need::Program("cc"), &["gcc"]),
    // libFuzzer is built by it.
    (Need::Program("c++"), &["g++"]),
    (Need::Program("ss"), &["iproute2"]),
    (Need::Program("unshare"), &["util-linux"]),
    (Need::Program("setpriv"), &["util-linux"]),
    (Need::Program("capsh"), &["libcap2-bin"]),
    (Need::Working("node"), &["nodejs"]),
    (Need::Working("npm"), &["npm"]),
];

/// Everything `--benches` looks for.
pub(crate) const BENCHES: &[Row] = &[
    (Need::Program("nginx"), &["nginx-light", "nginx"]),
    (Need::Program("wrk"), &["wrk"]),
    (Need::Program("redis-server"), &["redis-server"]),
    (Need::Program("redis-benchmark"), &["redis-tools"]),
    (Need::Program("nghttpd"), &["nghttp2-server"]),
    (Need::Program("h2load"), &["nghttp2-client"]),
    (Need::Program("taskset"), &["util-linux"]),
    (Need::Program("bpftool"), &["bpftool"]),
    (Need::Program("bpftrace"), &["bpftrace"]),
];

/// Services that these packages would start, now and at every boot. Tests run their own instances of the programs.
pub(crate) fn services(packages: &[String]) -> Vec<&'static str> {
    let starts = [
        ("nginx-light", "nginx.service"),
        ("nginx", "nginx.service"),
        ("redis-server", "redis-server.service"),
        ("postgresql", "postgresql.service"),
        ("mariadb-server", "mariadb.service"),
        ("memcached", "memcached.service"),
        ("prometheus", "prometheus.service"),
        ("nats-server", "nats-server.service"),
        ("mosquitto", "mosquitto.service"),
        ("rabbitmq-server", "rabbitmq-server.service"),
    ];
    let mut services: Vec<_> = starts
        .iter()
        .filter(|(name, _)| packages.iter().any(|package| package == name))
        .map(|(_, unit)| *unit)
        .collect();
    services.dedup();
    services
}
