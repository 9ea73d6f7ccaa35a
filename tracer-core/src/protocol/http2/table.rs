//! The tables of HPACK (RFC 7541 §2.3, appendix A): fields by their number.
//!
//! Of fields that say nothing here only the size is kept. Invariant: a number that is not known, because its entry was
//! sent before anybody looked or has been forgotten, is an unknown field, and no other. Memory: [`TABLE_BYTES`] as the
//! specification counts them, so at most that many / 32 entries.

use std::collections::VecDeque;

use compact_str::CompactString;

/// Bytes of a table as the specification counts them; of a larger one the oldest entries are forgotten too early.
const TABLE_BYTES: u64 = 64 << 10;
/// The same, until an encoder says otherwise (RFC 9113 §6.5.2).
const USUAL_BYTES: u64 = 4_096;
/// What an entry counts besides its name and value (RFC 7541 §4.1).
const ENTRY_BYTES: u64 = 32;
/// Entries of the static table.
const STATIC: u64 = 61;
/// No table that anybody agrees on has so many entries.
const INDICES: u64 = 1 << 20;

/// The name of a field, as far as it says something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    Authority,
    Method,
    Path,
    Scheme,
    Status,
    ContentType,
    GrpcStatus,
    /// It is known, and says nothing here.
    Other,
    Unknown,
}

/// A field; it has a value only if its name says something here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: Name,
    pub(super) value: CompactString,
}

impl Name {
    pub(super) fn of(bytes: &[u8]) -> Self {
        match bytes {
            b":authority" => Self::Authority,
            b":method" => Self::Method,
            b":path" => Self::Path,
            b":scheme" => Self::Scheme,
            b":status" => Self::Status,
            b"content-type" => Self::ContentType,
            b"grpc-status" => Self::GrpcStatus,
            _ => Self::Other,
        }
    }

    /// Whether the value says something too.
    pub(super) fn has_value(self) -> bool {
        !matches!(self, Self::Scheme | Self::Other | Self::Unknown)
    }
}

impl Field {
    fn new(name: Name, value: &'static str) -> Self {
        Self { name, value: CompactString::const_new(value) }
    }

    /// The entry of the static table.
    fn of_static(index: u64) -> Self {
        match index {
            1 => Self::new(Name::Authority, ""),
            2 => Self::new(Name::Method, "GET"),
            3 => Self::new(Name::Method, "POST"),
            4 => Self::new(Name::Path, "/"),
            5 => Self::new(Name::Path, "/index.html"),
            6 | 7 => Self::new(Name::Scheme, ""),
            8 => Self::new(Name::Status, "200"),
            9 => Self::new(Name::Status, "204"),
            10 => Self::new(Name::Status, "206"),
            11 => Self::new(Name::Status, "304"),
            12 => Self::new(Name::Status, "400"),
            13 => Self::new(Name::Status, "404"),
            14 => Self::new(Name::Status, "500"),
            31 => Self::new(Name::ContentType, ""),
            _ => Self::new(Name::Other, ""),
        }
    }
}

/// What one side has sent to be referred to.
#[derive(Debug)]
pub(super) struct Table {
    /// The newest first.
    entries: VecDeque<Entry>,
    bytes: u64,
    most: u64,
}

#[derive(Debug)]
struct Entry {
    field: Field,
    bytes: u64,
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: VecDeque::new(), bytes: 0, most: USUAL_BYTES }
    }
}

impl Table {
    pub(super) fn get(&self, index: u64) -> Result<Field, &'static str> {
        match index {
            0 => Err("a field has the number zero"),
            1..=STATIC => Ok(Field::of_static(index)),
            INDICES.. => Err("a field has an impossible number"),
            _ => {
                let entry = usize::try_from(index - STATIC - 1).ok().and_then(|place| self.entries.get(place));
                Ok(entry.map_or_else(|| Field::new(Name::Unknown, ""), |entry| entry.field.clone()))
            }
        }
    }

    /// Adds a field of so many bytes. Where too few are counted, an entry stays that nobody refers to any more.
    pub(super) fn add(&mut self, field: Field, bytes: u64) {
        let bytes = bytes.saturating_add(ENTRY_BYTES);
        self.bytes = self.bytes.saturating_add(bytes);
        self.entries.push_front(Entry { field, bytes });
        self.shrink();
    }

    /// The encoder uses so many bytes. What it was allowed to use, in SETTINGS, does not matter: it says this itself.
    pub(super) fn resize(&mut self, bytes: u64) {
        self.most = bytes.min(TABLE_BYTES);
        self.shrink();
    }

    fn shrink(&mut self) {
        while self.bytes > self.most
            && let Some(entry) = self.entries.pop_back()
        {
            self.bytes = self.bytes.saturating_sub(entry.bytes);
        }
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> (usize, u64) {
        (self.entries.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_go_when_there_is_no_room_and_a_number_beyond_the_last_is_unknown() {
        let mut table = Table::default();
        let status = |text: &'static str| Field::new(Name::Status, text);
        table.resize(100);
        for text in ["201", "202", "203"] {
            table.add(status(text), 10);
        }
        assert_eq!(table.sizes(), (2, 84));
        assert_eq!(table.get(62), Ok(status("203")));
        assert_eq!(table.get(63), Ok(status("202")));
        assert_eq!(table.get(64), Ok(Field::new(Name::Unknown, "")));
        assert!(table.get(0).is_err() && table.get(INDICES).is_err());
        table.add(status("204"), 101);
        assert_eq!(table.sizes(), (0, 0), "an entry that is larger than the table empties it");
    }

    #[test]
    fn no_table_is_larger_than_is_bounded_whatever_its_encoder_says() {
        let mut table = Table::default();
        table.resize(u64::MAX);
        for _ in 0..10_000 {
            table.add(Field::new(Name::Other, ""), 0);
        }
        assert_eq!(table.sizes(), (2_048, TABLE_BYTES));
    }
}
