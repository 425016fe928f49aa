//! Soft constraints: nodes in fuller domains are liked less.

use std::collections::HashMap;

use knarr_api::selector::Labels;
use knarr_client::Key;

use super::{Constraint, HOST, has_all};
use crate::{NodeState, PodInfo, pod::Wishes, snapshot::Snapshot};

const ZONE: &str = "topology.kubernetes.io/zone";

/// 0 to 100 for each of `nodes`; `None` if nothing is to be spread.
pub(crate) fn scores(pod: &PodInfo, wishes: &Wishes, nodes: &[&NodeState], snapshot: &Snapshot) -> Option<Vec<i64>> {
    let own = !wishes.spread.is_empty();
    let defaults = if own { Vec::new() } else { defaults(pod, wishes, snapshot) };
    let constraints: Vec<&Constraint> = wishes.spread.iter().filter(|c| !c.hard).chain(&defaults).collect();
    if constraints.is_empty() {
        return None;
    }
    // The defaults also spread over nodes that have no zone.
    let counted = |state: &NodeState| !own || has_all(&state.node.meta, &constraints);
    let domains: Vec<_> = constraints.iter().map(|c| Domains::new(c, pod, wishes, nodes, snapshot, &counted)).collect();
    let raw = nodes.iter().map(|state| {
        counted(state).then(|| {
            let each = constraints.iter().zip(&domains).map(|(c, d)| d.score(c, pod, state));
            each.sum::<f64>().round() as i64
        })
    });
    let raw: Vec<Option<i64>> = raw.collect();
    let (low, high) = raw.iter().flatten().fold((i64::MAX, 0), |(low, high), n| (low.min(*n), high.max(*n)));
    let normal = raw.into_iter().map(|score| match score {
        None => 0,
        Some(_) if high == 0 => 100,
        Some(n) => 100 * (high + low - n) / high,
    });
    Some(normal.collect())
}

/// The pods of each domain that one of the candidate nodes is in.
struct Domains<'a> {
    counts: HashMap<&'a str, i64>,
    /// So that few domains count as much as many.
    weight: f64,
}

impl<'a> Domains<'a> {
    fn new(
        constraint: &Constraint,
        pod: &PodInfo,
        wishes: &Wishes,
        nodes: &[&'a NodeState],
        snapshot: &'a Snapshot,
        counted: &impl Fn(&NodeState) -> bool,
    ) -> Self {
        let candidates = || nodes.iter().filter(|s| counted(s));
        let mut counts = HashMap::new();
        if constraint.topology == HOST {
            // Each host is its own domain: counted where it is scored.
            return Self { counts, weight: weight(candidates().count()) };
        }
        let value = |state: &'a NodeState| state.node.meta.label(&constraint.topology).unwrap_or_default();
        counts.extend(candidates().map(|state| (value(state), 0)));
        for state in snapshot.nodes().filter(|s| counted(s) && constraint.counts(wishes, &s.node)) {
            if let Some(n) = counts.get_mut(value(state)) {
                *n += constraint.count(&pod.key.namespace, state);
            }
        }
        let weight = weight(counts.len());
        Self { counts, weight }
    }

    fn score(&self, constraint: &Constraint, pod: &PodInfo, state: &NodeState) -> f64 {
        let Some(value) = state.node.meta.label(&constraint.topology) else { return 0.0 };
        let count = if constraint.topology == HOST {
            constraint.count(&pod.key.namespace, state)
        } else {
            self.counts.get(value).copied().unwrap_or(0)
        };
        // The larger the skew that is allowed, the less a single pod counts.
        count as f64 * self.weight + (constraint.max_skew - 1) as f64
    }
}

fn weight(domains: usize) -> f64 {
    ((domains + 2) as f64).ln()
}

/// The constraints of a pod that names none: over hosts and zones, among the pods its Services and controller select.
fn defaults(pod: &PodInfo, wishes: &Wishes, snapshot: &Snapshot) -> Vec<Constraint> {
    let namespace = &pod.key.namespace;
    let services = snapshot.groups.range(("Service", Key::new(namespace, ""))..);
    let services = services.take_while(|((kind, key), _)| *kind == "Service" && key.namespace == *namespace);
    let mut selectors: Vec<&Labels> = services.map(|(_, s)| s).filter(|s| s.matches(&pod.labels)).collect();
    if let Some((kind, name)) = &wishes.owner {
        let kind = ["ReplicaSet", "StatefulSet", "ReplicationController"].into_iter().find(|k| kind == k);
        selectors.extend(kind.and_then(|kind| snapshot.groups.get(&(kind, Key::new(namespace, name)))));
    }
    let terms: Vec<_> = selectors.iter().filter_map(|s| s.requirements()).flatten().cloned().collect();
    if terms.is_empty() {
        return Vec::new();
    }
    let pods = Labels::of(terms);
    vec![Constraint::default(HOST, 3, pods.clone()), Constraint::default(ZONE, 5, pods)]
}
