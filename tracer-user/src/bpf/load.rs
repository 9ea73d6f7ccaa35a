//! Loading the programs, several at once: the kernel's verifier takes most of the time until the tracer watches, and takes
//! it for each program by itself.
//!
//! Invariant: every program of the plane is tried, and what came of it is told by its name. Memory: a result for each.

use super::cast::Cast;
use super::hooks::Hook;
use super::offsets;
use super::plane::Plane;
use super::refusal::refused;
use anyhow::{Context as _, Result, anyhow, bail};
use aya::programs::{BtfTracePoint, CgroupSockAddr, Iter, Program};
use aya::{Btf, Ebpf, EbpfLoader};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// No more threads than that: the largest program takes as long as all others together.
const THREADS: usize = 2;

/// What loading needs of the running kernel's type information, which is megabytes.
pub(super) struct Kernel {
    pub(super) offsets: Vec<u32>,
    /// Where the kernel has the function for it.
    pub(super) cast: Option<Cast>,
    pub(super) kernel: Btf,
    pub(super) loader: EbpfLoader<'static>,
}

/// Reads the kernel's type information, for offsets and for aya at the same time. A loader reads it once more, whether
/// that is used or not, so it is made meanwhile.
pub(super) fn read_kernel() -> Result<Kernel> {
    let (offsets, read) = thread::scope(|scope| {
        let read = scope.spawn(|| (Btf::from_sys_fs(), EbpfLoader::new()));
        (offsets::of_this_kernel(), read.join())
    });
    let (offsets, cast) = offsets?;
    let (kernel, loader) = read.map_err(|_| anyhow!("reading the kernel's BTF failed"))?;
    Ok(Kernel { offsets, cast, kernel: kernel.context("read the kernel's BTF")?, loader })
}

/// How a program is loaded.
#[derive(Clone, Copy)]
enum Kind {
    TracePoint(&'static str),
    Iterator(&'static str),
    Addresses,
}

/// What came of loading, by the names of the programs.
pub(super) struct Loaded(HashMap<String, Result<()>>);

impl Loaded {
    /// What came of one program; it is told once.
    pub(super) fn take(&mut self, program: &str) -> Result<()> {
        self.0.remove(program).unwrap_or_else(|| bail!("the object does not have the program {program}"))
    }
}

/// Loads every program of a plane. `hooks` are those that shall be attached.
pub(super) fn load<'a>(
    programs: &mut Ebpf,
    plane: Plane,
    hooks: impl Iterator<Item = &'a Hook>,
    kernel: &Btf,
) -> Loaded {
    let kinds = kinds(plane, hooks);
    let jobs = programs.programs_mut().filter_map(|(name, program)| {
        let place = kinds.iter().position(|(known, _)| *known == name)?;
        Some((place, name.to_owned(), kinds.get(place)?.1, program))
    });
    let mut jobs: Vec<_> = jobs.collect();
    // Taken from the end: those on input and output, which are the largest, first.
    jobs.sort_by_key(|(place, ..)| std::cmp::Reverse(*place));
    let (jobs, results) = (Mutex::new(jobs), Mutex::new(HashMap::new()));
    let work = || {
        loop {
            let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some((_, name, kind, program)) = job else { return };
            let result = load_one(program, kind, kernel).with_context(|| format!("load the program {name}"));
            results.lock().unwrap_or_else(PoisonError::into_inner).insert(name, result);
        }
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    Loaded(results.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// The programs of a plane, the largest first.
fn kinds<'a>(plane: Plane, hooks: impl Iterator<Item = &'a Hook>) -> Vec<(&'static str, Kind)> {
    let rows = plane.iterators();
    let iterators = [rows.census, rows.snapshot, rows.living, rows.flows, rows.stale];
    let hooks = hooks.map(|hook| (hook.program, Kind::TracePoint(hook.tracepoint)));
    let iterators = iterators.map(|(name, target, _)| (name, Kind::Iterator(target)));
    let addresses = plane.addresses().iter().map(|name| (*name, Kind::Addresses));
    hooks.chain(iterators).chain(addresses).collect()
}

fn load_one(program: &mut Program, kind: Kind, kernel: &Btf) -> Result<()> {
    match kind {
        Kind::TracePoint(tracepoint) => {
            let program: &mut BtfTracePoint = program.try_into()?;
            program.load(tracepoint, kernel).map_err(refused)
        }
        Kind::Iterator(target) => {
            let program: &mut Iter = program.try_into()?;
            program.load(target, kernel).map_err(refused)
        }
        Kind::Addresses => {
            let program: &mut CgroupSockAddr = program.try_into()?;
            program.load().map_err(refused)
        }
    }
}
