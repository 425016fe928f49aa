//! The decision.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use knarr_api::Str;

use crate::{
    NodeState, PodInfo, Snapshot,
    cycle::{Cycle, Refusal},
    parts::{Part, Parts},
    pod::Wishes,
    score::score,
};

/// No node can take the pod. Prints as upstream's fit error does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoFit {
    nodes: usize,
    /// Why none of them can, whatever they are like.
    general: Option<String>,
    reasons: BTreeMap<Cow<'static, str>, usize>,
    /// Who refused.
    pub parts: Parts,
    /// Nodes that could take it if pods left.
    pub curable: Vec<Str>,
}

impl NoFit {
    /// All that stands in a pod's way, counted over nodes.
    pub(crate) fn count(nodes: usize, refusals: impl IntoIterator<Item = (Str, Refusal)>) -> Self {
        let mut all = Self { nodes, ..Self::default() };
        for (node, refusal) in refusals {
            all.parts.insert(refusal.part);
            if refusal.curable {
                all.curable.push(node);
            }
            refusal.reasons.into_iter().for_each(|reason| *all.reasons.entry(reason).or_default() += 1);
        }
        all
    }

    pub(crate) fn add(&mut self, reason: &'static str, nodes: usize) {
        if nodes > 0 {
            *self.reasons.entry(Cow::Borrowed(reason)).or_default() += nodes;
        }
    }

    /// Whether what is wrong is not about single nodes.
    pub(crate) fn is_general(&self) -> bool {
        self.general.is_some()
    }
}

impl fmt::Display for NoFit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nodes == 0 {
            return f.write_str("no nodes available to schedule pods");
        }
        write!(f, "0/{} nodes are available:", self.nodes)?;
        if let Some(why) = &self.general {
            return write!(f, " {why}.");
        }
        let mut counted: Vec<String> = self.reasons.iter().map(|(reason, n)| format!("{n} {reason}")).collect();
        counted.sort();
        if counted.is_empty() { Ok(()) } else { write!(f, " {}.", counted.join(", ")) }
    }
}

impl std::error::Error for NoFit {}

/// The best node for `pod`.
///
/// # Errors
/// No node can take it.
pub fn schedule(pod: &PodInfo, snapshot: &Snapshot) -> Result<Str, NoFit> {
    if snapshot.is_empty() {
        return Err(NoFit { parts: Parts::of(Part::NoNodes), ..NoFit::default() });
    }
    let none = Wishes::default();
    let wishes = pod.wishes.as_deref().unwrap_or(&none);
    let general = |(parts, why)| NoFit { nodes: snapshot.len(), general: Some(why), parts, ..NoFit::default() };
    let cycle = Cycle::new(pod, wishes, snapshot).map_err(general)?;
    // Room was made for it there.
    if let Some(state) = wishes.nominated.as_deref().and_then(|name| snapshot.node(name))
        && cycle.fits_with_nominated(state).is_ok()
    {
        return Ok(state.node.name().into());
    }
    let named = wishes.nodes.required.as_ref().and_then(|r| r.names()).filter(|names| !names.is_empty());
    let (mut possible, mut refusals) = (Vec::new(), Vec::new());
    let mut judge = |state| match cycle.fits_with_nominated(state) {
        Ok(()) => possible.push(state),
        Err(refusal) => refusals.push((Str::from(state.node.name()), refusal)),
    };
    let judged = match &named {
        // A pod for one node, as daemons have: nobody else is asked.
        Some(names) => {
            let states: Vec<&NodeState> = names.iter().filter_map(|name| snapshot.node(name)).collect();
            states.iter().for_each(|s| judge(s));
            states.len()
        }
        None => {
            snapshot.nodes().for_each(&mut judge);
            snapshot.len()
        }
    };
    if let Some(best) = best(&cycle, &possible) {
        return Ok(best.node.name().into());
    }
    let mut all = NoFit::count(snapshot.len(), refusals);
    if judged < snapshot.len() {
        all.parts.insert(Part::NodeAffinity);
        all.add("node(s) didn't satisfy plugin(s) [NodeAffinity]", snapshot.len() - judged);
    }
    Err(all)
}

/// The best of the nodes that can take the pod. Equal ones: that with fewer pods, so that a burst spreads evenly.
fn best<'a>(cycle: &Cycle<'_>, possible: &[&'a NodeState]) -> Option<&'a NodeState> {
    if let [] | [_] = possible {
        return possible.first().copied();
    }
    let scores = score(cycle, possible);
    let ranked = possible.iter().zip(scores);
    ranked.max_by_key(|(s, score)| (*score, std::cmp::Reverse(s.pods().len()))).map(|(s, _)| *s)
}
