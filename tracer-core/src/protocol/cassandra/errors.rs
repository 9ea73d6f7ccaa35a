//! What Cassandra calls its errors, and which of them say that a caller asked for what cannot be (native protocol v5 §8).
//!
//! Invariant: the codes are in order, each once; what is not in the table is the service's error. Memory: one table.

use crate::protocol::{Fault, Outcome};

/// Codes, their names, and whether they are the caller's.
const CODES: &[(u32, &str, bool)] = &[
    (0x0000, "ServerError", false),
    (0x000a, "ProtocolError", true),
    (0x0100, "BadCredentials", true),
    (0x1000, "Unavailable", false),
    (0x1001, "Overloaded", false),
    (0x1002, "IsBootstrapping", false),
    (0x1003, "TruncateError", false),
    (0x1100, "WriteTimeout", false),
    (0x1200, "ReadTimeout", false),
    (0x1300, "ReadFailure", false),
    (0x1400, "FunctionFailure", false),
    (0x1500, "WriteFailure", false),
    (0x1600, "CdcWriteFailure", false),
    (0x1700, "CasWriteUnknown", false),
    (0x2000, "SyntaxError", true),
    (0x2100, "Unauthorized", true),
    (0x2200, "Invalid", true),
    (0x2300, "ConfigError", true),
    (0x2400, "AlreadyExists", true),
    (0x2500, "Unprepared", true),
];

/// What failed, by its code.
pub(super) fn failure(code: u32) -> Outcome {
    match CODES.iter().find(|(known, ..)| *known == code) {
        Some((_, name, true)) => Outcome::success(*name),
        Some((_, name, false)) => Outcome::failure(*name, Fault::Service),
        None => Outcome::failure(format!("{code:#06x}").as_str(), Fault::Service),
    }
}

pub(super) fn is_known(code: u32) -> bool {
    CODES.iter().any(|(known, ..)| *known == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_once_and_in_order() {
        assert!(CODES.windows(2).all(|pair| matches!(pair, [(first, ..), (second, ..)] if first < second)));
    }

    #[test]
    fn what_a_caller_did_wrong_is_a_status_and_what_the_nodes_cannot_do_is_an_error() {
        for (code, name) in [(0x2000, "SyntaxError"), (0x2500, "Unprepared"), (0x2100, "Unauthorized")] {
            assert_eq!(failure(code), Outcome::success(name));
        }
        for (code, name) in [(0, "ServerError"), (0x1001, "Overloaded"), (0x1100, "WriteTimeout"), (0x4321, "0x4321")] {
            assert_eq!(failure(code), Outcome::failure(name, Fault::Service));
        }
    }
}
