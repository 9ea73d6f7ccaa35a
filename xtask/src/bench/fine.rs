//! What a round trip costs more with a tool than without it, to some nanoseconds, on a machine whose throughput varies by
//! a tenth by itself.
//!
//! One client asks without a pause and notes how long each 64 requests took; the tool comes and goes in the meantime. Of each
//! third of a second the 10th percentile is taken, which noise touches least. Invariant: each slice with the tool lies
//! between two without it, and counts only if these two agree; the same is done with no tool at all. Memory: the
//! windows of one cycle.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::loads;
use super::process::{CpuTime, Process};
use super::statistics::{median, percentile};
use super::tool::Tool;
use super::work::{CALL_WINDOW, WINDOW, monotonic};

/// The CPU of client and server, and that of the tool.
const LOAD_CPU: &str = "0";
const TOOL_CPU: &str = "1";
/// How long a slice is.
const SLICE: Duration = Duration::from_millis(350);
/// After the tool has begun or ended, until the next slice: a tracer needs some of it to see what is busy.
const SETTLE: Duration = Duration::from_millis(600);
/// A cycle counts if the slices before and after are this near to each other.
const AGREE: f64 = 0.02;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    /// Arguments of the server, if there is one, and of the client.
    server: Option<&'static [&'static str]>,
    client: &'static [&'static str],
    window: u32,
}

pub(super) const LOADS: &[Load] = &[
    Load {
        name: "round-trip",
        title: "TCP round trip of 100 B and 300 B",
        server: Some(&["serve", "--files", "--response", "300"]),
        client: &["ask", "--files", "--response", "300"],
        window: WINDOW,
    },
    Load {
        name: "unix-round-trip",
        title: "Unix socket round trip of 100 B and 300 B",
        server: Some(&["serve", "--files", "--response", "300", "--path"]),
        client: &["ask", "--files", "--response", "300", "--path"],
        window: WINDOW,
    },
    Load { name: "getppid", title: "getppid(2)", server: None, client: &["parents"], window: CALL_WINDOW },
    Load { name: "zeros", title: "read(2) of /dev/zero", server: None, client: &["zeros"], window: CALL_WINDOW },
];

/// What came of it; times are microseconds for each request or call.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) load: String,
    pub(super) tool: String,
    pub(super) without: f64,
    /// The median of the differences; of the slices without a tool that follow each other.
    pub(super) difference: f64,
    pub(super) control: f64,
    /// CPU time of client, server and tool.
    pub(super) cpu_without: f64,
    pub(super) cpu_with: f64,
    /// Cycles that count, of how many.
    pub(super) counted: usize,
    pub(super) cycles: u32,
}

impl Row {
    /// What the load is, for a person.
    pub(super) fn title(&self) -> &str {
        LOADS.iter().find(|load| load.name == self.load).map_or(&self.load, |load| load.title)
    }
}

type Windows = Arc<Mutex<Vec<(u64, u64)>>>;

/// The running load.
struct Asking {
    client: Process,
    server: Option<Process>,
    windows: Windows,
    window: u32,
}

/// A slice: microseconds for each request, and of CPU time.
#[derive(Clone, Copy)]
struct Slice {
    time: f64,
    cpu: f64,
}

/// Measures one load with one tool.
pub(super) fn measure(load: Load, tool: &Tool, cycles: u32, folder: &Path) -> Result<Row> {
    let mut asking = Asking::start(load, folder)?;
    thread::sleep(SETTLE);
    let (mut off, mut on, mut differences, mut controls) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..cycles {
        let before = asking.slice(None)?;
        let running = tool.start(TOOL_CPU, folder)?;
        thread::sleep(SETTLE);
        let with = asking.slice(Some(&running.process))?;
        running.end()?;
        thread::sleep(SETTLE / 4);
        let after = asking.slice(None)?;
        let again = asking.slice(None)?;
        let around = f64::midpoint(before.time, after.time);
        if (after.time - before.time).abs() <= around * AGREE {
            differences.push(with.time - around);
            on.push(with.cpu);
            off.push(Slice { time: around, cpu: f64::midpoint(before.cpu, after.cpu) });
        }
        if (again.time - after.time).abs() <= around * AGREE {
            controls.push(again.time - after.time);
        }
    }
    let of = |figure: &dyn Fn(&Slice) -> f64| median(&off.iter().map(figure).collect::<Vec<_>>()).unwrap_or(f64::NAN);
    let row = Row {
        load: load.name.to_owned(),
        tool: tool.name.clone(),
        without: of(&|slice| slice.time),
        difference: median(&differences).unwrap_or(f64::NAN),
        control: median(&controls).unwrap_or(f64::NAN),
        cpu_without: of(&|slice| slice.cpu),
        cpu_with: median(&on).unwrap_or(f64::NAN),
        counted: differences.len(),
        cycles,
    };
    asking.end()?;
    Ok(row)
}

impl Asking {
    fn start(load: Load, folder: &Path) -> Result<Self> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").context("finding a free port")?;
        let port = listener.local_addr().context("finding a free port")?.port().to_string();
        drop(listener);
        let path = folder.join(format!("{}.socket", load.name)).display().to_string();
        // Left by a server before: a new one cannot be named so while it is there.
        let _ = std::fs::remove_file(&path);
        let command = |arguments: &[&str]| -> Result<Command> {
            let mut command = loads::own(arguments.first().copied().unwrap_or_default())?;
            command.args(arguments.iter().skip(1));
            if arguments.last() == Some(&"--path") {
                command.arg(&path);
            } else {
                command.args(["--port", &port]);
            }
            Ok(command)
        };
        let server = load.server.map(|words| Process::start(load.name, LOAD_CPU, &command(words)?)).transpose()?;
        thread::sleep(Duration::from_millis(200));
        let asks = command(load.client)?;
        let mut client = Command::new("taskset");
        client.args(["--cpu-list", LOAD_CPU]).arg(asks.get_program()).args(asks.get_args());
        client.args(["--windows", "--seconds", "100000"]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut client = Process::spawn(load.name, client)?;
        let windows = Windows::default();
        let mut output = client.child.stdout.take().context("a client without output")?;
        let kept = Arc::clone(&windows);
        thread::spawn(move || {
            let mut pair = [0_u8; 16];
            while output.read_exact(&mut pair).is_ok() {
                let [end, taken] = [&pair[..8], &pair[8..]].map(|word| word.try_into().map_or(0, u64::from_ne_bytes));
                kept.lock().unwrap_or_else(PoisonError::into_inner).push((end, taken));
            }
        });
        Ok(Self { client, server, windows, window: load.window })
    }

    fn cpu(&self, tool: Option<&Process>) -> CpuTime {
        let processes = [Some(&self.client), self.server.as_ref(), tool].into_iter().flatten();
        CpuTime(processes.map(|process| process.cpu_time().0).sum())
    }

    /// Lets it run for a while; what a request took.
    fn slice(&mut self, tool: Option<&Process>) -> Result<Slice> {
        self.client.must_run()?;
        let (begin, cpu) = (monotonic()?, self.cpu(tool));
        thread::sleep(SLICE);
        let (end, cpu) = (monotonic()?, self.cpu(tool).since(cpu));
        // Windows are written some at a time.
        thread::sleep(SLICE);
        let windows = std::mem::take(&mut *self.windows.lock().unwrap_or_else(PoisonError::into_inner));
        let inside = |(over, taken): &(u64, u64)| *over <= end && over.saturating_sub(*taken) >= begin;
        #[expect(clippy::cast_precision_loss, reason = "nanoseconds of a window")]
        let times: Vec<f64> = windows.iter().filter(|window| inside(window)).map(|(_, taken)| *taken as f64).collect();
        let each = f64::from(self.window) * 1e3;
        let time = percentile(&times, 10).context("the client had no window within a slice")? / each;
        // Its windows without the gaps between them, which are none.
        let requests = times.len() as f64 * f64::from(self.window);
        Ok(Slice { time, cpu: cpu.as_secs_f64() * 1e6 / requests })
    }

    fn end(self) -> Result<()> {
        self.client.end(Signal::SIGKILL)?;
        self.server.map_or(Ok(()), |server| server.end(Signal::SIGKILL))
    }
}
