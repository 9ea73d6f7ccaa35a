//! `cargo xtask vm`: the tracer and its live tests on other kernels, in guests.
//!
//! Invariant: nothing is installed on this machine but the emulator (announced, by set-up) and nothing of it is
//! changed but the target directory. Memory: what the guests found, a few kilobytes each.

mod apt;
mod archive;
mod binaries;
mod conditions;
mod findings;
mod guest;
mod image;
mod kernels;
mod modules;
mod outcome;
mod report;
mod runs;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{host, setup};
use apt::Apt;
use guest::{Boot, Ended, Root};
use image::{Busybox, Image};
use kernels::{KERNELS, Kernel, Machine};
use outcome::Outcome;
pub(crate) use outcome::Totals;
use runs::{Binaries, CAPTURE_TESTS, Plane};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Every kernel, every live test that a guest can run, and every fault
    #[arg(long)]
    all: bool,
    /// Only these kernels, such as 6.12-generic,6.1-rt
    #[arg(long, value_delimiter = ',')]
    kernel: Vec<String>,
    /// Only live tests whose names contain this
    #[arg(long)]
    filter: Option<String>,
    /// Write docs/kernels.md
    #[arg(long, requires = "all", conflicts_with_all = ["kernel", "filter"])]
    write: bool,
    /// Install what is missing without asking
    #[arg(long)]
    yes: bool,
}

/// How long a guest may take.
const LIMIT: Duration = Duration::from_secs(240);
/// The same with every live test and every fault.
const LIMIT_OF_ALL: Duration = Duration::from_secs(45 * 60);

/// What is to be run.
struct Work {
    kernels: Vec<Kernel>,
    faults: bool,
    filters: Vec<String>,
    limit: Duration,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::run(&setup::Options { yes: options.yes, tests: true, guests: true })?;
    let kernels = match (options.kernel.as_slice(), options.all) {
        ([], true) => KERNELS.to_vec(),
        ([], false) => always(),
        (names, _) => kernels::named(names)?,
    };
    let filters = match (&options.filter, options.all) {
        (Some(filter), _) => vec![filter.clone()],
        (None, true) => Vec::new(),
        (None, false) => capture_tests(),
    };
    let limit = if options.all { LIMIT_OF_ALL } else { LIMIT };
    let (outcomes, totals) = work(&Work { kernels, faults: options.all, filters, limit })?;
    println!(
        "{} passed, {} failed, {} ignored, {} kernels not run",
        totals.passed, totals.failed, totals.ignored, totals.not_run
    );
    if options.write {
        if totals.not_run > 0 {
            bail!("docs/kernels.md is not written: {} of its kernels did not run", totals.not_run);
        }
        let file = host::workspace().join("docs/kernels.md");
        fs::write(&file, report::page(&outcomes)).with_context(|| format!("writing {}", file.display()))?;
        println!("wrote {}", file.display());
    }
    Ok(if totals.failed == 0 && totals.not_run == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The kernels and live tests that every full test run includes.
pub(crate) fn step() -> Result<Totals> {
    let work = Work { kernels: always(), faults: false, filters: capture_tests(), limit: LIMIT };
    self::work(&work).map(|(_, totals)| totals)
}

fn always() -> Vec<Kernel> {
    KERNELS.iter().filter(|kernel| kernel.always).copied().collect()
}

fn capture_tests() -> Vec<String> {
    CAPTURE_TESTS.iter().map(|name| (*name).to_owned()).collect()
}

/// Runs everything; a kernel that cannot be tried is told, and counted as not run.
fn work(work: &Work) -> Result<(Vec<Outcome>, Totals)> {
    if std::env::consts::ARCH != Machine::X86.rust() {
        bail!("guests use the files of this machine, which has to be {}", Machine::X86.rust());
    }
    let directory = host::target_directory().join("vm");
    let mut stations = BTreeMap::new();
    let (mut outcomes, mut totals) = (Vec::new(), Totals::default());
    for kernel in &work.kernels {
        eprintln!("\n--- {}", kernel.name);
        let outcome = station(&mut stations, &directory, kernel.machine).and_then(|station| {
            station.image(&directory, *kernel).and_then(|image| station.run(&directory, &image, work))
        });
        match outcome {
            Ok(outcome) => {
                totals = totals + outcome.tell();
                outcomes.push(outcome);
            }
            Err(error) => {
                eprintln!("{} did not run: {error:#}", kernel.name);
                totals.not_run += 1;
            }
        }
    }
    Ok((outcomes, totals))
}

/// What guests of one machine share.
struct Station {
    apt: Apt,
    busybox: Busybox,
    built: binaries::Built,
    root: Root,
    planes: Vec<Plane>,
}

fn station<'a>(
    stations: &'a mut BTreeMap<Machine, Station>,
    directory: &Path,
    machine: Machine,
) -> Result<&'a Station> {
    match stations.entry(machine) {
        std::collections::btree_map::Entry::Occupied(station) => Ok(station.into_mut()),
        std::collections::btree_map::Entry::Vacant(place) => Ok(place.insert(Station::new(directory, machine)?)),
    }
}

impl Station {
    fn new(directory: &Path, machine: Machine) -> Result<Self> {
        let built = binaries::build(machine)?;
        let planes = binaries::planes(&built, machine)?;
        let apt = Apt::new(directory, machine)?;
        let guest = image::busybox(directory, &apt, machine)?;
        let here = match machine {
            Machine::X86 => guest.clone(),
            Machine::Arm => image::busybox(directory, &Apt::new(directory, Machine::X86)?, Machine::X86)?,
        };
        let root = binaries::root(directory, &apt, machine)?;
        Ok(Self { apt, busybox: Busybox { guest, here }, built, root, planes })
    }

    fn image(&self, directory: &Path, kernel: Kernel) -> Result<Image> {
        image::image(directory, &self.apt, &self.busybox, kernel)
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
        for session in runs::sessions(&self.planes, work.faults && kernel.faults) {
            let out = fresh(directory.join("out").join(kernel.name).join(session.folder()))?;
            let script = out.join("run.sh");
            fs::write(&script, session.script(&binaries, &work.filters))
                .with_context(|| format!("writing {}", script.display()))?;
            eprintln!("booting {} {}", image.release, session.command_line);
            let boot =
                Boot { image, root: &self.root, out: &out, command_line: session.command_line, limit: work.limit };
            if let Ended::Early(reason) = guest::run(&boot)? {
                outcome.broken.push(reason);
            }
            let found = session.probes.iter().map(|probe| (*probe, findings::read(&out, probe)));
            outcome.probes.extend(found);
            outcome.live.extend(session.live.iter().filter_map(|plane| findings::live(&out, plane)));
            outcome.planes.extend(session.live);
        }
        Ok(outcome)
    }
}

fn fresh(folder: PathBuf) -> Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    Ok(folder)
}
