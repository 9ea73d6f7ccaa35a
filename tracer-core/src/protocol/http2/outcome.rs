//! How a stream ended: by a status code (RFC 9110 §15), by gRPC's status, or by an error (RFC 9113 §7).
//!
//! A fault is what OpenTelemetry counts as a server's error. Invariant: none is told of a status that is not known.
//! Memory: none.

use super::super::{Fault, Outcome, Side};

/// By the code (gRPC, statuscodes.md).
const GRPC: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];
/// Those that are a server's errors. `UNAVAILABLE` too is the service's: gRPC does not tell a gateway from it.
const GRPC_FAULTS: [&str; 6] =
    ["UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"];
/// By the code (RFC 9113 §7).
const ERRORS: [&str; 14] = [
    "NO_ERROR",
    "PROTOCOL_ERROR",
    "INTERNAL_ERROR",
    "FLOW_CONTROL_ERROR",
    "SETTINGS_TIMEOUT",
    "STREAM_CLOSED",
    "FRAME_SIZE_ERROR",
    "REFUSED_STREAM",
    "CANCEL",
    "COMPRESSION_ERROR",
    "CONNECT_ERROR",
    "ENHANCE_YOUR_CALM",
    "INADEQUATE_SECURITY",
    "HTTP_1_1_REQUIRED",
];

/// The error of streams that a server will not look at any more (§8.7).
pub(super) const REFUSED_STREAM: u32 = 7;

/// Of a status code.
pub(super) fn of_http(status: u16) -> Outcome {
    let fault = match status {
        502..=504 => Some(Fault::Gateway),
        500..=599 => Some(Fault::Service),
        _ => None,
    };
    Outcome { status: u32::from(status).into(), fault }
}

/// Of a status of gRPC; a code that is not defined counts as `UNKNOWN`, as does none.
pub(super) fn of_grpc(code: &str) -> Outcome {
    let name = code.parse().ok().and_then(|code: usize| GRPC.get(code)).copied().unwrap_or("UNKNOWN");
    let fault = GRPC_FAULTS.contains(&name).then_some(Fault::Service);
    Outcome { status: name.into(), fault }
}

/// Of a stream that a side has reset. Of gRPC too: what its clients make of it is not on the wire.
pub(super) fn of_reset(code: u32, side: Side) -> Outcome {
    // An error that is not defined may be taken as this one (§7).
    let name = usize::try_from(code).ok().and_then(|code| ERRORS.get(code)).copied().unwrap_or("INTERNAL_ERROR");
    // Of the others, a server says that it was the client, or nobody.
    let fault = match name {
        _ if side == Side::Client => None,
        "CONNECT_ERROR" => Some(Fault::Gateway),
        "INTERNAL_ERROR" | "REFUSED_STREAM" | "CANCEL" => Some(Fault::Service),
        _ => None,
    };
    Outcome { status: name.into(), fault }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_fails_is_at_fault_and_a_client_that_leaves_is_not() {
        assert_eq!(of_http(404), Outcome::success("404"));
        assert_eq!(of_http(500), Outcome::failure("500", Fault::Service));
        assert_eq!(of_http(503), Outcome::failure("503", Fault::Gateway));
        assert_eq!(of_grpc("0"), Outcome::success("OK"));
        assert_eq!(of_grpc("5"), Outcome::success("NOT_FOUND"));
        assert_eq!(of_grpc("14"), Outcome::failure("UNAVAILABLE", Fault::Service));
        assert_eq!(of_grpc("99"), Outcome::failure("UNKNOWN", Fault::Service));
        assert_eq!(of_reset(8, Side::Client), Outcome::success("CANCEL"));
        assert_eq!(of_reset(2, Side::Server), Outcome::failure("INTERNAL_ERROR", Fault::Service));
        assert_eq!(of_reset(10, Side::Server), Outcome::failure("CONNECT_ERROR", Fault::Gateway));
        assert_eq!(of_reset(REFUSED_STREAM, Side::Server), Outcome::failure("REFUSED_STREAM", Fault::Service));
        assert_eq!(of_reset(13, Side::Server), Outcome::success("HTTP_1_1_REQUIRED"));
        assert_eq!(of_reset(99, Side::Server), Outcome::failure("INTERNAL_ERROR", Fault::Service));
    }
}
