//! What a change can do for a pod that was refused: only then it is looked at again.

use std::sync::Arc;

use knarr_client::Key;

use crate::{
    Amounts, NodeInfo, PodInfo, Snapshot,
    parts::{Part, Parts},
    pod::Wishes,
    spread::hard_taint,
};

/// A change in the cluster.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    /// A node came, changed or went.
    Node {
        /// Before.
        old: Option<&'a NodeInfo>,
        /// After.
        new: Option<&'a NodeInfo>,
    },
    /// A pod came to a node, or is another to those who look at its labels.
    Came(&'a Arc<PodInfo>),
    /// A pod left a node, or is another now.
    Left(&'a Arc<PodInfo>),
    /// A claim came or changed.
    Claim(&'a Key),
    /// A volume or a storage class came or changed.
    Storage,
    /// Labels of a namespace changed.
    Namespace,
}

/// Whether `change` may let in a pod that `parts` refused.
pub fn helps(change: Change<'_>, pod: &PodInfo, parts: Parts, snapshot: &Snapshot) -> bool {
    match change {
        Change::Node { old, new } => node_helps(old, new, pod, parts),
        Change::Came(other) => {
            (parts.has(Part::PodAffinity) && near(pod, other, snapshot))
                || (parts.has(Part::Spread) && spreads(pod, other))
        }
        Change::Left(other) => {
            parts.has(Part::Resources)
                || (parts.has(Part::Ports) && other.ports.iter().any(|p| pod.ports.iter().any(|q| p.collides(q))))
                || (parts.has(Part::Spread) && spreads(pod, other))
                || (parts.has(Part::PodAffinity) && (away(pod, other, snapshot) || away(other, pod, snapshot)))
                || (parts.has(Part::Volumes) && shares_claim(pod, other))
        }
        Change::Claim(key) => {
            let mine = key.namespace == pod.key.namespace && pod.claims.iter().any(|(name, _)| *name == key.name);
            parts.has(Part::Volumes) && mine
        }
        Change::Storage => parts.has(Part::Volumes),
        Change::Namespace => {
            let looks = |a: &crate::affinity::PodAffinity| a.terms().any(crate::affinity::Term::looks_at_namespaces);
            parts.has(Part::PodAffinity) && pod.affinity.as_deref().is_some_and(looks)
        }
    }
}

fn node_helps(old: Option<&NodeInfo>, new: Option<&NodeInfo>, pod: &PodInfo, parts: Parts) -> bool {
    let none = Wishes::default();
    let wishes = pod.wishes.as_deref().unwrap_or(&none);
    let Some(new) = new else {
        // Without the node its domain may not count any more.
        return parts.has(Part::Spread);
    };
    // True of the node now, and not before.
    let became = |test: &dyn Fn(&NodeInfo) -> bool| test(new) && old.is_none_or(|old| !test(old));
    let relabelled = old.is_none_or(|old| old.meta.labels != new.meta.labels);
    let roomier =
        old.is_none_or(|old| new.places > old.places || new.allocatable.grew(&old.allocatable, &pod.requests));
    parts.has(Part::NoNodes)
        || (parts.has(Part::Unschedulable) && became(&|n| !n.unschedulable))
        || (parts.has(Part::Taints) && became(&|n| hard_taint(&n.taints, wishes).is_none()))
        || (parts.has(Part::NodeAffinity) && became(&|n| wishes.allows(&n.meta)))
        || (parts.has(Part::Ports) && old.is_none())
        || (parts.has(Part::Resources) && roomier && could_hold(new, pod))
        || (parts.has(Part::Volumes) && relabelled)
        || (parts.has(Part::PodAffinity) && relabelled)
        || (parts.has(Part::Spread) && (relabelled || old.is_some_and(|old| old.taints != new.taints)))
}

/// Whether the node could take the pod if it were empty.
fn could_hold(node: &NodeInfo, pod: &PodInfo) -> bool {
    node.places > 0 && pod.requests.lacking(&node.allocatable, &Amounts::default()).next().is_none()
}

fn spreads(pod: &PodInfo, other: &PodInfo) -> bool {
    let mut hard = pod.wishes.iter().flat_map(|w| &w.spread).filter(|c| c.hard);
    pod.key.namespace == other.key.namespace && hard.any(|c| c.selects(&other.labels))
}

fn near(pod: &PodInfo, other: &PodInfo, snapshot: &Snapshot) -> bool {
    let mut terms = pod.affinity.iter().flat_map(|a| &a.near);
    terms.any(|t| t.selects(&other.key.namespace, &other.labels, snapshot))
}

fn away(pod: &PodInfo, other: &PodInfo, snapshot: &Snapshot) -> bool {
    let mut terms = pod.affinity.iter().flat_map(|a| &a.away);
    terms.any(|t| t.selects(&other.key.namespace, &other.labels, snapshot))
}

fn shares_claim(pod: &PodInfo, other: &PodInfo) -> bool {
    let shared = |(name, _): &(knarr_api::Str, bool)| other.claims.iter().any(|(n, _)| n == name);
    pod.key.namespace == other.key.namespace && pod.claims.iter().any(shared)
}
