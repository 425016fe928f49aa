//! What the controller knows of StatefulSets.

use knarr_api::{Meta, Object};
use knarr_client::Key;
use serde::Deserialize;

use crate::{
    claims::Owner,
    pod::LabelSelector,
    steps::{fingerprint, scaled},
};

/// A StatefulSet as its controller sees it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StatefulSet {
    pub(super) key: Key,
    pub(super) meta: Meta,
    pub(super) selector: LabelSelector,
    pub(super) replicas: u32,
    /// The first ordinal.
    pub(super) first: u32,
    /// Pods are made and deleted without waiting for one another.
    pub(super) parallel: bool,
    pub(super) update: Update,
    pub(super) min_ready_seconds: i32,
    pub(super) history_limit: usize,
    /// Fingerprint of the template.
    pub(super) template: Box<str>,
    /// Names of the claim templates.
    pub(super) claims: Vec<Box<str>>,
    pub(super) retention: Retention,
    pub(super) status: StatefulSetStatus,
}

/// How pods of an old revision are replaced.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Update {
    /// When someone deletes them.
    OnDelete,
    /// From the last ordinal down.
    Rolling {
        /// Pods with ordinals below (counted from the first) keep the old revision. `None` where the strategy says
        /// nothing more: then as many as still have it.
        partition: Option<u32>,
        /// Pods that may be away at once; `None` for one at a time, each waited for.
        unavailable: Option<serde_json::Value>,
    },
}

/// `persistentVolumeClaimRetentionPolicy`: whether claims go with the set, and with pods that are scaled away.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Retention {
    pub(super) delete_with_set: bool,
    pub(super) delete_with_pod: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct StatefulSetStatus {
    pub(super) observed_generation: i64,
    pub(super) replicas: i32,
    pub(super) ready_replicas: i32,
    pub(super) current_replicas: i32,
    pub(super) updated_replicas: i32,
    pub(super) available_replicas: i32,
    pub(super) current_revision: String,
    pub(super) update_revision: String,
    pub(super) collision_count: Option<i32>,
}

#[derive(Deserialize)]
struct Wire {
    spec: Spec,
    #[serde(default)]
    status: StatefulSetStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    replicas: Option<u32>,
    selector: LabelSelector,
    template: serde_json::Value,
    #[serde(default)]
    pod_management_policy: Box<str>,
    #[serde(default)]
    update_strategy: Strategy,
    #[serde(default)]
    min_ready_seconds: i32,
    revision_history_limit: Option<i32>,
    #[serde(default)]
    volume_claim_templates: Vec<ClaimTemplate>,
    #[serde(default)]
    persistent_volume_claim_retention_policy: Policy,
    #[serde(default)]
    ordinals: Ordinals,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Strategy {
    #[serde(rename = "type")]
    kind: Box<str>,
    rolling_update: Option<Rolling>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Rolling {
    partition: u32,
    max_unavailable: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct ClaimTemplate {
    metadata: Named,
}

#[derive(Deserialize)]
struct Named {
    name: Box<str>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Policy {
    when_deleted: Box<str>,
    when_scaled: Box<str>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Ordinals {
    start: u32,
}

impl StatefulSet {
    /// Projects a StatefulSet.
    pub(super) fn project(object: &Object) -> Option<Self> {
        let Wire { spec, status } = object.decode().ok()?;
        let policy = spec.persistent_volume_claim_retention_policy;
        let rolling = spec.update_strategy.rolling_update;
        let update = match &*spec.update_strategy.kind {
            "OnDelete" => Update::OnDelete,
            _ => Update::Rolling {
                partition: rolling.as_ref().map(|r| r.partition),
                unavailable: rolling.and_then(|r| r.max_unavailable),
            },
        };
        Some(Self {
            key: Key::of(object),
            meta: object.meta().clone(),
            selector: spec.selector,
            replicas: spec.replicas.unwrap_or(1),
            first: spec.ordinals.start,
            parallel: &*spec.pod_management_policy == "Parallel",
            update,
            min_ready_seconds: spec.min_ready_seconds,
            history_limit: usize::try_from(spec.revision_history_limit.unwrap_or(10)).unwrap_or(0),
            template: fingerprint(&spec.template).into(),
            claims: spec.volume_claim_templates.into_iter().map(|c| c.metadata.name).collect(),
            retention: Retention {
                delete_with_set: &*policy.when_deleted == "Delete",
                delete_with_pod: &*policy.when_scaled == "Delete",
            },
            status,
        })
    }

    pub(super) fn owner(&self) -> Owner<'_> {
        Owner { key: &self.key, meta: &self.meta }
    }

    /// The ordinals of its pods.
    pub(super) fn ordinals(&self) -> std::ops::Range<u32> {
        self.first..self.first.saturating_add(self.replicas)
    }

    /// Whether the set wants a pod of this ordinal.
    pub(super) fn wants(&self, ordinal: u32) -> bool {
        self.ordinals().contains(&ordinal)
    }

    /// The name of the pod with an ordinal.
    pub(super) fn pod_name(&self, ordinal: u32) -> String {
        format!("{}-{ordinal}", self.key.name)
    }

    /// The names of the claims of the pod with an ordinal.
    pub(super) fn claim_keys(&self, ordinal: u32) -> impl Iterator<Item = Key> {
        let Key { namespace, name } = &self.key;
        self.claims.iter().map(move |claim| Key::new(namespace, &format!("{claim}-{name}-{ordinal}")))
    }

    /// Pods that may be away at once, where that is said; at least one.
    pub(super) fn unavailable(&self) -> Option<usize> {
        let Update::Rolling { unavailable: Some(value), .. } = &self.update else { return None };
        let replicas = i32::try_from(self.replicas).unwrap_or(i32::MAX);
        Some(usize::try_from(scaled(value, replicas, false)).unwrap_or(0).max(1))
    }
}
