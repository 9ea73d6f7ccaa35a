//! The call graph: services as nodes, calls as directed edges by port.
//!
//! Invariant: a call is found by (from, to, transport, port); counts only grow. Memory: `limits::SERVICES` nodes and
//! `limits::CALLS` edges; beyond a cap everything goes to the node `other`, and is counted.

pub mod call;
pub mod distribution;
pub mod histogram;
pub mod metrics;
pub mod operations;
pub mod past;
pub mod pool;
pub mod service;
pub mod snapshot;
mod view;

pub use call::CallNode;
pub use operations::OPERATIONS;
pub use service::{ServiceName, ServiceNode};
pub use view::{Moments, Open};

use crate::identity::{Port, ProcessKey, Transport};
use crate::limits;
use crate::time::Moment;
use petgraph::graph::{DiGraph, EdgeIndex, NodeIndex};
use std::collections::HashMap;

/// Names a call in the graph.
pub type CallId = EdgeIndex;
/// Names a service in the graph.
pub type ServiceId = NodeIndex;

/// Services and calls.
#[derive(Debug, Default)]
pub struct CallGraph {
    graph: DiGraph<ServiceNode, CallNode>,
    services: HashMap<ServiceName, ServiceId>,
    calls: HashMap<(ServiceId, ServiceId, Transport, Port), CallId>,
    /// Services and calls that went to `other` because of a cap.
    pub folded: u64,
}

impl CallGraph {
    /// The service of that name, made if it is new.
    pub fn service(&mut self, name: ServiceName) -> ServiceId {
        if let Some(id) = self.services.get(&name) {
            return *id;
        }
        let name = if self.services.len() >= limits::SERVICES && name != ServiceName::Other {
            self.folded += 1;
            ServiceName::Other
        } else {
            name
        };
        if let Some(id) = self.services.get(&name) {
            return *id;
        }
        let id = self.graph.add_node(ServiceNode::new(name.clone()));
        self.services.insert(name, id);
        id
    }

    /// Notes a process of a service.
    pub fn add_instance(&mut self, service: ServiceId, process: ProcessKey) {
        if let Some(node) = self.graph.node_weight_mut(service) {
            node.add_instance(process);
        }
    }

    /// The call between two services on a port, made if it is new.
    pub fn call(&mut self, (from, to): (ServiceId, ServiceId), transport: Transport, port: Port, at: Moment) -> CallId {
        let mut key = (from, to, transport, port);
        if let Some(id) = self.calls.get(&key) {
            return *id;
        }
        if self.calls.len() >= limits::CALLS {
            self.folded += 1;
            let other = self.service(ServiceName::Other);
            key = (other, other, Transport::Tcp, Port::Number(0));
            if let Some(id) = self.calls.get(&key) {
                return *id;
            }
        }
        let (from, to, transport, ref port) = key;
        let id = self.graph.add_edge(from, to, CallNode::new(port.clone(), transport, at));
        self.calls.insert(key, id);
        id
    }

    #[must_use]
    pub fn get(&self, id: CallId) -> Option<&CallNode> {
        self.graph.edge_weight(id)
    }

    pub fn get_mut(&mut self, id: CallId) -> Option<&mut CallNode> {
        self.graph.edge_weight_mut(id)
    }

    /// The two services of a call.
    #[must_use]
    pub fn ends(&self, id: CallId) -> Option<(&ServiceNode, &ServiceNode)> {
        let (from, to) = self.graph.edge_endpoints(id)?;
        Some((self.graph.node_weight(from)?, self.graph.node_weight(to)?))
    }

    /// Every call.
    pub fn call_ids(&self) -> impl Iterator<Item = CallId> + use<> {
        self.graph.edge_indices()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beyond_the_cap_services_and_calls_go_to_other_and_are_counted() {
        let mut graph = CallGraph::default();
        for number in 0..limits::SERVICES + 10 {
            graph.service(ServiceName::Program(number.to_string()));
        }
        assert_eq!(graph.graph.node_count(), limits::SERVICES + 1);
        assert_eq!(graph.folded, 10);
        let service = graph.service(ServiceName::Program("0".to_owned()));
        for port in 0..=u16::MAX {
            graph.call((service, service), Transport::Tcp, port.into(), Moment(0));
        }
        assert_eq!(graph.graph.edge_count(), limits::CALLS + 1);
    }
}
