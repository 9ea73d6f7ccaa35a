//! What makes a call the same call in two runs.
//!
//! Invariant: keys order as calls do in a graph: by client, server, port, transport. The protocol is no part of it: it
//! is recognised late, or not at all. Memory: two service ids.

use crate::escape::printable_json;
use crate::graph::snapshot::Call;
use crate::identity::Port;
use serde::Serialize;
use std::fmt;

/// A call by name. Service ids are stable across runs, so a key is too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct CallKey {
    /// Service id of the client.
    pub from: String,
    /// Service id of the server.
    pub to: String,
    pub port: Port,
    pub transport: String,
}

impl CallKey {
    #[must_use]
    pub fn new(from: &str, to: &str, port: &Port, transport: &str) -> Self {
        Self { from: from.to_owned(), to: to.to_owned(), port: port.clone(), transport: transport.to_owned() }
    }

    #[must_use]
    pub fn of(call: &Call) -> Self {
        Self::new(&call.from, &call.to, &call.port, &call.transport)
    }

    /// The element of a baseline's list `allow` that makes the call an expected one.
    #[must_use]
    pub fn allow(&self) -> String {
        let entry = Self { from: Self::literal(&self.from), to: Self::literal(&self.to), ..self.clone() };
        // A struct of texts and a number: nothing that JSON could not hold.
        printable_json(&serde_json::to_string(&entry).unwrap_or_default())
    }

    /// The glob that means an id and nothing else.
    pub(super) fn literal(id: &str) -> String {
        // `globset::escape` leaves the backslash, which escapes.
        globset::escape(id).replace('\\', r"\\")
    }
}

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} port {}/{}", self.from, self.to, self.port, self.transport)
    }
}
