//! The controllers: one module each, one shape.
//!
//! A controller follows what it needs with informers that only put keys into its queue; a worker takes a key, reads the
//! whole present state from the caches, lets a pure `plan` decide, and writes the steps. No run is told *what*
//! changed, so there is one code path, and it is idempotent.

mod context;
mod deployment;
mod endpoint_slice;
mod endpoints;
mod gc;
mod namespace;
mod node_ipam;
mod node_lifecycle;
mod pod;
mod replica_set;
mod root_ca;
mod service_account;
mod steps;

pub use context::{Config, Context};

use knarr_daemon::Tasks;

/// Starts all controllers.
pub fn start(cx: &Context, tasks: &Tasks) {
    node_ipam::start(cx, tasks);
    root_ca::start(cx, tasks);
    service_account::start(cx, tasks);
    namespace::start(cx, tasks);
    replica_set::start(cx, tasks);
    deployment::start(cx, tasks);
    endpoint_slice::start(cx, tasks);
    endpoints::start(cx, tasks);
    node_lifecycle::start(cx, tasks);
    gc::start(cx, tasks);
}
