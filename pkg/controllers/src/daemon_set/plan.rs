//! What to do next for a DaemonSet: pure.
//!
//! First every node is put right: one pod where one should be, none where none may be, failed ones replaced. Only when
//! there is nothing to put right does an update go on ([`super::roll`]).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use knarr_client::Key;

use super::{
    daemon::{Daemon, Node},
    eligible::{Standing, standing},
    model::DaemonSet,
    roll,
    setbacks::Setbacks,
};
use crate::{context::Again, pod::Phase};

/// Most pods made, and most deleted, in one round.
const BURST: usize = 250;

/// One change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A pod that ended is replaced: the reason and message of an event.
    Tell { failed: bool, message: String },
    /// A pod for a node.
    Create { node: String },
    /// This pod less.
    Delete { key: Key, uid: String },
}

/// All that is known.
pub(super) struct World<'a> {
    pub(super) set: &'a DaemonSet,
    /// The hash of its revision.
    pub(super) hash: &'a str,
    pub(super) nodes: &'a [Arc<Node>],
    pub(super) pods: &'a [Arc<Daemon>],
    pub(super) now: Timestamp,
}

impl<'a> World<'a> {
    /// The pods by the node they are on or meant for, oldest first; without those that have ended and go.
    pub(super) fn by_node(&self) -> BTreeMap<&'a str, Vec<&'a Daemon>> {
        let mut out: BTreeMap<&str, Vec<&Daemon>> = BTreeMap::new();
        for daemon in self.pods.iter().filter(|d| !(d.pod.has_ended() && d.is_terminating())) {
            if let Some(node) = &daemon.node {
                out.entry(node).or_default().push(daemon);
            }
        }
        out.values_mut().for_each(|pods| pods.sort_by(|a, b| a.seniority().cmp(&b.seniority())));
        out
    }

    pub(super) fn is_available(&self, daemon: &Daemon) -> bool {
        daemon.pod.is_available(self.set.min_ready_seconds, self.now)
    }

    pub(super) fn is_updated(&self, daemon: &Daemon) -> bool {
        daemon.is_updated(self.set, self.hash)
    }
}

/// The next steps, and when to look again if nothing happens.
pub(super) fn plan(world: &World<'_>, setbacks: &mut Setbacks) -> (Vec<Step>, Again) {
    let by_node = world.by_node();
    let mut manage = Manage { world, setbacks, steps: Vec::new(), again: None };
    for node in world.nodes {
        let pods = by_node.get(&*node.meta.name).map(Vec::as_slice);
        manage.node(node, pods);
    }
    // Pods that wait for a node that is gone: nobody else would delete them.
    let gone = |name: &str| world.nodes.iter().all(|n| *n.meta.name != *name);
    let waiting = by_node.iter().filter(|(name, _)| gone(name)).flat_map(|(_, pods)| pods);
    let waiting: Vec<Step> =
        waiting.filter(|d| d.pod.node.is_none() && !d.is_terminating()).map(|d| delete(d)).collect();
    manage.steps.extend(waiting);
    let Manage { mut steps, again, .. } = manage;
    if steps.is_empty() && world.set.rolls() {
        steps = roll::roll(world, &by_node);
    }
    (bounded(steps), again)
}

struct Manage<'a> {
    world: &'a World<'a>,
    setbacks: &'a mut Setbacks,
    steps: Vec<Step>,
    again: Option<Duration>,
}

impl Manage<'_> {
    fn node(&mut self, node: &Node, pods: Option<&[&Daemon]>) {
        let name = &*node.meta.name;
        match (standing(self.world.set, node), pods) {
            (Standing::Runs, None) => self.create(name),
            (_, None) => {}
            (Standing::Never, Some(pods)) => {
                let going = pods.iter().filter(|d| !d.is_terminating());
                self.steps.extend(going.map(|d| delete(d)));
            }
            (standing, Some(pods)) => {
                let running = self.replace_ended(name, pods);
                if self.world.set.surge(1) == 0 {
                    // The oldest stays.
                    self.steps.extend(running.iter().skip(1).map(|d| delete(d)));
                } else if running.is_empty() {
                    if standing == Standing::Runs {
                        self.create(name);
                    }
                } else {
                    self.keep_two(&running);
                }
            }
        }
    }

    fn create(&mut self, node: &str) {
        self.steps.push(Step::Create { node: node.to_owned() });
    }

    /// Deletes pods that have ended, failed ones not too often; those that run.
    fn replace_ended<'d>(&mut self, node: &str, pods: &[&'d Daemon]) -> Vec<&'d Daemon> {
        let mut running = Vec::new();
        for daemon in pods.iter().filter(|d| !d.is_terminating()) {
            let failed = daemon.pod.phase == Phase::Failed;
            if !daemon.pod.has_ended() {
                running.push(*daemon);
                continue;
            }
            if failed && let Err(wait) = self.setbacks.meet(node, self.world.now) {
                self.again = Some(self.again.map_or(wait, |a| a.min(wait)));
                continue;
            }
            let (how, then) = if failed { ("failed", "kill") } else { ("succeeded", "delete") };
            let message = format!("Found {how} daemon pod {} on node {node}, will try to {then} it", daemon.pod.key);
            self.steps.push(Step::Tell { failed, message });
            self.steps.push(delete(daemon));
        }
        running
    }

    /// While an update surges a node may have two pods: a new one that is not available yet, and an old one that is
    /// ready. Of two that are not ready the new one stays.
    fn keep_two(&mut self, running: &[&Daemon]) {
        let (new, old): (Vec<&Daemon>, Vec<&Daemon>) = running.iter().partition(|d| self.world.is_updated(d));
        self.steps.extend(new.iter().skip(1).chain(old.iter().skip(1)).map(|d| delete(d)));
        if let (Some(new), Some(old)) = (new.first(), old.first())
            && (!old.is_ready() || self.world.is_available(new))
        {
            self.steps.push(delete(old));
        }
    }
}

pub(super) fn delete(daemon: &Daemon) -> Step {
    Step::Delete { key: daemon.pod.key.clone(), uid: daemon.pod.meta.uid.to_string() }
}

/// At most so many pods made and deleted at once.
fn bounded(steps: Vec<Step>) -> Vec<Step> {
    let (mut made, mut gone) = (0, 0);
    let within = |step: &Step| {
        let count = match step {
            Step::Create { .. } => &mut made,
            Step::Delete { .. } => &mut gone,
            Step::Tell { .. } => return true,
        };
        *count += 1;
        *count <= BURST
    };
    steps.into_iter().filter(within).collect()
}

#[cfg(test)]
pub(super) mod tests;
