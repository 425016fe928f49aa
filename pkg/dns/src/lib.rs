//! Cluster zone and forwarding cache.
//!
//! Every node answers its own pods: names of Services from the informers' view (Kubernetes' DNS specification 1.1.0),
//! everything else through the upstream servers of the node's resolv.conf with a small cache. [`Zone`] is the view,
//! [`answer`] says what a question gets; both are pure. Around them lie a forwarder, sockets, and [`register`], which
//! makes the Service `kube-system/kube-dns` and this node's endpoint of it.
//!
//! The messages are hickory's, the loops are ours: a stub that answers a few nodes' worth of pods needs neither an
//! authority catalog nor a resolver pool, and an idle server here is a buffer and two sleeping tasks per address.
//!
//! Until the informers have read the present state, names of the cluster get SERVFAIL, never NXDOMAIN: a client asks
//! again after the first and gives up after the second.

mod access;
mod answer;
mod cache;
mod exchange;
mod forward;
mod handler;
mod message;
mod place;
mod project;
pub mod register;
mod run;
mod server;
mod upstreams;
mod zone;

pub use answer::{Answer, answer};
pub use project::{Address, Endpoint, Port, Protocol, Service, Slice};
pub use run::{Config, Dns, DnsError};
pub use server::{BindError, Sockets};
pub use zone::Zone;

#[cfg(test)]
mod tests;
