//! A service: a node of the graph.
//!
//! Invariant: its id depends on what it is called and on nothing that changes from run to run.
//! Memory: `limits::INSTANCES` processes; the one noted first goes first.

use super::snapshot::ServiceKind;
use crate::identity::ProcessKey;
use crate::limits;
use std::collections::VecDeque;
use std::net::IpAddr;

/// What makes a service one service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceName {
    /// Programs that a rule or their environment calls by this name.
    Service(String),
    /// A container, by its name or the first digits of its id.
    Container(String),
    /// A Kubernetes pod: `NAMESPACE/NAME`, or its UID.
    Pod(String),
    /// A systemd unit, with its ending.
    Unit(String),
    /// A program on this host.
    Program(String),
    /// An address that belongs to another host.
    Peer(IpAddr),
    /// As above, by the name that stands for its address.
    NamedPeer(String),
    /// A local address whose process is not known.
    Unknown(IpAddr),
    /// The process at a Unix socket of this path is not known.
    UnknownSocket(String),
    /// Everything beyond a cap.
    Other,
}

impl ServiceName {
    /// Stable across runs and restarts.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Service(name) => format!("service:{name}"),
            Self::Container(name) => format!("container:{name}"),
            Self::Pod(name) => format!("pod:{name}"),
            Self::Unit(name) => format!("unit:{name}"),
            Self::Program(name) => format!("program:{name}"),
            Self::Peer(address) => format!("peer:{address}"),
            Self::NamedPeer(name) => format!("peer:{name}"),
            Self::Unknown(address) => format!("unknown:{address}"),
            Self::UnknownSocket(path) => format!("unknown:{path}"),
            Self::Other => "other".to_owned(),
        }
    }

    /// For people.
    #[must_use]
    pub fn display(&self) -> String {
        match self {
            Self::Service(name)
            | Self::Container(name)
            | Self::Pod(name)
            | Self::Program(name)
            | Self::NamedPeer(name) => name.clone(),
            Self::Unit(name) => name.strip_suffix(".service").unwrap_or(name).to_owned(),
            Self::Peer(address) => address.to_string(),
            Self::Unknown(address) => format!("unknown ({address})"),
            Self::UnknownSocket(path) => format!("unknown ({path})"),
            Self::Other => "other".to_owned(),
        }
    }

    #[must_use]
    pub fn kind(&self) -> ServiceKind {
        match self {
            Self::Service(_) => ServiceKind::Service,
            Self::Container(_) => ServiceKind::Container,
            Self::Pod(_) => ServiceKind::Pod,
            Self::Unit(_) => ServiceKind::Unit,
            Self::Program(_) => ServiceKind::Program,
            Self::Peer(_) | Self::NamedPeer(_) => ServiceKind::Peer,
            Self::Unknown(_) | Self::UnknownSocket(_) => ServiceKind::Unknown,
            Self::Other => ServiceKind::Other,
        }
    }
}

/// A node of the graph.
#[derive(Clone, Debug)]
pub struct ServiceNode {
    pub name: ServiceName,
    pub instances: VecDeque<ProcessKey>,
}

impl ServiceNode {
    #[must_use]
    pub fn new(name: ServiceName) -> Self {
        Self { name, instances: VecDeque::new() }
    }

    /// Notes a process of this service.
    pub fn add_instance(&mut self, process: ProcessKey) {
        if self.instances.contains(&process) {
            return;
        }
        if self.instances.len() >= limits::INSTANCES {
            self.instances.pop_front();
        }
        self.instances.push_back(process);
    }
}
