//! ReplicaSets: as many pods as asked for.
//!
//! Creations and deletions that the informer has not shown yet are *expected* and counted, so that a second run does
//! not repeat them.

mod expect;
mod plan;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use knarr_api::{Object, Reason, Status, Value, value, value::to_value};
use knarr_client::{
    ApiExt as _, Cache, Key, WorkQueue,
    events::Type,
    resources::{PODS, REPLICA_SETS},
};
use knarr_daemon::Tasks;

use crate::{
    Context,
    context::{Again, reference, rfc3339},
    pod::Pod,
    steps::controlled_by,
};
use expect::Expectations;
use plan::{ReplicaSet, Step, plan, status};

#[derive(Clone)]
struct Controller {
    cx: Context,
    sets: Arc<Cache<ReplicaSet>>,
    pods: Arc<Cache<Pod>>,
    queue: Arc<WorkQueue<Key>>,
    expected: Arc<Expectations>,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let me = Controller {
        cx: cx.clone(),
        sets: Cache::new(),
        pods: Cache::new(),
        queue: WorkQueue::new(),
        expected: Arc::default(),
    };
    let wake = me.queue.clone();
    cx.follow(tasks, "replicaset", &REPLICA_SETS, &me.sets, ReplicaSet::project, move |c| wake.add(c.key.clone()));
    let it = me.clone();
    cx.follow(tasks, "replicaset", &PODS, &me.pods, Pod::project, move |change| {
        for pod in [change.old, change.new].into_iter().flatten() {
            match pod.meta.controller() {
                Some(owner) if &*owner.kind == "ReplicaSet" => {
                    let key = Key::new(&pod.key.namespace, &owner.name);
                    if change.old.is_none() {
                        it.expected.created(&key, &pod.key.name);
                    }
                    if change.new.is_none_or(|p| p.meta.deleted.is_some()) {
                        it.expected.deleted(&key, &pod.key.name);
                    }
                    it.queue.add(key);
                }
                Some(_) => {}
                // An orphan may be somebody's.
                None => it.sets_for(pod).for_each(|key| it.queue.add(key)),
            }
        }
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
            self.expected.forget(key);
            return Ok(None);
        };
        let now = Timestamp::now();
        let pods = self.owned(&set).await?;
        let mut failure = None;
        if set.meta.deleted.is_none() && self.expected.are_met(key) {
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
            None => Ok(again),
        }
    }

    /// The pods of the set; orphans that its selector matches are adopted.
    async fn owned(&self, set: &ReplicaSet) -> Result<Vec<Arc<Pod>>, Status> {
        let mut out = Vec::new();
        for pod in self.pods.in_namespace(&set.key.namespace) {
            match pod.meta.controller() {
                Some(owner) if *owner.uid == *set.meta.uid => out.push(pod),
                Some(_) => {}
                None if set.selector.matches(&pod.meta) && pod.is_active() && set.meta.deleted.is_none() => {
                    let owners = controlled_by(&REPLICA_SETS, &set.key.name, &set.meta.uid);
                    let body = value!({ "metadata": { "uid": &*pod.meta.uid, "ownerReferences": owners } });
                    match self.cx.api.merge(&PODS, &pod.key.namespace, &pod.key.name, "", body).await {
                        Ok(_) => out.push(pod),
                        Err(e) if e.is(Reason::NotFound) || e.is(Reason::Conflict) => {}
                        Err(e) => return Err(e),
                    }
                }
                None => {}
            }
        }
        Ok(out)
    }

    async fn apply(&self, set: &ReplicaSet, steps: Vec<Step>) -> Result<(), Failure> {
        let about = reference(&REPLICA_SETS, &set.key, &set.meta.uid);
        let mut body = None;
        for step in steps {
            match step {
                Step::Create => {
                    let failed = |error| Failure { step: "FailedCreate", error };
                    if body.is_none() {
                        body = Some(self.template(set).await.map_err(failed)?);
                    }
                    let body = body.clone().expect("filled above");
                    match self.cx.api.create(&PODS, &set.key.namespace, body).await {
                        Ok(pod) => {
                            self.expected.creation(&set.key, pod.name(), |k| self.pods.get(k).is_some());
                            let text = format!("Created pod: {}", pod.name());
                            self.cx.recorder.event(&about, Type::Normal, "SuccessfulCreate", text);
                        }
                        Err(error) => {
                            let text = format!("Error creating: {error}");
                            self.cx.recorder.event(&about, Type::Warning, "FailedCreate", text);
                            return Err(failed(error));
                        }
                    }
                }
                Step::Delete { key, uid } => {
                    self.expected.deletion(&set.key, &key.name);
                    match self.cx.delete(&PODS, &key, &uid).await {
                        Ok(()) => {
                            let text = format!("Deleted pod: {}", key.name);
                            self.cx.recorder.event(&about, Type::Normal, "SuccessfulDelete", text);
                        }
                        Err(e) => {
                            self.expected.deleted(&set.key, &key.name);
                            if !e.is(Reason::NotFound) && !e.is(Reason::Conflict) {
                                let text = format!("Error deleting: {e}");
                                self.cx.recorder.event(&about, Type::Warning, "FailedDelete", text);
                                return Err(Failure { step: "FailedDelete", error: e });
                            }
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The pod to create: the template with a generated name and an owner. Read when needed: projections do not keep
    /// templates.
    async fn template(&self, set: &ReplicaSet) -> Result<Value, Status> {
        let live = self.cx.api.get(&REPLICA_SETS, &set.key.namespace, &set.key.name).await?;
        let tree: serde_json::Value = live.decode().map_err(Status::internal)?;
        let mut pod = to_value(&tree["spec"]["template"]).map_err(Status::internal)?;
        pod.set(&["apiVersion"], "v1");
        pod.set(&["kind"], "Pod");
        pod.set(&["metadata", "generateName"], format!("{}-", set.key.name));
        pod.set(&["metadata", "ownerReferences"], controlled_by(&REPLICA_SETS, &set.key.name, &set.meta.uid));
        pod.remove(&["metadata", "creationTimestamp"]);
        Ok(pod)
    }
}

struct Failure {
    step: &'static str,
    error: Status,
}

impl ReplicaSet {
    /// Projects a ReplicaSet.
    fn project(object: &Object) -> Option<Self> {
        plan::project(object)
    }
}

/// One condition, keeping its time while its state stays.
fn condition(old: &[plan::Condition], kind: &str, on: bool, reason: &str, message: &str, now: Timestamp) -> Value {
    let state = if on { "True" } else { "False" };
    let same = old.iter().find(|c| c.kind == kind && c.status == state);
    let at = same.and_then(|c| c.last_transition_time.clone()).unwrap_or_else(|| rfc3339(now));
    value!({ "type": kind, "status": state, "reason": reason, "message": message, "lastTransitionTime": at })
}

/// The wait until a ready pod counts as available.
fn until_available(pods: &[Arc<Pod>], seconds: i32, now: Timestamp) -> Again {
    if seconds <= 0 {
        return None;
    }
    let left = |since: Timestamp| i64::from(seconds) - now.duration_since(since).as_secs();
    let next = pods.iter().filter_map(|p| p.ready).map(left).filter(|left| *left > 0).min()?;
    Some(Duration::from_secs(next.unsigned_abs()))
}
