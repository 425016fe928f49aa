//! How every component sees the cluster.
//!
//! [`Api`] has two transports: in-process (implemented by the API server: no TLS, no HTTP, no JSON of requests) and
//! [`remote`] (hyper + rustls, for agents on other machines). Informers ([`Cache`]), work queues, events and leases are
//! written once over the trait, so a component cannot tell which one it runs on.

mod api;
mod cache;
mod dial;
pub mod events;
pub mod fake;
mod queue;
pub mod remote;
mod resource;

pub use api::{
    Api, ApiExt, Event, EventStream, List, Options, PatchKind, Precondition, Propagation, Reply, Request, Verb,
};
pub use cache::{Cache, Change, Key, Selection};
pub use dial::{BoxIo, Io, NodeDialer};
pub use queue::{Queue, WorkQueue};
pub use resource::{Resource, resources};
