//! Hard constraints, counted over the cluster for one pod.

use std::collections::HashMap;

use super::{Constraint, has_all};
use crate::{NodeInfo, PodInfo, pod::Wishes, snapshot::Snapshot};

/// How many pods stand in each domain, for each hard constraint of a pod.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts<'a> {
    constraints: Vec<&'a Constraint>,
    domains: Vec<Domains<'a>>,
}

#[derive(Clone, Debug)]
struct Domains<'a> {
    counts: HashMap<&'a str, i64>,
    /// The count of the emptiest domain; nothing while there are fewer domains than there must be.
    lowest: i64,
    /// 1 if the pod itself is one of those that are spread.
    itself: i64,
}

/// How a node fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// It is in no domain.
    NoDomain,
    /// Its domain is too full.
    Skewed,
}

impl<'a> Counts<'a> {
    pub(crate) fn new(pod: &PodInfo, wishes: &'a Wishes, snapshot: &'a Snapshot) -> Self {
        let constraints: Vec<_> = wishes.spread.iter().filter(|c| c.hard).collect();
        if constraints.is_empty() {
            return Self::default();
        }
        let empty =
            |c: &&Constraint| Domains { counts: HashMap::new(), lowest: 0, itself: i64::from(c.selects(&pod.labels)) };
        let mut domains: Vec<_> = constraints.iter().map(empty).collect();
        for state in snapshot.nodes().filter(|s| has_all(&s.node.meta, &constraints)) {
            for (constraint, domains) in constraints.iter().zip(&mut domains) {
                if let Some(value) = state.node.meta.label(&constraint.topology)
                    && constraint.counts(wishes, &state.node)
                {
                    *domains.counts.entry(value).or_default() += constraint.count(&pod.key.namespace, state);
                }
            }
        }
        constraints.iter().zip(&mut domains).for_each(|(c, d)| d.settle(c));
        Self { constraints, domains }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.constraints.is_empty()
    }

    /// Counts `other`, which comes to (1) or leaves (-1) `node`.
    pub(crate) fn change(&mut self, pod: &PodInfo, wishes: &Wishes, other: &PodInfo, node: &'a NodeInfo, by: i64) {
        if self.is_empty() || other.key.namespace != pod.key.namespace || !has_all(&node.meta, &self.constraints) {
            return;
        }
        for (constraint, domains) in self.constraints.iter().zip(&mut self.domains) {
            if constraint.selects(&other.labels)
                && constraint.counts(wishes, node)
                && let Some(value) = node.meta.label(&constraint.topology)
            {
                *domains.counts.entry(value).or_default() += by;
                domains.settle(constraint);
            }
        }
    }

    /// What keeps the pod off `node`, if anything.
    pub(crate) fn broken(&self, node: &NodeInfo) -> Option<Broken> {
        for (constraint, domains) in self.constraints.iter().zip(&self.domains) {
            let Some(value) = node.meta.label(&constraint.topology) else { return Some(Broken::NoDomain) };
            let here = domains.counts.get(value).copied().unwrap_or(0);
            if here + domains.itself - domains.lowest > constraint.max_skew {
                return Some(Broken::Skewed);
            }
        }
        None
    }
}

impl Domains<'_> {
    fn settle(&mut self, constraint: &Constraint) {
        let lowest = self.counts.values().copied().min().unwrap_or(0);
        self.lowest = if self.counts.len() < constraint.min_domains { 0 } else { lowest };
    }
}
