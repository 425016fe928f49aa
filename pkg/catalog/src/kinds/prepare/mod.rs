//! Fields the server decides before a write: what facts about reset fields and generations cannot say.

mod cluster;
mod jobs;
mod pod;
mod qos;
mod service;
mod workloads;

pub(super) use cluster::{
    certificate_request, create_claim, create_definition, create_volume, update_claim, update_definition,
};
pub(super) use jobs::create_job;
pub(super) use pod::{create_pod, grace_period, update_pod};
pub(super) use service::{is_external, needs_health_check, update_service};
pub(super) use workloads::{create_daemon_set, update_daemon_set};

#[cfg(test)]
mod tests;
