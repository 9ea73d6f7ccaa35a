//! Records that found the ring full and were kept aside.
//!
//! Invariant: a record is taken once, and only when it is whole. Memory: as many records as were kept aside since the
//! last drain, at most those that the maps hold.

use anyhow::Result;
use aya::maps::{HashMap, MapData};
use tracer_common::{ExecRecord, FlowRecord};

type Kept<const SIZE: usize> = HashMap<MapData, u64, [u8; SIZE]>;

/// The maps of records kept aside.
#[derive(Debug)]
pub(super) struct Spill {
    sockets: Kept<{ size_of::<FlowRecord>() }>,
    programs: Kept<{ size_of::<ExecRecord>() }>,
}

impl Spill {
    pub(super) fn new(sockets: aya::maps::Map, programs: aya::maps::Map) -> Result<Self> {
        Ok(Self { sockets: HashMap::try_from(sockets)?, programs: HashMap::try_from(programs)? })
    }

    /// Takes every record that is whole.
    pub(super) fn take(&mut self) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        take_from(&mut self.sockets, &mut all);
        take_from(&mut self.programs, &mut all);
        all
    }
}

fn take_from<const SIZE: usize>(kept: &mut Kept<SIZE>, all: &mut Vec<Vec<u8>>) {
    let keys: Vec<u64> = kept.keys().filter_map(Result::ok).collect();
    for key in keys {
        let Ok(record) = kept.get(&key, 0) else { continue };
        let length = super::iterate::record_length(&record);
        // The program that writes it is not done yet.
        if length == 0 {
            continue;
        }
        if kept.remove(&key).is_ok() {
            all.push(record.get(..length).unwrap_or(&record).to_vec());
        }
    }
}
