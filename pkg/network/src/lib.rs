//! The pod network of a node: routed veth pairs, made by this binary as its own CNI plugin.
//!
//! Pods are routed, not bridged: each has a veth pair, the host a /32 route to it and static neighbour entries on both
//! ends, so packets pass through the host's own IP stack and nothing ever asks with ARP. Sysctls are set on the links
//! in question only.
//!
//! [`cni`] is the plugin (a process of its own, started by the runtime for each pod), [`Host`] what the node needs once:
//! the plugin's configuration, the node's address on `lo`, and masquerading of what leaves the cluster. [`Overlay`] is the
//! network between nodes.

mod attachments;
pub mod cni;
mod host;
mod ipam;
mod link;
mod overlay;
mod uplink;

pub use attachments::{Attachments, DetachError};
pub use host::{Host, HostConfig, HostError};
pub use ipam::{Ipam, IpamError};
pub use link::LinkError;
pub use overlay::{Backend, Overlay, OverlayConfig, OverlayError};
pub use uplink::Uplink;
