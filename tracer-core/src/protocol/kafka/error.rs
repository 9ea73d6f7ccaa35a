//! Error codes: their names, and which of them say that the service failed (the Kafka protocol guide, "Error Codes").
//!
//! Invariant: a code without a name is told by its number. Memory: static tables.

use crate::protocol::{Fault, Outcome, Status};

/// What is not known to the broker itself.
const UNKNOWN: i16 = -1;

/// Names by code, from 1 on.
const NAMES: [&str; 127] = [
    "OFFSET_OUT_OF_RANGE",
    "CORRUPT_MESSAGE",
    "UNKNOWN_TOPIC_OR_PARTITION",
    "INVALID_FETCH_SIZE",
    "LEADER_NOT_AVAILABLE",
    "NOT_LEADER_OR_FOLLOWER",
    "REQUEST_TIMED_OUT",
    "BROKER_NOT_AVAILABLE",
    "REPLICA_NOT_AVAILABLE",
    "MESSAGE_TOO_LARGE",
    "STALE_CONTROLLER_EPOCH",
    "OFFSET_METADATA_TOO_LARGE",
    "NETWORK_EXCEPTION",
    "COORDINATOR_LOAD_IN_PROGRESS",
    "COORDINATOR_NOT_AVAILABLE",
    "NOT_COORDINATOR",
    "INVALID_TOPIC_EXCEPTION",
    "RECORD_LIST_TOO_LARGE",
    "NOT_ENOUGH_REPLICAS",
    "NOT_ENOUGH_REPLICAS_AFTER_APPEND",
    "INVALID_REQUIRED_ACKS",
    "ILLEGAL_GENERATION",
    "INCONSISTENT_GROUP_PROTOCOL",
    "INVALID_GROUP_ID",
    "UNKNOWN_MEMBER_ID",
    "INVALID_SESSION_TIMEOUT",
    "REBALANCE_IN_PROGRESS",
    "INVALID_COMMIT_OFFSET_SIZE",
    "TOPIC_AUTHORIZATION_FAILED",
    "GROUP_AUTHORIZATION_FAILED",
    "CLUSTER_AUTHORIZATION_FAILED",
    "INVALID_TIMESTAMP",
    "UNSUPPORTED_SASL_MECHANISM",
    "ILLEGAL_SASL_STATE",
    "UNSUPPORTED_VERSION",
    "TOPIC_ALREADY_EXISTS",
    "INVALID_PARTITIONS",
    "INVALID_REPLICATION_FACTOR",
    "INVALID_REPLICA_ASSIGNMENT",
    "INVALID_CONFIG",
    "NOT_CONTROLLER",
    "INVALID_REQUEST",
    "UNSUPPORTED_FOR_MESSAGE_FORMAT",
    "POLICY_VIOLATION",
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
    "DUPLICATE_SEQUENCE_NUMBER",
    "INVALID_PRODUCER_EPOCH",
    "INVALID_TXN_STATE",
    "INVALID_PRODUCER_ID_MAPPING",
    "INVALID_TRANSACTION_TIMEOUT",
    "CONCURRENT_TRANSACTIONS",
    "TRANSACTION_COORDINATOR_FENCED",
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED",
    "SECURITY_DISABLED",
    "OPERATION_NOT_ATTEMPTED",
    "KAFKA_STORAGE_ERROR",
    "LOG_DIR_NOT_FOUND",
    "SASL_AUTHENTICATION_FAILED",
    "UNKNOWN_PRODUCER_ID",
    "REASSIGNMENT_IN_PROGRESS",
    "DELEGATION_TOKEN_AUTH_DISABLED",
    "DELEGATION_TOKEN_NOT_FOUND",
    "DELEGATION_TOKEN_OWNER_MISMATCH",
    "DELEGATION_TOKEN_REQUEST_NOT_ALLOWED",
    "DELEGATION_TOKEN_AUTHORIZATION_FAILED",
    "DELEGATION_TOKEN_EXPIRED",
    "INVALID_PRINCIPAL_TYPE",
    "NON_EMPTY_GROUP",
    "GROUP_ID_NOT_FOUND",
    "FETCH_SESSION_ID_NOT_FOUND",
    "INVALID_FETCH_SESSION_EPOCH",
    "LISTENER_NOT_FOUND",
    "TOPIC_DELETION_DISABLED",
    "FENCED_LEADER_EPOCH",
    "UNKNOWN_LEADER_EPOCH",
    "UNSUPPORTED_COMPRESSION_TYPE",
    "STALE_BROKER_EPOCH",
    "OFFSET_NOT_AVAILABLE",
    "MEMBER_ID_REQUIRED",
    "PREFERRED_LEADER_NOT_AVAILABLE",
    "GROUP_MAX_SIZE_REACHED",
    "FENCED_INSTANCE_ID",
    "ELIGIBLE_LEADERS_NOT_AVAILABLE",
    "ELECTION_NOT_NEEDED",
    "NO_REASSIGNMENT_IN_PROGRESS",
    "GROUP_SUBSCRIBED_TO_TOPIC",
    "INVALID_RECORD",
    "UNSTABLE_OFFSET_COMMIT",
    "THROTTLING_QUOTA_EXCEEDED",
    "PRODUCER_FENCED",
    "RESOURCE_NOT_FOUND",
    "DUPLICATE_RESOURCE",
    "UNACCEPTABLE_CREDENTIAL",
    "INCONSISTENT_VOTER_SET",
    "INVALID_UPDATE_VERSION",
    "FEATURE_UPDATE_FAILED",
    "PRINCIPAL_DESERIALIZATION_FAILURE",
    "SNAPSHOT_NOT_FOUND",
    "POSITION_OUT_OF_RANGE",
    "UNKNOWN_TOPIC_ID",
    "DUPLICATE_BROKER_REGISTRATION",
    "BROKER_ID_NOT_REGISTERED",
    "INCONSISTENT_TOPIC_ID",
    "INCONSISTENT_CLUSTER_ID",
    "TRANSACTIONAL_ID_NOT_FOUND",
    "FETCH_SESSION_TOPIC_ID_ERROR",
    "INELIGIBLE_REPLICA",
    "NEW_LEADER_ELECTED",
    "OFFSET_MOVED_TO_TIERED_STORAGE",
    "FENCED_MEMBER_EPOCH",
    "UNRELEASED_INSTANCE_ID",
    "UNSUPPORTED_ASSIGNOR",
    "STALE_MEMBER_EPOCH",
    "MISMATCHED_ENDPOINT_TYPE",
    "UNSUPPORTED_ENDPOINT_TYPE",
    "UNKNOWN_CONTROLLER_ID",
    "UNKNOWN_SUBSCRIPTION_ID",
    "TELEMETRY_TOO_LARGE",
    "INVALID_REGISTRATION",
    "TRANSACTION_ABORTABLE",
    "INVALID_RECORD_STATE",
    "SHARE_SESSION_NOT_FOUND",
    "INVALID_SHARE_SESSION_EPOCH",
    "FENCED_STATE_EPOCH",
    "INVALID_VOTER_KEY",
    "DUPLICATE_VOTER",
    "VOTER_NOT_FOUND",
];

/// Codes that go with all being well: the client goes on, at another place or once more.
const ORDINARY: [i16; 28] = [
    1,   // OFFSET_OUT_OF_RANGE: it begins anew where there is something.
    6,   // NOT_LEADER_OR_FOLLOWER, and the like: it asks elsewhere.
    14,  // COORDINATOR_LOAD_IN_PROGRESS
    16,  // NOT_COORDINATOR
    22,  // ILLEGAL_GENERATION, and the like: the group changes.
    25,  // UNKNOWN_MEMBER_ID
    27,  // REBALANCE_IN_PROGRESS
    35,  // UNSUPPORTED_VERSION: versions are agreed on.
    36,  // TOPIC_ALREADY_EXISTS
    41,  // NOT_CONTROLLER
    46,  // DUPLICATE_SEQUENCE_NUMBER: it was written before.
    51,  // CONCURRENT_TRANSACTIONS: the one before is not over.
    60,  // REASSIGNMENT_IN_PROGRESS
    68,  // NON_EMPTY_GROUP
    69,  // GROUP_ID_NOT_FOUND
    70,  // FETCH_SESSION_ID_NOT_FOUND, and the like: it begins another session.
    71,  // INVALID_FETCH_SESSION_EPOCH
    74,  // FENCED_LEADER_EPOCH
    75,  // UNKNOWN_LEADER_EPOCH
    79,  // MEMBER_ID_REQUIRED
    84,  // ELECTION_NOT_NEEDED
    85,  // NO_REASSIGNMENT_IN_PROGRESS
    88,  // UNSTABLE_OFFSET_COMMIT
    108, // NEW_LEADER_ELECTED
    110, // FENCED_MEMBER_EPOCH
    113, // STALE_MEMBER_EPOCH
    122, // SHARE_SESSION_NOT_FOUND
    123, // INVALID_SHARE_SESSION_EPOCH
];

/// How a request with this code ended.
pub(super) fn outcome(code: i16) -> Outcome {
    let status = match (code, usize::try_from(code)) {
        (0, _) => return Outcome::success("OK"),
        (UNKNOWN, _) => Status::new("UNKNOWN_SERVER_ERROR"),
        (_, Ok(place)) => NAMES.get(place.saturating_sub(1)).map_or_else(|| numbered(code), |name| Status::new(name)),
        (_, Err(_)) => numbered(code),
    };
    if ORDINARY.contains(&code) { Outcome::success(status) } else { Outcome::failure(status, Fault::Service) }
}

fn numbered(code: i16) -> Status {
    Status::new(&compact_str::format_compact!("{code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_name_whole_and_those_of_a_group_that_changes_are_no_errors() {
        let told = |code| {
            let outcome = outcome(code);
            (outcome.status.as_str().to_owned(), outcome.fault.is_some())
        };
        assert_eq!(told(0), ("OK".into(), false));
        assert_eq!(told(-1), ("UNKNOWN_SERVER_ERROR".into(), true));
        assert_eq!(told(3), ("UNKNOWN_TOPIC_OR_PARTITION".into(), true));
        assert_eq!(told(27), ("REBALANCE_IN_PROGRESS".into(), false));
        assert_eq!(told(100), ("UNKNOWN_TOPIC_ID".into(), true));
        assert_eq!(told(127), ("VOTER_NOT_FOUND".into(), true));
        assert_eq!(told(128), ("128".into(), true));
        assert_eq!(told(-7), ("-7".into(), true));
        for (name, code) in NAMES.iter().zip(1..) {
            assert_eq!(told(code).0, *name);
        }
    }
}
