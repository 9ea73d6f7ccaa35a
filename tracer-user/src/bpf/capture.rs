//! The loaded programs: start, drain, look, count.
//!
//! Invariant: listening ports are known before the role of an older connection is decided; a hook that cannot be
//! attached is a named degradation unless nothing works without it. Memory: the ring, of the size asked for.

use super::addresses;
use super::choices::Choices;
use super::flows::Flows;
use super::found::{Found, moment};
use super::hooks::{FOLLOWING, HOOKS, Hook, IteratorRow};
use super::iterate::{Iterator, record_length};
use super::load::{self, Loaded};
use super::plane::{Plane, PlaneChoice};
use super::privilege;
use super::settings::{level, settings};
use super::slots::Slots;
use super::spill::Spill;
use crate::memory;
use anyhow::{Context as _, Result, anyhow};
use aya::Ebpf;
use aya::maps::{Array, MapData, PerCpuArray, RingBuf};
use aya::programs::{BtfTracePoint, Iter};
use aya_log::EbpfLogger;
use rustix::event::{Timespec, epoll};
use std::borrow::Cow;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::time::Duration;
use tracer_common::{Census, Counters, Reader, Site};
use tracer_core::graph::snapshot::Degradation;
use tracer_core::input::{Choice, Detail, Loss};

/// Values of the programs' log level: the constant folds every message away unless it is wanted.
const LOG_NOTHING: u8 = 0;
const LOG_ALL: u8 = u8::MAX;

/// Words in one CPU's counters.
const COUNTER_WORDS: usize = size_of::<Counters>() / 8;
/// Words in one hook's counters, in the order of `SiteCounters`.
const SITE_WORDS: usize = COUNTER_WORDS / Site::COUNT;

/// How to capture, apart from the plane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Size of the ring in bytes, a power of two.
    pub(crate) ring: u32,
    /// Whether the programs say what they do.
    pub(crate) kernel_log: bool,
    /// Whether to tell which process starts which.
    pub(crate) follows: bool,
}

/// Loaded and attached programs. Dropping it detaches and unloads everything.
pub(crate) struct Capture {
    // Holds programs and links.
    programs: Ebpf,
    pub(crate) plane: Plane,
    ready: OwnedFd,
    records: RingBuf<MapData>,
    control: Array<MapData, [u32; 6]>,
    counters: PerCpuArray<MapData, [u64; COUNTER_WORDS]>,
    snapshot: Iterator,
    census: Iterator,
    flows: Flows,
    spill: Spill,
    choices: Choices,
    /// How the reader waits.
    reader: u32,
    slots: Option<Slots>,
    detail: Detail,
    /// What does not work, by name.
    pub(crate) degraded: Vec<Degradation>,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
}

/// Where the programs must not read the memory of processes (`lockdown=confidentiality`).
const NO_MEMORY: &str =
    "the memory of processes cannot be read: datagrams to paths of Unix sockets and the names of peers are not seen";

/// Whether the kernel has no such trace point at all.
fn is_unknown_here(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        matches!(
            cause.downcast_ref(),
            Some(aya::BtfError::UnknownBtfTypeName { .. } | aya::BtfError::UnknownBtfType { .. })
        )
    })
}

/// What a look at all sockets reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Those that changed since the last look or have a request in flight.
    Changed,
    /// Every one.
    All,
    /// Every one, and every exchange that has an answer as finished: nothing follows.
    Last,
}

/// Where system calls are hooked because sockets cannot be.
const FALLBACK: &str = "trace points on sockets are missing: system calls are traced instead, which costs each a little; what io_uring moves is \
     counted in bytes only";

/// The trace points on sockets cannot be used.
#[derive(Debug)]
struct NoSocketPlane;

impl std::fmt::Display for NoSocketPlane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the socket plane does not work on this kernel (try --plane syscall)")
    }
}

/// What one hook counted, over all CPUs, in the order of `SiteCounters`.
pub(crate) type SiteTotals = [u64; SITE_WORDS];

impl Capture {
    /// Loads the programs and attaches every hook.
    pub(crate) fn start(choice: PlaneChoice, asked: Asked) -> Result<Self> {
        match choice {
            PlaneChoice::Socket => Self::start_on_sockets(asked),
            PlaneChoice::Syscall => Self::start_on(Plane::Syscall, true, asked),
            PlaneChoice::Auto => Self::start_on_sockets(asked).or_else(|error| {
                if !error.is::<NoSocketPlane>() {
                    return Err(error);
                }
                let mut capture = Self::start_on(Plane::Syscall, true, asked)?;
                let reason = format!("{error:#}");
                capture.degraded.push(Degradation { name: FALLBACK.to_owned(), reason });
                Ok(capture)
            }),
        }
    }

    /// The socket plane, without what reads the memory of processes where the kernel is locked down against that.
    fn start_on_sockets(asked: Asked) -> Result<Self> {
        Self::start_on(Plane::Socket, true, asked).or_else(|error| {
            if !error.is::<NoSocketPlane>() || is_unknown_here(&error) {
                return Err(error);
            }
            // The first failure says more, should this one fail too.
            let Ok(mut capture) = Self::start_on(Plane::Socket, false, asked) else { return Err(error) };
            capture.degraded.push(Degradation { name: NO_MEMORY.to_owned(), reason: format!("{error:#}") });
            Ok(capture)
        })
    }

    fn start_on(plane: Plane, reads_memory: bool, asked: Asked) -> Result<Self> {
        let Asked { ring, kernel_log, follows } = asked;
        privilege::require()?;
        let load::Kernel { offsets, cast, kernel, mut loader } = load::read_kernel()?;
        let settings = settings(ring, reads_memory, cast);
        let object = cast.map_or(Ok(Cow::Borrowed(plane.object())), |cast| cast.put_into(plane.object()))?;
        let mut programs = loader
            .btf(Some(&kernel))
            .override_global("OFFSETS", offsets.as_slice(), true)
            .override_global("SETTINGS", settings.as_slice(), true)
            .override_global(aya_log::LEVEL, if kernel_log { &LOG_ALL } else { &LOG_NOTHING }, true)
            .map_max_entries("RECORDS", ring)
            // Task storage: the kernel and the programs know it, aya only passes it on.
            .allow_unsupported_maps()
            .load(&object)
            .context("the kernel refused the programs (`tracer doctor` says what works here)")?;
        // Those on input and output, which are the largest, first.
        let hooks = || plane.hooks().iter().chain(HOOKS).chain(follows.then_some(&FOLLOWING));
        let mut loaded = load::load(&mut programs, plane, hooks(), &kernel);
        let rows = plane.iterators();
        let [census, snapshot, living, flows, stale] =
            [rows.census, rows.snapshot, rows.living, rows.flows, rows.stale]
                .map(|row| attach_iterator(&mut programs, row, &mut loaded));
        if kernel_log {
            env_logger::Builder::new().filter_level(log::LevelFilter::Debug).init();
        }
        let logger = if kernel_log { Some(EbpfLogger::init(&mut programs)?) } else { None };
        let mut capture = Self {
            records: RingBuf::try_from(take(&mut programs, "RECORDS")?)?,
            control: Array::try_from(take(&mut programs, "CONTROL")?)?,
            counters: PerCpuArray::try_from(take(&mut programs, "COUNTERS")?)?,
            flows: Flows::new([living?, flows?, stale?], &mut programs, plane.looks_between_living())?,
            spill: Spill::new(take(&mut programs, "SPILLED")?, take(&mut programs, "SPILLED_EXECS")?)?,
            choices: Choices::new(take(&mut programs, "CAPTURES_OF_PORTS")?, take(&mut programs, "CAPTURES")?)?,
            reader: Reader::ON_TIMER,
            slots: Some(Slots::new(take(&mut programs, "LATENCIES")?, take(&mut programs, "FREE_SLOTS")?)?),
            detail: Detail::default(),
            programs,
            ready: rustix::event::epoll::create(epoll::CreateFlags::CLOEXEC)?,
            plane,
            snapshot: snapshot?,
            census: census?,
            degraded: Vec::new(),
            logger,
        };
        // Edge-triggered: records that wait do not end a wait, only a program that wakes the reader does.
        epoll::add(&capture.ready, ring_descriptor(&capture.records), epoll::EventData::new_u64(0), wake_up())?;
        capture.attach(follows, &mut loaded)?;
        drop(kernel);
        // Megabytes of the kernel's types.
        memory::give_back();
        Ok(capture)
    }

    fn attach(&mut self, follows: bool, loaded: &mut Loaded) -> Result<()> {
        for hook in HOOKS.iter().chain(self.plane.hooks()).chain(follows.then_some(&FOLLOWING)) {
            if let Err(error) = attach(&mut self.programs, hook, loaded) {
                if hook.essential {
                    let error = error.context(format!("attach to {}: without it {}", hook.tracepoint, hook.without));
                    let replaceable = self.plane == Plane::Socket && self.plane.hooks().contains(hook);
                    return Err(if replaceable { error.context(NoSocketPlane) } else { error });
                }
                self.degraded.push(Degradation { name: degradation(hook), reason: format!("{error:#}") });
            }
        }
        if self.plane == Plane::Syscall {
            // There the addresses are read from the memory of the process.
            return Ok(());
        }
        if let Err(error) = addresses::attach(&mut self.programs, loaded) {
            self.degraded.push(Degradation { name: addresses_degradation(), reason: format!("{error:#}") });
        }
        Ok(())
    }

    /// Tells the programs how the reader waits and what the next iterators should do.
    fn control(&mut self, reader: u32, census: u32) -> Result<()> {
        self.reader = reader;
        Ok(self.control.set(
            0,
            [reader, census, self.flows.look(), level(self.detail), self.choices.version(), 0],
            0,
        )?)
    }

    /// Changes what the programs tell of each exchange, from the next drain on.
    pub(crate) fn set_detail(&mut self, detail: Detail) {
        self.detail = detail;
    }

    /// Changes what the programs tell of the bytes of connections, from now on.
    pub(crate) fn choose(&mut self, choice: Choice) -> Result<()> {
        self.choices.choose(choice)?;
        self.control(self.reader, Census::DONE)
    }

    /// The slots of busy sockets; `None` when they were taken before.
    pub(crate) fn take_slots(&mut self) -> Option<Slots> {
        self.slots.take()
    }

    /// Why a hook is not attached; `None` when it is.
    pub(crate) fn missing(&self, hook: &Hook) -> Option<String> {
        let name = degradation(hook);
        let missing = self.degraded.iter().find(|degradation| degradation.name == name)?;
        Some(format!("{}: {}", hook.without, missing.reason))
    }

    /// Why system calls are hooked instead of sockets; `None` where they are not, or were asked for.
    pub(crate) fn fallback(&self) -> Option<String> {
        let fallback = self.degraded.iter().find(|degradation| degradation.name == FALLBACK)?;
        Some(format!("{FALLBACK}: {}", fallback.reason))
    }

    /// Why the hooks on addresses of datagrams are not attached; `None` when they are.
    pub(crate) fn missing_addresses(&self) -> Option<String> {
        let name = addresses_degradation();
        let missing = self.degraded.iter().find(|degradation| degradation.name == name)?;
        Some(format!("{}: {}", addresses::WITHOUT, missing.reason))
    }

    /// Takes in what was open before: listening sockets first, so that the connections' roles can be told.
    pub(crate) fn census(&mut self, mut each: impl FnMut(&[u8])) -> Result<()> {
        for pass in [Census::LISTENERS, Census::CONNECTIONS] {
            self.control(Reader::ON_TIMER, pass)?;
            self.census.run(record_length, &mut each)?;
        }
        self.control(Reader::ON_TIMER, Census::DONE)
    }

    /// Reports sockets; see [`Look`].
    pub(crate) fn snapshot(&mut self, look: Look, mut each: impl FnMut(&[u8])) -> Result<()> {
        let walk = self.flows.begin(look, self.followed()?);
        self.control(
            Reader::ON_TIMER,
            match look {
                Look::Changed => Census::DONE,
                Look::All => Census::DONE_REPORT_ALL,
                Look::Last => Census::FINISH,
            },
        )?;
        self.snapshot.run(record_length, &mut each)?;
        self.flows.walk(walk, each)
    }

    /// How often the hooks on input and output met something that is followed.
    fn followed(&self) -> Result<u64> {
        let counters = self.counters()?;
        let of = |site: usize| counters.get(site).map_or(0, |[_, _, tracked, ..]| *tracked);
        Ok(of(Site::SEND).saturating_add(of(Site::RECEIVE)))
    }

    /// Takes the records that found the ring full and were kept aside, if there are new ones.
    fn take_spilled(&mut self) -> Vec<Vec<u8>> {
        let kept_aside = self.counters().unwrap_or_default().iter().map(|[.., spilled, _, _]| *spilled).sum();
        self.spill.take(kept_aside)
    }

    /// Hands every waiting record to `each`, those that a look found after the older ones. Returns how many had waited.
    pub(crate) fn drain(&mut self, mut aside: Found, mut each: impl FnMut(&[u8])) -> u64 {
        let spilled = self.take_spilled();
        let mut count = u64::try_from(spilled.len()).unwrap_or(0);
        spilled.iter().for_each(|record| aside.add(record));
        let mut aside = aside.in_order().peekable();
        while let Some(record) = self.records.next() {
            // Those of the ring stay in their order.
            let now = moment(&record);
            while let Some((_, older)) = aside.next_if(|(at, _)| *at <= now) {
                each(older);
            }
            each(&record);
            count += 1;
        }
        aside.for_each(|(_, record)| each(record));
        count
    }

    /// Ends every later wait as soon as `descriptor` is readable.
    pub(crate) fn also_wait_for(&self, descriptor: BorrowedFd<'_>) -> Result<()> {
        Ok(epoll::add(&self.ready, descriptor, epoll::EventData::new_u64(1), epoll::EventFlags::IN)?)
    }

    /// Tells the programs when to wake the reader: with the next record when it is `asleep`, else only when the ring
    /// fills. After falling asleep the ring must be drained once more before waiting.
    pub(crate) fn fall_asleep(&mut self, asleep: bool) -> Result<()> {
        let reader = if asleep { Reader::ASLEEP } else { Reader::ON_TIMER };
        self.control(reader, Census::DONE)
    }

    /// Waits until a program wakes the reader or `timeout` has passed.
    pub(crate) fn wait(&self, timeout: Duration) -> Result<()> {
        let timeout = Timespec::try_from(timeout).context("wait")?;
        let mut events = Vec::with_capacity(4);
        match epoll::wait(&self.ready, rustix::buffer::spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error).context("wait for records"),
        }
    }

    /// What each hook counted, over all CPUs, in the order of [`Site::NAMES`].
    pub(crate) fn counters(&self) -> Result<Vec<SiteTotals>> {
        let mut totals = vec![[0_u64; SITE_WORDS]; Site::COUNT];
        for cpu in self.counters.get(&0, 0)?.iter() {
            for (site, words) in totals.iter_mut().zip(cpu.chunks_exact(SITE_WORDS)) {
                for (total, word) in site.iter_mut().zip(words) {
                    *total = total.saturating_add(*word);
                }
            }
        }
        Ok(totals)
    }

    /// For how long the programs have run while the kernel kept statistics of them.
    pub(crate) fn programs_run_time(&self) -> Duration {
        let times = self.programs.programs().filter_map(|(_, program)| program.info().ok());
        times.map(|info| info.run_time()).sum()
    }

    /// Passes on what the programs have said.
    pub(crate) fn log(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }

    /// What was lost in the kernel since the start.
    pub(crate) fn loss(&self) -> Result<Loss> {
        let mut loss = Loss::default();
        for [_, _, _, map_full, _, _, _, ring_full, read_fault] in self.counters()? {
            loss.map_full += map_full;
            loss.ring_full += ring_full;
            loss.read_fault += read_fault;
        }
        Ok(loss)
    }
}

fn addresses_degradation() -> String {
    format!("addresses of datagrams are not seen: {}", addresses::WITHOUT)
}

fn degradation(hook: &Hook) -> String {
    format!("hook {} is not attached: {}", hook.tracepoint, hook.without)
}

fn ring_descriptor(records: &RingBuf<MapData>) -> BorrowedFd<'_> {
    // SAFETY: the descriptor belongs to `records` and is borrowed no longer than it.
    unsafe { BorrowedFd::borrow_raw(records.as_raw_fd()) }
}

fn wake_up() -> epoll::EventFlags {
    epoll::EventFlags::IN | epoll::EventFlags::ET
}

pub(super) fn take(programs: &mut Ebpf, name: &str) -> Result<aya::maps::Map> {
    programs.take_map(name).with_context(|| format!("the object has no map {name}"))
}

fn map_descriptor(map: &aya::maps::Map) -> Result<i32> {
    match map {
        aya::maps::Map::SkStorage(data) | aya::maps::Map::HashMap(data) | aya::maps::Map::Unsupported(data) => {
            Ok(data.fd().as_fd().as_raw_fd())
        }
        other => Err(anyhow!("an iterator cannot walk the map {other:?}")),
    }
}

fn attach(programs: &mut Ebpf, hook: &Hook, loaded: &mut Loaded) -> Result<()> {
    let program = programs.program_mut(hook.program).context("the object does not have it")?;
    let program: &mut BtfTracePoint = program.try_into()?;
    loaded.take(hook.program)?;
    program.attach()?;
    Ok(())
}

fn attach_iterator(programs: &mut Ebpf, (name, _, map): IteratorRow, loaded: &mut Loaded) -> Result<Iterator> {
    let map = map.map(|name| programs.map(name).with_context(|| format!("the object has no map {name}")));
    let map = map.transpose()?.map(map_descriptor).transpose()?;
    let program: &mut Iter = programs.program_mut(name).context("the object does not have it")?.try_into()?;
    loaded.take(name)?;
    Iterator::attach(program, map)
}
