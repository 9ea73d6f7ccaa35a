//! The file that keeps what fires over a restart of the tracer, and the folder it lies in.
//!
//! Invariant: the file is replaced whole or not at all; a tracer has its folder for itself. One that cannot be read is put
//! aside and said, never taken for an empty one. Memory: the text of what is to be written next; only the newest counts.

use crate::files;
use anyhow::{Context as _, Result, bail};
use rustix::fs::FlockOperation;
use std::fs::File;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tracer_core::alert::Alert;
use tracer_core::alert::memory::{self, MemoryError, Remembered};

/// The file's name in the folder.
const NAME: &str = "firing.alerts";
/// How long the folder is waited for: a program that is being started holds its parent's lock until it is executed.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);

/// What was found at the start.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) alerts: Vec<Alert>,
    /// What is wrong, for a person.
    pub(crate) trouble: Option<String>,
    /// When it was written, RFC 3339; `None` where there is nothing, or nothing that says when.
    pub(crate) saved: Option<String>,
}

/// Writes what fires, in a thread of its own.
#[derive(Debug)]
pub(crate) struct Keeper {
    slot: Arc<Slot>,
    thread: JoinHandle<()>,
    /// Held for as long as this lives.
    _lock: File,
}

#[derive(Debug, Default)]
struct Slot {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: Option<Vec<Alert>>,
    close: bool,
    /// Why the last attempt failed, until that is taken.
    failure: Option<String>,
    failing: bool,
}

/// Reads what fired, to show it.
pub(crate) fn read(folder: &Path) -> Result<Found> {
    let path = folder.join(NAME);
    let shown = path.display();
    match std::fs::metadata(&path) {
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::default()),
        // What may not be looked at is not what is not there.
        Err(error) => return Err(error).with_context(|| format!("look at {shown}")),
    }
    match memory::read(&files::read_whole(&path)?) {
        Ok(Remembered { alerts, lost: 0, saved }) => Ok(Found { alerts, trouble: None, saved: Some(saved) }),
        Ok(Remembered { alerts, lost, saved }) => {
            let trouble = format!(
                "{shown} is cut off or damaged: {} alerts were recovered, {lost} are lost and will be told again",
                alerts.len()
            );
            Ok(Found { alerts, trouble: Some(trouble), saved: Some(saved) })
        }
        Err(MemoryError::Unreadable) => {
            let trouble = format!("{shown}: {}; whatever still fires will be told again", MemoryError::Unreadable);
            Ok(Found { alerts: Vec::new(), trouble: Some(trouble), saved: None })
        }
        Err(error @ MemoryError::Schema { .. }) => bail!("{shown} cannot be used: {error}"),
    }
}

/// Takes a lock, within [`LOCK_PATIENCE`].
fn takes(lock: &File) -> bool {
    let end = Instant::now() + LOCK_PATIENCE;
    loop {
        if rustix::fs::flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Takes the folder, and reads what fired.
pub(crate) fn open(folder: &Path) -> Result<(Keeper, Found)> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.with_context(|| format!("make the folder of the alerts, {}", folder.display()))?;
    let lock = File::create(folder.join("lock")).with_context(|| format!("write into {}", folder.display()))?;
    if !takes(&lock) {
        bail!("another tracer keeps its alerts in {}: give this one a folder of its own", folder.display());
    }
    let found = read(folder)?;
    let path = folder.join(NAME);
    if found.trouble.is_some() {
        let aside = folder.join(format!("{NAME}.broken"));
        std::fs::copy(&path, &aside).with_context(|| format!("put {} aside", path.display()))?;
    }
    Ok((Keeper::start(path, lock)?, found))
}

impl Keeper {
    fn start(path: PathBuf, lock: File) -> Result<Self> {
        let slot = Arc::new(Slot::default());
        let theirs = Arc::clone(&slot);
        let thread = std::thread::Builder::new().name("alert-state".to_owned()).spawn(move || theirs.write(&path));
        Ok(Self { slot, thread: thread.context("start the thread that keeps the alerts")?, _lock: lock })
    }

    /// What fires from now on.
    pub(crate) fn keep(&self, alerts: Vec<Alert>) {
        self.slot.lock().next = Some(alerts);
        self.slot.changed.notify_one();
    }

    /// Why it could not be written, once for each time that this begins.
    pub(crate) fn failure(&self) -> Option<String> {
        self.slot.lock().failure.take()
    }

    /// Writes what was given last; `false` if that was not possible by then.
    pub(crate) fn finish(self, end: Instant) -> bool {
        self.slot.lock().close = true;
        self.slot.changed.notify_one();
        while !self.thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.thread.is_finished() && !self.slot.lock().failing
    }
}

impl Slot {
    fn write(&self, path: &Path) {
        loop {
            let mut state = self.lock();
            while state.next.is_none() && !state.close {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let Some(alerts) = state.next.take() else { return };
            drop(state);
            let written = files::write_whole(path, memory::write(&alerts, crate::clock::wall()).as_bytes());
            let mut state = self.lock();
            let failed_before = std::mem::replace(&mut state.failing, written.is_err());
            if let (Err(error), false) = (written, failed_before) {
                state.failure = Some(format!("{error:#}"));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere leaves the slot itself whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_core::alert::sample;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tracer-state-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    fn alerts(ports: std::ops::Range<u16>) -> Vec<Alert> {
        ports.map(|port| Alert { port: port.into(), ..sample::alert("2026-01-01T00:00:00.000Z") }).collect()
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    #[test]
    fn what_was_kept_last_is_found_at_the_next_start() {
        let folder = folder("kept");
        let (keeper, found) = open(&folder).unwrap();
        assert!(found.alerts.is_empty() && found.trouble.is_none());
        (1..20).for_each(|count| keeper.keep(alerts(0..count)));
        assert!(keeper.finish(soon()));
        let (keeper, found) = open(&folder).unwrap();
        assert_eq!((found.alerts, found.trouble), (alerts(0..19), None));
        let second = format!("{:#}", open(&folder).unwrap_err());
        assert!(second.contains("another tracer"), "{second}");
        assert!(keeper.finish(soon()));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_cut_off_at_any_byte_is_recovered_or_put_aside_and_said_and_never_taken_for_an_empty_one() {
        let folder = folder("cut");
        let whole = memory::write(&alerts(0..2), tracer_core::time::Wall(0));
        std::fs::create_dir_all(&folder).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(folder.join(NAME), &whole.as_bytes()[..cut]).unwrap();
            let (keeper, found) = open(&folder).unwrap();
            assert!(found.trouble.is_some(), "at {cut}");
            assert_eq!(found.alerts, alerts(0..2)[..found.alerts.len()], "at {cut}");
            assert_eq!(std::fs::read(folder.join(format!("{NAME}.broken"))).unwrap().len(), cut);
            assert!(keeper.finish(soon()));
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_of_a_newer_tracer_is_refused_and_left_as_it_is() {
        let folder = folder("newer");
        std::fs::create_dir_all(&folder).unwrap();
        let (text, _) = (memory::write(&[], tracer_core::time::Wall(0)), ());
        let json = text.trim_end()[9..].replace("tracer.alerts/1", "tracer.alerts/9");
        let newer = format!("{:08x} {json}\n", crc32(&json));
        std::fs::write(folder.join(NAME), &newer).unwrap();
        let error = format!("{:#}", open(&folder).unwrap_err());
        assert!(error.contains("tracer.alerts/9"), "{error}");
        assert_eq!(std::fs::read_to_string(folder.join(NAME)).unwrap(), newer);
        std::fs::remove_dir_all(folder).unwrap();
    }

    /// IEEE 802.3, bit by bit.
    fn crc32(text: &str) -> u32 {
        !text.bytes().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
        })
    }
}
