//! The slots in which the kernel programs count the latencies of busy sockets: read, cleared, given back.
//!
//! Invariant: what a slot holds is told once, together with a record of its socket, and a slot is free again only when it
//! is empty. Memory: a copy of each slot that is in use, at most `LatencySlot::COUNT`.

use anyhow::Result;
use aya::maps::{Array, Map, MapData, Queue};
use std::collections::HashMap;
use tracer_common::{LatencySlot, RecordKind, SocketCause, SocketRecord};
use tracer_core::input::SocketLatencies;
use zerocopy::FromBytes as _;

type Bytes = [u8; size_of::<LatencySlot>()];

/// The slots.
pub(crate) struct Slots {
    slots: Array<MapData, Bytes>,
    free: Queue<MapData, u32>,
    /// By the cookies of the sockets that have one.
    held: HashMap<u64, Held>,
}

/// A slot in use, as it was read last.
#[derive(Debug)]
struct Held {
    number: u16,
    sum: u64,
    counts: Vec<u32>,
}

/// When latencies are told: before the record that they came with, which tells of another owner, or after it.
#[derive(Debug)]
pub(crate) enum Told {
    Nothing,
    Before(SocketLatencies),
    After(SocketLatencies),
}

impl Slots {
    /// The slots, and the queue of those that are given back.
    pub(super) fn new(slots: Map, free: Map) -> Result<Self> {
        Ok(Self { slots: Array::try_from(slots)?, free: Queue::try_from(free)?, held: HashMap::new() })
    }

    /// What the slot of a record's socket holds beyond what was told.
    pub(crate) fn told_with(&mut self, record: &[u8]) -> Result<Told> {
        let kind = record.first_chunk().map(|kind| u16::from_ne_bytes(*kind));
        if !matches!(kind, Some(RecordKind::SOCKET | RecordKind::FLOW)) {
            return Ok(Told::Nothing);
        }
        let Ok((record, _)) = SocketRecord::read_from_prefix(record) else { return Ok(Told::Nothing) };
        if record.slot == 0 && !self.held.contains_key(&record.cookie) {
            return Ok(Told::Nothing);
        }
        let told = self.read(&record)?;
        Ok(match told {
            Some(told) if record.cause == SocketCause::OWNER => Told::Before(told),
            Some(told) => Told::After(told),
            None => Told::Nothing,
        })
    }

    fn read(&mut self, record: &SocketRecord) -> Result<Option<SocketLatencies>> {
        let cookie = record.cookie;
        let last = self.held.get(&cookie).map(|held| held.number);
        // A slot that the socket has left is read for the last time; what its next one holds is told with the next record.
        let number = last.unwrap_or(record.slot);
        let Ok((slot, _)) = LatencySlot::read_from_prefix(&self.slots.get(&u32::from(number), 0)?) else {
            return Ok(None);
        };
        if slot.cookie != cookie {
            return Ok(None);
        }
        let held =
            self.held.entry(cookie).or_insert_with(|| Held { number, sum: 0, counts: vec![0; slot.counts.len()] });
        let told = held.advance(&slot);
        if record.cause == SocketCause::CLOSED || record.slot != number {
            self.held.remove(&cookie);
            self.slots.set(u32::from(number), [0; size_of::<LatencySlot>()], 0)?;
            self.free.push(u32::from(number), 0)?;
        }
        Ok(told)
    }
}

impl Held {
    /// What a slot has grown by.
    fn advance(&mut self, slot: &LatencySlot) -> Option<SocketLatencies> {
        let mut counts = Vec::new();
        for (index, (known, now)) in (LatencySlot::FIRST..).zip(self.counts.iter_mut().zip(slot.counts)) {
            let grown = now.wrapping_sub(std::mem::replace(known, now));
            if let (true, Ok(index)) = (grown > 0, u16::try_from(index)) {
                counts.push((index, grown));
            }
        }
        let sum = slot.sum.wrapping_sub(std::mem::replace(&mut self.sum, slot.sum));
        (!counts.is_empty()).then_some(SocketLatencies { cookie: slot.cookie, sum, counts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_count_is_told_once() {
        let mut slot = LatencySlot { cookie: 7, sum: 5_000, counts: [0; LatencySlot::BUCKETS] };
        let mut held = Held { number: 1, sum: 0, counts: vec![0; LatencySlot::BUCKETS] };
        assert_eq!(held.advance(&slot), None);
        slot.counts[3] = 2;
        slot.counts[2559] = 1;
        let first = u16::try_from(LatencySlot::FIRST).unwrap();
        let told = held.advance(&slot).unwrap();
        assert_eq!((told.cookie, told.counts), (7, vec![(first + 3, 2), (first + 2559, 1)]));
        assert_eq!(held.advance(&slot), None);
        slot.counts[3] = 5;
        slot.sum = 9_000;
        let told = held.advance(&slot).unwrap();
        assert_eq!((told.sum, told.counts), (4_000, vec![(first + 3, 3)]));
    }
}
