//! Topology spread: pods that belong together are to stand evenly over domains.
//!
//! Hard constraints keep a pod off nodes (`hard`), soft ones make nodes less liked (`soft`). Pods that say nothing are
//! spread softly over hosts and zones among those that their Service or controller selects.

mod hard;
mod soft;

use knarr_api::{
    Meta, Str, Value,
    placement::{Effect, Taint, untolerated},
    selector::{Labels, Operator},
};
use serde::Deserialize;

use crate::{
    NodeInfo, NodeState, PodInfo,
    affinity::with_keys,
    pod::{LabelSet, Wishes},
};

pub(crate) use hard::{Broken, Counts};
pub(crate) use soft::scores;

/// The label of a node's own name.
pub(crate) const HOST: &str = "kubernetes.io/hostname";

/// `core/v1 TopologySpreadConstraint`.
#[derive(Clone, Debug, PartialEq)]
pub struct Constraint {
    /// How uneven it may be.
    pub max_skew: i64,
    /// The label whose values are the domains.
    pub topology: Str,
    /// Whether the pod rather waits than breaks it.
    pub hard: bool,
    pods: Labels,
    min_domains: usize,
    /// Count only nodes the pod's node affinity allows.
    honours_affinity: bool,
    /// Count only nodes whose taints the pod tolerates.
    honours_taints: bool,
}

impl Constraint {
    /// What a pod says. Constraints that cannot be understood are left out: the API server has checked them.
    pub(crate) fn all(wire: Vec<WireConstraint>, labels: &LabelSet) -> Vec<Self> {
        wire.into_iter().filter_map(|w| w.parse(labels)).collect()
    }

    /// One of those that hold for pods that say nothing.
    fn default(topology: &str, max_skew: i64, pods: Labels) -> Self {
        Self {
            max_skew,
            topology: topology.into(),
            hard: false,
            pods,
            min_domains: 1,
            honours_affinity: true,
            honours_taints: false,
        }
    }

    /// Whether pods on this node are counted.
    fn counts(&self, wishes: &Wishes, node: &NodeInfo) -> bool {
        (!self.honours_affinity || wishes.allows(&node.meta))
            && !(self.honours_taints && hard_taint(&node.taints, wishes).is_some())
    }

    /// Whether it is about pods with these labels.
    pub fn selects(&self, labels: &[(Box<str>, Box<str>)]) -> bool {
        self.pods.matches(labels)
    }

    /// How many pods of `namespace` on a node it is about. A selector of everything counts nobody, as upstream's does.
    fn count(&self, namespace: &str, state: &NodeState) -> i64 {
        if self.pods.is_everything() {
            return 0;
        }
        let meant =
            |p: &&std::sync::Arc<PodInfo>| p.key.namespace == namespace && !p.deleted && self.pods.matches(&p.labels);
        state.pods().iter().filter(meant).count() as i64
    }
}

/// The first taint that keeps the pod off the node.
pub(crate) fn hard_taint<'a>(taints: &'a [Taint], wishes: &Wishes) -> Option<&'a Taint> {
    untolerated(taints, &wishes.tolerations, Effect::is_hard)
}

fn has_all(node: &Meta, constraints: &[&Constraint]) -> bool {
    constraints.iter().all(|c| node.label(&c.topology).is_some())
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct WireConstraint {
    max_skew: i64,
    topology_key: Str,
    when_unsatisfiable: Str,
    label_selector: Option<Value>,
    min_domains: Option<usize>,
    node_affinity_policy: Option<Str>,
    node_taints_policy: Option<Str>,
    match_label_keys: Vec<Str>,
}

impl WireConstraint {
    fn parse(self, labels: &LabelSet) -> Option<Constraint> {
        let pods = Labels::from_selector(self.label_selector.as_ref()).ok()?;
        Some(Constraint {
            max_skew: self.max_skew,
            topology: self.topology_key,
            hard: self.when_unsatisfiable == "DoNotSchedule",
            pods: with_keys(pods, &self.match_label_keys, Operator::In, labels)?,
            min_domains: self.min_domains.unwrap_or(1),
            honours_affinity: self.node_affinity_policy.is_none_or(|p| p == "Honor"),
            honours_taints: self.node_taints_policy.is_some_and(|p| p == "Honor"),
        })
    }
}
