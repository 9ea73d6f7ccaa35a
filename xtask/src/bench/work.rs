//! The loads of our own, each run as a process of itself (`cargo xtask bench-work`): what they do is known to the byte.
//!
//! Invariant: a client says at its end how many requests it had answered and how long that took, and nothing else; with
//! `--windows` it says instead when each 64 of them were over and how long they took. Memory: one buffer.

use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::time::{ClockId, clock_gettime};

use super::{empty, hold};

/// Bytes of a bulk transfer.
pub(super) const BULK: u64 = 1 << 30;
/// Requests of a window.
pub(super) const WINDOW: u32 = 64;
/// Calls of a window where each takes some hundred nanoseconds only.
pub(super) const CALL_WINDOW: u32 = 4096;
/// Connections of [`Work::Pace`]: each has fewer requests than a busy one.
const CONNECTIONS: usize = 50;
/// Windows between two writes of them, and the time after which they are written in any case.
const FLUSH: u32 = 128;
const FLUSH_AFTER: Duration = Duration::from_millis(100);

#[derive(clap::Args)]
pub(crate) struct Options {
    #[arg(value_enum)]
    work: Work,
    /// Port of 127.0.0.1
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Path of a Unix socket, in place of a port
    #[arg(long)]
    path: Option<PathBuf>,
    /// Use read(2) and write(2) in place of recv(2) and send(2)
    #[arg(long)]
    files: bool,
    #[arg(long, default_value_t = 100)]
    request: usize,
    #[arg(long, default_value_t = 100)]
    response: usize,
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// Connections or requests a second
    #[arg(long, default_value_t = 10_000)]
    rate: u32,
    /// Ports listened on, from `--port` on
    #[arg(long, default_value_t = 1)]
    ports: u32,
    /// Connections that are held
    #[arg(long, default_value_t = 1)]
    connections: u32,
    /// Write the end and the length of each window of requests (nanoseconds, two words of eight bytes)
    #[arg(long)]
    windows: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Work {
    /// Answer each request on each connection
    Serve,
    /// Ask again and again on one connection
    Ask,
    /// Make a connection for each request, so many a second
    Connect,
    /// Ask so many times a second, on 50 connections in turn
    Pace,
    /// Listen on many ports, and answer on all connections
    HoldServer,
    /// Hold many connections, and use one after the other
    Hold,
    /// Send a gibibyte from a file to whoever connects
    ServeFile,
    /// Receive it
    ReceiveFile,
    /// getppid(2), again and again
    Parents,
    /// read(2) of one byte from /dev/zero, again and again
    Zeros,
    /// Attach programs that do nothing to the trace points of the tracer, until a signal
    Empty,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    match options.work {
        Work::Serve => serve(options)?,
        Work::Ask => {
            let mut stream = connect(options)?;
            let (request, mut response) = (vec![b'x'; options.request], vec![0; options.response]);
            repeat(options, WINDOW, || {
                stream.write_all(&request)?;
                stream.read_exact(&mut response)
            })?;
        }
        Work::Connect => at_rate(options, || exchange(options, &mut connect(options)?))?,
        Work::Pace => {
            let mut streams = (0..CONNECTIONS).map(|_| connect(options)).collect::<Result<Vec<_>>>()?;
            at_rate(options, || {
                streams.rotate_left(1);
                streams.first_mut().map_or(Ok(()), |stream| exchange(options, stream))
            })?;
        }
        Work::HoldServer => hold::serve(options.port, options.ports)?,
        Work::Hold => {
            let length = Duration::from_secs_f64(options.seconds);
            hold::ask(options.port, options.ports, options.connections, options.rate, length)?;
        }
        Work::ServeFile => serve_file(options)?,
        Work::ReceiveFile => receive_file(options)?,
        Work::Parents => repeat(options, CALL_WINDOW, || {
            std::hint::black_box(std::os::unix::process::parent_id());
            Ok(())
        })?,
        Work::Zeros => {
            let mut zeros = File::open("/dev/zero").context("opening /dev/zero")?;
            let mut byte = [0];
            repeat(options, CALL_WINDOW, || zeros.read_exact(&mut byte))?;
        }
        Work::Empty => empty::run()?,
    }
    Ok(ExitCode::SUCCESS)
}

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

fn connect(options: &Options) -> Result<Box<dyn Stream>> {
    if let Some(path) = &options.path {
        let stream = UnixStream::connect(path).with_context(|| format!("connecting to {}", path.display()))?;
        return Ok(as_asked(options, stream.into(), |descriptor| Box::new(UnixStream::from(descriptor))));
    }
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, options.port)).context("connecting")?;
    stream.set_nodelay(true).context("TCP_NODELAY")?;
    Ok(as_asked(options, stream.into(), |descriptor| Box::new(TcpStream::from(descriptor))))
}

fn as_asked(options: &Options, descriptor: OwnedFd, socket: impl Fn(OwnedFd) -> Box<dyn Stream>) -> Box<dyn Stream> {
    if options.files { Box::new(File::from(descriptor)) } else { socket(descriptor) }
}

fn serve(options: &Options) -> Result<()> {
    let answer = |mut stream: Box<dyn Stream>| {
        let (mut request, response) = (vec![0; options.request], vec![b'y'; options.response]);
        while stream.read_exact(&mut request).is_ok() && stream.write_all(&response).is_ok() {}
    };
    std::thread::scope(|scope| -> Result<()> {
        if let Some(path) = &options.path {
            for stream in UnixListener::bind(path).context("listening")?.incoming() {
                let stream = as_asked(options, stream?.into(), |descriptor| Box::new(UnixStream::from(descriptor)));
                scope.spawn(move || answer(stream));
            }
            return Ok(());
        }
        for stream in TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).context("listening")?.incoming() {
            let stream = stream?;
            stream.set_nodelay(true)?;
            let stream = as_asked(options, stream.into(), |descriptor| Box::new(TcpStream::from(descriptor)));
            if options.work == Work::Serve && options.rate == 0 {
                // Connections of one request each are answered by one thread.
                answer(stream);
            } else {
                scope.spawn(move || answer(stream));
            }
        }
        Ok(())
    })
}

/// One request and its answer.
fn exchange(options: &Options, stream: &mut Box<dyn Stream>) -> Result<()> {
    stream.write_all(&vec![b'x'; options.request]).context("asking")?;
    stream.read_exact(&mut vec![0; options.response]).context("waiting for an answer")
}

/// Does something so many times a second; what is late is made up for.
fn at_rate(options: &Options, mut once: impl FnMut() -> Result<()>) -> Result<()> {
    let begin = Instant::now();
    let length = Duration::from_secs_f64(options.seconds);
    let mut done = 0_u32;
    while begin.elapsed() < length {
        let due = Duration::from_secs_f64(f64::from(done) / f64::from(options.rate));
        if let Some(early) = due.checked_sub(begin.elapsed()).filter(|early| *early > Duration::from_micros(200)) {
            std::thread::sleep(early);
        }
        once()?;
        done += 1;
    }
    said(u64::from(done), begin.elapsed())
}

fn serve_file(options: &Options) -> Result<()> {
    let file = options.path.as_ref().context("--path names the file to send")?;
    for stream in TcpListener::bind((Ipv4Addr::LOCALHOST, options.port)).context("listening")?.incoming() {
        let mut source = File::open(file).with_context(|| format!("opening {}", file.display()))?;
        // sendfile(2), from a file to a socket. Who leaves before its end did not want it.
        let _ = io::copy(&mut source, &mut stream?);
    }
    Ok(())
}

fn receive_file(options: &Options) -> Result<()> {
    let begin = Instant::now();
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, options.port)).context("connecting")?;
    let (mut buffer, mut received) = (vec![0; 1 << 18], 0_u64);
    loop {
        let length = stream.read(&mut buffer).context("receiving")?;
        if length == 0 {
            break;
        }
        received += u64::try_from(length)?;
    }
    if received != BULK {
        bail!("received {received} bytes of {BULK}");
    }
    said(1, begin.elapsed())
}

/// Does something again and again, for as long as was asked or until nobody reads the windows any more.
fn repeat(options: &Options, window: u32, mut once: impl FnMut() -> io::Result<()>) -> Result<()> {
    let begin = Instant::now();
    let length = Duration::from_secs_f64(options.seconds);
    let mut done = 0_u64;
    let mut windows = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    let (mut unwritten, mut written) = (0, begin);
    while begin.elapsed() < length {
        let before = Instant::now();
        for _ in 0..window {
            once().context("asking")?;
        }
        done += u64::from(window);
        if options.windows {
            let taken = u64::try_from(before.elapsed().as_nanos())?;
            windows.write_all(&monotonic()?.to_ne_bytes())?;
            windows.write_all(&taken.to_ne_bytes())?;
            unwritten += 1;
            if unwritten == FLUSH || written.elapsed() >= FLUSH_AFTER {
                (unwritten, written) = (0, Instant::now());
                windows.flush()?;
            }
        }
    }
    if options.windows { Ok(windows.flush()?) } else { said(done, begin.elapsed()) }
}

/// `CLOCK_MONOTONIC`, nanoseconds.
pub(super) fn monotonic() -> Result<u64> {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC).context("reading the clock")?;
    Ok(u64::try_from(time.tv_sec())? * 1_000_000_000 + u64::try_from(time.tv_nsec())?)
}

#[expect(clippy::unnecessary_wraps, reason = "the last step of a task that may fail")]
fn said(requests: u64, length: Duration) -> Result<()> {
    println!("requests {requests} seconds {}", length.as_secs_f64());
    Ok(())
}
