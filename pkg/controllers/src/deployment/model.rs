//! What the controller knows of Deployments and their ReplicaSets.

use std::collections::BTreeMap;

use knarr_api::{Meta, Object};
use knarr_client::Key;
use serde::Deserialize;

use crate::{
    claims::{Dependent, Owner},
    conditions::Condition,
    pod::LabelSelector,
    steps::scaled,
};

pub(super) const HASH_LABEL: &str = "pod-template-hash";
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
pub(super) const HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub(super) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(super) const MAX: &str = "deployment.kubernetes.io/max-replicas";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Annotations that a ReplicaSet does not have from its Deployment.
const OWN: [&str; 5] = [REVISION, HISTORY, DESIRED, MAX, LAST_APPLIED];

/// A Deployment as its controller sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Deployment {
    pub(super) key: Key,
    pub(super) meta: Meta,
    pub(super) replicas: i32,
    pub(super) paused: bool,
    pub(super) selector: LabelSelector,
    pub(super) min_ready_seconds: i32,
    pub(super) deadline: Option<i32>,
    pub(super) history_limit: usize,
    /// `None` for Recreate.
    rolling: Option<Rolling>,
    /// Hash of the template.
    pub(super) template: String,
    /// Its own revision annotation.
    pub(super) revision: i64,
    /// Annotations its ReplicaSets inherit.
    pub(super) inherited: BTreeMap<String, String>,
    pub(super) collisions: i32,
    pub(super) status: DeploymentStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rolling {
    max_surge: serde_json::Value,
    max_unavailable: serde_json::Value,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DeploymentStatus {
    pub(super) observed_generation: i64,
    pub(super) replicas: i32,
    pub(super) updated_replicas: i32,
    pub(super) ready_replicas: i32,
    pub(super) available_replicas: i32,
    pub(super) unavailable_replicas: i32,
    pub(super) terminating_replicas: Option<i32>,
    pub(super) collision_count: Option<i32>,
    pub(super) conditions: Vec<Condition>,
}

/// A ReplicaSet as the Deployment controller sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ReplicaSet {
    pub(super) key: Key,
    pub(super) meta: Meta,
    pub(super) replicas: i32,
    pub(super) template: String,
    pub(super) revision: i64,
    pub(super) history: String,
    /// What the Deployment wanted when this was scaled last, and at most: for scaling in proportion.
    pub(super) desired: Option<i32>,
    pub(super) max: Option<i32>,
    /// Annotations, but for those the controller keeps itself.
    pub(super) inherited: BTreeMap<String, String>,
    pub(super) status: SetStatus,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct SetStatus {
    pub(super) replicas: i32,
    pub(super) ready_replicas: i32,
    pub(super) available_replicas: i32,
    pub(super) terminating_replicas: Option<i32>,
    pub(super) observed_generation: i64,
    pub(super) conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Wire<S, T: Default> {
    metadata: Metadata,
    spec: S,
    #[serde(default)]
    status: T,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeploymentSpec {
    replicas: Option<i32>,
    #[serde(default)]
    paused: bool,
    selector: LabelSelector,
    #[serde(default)]
    min_ready_seconds: i32,
    progress_deadline_seconds: Option<i32>,
    revision_history_limit: Option<i32>,
    #[serde(default)]
    strategy: Strategy,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Strategy {
    #[serde(rename = "type")]
    kind: String,
    rolling_update: Rolling,
}

#[derive(Deserialize)]
struct SetSpec {
    replicas: Option<i32>,
}

impl Dependent for ReplicaSet {
    fn key(&self) -> &Key {
        &self.key
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl Deployment {
    pub(super) fn owner(&self) -> Owner<'_> {
        Owner { key: &self.key, meta: &self.meta }
    }

    pub(super) fn project(object: &Object) -> Option<Self> {
        let Wire { metadata, spec, status }: Wire<DeploymentSpec, DeploymentStatus> = object.decode().ok()?;
        let mut inherited = metadata.annotations;
        let revision = inherited.get(REVISION).and_then(|r| r.parse().ok()).unwrap_or(0);
        OWN.iter().for_each(|own| drop(inherited.remove(*own)));
        // i32::MAX means no deadline (upstream's HasProgressDeadline).
        let deadline = spec.progress_deadline_seconds.unwrap_or(600);
        Some(Self {
            key: Key::of(object),
            meta: object.meta().clone(),
            replicas: spec.replicas.unwrap_or(1).max(0),
            paused: spec.paused,
            selector: spec.selector,
            min_ready_seconds: spec.min_ready_seconds,
            deadline: (deadline != i32::MAX).then_some(deadline),
            history_limit: usize::try_from(spec.revision_history_limit.unwrap_or(10)).unwrap_or(0),
            rolling: (spec.strategy.kind != "Recreate").then_some(spec.strategy.rolling_update),
            template: super::template_hash(object)?,
            revision,
            inherited,
            collisions: status.collision_count.unwrap_or(0),
            status,
        })
    }

    /// Whether old pods go before new ones come.
    pub(super) fn recreates(&self) -> bool {
        self.rolling.is_none()
    }

    /// Pods allowed above the number asked for.
    pub(super) fn surge(&self) -> i32 {
        self.rolling.as_ref().map_or(0, |r| scaled(&r.max_surge, self.replicas, true))
    }

    /// Pods that may be missing. When neither surplus nor lack is allowed nothing could move: then one may.
    pub(super) fn unavailable(&self) -> i32 {
        let Some(rolling) = &self.rolling else { return 0 };
        let n = scaled(&rolling.max_unavailable, self.replicas, false).min(self.replicas);
        if n == 0 && self.surge() == 0 && self.replicas > 0 { 1 } else { n }
    }
}

impl ReplicaSet {
    pub(super) fn project(object: &Object) -> Option<Self> {
        let Wire { metadata, spec, status }: Wire<SetSpec, SetStatus> = object.decode().ok()?;
        let number = |name: &str| metadata.annotations.get(name).and_then(|n| n.parse().ok());
        Some(Self {
            key: Key::of(object),
            meta: object.meta().clone(),
            replicas: spec.replicas.unwrap_or(1),
            template: super::template_hash(object)?,
            revision: number(REVISION).unwrap_or(0),
            history: metadata.annotations.get(HISTORY).cloned().unwrap_or_default(),
            desired: number(DESIRED).map(|n| n as i32),
            max: number(MAX).map(|n| n as i32),
            inherited: metadata.annotations.into_iter().filter(|(k, _)| !OWN.contains(&k.as_str())).collect(),
            status,
        })
    }

    /// Whether it has every annotation of its Deployment.
    pub(super) fn has_inherited(&self, d: &Deployment) -> bool {
        d.inherited.iter().all(|(k, v)| self.inherited.get(k) == Some(v))
    }
}
