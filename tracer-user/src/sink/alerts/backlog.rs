//! What a sink has yet to deliver: on disk where it has a spool, else in memory.
//!
//! Invariant: first in, first out. What the disk does not take waits in memory behind it, and is put on disk as soon as
//! that is possible. What is being delivered is not dropped meanwhile: it would be counted twice. Memory: [`CAPACITY`] notices
//! and the one under way; the oldest goes, is counted and listed.

use super::losses::Losses;
use super::spool::Spool;
use std::collections::VecDeque;
use tracer_core::alert::{Notice, Reason};

pub(super) const CAPACITY: usize = 4_096;

/// What a backlog holds, and what it has dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Holds {
    /// Would be lost at the end.
    pub(super) in_memory: u64,
    pub(super) on_disk: u64,
    /// Dropped because there were too many.
    pub(super) overflowed: u64,
    /// Not whole on disk.
    pub(super) broken: u64,
}

#[derive(Debug)]
pub(super) struct Backlog {
    /// Of the sink, for the list of what is dropped.
    name: String,
    losses: Losses,
    capacity: usize,
    spool: Option<Spool>,
    /// Behind those of the spool.
    memory: VecDeque<Notice>,
    /// Dropped from memory.
    dropped: u64,
    /// The oldest is being delivered.
    under_way: bool,
}

impl Backlog {
    pub(super) fn new(name: &str, losses: Losses, capacity: usize, spool: Option<Spool>) -> Self {
        let name = name.to_owned();
        Self { name, losses, capacity, spool, memory: VecDeque::new(), dropped: 0, under_way: false }
    }

    /// Adds a notice; the error says why it is not on disk.
    pub(super) fn push(&mut self, notice: Notice) -> anyhow::Result<()> {
        self.memory.push_back(notice);
        let saved = self.save();
        let first = usize::from(self.under_way && self.spooled() == 0);
        if self.memory.len() > self.capacity + first
            && let Some(dropped) = self.memory.remove(first)
        {
            self.dropped = self.dropped.saturating_add(1);
            self.losses.note(&self.name, Reason::BacklogFull, None, Some(&dropped));
        }
        saved
    }

    /// Puts what waits in memory on disk.
    pub(super) fn save(&mut self) -> anyhow::Result<()> {
        let Some(spool) = &mut self.spool else { return Ok(()) };
        while let Some(notice) = self.memory.front() {
            let kept = usize::from(self.under_way && spool.len() > 0);
            spool.push(notice, kept)?;
            self.memory.pop_front();
        }
        Ok(())
    }

    /// The oldest, to be delivered: it stays until it is removed.
    pub(super) fn begin(&mut self) -> Option<Notice> {
        let notice = self.spool.as_mut().and_then(Spool::front).or_else(|| self.memory.front().cloned());
        self.under_way = notice.is_some();
        notice
    }

    /// It was not delivered, and waits as the others do.
    pub(super) fn put_back(&mut self) {
        self.under_way = false;
    }

    /// It waits no more.
    pub(super) fn remove(&mut self) {
        self.under_way = false;
        match self.spool.as_mut().filter(|spool| spool.len() > 0) {
            Some(spool) => spool.pop(),
            None => drop(self.memory.pop_front()),
        }
    }

    /// Gives up what is in memory alone.
    pub(super) fn leave(&mut self) -> VecDeque<Notice> {
        std::mem::take(&mut self.memory)
    }

    pub(super) fn holds(&self) -> Holds {
        let wide = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let (dropped, broken) = self.spool.as_ref().map_or((0, 0), |spool| (spool.dropped, spool.broken));
        Holds {
            in_memory: wide(self.memory.len()),
            on_disk: wide(self.spooled()),
            overflowed: self.dropped.saturating_add(dropped),
            broken,
        }
    }

    fn spooled(&self) -> usize {
        self.spool.as_ref().map_or(0, Spool::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::alerts::spool::Caps;
    use tracer_core::alert::sample;

    fn backlog(capacity: usize, spool: Option<Spool>) -> Backlog {
        let losses = spool.as_ref().map_or_else(Losses::unwritten, |spool| spool.losses.clone());
        Backlog::new("pager", losses, capacity, spool)
    }

    fn spool(folder: &std::path::Path, entries: usize) -> Spool {
        Spool::open(folder, Caps { entries, bytes: 1 << 20 }, "pager", Losses::unwritten()).unwrap()
    }

    /// In memory and on disk.
    fn waiting(backlog: &Backlog) -> (u64, u64) {
        (backlog.holds().in_memory, backlog.holds().on_disk)
    }

    fn notice(id: &str) -> Notice {
        let alert = sample::alert("2026-01-01T00:00:00.000Z");
        Notice { id: id.to_owned(), ..Notice::group("host", vec![alert]).remove(0) }
    }

    #[test]
    fn what_the_disk_does_not_take_waits_behind_it_and_no_order_is_lost() {
        let folder = std::env::temp_dir().join(format!("tracer-backlog-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let mut backlog = backlog(CAPACITY, Some(spool(&folder, 100)));
        backlog.push(notice("a")).unwrap();
        let aside = folder.with_extension("aside");
        std::fs::rename(&folder, &aside).unwrap();
        assert!(backlog.push(notice("b")).is_err());
        assert!(backlog.push(notice("c")).is_err());
        assert_eq!(waiting(&backlog), (2, 1));
        std::fs::rename(&aside, &folder).unwrap();
        backlog.push(notice("d")).unwrap();
        assert_eq!(waiting(&backlog), (0, 4));
        for id in ["a", "b", "c", "d"] {
            assert_eq!(backlog.begin().unwrap().id, id);
            backlog.remove();
        }
        assert!(backlog.begin().is_none());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn without_a_spool_the_oldest_goes_when_there_are_too_many_and_is_counted_and_listed() {
        let mut backlog = backlog(CAPACITY, None);
        for number in 0..=CAPACITY {
            backlog.push(notice(&number.to_string())).unwrap();
        }
        let full = u64::try_from(CAPACITY).unwrap();
        assert_eq!(backlog.begin().unwrap().id, "1");
        assert_eq!(backlog.holds(), Holds { in_memory: full, overflowed: 1, ..Holds::default() });
        let listed = backlog.losses.drain();
        assert_eq!((listed[0].id.as_deref(), listed[0].reason, listed.len()), (Some("0"), Reason::BacklogFull, 1));
    }

    #[test]
    fn what_is_being_delivered_stays_while_others_are_dropped_and_is_the_one_that_is_removed() {
        for on_disk in [false, true] {
            let folder = std::env::temp_dir().join(format!("tracer-under-way-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&folder);
            let mut backlog = backlog(2, on_disk.then(|| spool(&folder, 2)));
            backlog.push(notice("a")).unwrap();
            assert_eq!(backlog.begin().unwrap().id, "a");
            ["b", "c", "d"].iter().for_each(|id| backlog.push(notice(id)).unwrap());
            let dropped: Vec<_> = backlog.losses.drain().into_iter().map(|dropped| dropped.id.unwrap()).collect();
            assert_eq!(dropped, ["b"], "on disk: {on_disk}");
            backlog.remove();
            assert_eq!(backlog.begin().unwrap().id, "c");
            backlog.put_back();
            ["e", "f"].iter().for_each(|id| backlog.push(notice(id)).unwrap());
            assert_eq!(backlog.begin().unwrap().id, "e", "what waits again is dropped as the others are");
            let _ = std::fs::remove_dir_all(&folder);
        }
    }
}
