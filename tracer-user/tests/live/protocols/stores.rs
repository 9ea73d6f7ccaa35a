//! Stores: Redis, memcached, PostgreSQL, MariaDB; MongoDB and Cassandra, of which the clients are real and
//! the servers scripts.
//!
//! Invariant: as in `main`. Memory: none.

use std::path::PathBuf;
use std::process::Command;

use super::{Server, agrees, report, traffic};
use crate::coverage;
use crate::host::{Folder, Peer, Tracer, port, scale};

/// Redis, which keeps nothing on disk.
pub(super) fn redis_server(folder: &Folder, port: u16) -> Server {
    let text = port.to_string();
    let command = ["redis-server", "--port", &text, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"];
    Server::start(&command, folder, port)
}

#[test]
fn redis() {
    let (folder, port) = (Folder::new("redis"), port());
    let _server = redis_server(&folder, port);
    traffic("redis", "redis-server", include_str!("../traffic/redis.py"), &[], &folder, port);
}

/// memcached, which takes values of up to a KiB.
pub(super) fn memcached_server(folder: &Folder, port: u16) -> Server {
    let text = port.to_string();
    let command = ["memcached", "-u", "root", "-l", "127.0.0.1", "-p", &text, "-I", "1k", "-o", "slab_chunk_max=512"];
    Server::start(&command, folder, port)
}

#[test]
fn memcached() {
    let (folder, port) = (Folder::new("memcached"), port());
    let _server = memcached_server(&folder, port);
    traffic("memcached", "memcached", include_str!("../traffic/memcached.py"), &["2000"], &folder, port);
}

/// Runs a command to its end.
fn run(command: &mut Command) {
    let output =
        command.output().unwrap_or_else(|error| panic!("{command:?}: {error}; run: cargo xtask setup --tests"));
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A program of the newest PostgreSQL that is installed.
pub(super) fn postgres_program(name: &str) -> String {
    let versions = std::fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path());
    let newest = versions.max_by_key(|path| path.file_name().unwrap().to_str().unwrap().parse::<u32>().unwrap_or(0));
    newest.unwrap_or_else(|| PathBuf::from("/usr/lib/postgresql")).join("bin").join(name).to_str().unwrap().to_owned()
}

/// PostgreSQL, which does not run as root, on a port.
pub(super) fn postgres(folder: &Folder, port: u16) -> Server {
    let data = folder.file("data");
    std::fs::create_dir_all(&data).unwrap();
    run(Command::new("chown").arg("postgres").args([&data, &folder.file("")]));
    let as_postgres = ["--reuid=postgres", "--regid=postgres", "--init-groups"];
    let data = data.to_str().unwrap();
    run(Command::new("setpriv").args(as_postgres).args([&postgres_program("initdb"), "-A", "trust", "-N", "-D", data]));
    let (program, text) = (postgres_program("postgres"), port.to_string());
    let settings = ["-D", data, "-p", &text, "-h", "127.0.0.1", "-k", "", "-c", "fsync=off"];
    Server::start(&[&["setpriv"], &as_postgres[..], &[&program], &settings].concat(), folder, port)
}

/// Statements on fifty connections, each of which has its own beginning.
fn statements(database: &str, user: &str, server: &str, port: u16, folder: &Folder) {
    let source = include_str!("../traffic/sql.py");
    let (text, requests) = (port.to_string(), scale(1_000).to_string());
    report(source, "setup.py", &["prepare", database, &text, user]);
    let tracer = Tracer::watch(folder, &[]);
    let told = report(source, "client.py", &["ask", database, &text, user, &requests, "50"]);
    agrees(&tracer.finish(), "client.py", server, port, database, &told);
    coverage::passed(&format!("protocol/{database}"));
}

#[test]
fn postgresql() {
    let (folder, port) = (Folder::new("postgres"), port());
    let _server = postgres(&folder, port);
    statements("postgres", "postgres", "postgres", port, &folder);
}

/// MariaDB, whose root has no password.
pub(super) fn mariadb(folder: &Folder, port: u16) -> Server {
    let (data, socket, text) = (folder.file("data"), folder.file("socket"), port.to_string());
    let options = ["--no-defaults".to_owned(), format!("--datadir={}", data.display()), "--user=root".to_owned()];
    run(Command::new("mariadb-install-db").args(&options).arg("--auth-root-authentication-method=normal"));
    let socket = format!("--socket={}", socket.display());
    let options = options.each_ref().map(String::as_str);
    let more = ["--bind-address=127.0.0.1", "--port", &text, &socket, "--max-connections=100", "--skip-log-bin"];
    Server::start(&[&["mariadbd"], &options[..], &more].concat(), folder, port)
}

#[test]
fn mysql() {
    let (folder, port) = (Folder::new("mysql"), port());
    let _server = mariadb(&folder, port);
    statements("mysql", "root", "mariadbd", port, &folder);
}

/// A client library before a server that is a script, as no package has the server; these of its statuses are errors.
fn scripted(protocol: &str, source: &str, errors: &[&str]) {
    let (folder, port) = (Folder::new(protocol), port());
    let text = port.to_string();
    let _server = Peer::start_script(&[], source, "server.py", &["server", &text]);
    let tracer = Tracer::watch(&folder, &[]);
    let told = report(source, "client.py", &["client", &text, "20", "50"]);
    let graph = tracer.finish();
    agrees(&graph, "client.py", "server.py", port, protocol, &told);
    let failed: u64 = errors.iter().flat_map(|error| told.values().filter_map(|statuses| statuses.get(*error))).sum();
    let call = graph.only_call("client.py", "server.py", port);
    assert_eq!((call["errors_by_kind"]["service"].as_u64(), failed > 0), (Some(failed), true), "{call:#}");
    coverage::passed(&format!("protocol/{protocol}"));
}

#[test]
fn mongodb() {
    scripted("mongodb", include_str!("../traffic/mongodb.py"), &["InternalError", "MaxTimeMSExpired"]);
}

#[test]
fn cassandra() {
    let errors = ["ServerError", "Overloaded", "Unavailable", "WriteTimeout"];
    scripted("cassandra", include_str!("../traffic/cassandra.py"), &errors);
}
