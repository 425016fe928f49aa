//! The projection of a node.

use std::collections::BTreeMap;

use knarr_api::{
    Meta, Object, Str,
    demand::ResourceList,
    placement::{Effect, Taint},
};
use serde::Deserialize;

use crate::Amounts;

/// A node as the scheduler sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeInfo {
    /// Name and labels; nothing else of the metadata is kept.
    pub meta: Meta,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// Taints.
    pub taints: Vec<Taint>,
    /// What it has for pods.
    pub allocatable: Amounts,
    /// How many pods it takes.
    pub places: i64,
    /// Images it has, by each of their names, and their sizes.
    pub images: BTreeMap<Str, i64>,
}

#[derive(Deserialize)]
struct NodeObject {
    #[serde(default)]
    spec: NodeSpec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeSpec {
    unschedulable: bool,
    taints: Vec<Taint>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeStatus {
    allocatable: ResourceList,
    images: Vec<Image>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Image {
    names: Vec<Str>,
    size_bytes: i64,
}

impl NodeInfo {
    /// Projects a Node.
    pub fn project(object: &Object) -> Option<Self> {
        let NodeObject { spec, status } = object.decode().ok()?;
        let images = status.images.into_iter().flat_map(|i| i.names.into_iter().map(move |name| (name, i.size_bytes)));
        Some(Self {
            meta: Meta { name: object.name().into(), labels: object.meta().labels.clone(), ..Meta::default() },
            unschedulable: spec.unschedulable,
            taints: spec.taints,
            places: status.allocatable.get("pods").map_or(0, |n| n.value()),
            allocatable: Amounts::of(&status.allocatable),
            images: images.collect(),
        })
    }

    /// Name.
    pub fn name(&self) -> &str {
        &self.meta.name
    }

    /// The taints that are to be avoided, not obeyed.
    pub fn soft_taints(&self) -> impl Iterator<Item = &Taint> {
        self.taints.iter().filter(|t| t.effect == Effect::PreferNoSchedule)
    }
}
