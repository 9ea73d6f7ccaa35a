//! Short names for long things, the same in every run: of alerts, and of what is sent about them.
//!
//! FNV-1a, 64 bits (draft-eastlake-fnv): for telling apart, not against forgery. Invariant: equal input, equal digits;
//! parts are divided by a byte that UTF-8 never holds. Memory: none.

use crate::baseline::CallKey;

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

/// 16 hexadecimal digits for the parts.
pub(super) fn of<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let hash = parts
        .into_iter()
        .flat_map(|part| part.bytes().chain([0xff]))
        .fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    format!("{hash:016x}")
}

/// That of the alert of a kind on a call.
pub(super) fn of_alert(kind: &str, call: &CallKey) -> String {
    of([kind, &call.from, &call.to, &call.port.to_string(), &call.transport])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_only_join_to_the_same_text_differ() {
        assert_eq!(of(["a"]), of(["a"]));
        assert_ne!(of(["ab", "c"]), of(["a", "bc"]));
        assert_eq!(of([]), "cbf29ce484222325");
    }
}
