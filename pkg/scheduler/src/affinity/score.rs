//! Preferences about other pods, theirs and its own, by domain.

use std::collections::HashMap;

use super::Term;
use crate::{NodeInfo, PodInfo, snapshot::Snapshot};

/// How strongly each domain attracts a pod.
#[derive(Debug, Default)]
pub(crate) struct Attraction<'a>(HashMap<(&'a str, &'a str), i64>);

/// What a required term of a pod that runs already weighs as a preference.
const REQUIRED: i64 = 1;

impl<'a> Attraction<'a> {
    pub(crate) fn new(pod: &'a PodInfo, snapshot: &'a Snapshot) -> Self {
        let mut all = Self::default();
        let own = pod.affinity.as_deref().map(|a| &a.likes[..]).unwrap_or_default();
        for state in snapshot.nodes() {
            if own.is_empty() && state.with_rules() == 0 {
                continue;
            }
            for other in state.pods() {
                for (weight, term) in own {
                    if term.selects(&other.key.namespace, &other.labels, snapshot) {
                        all.add(term, &state.node, *weight);
                    }
                }
                let Some(theirs) = &other.affinity else { continue };
                let required = theirs.near.iter().map(|term| (REQUIRED, term));
                for (weight, term) in theirs.likes.iter().map(|(w, t)| (*w, t)).chain(required) {
                    if term.selects(&pod.key.namespace, &pod.labels, snapshot) {
                        all.add(term, &state.node, weight);
                    }
                }
            }
        }
        all
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The attraction of all domains a node is in.
    pub(crate) fn of(&self, node: &NodeInfo) -> i64 {
        let inside = self.0.iter().filter(|((key, value), _)| node.meta.label(key) == Some(*value));
        inside.map(|(_, weight)| weight).sum()
    }

    fn add(&mut self, term: &'a Term, node: &'a NodeInfo, weight: i64) {
        if let Some(value) = node.meta.label(&term.topology) {
            *self.0.entry((&*term.topology, value)).or_default() += weight;
        }
    }
}
