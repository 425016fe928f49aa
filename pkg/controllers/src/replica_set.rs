//! ReplicaSets: as many pods as asked for.

mod plan;

use std::sync::Arc;

use jiff::Timestamp;
use knarr_api::{Object, Reason, Status, Value};
use knarr_client::{
    Cache, Key, WorkQueue,
    resources::{PODS, REPLICA_SETS},
};
use knarr_daemon::Tasks;

use crate::{Context, claims::Owner, context::Again, pod::Pod, pod_control::PodControl};
use plan::{ReplicaSet, Step, plan, status};

#[derive(Clone)]
struct Controller {
    cx: Context,
    sets: Arc<Cache<ReplicaSet>>,
    pods: Arc<Cache<Pod>>,
    queue: Arc<WorkQueue<Key>>,
    control: Arc<PodControl>,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let me = Controller {
        cx: cx.clone(),
        sets: Cache::new(),
        pods: Cache::new(),
        queue: WorkQueue::new(),
        control: PodControl::new(cx, &REPLICA_SETS),
    };
    let wake = me.queue.clone();
    cx.follow(tasks, "replicaset", &REPLICA_SETS, &me.sets, ReplicaSet::project, move |c| wake.add(c.key.clone()));
    let it = me.clone();
    cx.follow(tasks, "replicaset", &PODS, &me.pods, Pod::project, move |change| {
        let orphan = |pod: &Pod| it.sets_for(pod).for_each(|key| it.queue.add(key));
        it.control.observe(&change, |key| it.queue.add(key), orphan);
    });
    let (s, p) = (me.sets.clone(), me.pods.clone());
    let ready = move || {
        let (s, p) = (s.clone(), p.clone());
        async move {
            tokio::join!(s.synced(), p.synced());
        }
    };
    let it = me.clone();
    cx.work(tasks, "replicaset", 4, &me.queue, ready, move |key| {
        let it = it.clone();
        async move { it.reconcile(&key).await }
    });
}

impl Controller {
    fn sets_for(&self, pod: &Pod) -> impl Iterator<Item = Key> {
        let sets = self.sets.in_namespace(&pod.key.namespace);
        let meta = pod.meta.clone();
        sets.into_iter().filter(move |s| s.selector.matches(&meta)).map(|s| s.key.clone())
    }

    async fn reconcile(&self, key: &Key) -> Result<Again, Status> {
        let Some(set) = self.sets.get(key) else {
            self.control.forget(key);
            return Ok(None);
        };
        let now = Timestamp::now();
        // Asked before the pods are read: what is seen in between may only count as not seen yet.
        let settled = self.control.is_settled(key);
        let pods = self.owned(&set).await?;
        let mut failure = None;
        if set.meta.deleted.is_none() && settled {
            failure = self.apply(&set, plan(&set, &pods, now)).await.err();
        }
        let (status, again) = status(&set, &pods, failure.as_ref().map(|f| (f.step, f.error.message())), now);
        if let Some(status) = status {
            match self.cx.set_status(&REPLICA_SETS, key, status).await {
                Err(e) if !e.is(Reason::NotFound) => return Err(e),
                _ => {}
            }
        }
        match failure {
            Some(f) => Err(f.error),
            None if settled => Ok(again),
            None => Ok(self.control.patience(key)),
        }
    }

    /// The pods of the set; orphans that its selector matches are adopted, pods it no longer matches released.
    async fn owned(&self, set: &ReplicaSet) -> Result<Vec<Arc<Pod>>, Status> {
        let mine = |p: &Pod| p.meta.controller().is_some_and(|c| c.uid == set.meta.uid);
        let pods = self.pods.in_namespace(&set.key.namespace).into_iter().filter(|p| p.is_active() || mine(p));
        self.control.claim(set.owner(), pods, |p| set.selector.matches(&p.meta)).await
    }

    async fn apply(&self, set: &ReplicaSet, steps: Vec<Step>) -> Result<(), Failure> {
        let mut body = None;
        for step in steps {
            match step {
                Step::Create => {
                    let failed = |error| Failure { step: "FailedCreate", error };
                    let body = match &body {
                        Some(body) => body,
                        None => body.insert(self.template(set).await.map_err(failed)?),
                    };
                    let seen = |key: &Key| self.pods.get(key).is_some();
                    self.control.create(set.owner(), body.clone(), seen).await.map_err(failed)?;
                }
                Step::Delete { key, uid } => {
                    let failed = |error| Failure { step: "FailedDelete", error };
                    self.control.delete(set.owner(), &key, &uid).await.map_err(failed)?;
                }
            }
        }
        Ok(())
    }

    /// The pod to create: the template with a name to be generated.
    async fn template(&self, set: &ReplicaSet) -> Result<Value, Status> {
        let mut pod = self.control.template(set.owner()).await?;
        pod.set(&["metadata", "generateName"], format!("{}-", set.key.name));
        Ok(pod)
    }
}

struct Failure {
    step: &'static str,
    error: Status,
}

impl ReplicaSet {
    fn owner(&self) -> Owner<'_> {
        Owner { key: &self.key, meta: &self.meta }
    }

    /// Projects a ReplicaSet.
    fn project(object: &Object) -> Option<Self> {
        plan::project(object)
    }
}
