//! What the controller knows of a DaemonSet's pods, and of the nodes they are for.

use knarr_api::{
    Meta, Object,
    placement::{NodeSelector, Taint},
};
use knarr_client::Key;
use serde::Deserialize;

use super::model::{Affinity, DaemonSet};
use crate::{claims::Dependent, history::HASH_LABEL, pod::Pod};

/// The pod label that repeats the set's counter of templates.
pub(super) const GENERATION_LABEL: &str = "pod-template-generation";

/// A pod of a DaemonSet, or of nobody.
#[derive(Debug, PartialEq)]
pub(super) struct Daemon {
    pub(super) pod: Pod,
    /// The node it is on or is meant for.
    pub(super) node: Option<Box<str>>,
}

impl Dependent for Daemon {
    fn key(&self) -> &Key {
        &self.pod.key
    }

    fn meta(&self) -> &Meta {
        &self.pod.meta
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PodWire {
    spec: PodSpec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct PodSpec {
    affinity: Affinity,
}

impl Daemon {
    /// Projects a pod.
    pub(super) fn project(object: &Object) -> Option<Self> {
        if object.meta().controller().is_some_and(|c| &*c.kind != "DaemonSet") {
            return None;
        }
        let pod = Pod::project(object)?;
        let node = match &pod.node {
            Some(node) => Some(node.clone()),
            // It waits for the scheduler, with its node in its affinity.
            None => {
                let wire: PodWire = object.decode().ok()?;
                let names = wire.spec.affinity.node_affinity.required.as_ref().and_then(NodeSelector::names);
                names.and_then(|names| names.first().map(|name| (*name).into()))
            }
        };
        Some(Self { pod, node })
    }

    pub(super) fn is_terminating(&self) -> bool {
        self.pod.meta.deleted.is_some()
    }

    /// Whether it was made from the template of `set`, whose revision has `hash`.
    pub(super) fn is_updated(&self, set: &DaemonSet, hash: &str) -> bool {
        let label = |key| self.pod.meta.label(key);
        let counted = set.generation.as_deref().is_some_and(|g| label(GENERATION_LABEL) == Some(g));
        counted || label(HASH_LABEL) == Some(hash)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.pod.ready.is_some()
    }

    /// Those on their node come before those that wait, then the oldest.
    pub(super) fn seniority(&self) -> (bool, &str, &str) {
        (self.pod.node.is_none(), &self.pod.meta.created, &self.pod.key.name)
    }
}

/// A node as the controller sees it: what decides about eligibility.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    /// Its name and labels, and nothing else: a heartbeat is no change.
    pub(super) meta: Meta,
    pub(super) taints: Vec<Taint>,
}

#[derive(Deserialize)]
struct NodeWire {
    #[serde(default)]
    spec: NodeSpec,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeSpec {
    taints: Vec<Taint>,
}

impl Node {
    /// Projects a Node.
    pub(super) fn project(object: &Object) -> Option<Self> {
        let wire: NodeWire = object.decode().ok()?;
        let Meta { name, labels, .. } = object.meta().clone();
        Some(Self { meta: Meta { name, labels, ..Meta::default() }, taints: wire.spec.taints })
    }
}
