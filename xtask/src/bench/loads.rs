//! The loads, a row each: what serves, what asks, and how its result is read.
//!
//! Invariant: a load's server and client are started by us, on a port or path of their own, with their files in the
//! measurement's folder. Memory: the output of one client.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use xtask::toolchain::program;

use super::process::Process;
use super::work::BULK;

/// What a client did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Done {
    pub(super) requests: f64,
    pub(super) seconds: f64,
    /// Whether `requests` is all that it made, to the last one.
    pub(super) exact: bool,
}

/// How a load is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Our own client and server on one connection: `files` for read(2) and write(2).
    RoundTrips {
        files: bool,
        unix: bool,
    },
    Nginx {
        keep_alive: bool,
    },
    Redis {
        clients: u32,
        pipeline: u32,
    },
    Http2,
    Bulk,
    Connects,
    /// 10,000 requests a second on 50 connections, none of them busy.
    Paced,
    /// Calls that are not ours: no server.
    Calls(&'static str),
}

/// A load.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) kind: Kind,
}

pub(super) const LOADS: &[Load] = &[
    Load {
        name: "ping-pong",
        title: "TCP ping-pong, 100 B, write/read",
        kind: Kind::RoundTrips { files: true, unix: false },
    },
    Load {
        name: "ping-pong-send",
        title: "TCP ping-pong, 100 B, send/recv",
        kind: Kind::RoundTrips { files: false, unix: false },
    },
    Load {
        name: "unix-ping-pong",
        title: "Unix socket ping-pong, 100 B",
        kind: Kind::RoundTrips { files: true, unix: true },
    },
    Load { name: "nginx", title: "nginx, wrk with 16 keep-alive connections", kind: Kind::Nginx { keep_alive: true } },
    Load {
        name: "nginx-connections",
        title: "nginx, a new connection for each request",
        kind: Kind::Nginx { keep_alive: false },
    },
    Load { name: "redis-16", title: "Redis GET, 16 clients", kind: Kind::Redis { clients: 16, pipeline: 1 } },
    Load { name: "redis-200", title: "Redis GET, 200 clients", kind: Kind::Redis { clients: 200, pipeline: 1 } },
    Load {
        name: "redis-pipeline",
        title: "Redis GET, 16 clients, pipelines of 16",
        kind: Kind::Redis { clients: 16, pipeline: 16 },
    },
    Load { name: "http2", title: "HTTP/2, h2load with 4 connections of 8 streams", kind: Kind::Http2 },
    Load { name: "bulk", title: "1 GiB by sendfile", kind: Kind::Bulk },
    Load { name: "connects", title: "10,000 connections a second, paced", kind: Kind::Connects },
    Load { name: "paced", title: "10,000 requests a second on 50 connections, paced", kind: Kind::Paced },
    Load { name: "getppid", title: "getppid(2): a call that is not ours", kind: Kind::Calls("parents") },
    Load { name: "zeros", title: "read(2) of /dev/zero: a call that is not ours", kind: Kind::Calls("zeros") },
];

/// A load whose server runs.
pub(super) struct Served {
    load: Load,
    port: u16,
    folder: std::path::PathBuf,
    cpus: String,
    _server: Option<Process>,
}

impl Load {
    /// Starts its server on these CPUs; its client will run on `clients`.
    pub(super) fn serve(self, folder: &Path, servers: &str, clients: &str) -> Result<Served> {
        let port = free_port()?;
        let mut served =
            Served { load: self, port, folder: folder.to_owned(), cpus: clients.to_owned(), _server: None };
        let Some(command) = served.server()? else { return Ok(served) };
        // Left by a server before: a new one cannot be named so while it is there.
        let _ = fs::remove_file(served.socket());
        let mut server = Process::start(self.name, servers, &command)?;
        let begin = Instant::now();
        while !served.answers() {
            server.must_run()?;
            if begin.elapsed() > Duration::from_secs(10) {
                bail!("the server of {} does not listen", self.name);
            }
            thread::sleep(Duration::from_millis(20));
        }
        served._server = Some(server);
        Ok(served)
    }
}

impl Served {
    /// How the tracer names where the requests go; `None` where none are made.
    pub(super) fn port(&self) -> Option<Value> {
        match self.load.kind {
            Kind::Calls(_) => None,
            Kind::RoundTrips { unix: true, .. } => Some(json!(self.socket())),
            _ => Some(json!(self.port)),
        }
    }

    fn socket(&self) -> String {
        self.folder.join("socket").display().to_string()
    }

    fn answers(&self) -> bool {
        match self.load.kind {
            Kind::Calls(_) => true,
            Kind::RoundTrips { unix: true, .. } => Path::new(&self.socket()).exists(),
            _ => TcpStream::connect(("127.0.0.1", self.port)).is_ok(),
        }
    }

    fn server(&self) -> Result<Option<Command>> {
        let folder = self.folder.display();
        let port = self.port.to_string();
        Ok(Some(match self.load.kind {
            Kind::Calls(_) => return Ok(None),
            Kind::RoundTrips { files, unix } => {
                let mut command = own("serve")?;
                self.to(&mut command, unix);
                command.args(files.then_some("--files"));
                command
            }
            Kind::Paced => {
                let mut command = own("serve")?;
                command.args(["--port", &port]);
                command
            }
            Kind::Connects => {
                let mut command = own("serve")?;
                command.args(["--port", &port, "--rate", "0"]);
                command
            }
            Kind::Bulk => {
                let file = self.folder.join("bulk");
                fs::File::create(&file).and_then(|file| file.set_len(BULK)).context("making a file to send")?;
                let mut command = own("serve-file")?;
                command.args(["--port", &port, "--path"]).arg(file);
                command
            }
            Kind::Nginx { .. } => {
                let configuration = self.folder.join("nginx.conf");
                let text = format!(
                    "daemon off; master_process off; pid {folder}/nginx.pid; error_log /dev/null;\n\
                     events {{ worker_connections 1024; }}\n\
                     http {{ access_log off; keepalive_requests 1000000000;\n\
                     server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"an answer of some bytes\\n\"; }} }} }}\n"
                );
                fs::write(&configuration, text).context("writing nginx.conf")?;
                let mut command = named("nginx", "nginx-light")?;
                command.args(["-p", &folder.to_string(), "-c"]).arg(configuration);
                command
            }
            Kind::Redis { .. } => {
                let mut command = named("redis-server", "redis-server")?;
                command.args(["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
                command
            }
            Kind::Http2 => {
                fs::write(self.folder.join("index.html"), "an answer of some bytes\n").context("writing index.html")?;
                let mut command = named("nghttpd", "nghttp2-server")?;
                command.args(["--no-tls", "--address=127.0.0.1", "-d", &folder.to_string(), &port]);
                command
            }
        }))
    }

    fn to(&self, command: &mut Command, unix: bool) {
        if unix {
            command.args(["--path", &self.socket()]);
        } else {
            command.args(["--port", &self.port.to_string()]);
        }
    }

    /// The client, for so many seconds, or so many `requests` where it counts them in place of time.
    fn client(&self, seconds: f64, requests: u64) -> Result<Command> {
        let port = self.port.to_string();
        let whole = seconds.max(1.0).round().to_string();
        Ok(match self.load.kind {
            Kind::Calls(work) => {
                let mut command = own(work)?;
                command.args(["--seconds", &seconds.to_string()]);
                command
            }
            Kind::RoundTrips { files, unix } => {
                let mut command = own("ask")?;
                self.to(&mut command, unix);
                command.args(files.then_some("--files")).args(["--seconds", &seconds.to_string()]);
                command
            }
            Kind::Paced => {
                let mut command = own("pace")?;
                command.args(["--port", &port, "--seconds", &seconds.to_string()]);
                command
            }
            Kind::Connects => {
                let mut command = own("connect")?;
                command.args(["--port", &port, "--seconds", &seconds.to_string()]);
                command
            }
            Kind::Bulk => {
                let mut command = own("receive-file")?;
                command.args(["--port", &port]);
                command
            }
            Kind::Nginx { keep_alive } => {
                let mut command = named("wrk", "wrk")?;
                command.args(["-t1", "-c16", &format!("-d{whole}s")]);
                if !keep_alive {
                    command.args(["-H", "Connection: close"]);
                }
                command.arg(format!("http://127.0.0.1:{port}/"));
                command
            }
            Kind::Redis { clients, pipeline } => {
                let mut command = named("redis-benchmark", "redis-tools")?;
                command.args(["-p", &port, "-t", "get", "--csv", "-c", &clients.to_string()]);
                command.args(["-P", &pipeline.to_string(), "-n", &requests.to_string()]);
                command
            }
            Kind::Http2 => {
                let mut command = named("h2load", "nghttp2-client")?;
                command.args(["-c4", "-m8", "-D", &whole, &format!("http://127.0.0.1:{port}/index.html")]);
                command
            }
        })
    }

    /// Runs the client for about so many seconds. `rate` is what a run before has reached, requests a second.
    pub(super) fn run(&self, seconds: f64, rate: f64) -> Result<Done> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands of requests")]
        let requests = (rate * seconds).clamp(1_000.0, 1e9) as u64;
        let client = self.client(seconds, requests)?;
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", &self.cpus]).arg(client.get_program()).args(client.get_args());
        let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting {client:?}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            bail!("{client:?} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        let done = match self.load.kind {
            Kind::Nginx { .. } => wrk(&said),
            Kind::Redis { .. } => redis(&said, requests),
            Kind::Http2 => h2load(&said),
            // A server that sends without being asked answers no request.
            Kind::Bulk => own_result(&said).map(|done| Done { exact: false, ..done }),
            _ => own_result(&said),
        };
        done.with_context(|| format!("{client:?} said nothing that is understood: {said}"))
    }
}

/// One of the loads of `work`, which is this program.
pub(super) fn own(work: &str) -> Result<Command> {
    let mut command = Command::new(std::env::current_exe().context("where this program is")?);
    command.args(["bench-work", work]);
    Ok(command)
}

fn named(name: &str, package: &str) -> Result<Command> {
    let path = program(name).with_context(|| format!("{name} is missing: apt-get install {package}"))?;
    Ok(Command::new(path))
}

fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").context("finding a free port")?;
    Ok(listener.local_addr().context("finding a free port")?.port())
}

/// `requests N seconds S`.
fn own_result(said: &str) -> Option<Done> {
    let words: Vec<&str> = said.split_whitespace().collect();
    let [_, requests, _, seconds] = words[..] else { return None };
    Some(Done { requests: requests.parse().ok()?, seconds: seconds.parse().ok()?, exact: true })
}

/// `  12345 requests in 2.00s, 2.10MB read`. What was under way at the end is not in it.
fn wrk(said: &str) -> Option<Done> {
    let line = said.lines().find(|line| line.contains(" requests in "))?;
    let (requests, rest) = line.trim().split_once(" requests in ")?;
    let seconds = rest.split_once("s,")?.0;
    Some(Done { requests: requests.parse().ok()?, seconds: seconds.parse().ok()?, exact: false })
}

/// `"GET","123456.78",…` under a line of titles.
fn redis(said: &str, requests: u64) -> Option<Done> {
    let line = said.lines().find(|line| line.starts_with("\"GET\""))?;
    let rate: f64 = line.split(',').nth(1)?.trim_matches('"').parse().ok()?;
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let requests = requests as f64;
    Some(Done { requests, seconds: requests / rate, exact: true })
}

/// `finished in 2.00s, 12345.67 req/s, …`, or `in 999.52ms`.
fn h2load(said: &str) -> Option<Done> {
    let line = said.lines().find_map(|line| line.strip_prefix("finished in "))?;
    let mut parts = line.split(", ");
    let (length, rate) = (parts.next()?, parts.next()?.strip_suffix(" req/s")?);
    let seconds = match length.strip_suffix("ms") {
        Some(millis) => millis.parse::<f64>().ok()? / 1e3,
        None => length.strip_suffix('s')?.parse().ok()?,
    };
    Some(Done { requests: rate.parse::<f64>().ok()? * seconds, seconds, exact: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_each_client_says_is_understood() {
        let done = |requests, seconds, exact| Some(Done { requests, seconds, exact });
        assert_eq!(own_result("requests 640 seconds 2.5\n"), done(640.0, 2.5, true));
        assert_eq!(
            wrk("Running 2s test\n  76543 requests in 2.01s, 12.34MB read\nRequests/sec:  38000\n"),
            done(76_543.0, 2.01, false)
        );
        assert_eq!(redis("\"test\",\"rps\"\n\"GET\",\"1000.00\",\"0.1\"\n", 500), done(500.0, 0.5, true));
        assert_eq!(h2load("finished in 2.00s, 100.50 req/s, 1KB/s\n"), done(201.0, 2.0, false));
        assert_eq!(h2load("finished in 500.00ms, 130488.00 req/s, 6.60MB/s\n"), done(65_244.0, 0.5, false));
        assert_eq!((own_result(""), wrk("x"), redis("x", 1), h2load("x")), (None, None, None, None));
    }

    #[test]
    fn loads_have_names_of_their_own() {
        let mut names: Vec<_> = LOADS.iter().map(|load| load.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), LOADS.len());
    }
}
