//! The cluster as decisions see it: nodes, what stands on them, and the facts around.
//!
//! It is kept up to date by single changes, so that a decision starts at once, however many pods there are.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use knarr_api::{Str, selector::Labels};
use knarr_client::Key;

use crate::{
    Amounts, NodeInfo, PodInfo,
    pod::{HostPort, LabelSet},
    volume::{ClaimInfo, ClassInfo, VolumeInfo},
};

/// The cluster at a moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// By name. Also nodes that are gone, or not there yet, while pods stand on them.
    nodes: BTreeMap<Str, NodeState>,
    known: usize,
    /// Pods that room is being made for, by node.
    nominated: HashMap<Str, Vec<Arc<PodInfo>>>,
    /// Nodes that have an image, by its name.
    images: HashMap<Str, usize>,
    pub(crate) namespaces: BTreeMap<Str, LabelSet>,
    pub(crate) claims: BTreeMap<Key, ClaimInfo>,
    pub(crate) volumes: BTreeMap<Str, VolumeInfo>,
    pub(crate) classes: BTreeMap<Str, ClassInfo>,
    /// Which pods belong together, by kind and key: Services, and the controllers spreading goes by.
    pub(crate) groups: BTreeMap<(&'static str, Key), Labels>,
    pub(crate) budgets: BTreeMap<Key, Budget>,
}

/// A node and what stands on it.
#[derive(Clone, Debug, Default)]
pub struct NodeState {
    /// The node.
    pub node: Arc<NodeInfo>,
    known: bool,
    pods: Vec<Arc<PodInfo>>,
    requested: Amounts,
    load: (i64, i64),
    with_rules: usize,
    with_ports: usize,
}

/// A PodDisruptionBudget as preemption sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Budget {
    /// Its pods.
    pub selector: Labels,
    /// How many may go now.
    pub allowed: i32,
    /// Those already on their way.
    pub disrupted: Vec<Str>,
}

impl NodeState {
    /// Pods that occupy the node.
    pub fn pods(&self) -> &[Arc<PodInfo>] {
        &self.pods
    }

    /// What they ask for together.
    pub fn requested(&self) -> &Amounts {
        &self.requested
    }

    /// CPU and memory they count as.
    pub(crate) fn load(&self) -> (i64, i64) {
        self.load
    }

    /// How many have rules about other pods.
    pub(crate) fn with_rules(&self) -> usize {
        self.with_rules
    }

    /// Whether one of `wanted` is taken.
    pub(crate) fn has_port(&self, wanted: &[HostPort]) -> bool {
        let mut held = self.pods.iter().flat_map(|p| &p.ports);
        !wanted.is_empty() && self.with_ports > 0 && held.any(|have| wanted.iter().any(|want| want.collides(have)))
    }

    pub(crate) fn put(&mut self, pod: Arc<PodInfo>) {
        self.requested.add(&pod.requests);
        self.load = (self.load.0 + pod.load.0, self.load.1 + pod.load.1);
        self.with_rules += usize::from(pod.affinity.is_some());
        self.with_ports += usize::from(!pod.ports.is_empty());
        self.pods.push(pod);
    }

    pub(crate) fn take(&mut self, key: &Key) -> Option<Arc<PodInfo>> {
        let at = self.pods.iter().position(|p| p.key == *key)?;
        let pod = self.pods.swap_remove(at);
        self.requested.sub(&pod.requests);
        self.load = (self.load.0 - pod.load.0, self.load.1 - pod.load.1);
        self.with_rules -= usize::from(pod.affinity.is_some());
        self.with_ports -= usize::from(!pod.ports.is_empty());
        Some(pod)
    }
}

impl Snapshot {
    /// Nodes and the pods on them.
    pub fn new(nodes: impl IntoIterator<Item = Arc<NodeInfo>>, pods: impl IntoIterator<Item = Arc<PodInfo>>) -> Self {
        let mut all = Self::default();
        nodes.into_iter().for_each(|n| all.set_node(n));
        pods.into_iter().for_each(|p| all.place(p));
        all
    }

    /// Nodes that are there, by name.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeState> {
        self.nodes.values().filter(|s| s.known)
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.known
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.known == 0
    }

    /// A node that is there.
    pub fn node(&self, name: &str) -> Option<&NodeState> {
        self.nodes.get(name).filter(|s| s.known)
    }

    /// A node is new or changed.
    pub fn set_node(&mut self, node: Arc<NodeInfo>) {
        let state = self.nodes.entry(node.name().into()).or_default();
        self.known += usize::from(!state.known);
        let old = std::mem::replace(&mut state.node, node.clone());
        state.known = true;
        count_images(&mut self.images, Some(&old), Some(&node));
    }

    /// A node is gone. Its pods are remembered: it may come back before they go.
    pub fn remove_node(&mut self, name: &str) {
        let Some(state) = self.nodes.get_mut(name).filter(|s| s.known) else { return };
        state.known = false;
        self.known -= 1;
        count_images(&mut self.images, Some(&state.node), None);
        state.node = Arc::new(NodeInfo {
            meta: knarr_api::Meta { name: name.into(), ..Default::default() },
            ..Default::default()
        });
        if state.pods.is_empty() {
            self.nodes.remove(name);
        }
    }

    /// A pod stands on its node, in place of any earlier state of it. Pods that occupy nothing are not kept.
    pub fn place(&mut self, pod: Arc<PodInfo>) {
        let Some(node) = pod.node.clone() else { return };
        self.displace(&node, &pod.key);
        if pod.occupies() {
            self.nodes.entry(node).or_default().put(pod);
        }
    }

    /// A pod is no longer on a node.
    pub fn displace(&mut self, node: &str, key: &Key) -> Option<Arc<PodInfo>> {
        let state = self.nodes.get_mut(node)?;
        let pod = state.take(key);
        if !state.known && state.pods.is_empty() {
            self.nodes.remove(node);
        }
        pod
    }

    /// Room is being made for `pod` on `node`.
    pub fn nominate(&mut self, pod: Arc<PodInfo>, node: &str) {
        self.forget_nomination(&pod.key);
        self.nominated.entry(node.into()).or_default().push(pod);
    }

    /// No room is being made for a pod any more.
    pub fn forget_nomination(&mut self, key: &Key) {
        self.nominated.retain(|_, pods| {
            pods.retain(|p| p.key != *key);
            !pods.is_empty()
        });
    }

    /// The pods room is being made for on a node.
    pub fn nominated(&self, node: &str) -> &[Arc<PodInfo>] {
        self.nominated.get(node).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn nodes_with_image(&self, name: &str) -> usize {
        self.images.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn namespace_labels(&self, namespace: &str) -> &[(Box<str>, Box<str>)] {
        self.namespaces.get(namespace).map(|l| &**l).unwrap_or_default()
    }
}

fn count_images(images: &mut HashMap<Str, usize>, old: Option<&NodeInfo>, new: Option<&NodeInfo>) {
    if old.map(|n| &n.images) == new.map(|n| &n.images) {
        return;
    }
    for name in new.into_iter().flat_map(|n| n.images.keys()) {
        *images.entry(name.clone()).or_default() += 1;
    }
    for name in old.into_iter().flat_map(|n| n.images.keys()) {
        if let Some(n) = images.get_mut(name) {
            *n -= 1;
            if *n == 0 {
                images.remove(name);
            }
        }
    }
}
