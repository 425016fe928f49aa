//! ResourceQuotas: what they count, counted again from everything there is.
//!
//! The API server charges a quota in the transaction of the write that adds something. This controller does the rest: it
//! brings limits into force, counts what was there before, and gives back what went. It reads the quota first and the
//! objects then, and writes its count only if the quota is still as it was read: a write charged meanwhile wins, and the
//! count is made again.
//!
//! Nothing is followed for resources that no quota names, so a cluster without quotas costs nothing here.

mod count;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use knarr_api::{
    Object, Reason, Status, Value,
    quota::{Charge, Kind, Quota},
    value,
};
use knarr_client::{ApiExt as _, Cache, Key, Resource, WorkQueue, resources::RESOURCE_QUOTAS};
use knarr_daemon::{Stop, Tasks};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{Context, context::Again};
use count::{amounts, is_stale, lapse, lapses};

/// Everything is counted again after so long even if nothing happened: the repair of missed events.
const RESYNC: Duration = Duration::from_secs(300);
/// How long followers may take to stop.
const GRACE: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Controller {
    cx: Context,
    quotas: Arc<Cache<Quota>>,
    queue: Arc<WorkQueue<Key>>,
    monitors: Arc<Monitors>,
}

/// What is followed: by index of the resource, the charges of its objects.
#[derive(Default)]
struct Monitors {
    caches: Mutex<BTreeMap<usize, Arc<Cache<Charge>>>>,
    more: Notify,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let me = Controller { cx: cx.clone(), quotas: Cache::new(), queue: WorkQueue::new(), monitors: Arc::default() };
    let wake = me.queue.clone();
    let project = |o: &Object| o.decode::<Quota>().ok();
    cx.follow(tasks, "resourcequota", &RESOURCE_QUOTAS, &me.quotas, project, move |change| {
        // What is charged needs no look: the API server has looked.
        if change.new.is_some_and(|new| is_stale(new) || change.old.is_none_or(|old| old.wanted != new.wanted)) {
            wake.add(change.key.clone());
        }
    });
    let it = me.clone();
    tasks.spawn("resourcequota: monitors", |stop| async move { it.monitor(stop).await });
    let quotas = me.quotas.clone();
    let ready = move || {
        let quotas = quotas.clone();
        async move { quotas.synced().await }
    };
    let it = me.clone();
    cx.work(tasks, "resourcequota", 2, &me.queue, ready, move |key| {
        let it = it.clone();
        async move { it.reconcile(&key).await }
    });
}

impl Controller {
    async fn reconcile(&self, key: &Key) -> Result<Again, Status> {
        let live = match self.cx.api.get(&RESOURCE_QUOTAS, &key.namespace, &key.name).await {
            Ok(live) => live,
            Err(e) if e.is(Reason::NotFound) => return Ok(None),
            Err(e) => return Err(e),
        };
        let quota: Quota = live.decode().map_err(Status::internal)?;
        // What nobody here counts keeps its number.
        let mut used = quota.used.clone().unwrap_or_default();
        used.retain(|name, _| quota.wanted.contains_key(name));
        let mut next = None;
        for (index, r) in self.cx.config.resources.iter().enumerate().filter(|(_, r)| r.namespaced) {
            let kind = Kind::of(&r.group, &r.plural);
            if quota.wanted.keys().any(|name| kind.counts(name)) {
                self.monitors.get(index).synced().await;
                let (charges, lapse) = self.charges(r, &kind, &key.namespace).await?;
                used.extend(quota.used(&kind, &charges));
                next = [next, lapse].into_iter().flatten().min();
            }
        }
        if quota.hard.as_ref() == Some(&quota.wanted) && quota.used.as_ref() == Some(&used) {
            return Ok(Some(until(next)));
        }
        let status = value!({
            "hard": amounts(&quota.wanted, quota.hard.as_ref()),
            "used": amounts(&used, quota.used.as_ref()),
        });
        let metadata = value!({ "resourceVersion": live.revision().to_string() });
        let body: Value = value!({ "metadata": metadata, "status": status });
        match self.cx.api.merge(&RESOURCE_QUOTAS, &key.namespace, &key.name, "status", body).await {
            Ok(_) => Ok(Some(until(next))),
            Err(e) if e.is(Reason::NotFound) => Ok(None),
            // Charged meanwhile, or changed: the queue brings it back.
            Err(e) => Err(e),
        }
    }

    /// What the objects of a namespace cost now, and when one of them stops costing by the clock alone.
    async fn charges(
        &self,
        r: &Resource,
        kind: &Kind,
        namespace: &str,
    ) -> Result<(Vec<Charge>, Option<Timestamp>), Status> {
        let now = Timestamp::now();
        let mut next: Option<Timestamp> = None;
        let mut charges = Vec::new();
        for object in &self.cx.api.list(r, namespace).await?.items {
            let mut charge = charge(kind, object).map_err(Status::internal)?;
            match lapses(r, object) {
                Some(at) if at < now => lapse(&mut charge),
                Some(at) => next = Some(next.map_or(at, |next| next.min(at))),
                None => {}
            }
            charges.push(charge);
        }
        Ok((charges, next))
    }

    /// Follows the resources that quotas name, from the first time on that one does.
    async fn monitor(&self, stop: Stop) -> Result<(), Status> {
        let followers = Tasks::new(&stop);
        let mut followed = std::collections::BTreeSet::new();
        loop {
            let more = self.monitors.more.notified();
            let caches = self.monitors.caches.lock().clone();
            for (index, cache) in caches {
                if followed.insert(index) {
                    self.follow(&followers, index, &cache);
                }
            }
            tokio::select! {
                () = more => {}
                exit = followers.next_exit(), if !followed.is_empty() => {
                    return Err(Status::internal(format!("{exit:?}")));
                }
                () = stop.cancelled() => {
                    followers.stop_all(GRACE).await;
                    return Ok(());
                }
            }
        }
    }

    fn follow(&self, followers: &Tasks, index: usize, cache: &Arc<Cache<Charge>>) {
        let r = &self.cx.config.resources[index];
        let kind = Kind::of(&r.group, &r.plural);
        let of = kind.clone();
        let project = move |o: &Object| charge(&of, o).ok();
        let (quotas, queue) = (self.quotas.clone(), self.queue.clone());
        self.cx.follow(followers, "resourcequota", r, cache, project, move |change| {
            if change.old.is_none() || change.old == change.new {
                return;
            }
            for (key, quota) in quotas.entries() {
                if key.namespace == change.key.namespace && quota.wanted.keys().any(|name| kind.counts(name)) {
                    queue.add(key);
                }
            }
        });
    }
}

fn charge(kind: &Kind, object: &Object) -> Result<Charge, serde_json::Error> {
    kind.charge(&mut serde_json::Deserializer::from_slice(object.json()))
}

/// The wait until `next`, or until everything is counted again anyway.
fn until(next: Option<Timestamp>) -> Duration {
    let wait = next.map(|at| at.duration_since(Timestamp::now()).as_secs().max(0).unsigned_abs() + 1);
    wait.map_or(RESYNC, |secs| RESYNC.min(Duration::from_secs(secs)))
}

impl Monitors {
    fn get(&self, index: usize) -> Arc<Cache<Charge>> {
        let cache = self.caches.lock().entry(index).or_default().clone();
        self.more.notify_one();
        cache
    }
}
