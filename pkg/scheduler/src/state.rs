//! What the scheduler knows: the snapshot, the queue, and the bindings it has made that nobody has shown it yet.
//!
//! Informers report every change here; what it can do for parked pods is decided on the spot. Pure: time is a parameter.

use std::{collections::HashMap, sync::Arc, time::Instant};

use knarr_api::{Str, selector::Labels};
use knarr_client::Key;

use crate::{
    NodeInfo, PodInfo, Snapshot,
    hints::{Change, helps},
    preempt::{Preemption, preempt},
    queue::Queue,
    schedule::schedule,
    snapshot::Budget,
    volume::{ClaimInfo, ClassInfo, VolumeInfo},
};

/// The name pods ask for by default.
pub(crate) const NAME: &str = "default-scheduler";

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) snapshot: Snapshot,
    pub(crate) queue: Queue,
    /// Pods that are being bound: they stand on their nodes already.
    assumed: HashMap<Key, Arc<PodInfo>>,
}

/// What is to be done for a pod.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// It goes to a node.
    Bind { pod: Arc<PodInfo>, node: Str },
    /// It goes nowhere for now.
    Refuse { pod: Arc<PodInfo>, why: String, nomination: Nomination },
}

/// What becomes of a pod's nominated node.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Nomination {
    Keep,
    GiveUp,
    /// These are to make room, and these others, less important, were to have it.
    Evict {
        node: Str,
        victims: Vec<Arc<PodInfo>>,
        instead_of: Vec<Arc<PodInfo>>,
    },
}

impl State {
    /// Decides about the next pod, if one is ready.
    pub(crate) fn decide(&mut self, now: Instant) -> Option<Step> {
        let pod = self.queue.take(now)?;
        let no_fit = match schedule(&pod, &self.snapshot) {
            Ok(node) => {
                let placed = Arc::new(pod.on(&node));
                self.snapshot.forget_nomination(&pod.key);
                self.snapshot.place(placed.clone());
                self.assumed.insert(pod.key.clone(), placed);
                return Some(Step::Bind { pod, node });
            }
            Err(no_fit) => no_fit,
        };
        self.queue.refused(&pod.key, no_fit.parts, now);
        if self.snapshot.is_empty() {
            return Some(Step::Refuse { pod, why: no_fit.to_string(), nomination: Nomination::Keep });
        }
        let (why, nomination) = match preempt(&pod, &self.snapshot, &no_fit) {
            Preemption::Nothing { why, give_up } => {
                let had = pod.wishes.as_ref().is_some_and(|w| w.nominated.is_some());
                if give_up && had {
                    self.snapshot.forget_nomination(&pod.key);
                }
                let nomination = if give_up && had { Nomination::GiveUp } else { Nomination::Keep };
                (format!("{no_fit} {why}"), nomination)
            }
            Preemption::Evict { node, victims } => {
                let lower = self.snapshot.nominated(&node).iter().filter(|p| p.priority < pod.priority);
                let instead_of: Vec<_> = lower.cloned().collect();
                instead_of.iter().for_each(|p| self.snapshot.forget_nomination(&p.key));
                self.snapshot.nominate(pod.clone(), &node);
                (no_fit.to_string(), Nomination::Evict { node, victims, instead_of })
            }
        };
        Some(Step::Refuse { pod, why, nomination })
    }

    /// A binding was refused: the pod does not stand there.
    pub(crate) fn unbound(&mut self, pod: &PodInfo, now: Instant) {
        if let Some(assumed) = self.assumed.remove(&pod.key)
            && let Some(node) = &assumed.node
        {
            self.snapshot.displace(node, &pod.key);
            self.wake(Change::Left(&assumed), now);
        }
        self.queue.failed(&pod.key, now);
    }

    pub(crate) fn pod(&mut self, key: &Key, old: Option<&Arc<PodInfo>>, new: Option<&Arc<PodInfo>>, now: Instant) {
        if let Some(old) = old.filter(|o| new.is_none_or(|n| n.node != o.node))
            && let Some(node) = &old.node
        {
            self.snapshot.displace(node, key);
        }
        match new {
            Some(pod) if pod.node.is_some() => self.bound(pod, old),
            Some(pod) => self.waits(pod, old, now),
            None => self.gone(key),
        }
        let stood = old.filter(|p| p.occupies());
        let stands = new.filter(|p| p.occupies());
        match (stood, stands) {
            (Some(old), Some(new)) if old.labels == new.labels && old.requests == new.requests => {}
            (old, new) => {
                if let Some(old) = old {
                    self.wake(Change::Left(old), now);
                }
                if let Some(new) = new {
                    self.wake(Change::Came(new), now);
                }
            }
        }
    }

    fn bound(&mut self, pod: &Arc<PodInfo>, old: Option<&Arc<PodInfo>>) {
        self.forget_assumed(&pod.key, pod.node.as_deref());
        if old.is_none_or(|o| o.node.is_none()) {
            self.snapshot.forget_nomination(&pod.key);
            self.queue.remove(&pod.key);
        }
        self.snapshot.place(pod.clone());
    }

    fn waits(&mut self, pod: &Arc<PodInfo>, old: Option<&Arc<PodInfo>>, now: Instant) {
        let binding = self.assumed.get(&pod.key).map(|assumed| assumed.uid == pod.uid);
        if binding == Some(false) {
            self.forget_assumed(&pod.key, None);
        }
        if pod.is_waiting(NAME) {
            self.queue.put(pod.clone(), now);
        } else {
            self.queue.remove(&pod.key);
        }
        if binding == Some(true) {
            return;
        }
        let nominated = |p: &PodInfo| p.wishes.as_ref().and_then(|w| w.nominated.clone());
        match nominated(pod) {
            Some(node) if !pod.ended && !pod.deleted => self.snapshot.nominate(pod.clone(), &node),
            _ if pod.deleted || old.is_some_and(|o| nominated(o).is_some()) => {
                self.snapshot.forget_nomination(&pod.key);
            }
            _ => {}
        }
    }

    fn gone(&mut self, key: &Key) {
        self.forget_assumed(key, None);
        self.snapshot.forget_nomination(key);
        self.queue.remove(key);
    }

    /// An assumption came true, or is void; a pod that stands elsewhere than assumed is taken away.
    fn forget_assumed(&mut self, key: &Key, now_on: Option<&str>) {
        if let Some(assumed) = self.assumed.remove(key)
            && let Some(node) = assumed.node.as_deref().filter(|n| Some(*n) != now_on)
        {
            self.snapshot.displace(node, key);
        }
    }

    pub(crate) fn node(&mut self, name: &str, old: Option<&Arc<NodeInfo>>, new: Option<&Arc<NodeInfo>>, now: Instant) {
        if old == new {
            return;
        }
        match new {
            Some(node) => self.snapshot.set_node(node.clone()),
            None => self.snapshot.remove_node(name),
        }
        self.wake(Change::Node { old: old.map(|n| &**n), new: new.map(|n| &**n) }, now);
    }

    pub(crate) fn namespace(&mut self, name: &str, labels: Option<&[(Box<str>, Box<str>)]>, now: Instant) {
        match labels {
            Some(labels) => drop(self.snapshot.namespaces.insert(name.into(), labels.into())),
            None => drop(self.snapshot.namespaces.remove(name)),
        }
        self.wake(Change::Namespace, now);
    }

    pub(crate) fn claim(&mut self, key: &Key, claim: Option<ClaimInfo>, now: Instant) {
        match claim {
            Some(claim) => drop(self.snapshot.claims.insert(key.clone(), claim)),
            None => drop(self.snapshot.claims.remove(key)),
        }
        self.wake(Change::Claim(key), now);
    }

    pub(crate) fn volume(&mut self, name: &Str, volume: Option<VolumeInfo>, now: Instant) {
        match volume {
            Some(volume) => drop(self.snapshot.volumes.insert(name.clone(), volume)),
            None => drop(self.snapshot.volumes.remove(name)),
        }
        self.wake(Change::Storage, now);
    }

    pub(crate) fn class(&mut self, name: &Str, class: Option<ClassInfo>, now: Instant) {
        match class {
            Some(class) => drop(self.snapshot.classes.insert(name.clone(), class)),
            None => drop(self.snapshot.classes.remove(name)),
        }
        self.wake(Change::Storage, now);
    }

    /// Which pods belong together. Only the next decisions go by it: it refuses nobody.
    pub(crate) fn group(&mut self, kind: &'static str, key: &Key, pods: Option<Labels>) {
        match pods {
            Some(pods) => drop(self.snapshot.groups.insert((kind, key.clone()), pods)),
            None => drop(self.snapshot.groups.remove(&(kind, key.clone()))),
        }
    }

    pub(crate) fn budget(&mut self, key: &Key, budget: Option<Budget>) {
        match budget {
            Some(budget) => drop(self.snapshot.budgets.insert(key.clone(), budget)),
            None => drop(self.snapshot.budgets.remove(key)),
        }
    }

    fn wake(&mut self, change: Change<'_>, now: Instant) {
        let snapshot = &self.snapshot;
        self.queue.wake_if(now, |pod, parts| helps(change, pod, parts, snapshot));
    }
}

#[cfg(test)]
mod tests;
