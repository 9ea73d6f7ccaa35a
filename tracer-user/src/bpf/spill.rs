//! Records that found the ring full and were kept aside.
//!
//! Invariant: a record is taken once, and only when it is whole; one that is still being written is taken by a later
//! look, which does not wait for another record to be kept aside. Memory: as many records as were kept aside since
//! the last drain, at most those that the maps hold.

use anyhow::Result;
use aya::maps::{HashMap, MapData};
use tracer_common::{ExecRecord, FlowRecord};

type Kept<const SIZE: usize> = HashMap<MapData, u64, [u8; SIZE]>;

/// The maps of records kept aside.
#[derive(Debug)]
pub(super) struct Spill {
    sockets: Kept<{ size_of::<FlowRecord>() }>,
    programs: Kept<{ size_of::<ExecRecord>() }>,
    /// How many records had been kept aside at the last look; none when it left one behind.
    seen: Option<u64>,
}

impl Spill {
    pub(super) fn new(sockets: aya::maps::Map, programs: aya::maps::Map) -> Result<Self> {
        Ok(Self { sockets: HashMap::try_from(sockets)?, programs: HashMap::try_from(programs)?, seen: Some(0) })
    }

    /// Takes every record that is whole, if any can be there: `kept_aside` says how many there have been.
    pub(super) fn take(&mut self, kept_aside: u64) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        if self.seen != Some(kept_aside) {
            let sockets = take_from(&mut self.sockets, &mut all);
            let programs = take_from(&mut self.programs, &mut all);
            self.seen = (sockets && programs).then_some(kept_aside);
        }
        all
    }
}

/// Takes the whole records of one map; `false` if one was left that is not.
fn take_from<const SIZE: usize>(kept: &mut Kept<SIZE>, all: &mut Vec<Vec<u8>>) -> bool {
    let keys: Vec<u64> = kept.keys().filter_map(Result::ok).collect();
    let mut every = true;
    for key in keys {
        let Ok(record) = kept.get(&key, 0) else { continue };
        let length = super::iterate::record_length(&record);
        if length == 0 {
            // The program that writes it is not done yet.
            every = false;
        } else if kept.remove(&key).is_ok() {
            all.push(record.get(..length).unwrap_or(&record).to_vec());
        }
    }
    every
}
