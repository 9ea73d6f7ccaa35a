//! Notices on disk that a sink has not delivered yet, in the order in which they came.
//!
//! One file for each, named by a number that grows. Invariant: a file is written beside its name and renamed, so what has
//! a name is whole; what is not whole all the same (a disk that lied) is counted and passed over. The oldest goes when
//! there are too many, and is counted; both are listed. Memory: a number and a size for each; on disk at most the caps, and the
//! one that is being delivered.

use super::losses::Losses;
use crate::files;
use anyhow::{Context as _, Result};
use std::collections::VecDeque;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use tracer_core::alert::{Notice, Reason};

/// What a spool may hold.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caps {
    pub(super) entries: usize,
    pub(super) bytes: u64,
}

#[derive(Debug)]
pub(super) struct Spool {
    folder: PathBuf,
    caps: Caps,
    entries: VecDeque<Entry>,
    bytes: u64,
    next: u64,
    /// Dropped because there were too many.
    pub(super) dropped: u64,
    /// Not whole.
    pub(super) broken: u64,
    /// Of the sink, for the list of what is dropped.
    name: String,
    pub(super) losses: Losses,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    number: u64,
    bytes: u64,
}

impl Spool {
    /// Opens the spool in a folder, which is made if it is not there. Notices hold command lines, so only its owner may
    /// look into it.
    pub(super) fn open(folder: &Path, caps: Caps, name: &str, losses: Losses) -> Result<Self> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.with_context(|| format!("make the spool {}", folder.display()))?;
        let mut entries = Vec::new();
        let read = std::fs::read_dir(folder).with_context(|| format!("read the spool {}", folder.display()))?;
        for file in read {
            let file = file.with_context(|| format!("read the spool {}", folder.display()))?;
            let name = file.file_name();
            let Some(name) = name.to_str() else { continue };
            if name.starts_with('.') && name.contains(".json.") {
                // Begun by a tracer that did not come to its end.
                let _ = std::fs::remove_file(file.path());
            }
            let number = name.strip_suffix(".json").filter(|digits| digits.len() == 20);
            let Some(number) = number.and_then(|digits| digits.parse().ok()) else { continue };
            entries.push(Entry { number, bytes: file.metadata().map_or(0, |metadata| metadata.len()) });
        }
        entries.sort_by_key(|entry| entry.number);
        let next = entries.last().map_or(0, |entry| entry.number.saturating_add(1));
        let bytes = entries.iter().map(|entry| entry.bytes).sum();
        let (folder, name, entries) = (folder.to_owned(), name.to_owned(), entries.into());
        let mut spool = Self { folder, caps, entries, bytes, next, dropped: 0, broken: 0, name, losses };
        spool.make_room(0, 0, 0);
        Ok(spool)
    }

    /// Adds a notice at the end; the first `kept` are not dropped for it, nor counted against the caps.
    pub(super) fn push(&mut self, notice: &Notice, kept: usize) -> Result<()> {
        let text = serde_json::to_vec(notice).context("write a notice as JSON")?;
        let entry = Entry { number: self.next, bytes: u64::try_from(text.len()).unwrap_or(u64::MAX) };
        self.make_room(1, entry.bytes, kept);
        files::write_whole(&self.path(entry), &text)?;
        self.next = self.next.saturating_add(1);
        self.bytes = self.bytes.saturating_add(entry.bytes);
        self.entries.push_back(entry);
        Ok(())
    }

    /// The oldest notice.
    pub(super) fn front(&mut self) -> Option<Notice> {
        loop {
            let entry = *self.entries.front()?;
            let path = self.path(entry);
            let notice = read(&path);
            if notice.is_some() {
                return notice;
            }
            self.broken = self.broken.saturating_add(1);
            self.losses.note(&self.name, Reason::Broken, path.to_str(), None);
            self.pop();
        }
    }

    /// Removes the oldest.
    pub(super) fn pop(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            // One that cannot be removed is delivered again after a restart; its id tells.
            let _ = std::fs::remove_file(self.path(entry));
        }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Makes room for `more` notices of so many bytes together.
    fn make_room(&mut self, more: usize, bytes: u64, kept: usize) {
        let spared: u64 = self.entries.iter().take(kept).map(|entry| entry.bytes).sum();
        while self.entries.len() > kept
            && (self.entries.len().saturating_add(more) > self.caps.entries.saturating_add(kept)
                || self.bytes.saturating_sub(spared).saturating_add(bytes) > self.caps.bytes)
        {
            let Some(entry) = self.entries.remove(kept) else { return };
            let path = self.path(entry);
            self.bytes = self.bytes.saturating_sub(entry.bytes);
            self.dropped = self.dropped.saturating_add(1);
            self.losses.note(&self.name, Reason::BacklogFull, path.to_str(), read(&path).as_ref());
            let _ = std::fs::remove_file(path);
        }
    }

    fn path(&self, entry: Entry) -> PathBuf {
        self.folder.join(format!("{:020}.json", entry.number))
    }
}

/// The notice in a file, if that is whole.
fn read(path: &Path) -> Option<Notice> {
    files::read_whole(path).ok().and_then(|text| serde_json::from_slice(&text).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracer_core::alert::sample;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("tracer-spool-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        folder
    }

    fn notice(id: &str) -> Notice {
        let alert = sample::alert("2026-01-01T00:00:00.000Z");
        Notice { id: id.to_owned(), ..Notice::group("host", vec![alert]).remove(0) }
    }

    fn drain(spool: &mut Spool) -> Vec<String> {
        std::iter::from_fn(|| {
            let id = spool.front()?.id;
            spool.pop();
            Some(id)
        })
        .collect()
    }

    fn open(folder: &Path, caps: Caps) -> Spool {
        Spool::open(folder, caps, "pager", Losses::unwritten()).unwrap()
    }

    const WIDE: Caps = Caps { entries: 100, bytes: 1 << 20 };

    #[test]
    fn what_was_not_delivered_is_there_again_after_a_restart_in_its_order() {
        let folder = folder("order");
        let mut spool = open(&folder, WIDE);
        ["a", "b", "c"].iter().for_each(|id| spool.push(&notice(id), 0).unwrap());
        spool.pop();
        let mut again = open(&folder, WIDE);
        again.push(&notice("d"), 0).unwrap();
        assert_eq!(drain(&mut again), ["b", "c", "d"]);
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_full_spool_drops_the_oldest_and_counts_it_by_number_and_by_size() {
        let folder = folder("full");
        let mut spool = open(&folder, Caps { entries: 2, ..WIDE });
        ["a", "b", "c"].iter().for_each(|id| spool.push(&notice(id), 0).unwrap());
        let listed = spool.losses.drain();
        assert_eq!((listed[0].id.as_deref(), listed[0].reason, listed.len()), (Some("a"), Reason::BacklogFull, 1));
        let mut again = open(&folder, Caps { entries: 2, ..WIDE });
        assert_eq!((spool.dropped, again.dropped), (1, 0), "what is full is not too full");
        assert_eq!(drain(&mut again), ["b", "c"]);
        let one = serde_json::to_vec(&notice("a")).unwrap().len() as u64;
        let mut spool = open(&folder, Caps { bytes: one + 1, ..WIDE });
        ["a", "b"].iter().for_each(|id| spool.push(&notice(id), 0).unwrap());
        assert_eq!((spool.dropped, drain(&mut spool)), (1, vec!["b".to_owned()]));
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_cut_off_at_any_byte_is_passed_over_and_counted_and_the_others_are_delivered() {
        let folder = folder("cut");
        let whole = serde_json::to_vec(&notice("a")).unwrap();
        for cut in 0..whole.len() {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(format!("{:020}.json", 0)), &whole[..cut]).unwrap();
            std::fs::write(folder.join(format!("{:020}.json", 1)), serde_json::to_vec(&notice("b")).unwrap()).unwrap();
            let mut again = open(&folder, WIDE);
            assert_eq!((drain(&mut again), again.broken), (vec!["b".to_owned()], 1), "at {cut}");
            let listed = again.losses.drain().remove(0);
            assert_eq!((listed.id, listed.reason), (None, Reason::Broken));
            assert!(listed.detail.unwrap().ends_with("00000.json"), "the file is named");
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn only_its_owner_may_look_into_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = folder("private");
        open(&folder, WIDE);
        assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
