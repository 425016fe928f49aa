//! What the controller knows of DaemonSets.

use std::collections::BTreeMap;

use knarr_api::{
    Meta, Object, Str,
    placement::{NodeAffinity, Toleration},
};
use knarr_client::Key;
use serde::Deserialize;

use super::eligible::tolerations;
use crate::{
    claims::Owner,
    pod::LabelSelector,
    steps::{fingerprint, scaled},
};

/// The annotation in which the API keeps a counter of templates.
const GENERATION: &str = "deprecated.daemonset.template.generation";

/// A DaemonSet as its controller sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct DaemonSet {
    pub(super) key: Key,
    pub(super) meta: Meta,
    pub(super) selector: LabelSelector,
    /// `None` for OnDelete.
    rolling: Option<Rolling>,
    pub(super) min_ready_seconds: i32,
    pub(super) history_limit: usize,
    /// Fingerprint of the template.
    pub(super) template: Box<str>,
    pub(super) placement: Placement,
    /// The counter of its templates.
    pub(super) generation: Option<Box<str>>,
    pub(super) status: DaemonSetStatus,
}

/// Where the template lets its pods run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Placement {
    pub(super) node_name: Str,
    pub(super) node_selector: BTreeMap<Str, Str>,
    pub(super) affinity: Affinity,
    /// What every daemon tolerates included.
    pub(super) tolerations: Vec<Toleration>,
    pub(super) host_network: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Affinity {
    pub(super) node_affinity: NodeAffinity,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Rolling {
    max_unavailable: serde_json::Value,
    max_surge: serde_json::Value,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DaemonSetStatus {
    pub(super) observed_generation: i64,
    pub(super) desired_number_scheduled: i32,
    pub(super) current_number_scheduled: i32,
    pub(super) number_misscheduled: i32,
    pub(super) number_ready: i32,
    pub(super) updated_number_scheduled: i32,
    pub(super) number_available: i32,
    pub(super) number_unavailable: i32,
    pub(super) collision_count: Option<i32>,
}

#[derive(Deserialize)]
struct Wire {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: DaemonSetStatus,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    annotations: BTreeMap<Box<str>, Box<str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    selector: LabelSelector,
    template: serde_json::Value,
    #[serde(default)]
    update_strategy: Strategy,
    #[serde(default)]
    min_ready_seconds: i32,
    revision_history_limit: Option<i32>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Strategy {
    #[serde(rename = "type")]
    kind: Box<str>,
    rolling_update: Rolling,
}

impl DaemonSet {
    /// Projects a DaemonSet.
    pub(super) fn project(object: &Object) -> Option<Self> {
        let Wire { mut metadata, spec, status } = object.decode().ok()?;
        let strategy = spec.update_strategy;
        let mut placement = Placement::deserialize(spec.template.get("spec")?).ok()?;
        placement.tolerations.extend(tolerations(placement.host_network));
        Some(Self {
            key: Key::of(object),
            meta: object.meta().clone(),
            selector: spec.selector,
            rolling: (&*strategy.kind != "OnDelete").then_some(strategy.rolling_update),
            min_ready_seconds: spec.min_ready_seconds,
            history_limit: usize::try_from(spec.revision_history_limit.unwrap_or(10)).unwrap_or(0),
            template: fingerprint(&spec.template).into(),
            placement,
            generation: metadata.annotations.remove(GENERATION),
            status,
        })
    }

    pub(super) fn owner(&self) -> Owner<'_> {
        Owner { key: &self.key, meta: &self.meta }
    }

    /// Whether old pods are replaced without being deleted by someone.
    pub(super) fn rolls(&self) -> bool {
        self.rolling.is_some()
    }

    /// Pods that may be there twice while the set is on `nodes` nodes.
    pub(super) fn surge(&self, nodes: i32) -> i32 {
        self.rolling.as_ref().map_or(0, |r| scaled(&r.max_surge, nodes, true))
    }

    /// Pods that may be away on `nodes` nodes. Where neither is allowed nothing could move: then one may.
    pub(super) fn unavailable(&self, nodes: i32) -> i32 {
        let n = self.rolling.as_ref().map_or(0, |r| scaled(&r.max_unavailable, nodes, true));
        if n == 0 && nodes > 0 && self.surge(nodes) == 0 { 1 } else { n }
    }
}
