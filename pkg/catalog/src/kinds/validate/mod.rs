//! Validation in upstream's words: people search for them.
//!
//! What facts say already (texts that must be there, words that are not among the allowed ones) is not said again
//! here: the registry checks both and would report it twice.

mod autoscaler;
mod cluster;
mod common;
mod conditions;
mod config;
mod endpoints;
mod job_policies;
mod job_status;
mod jobs;
mod network;
mod pod;
mod rbac;
mod resources;
mod service;
mod storage;
mod workloads;

pub(super) use self::{
    autoscaler::{autoscaler, autoscaler_update},
    cluster::{
        disruption_budget, disruption_budget_update, lease, node, node_update, priority_class, priority_class_update,
        revision, revision_update,
    },
    config::{
        config_map, config_map_update, event, limit_range, namespace, namespace_update, resource_quota,
        resource_quota_update, secret, secret_update,
    },
    endpoints::{endpoints, slice, slice_update},
    jobs::{cron_job, job, job_update},
    network::{ingress, ingress_class, ingress_class_update, ingress_update, network_policy},
    pod::{pod, pod_template, pod_update},
    rbac::{binding_update, cluster_role, cluster_role_binding, role, role_binding},
    service::{service, service_update},
    storage::{claim, claim_update, storage_class, storage_class_update, volume, volume_update},
    workloads::{
        daemon_set, daemon_set_update, deployment, replica_set, replication_controller, runtime_class, selector_update,
        stateful_set, stateful_set_update,
    },
};

#[cfg(test)]
mod tests;
