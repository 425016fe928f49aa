//! A Job as its controller sees it.

use knarr_api::{Meta, Object};
use knarr_client::Key;
use serde::Deserialize;

use super::{
    pod::JobPod,
    policy::{FailurePolicy, Meaning, SuccessPolicy},
    status::JobStatus,
};
use crate::{
    claims::Owner,
    pod::{LabelSelector, Phase},
};

/// Who manages a Job that names nobody else.
const OURSELVES: &str = "kubernetes.io/job-controller";

/// A Job.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Job {
    pub(super) key: Key,
    pub(super) meta: Meta,
    pub(super) selector: LabelSelector,
    pub(super) parallelism: i32,
    /// `None`: done when one pod has succeeded and none is left.
    pub(super) completions: Option<i32>,
    /// Whether pods have numbers.
    pub(super) indexed: bool,
    pub(super) suspended: bool,
    pub(super) backoff_limit: i32,
    pub(super) limit_per_index: Option<i32>,
    pub(super) max_failed_indexes: Option<i32>,
    /// `activeDeadlineSeconds`.
    pub(super) deadline: Option<i64>,
    /// Pods that are being deleted are replaced only when they have ended.
    pub(super) waits_for_end: bool,
    pub(super) failure_policy: Option<FailurePolicy>,
    pub(super) success_policy: SuccessPolicy,
    /// Whether containers are restarted in place, and their restarts count as failures.
    pub(super) restarts: bool,
    /// Whether somebody else looks after it.
    pub(super) foreign: bool,
    pub(super) status: JobStatus,
}

#[derive(Deserialize)]
struct Wire {
    spec: Spec,
    #[serde(default)]
    status: JobStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    parallelism: Option<i32>,
    completions: Option<i32>,
    #[serde(default)]
    completion_mode: Box<str>,
    #[serde(default)]
    suspend: bool,
    backoff_limit: Option<i32>,
    backoff_limit_per_index: Option<i32>,
    max_failed_indexes: Option<i32>,
    active_deadline_seconds: Option<i64>,
    #[serde(default)]
    pod_replacement_policy: Box<str>,
    pod_failure_policy: Option<FailurePolicy>,
    #[serde(default)]
    success_policy: SuccessPolicy,
    managed_by: Option<Box<str>>,
    #[serde(default)]
    selector: LabelSelector,
    template: Template,
}

#[derive(Deserialize)]
struct Template {
    spec: PodSpec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec {
    #[serde(default)]
    restart_policy: Box<str>,
}

impl Job {
    /// Projects a Job.
    pub(super) fn project(object: &Object) -> Option<Self> {
        let Wire { spec, status } = object.decode().ok()?;
        let indexed = &*spec.completion_mode == "Indexed";
        Some(Self {
            key: Key::of(object),
            meta: object.meta().clone(),
            selector: spec.selector,
            parallelism: spec.parallelism.unwrap_or(1).max(0),
            // Validation asks for completions where pods have numbers.
            completions: spec.completions.map(|n| n.max(0)).or(indexed.then_some(0)),
            indexed,
            suspended: spec.suspend,
            backoff_limit: spec.backoff_limit.unwrap_or(6),
            limit_per_index: spec.backoff_limit_per_index.filter(|_| indexed),
            max_failed_indexes: spec.max_failed_indexes,
            deadline: spec.active_deadline_seconds,
            waits_for_end: &*spec.pod_replacement_policy == "Failed" || spec.pod_failure_policy.is_some(),
            failure_policy: spec.pod_failure_policy,
            success_policy: spec.success_policy,
            restarts: &*spec.template.spec.restart_policy == "OnFailure",
            foreign: spec.managed_by.is_some_and(|m| &*m != OURSELVES),
            status,
        })
    }

    pub(super) fn owner(&self) -> Owner<'_> {
        Owner { key: &self.key, meta: &self.meta }
    }

    /// Whether a pod has failed. One that is deleted may never say so itself.
    pub(super) fn has_failed(&self, pod: &JobPod) -> bool {
        pod.phase == Phase::Failed
            || (!self.waits_for_end && pod.meta.deleted.is_some() && pod.phase != Phase::Succeeded)
    }

    /// What a failed pod means.
    pub(super) fn judge(&self, pod: &JobPod) -> Meaning {
        self.failure_policy.as_ref().map_or(Meaning::Counts, |policy| policy.judge(pod))
    }

    /// The number of a pod, if it is one the Job asks for.
    pub(super) fn index_of(&self, pod: &JobPod) -> Option<i32> {
        pod.index.filter(|i| self.completions.is_some_and(|n| *i < n))
    }

    /// Whether a pod's end is of interest: in an indexed Job only one with a number is.
    pub(super) fn is_valid(&self, pod: &JobPod) -> bool {
        !self.indexed || self.index_of(pod).is_some()
    }
}
