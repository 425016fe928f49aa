//! Required terms, counted over the cluster for one pod.

use std::collections::HashMap;

use super::{PodAffinity, Term};
use crate::{NodeInfo, PodInfo, snapshot::Snapshot};

/// Pods by domain: topology label and value.
type Domains<'a> = HashMap<(&'a str, &'a str), i64>;

/// The pods that required terms are about, by domain.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts<'a> {
    rules: Option<&'a PodAffinity>,
    /// Pods that stand where the new one must not, by their own rules.
    shunning: Domains<'a>,
    /// Pods that all terms of `near` select.
    near: Domains<'a>,
    /// Pods a term of `away` selects.
    away: Domains<'a>,
    /// Whether the new pod is one of those it must be near.
    near_itself: bool,
}

/// Which rule is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// The pod must be near others.
    Near,
    /// It must be away from others.
    Away,
    /// Others must be away from it.
    Shunned,
}

impl<'a> Counts<'a> {
    pub(crate) fn new(pod: &'a PodInfo, snapshot: &'a Snapshot) -> Self {
        let rules = pod.affinity.as_deref().filter(|r| !r.near.is_empty() || !r.away.is_empty());
        let near_itself = rules.is_some_and(|r| selected_by_all(&r.near, pod, snapshot));
        let mut counts = Self { rules, near_itself, ..Self::default() };
        for state in snapshot.nodes() {
            if rules.is_none() && state.with_rules() == 0 {
                continue;
            }
            for other in state.pods() {
                counts.change(pod, other, &state.node, snapshot, 1);
            }
        }
        counts
    }

    /// Whether nothing is to be judged.
    pub(crate) fn is_empty(&self) -> bool {
        self.rules.is_none() && self.shunning.is_empty()
    }

    /// Counts `other`, which comes to (1) or leaves (-1) `node`.
    pub(crate) fn change(
        &mut self,
        pod: &PodInfo,
        other: &'a PodInfo,
        node: &'a NodeInfo,
        snapshot: &Snapshot,
        by: i64,
    ) {
        if let Some(theirs) = &other.affinity {
            for term in &theirs.away {
                if term.selects(&pod.key.namespace, &pod.labels, snapshot) {
                    add(&mut self.shunning, term, node, by);
                }
            }
        }
        let Some(rules) = self.rules else { return };
        if selected_by_all(&rules.near, other, snapshot) {
            rules.near.iter().for_each(|term| add(&mut self.near, term, node, by));
        }
        for term in &rules.away {
            if term.selects(&other.key.namespace, &other.labels, snapshot) {
                add(&mut self.away, term, node, by);
            }
        }
    }

    /// The rule that keeps the pod off `node`, if any.
    pub(crate) fn broken(&self, node: &NodeInfo) -> Option<Broken> {
        let in_domain = |domains: &Domains<'_>, term: &Term| {
            node.meta.label(&term.topology).map(|value| domains.get(&(&*term.topology, value)).copied().unwrap_or(0))
        };
        if let Some(rules) = self.rules {
            let counts = rules.near.iter().map(|term| in_domain(&self.near, term));
            let mut missing = false;
            for count in counts {
                match count {
                    // A node outside all domains is near nobody.
                    None => return Some(Broken::Near),
                    Some(n) => missing |= n <= 0,
                }
            }
            // The first of a group that wants to be together has nobody to be near yet.
            if missing && !(self.near.is_empty() && self.near_itself) {
                return Some(Broken::Near);
            }
            if rules.away.iter().any(|term| in_domain(&self.away, term).is_some_and(|n| n > 0)) {
                return Some(Broken::Away);
            }
        }
        let shunned = |((key, value), n): (&(&str, &str), &i64)| *n > 0 && node.meta.label(key) == Some(*value);
        self.shunning.iter().any(shunned).then_some(Broken::Shunned)
    }
}

fn selected_by_all(terms: &[Term], pod: &PodInfo, snapshot: &Snapshot) -> bool {
    !terms.is_empty() && terms.iter().all(|t| t.selects(&pod.key.namespace, &pod.labels, snapshot))
}

fn add<'a>(domains: &mut Domains<'a>, term: &'a Term, node: &'a NodeInfo, by: i64) {
    let Some(value) = node.meta.label(&term.topology) else { return };
    let domain = (&*term.topology, value);
    let count = domains.entry(domain).or_default();
    *count += by;
    if *count == 0 {
        domains.remove(&domain);
    }
}
