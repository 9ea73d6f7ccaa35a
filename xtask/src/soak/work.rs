//! The other processes of a soak: the server that echoes, and clients that end at once.
//!
//! Invariant: the server ends as soon as nobody holds its standard input any more. Memory: a small stack for each
//! connection.

use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

#[derive(clap::Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Echo until standard input ends
    Serve { folder: PathBuf },
    /// Send some requests on some connections
    Brief { port: u16 },
}

/// Bytes of a request and of its response.
pub(super) const MESSAGE: usize = 64;
/// What a brief process does.
pub(super) const BRIEF_CONNECTIONS: u64 = 2;
pub(super) const BRIEF_REQUESTS: u64 = 2;

const STACK: usize = 64 << 10;
/// How long the server may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the server listens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Addresses {
    /// One for each kind of connections.
    pub(super) brief: u16,
    pub(super) churn: u16,
    pub(super) keep: u16,
    pub(super) busy: u16,
    pub(super) datagrams: u16,
    pub(super) path: PathBuf,
}

/// The running server.
pub(super) struct Server {
    child: Child,
    pub(super) addresses: Addresses,
    /// The program of brief processes: the same under another name, as services are named by their programs.
    pub(super) client: PathBuf,
}

impl Server {
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let own = env::current_exe().context("where this program lies")?;
        let [server, client] = ["soak-server", "soak-client"].map(|name| folder.join(name));
        for copy in [&server, &client] {
            fs::copy(&own, copy).with_context(|| format!("copying {} to {}", own.display(), copy.display()))?;
        }
        let mut command = Command::new(&server);
        command.args(["soak-work", "serve"]).arg(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("starting the server")?;
        let said = child.stdout.take().context("the server has no standard output")?;
        let mut line = String::new();
        BufReader::new(said).read_line(&mut line).context("reading where the server listens")?;
        let addresses = serde_json::from_str(&line).context("the server did not say where it listens")?;
        Ok(Self { child, addresses, client })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
        // Nobody is left to tell.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    match &options.what {
        What::Serve { folder } => serve(folder)?,
        What::Brief { port } => brief(*port)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(folder: &Path) -> Result<()> {
    let path = folder.join("soak.sock");
    let addresses = Addresses {
        brief: listen()?,
        churn: listen()?,
        keep: listen()?,
        busy: listen()?,
        datagrams: answer_datagrams()?,
        path: path.clone(),
    };
    let local = UnixListener::bind(&path).with_context(|| format!("listening on {}", path.display()))?;
    start(move || local.incoming().flatten().for_each(|stream| drop(start(move || echo(stream)))))?;
    println!("{}", serde_json::to_string(&addresses).context("writing JSON")?);
    io::copy(&mut io::stdin(), &mut io::sink()).context("reading standard input")?;
    Ok(())
}

/// Echoes on a port of the kernel's choice.
fn listen() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("listening")?;
    let port = listener.local_addr().context("where it listens")?.port();
    start(move || listener.incoming().flatten().for_each(|stream| drop(start(move || echo(stream)))))?;
    Ok(port)
}

fn answer_datagrams() -> Result<u16> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).context("listening for datagrams")?;
    let port = socket.local_addr().context("where it listens")?.port();
    start(move || {
        let mut message = [0; 1024];
        while let Ok((length, from)) = socket.recv_from(&mut message) {
            // Who does not wait any more has no need of it.
            let _ = socket.send_to(message.get(..length).unwrap_or_default(), from);
        }
    })?;
    Ok(port)
}

fn start(work: impl FnOnce() + Send + 'static) -> Result<()> {
    thread::Builder::new().stack_size(STACK).spawn(work).context("starting a thread")?;
    Ok(())
}

fn echo(mut stream: impl Read + Write) {
    let mut message = [0; MESSAGE];
    while stream.read_exact(&mut message).and_then(|()| stream.write_all(&message)).is_ok() {}
}

fn brief(port: u16) -> Result<()> {
    for _ in 0..BRIEF_CONNECTIONS {
        let mut stream = connect(port)?;
        for _ in 0..BRIEF_REQUESTS {
            ask(&mut stream)?;
        }
    }
    Ok(())
}

pub(super) fn connect(port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).context("connecting")?;
    stream.set_nodelay(true).context("TCP_NODELAY")?;
    Ok(stream)
}

/// Sends a request and waits for its response.
pub(super) fn ask(stream: &mut (impl Read + Write)) -> Result<()> {
    let mut message = [7; MESSAGE];
    stream.write_all(&message).context("sending a request")?;
    stream.read_exact(&mut message).context("receiving a response")?;
    if message != [7; MESSAGE] {
        bail!("a response is not the echo of its request");
    }
    Ok(())
}
