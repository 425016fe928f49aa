//! DaemonSets: one pod on every node that should have one.
//!
//! [`eligible`] says which nodes those are, [`plan`] what to do next, [`roll`] how an update goes on and [`status`] what
//! to say (all pure). Pods are placed by the scheduler, which their affinity leaves no choice. Revisions are
//! [`crate::history`]'s: a pod carries the hash of its own.

mod daemon;
mod eligible;
mod model;
mod plan;
mod pods;
mod roll;
mod setbacks;
mod status;

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use knarr_api::{Reason, Status, value};
use knarr_client::{
    ApiExt as _, Cache, Key, WorkQueue,
    events::Type,
    resources::{DAEMON_SETS, NODES, PODS},
};
use knarr_daemon::Tasks;
use parking_lot::Mutex;

use crate::{
    Context,
    context::Again,
    history::{HASH_LABEL, History, Revision, duplicates, oldest},
    pod_control::{PodControl, namespace_terminates},
};
use daemon::{Daemon, Node};
use model::DaemonSet;
use plan::{Step, World, plan};
use setbacks::Setbacks;

const NAME: &str = "daemonset";

#[derive(Clone)]
struct Controller {
    cx: Context,
    sets: Arc<Cache<DaemonSet>>,
    daemons: Arc<Cache<Daemon>>,
    nodes: Arc<Cache<Node>>,
    history: History,
    control: Arc<PodControl>,
    setbacks: Arc<Mutex<HashMap<Key, Setbacks>>>,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue: Arc<WorkQueue<Key>> = WorkQueue::new();
    let me = Controller {
        cx: cx.clone(),
        sets: Cache::new(),
        daemons: Cache::new(),
        nodes: Cache::new(),
        history: History::start(cx, tasks, NAME, &DAEMON_SETS, &queue),
        control: PodControl::new(cx, &DAEMON_SETS),
        setbacks: Arc::default(),
    };
    let wake = queue.clone();
    cx.follow(tasks, NAME, &DAEMON_SETS, &me.sets, DaemonSet::project, move |c| wake.add(c.key.clone()));
    let (wake, it) = (queue.clone(), me.clone());
    cx.follow(tasks, NAME, &PODS, &me.daemons, Daemon::project, move |change| {
        let orphan = |d: &Daemon| {
            let sets = it.sets.in_namespace(&d.pod.key.namespace);
            sets.iter().filter(|s| s.selector.matches(&d.pod.meta)).for_each(|s| wake.add(s.key.clone()));
        };
        it.control.observe(&change, |key| wake.add(key), orphan);
    });
    let (wake, it) = (queue.clone(), me.clone());
    cx.follow(tasks, NAME, &NODES, &me.nodes, Node::project, move |change| {
        // Heartbeats are most of what a node tells; only labels and taints matter here.
        if change.old != change.new {
            it.sets.entries().into_iter().for_each(|(key, _)| wake.add(key));
        }
    });
    let it = me.clone();
    let ready = move || {
        let me = it.clone();
        async move {
            tokio::join!(me.sets.synced(), me.daemons.synced(), me.nodes.synced(), me.history.synced());
        }
    };
    cx.work(tasks, NAME, 2, &queue, ready, move |key| {
        let me = me.clone();
        async move { me.reconcile(&key).await }
    });
}

impl Controller {
    async fn reconcile(&self, key: &Key) -> Result<Again, Status> {
        let Some(set) = self.sets.get(key) else {
            self.control.forget(key);
            self.setbacks.lock().remove(key);
            return Ok(None);
        };
        // Its dependents, the history among them, are the garbage collector's now: no status could be right.
        if set.meta.deleted.is_some() {
            return Ok(None);
        }
        let now = Timestamp::now();
        let mine = |d: &Arc<Daemon>| d.pod.meta.controller().is_none_or(|c| c.uid == set.meta.uid);
        let candidates = self.daemons.in_namespace(&key.namespace).into_iter().filter(mine);
        let pods = self.control.claim(set.owner(), candidates, |d| set.selector.matches(&d.pod.meta)).await?;
        let revisions = self.history.of(set.owner(), &set.selector).await?;
        let collisions = set.status.collision_count.unwrap_or(0);
        let present = self.history.settle(set.owner(), &revisions, &set.template, collisions).await?;
        self.unite(&revisions, &present.revision, &pods).await?;

        let nodes = self.nodes.list();
        let hash = present.revision.hash();
        let world = World { set: &set, hash, nodes: &nodes, pods: &pods, now };
        let settled = self.control.is_settled(key);
        let (mut failure, mut later) = (None, None);
        if settled {
            let (steps, again) = self.plan(&world);
            later = again;
            failure = self.apply(&set, hash, steps).await.err();
        }
        let (status, again) = status::status(&world, present.collisions, settled);
        if let Some(status) = status {
            match self.cx.set_status(&DAEMON_SETS, key, status).await {
                Err(e) if !e.is(Reason::NotFound) => return Err(e),
                _ => {}
            }
        }
        if let Some(e) = failure {
            return Err(e);
        }
        if !settled {
            return Ok(self.control.patience(key));
        }
        self.history.forget(&surplus(&set, &revisions, &pods)).await?;
        Ok(later.into_iter().chain(again).min())
    }

    fn plan(&self, world: &World<'_>) -> (Vec<Step>, Again) {
        let mut all = self.setbacks.lock();
        let setbacks = all.entry(world.set.key.clone()).or_default();
        setbacks.for_generation(world.set.meta.generation);
        plan(world, setbacks)
    }

    async fn apply(&self, set: &DaemonSet, hash: &str, steps: Vec<Step>) -> Result<(), Status> {
        let creates = steps.iter().any(|s| matches!(s, Step::Create { .. }));
        let template = if creates { Some(self.control.template(set.owner()).await?) } else { None };
        for step in steps {
            match step {
                Step::Tell { failed: true, message } => {
                    self.control.tell(set.owner(), Type::Warning, "FailedDaemonPod", message);
                }
                Step::Tell { failed: false, message } => {
                    self.control.tell(set.owner(), Type::Normal, "SucceededDaemonPod", message);
                }
                Step::Create { node } => {
                    let Some(mut pod) = template.clone() else { continue };
                    pods::dress(&mut pod, set, hash, &node);
                    match self.control.create(set.owner(), pod, |key| self.daemons.get(key).is_some()).await {
                        Err(e) if namespace_terminates(&e) => return Ok(()),
                        made => made.map(drop)?,
                    }
                }
                Step::Delete { key, uid } => self.control.delete(set.owner(), &key, &uid).await?,
            }
        }
        Ok(())
    }

    /// Revisions of one template become one: pods of the others are told that theirs is the one kept.
    async fn unite(&self, all: &[Arc<Revision>], kept: &Revision, pods: &[Arc<Daemon>]) -> Result<(), Status> {
        let others = duplicates(all, kept);
        for other in &others {
            let theirs = pods.iter().filter(|d| d.pod.meta.label(HASH_LABEL) == Some(other.hash()));
            for daemon in theirs.filter(|_| other.hash() != kept.hash()) {
                let Key { namespace, name } = &daemon.pod.key;
                let body = value!({ "metadata": { "labels": { (HASH_LABEL): kept.hash() } } });
                self.cx.api.merge(&PODS, namespace, name, "", body).await?;
            }
        }
        self.history.forget(&others).await
    }
}

/// Revisions beyond the limit that no pod has.
fn surplus(set: &DaemonSet, revisions: &[Arc<Revision>], pods: &[Arc<Daemon>]) -> Vec<Arc<Revision>> {
    let present = |r: &Revision| r.template == set.template;
    let has = |r: &Revision| pods.iter().any(|d| d.pod.meta.label(HASH_LABEL) == Some(r.hash()));
    let past = revisions.iter().filter(|r| !present(r)).count();
    oldest(revisions, past.saturating_sub(set.history_limit), |r| present(r) || has(r))
}
