//! What MongoDB calls its errors, and which of them say that a caller asked for what cannot be (its `error_codes.yml`).
//!
//! Invariant: the codes are in order, each once; what is not in the table is the service's error. Memory: one table.

use crate::protocol::{Fault, Outcome, Status};

/// Bytes of a name that a status is taken from; the longest is `TransactionExceededLifetimeLimitSeconds`.
const NAME_BYTES: usize = 64;

/// Codes that are told without their name where one of several writes fails, and whether they are the caller's.
const CODES: &[(i32, &str, bool)] = &[
    (2, "BadValue", true),
    (4, "NoSuchKey", true),
    (9, "FailedToParse", true),
    (11, "UserNotFound", true),
    (13, "Unauthorized", true),
    (14, "TypeMismatch", true),
    (15, "Overflow", true),
    (16, "InvalidLength", true),
    (17, "ProtocolError", true),
    (18, "AuthenticationFailed", true),
    (20, "IllegalOperation", true),
    (22, "InvalidBSON", true),
    (26, "NamespaceNotFound", true),
    (27, "IndexNotFound", true),
    (28, "PathNotViable", true),
    (31, "RoleNotFound", true),
    (34, "CannotBackfillArray", true),
    (40, "ConflictingUpdateOperators", true),
    (43, "CursorNotFound", true),
    (47, "NoMatchingDocument", true),
    (48, "NamespaceExists", true),
    (50, "MaxTimeMSExpired", false),
    (52, "DollarPrefixedFieldName", true),
    (53, "InvalidIdField", true),
    (54, "NotSingleValueField", true),
    (55, "InvalidDBRef", true),
    (56, "EmptyFieldName", true),
    (57, "DottedFieldName", true),
    (59, "CommandNotFound", true),
    (61, "ShardKeyNotFound", true),
    (64, "WriteConcernTimeout", false),
    (66, "ImmutableField", true),
    (67, "CannotCreateIndex", true),
    (68, "IndexAlreadyExists", true),
    (72, "InvalidOptions", true),
    (73, "InvalidNamespace", true),
    (79, "UnknownReplWriteConcern", true),
    (85, "IndexOptionsConflict", true),
    (86, "IndexKeySpecsConflict", true),
    (91, "ShutdownInProgress", false),
    (100, "UnsatisfiableWriteConcern", true),
    (112, "WriteConflict", true),
    (115, "CommandNotSupported", true),
    (121, "DocumentValidationFailure", true),
    (166, "CommandNotSupportedOnView", true),
    (167, "OptionNotSupportedOnView", true),
    (197, "InvalidIndexSpecificationOption", true),
    (225, "TransactionTooOld", true),
    (251, "NoSuchTransaction", true),
    (256, "TransactionCommitted", true),
    (263, "OperationNotSupportedInTransaction", true),
    (352, "UnsupportedOpQueryCommand", true),
    (10_107, "NotWritablePrimary", false),
    (10_334, "BSONObjectTooLarge", true),
    (11_000, "DuplicateKey", true),
    (11_001, "DuplicateKey", true),
    (11_600, "InterruptedAtShutdown", false),
    (11_601, "Interrupted", false),
    (11_602, "InterruptedDueToReplStateChange", false),
    (13_435, "NotPrimaryNoSecondaryOk", false),
    (13_436, "NotPrimaryOrSecondary", false),
];

/// What failed: with its code and its name, as far as they were told.
pub(super) fn failure(code: Option<i32>, name: Option<&[u8]>) -> Outcome {
    let known = code.and_then(|code| CODES.iter().find(|(known, ..)| *known == code));
    let name = name.filter(|name| is_name(name)).and_then(|name| std::str::from_utf8(name).ok());
    let name = name.or(known.map(|(_, name, _)| *name));
    // What has only a number for a name is a check of what was asked.
    let is_callers = known.map_or(name.is_some_and(|name| name.starts_with("Location")), |(.., callers)| *callers);
    let status = match (name, code) {
        (Some(name), _) => Status::new(name),
        (None, Some(code)) => Status::new(&code.to_string()),
        (None, None) => Status::new("ERROR"),
    };
    Outcome { status, fault: (!is_callers).then_some(Fault::Service) }
}

fn is_name(name: &[u8]) -> bool {
    (1..=NAME_BYTES).contains(&name.len()) && name.iter().all(u8::is_ascii_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_stands_once_and_in_order() {
        assert!(CODES.windows(2).all(|pair| matches!(pair, [(first, ..), (second, ..)] if first < second)));
    }

    #[test]
    fn what_a_caller_did_wrong_is_a_status_and_anything_else_is_an_error() {
        assert_eq!(failure(Some(11_000), None), Outcome::success("DuplicateKey"));
        assert_eq!(failure(Some(13), Some(b"Unauthorized")), Outcome::success("Unauthorized"));
        assert_eq!(failure(Some(40_324), Some(b"Location40324")), Outcome::success("Location40324"));
        for (code, name) in [(10_107, "NotWritablePrimary"), (50, "MaxTimeMSExpired"), (1, "InternalError")] {
            assert_eq!(failure(Some(code), Some(name.as_bytes())), Outcome::failure(name, Fault::Service));
        }
        assert_eq!(failure(Some(99_999), None), Outcome::failure("99999", Fault::Service));
        assert_eq!(failure(None, None), Outcome::failure("ERROR", Fault::Service));
    }

    #[test]
    fn a_name_that_is_no_name_is_not_shown() {
        assert_eq!(failure(Some(18), Some(b"user 'anna'")).status.as_str(), "AuthenticationFailed");
    }
}
