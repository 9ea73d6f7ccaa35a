//! Every cap of the core, in one place.
//!
//! Invariant: no table grows beyond its cap; what is dropped or folded is counted and named in `completeness`.
//! Memory: in proportion to open connections (some 900 bytes each), calls (1 to 4 KiB each) and processes (150 bytes each,
//! and their arguments); some hundred MB with all tables full.

/// Services; beyond it, the node `other`.
pub const SERVICES: usize = 4_096;
/// Calls; beyond it, the call from `other` to `other`.
pub const CALLS: usize = 16_384;
/// Alerts that fire at once; beyond it new ones are counted and not told.
pub const FIRING_ALERTS: usize = 16_384;
/// Bytes of a baseline file: `CALLS` calls with names of full length, and room.
pub const BASELINE_BYTES: usize = 32 << 20;
/// Processes remembered; the half used longest ago goes first. Seven eighths of a power of two: so many fill a hash table
/// just before it doubles.
pub const PROCESSES: usize = 14_336;
/// Descendants of a command under observation, those that ended included; one beyond it is not followed.
pub const DESCENDANTS: usize = 262_144;
/// Who calls whom by process, while a command is observed; beyond it, services stand for their processes.
pub const REACHES: usize = 65_536;
/// Connections followed at once; beyond it new ones are counted as dropped.
pub const CONNECTIONS: usize = 262_144;
/// Listening sockets, past ones included; the oldest goes first.
pub const LISTENERS: usize = 16_384;
/// Names of peers on other hosts; the oldest goes first.
pub const PEER_NAMES: usize = 16_384;
/// Instances listed for each service.
pub const INSTANCES: usize = 32;
/// Exchanges of one connection that wait for their other end.
pub const UNPAIRED_EXCHANGES: usize = 4;
/// Windows that views show.
pub const WINDOWS: usize = 6;
/// Parents shown in evidence.
pub const PARENTS: usize = 8;
/// Bytes of a name.
pub const NAME_BYTES: usize = 256;
/// Rules for naming services.
pub const RULES: usize = 256;
/// Bytes of a pattern in a rule.
pub const PATTERN_BYTES: usize = 1_024;
/// Bytes of a control group's path.
pub const CGROUP_BYTES: usize = 4_096;
/// Ports remembered for each process, the first that it listened on.
pub const PORTS: usize = 64;
