//! Runs guests: prepares each kernel, boots it as often as its conditions need, and reads what it left.
//!
//! Invariant: one kernel that cannot be tried stops no other. Memory: what the guests found, a few kilobytes each.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::apt::Apt;
use super::conditions::PLAIN;
use super::emulator::Emulator;
use super::guest::{self, Boot, Ended, Root};
use super::image::{self, Busybox, Image};
use super::kernels::{Kernel, Machine};
use super::outcome::{Outcome, Totals};
use super::runs::{self, Binaries, PLANES, Plane, Probe};
use super::{binaries, findings};
use crate::host;

/// What is to be run.
pub(super) struct Work {
    pub(super) kernels: Vec<Kernel>,
    /// Whether, on the kernels that are for it, every live test runs on every plane, and every fault is tried.
    pub(super) thorough: bool,
    /// Which live tests are run elsewhere, on the plane that the tracer chooses.
    pub(super) filters: Vec<String>,
    /// How long a guest may take.
    pub(super) limit: Duration,
}

/// Runs everything; a kernel that cannot be tried is told, and counted as not run.
pub(super) fn run(work: &Work) -> Result<(Vec<Outcome>, Totals)> {
    if std::env::consts::ARCH != Machine::X86.rust() {
        bail!("guests use the files of this machine, which has to be {}", Machine::X86.rust());
    }
    let directory = host::target_directory().join("vm");
    let (mut stations, mut ready, mut totals) = (BTreeMap::new(), Vec::new(), Totals::default());
    for kernel in &work.kernels {
        match prepare(&mut stations, &directory, *kernel) {
            Ok(image) => ready.push(image),
            Err(error) => totals = totals + not_run(kernel, &error),
        }
    }
    let outcomes = at_once(&ready, |image| {
        let station = stations.get(&image.kernel.machine).context("it was prepared")?;
        station.run(&directory, image, work)
    });
    let mut whole = Vec::new();
    for (image, outcome) in ready.iter().zip(outcomes) {
        match outcome {
            Ok(outcome) => {
                totals = totals + outcome.tell();
                whole.push(outcome);
            }
            Err(error) => totals = totals + not_run(&image.kernel, &error),
        }
    }
    Ok((whole, totals))
}

fn not_run(kernel: &Kernel, error: &anyhow::Error) -> Totals {
    eprintln!("{}: not run: {error:#}", kernel.name);
    Totals { not_run: 1, ..Totals::default() }
}

/// What a kernel needs to be booted; what guests of one machine share is made once.
fn prepare(stations: &mut BTreeMap<Machine, Station>, directory: &Path, kernel: Kernel) -> Result<Image> {
    let station = match stations.entry(kernel.machine) {
        Entry::Occupied(station) => station.into_mut(),
        Entry::Vacant(place) => place.insert(Station::new(directory, kernel.machine)?),
    };
    image::image(directory, &station.apt, &station.busybox, kernel)
}

/// Does a job for each image, as many at once as this machine has processors: a guest has one. Results are in the
/// order of the images.
fn at_once<T: Send>(images: &[Image], job: impl Fn(&Image) -> Result<T> + Sync) -> Vec<Result<T>> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(images.len());
    let (next, results) = (AtomicUsize::new(0), Mutex::new(BTreeMap::new()));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(image) = images.get(number) else { return };
                    let result = job(image);
                    results.lock().unwrap_or_else(PoisonError::into_inner).insert(number, result);
                }
            });
        }
    });
    results.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

/// What guests of one machine share.
struct Station {
    apt: Apt,
    emulator: Emulator,
    busybox: Busybox,
    built: binaries::Built,
    root: Root,
}

impl Station {
    fn new(directory: &Path, machine: Machine) -> Result<Self> {
        let built = binaries::build(machine)?;
        let apt = Apt::new(directory, machine)?;
        let emulator = Emulator::find(directory, machine)?;
        let guest = image::busybox(directory, &apt, machine)?;
        let here = match machine {
            Machine::X86 => guest.clone(),
            Machine::Arm => image::busybox(directory, &Apt::new(directory, Machine::X86)?, Machine::X86)?,
        };
        let root = binaries::root(directory, &apt, machine)?;
        Ok(Self { apt, emulator, busybox: Busybox { guest, here }, built, root })
    }

    /// Boots a kernel as often as its conditions need.
    fn run(&self, directory: &Path, image: &Image, work: &Work) -> Result<Outcome> {
        let kernel = image.kernel;
        let package = host::workspace().join("tracer-user");
        let binaries = Binaries { tracer: &self.built.tracer, live: &self.built.live, package: &package };
        let mut outcome = Outcome {
            kernel,
            release: image.release.clone(),
            version: image.version.clone(),
            probes: Vec::new(),
            live: Vec::new(),
            broken: Vec::new(),
            planes: Vec::new(),
        };
        let thorough = work.thorough && kernel.thorough;
        let planes = if thorough { PLANES.to_vec() } else { vec![kernel.plane] };
        let filters = if thorough { &[] } else { work.filters.as_slice() };
        for session in runs::sessions(&planes, thorough) {
            let out = fresh(directory.join("out").join(kernel.name).join(session.folder()))?;
            let script = out.join("run.sh");
            fs::write(&script, session.script(&binaries, filters))
                .with_context(|| format!("writing {}", script.display()))?;
            eprintln!("{}: booting {} {}", kernel.name, image.release, session.command_line);
            let boot = Boot {
                emulator: &self.emulator,
                image,
                root: &self.root,
                out: &out,
                command_line: session.command_line,
                limit: work.limit,
            };
            if let Ended::Early(reason) = guest::run(&boot)? {
                outcome.broken.push(reason);
            }
            let found = session.probes.iter().map(|probe| (*probe, findings::read(&out, probe)));
            outcome.probes.extend(found);
            outcome.live.extend(session.live.iter().filter_map(|plane| findings::live(&out, plane)));
            for plane in &session.live {
                collect(&out, kernel, plane)?;
            }
            outcome.planes.extend(session.live);
        }
        Ok(outcome)
    }
}

/// Puts what the live tests of a guest say about cases of capture beside what those of this machine say.
fn collect(out: &Path, kernel: Kernel, plane: Plane) -> Result<()> {
    let folder = out.join("live").join(Probe { condition: PLAIN, plane }.folder());
    let Ok(files) = fs::read_dir(&folder) else { return Ok(()) };
    let together = host::target_directory().join("live-results");
    fs::create_dir_all(&together).with_context(|| format!("creating {}", together.display()))?;
    for file in files {
        let file = file.with_context(|| format!("reading {}", folder.display()))?;
        let to = together.join(format!("{}-{plane}-{}", kernel.name, file.file_name().to_string_lossy()));
        fs::copy(file.path(), &to).with_context(|| format!("copying to {}", to.display()))?;
    }
    Ok(())
}

fn fresh(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}
