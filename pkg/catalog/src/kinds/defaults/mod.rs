//! Defaults that depend on other fields. Static ones are facts of the table and applied before.

mod amounts;
mod core;
mod groups;
mod image;
mod pod;
mod pod_amounts;
mod service;
mod workloads;

pub(super) use self::core::{
    limit_range, namespace, node, persistent_volume, persistent_volume_claim, replication_controller, resource_quota,
    secret,
};
pub(super) use groups::{
    autoscaler, binding, claim, claim_template, custom_resource_definition, ingress_class, network_policy,
};
pub(super) use pod::{pod, pod_template};
pub(super) use service::service;
pub(super) use workloads::{cron_job, daemon_set, deployment, job, replica_set, stateful_set};

#[cfg(test)]
mod tests;
