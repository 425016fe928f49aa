//! One decision: what is counted once, and whether a node can take the pod, with the words why not.

use std::{borrow::Cow, sync::Arc};

use knarr_api::placement::Taint;

use crate::{
    NodeState, PodInfo, Snapshot, affinity,
    parts::{Part, Parts},
    pod::Wishes,
    spread::{self, hard_taint},
    volume,
};

/// A decision about one pod.
#[derive(Clone)]
pub(crate) struct Cycle<'a> {
    pub(crate) pod: &'a PodInfo,
    pub(crate) wishes: &'a Wishes,
    pub(crate) snapshot: &'a Snapshot,
    affinity: affinity::Counts<'a>,
    spread: spread::Counts<'a>,
    volumes: volume::Needs<'a>,
}

/// Why a node cannot take the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Who says so.
    pub(crate) part: Part,
    /// Whether it would help if pods left the node.
    pub(crate) curable: bool,
    pub(crate) reasons: Vec<Cow<'static, str>>,
}

impl Refusal {
    fn new(part: Part, curable: bool, reason: &'static str) -> Self {
        Self { part, curable, reasons: vec![Cow::Borrowed(reason)] }
    }

    pub(crate) fn no_victims() -> Self {
        Self::new(Part::Resources, false, "No preemption victims found for incoming pod")
    }
}

impl<'a> Cycle<'a> {
    /// Counts what the pod's rules, and others' rules about it, ask for.
    ///
    /// # Errors
    /// No node will do, whatever it is like: who says so, and why.
    pub(crate) fn new(pod: &'a PodInfo, wishes: &'a Wishes, snapshot: &'a Snapshot) -> Result<Self, (Parts, String)> {
        Ok(Self {
            pod,
            wishes,
            snapshot,
            volumes: volume::Needs::new(pod, snapshot).map_err(|why| (Parts::of(Part::Volumes), why))?,
            affinity: affinity::Counts::new(pod, snapshot),
            spread: spread::Counts::new(pod, wishes, snapshot),
        })
    }

    /// Counts a pod that comes to (1) or leaves (-1) a node.
    pub(crate) fn change(&mut self, other: &'a PodInfo, state: &'a NodeState, by: i64) {
        self.affinity.change(self.pod, other, &state.node, self.snapshot, by);
        self.spread.change(self.pod, self.wishes, other, &state.node, by);
        self.volumes.change(self.pod, other, by);
    }

    /// Whether a node can take the pod.
    ///
    /// # Errors
    /// The first reasons why not, in upstream's order and words.
    pub(crate) fn fits(&self, state: &NodeState) -> Result<(), Refusal> {
        let node = &*state.node;
        let cordoned = || !self.wishes.tolerations.iter().any(|t| t.covers(&Taint::unschedulable()));
        if node.unschedulable && cordoned() {
            return Err(Refusal::new(Part::Unschedulable, false, "node(s) were unschedulable"));
        }
        if hard_taint(&node.taints, self.wishes).is_some() {
            return Err(Refusal::new(Part::Taints, false, "node(s) had untolerated taint(s)"));
        }
        if !self.wishes.allows(&node.meta) {
            return Err(Refusal::new(Part::NodeAffinity, false, "node(s) didn't match Pod's node affinity/selector"));
        }
        if state.has_port(&self.pod.ports) {
            let why = "node(s) didn't have free ports for the requested pod ports";
            return Err(Refusal::new(Part::Ports, true, why));
        }
        self.has_room(state)?;
        let broken = self.volumes.broken(node);
        if !broken.is_empty() {
            let curable = broken.contains(&volume::Broken::InUse);
            let reasons = broken.into_iter().map(|b| Cow::Borrowed(volume_words(b))).collect();
            return Err(Refusal { part: Part::Volumes, curable, reasons });
        }
        match self.spread.broken(node) {
            None => {}
            Some(spread::Broken::NoDomain) => {
                let why = "node(s) didn't match pod topology spread constraints (missing required label)";
                return Err(Refusal::new(Part::Spread, false, why));
            }
            Some(spread::Broken::Skewed) => {
                return Err(Refusal::new(Part::Spread, true, "node(s) didn't match pod topology spread constraints"));
            }
        }
        if self.affinity.is_empty() {
            return Ok(());
        }
        match self.affinity.broken(node) {
            None => Ok(()),
            Some(affinity::Broken::Near) => {
                Err(Refusal::new(Part::PodAffinity, false, "node(s) didn't match pod affinity rules"))
            }
            Some(affinity::Broken::Away) => {
                Err(Refusal::new(Part::PodAffinity, true, "node(s) didn't match pod anti-affinity rules"))
            }
            Some(affinity::Broken::Shunned) => {
                Err(Refusal::new(Part::PodAffinity, true, "node(s) didn't satisfy existing pods anti-affinity rules"))
            }
        }
    }

    fn has_room(&self, state: &NodeState) -> Result<(), Refusal> {
        let node = &*state.node;
        let mut reasons = Vec::new();
        let mut curable = true;
        if state.pods().len() as i64 + 1 > node.places {
            reasons.push(Cow::Borrowed("Too many pods"));
        }
        for (name, never) in self.pod.requests.lacking(&node.allocatable, state.requested()) {
            reasons.push(Cow::Owned(format!("Insufficient {name}")));
            curable &= !never;
        }
        if reasons.is_empty() { Ok(()) } else { Err(Refusal { part: Part::Resources, curable, reasons }) }
    }

    /// As [`Cycle::fits`], and also once the pods that room is being made for have come.
    pub(crate) fn fits_with_nominated(&self, state: &NodeState) -> Result<(), Refusal> {
        let ahead = |p: &&Arc<PodInfo>| p.priority >= self.pod.priority && p.uid != self.pod.uid;
        let nominated = self.snapshot.nominated(state.node.name());
        if !nominated.iter().any(|p| ahead(&p)) {
            return self.fits(state);
        }
        let mut with = state.clone();
        nominated.iter().filter(ahead).for_each(|p| with.put(p.clone()));
        let mut counted = self.clone();
        for other in nominated.iter().filter(ahead) {
            counted.change(other, state, 1);
        }
        counted.fits(&with)?;
        self.fits(state)
    }
}

fn volume_words(broken: volume::Broken) -> &'static str {
    match broken {
        volume::Broken::InUse => {
            "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by \
             another pod"
        }
        volume::Broken::Elsewhere => "node(s) didn't match PersistentVolume's node affinity",
        volume::Broken::Astray => "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
        volume::Broken::Unbound => "node(s) didn't find available persistent volumes to bind",
        volume::Broken::OtherZone => "node(s) had no available volume zone",
    }
}
