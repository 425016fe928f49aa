//! What a Job knows of a pod.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};
use knarr_api::{Meta, Object};
use knarr_client::Key;
use serde::Deserialize;

use crate::{
    claims::Dependent,
    conditions::{Condition, find},
    pod::{Phase, ready_since},
};

/// The finalizer that holds a pod until it has been counted.
pub(super) const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// The annotation and label of a pod with a number.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// How often pods of this index failed before.
pub(super) const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// How often they failed in a way that does not count.
pub(super) const IGNORED: &str = "batch.kubernetes.io/job-index-ignored-failure-count";

/// A pod that belongs to a Job or may come to.
#[derive(Debug, PartialEq)]
pub(super) struct JobPod {
    pub(super) key: Key,
    pub(super) meta: Meta,
    pub(super) phase: Phase,
    pub(super) node: bool,
    /// Since when it is ready, if it is.
    pub(super) ready: Option<Timestamp>,
    pub(super) index: Option<i32>,
    pub(super) failures: i32,
    pub(super) ignored_failures: i32,
    /// Restarts of its containers together, and of the one that restarted most.
    pub(super) restarts: i32,
    pub(super) most_restarts: i32,
    /// Containers that ended with something else than 0: name, code.
    pub(super) exits: Vec<(Box<str>, i32)>,
    /// Conditions: type, status.
    pub(super) conditions: Vec<(Box<str>, Box<str>)>,
    /// When it ended, as well as can be told.
    pub(super) finished: Timestamp,
}

impl Dependent for JobPod {
    fn key(&self) -> &Key {
        &self.key
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl JobPod {
    /// Projects a pod of a Job, one that still carries the finalizer, and one without an owner. Others are nothing to
    /// Jobs.
    pub(super) fn project(object: &Object) -> Option<Self> {
        let meta = object.meta();
        let concerned = meta.controller().is_none_or(|c| &*c.kind == "Job") || tracked(meta);
        if !concerned {
            return None;
        }
        let Wire { metadata, spec, status } = object.decode().ok()?;
        let all = || status.container_statuses.iter().chain(&status.init_container_statuses);
        let exits = all().filter_map(|c| {
            let end = c.state.terminated.as_ref().filter(|t| t.exit_code != 0)?;
            Some((c.name.clone(), end.exit_code))
        });
        let number = |text: Option<Box<str>>| text.and_then(|t| t.parse::<i32>().ok()).filter(|n| *n >= 0);
        Some(Self {
            key: Key::of(object),
            meta: meta.clone(),
            phase: Phase::of(&status.phase),
            node: !spec.node_name.is_empty(),
            ready: ready_since(&status.conditions),
            index: number(metadata.annotations.index),
            failures: number(metadata.annotations.failures).unwrap_or(0),
            ignored_failures: number(metadata.annotations.ignored).unwrap_or(0),
            restarts: all().fold(0i32, |n, c| n.saturating_add(c.restart_count)),
            most_restarts: status.container_statuses.iter().map(|c| c.restart_count).max().unwrap_or(0),
            exits: exits.collect(),
            finished: finished(meta, metadata.deletion_grace_period_seconds, &spec, &status),
            conditions: status.conditions.into_iter().map(|c| (c.kind, c.status)).collect(),
        })
    }

    /// Whether it has yet to be counted.
    pub(super) fn is_tracked(&self) -> bool {
        tracked(&self.meta)
    }

    /// Neither ended nor being deleted.
    pub(super) fn is_active(&self) -> bool {
        !self.phase.has_ended() && self.meta.deleted.is_none()
    }

    /// Being deleted and not ended yet.
    pub(super) fn is_terminating(&self) -> bool {
        !self.phase.has_ended() && self.meta.deleted.is_some()
    }
}

fn tracked(meta: &Meta) -> bool {
    meta.finalizers.iter().any(|f| &**f == TRACKING)
}

/// When the containers ended; else since when it is not ready; else when its deletion was asked for.
fn finished(meta: &Meta, grace: i64, spec: &Spec, status: &Status) -> Timestamp {
    let sidecars: HashSet<&str> =
        spec.init_containers.iter().filter(|c| &*c.restart_policy == "Always").map(|c| &*c.name).collect();
    let inits = status.init_container_statuses.iter().filter(|c| sidecars.contains(&*c.name));
    let ends: Option<Vec<Timestamp>> = status
        .container_statuses
        .iter()
        .chain(inits)
        .map(|c| c.state.terminated.as_ref().and_then(|t| t.finished_at))
        .collect();
    let unready =
        || find(&status.conditions, "Ready").filter(|c| &*c.status == "False").and_then(|c| c.last_transition_time);
    let told = || {
        let at: Timestamp = meta.deleted.as_deref()?.parse().ok()?;
        at.checked_sub(SignedDuration::from_secs(grace)).ok()
    };
    ends.and_then(|e| e.into_iter().max())
        .or_else(unready)
        .or_else(told)
        .unwrap_or_else(|| meta.created.parse().unwrap_or_default())
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    annotations: Annotations,
    deletion_grace_period_seconds: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "batch.kubernetes.io/job-completion-index")]
    index: Option<Box<str>>,
    #[serde(rename = "batch.kubernetes.io/job-index-failure-count")]
    failures: Option<Box<str>>,
    #[serde(rename = "batch.kubernetes.io/job-index-ignored-failure-count")]
    ignored: Option<Box<str>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: Box<str>,
    init_containers: Vec<Container>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    name: Box<str>,
    restart_policy: Box<str>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: Box<str>,
    conditions: Vec<Condition>,
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus {
    name: Box<str>,
    restart_count: i32,
    state: State,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct State {
    terminated: Option<Terminated>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Terminated {
    exit_code: i32,
    finished_at: Option<Timestamp>,
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// A pod out of what of it matters.
    pub(in crate::job) fn pod(value: serde_json::Value) -> JobPod {
        JobPod::project(&Object::from_json(value.to_string().into()).unwrap()).unwrap()
    }

    #[test]
    fn the_end_is_told_by_the_best_witness() {
        let ended = |at: &str| json!({"name": "c", "state": {"terminated": {"exitCode": 0, "finishedAt": at}}});
        let times = json!({"name": "p", "creationTimestamp": "2026-01-01T00:00:00Z",
            "deletionTimestamp": "2026-01-01T00:01:30Z", "deletionGracePeriodSeconds": 30});
        let unready = json!([{"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:02:00Z"}]);
        let running = json!({"name": "d", "state": {"running": {}}});
        let sidecar = json!([{"name": "s", "restartPolicy": "Always"}, {"name": "i"}]);
        let late = json!({"name": "s", "state": {"terminated": {"finishedAt": "2026-01-01T00:09:00Z"}}});
        for (spec, status, want) in [
            (json!({}), json!({}), "2026-01-01T00:01:00Z"),
            (json!({}), json!({"conditions": unready}), "2026-01-01T00:02:00Z"),
            (json!({}), json!({"containerStatuses": [ended("2026-01-01T00:03:00Z")]}), "2026-01-01T00:03:00Z"),
            (
                json!({}),
                json!({"containerStatuses": [ended("2026-01-01T00:03:00Z"), running], "conditions": unready}),
                "2026-01-01T00:02:00Z",
            ),
            (
                json!({"initContainers": sidecar}),
                json!({"containerStatuses": [ended("2026-01-01T00:03:00Z")], "initContainerStatuses": [late]}),
                "2026-01-01T00:09:00Z",
            ),
        ] {
            let p = pod(json!({"metadata": times, "spec": spec, "status": status}));
            assert_eq!(p.finished.to_string(), want);
        }
    }

    #[test]
    fn other_owners_pods_are_not_kept() {
        let of = |kind: &str, finalizers: serde_json::Value| {
            let v = json!({"metadata": {"name": "p", "finalizers": finalizers, "ownerReferences":
                [{"apiVersion": "v1", "kind": kind, "name": "o", "uid": "u", "controller": true}]}});
            JobPod::project(&Object::from_json(v.to_string().into()).unwrap()).is_some()
        };
        assert!(of("Job", json!([])));
        assert!(!of("ReplicaSet", json!([])));
        assert!(of("ReplicaSet", json!([TRACKING])), "the finalizer must go, whoever owns the pod");
    }
}
