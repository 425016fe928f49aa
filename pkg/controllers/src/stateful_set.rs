//! StatefulSets: pods with stable names, storage and order.
//!
//! [`model`] and [`member`] are what is known, [`plan`] what to do next and [`status`] what to say (both pure),
//! [`claims`] who owns the storage. Revisions are [`crate::history`]'s: a member carries the name of its own.

mod claims;
mod member;
mod model;
mod plan;
mod pods;
mod status;

use std::sync::Arc;

use jiff::Timestamp;
use knarr_api::{Meta, Reason, Status};
use knarr_client::{
    Cache, Key, WorkQueue,
    resources::{PERSISTENT_VOLUME_CLAIMS, PODS, STATEFUL_SETS},
};
use knarr_daemon::Tasks;

use crate::{
    Context,
    context::Again,
    history::{History, Revision, oldest},
    pod_control::PodControl,
};
use claims::Claim;
use member::Member;
use model::StatefulSet;
use plan::{World, plan};

const NAME: &str = "statefulset";

#[derive(Clone)]
struct Controller {
    cx: Context,
    sets: Arc<Cache<StatefulSet>>,
    members: Arc<Cache<Member>>,
    claims: Arc<Cache<Claim>>,
    history: History,
    control: Arc<PodControl>,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue: Arc<WorkQueue<Key>> = WorkQueue::new();
    let me = Controller {
        cx: cx.clone(),
        sets: Cache::new(),
        members: Cache::new(),
        claims: Cache::new(),
        history: History::start(cx, tasks, NAME, &STATEFUL_SETS, &queue),
        control: PodControl::new(cx, &STATEFUL_SETS),
    };
    let wake = queue.clone();
    cx.follow(tasks, NAME, &STATEFUL_SETS, &me.sets, StatefulSet::project, move |c| wake.add(c.key.clone()));
    let (wake, it) = (queue.clone(), me.clone());
    cx.follow(tasks, NAME, &PODS, &me.members, Member::project, move |change| {
        let orphan = |m: &Member| it.wake_selecting(&m.pod.meta, &wake);
        it.control.observe(&change, |key| wake.add(key), orphan);
    });
    let (wake, it) = (queue.clone(), me.clone());
    cx.follow(tasks, NAME, &PERSISTENT_VOLUME_CLAIMS, &me.claims, Claim::project, move |change| {
        change.new.or(change.old).into_iter().for_each(|claim| it.wake_selecting(&claim.meta, &wake));
    });
    let it = me.clone();
    let ready = move || {
        let me = it.clone();
        async move {
            tokio::join!(me.sets.synced(), me.members.synced(), me.claims.synced(), me.history.synced());
        }
    };
    cx.work(tasks, NAME, 4, &queue, ready, move |key| {
        let me = me.clone();
        async move { me.reconcile(&key).await }
    });
}

impl Controller {
    /// Wakes the sets that select labels.
    fn wake_selecting(&self, meta: &Meta, queue: &WorkQueue<Key>) {
        let sets = self.sets.in_namespace(&meta.namespace);
        sets.iter().filter(|s| s.selector.matches(meta)).for_each(|s| queue.add(s.key.clone()));
    }

    async fn reconcile(&self, key: &Key) -> Result<Again, Status> {
        let Some(set) = self.sets.get(key) else {
            self.control.forget(key);
            return Ok(None);
        };
        // Its dependents are the garbage collector's now.
        if set.meta.deleted.is_some() {
            return Ok(None);
        }
        let now = Timestamp::now();
        let mine = |m: &Arc<Member>| m.pod.meta.controller().is_none_or(|c| c.uid == set.meta.uid);
        let candidates = self.members.in_namespace(&key.namespace).into_iter().filter(mine);
        let members = self.control.claim(set.owner(), candidates, |m| m.belongs_to(&set)).await?;
        let revisions = self.history.of(set.owner(), &set.selector).await?;
        let collisions = set.status.collision_count.unwrap_or(0);
        let present = self.history.settle(set.owner(), &revisions, &set.template, collisions).await?;
        let update = &present.revision;
        let current = revisions.iter().find(|r| *r.key.name == *set.status.current_revision).unwrap_or(update);

        let settled = self.control.is_settled(key);
        let mut failure = None;
        if settled {
            let (current, update) = (&*current.key.name, &*update.key.name);
            let claims = |key: &Key| self.claims.get(key);
            let steps = plan(&World { set: &set, members: &members, current, update, claims: &claims, now });
            failure = self.apply(&set, steps).await.err();
        }
        let names = (&*current.key.name, &*update.key.name);
        let (status, again) = status::status(&set, &members, names, present.collisions, now);
        if let Some(status) = status {
            match self.cx.set_status(&STATEFUL_SETS, key, status).await {
                Err(e) if !e.is(Reason::NotFound) => return Err(e),
                _ => {}
            }
        }
        self.history.forget(&surplus(&set, &revisions, &members, names)).await?;
        match failure {
            Some(e) => Err(e),
            None if settled => Ok(again),
            None => Ok(self.control.patience(key)),
        }
    }
}

/// Revisions beyond the limit that neither the set nor a member has.
fn surplus(
    set: &StatefulSet,
    revisions: &[Arc<Revision>],
    members: &[Arc<Member>],
    (current, update): (&str, &str),
) -> Vec<Arc<Revision>> {
    let lives = |r: &Revision| {
        let name = r.key.name.as_str();
        name == current || name == update || members.iter().any(|m| m.revision() == name)
    };
    let past = revisions.iter().filter(|r| !lives(r)).count();
    oldest(revisions, past.saturating_sub(set.history_limit), lives)
}

#[cfg(test)]
mod tests;
