//! Pods that nobody will end: they are marked as failed and taken away at once.
//!
//! That are pods of nodes that are gone, pods being deleted that no node ever had, pods stuck on a node that somebody
//! declared out of service, and ended pods beyond a large number. Nothing polls: pods and nodes that change wake a key,
//! which is a pod, a node (no namespace), or all ended pods (the empty key).

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use knarr_api::{Object, Reason, Status, value};
use knarr_client::{
    ApiExt as _, Cache, Key, PatchKind, Request, Verb, WorkQueue,
    resources::{NODES, PODS},
};
use knarr_daemon::Tasks;
use parking_lot::Mutex;
use serde::Deserialize;

use crate::{
    Context,
    conditions::{self, Condition, holding},
    context::Again,
    pod::Phase,
};

const NAME: &str = "pod-gc";
/// Ended pods that may stay.
const KEPT: usize = 12_500;
/// How long a node must be missing before its pods are.
const QUARANTINE: Duration = Duration::from_secs(40);
/// Ended pods are counted at most so often.
const COUNT: Duration = Duration::from_secs(20);
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// A pod as its undertaker sees it.
#[derive(Debug, PartialEq, Eq)]
struct Pod {
    key: Key,
    uid: Box<str>,
    node: Box<str>,
    phase: Phase,
    going: bool,
    evicted: bool,
    created: Box<str>,
}

impl Pod {
    fn project(object: &Object) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            spec: Spec,
            #[serde(default)]
            status: PodStatus,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct Spec {
            node_name: Box<str>,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct PodStatus {
            phase: Box<str>,
            reason: Box<str>,
        }
        let Wire { spec, status } = object.decode().ok()?;
        let meta = object.meta();
        Some(Self {
            key: Key::of(object),
            uid: meta.uid.clone(),
            node: spec.node_name,
            phase: Phase::of(&status.phase),
            going: meta.deleted.is_some(),
            evicted: &*status.reason == "Evicted",
            created: meta.created.clone(),
        })
    }

    fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }
}

/// A node: only whether its pods are lost.
#[derive(Debug, PartialEq, Eq)]
struct Node {
    /// Not ready, and somebody says that it will not come back by itself.
    lost: bool,
}

impl Node {
    fn project(object: &Object) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            spec: Spec,
            #[serde(default)]
            status: NodeStatus,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Spec {
            taints: Vec<Taint>,
        }
        #[derive(Deserialize)]
        struct Taint {
            key: Box<str>,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct NodeStatus {
            conditions: Vec<Condition>,
        }
        let Wire { spec, status } = object.decode().ok()?;
        let ready = holding(&status.conditions, "Ready").is_some();
        Some(Self { lost: !ready && spec.taints.iter().any(|t| &*t.key == OUT_OF_SERVICE) })
    }
}

#[derive(Clone)]
struct Collector {
    cx: Context,
    pods: Arc<Cache<Pod>>,
    nodes: Arc<Cache<Node>>,
    /// Since when nodes are missing.
    missing: Arc<Mutex<HashMap<Key, Instant>>>,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue: Arc<WorkQueue<Key>> = WorkQueue::new();
    let me = Collector { cx: cx.clone(), pods: Cache::new(), nodes: Cache::new(), missing: Arc::default() };
    let wake = queue.clone();
    cx.follow(tasks, NAME, &NODES, &me.nodes, Node::project, move |change| {
        if change.old != change.new {
            wake.add(Key::new("", &change.key.name));
        }
    });
    let (wake, nodes) = (queue.clone(), me.nodes.clone());
    cx.follow(tasks, NAME, &PODS, &me.pods, Pod::project, move |change| {
        let Some(pod) = change.new.filter(|_| change.old != change.new) else { return };
        let node = Key::new("", &pod.node);
        if pod.node.is_empty() {
            if pod.going {
                wake.add(pod.key.clone());
            }
        } else if pod.going || nodes.get(&node).is_none() {
            wake.add(node);
        }
        if pod.has_ended() && !change.old.is_some_and(|old| old.has_ended()) {
            wake.add_after(Key::default(), COUNT);
        }
    });
    let it = me.clone();
    let ready = move || {
        let it = it.clone();
        async move {
            tokio::join!(it.pods.synced(), it.nodes.synced());
        }
    };
    cx.work(tasks, NAME, 1, &queue, ready, move |key| {
        let me = me.clone();
        async move {
            if key == Key::default() {
                return me.thin_out().await.map(|()| None);
            }
            if !key.namespace.is_empty() {
                return me.unbound(&key).await.map(|()| None);
            }
            me.node(&key, Instant::now()).await
        }
    });
}

impl Collector {
    /// Pods of a node that is gone or lost.
    async fn node(&self, node: &Key, now: Instant) -> Result<Again, Status> {
        let pods = || self.pods.list().into_iter().filter(|p| *p.node == *node.name);
        if let Some(there) = self.nodes.get(node) {
            self.missing.lock().remove(node);
            if there.lost {
                for pod in pods().filter(|p| p.going) {
                    self.bury(&pod, None).await?;
                }
            }
            return Ok(None);
        }
        let since = *self.missing.lock().entry(node.clone()).or_insert(now);
        let left = QUARANTINE.saturating_sub(now.duration_since(since));
        if !left.is_zero() {
            return Ok(Some(left));
        }
        match self.cx.api.get(&NODES, "", &node.name).await {
            Ok(_) => return Ok(None), // the informer is about to show it
            Err(e) if !e.is(Reason::NotFound) => return Err(e),
            Err(_) => {}
        }
        for pod in pods() {
            self.bury(&pod, Some(("DeletionByPodGC", "PodGC: node no longer exists"))).await?;
        }
        self.missing.lock().remove(node);
        Ok(None)
    }

    /// A pod that no node ever had and that is to go.
    async fn unbound(&self, key: &Key) -> Result<(), Status> {
        match self.pods.get(key).filter(|p| p.going && p.node.is_empty()) {
            Some(pod) => self.bury(&pod, None).await,
            None => Ok(()),
        }
    }

    /// Ended pods beyond the limit.
    async fn thin_out(&self) -> Result<(), Status> {
        for pod in surplus(self.pods.list(), KEPT) {
            self.bury(&pod, None).await?;
        }
        Ok(())
    }

    /// Marks a pod as failed, if it has not ended, and takes it away.
    async fn bury(&self, pod: &Pod, why: Option<(&str, &str)>) -> Result<(), Status> {
        let gone = |e: &Status| e.is(Reason::NotFound) || e.is(Reason::Conflict);
        if !pod.has_ended() {
            let mut status = value!({ "phase": "Failed" });
            if let Some((reason, message)) = why {
                let condition = Condition::new("DisruptionTarget", true, reason, message).since(&[], Timestamp::now());
                status.set(&["conditions"], conditions::print(&[condition]));
            }
            let request = Request::new(Verb::Patch(PatchKind::Strategic), &PODS)
                .namespace(&pod.key.namespace)
                .name(&pod.key.name)
                .subresource("status")
                .body(value!({ "metadata": { "uid": &*pod.uid }, "status": status }));
            match self.cx.api.call(request).await {
                Err(e) if gone(&e) => return Ok(()),
                Err(e) => return Err(e),
                Ok(_) => {}
            }
        }
        let request =
            Request::new(Verb::Delete, &PODS).namespace(&pod.key.namespace).name(&pod.key.name).options(|o| {
                o.grace_period_seconds = Some(0);
                o.precondition.uid = (&*pod.uid).into();
            });
        match self.cx.api.call(request).await {
            Err(e) if !gone(&e) => Err(e),
            _ => Ok(()),
        }
    }
}

/// The ended pods beyond `kept`: evicted ones first, then the oldest.
fn surplus(pods: Vec<Arc<Pod>>, kept: usize) -> Vec<Arc<Pod>> {
    let mut ended: Vec<Arc<Pod>> = pods.into_iter().filter(|p| p.has_ended()).collect();
    ended.sort_by(|a, b| (!a.evicted, &a.created, &a.key.name).cmp(&(!b.evicted, &b.created, &b.key.name)));
    ended.truncate(ended.len().saturating_sub(kept));
    ended
}

#[cfg(test)]
mod tests {
    use knarr_client::fake::FakeApi;
    use serde_json::json;

    use super::*;
    use crate::testing::context;

    fn pod(name: &str, phase: &str, created: &str, reason: &str) -> Arc<Pod> {
        let v = json!({"metadata": {"name": name, "namespace": "n", "uid": name, "creationTimestamp": created},
            "status": {"phase": phase, "reason": reason}});
        Arc::new(Pod::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap())
    }

    #[test]
    fn evicted_and_old_ones_go_first() {
        let pods = vec![
            pod("young", "Succeeded", "2026-01-03T00:00:00Z", ""),
            pod("old", "Failed", "2026-01-01T00:00:00Z", ""),
            pod("evicted", "Failed", "2026-01-04T00:00:00Z", "Evicted"),
            pod("runs", "Running", "2025-01-01T00:00:00Z", ""),
            pod("twin", "Failed", "2026-01-01T00:00:00Z", ""),
        ];
        let gone = |kept| surplus(pods.clone(), kept).iter().map(|p| p.key.name.to_string()).collect::<Vec<_>>();
        assert_eq!(gone(1), ["evicted", "old", "twin"]);
        assert_eq!(gone(3), ["evicted"]);
        assert!(gone(4).is_empty());
    }

    #[test]
    fn a_lost_node_is_unready_and_declared_so() {
        let node = |ready: &str, key: &str| {
            let v = json!({"metadata": {"name": "a"}, "spec": {"taints": [{"key": key, "effect": "NoExecute"}]},
                "status": {"conditions": [{"type": "Ready", "status": ready}]}});
            Node::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap().lost
        };
        assert!(node("Unknown", OUT_OF_SERVICE));
        assert!(!node("True", OUT_OF_SERVICE));
        assert!(!node("Unknown", "node.kubernetes.io/unreachable"));
    }

    #[tokio::test]
    async fn pods_outlive_their_node_by_the_quarantine() {
        let fake = FakeApi::new();
        let cx = context(&fake);
        let me = Collector { cx: cx.clone(), pods: Cache::new(), nodes: Cache::new(), missing: Arc::default() };
        let body =
            value!({ "metadata": { "name": "p" }, "spec": { "nodeName": "a" }, "status": { "phase": "Running" } });
        fake.create(&PODS, "n", body).await.unwrap();
        let tasks = Tasks::new(&knarr_daemon::Stop::new());
        cx.follow(&tasks, NAME, &PODS, &me.pods, Pod::project, |_| {});
        me.pods.synced().await;
        let (node, start) = (Key::new("", "a"), Instant::now());
        assert_eq!(me.node(&node, start).await.unwrap(), Some(QUARANTINE));
        assert_eq!(fake.writes().len(), 1);
        assert_eq!(me.node(&node, start + QUARANTINE).await.unwrap(), None);
        assert_eq!(fake.writes()[1..], ["patch pods/status n/p", "delete pods n/p"]);
        assert!(fake.tree(&PODS, "n", "p").is_none());
    }
}
