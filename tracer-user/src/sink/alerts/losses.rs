//! The list of what nobody will be told: `dropped.jsonl` in the folder of the alerts, `tracer.dropped/1`, one a line.
//!
//! Invariant: who drops a message waits for no disk: a thread of its own writes. A line that finds no room, in the queue or
//! on disk, is counted; what is in the file is whole lines. Memory: [`WAITING`] lines; on disk two files of [`FILE_BYTES`].

use super::file;
use crate::clock;
use anyhow::{Context as _, Result};
use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tracer_core::alert::{Alert, Dropped, Notice, Reason};

/// The file's name in the folder; the one before it has `.1` behind it.
pub(super) const NAME: &str = "dropped.jsonl";
/// Lines that wait to be written at most.
const WAITING: usize = 4_096;
/// A file that would be larger is put aside, in place of the one before.
const FILE_BYTES: u64 = 4 << 20;

/// What waits to be written.
#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: VecDeque<String>,
    /// Lines that are in no file.
    unlisted: u64,
    close: bool,
}

/// Where what is dropped is listed; nowhere, where there is no folder.
#[derive(Clone, Debug, Default)]
pub(super) struct Losses(Option<Arc<Queue>>);

/// The thread that writes.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Arc<Queue>,
    thread: JoinHandle<()>,
    path: PathBuf,
}

impl Losses {
    /// A message of a sink, or what could not be read of one.
    pub(super) fn note(&self, sink: &str, reason: Reason, detail: Option<&str>, notice: Option<&Notice>) {
        if let Some(queue) = &self.0 {
            queue.put(Dropped::message(sink, reason, detail, notice, clock::wall()).line());
        }
    }

    /// An alert that no sink was given.
    pub(super) fn note_held_back(&self, alert: &Alert) {
        if let Some(queue) = &self.0 {
            queue.put(Dropped::held_back(alert, clock::wall()).line());
        }
    }
}

impl Queue {
    fn put(&self, line: String) {
        let mut state = self.lock();
        if state.lines.len() < WAITING {
            state.lines.push_back(line);
        } else {
            state.unlisted = state.unlisted.saturating_add(1);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// All that wait, once there are any; `None` at the end.
    fn take(&self) -> Option<VecDeque<String>> {
        let mut state = self.lock();
        while state.lines.is_empty() && !state.close {
            // A panic elsewhere leaves the lines themselves whole.
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let lines = std::mem::take(&mut state.lines);
        (!lines.is_empty()).then_some(lines)
    }

    fn write(&self, path: &Path) {
        let mut list = List { path: path.to_owned(), file: None };
        while let Some(lines) = self.take() {
            let count = u64::try_from(lines.len()).unwrap_or(u64::MAX);
            if list.append(lines).is_err() {
                let mut state = self.lock();
                state.unlisted = state.unlisted.saturating_add(count);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The file.
struct List {
    path: PathBuf,
    file: Option<File>,
}

impl List {
    /// Adds lines, all or none.
    fn append(&mut self, lines: VecDeque<String>) -> std::io::Result<()> {
        let text: String = lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect();
        let size = u64::try_from(text.len()).unwrap_or(u64::MAX);
        let held = std::fs::metadata(&self.path).map_or(0, |metadata| metadata.len());
        if held > 0 && held.saturating_add(size) > FILE_BYTES {
            self.file = None;
            let mut before = self.path.clone().into_os_string();
            before.push(".1");
            std::fs::rename(&self.path, before)?;
        }
        let written = file::append(&mut self.file, &self.path, text.as_bytes());
        if written.is_err() {
            self.file = None;
        }
        written
    }
}

impl Writer {
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let (queue, path) = (Arc::new(Queue::default()), folder.join(NAME));
        let (theirs, place) = (Arc::clone(&queue), path.clone());
        let thread = std::thread::Builder::new().name("alert-losses".to_owned()).spawn(move || theirs.write(&place));
        Ok(Self { queue, thread: thread.context("start the thread that lists what is dropped")?, path })
    }

    /// Where the sinks list theirs.
    pub(super) fn losses(&self) -> Losses {
        Losses(Some(Arc::clone(&self.queue)))
    }

    /// Writes what waits, by a moment; says what a person should know if anything was `dropped`.
    pub(super) fn finish(self, end: Instant, dropped: bool) -> Option<String> {
        self.queue.lock().close = true;
        self.queue.changed.notify_one();
        while !self.thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        let state = self.queue.lock();
        let unlisted = state.unlisted.saturating_add(u64::try_from(state.lines.len()).unwrap_or(u64::MAX));
        let but = if unlisted > 0 { format!(", but for {unlisted} that found no room") } else { String::new() };
        dropped.then(|| format!("what was dropped is listed in {}{but}", self.path.display()))
    }
}

#[cfg(test)]
impl Losses {
    /// A list that nobody writes.
    pub(super) fn unwritten() -> Self {
        Self(Some(Arc::default()))
    }

    /// What waits to be written.
    pub(super) fn drain(&self) -> Vec<Dropped> {
        let lines = std::mem::take(&mut self.0.as_ref().unwrap().lock().lines);
        lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use tracer_core::alert::sample;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tracer-losses-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn notice(id: &str) -> Notice {
        Notice { id: id.to_owned(), ..Notice::group("host", vec![sample::alert("2026-01-01T00:00:00.000Z")]).remove(0) }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(30)
    }

    fn ids(path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str::<Dropped>(line).unwrap().id.unwrap()).collect()
    }

    #[test]
    fn what_is_dropped_is_in_the_file_in_its_order_and_that_is_said() {
        let folder = folder("order");
        // What a crash left.
        std::fs::write(folder.join(NAME), "").unwrap();
        for round in [["a", "b"], ["c", "d"]] {
            let writer = Writer::start(&folder).unwrap();
            let losses = writer.losses();
            round.iter().for_each(|id| losses.note("pager", Reason::Refused, None, Some(&notice(id))));
            let said = writer.finish(soon(), true).unwrap();
            assert!(said.ends_with("dropped.jsonl"), "{said}");
        }
        assert_eq!(ids(&folder.join(NAME)), ["a", "b", "c", "d"]);
        std::fs::remove_file(folder.join(NAME)).unwrap();
        let writer = Writer::start(&folder).unwrap();
        writer.losses().note("pager", Reason::Refused, None, Some(&notice("e")));
        assert_eq!(writer.finish(soon(), false), None, "nothing to say where nothing was dropped");
        assert_eq!(std::fs::metadata(folder.join(NAME)).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_full_file_is_put_aside_and_the_newest_lines_are_kept() {
        let folder = folder("full");
        let path = folder.join(NAME);
        let mut list = List { path: path.clone(), file: None };
        let line = |number: usize| format!("{number:>1023}");
        let most = usize::try_from(FILE_BYTES).unwrap() / 1024;
        for batch in (0..2 * most + 2).collect::<Vec<_>>().chunks(64) {
            list.append(batch.iter().map(|number| line(*number)).collect()).unwrap();
        }
        let last = std::fs::read_to_string(&path).unwrap().lines().last().unwrap().trim().to_owned();
        assert_eq!(last, (2 * most + 1).to_string());
        let held = |name: &str| std::fs::metadata(folder.join(name)).unwrap().len();
        assert!(held(NAME) <= FILE_BYTES && held("dropped.jsonl.1") <= FILE_BYTES);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_finds_no_room_is_counted_and_that_is_said() {
        let folder = folder("none");
        std::fs::remove_dir_all(&folder).unwrap();
        let writer = Writer::start(&folder).unwrap();
        writer.losses().note("pager", Reason::Refused, None, Some(&notice("a")));
        let said = writer.finish(soon(), true).unwrap();
        assert!(said.contains("but for 1 that found no room"), "{said}");

        let losses = Losses::unwritten();
        (0..WAITING + 3).for_each(|_| losses.note("pager", Reason::Refused, None, Some(&notice("a"))));
        let state = losses.0.as_ref().unwrap().lock();
        assert_eq!((state.lines.len(), state.unlisted), (WAITING, 3));
    }
}
