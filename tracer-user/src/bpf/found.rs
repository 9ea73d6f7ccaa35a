//! What a look at all sockets has found, until what happened before it was told.
//!
//! Invariant: records come out by the time at which they were written, those of one time in the order in which they came.
//! Memory: two blocks for all of them, given back with the look: each record's bytes, and 24 more.

use tracer_common::Header;
use zerocopy::FromBytes as _;

/// Records of one look.
#[derive(Debug, Default)]
pub(crate) struct Found {
    bytes: Vec<u8>,
    /// When each was written, and where it begins and ends.
    places: Vec<(u64, usize, usize)>,
}

impl Found {
    pub(crate) fn add(&mut self, record: &[u8]) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(record);
        self.places.push((moment(record), begin, self.bytes.len()));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Each record with the time at which it was written, the oldest first.
    pub(super) fn in_order(&mut self) -> impl Iterator<Item = (u64, &[u8])> {
        self.places.sort_unstable();
        self.places.iter().filter_map(|(at, begin, end)| Some((*at, self.bytes.get(*begin..*end)?)))
    }
}

/// When a record was written.
pub(super) fn moment(record: &[u8]) -> u64 {
    Header::read_from_prefix(record).map_or(0, |(header, _)| header.at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use zerocopy::{FromZeros as _, IntoBytes as _};

    #[test]
    fn records_come_out_by_time_and_those_of_one_time_as_they_came() {
        let mut found = Found::default();
        for (at, mark) in [(5, 1), (3, 2), (5, 3), (4, 4)] {
            let mut header = Header::new_zeroed();
            header.at = at;
            found.add(&[header.as_bytes(), &[mark]].concat());
        }
        let order: Vec<(u64, u8)> = found.in_order().map(|(at, record)| (at, *record.last().unwrap())).collect();
        assert_eq!(order, [(3, 2), (4, 4), (5, 1), (5, 3)]);
    }
}
