//! Applications behind web servers: FastCGI, over TCP and over a Unix socket.
//!
//! Invariant: as in `main`. Memory: none.

use std::path::PathBuf;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Operations, Server, counts, report};
use crate::coverage;
use crate::host::{Folder, Graph, Tracer, patience, port};

const SCRIPT: &str = "<?php
$statuses = ['/missing' => 404, '/broken' => 500, '/busy' => 503];
http_response_code($statuses[$_SERVER['REQUEST_URI']] ?? 200);
if ($_SERVER['REQUEST_URI'] === '/wait') usleep(10000);
echo str_repeat('x', 1000);
";

/// The PHP application server, whose name has its version in it.
fn php() -> String {
    let list = std::fs::read_dir("/usr/sbin").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let name = list.filter(|name| name.starts_with("php-fpm")).max();
    name.unwrap_or_else(|| panic!("php-fpm is missing; run: cargo xtask setup --tests"))
}

/// It at an address or a path, and its program: a connection that stays has a process for itself.
pub(super) fn application(folder: &Folder, address: &str) -> (Server, String) {
    let program = php();
    let configuration = folder.file("php-fpm.conf");
    let lines = format!(
        "[global]\ndaemonize = no\nerror_log = {log}\n[www]\nuser = root\nlisten = {place}\nlisten.mode = 0666\n\
         pm = static\npm.max_children = 60\n",
        place = address.trim_start_matches("unix:"),
        log = folder.file("php.log").display()
    );
    std::fs::write(&configuration, lines).unwrap();
    let options = ["-R", "-n", "-F", "-y", configuration.to_str().unwrap()];
    let server = Server(Command::new(&program).args(options).spawn().unwrap());
    let begin = Instant::now();
    while !is_ready(address) {
        assert!(begin.elapsed() < patience(Duration::from_secs(30)), "{program} does not listen");
        sleep(Duration::from_millis(20));
    }
    (server, program)
}

/// The script that it runs: some paths have statuses of their own, and `/wait` takes 10 ms.
pub(super) fn script(folder: &Folder) -> PathBuf {
    let script = folder.file("index.php");
    std::fs::write(&script, SCRIPT).unwrap();
    script
}

/// nginx, which passes all requests to the application.
pub(super) fn gateway(folder: &Folder, front: u16, address: &str, keeps: bool) -> Server {
    let (configuration, script) = (folder.file("nginx.conf"), script(folder));
    let keep = if keeps { ("keepalive 60;", "on") } else { ("", "off") };
    let lines = format!(
        "daemon off; worker_processes 1; user root; pid {pid}; error_log /dev/null;
         events {{ worker_connections 1024; }}
         http {{ access_log off; upstream application {{ server {address}; {alive} }}
           server {{ listen 127.0.0.1:{front}; location / {{ fastcgi_pass application; fastcgi_keep_conn {keep};
             fastcgi_param SCRIPT_FILENAME {script}; fastcgi_param QUERY_STRING $query_string;
             fastcgi_param REQUEST_METHOD $request_method; fastcgi_param CONTENT_TYPE $content_type;
             fastcgi_param CONTENT_LENGTH $content_length; fastcgi_param REQUEST_URI $request_uri; }} }} }}",
        pid = folder.file("nginx.pid").display(),
        alive = keep.0,
        keep = keep.1,
        script = script.display(),
    );
    std::fs::write(&configuration, lines).unwrap();
    Server::start(&["nginx", "-c", configuration.to_str().unwrap()], folder, front)
}

/// Requests on fifty connections of a web server, which all go to the application at this address.
fn requests(folder: &Folder, address: &str, keeps: bool) -> (Graph, Operations, String) {
    let front = port();
    let (_php, program) = application(folder, address);
    let _gateway = gateway(folder, front, address, keeps);
    let tracer = Tracer::watch(folder, &[]);
    let told = report(include_str!("../traffic/fastcgi.py"), "client.py", &[&front.to_string(), "4", "50"]);
    (tracer.finish(), told, program)
}

fn is_ready(address: &str) -> bool {
    match address.strip_prefix("unix:") {
        Some(path) => std::os::unix::net::UnixStream::connect(path).is_ok(),
        None => std::net::TcpStream::connect(address).is_ok(),
    }
}

/// The application was asked what the web server was.
fn agrees(call: &Value, told: &Operations) {
    counts(call, "fastcgi", told);
    let kinds = &call["errors_by_kind"];
    assert_eq!((&kinds["service"], &kinds["gateway"]), (&200.into(), &200.into()), "{call:#}");
}

#[test]
fn fastcgi_over_tcp_on_connections_that_stay() {
    let (folder, back) = (Folder::new("fastcgi"), port());
    let (graph, told, program) = requests(&folder, &format!("127.0.0.1:{back}"), true);
    agrees(graph.only_call("nginx", &program, back), &told);
    assert_eq!(graph.0["completeness"]["records_lost"], 0);
    coverage::passed("protocol/fastcgi");
}

#[test]
fn fastcgi_over_a_unix_socket_on_a_connection_for_each_request() {
    let folder = Folder::new("fastcgi-unix");
    let path = folder.file("php.sock").to_str().unwrap().to_owned();
    let (graph, told, program) = requests(&folder, &format!("unix:{path}"), false);
    agrees(graph.only_call_by_path("nginx", &program, &path), &told);
    assert_eq!(graph.0["completeness"]["records_lost"], 0);
    coverage::passed("protocol/fastcgi-unix");
}
