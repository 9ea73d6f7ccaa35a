//! What the graph of the demo must look like.
//!
//! Invariant: derived from the running stack, never from what tracer says. Memory: one entry for each call.

use std::collections::BTreeSet;

use super::stack::Stack;

/// A call by the names that a person uses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ExpectedCall {
    pub(super) from: String,
    pub(super) to: String,
    pub(super) port: u16,
}

impl ExpectedCall {
    pub(super) fn new(from: &str, to: &str, port: u16) -> Self {
        Self { from: from.to_owned(), to: to.to_owned(), port }
    }
}

impl std::fmt::Display for ExpectedCall {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} → {} :{}", self.from, self.to, self.port)
    }
}

/// The calls of a stack.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// From the load client to nginx.
    pub(super) entry: ExpectedCall,
    /// From nginx to the next program: `api.py` or the proxy before it.
    pub(super) to_api: ExpectedCall,
    pub(super) to_redis: ExpectedCall,
    pub(super) to_postgres: ExpectedCall,
    /// The one that nobody planned.
    pub(super) unexpected: ExpectedCall,
}

impl Expected {
    /// As seen from the callers: a proxy is a server of its own.
    pub(super) fn of(stack: &Stack) -> Self {
        let (nginx, api, redis, port) =
            (stack.nginx(), stack.front_of_api(), stack.front_of_redis(), stack.postgres_port());
        Self {
            entry: ExpectedCall::new("load.py", nginx.name(), nginx.port()),
            to_api: ExpectedCall::new(nginx.name(), api.name(), api.port()),
            to_redis: ExpectedCall::new(stack.api().name(), redis.name(), redis.port()),
            to_postgres: ExpectedCall::new(stack.api().name(), "postgres", port),
            unexpected: ExpectedCall::new("psql", "postgres", port),
        }
    }

    /// All of them, those that carry the load first.
    pub(super) fn calls(&self) -> [&ExpectedCall; 5] {
        [&self.entry, &self.to_api, &self.to_redis, &self.to_postgres, &self.unexpected]
    }

    /// The names of all services.
    pub(super) fn services(&self) -> BTreeSet<&str> {
        self.calls().into_iter().flat_map(|call| [call.from.as_str(), call.to.as_str()]).collect()
    }

    /// Whether a server of the demo listens on this port.
    pub(super) fn has_port(&self, port: u64) -> bool {
        self.calls().iter().any(|call| u64::from(call.port) == port)
    }
}
