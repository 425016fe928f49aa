//! What the dataplane should do, without a word of nft.

use std::{collections::BTreeMap, fmt, net::Ipv4Addr};

use knarr_client::Key;

/// All Service ports of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// By key.
    pub ports: BTreeMap<PortKey, ServicePort>,
}

/// One port of one Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortKey {
    /// The Service.
    pub service: Key,
    /// The port's name, empty if it has none.
    pub port: String,
    /// Its protocol.
    pub protocol: Protocol,
}

/// The protocols Services have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

impl Protocol {
    /// From Kubernetes' word; absent means TCP.
    pub fn parse(word: Option<&str>) -> Self {
        match word {
            Some("UDP") => Self::Udp,
            Some("SCTP") => Self::Sctp,
            _ => Self::Tcp,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// Where a Service port is reached and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Addresses it has inside the cluster (cluster IP, external IPs, load balancer addresses).
    pub addresses: Vec<Ipv4Addr>,
    /// Its port there.
    pub port: u16,
    /// Its port on every node.
    pub node_port: Option<u16>,
    /// One client, one endpoint.
    pub affinity: Option<Affinity>,
    /// From inside the cluster only endpoints of this node are used (`internalTrafficPolicy: Local`).
    pub internal_local: bool,
    /// From outside only endpoints of this node are used, and the client's address is kept
    /// (`externalTrafficPolicy: Local`).
    pub external_local: bool,
    /// Endpoints that may be used, in a stable order.
    pub endpoints: Vec<Endpoint>,
}

/// `sessionAffinity: ClientIP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affinity {
    /// How long a client that says nothing is remembered, in seconds.
    pub timeout: u32,
}

/// One pod behind a Service port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Endpoint {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its port.
    pub port: u16,
    /// Whether it runs on this node.
    pub local: bool,
}

impl ServicePort {
    /// Endpoints for callers inside the cluster.
    pub fn internal(&self) -> Vec<Endpoint> {
        self.endpoints.iter().filter(|e| e.local || !self.internal_local).copied().collect()
    }

    /// Endpoints for callers from outside.
    pub fn external(&self) -> Vec<Endpoint> {
        self.endpoints.iter().filter(|e| e.local || !self.external_local).copied().collect()
    }
}
