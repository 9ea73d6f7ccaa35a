//! Why a request of MQTT succeeded or failed: return codes of CONNACK (MQTT 3.1.1 §3.2.2.3) and reason codes
//! (MQTT 5.0 §2.4).
//!
//! Invariant: a code of 0x80 or more is a failure, and none below it but those of CONNACK before MQTT 5. Memory: none.

use crate::protocol::{Fault, Outcome};

/// Of CONNACK before MQTT 5.
pub(super) fn connection(code: u8) -> Outcome {
    let name = match code {
        0 => return Outcome::success("Success"),
        1 => name(0x84),
        2 => name(0x85),
        3 => name(0x88),
        4 => name(0x86),
        5 => name(0x87),
        _ => name(0x80),
    };
    Outcome::failure(name, Fault::Service)
}

/// Of SUBACK, whose codes below 0x80 are the quality of service that was granted.
pub(super) fn subscription(code: u8) -> Outcome {
    if code < 0x80 { Outcome::success("Success") } else { outcome(code) }
}

pub(super) fn outcome(code: u8) -> Outcome {
    if code < 0x80 { Outcome::success(name(code)) } else { Outcome::failure(name(code), Fault::Service) }
}

/// What the specification calls it, shortened.
pub(super) fn name(code: u8) -> &'static str {
    match code {
        0x00 => "Success",
        0x10 => "No matching subscribers",
        0x11 => "No subscription existed",
        0x80 => "Unspecified error",
        0x81 => "Malformed packet",
        0x82 => "Protocol error",
        0x83 => "Implementation error",
        0x84 => "Unsupported version",
        0x85 => "Bad client identifier",
        0x86 => "Bad user or password",
        0x87 => "Not authorized",
        0x88 => "Server unavailable",
        0x89 => "Server busy",
        0x8a => "Banned",
        0x8b => "Server shutting down",
        0x8c => "Bad authentication",
        0x8d => "Keep alive timeout",
        0x8e => "Session taken over",
        0x8f => "Topic filter invalid",
        0x90 => "Topic name invalid",
        0x91 => "Identifier in use",
        0x92 => "Identifier not found",
        0x93 => "Receive maximum exceeded",
        0x94 => "Topic alias invalid",
        0x95 => "Packet too large",
        0x96 => "Message rate too high",
        0x97 => "Quota exceeded",
        0x98 => "Administrative action",
        0x99 => "Payload format invalid",
        0x9a => "Retain not supported",
        0x9b => "QoS not supported",
        0x9c => "Use another server",
        0x9d => "Server moved",
        0x9e => "No shared subscriptions",
        0x9f => "Connection rate exceeded",
        0xa0 => "Maximum connect time",
        0xa1 => "No identifiers in filter",
        0xa2 => "No wildcard filters",
        _ => "Unknown",
    }
}
