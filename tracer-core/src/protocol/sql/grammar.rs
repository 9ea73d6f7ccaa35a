//! Which statements there are, and where in them a name stands (PostgreSQL's "SQL Commands", MySQL's "SQL Statements",
//! Cassandra's "CQL").
//!
//! Invariant: each verb is in capitals and stands once. Memory: none.

/// Where the name stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// Nowhere, or it is a value.
    Alone,
    /// After `FROM`.
    From,
    /// At once, or after these words.
    After(&'static [&'static str]),
    /// After this word.
    Behind(&'static str),
    /// After a kind, such as `TABLE`.
    Kind,
    /// In the statement that follows, after this word if there is one.
    Statement(Option<&'static str>),
    /// In the statement after common table expressions.
    With,
}

use Shape::{After, Alone, Behind, From, Kind, Statement, With};

/// The verbs, and of the words after them what does not name anything.
const VERBS: &[(&str, Shape)] = &[
    ("SELECT", From),
    ("INSERT", After(&["LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "INTO"])),
    ("UPDATE", After(&["LOW_PRIORITY", "IGNORE"])),
    ("DELETE", From),
    ("BEGIN", Alone),
    ("COMMIT", Alone),
    ("SET", Alone),
    ("ROLLBACK", Alone),
    ("WITH", With),
    ("REPLACE", After(&["LOW_PRIORITY", "DELAYED", "INTO"])),
    ("MERGE", After(&["INTO"])),
    ("CALL", After(&[])),
    ("START", Alone),
    ("END", Alone),
    ("ABORT", Alone),
    ("SAVEPOINT", Alone),
    ("RELEASE", Alone),
    ("COPY", After(&["BINARY"])),
    ("CREATE", Kind),
    ("ALTER", Kind),
    ("DROP", Kind),
    ("TRUNCATE", After(&["TABLE"])),
    ("EXPLAIN", Statement(None)),
    ("DECLARE", Statement(Some("FOR"))),
    ("FETCH", Alone),
    ("MOVE", Alone),
    ("CLOSE", Alone),
    ("PREPARE", Alone),
    ("EXECUTE", Alone),
    ("DEALLOCATE", Alone),
    ("DISCARD", Alone),
    ("RESET", Alone),
    ("SHOW", Alone),
    ("VALUES", Alone),
    ("TABLE", After(&[])),
    ("LISTEN", After(&[])),
    ("UNLISTEN", After(&[])),
    ("NOTIFY", After(&[])),
    ("LOCK", After(&["TABLE", "TABLES"])),
    ("UNLOCK", Alone),
    ("VACUUM", Alone),
    ("ANALYZE", Alone),
    ("ANALYSE", Alone),
    ("CHECKPOINT", Alone),
    ("CLUSTER", Alone),
    ("COMMENT", Alone),
    ("DO", Alone),
    ("GRANT", Alone),
    ("REVOKE", Alone),
    ("REASSIGN", Alone),
    ("REFRESH", After(&["MATERIALIZED", "VIEW", "CONCURRENTLY"])),
    ("REINDEX", Alone),
    ("SECURITY", Alone),
    ("IMPORT", Alone),
    ("LOAD", Behind("INTO")),
    ("IDENTIFY_SYSTEM", Alone),
    ("START_REPLICATION", Alone),
    ("CREATE_REPLICATION_SLOT", Alone),
    ("DROP_REPLICATION_SLOT", Alone),
    ("READ_REPLICATION_SLOT", Alone),
    ("TIMELINE_HISTORY", Alone),
    ("BASE_BACKUP", Alone),
    ("USE", After(&[])),
    ("DESCRIBE", After(&["TABLE"])),
    ("DESC", After(&["TABLE"])),
    ("HANDLER", After(&[])),
    ("OPTIMIZE", After(&["LOCAL", "NO_WRITE_TO_BINLOG", "TABLE", "TABLES"])),
    ("REPAIR", After(&["LOCAL", "NO_WRITE_TO_BINLOG", "TABLE", "TABLES"])),
    ("CHECK", After(&["TABLE", "TABLES"])),
    ("CHECKSUM", After(&["TABLE", "TABLES"])),
    ("RENAME", After(&["TABLE", "TABLES"])),
    ("KILL", Alone),
    ("FLUSH", Alone),
    ("XA", Alone),
    ("HELP", Alone),
    ("PURGE", Alone),
    ("CHANGE", Alone),
    ("STOP", Alone),
    ("SHUTDOWN", Alone),
    ("RESIGNAL", Alone),
    ("SIGNAL", Alone),
    ("INSTALL", Alone),
    ("UNINSTALL", Alone),
    ("BINLOG", Alone),
    ("CACHE", Alone),
];

/// What is created, altered and dropped, and whether it has a name that anybody may know.
pub(super) const KINDS: &[(&str, bool)] = &[
    ("TABLE", true),
    ("INDEX", true),
    ("VIEW", true),
    ("SEQUENCE", true),
    ("FUNCTION", true),
    ("PROCEDURE", true),
    ("TRIGGER", true),
    ("EVENT", true),
    ("DATABASE", true),
    ("SCHEMA", true),
    ("KEYSPACE", true),
    ("TYPE", true),
    ("DOMAIN", true),
    ("EXTENSION", true),
    ("PUBLICATION", true),
    ("AGGREGATE", true),
    ("POLICY", true),
    ("RULE", true),
    ("STATISTICS", true),
    ("TABLESPACE", true),
    ("COLLATION", true),
    ("SUBSCRIPTION", false),
    ("SERVER", false),
    ("USER", false),
    ("ROLE", false),
    ("GROUP", false),
    ("SYSTEM", false),
    ("CAST", false),
    ("OPERATOR", false),
    ("LANGUAGE", false),
];

/// The verb that a word is.
pub(super) fn verb(word: &[u8]) -> Option<(&'static str, Shape)> {
    VERBS.iter().find(|(verb, _)| word.eq_ignore_ascii_case(verb.as_bytes())).copied()
}
