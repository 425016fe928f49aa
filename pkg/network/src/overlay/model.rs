//! What the overlay is made of. Pure.

use std::{
    collections::BTreeMap,
    fmt,
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

use ipnet::Ipv4Net;
use knarr_api::Object;
use serde::Deserialize;

/// Annotation of a Node: how its pods are reached.
pub(super) const BACKEND: &str = "knarr.io/overlay";
/// Annotation of a Node: where other nodes send its pods' packets, if that is not its InternalIP.
pub(super) const ADDRESS: &str = "knarr.io/overlay-address";

/// How packets get from node to node. The names are flannel's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// In UDP packets between the nodes: works over any network.
    Vxlan,
    /// As they are, by way of the other node: both must be on one network.
    HostGw,
    /// Not our concern.
    None,
}

impl FromStr for Backend {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Vxlan, Self::HostGw, Self::None].into_iter().find(|b| b.name() == text).ok_or(())
    }
}

impl Backend {
    const fn name(self) -> &'static str {
        match self {
            Self::Vxlan => "vxlan",
            Self::HostGw => "host-gw",
            Self::None => "none",
        }
    }

    /// What a packet between nodes carries besides the pod's: outer Ethernet, IPv4, UDP and VXLAN headers.
    pub(crate) const fn overhead(self) -> u32 {
        match self {
            Self::Vxlan => 50,
            Self::HostGw | Self::None => 0,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A hardware address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mac(pub(super) [u8; 6]);

impl Mac {
    /// The tunnel's end on the node whose own pod address this is. It follows from the address, so that nodes need not
    /// tell each other; the first byte says "unicast, given out locally".
    pub(super) fn of(node: Ipv4Addr) -> Self {
        let [a, b, c, d] = node.octets();
        Self([0x0a, 0x58, a, b, c, d])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A Node as far as the overlay is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Peer {
    pub(super) name: String,
    /// Where to send its pods' packets.
    pub(super) address: Option<Ipv4Addr>,
    /// Addresses of its pods.
    pub(super) pods: Option<Ipv4Net>,
    /// How it is reached, if it says so.
    pub(super) backend: Option<Backend>,
    /// What its annotation says of `address`.
    pub(super) told: Option<Ipv4Addr>,
}

#[derive(Deserialize)]
struct Node {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    annotations: Option<Annotations>,
}

#[derive(Deserialize, Default)]
struct Annotations {
    #[serde(rename = "knarr.io/overlay")]
    backend: Option<String>,
    #[serde(rename = "knarr.io/overlay-address")]
    address: Option<String>,
}

#[derive(Deserialize, Default)]
struct Spec {
    #[serde(rename = "podCIDR")]
    pod_cidr: Option<Ipv4Net>,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    addresses: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

impl Peer {
    pub(super) fn project(object: &Object) -> Option<Self> {
        let Node { metadata, spec, status } = object.decode().ok()?;
        let Annotations { backend, address: told } = metadata.annotations.unwrap_or_default();
        let internal = status.addresses.iter().filter(|a| a.kind == "InternalIP").find_map(|a| a.address.parse().ok());
        let told = told.and_then(|a| a.parse().ok());
        Some(Self {
            name: object.name().to_owned(),
            address: told.or(internal),
            pods: spec.pod_cidr,
            backend: backend.and_then(|b| b.parse().ok()),
            told,
        })
    }
}

/// What a node says of itself: the annotations its Node should have.
pub(super) fn announcement(backend: Backend, address: Ipv4Addr, node: IpAddr) -> (Backend, Option<Ipv4Addr>) {
    (backend, (IpAddr::V4(address) != node).then_some(address))
}

/// The tunnel's end on this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tunnel {
    pub(super) mac: Mac,
    /// The address other nodes send to.
    pub(super) local: Ipv4Addr,
    pub(super) mtu: u32,
}

/// Where packets for a range of pods go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hop {
    /// Through the tunnel, to the node with that pod address; our own sends as `source`.
    Tunnel { gateway: Ipv4Addr, source: Ipv4Addr },
    /// To a node on the network of a link.
    Direct { gateway: Ipv4Addr, link: u32 },
    /// Nowhere: the sender is told so at once.
    Nowhere,
}

/// All of the overlay that is in a kernel.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) tunnel: Option<Tunnel>,
    pub(super) routes: BTreeMap<Ipv4Net, Hop>,
    /// Ends of the tunnel: pod address of a node → hardware address.
    pub(super) neighbours: BTreeMap<Ipv4Addr, Mac>,
    /// Hardware address → address of the node to send to.
    pub(super) forwards: BTreeMap<Mac, Ipv4Addr>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(json: &str) -> Peer {
        Peer::project(&Object::from_json(json.to_owned().into()).unwrap()).unwrap()
    }

    #[test]
    fn nodes_are_read() {
        let plain = node(
            r#"{"metadata":{"name":"b"},"spec":{"podCIDR":"10.42.1.0/24"},"status":{"addresses":[
                {"type":"Hostname","address":"b"},{"type":"InternalIP","address":"2001:db8::2"},
                {"type":"InternalIP","address":"192.0.2.2"}]}}"#,
        );
        assert_eq!((plain.address, plain.backend), (Some(Ipv4Addr::new(192, 0, 2, 2)), None));
        let told = node(
            r#"{"metadata":{"name":"b","annotations":{"knarr.io/overlay":"host-gw","knarr.io/overlay-address":"198.51.100.2"}},
                "status":{"addresses":[{"type":"InternalIP","address":"192.0.2.2"}]}}"#,
        );
        assert_eq!((told.address, told.backend), (told.told, Some(Backend::HostGw)));
        assert_eq!((told.told, told.pods), (Some(Ipv4Addr::new(198, 51, 100, 2)), None));
    }

    #[test]
    fn an_address_is_announced_only_where_it_is_news() {
        let (a, b) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(198, 51, 100, 1));
        assert_eq!(announcement(Backend::Vxlan, a, a.into()), (Backend::Vxlan, None));
        assert_eq!(announcement(Backend::HostGw, b, a.into()), (Backend::HostGw, Some(b)));
    }
}
