//! What a sink has yet to deliver: on disk where it has a spool, else in memory.
//!
//! Invariant: first in, first out. What the disk does not take waits in memory behind it, and is put on disk as soon as
//! that is possible. Memory: [`CAPACITY`] notices; the oldest goes and is counted.

use super::spool::Spool;
use std::collections::VecDeque;
use tracer_core::alert::Notice;

const CAPACITY: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Backlog {
    spool: Option<Spool>,
    /// Behind those of the spool.
    memory: VecDeque<Notice>,
    dropped: u64,
}

impl Backlog {
    pub(super) fn new(spool: Option<Spool>) -> Self {
        Self { spool, ..Self::default() }
    }

    /// Adds a notice; the error says why it is not on disk.
    pub(super) fn push(&mut self, notice: Notice) -> anyhow::Result<()> {
        if self.memory.len() >= CAPACITY {
            self.memory.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
        self.memory.push_back(notice);
        self.save()
    }

    /// Puts what waits in memory on disk.
    pub(super) fn save(&mut self) -> anyhow::Result<()> {
        let Some(spool) = &mut self.spool else { return Ok(()) };
        while let Some(notice) = self.memory.front() {
            spool.push(notice)?;
            self.memory.pop_front();
        }
        Ok(())
    }

    /// The oldest.
    pub(super) fn front(&mut self) -> Option<Notice> {
        self.spool.as_mut().and_then(Spool::front).or_else(|| self.memory.front().cloned())
    }

    /// Removes the oldest.
    pub(super) fn pop(&mut self) {
        match self.spool.as_mut().filter(|spool| spool.len() > 0) {
            Some(spool) => spool.pop(),
            None => drop(self.memory.pop_front()),
        }
    }

    /// How many would be lost at the end, and how many are on disk.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.memory.len(), self.spool.as_ref().map_or(0, Spool::len))
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.saturating_add(self.spool.as_ref().map_or(0, |spool| spool.dropped))
    }

    pub(super) fn broken(&self) -> u64 {
        self.spool.as_ref().map_or(0, |spool| spool.broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::alerts::spool::Caps;
    use tracer_core::alert::sample;

    fn notice(id: &str) -> Notice {
        let alert = sample::alert("2026-01-01T00:00:00.000Z");
        Notice { id: id.to_owned(), ..Notice::group("host", vec![alert]).remove(0) }
    }

    #[test]
    fn what_the_disk_does_not_take_waits_behind_it_and_no_order_is_lost() {
        let folder = std::env::temp_dir().join(format!("tracer-backlog-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        let spool = Spool::open(&folder, Caps { entries: 100, bytes: 1 << 20 }).unwrap();
        let mut backlog = Backlog::new(Some(spool));
        backlog.push(notice("a")).unwrap();
        let aside = folder.with_extension("aside");
        std::fs::rename(&folder, &aside).unwrap();
        assert!(backlog.push(notice("b")).is_err());
        assert!(backlog.push(notice("c")).is_err());
        assert_eq!(backlog.waiting(), (2, 1));
        std::fs::rename(&aside, &folder).unwrap();
        backlog.push(notice("d")).unwrap();
        assert_eq!(backlog.waiting(), (0, 4));
        for id in ["a", "b", "c", "d"] {
            assert_eq!(backlog.front().unwrap().id, id);
            backlog.pop();
        }
        assert!(backlog.front().is_none());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn without_a_spool_the_oldest_goes_when_there_are_too_many_and_is_counted() {
        let mut backlog = Backlog::new(None);
        for number in 0..=CAPACITY {
            backlog.push(notice(&number.to_string())).unwrap();
        }
        assert_eq!(
            (backlog.front().unwrap().id.as_str(), backlog.dropped(), backlog.waiting()),
            ("1", 1, (CAPACITY, 0))
        );
    }
}
