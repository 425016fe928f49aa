//! Preemption: which pods go so that a more important one can come.
//!
//! Each node is tried by itself: all less important pods are taken away in thought, and if the pod fits then, as many
//! as possible are kept, the most important ones and those under a budget that would be broken first. Of the nodes that
//! are left that with the least harm is chosen.

mod harm;

use std::sync::Arc;

use knarr_api::Str;

use crate::{
    NodeState, PodInfo, Snapshot,
    cycle::{Cycle, Refusal},
    pod::Wishes,
    schedule::NoFit,
};
use harm::{Harm, importance, split};

/// What can be done for a pod that fits nowhere.
#[derive(Clone, Debug, PartialEq)]
pub enum Preemption {
    /// These go, and the pod is to come to this node.
    Evict {
        /// The node.
        node: Str,
        /// Who goes, the most important first.
        victims: Vec<Arc<PodInfo>>,
    },
    /// Nothing, in upstream's words; a nomination it had is void if `give_up`.
    Nothing {
        /// Why.
        why: String,
        /// Whether waiting for its nominated node is of no use any more.
        give_up: bool,
    },
}

/// Looks for pods to evict so that `pod`, which fits nowhere as `no_fit` says, can be placed.
pub fn preempt(pod: &PodInfo, snapshot: &Snapshot, no_fit: &NoFit) -> Preemption {
    // Upstream's first step after a failed filter looks for device claims to free. Having read no claims it finds
    // nothing at all if the pod was refused in general, and says only that; else it says so and preemption goes on.
    if no_fit.is_general() {
        return Preemption::Nothing { why: "not found".to_owned(), give_up: false };
    }
    let say = |why: &str| format!("no new claims to deallocate, preemption: {why}");
    let none = Wishes::default();
    let wishes = pod.wishes.as_deref().unwrap_or(&none);
    if let Err(why) = may_preempt(pod, wishes, snapshot, no_fit) {
        return Preemption::Nothing { why: say(why), give_up: false };
    }
    let mut refusals = Vec::new();
    let mut best: Option<(Harm, Str, Vec<Arc<PodInfo>>)> = None;
    if let Ok(cycle) = Cycle::new(pod, wishes, snapshot) {
        for state in no_fit.curable.iter().filter_map(|name| snapshot.node(name)) {
            match victims(&cycle, state) {
                Err(refusal) => refusals.push((Str::from(state.node.name()), refusal)),
                Ok((victims, violations)) => {
                    let harm = Harm::of(&victims, violations);
                    if best.as_ref().is_none_or(|(least, ..)| harm < *least) {
                        best = Some((harm, state.node.name().into(), victims));
                    }
                }
            }
        }
    }
    if let Some((_, node, victims)) = best {
        return Preemption::Evict { node, victims };
    }
    let tried = refusals.len();
    let mut all = NoFit::count(snapshot.len(), refusals);
    all.add("Preemption is not helpful for scheduling", snapshot.len() - tried);
    Preemption::Nothing { why: say(&all.to_string()), give_up: true }
}

fn may_preempt(pod: &PodInfo, wishes: &Wishes, snapshot: &Snapshot, no_fit: &NoFit) -> Result<(), &'static str> {
    if wishes.never_preempts {
        return Err("not eligible due to preemptionPolicy=Never.");
    }
    // Pods it evicted before are still on their way out: more need not go.
    let Some(state) = wishes.nominated.as_ref().and_then(|name| snapshot.node(name)) else { return Ok(()) };
    let hopeless = !no_fit.curable.iter().any(|name| name == state.node.name());
    let leaving = |p: &Arc<PodInfo>| p.preempted && p.deleted && p.priority < pod.priority;
    if !hopeless && state.pods().iter().any(leaving) {
        return Err("not eligible due to a terminating pod on the nominated node.");
    }
    Ok(())
}

/// The pods that must leave `state` for the pod to fit, and how many of them break a budget.
fn victims(cycle: &Cycle<'_>, state: &NodeState) -> Result<(Vec<Arc<PodInfo>>, usize), Refusal> {
    let mut candidates: Vec<_> = state.pods().iter().filter(|p| p.priority < cycle.pod.priority).cloned().collect();
    if candidates.is_empty() {
        return Err(Refusal::no_victims());
    }
    candidates.sort_by(|a, b| importance(b, a));
    let mut trial = Trial { cycle: cycle.clone(), state: state.clone(), before: state };
    for pod in state.pods().iter().filter(|p| p.priority < cycle.pod.priority) {
        trial.take(pod);
    }
    trial.cycle.fits_with_nominated(&trial.state)?;
    let (violating, harmless) = split(&candidates, cycle.snapshot);
    let mut gone = Vec::new();
    let mut violations = 0;
    for (pod, breaks) in violating.into_iter().map(|p| (p, true)).chain(harmless.into_iter().map(|p| (p, false))) {
        let Some(own) = state.pods().iter().find(|p| p.key == pod.key) else { continue };
        trial.put(own);
        if trial.cycle.fits_with_nominated(&trial.state).is_err() {
            trial.take(own);
            violations += usize::from(breaks);
            gone.push(pod);
        }
    }
    gone.sort_by(|a, b| importance(b, a));
    // Taking all of them away helped, so putting all back cannot fit: at least one is gone.
    Ok((gone, violations))
}

/// A node with pods taken away in thought.
struct Trial<'a> {
    cycle: Cycle<'a>,
    state: NodeState,
    before: &'a NodeState,
}

impl<'a> Trial<'a> {
    fn take(&mut self, pod: &'a Arc<PodInfo>) {
        self.state.take(&pod.key);
        self.cycle.change(pod, self.before, -1);
    }

    fn put(&mut self, pod: &'a Arc<PodInfo>) {
        self.state.put(pod.clone());
        self.cycle.change(pod, self.before, 1);
    }
}
