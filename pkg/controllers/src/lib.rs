//! The controllers: one module each, one shape.
//!
//! A controller follows what it needs with informers that only put keys into its queue; a worker takes a key, reads the
//! whole present state from the caches, lets a pure `plan` decide, and writes the steps. No run is told *what*
//! changed, so there is one code path, and it is idempotent.

mod autoscaler;
pub mod certificates;
mod claims;
mod conditions;
mod context;
mod cron_job;
mod daemon_set;
mod deployment;
mod disruption;
mod endpoint_slice;
mod endpoints;
mod gc;
mod history;
mod job;
mod namespace;
mod node_ipam;
mod node_lifecycle;
mod pod;
mod pod_control;
mod pod_gc;
mod replica_set;
mod resource_quota;
mod role_aggregation;
mod root_ca;
mod service_account;
mod stateful_set;
mod steps;
#[cfg(test)]
mod testing;
mod token_cleaner;
mod ttl;
mod written;

pub use context::{Config, Context};

use knarr_daemon::Tasks;

/// Starts all controllers. Those that tell events sign them as upstream's do.
pub fn start(cx: &Context, tasks: &Tasks) {
    node_ipam::start(cx, tasks);
    root_ca::start(cx, tasks);
    service_account::start(cx, tasks);
    namespace::start(cx, tasks);
    replica_set::start(&cx.signing_as("replicaset-controller"), tasks);
    deployment::start(&cx.signing_as("deployment-controller"), tasks);
    stateful_set::start(&cx.signing_as("statefulset-controller"), tasks);
    job::start(&cx.signing_as("job-controller"), tasks);
    cron_job::start(&cx.signing_as("cronjob-controller"), tasks);
    ttl::start(cx, tasks);
    disruption::start(&cx.signing_as("controllermanager"), tasks);
    pod_gc::start(cx, tasks);
    daemon_set::start(&cx.signing_as("daemonset-controller"), tasks);
    autoscaler::start(&cx.signing_as("horizontal-pod-autoscaler"), tasks);
    endpoint_slice::start(cx, tasks);
    endpoints::start(cx, tasks);
    node_lifecycle::start(&cx.signing_as("node-controller"), tasks);
    resource_quota::start(cx, tasks);
    token_cleaner::start(cx, tasks);
    role_aggregation::start(cx, tasks);
    gc::start(cx, tasks);
}
