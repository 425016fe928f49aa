//! What to do next for a StatefulSet: pure.
//!
//! In order: every member is there, ready and itself; then what is beyond the size goes, last first; then members of an
//! old revision are replaced, last first. In ordered management each step waits for the one before; in parallel
//! management nothing waits but updates.

use std::{cmp::Reverse, sync::Arc};

use jiff::Timestamp;
use knarr_client::Key;

use super::{
    claims::{self, Claim, Owners},
    member::Member,
    model::{StatefulSet, Update},
};
use crate::pod::Phase;

/// Most members made in one round.
const BURST: usize = 500;

/// One change.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Make a claim that a member needs.
    Claim { ordinal: u32, claim: Key },
    /// Change who owns a claim.
    Own(Owners),
    /// Make a member.
    Create { ordinal: u32, revision: String },
    /// Give a pod the labels of the member it is called.
    Identify { ordinal: u32, key: Key },
    /// Delete a pod.
    Delete { key: Key, uid: String },
}

/// All that is known.
pub(super) struct World<'a> {
    pub(super) set: &'a StatefulSet,
    pub(super) members: &'a [Arc<Member>],
    /// Names of the revisions members have and should have.
    pub(super) current: &'a str,
    pub(super) update: &'a str,
    /// Claims by key.
    pub(super) claims: &'a dyn Fn(&Key) -> Option<Arc<Claim>>,
    pub(super) now: Timestamp,
}

/// Whether the steps after a member may be taken.
#[derive(PartialEq)]
enum Go {
    On,
    Wait,
}

/// The next steps; the informers' answer to them asks again.
pub(super) fn plan(world: &World<'_>) -> Vec<Step> {
    let set = world.set;
    let mut steps = Vec::new();
    let mut made = 0;
    for ordinal in set.ordinals() {
        let member = world.at(ordinal);
        if world.member(ordinal, member, &mut steps) == Go::Wait && !set.parallel {
            return steps;
        }
        made += usize::from(member.is_none());
        if made == BURST {
            return steps;
        }
    }
    let mut condemned: Vec<_> = world.members.iter().filter(|m| !set.wants(m.ordinal)).collect();
    condemned.sort_by_key(|m| Reverse(m.ordinal));
    for member in &condemned {
        world.own_claims(member, &mut steps);
    }
    // Of members that are not available only the lowest may go.
    let weakest = condemned.iter().rev().find(|m| !world.is_available(m)).map(|m| m.ordinal);
    for member in condemned {
        if world.condemned(member, weakest, &mut steps) == Go::Wait && !set.parallel {
            return steps;
        }
    }
    world.replace(&mut steps);
    steps
}

impl World<'_> {
    fn at(&self, ordinal: u32) -> Option<&Arc<Member>> {
        self.members.iter().find(|m| m.ordinal == ordinal)
    }

    /// Available, and to stay.
    fn is_available(&self, member: &Member) -> bool {
        !member.is_terminating() && member.pod.is_available(self.set.min_ready_seconds, self.now)
    }

    /// Brings one wanted member about.
    fn member(&self, ordinal: u32, member: Option<&Arc<Member>>, steps: &mut Vec<Step>) -> Go {
        let Some(member) = member else {
            if self.claims_are_free(ordinal) {
                self.make_claims(ordinal, steps);
                steps.push(Step::Create { ordinal, revision: self.revision_for(ordinal).to_owned() });
            }
            return Go::Wait;
        };
        // How it ended does not matter: a node that goes down may well end a pod with success.
        if member.pod.has_ended() {
            if !member.is_terminating() {
                steps.push(delete(member));
            }
            return Go::Wait;
        }
        if !member.is_terminating() {
            if member.pod.phase == Phase::Pending {
                self.make_claims(ordinal, steps);
            }
            self.own_claims(member, steps);
        }
        if !(member.is_ready() && self.is_available(member)) {
            return Go::Wait;
        }
        if !member.has_identity() {
            steps.push(Step::Identify { ordinal, key: member.pod.key.clone() });
        }
        Go::On
    }

    /// The revision a new member is made from: the old one below the partition of an update.
    fn revision_for(&self, ordinal: u32) -> &str {
        let keep = match &self.set.update {
            Update::OnDelete => return self.update,
            Update::Rolling { partition: Some(partition), .. } => *partition,
            Update::Rolling { partition: None, .. } => {
                let old = |m: &&Arc<Member>| !m.is_terminating() && m.revision() == self.current;
                u32::try_from(self.members.iter().filter(old).count()).unwrap_or(u32::MAX)
            }
        };
        if ordinal - self.set.first < keep { self.current } else { self.update }
    }

    /// Whether the claims of a pod to be made are its own: neither on their way out nor left by an earlier pod that
    /// was scaled away.
    fn claims_are_free(&self, ordinal: u32) -> bool {
        let name = self.set.pod_name(ordinal);
        self.set.claim_keys(ordinal).filter_map(|key| (self.claims)(&key)).all(|claim| {
            let stale = self.set.retention.delete_with_pod && claim.awaits_deletion_with(&name, None);
            claim.meta.deleted.is_none() && !stale
        })
    }

    fn make_claims(&self, ordinal: u32, steps: &mut Vec<Step>) {
        let missing = self.set.claim_keys(ordinal).filter(|key| (self.claims)(key).is_none());
        steps.extend(missing.map(|claim| Step::Claim { ordinal, claim }));
    }

    fn own_claims(&self, member: &Member, steps: &mut Vec<Step>) {
        let claims = self.set.claim_keys(member.ordinal).filter_map(|key| (self.claims)(&key));
        steps.extend(claims.filter_map(|claim| claims::owners(self.set, member, &claim)).map(Step::Own));
    }

    /// Takes one member beyond the size away.
    fn condemned(&self, member: &Member, weakest: Option<u32>, steps: &mut Vec<Step>) -> Go {
        if member.is_terminating() {
            return Go::Wait;
        }
        let sound = member.is_ready() && self.is_available(member);
        if !self.set.parallel && !sound && weakest != Some(member.ordinal) {
            return Go::Wait;
        }
        steps.push(delete(member));
        Go::Wait
    }

    /// Replaces members of an old revision, within what may be away at once.
    fn replace(&self, steps: &mut Vec<Step>) {
        let Update::Rolling { partition, .. } = &self.set.update else { return };
        let outdated = |m: &Member| m.revision() != self.update && !m.is_terminating();
        let mut above = self.set.ordinals().skip(partition.unwrap_or(0) as usize).rev().map(|n| self.at(n));
        let Some(most) = self.set.unavailable() else {
            // One at a time, and only over members that have come back.
            let first = above.find(|slot| slot.is_none_or(|m| outdated(m) || !self.is_available(m)));
            steps.extend(first.flatten().filter(|m| outdated(m)).map(|m| delete(m)));
            return;
        };
        let there = self.members.iter().filter(|m| self.set.wants(m.ordinal) && self.is_available(m)).count();
        let away = (self.set.replicas as usize).saturating_sub(there);
        steps.extend(above.flatten().filter(|m| outdated(m)).take(most.saturating_sub(away)).map(|m| delete(m)));
    }
}

fn delete(member: &Member) -> Step {
    Step::Delete { key: member.pod.key.clone(), uid: member.pod.meta.uid.to_string() }
}

#[cfg(test)]
pub(super) mod tests;
