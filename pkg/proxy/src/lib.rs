//! Services and EndpointSlices → nftables.
//!
//! The proxy keeps one nft table that it alone edits. [`Model`] is what the cluster wants of it (pure, from informers),
//! [`render`] turns a model into the text of the table, [`change`] the difference of two models into the smallest
//! transaction; [`Proxy`] is the thin ring that follows the informers and applies transactions one after the other.
//!
//! How a packet finds its pod: its destination (address, protocol, port) is looked up in a verdict map, once for Service
//! addresses and once for node ports; that jumps to the chain of the Service port, which picks an endpoint at random
//! (`numgen`) or by affinity, and translates. Only the first packet of a connection takes this way.

mod change;
mod model;
mod render;
mod run;
mod watch;

pub use change::change;
pub use model::{Affinity, Endpoint, Model, PortKey, Protocol, ServicePort};
pub use render::{Settings, render, teardown};
pub use run::{Config, Proxy};
