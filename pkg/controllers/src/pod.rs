//! The projection of a Pod that controllers share.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use jiff::Timestamp;
use knarr_api::{Meta, Object};
use knarr_client::Key;
use serde::Deserialize;

use crate::{
    conditions::{Condition, holding},
    context::Again,
};

/// A Pod as controllers see it.
#[derive(Debug, PartialEq)]
pub(crate) struct Pod {
    pub(crate) key: Key,
    pub(crate) meta: Meta,
    pub(crate) phase: Phase,
    /// Since when it is ready, if it is.
    pub(crate) ready: Option<Timestamp>,
    pub(crate) node: Option<Box<str>>,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) hostname: Box<str>,
    pub(crate) subdomain: Box<str>,
    /// Named container ports: name, protocol, number.
    pub(crate) ports: Vec<(Box<str>, Box<str>, u16)>,
    /// Restarts of its containers together.
    pub(crate) restarts: i32,
    /// `controller.kubernetes.io/pod-deletion-cost`.
    pub(crate) deletion_cost: Option<i32>,
}

/// `status.phase`, ordered as a ReplicaSet prefers to lose them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Pending,
    Unknown,
    Running,
    Succeeded,
    Failed,
}

impl Phase {
    /// By its word; a pod that says nothing is pending.
    pub(crate) fn of(word: &str) -> Self {
        match word {
            "Running" => Self::Running,
            "Succeeded" => Self::Succeeded,
            "Failed" => Self::Failed,
            "Unknown" => Self::Unknown,
            _ => Self::Pending,
        }
    }

    /// Succeeded or failed.
    pub(crate) fn has_ended(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// Since when a pod with these conditions is ready, if it is.
pub(crate) fn ready_since(conditions: &[Condition]) -> Option<Timestamp> {
    holding(conditions, "Ready").map(|c| c.last_transition_time.unwrap_or_default())
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
#[serde(default)]
struct Metadata {
    annotations: Annotations,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Annotations {
    #[serde(rename = "controller.kubernetes.io/pod-deletion-cost")]
    deletion_cost: Option<Box<str>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    node_name: Option<Box<str>>,
    hostname: Box<str>,
    subdomain: Box<str>,
    containers: Vec<Container>,
    init_containers: Vec<Container>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Container {
    ports: Vec<Port>,
    restart_policy: Box<str>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Port {
    name: Box<str>,
    protocol: Box<str>,
    container_port: u16,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: Box<str>,
    conditions: Vec<Condition>,
    #[serde(rename = "podIPs")]
    pod_ips: Vec<PodIp>,
    container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize)]
struct PodIp {
    ip: Box<str>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus {
    restart_count: i32,
}

impl Pod {
    /// Projects a Pod.
    pub(crate) fn project(object: &Object) -> Option<Self> {
        let Wire { metadata, spec, status } = object.decode().ok()?;
        let sidecars = spec.init_containers.into_iter().filter(|c| &*c.restart_policy == "Always");
        Some(Self {
            key: Key::of(object),
            meta: object.meta().clone(),
            phase: Phase::of(&status.phase),
            ready: ready_since(&status.conditions),
            node: spec.node_name.filter(|n| !n.is_empty()),
            addresses: status.pod_ips.iter().filter_map(|p| p.ip.parse().ok()).collect(),
            hostname: spec.hostname,
            subdomain: spec.subdomain,
            ports: spec
                .containers
                .into_iter()
                .chain(sidecars)
                .flat_map(|c| c.ports)
                .filter(|p| !p.name.is_empty())
                .map(|p| (p.name, p.protocol, p.container_port))
                .collect(),
            deletion_cost: metadata.annotations.deletion_cost.and_then(|c| c.parse().ok()),
            restarts: status.container_statuses.iter().map(|c| c.restart_count).sum(),
        })
    }

    /// Neither ended nor being deleted.
    pub(crate) fn is_active(&self) -> bool {
        !self.has_ended() && self.meta.deleted.is_none()
    }

    /// Succeeded or failed.
    pub(crate) fn has_ended(&self) -> bool {
        self.phase.has_ended()
    }

    /// Ready for at least `seconds`.
    pub(crate) fn is_available(&self, seconds: i32, now: Timestamp) -> bool {
        self.ready.is_some_and(|since| now.duration_since(since).as_secs() >= i64::from(seconds))
    }
}

/// The wait until the next ready pod counts as available.
pub(crate) fn until_available<'a>(pods: impl Iterator<Item = &'a Pod>, seconds: i32, now: Timestamp) -> Again {
    if seconds <= 0 {
        return None;
    }
    let left = |since: Timestamp| i64::from(seconds) - now.duration_since(since).as_secs();
    let next = pods.filter_map(|p| p.ready).map(left).filter(|left| *left > 0).min()?;
    Some(Duration::from_secs(next.unsigned_abs()))
}

/// `matchLabels` and `matchExpressions` of a selector as a matcher over labels.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LabelSelector {
    match_labels: BTreeMap<Box<str>, Box<str>>,
    match_expressions: Vec<Expression>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Expression {
    key: Box<str>,
    operator: Box<str>,
    values: Vec<Box<str>>,
}

impl LabelSelector {
    /// Whether the labels are selected. An empty selector selects everything.
    pub(crate) fn matches(&self, meta: &Meta) -> bool {
        self.match_labels.iter().all(|(k, v)| meta.label(k) == Some(v))
            && self.match_expressions.iter().all(|e| {
                let value = meta.label(&e.key);
                let listed = value.is_some_and(|v| e.values.iter().any(|w| **w == *v));
                match &*e.operator {
                    "In" => listed,
                    "NotIn" => !listed,
                    "Exists" => value.is_some(),
                    "DoesNotExist" => value.is_none(),
                    _ => false,
                }
            })
    }
}
