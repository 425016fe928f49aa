//! Nodes that stop renewing their Lease: unknown, then tainted, then emptied.

mod seen;
mod taints;

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use knarr_api::{Object, Reason, Status, value};
use knarr_client::{
    ApiExt as _, Cache, Change, Key, PatchKind, Request, Verb, WorkQueue,
    events::{Recorder, Type},
    resources::{LEASES, NODES, PODS},
};
use knarr_daemon::Tasks;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    Context,
    conditions::find,
    context::{Again, reference, rfc3339},
};
use seen::{Bound, Node, project_node, project_pod};
use taints::{stays, wanted_taints};

/// A node that has said nothing for so long is unknown (upstream's `--node-monitor-grace-period`).
const GRACE: Duration = Duration::from_secs(50);

#[derive(Clone)]
struct Controller {
    cx: Context,
    nodes: Arc<Cache<Node>>,
    pods: Arc<Cache<Bound>>,
    /// When each node was seen first, or its Lease renewed last, by a clock that nobody puts forward or back: the node's
    /// may be wrong, and ours too.
    heard: Arc<Mutex<HashMap<Key, Instant>>>,
    /// Upstream moved this half into a controller of its own, by whose name its events are looked for.
    evictions: Recorder,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue: Arc<WorkQueue<Key>> = WorkQueue::new();
    let me = Controller {
        cx: cx.clone(),
        nodes: Cache::new(),
        pods: Cache::new(),
        heard: Arc::default(),
        evictions: cx.recorder.signing_as("taint-eviction-controller"),
    };
    let (wake, recorder) = (queue.clone(), cx.recorder.clone());
    cx.follow(tasks, "node-lifecycle", &NODES, &me.nodes, project_node, move |change| {
        if let Some((node, reason, text)) = passage(&change) {
            recorder.event(&reference(&NODES, change.key, &node.uid), Type::Normal, reason, text);
        }
        if change.old != change.new {
            wake.add(change.key.clone());
        }
    });
    let (wake, heard) = (queue.clone(), me.heard.clone());
    let leases = Cache::new();
    let of_node = |o: &Object| (o.namespace() == "kube-node-lease").then_some(());
    cx.follow(tasks, "node-lifecycle", &LEASES, &leases, of_node, move |change| {
        let key = Key::new("", &change.key.name);
        let mut heard = heard.lock();
        let before = heard.insert(key.clone(), Instant::now());
        if before.is_none_or(|at| at.elapsed() > GRACE) {
            wake.add(key); // it is back
        }
    });
    let (wake, nodes) = (queue.clone(), me.nodes.clone());
    cx.follow(tasks, "node-lifecycle", &PODS, &me.pods, project_pod, move |change| {
        if let (None, Some(pod)) = (change.old, change.new) {
            let key = Key::new("", &pod.node);
            if nodes.get(&key).is_some_and(|n| n.taints.iter().any(|t| &*t.effect == "NoExecute")) {
                wake.add(key);
            }
        }
    });
    let it = me.clone();
    let ready = move || {
        let it = it.clone();
        async move {
            tokio::join!(it.nodes.synced(), it.pods.synced());
        }
    };
    cx.work(tasks, "node-lifecycle", 1, &queue, ready, move |key| {
        let me = me.clone();
        async move { me.reconcile(&key).await }
    });
}

impl Controller {
    async fn reconcile(&self, key: &Key) -> Result<Again, Status> {
        let Some(node) = self.nodes.get(key) else {
            self.heard.lock().remove(key);
            return Ok(None);
        };
        let now = Timestamp::now();
        // A controller that just started gives every node its full grace, and so is a new node given it.
        let silence = self.heard.lock().entry(key.clone()).or_insert_with(Instant::now).elapsed();
        let ready = find(&node.conditions, "Ready").map(|c| c.status.clone());
        if silence > GRACE && ready.as_deref() != Some("Unknown") {
            self.set_unknown(key, &node, now).await?;
            return Ok(Some(Duration::ZERO));
        }
        if let Some(taints) = wanted_taints(&node, now) {
            let body = value!({ "spec": { "taints": taints } });
            self.cx.api.merge(&NODES, "", &key.name, "", body).await?;
        }
        if ready.as_deref() != Some("True") {
            self.set_pods_unready(&key.name).await?;
        }
        let evict = self.evict(key, &node, now).await?;
        let check = GRACE.saturating_sub(silence) + Duration::from_secs(1);
        Ok(Some(evict.map_or(check, |e| e.min(check))))
    }

    async fn set_unknown(&self, key: &Key, node: &Node, now: Timestamp) -> Result<(), Status> {
        let at = rfc3339(now);
        let one = |kind: &str| {
            value!({
                "type": kind,
                "status": "Unknown",
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
                "lastTransitionTime": at.as_str(),
            })
        };
        let conditions = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"].map(one).to_vec();
        let body = value!({ "status": { "conditions": conditions } });
        let request =
            Request::new(Verb::Patch(PatchKind::Strategic), &NODES).name(&key.name).subresource("status").body(body);
        match self.cx.api.call(request).await {
            Err(e) if !e.is(Reason::NotFound) => return Err(e),
            _ => {}
        }
        let text = format!("Node {} status is now: NodeNotReady", key.name);
        self.cx.recorder.event(&reference(&NODES, key, &node.uid), Type::Normal, "NodeNotReady", text);
        Ok(())
    }

    /// Pods of a node that is not ready are not ready: Services must stop using them.
    async fn set_pods_unready(&self, node: &str) -> Result<(), Status> {
        for (key, pod) in self.pods.entries() {
            if *pod.node != *node || !pod.ready {
                continue;
            }
            let at = rfc3339(Timestamp::now());
            let ready = value!({ "type": "Ready", "status": "False", "lastTransitionTime": at });
            let body = value!({ "status": { "conditions": [ready] } });
            let request =
                Request::new(Verb::Patch(PatchKind::Strategic), &PODS).namespace(&key.namespace).name(&key.name);
            match self.cx.api.call(request.subresource("status").body(body)).await {
                Err(e) if e.is(Reason::NotFound) => {}
                Err(e) => return Err(e),
                Ok(_) => {
                    let about = reference(&PODS, &key, &pod.uid);
                    self.cx.recorder.event(&about, Type::Warning, "NodeNotReady", "Node is not ready");
                }
            }
        }
        Ok(())
    }

    /// Deletes pods whose toleration of the node's `NoExecute` taints has run out; says when the next does.
    async fn evict(&self, key: &Key, node: &Node, now: Timestamp) -> Result<Again, Status> {
        let mut next: Option<i64> = None;
        for (pod_key, pod) in self.pods.entries().into_iter().filter(|(_, p)| *p.node == *key.name && !p.deleted) {
            match stays(&pod.tolerations, &node.taints, now) {
                None => {}
                Some(left) if left <= 0 => {
                    let about = reference(&PODS, &pod_key, &pod.uid);
                    let text = format!("Marking for deletion Pod {pod_key}");
                    self.evictions.event(&about, Type::Normal, "TaintManagerEviction", text);
                    match self.cx.delete(&PODS, &pod_key, &pod.uid).await {
                        Err(e) if !e.is(Reason::NotFound) && !e.is(Reason::Conflict) => return Err(e),
                        _ => {}
                    }
                }
                Some(left) => next = Some(next.map_or(left, |n| n.min(left))),
            }
        }
        Ok(next.map(|s| Duration::from_secs(s.max(1).unsigned_abs())))
    }
}

/// What is told of a node that comes or goes.
fn passage<'a>(change: &Change<'a, Node>) -> Option<(&'a Node, &'static str, String)> {
    let name = &change.key.name;
    match (change.old, change.new) {
        (None, Some(node)) => {
            Some((node, "RegisteredNode", format!("Node {name} event: Registered Node {name} in Controller")))
        }
        (Some(node), None) => {
            Some((node, "RemovingNode", format!("Node {name} event: Removing Node {name} from Controller")))
        }
        _ => None,
    }
}
