//! The ring: informers, the queue of waiting pods, bindings.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use knarr_api::{Reason, Status, value};
use knarr_client::{
    Api, Cache, Key, Request, Selection, Verb, WorkQueue,
    events::{ObjectRef, Recorder, Type},
    resources,
};
use knarr_daemon::{Stop, Tasks};
use parking_lot::Mutex;

use crate::{NodeInfo, PodInfo, Snapshot, schedule};

/// The name pods ask for by default.
const NAME: &str = "default-scheduler";
/// An unschedulable pod is looked at again after so long even if nothing changed.
const AGAIN: Duration = Duration::from_secs(300);
/// A binding the informer has not shown after so long is no longer counted.
const ASSUMED: Duration = Duration::from_secs(30);

/// Schedules pods.
pub struct Scheduler {
    api: Arc<dyn Api>,
    recorder: Recorder,
    pods: Arc<Cache<PodInfo>>,
    nodes: Arc<Cache<NodeInfo>>,
    queue: Arc<WorkQueue<Key>>,
    assumed: Mutex<HashMap<Key, Assumed>>,
}

struct Assumed {
    uid: String,
    node: String,
    since: Instant,
}

impl Scheduler {
    /// A scheduler; [`Scheduler::start`] sets it going.
    pub fn new(api: Arc<dyn Api>, recorder: Recorder) -> Arc<Self> {
        Arc::new(Self {
            api,
            recorder,
            pods: Cache::new(),
            nodes: Cache::new(),
            queue: WorkQueue::new(),
            assumed: Mutex::default(),
        })
    }

    /// Starts the informers and the one worker: decisions are made one after the other.
    pub fn start(self: &Arc<Self>, tasks: &Tasks) {
        let me = self.clone();
        tasks.spawn("scheduler: pods", |stop| {
            let all = Selection::all(&resources::PODS);
            me.pods.clone().run(me.api.clone(), all, stop, PodInfo::project, move |change| {
                let freed = |p: &Arc<PodInfo>| p.node.is_some() && !p.ended;
                match change.new {
                    Some(pod) if pod.is_waiting(NAME) => me.queue.add(change.key.clone()),
                    // Room on a node: those who wait may fit now.
                    Some(pod) if pod.ended && change.old.is_some_and(freed) => me.retry_all(),
                    None if change.old.is_some_and(freed) => me.retry_all(),
                    _ => {}
                }
            })
        });
        let me = self.clone();
        tasks.spawn("scheduler: nodes", |stop| {
            let all = Selection::all(&resources::NODES);
            me.nodes.clone().run(me.api.clone(), all, stop, NodeInfo::project, move |change| {
                if change.old != change.new {
                    me.retry_all();
                }
            })
        });
        let me = self.clone();
        tasks.spawn("scheduler: worker", |stop| async move { me.work(stop).await });
    }

    fn retry_all(&self) {
        let waiting = self.pods.list().into_iter().filter(|p| p.is_waiting(NAME));
        waiting.for_each(|p| self.queue.add(p.key.clone()));
    }

    async fn work(&self, stop: Stop) -> Result<(), Status> {
        tokio::select! {
            () = async { tokio::join!(self.pods.synced(), self.nodes.synced()); } => {}
            () = stop.cancelled() => return Ok(()),
        }
        self.queue.work("scheduler", &stop, async |key| self.one(&key).await).await;
        Ok(())
    }

    /// One pod: decide, bind, or say why not.
    async fn one(&self, key: &Key) -> Result<Option<Duration>, Status> {
        let Some(pod) = self.pods.get(key).filter(|p| p.is_waiting(NAME)) else { return Ok(None) };
        if self.assumed.lock().get(key).is_some_and(|a| a.uid == pod.uid) {
            return Ok(None);
        }
        match schedule(&pod, &self.snapshot()) {
            Ok(node) => self.bind(&pod, &node).await.map(|()| None),
            Err(why) => self.refuse(&pod, &why.0).await.map(|()| Some(AGAIN)),
        }
    }

    /// The informers' view with assumed bindings put in; assumptions that came true or grew old are dropped.
    fn snapshot(&self) -> Snapshot {
        let pods = self.pods.list();
        let mut assumed = self.assumed.lock();
        assumed.retain(|_, a| a.since.elapsed() < ASSUMED);
        let mut placed: Vec<PodInfo> = Vec::new();
        for pod in &pods {
            match (assumed.get(&pod.key), &pod.node) {
                (Some(_), Some(_)) => drop(assumed.remove(&pod.key)),
                (Some(a), None) if a.uid == pod.uid => {
                    placed.push(PodInfo { node: Some(a.node.clone()), ..(**pod).clone() });
                }
                _ => {}
            }
        }
        Snapshot::new(self.nodes.list(), pods.iter().map(|p| &**p).chain(&placed))
    }

    async fn bind(&self, pod: &PodInfo, node: &str) -> Result<(), Status> {
        let assumed = Assumed { uid: pod.uid.clone(), node: node.to_owned(), since: Instant::now() };
        self.assumed.lock().insert(pod.key.clone(), assumed);
        let Key { namespace, name } = &pod.key;
        let binding = value!({
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": { "name": name.clone(), "namespace": namespace.clone(), "uid": pod.uid.as_str() },
            "target": { "apiVersion": "v1", "kind": "Node", "name": node },
        });
        let request = Request::new(Verb::Create, &resources::PODS).namespace(namespace).name(name);
        match self.api.call(request.subresource("binding").body(binding)).await {
            Ok(_) => {
                let text = format!("Successfully assigned {namespace}/{name} to {node}");
                self.recorder.event(&reference(pod), Type::Normal, "Scheduled", text);
                Ok(())
            }
            Err(e) => {
                self.assumed.lock().remove(&pod.key);
                // Deleted or bound by somebody else meanwhile: nothing is left to do.
                if e.is(Reason::NotFound) || e.is(Reason::Conflict) { Ok(()) } else { Err(e) }
            }
        }
    }

    async fn refuse(&self, pod: &PodInfo, why: &str) -> Result<(), Status> {
        self.recorder.event(&reference(pod), Type::Warning, "FailedScheduling", why);
        if pod.told.as_deref() == Some(why) {
            return Ok(());
        }
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let status = value!({ "status": { "conditions": [{
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why,
            "lastProbeTime": null, "lastTransitionTime": now,
        }] } });
        let verb = Verb::Patch(knarr_client::PatchKind::Strategic);
        let request = Request::new(verb, &resources::PODS).namespace(&pod.key.namespace).name(&pod.key.name);
        match self.api.call(request.subresource("status").body(status)).await {
            Err(e) if !e.is(Reason::NotFound) => Err(e),
            _ => Ok(()),
        }
    }
}

fn reference(pod: &PodInfo) -> ObjectRef {
    ObjectRef {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        namespace: pod.key.namespace.to_string(),
        name: pod.key.name.to_string(),
        uid: pod.uid.clone(),
        field_path: String::new(),
    }
}
