//! What the controller keeps of nodes and pods.

use knarr_api::Object;
use serde::Deserialize;

use super::taints::{Taint, Toleration};
use crate::conditions::{Condition, holding};

/// A node.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    pub(super) uid: Box<str>,
    pub(super) conditions: Vec<Condition>,
    pub(super) taints: Vec<Taint>,
    pub(super) unschedulable: bool,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec {
    taints: Vec<Taint>,
    unschedulable: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeStatus {
    conditions: Vec<Condition>,
}

pub(super) fn project_node(object: &Object) -> Option<Node> {
    let Wire { spec, status } = object.decode().ok()?;
    Some(Node {
        uid: object.meta().uid.clone(),
        conditions: status.conditions,
        taints: spec.taints,
        unschedulable: spec.unschedulable,
    })
}

/// A bound pod and the tolerations that say how long it stays on a node that is away.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) uid: Box<str>,
    pub(super) node: Box<str>,
    pub(super) deleted: bool,
    pub(super) ready: bool,
    pub(super) tolerations: Vec<Toleration>,
}

pub(super) fn project_pod(object: &Object) -> Option<Bound> {
    #[derive(Deserialize)]
    struct Wire {
        spec: Spec,
        #[serde(default)]
        status: NodeStatus,
    }
    #[derive(Deserialize)]
    struct Spec {
        #[serde(rename = "nodeName")]
        node: Option<Box<str>>,
        #[serde(default)]
        tolerations: Vec<Toleration>,
    }
    let Wire { spec, status } = object.decode().ok()?;
    Some(Bound {
        uid: object.meta().uid.clone(),
        node: spec.node.filter(|n| !n.is_empty())?,
        deleted: object.meta().deleted.is_some(),
        ready: holding(&status.conditions, "Ready").is_some(),
        tolerations: spec.tolerations,
    })
}
