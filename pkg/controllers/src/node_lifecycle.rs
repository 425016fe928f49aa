//! Nodes that stop renewing their Lease: unknown, then tainted, then emptied.

use std::{collections::HashMap, sync::Arc, time::Duration};

use jiff::Timestamp;
use knarr_api::{Object, Reason, Status, Value, value};
use knarr_client::{
    ApiExt as _, Cache, Key, PatchKind, Request, Verb, WorkQueue,
    events::{Recorder, Type},
    resources::{LEASES, NODES, PODS},
};
use knarr_daemon::Tasks;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    Context,
    conditions::{Condition, find, holding},
    context::{Again, reference, rfc3339},
};

/// A node that has said nothing for so long is unknown (upstream's `--node-monitor-grace-period`).
const GRACE: Duration = Duration::from_secs(50);
const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

#[derive(Debug, PartialEq)]
struct Node {
    uid: Box<str>,
    conditions: Vec<Condition>,
    taints: Vec<Taint>,
    unschedulable: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Taint {
    key: Box<str>,
    #[serde(default)]
    value: Box<str>,
    effect: Box<str>,
    time_added: Option<Box<str>>,
}

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
    unschedulable: bool,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct NodeStatus {
    conditions: Vec<Condition>,
}

fn project_node(object: &Object) -> Option<Node> {
    let Wire { spec, status } = object.decode().ok()?;
    Some(Node {
        uid: object.meta().uid.clone(),
        conditions: status.conditions,
        taints: spec.taints,
        unschedulable: spec.unschedulable,
    })
}

/// A bound pod and the tolerations that say how long it stays on a node that is away.
#[derive(Debug)]
struct Bound {
    uid: Box<str>,
    node: Box<str>,
    deleted: bool,
    ready: bool,
    tolerations: Vec<Toleration>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Toleration {
    key: Box<str>,
    operator: Box<str>,
    value: Box<str>,
    effect: Box<str>,
    toleration_seconds: Option<i64>,
}

impl Toleration {
    fn covers(&self, taint: &Taint) -> bool {
        (self.effect.is_empty() || self.effect == taint.effect)
            && (self.key.is_empty() || self.key == taint.key)
            && (&*self.operator == "Exists" || self.value == taint.value)
    }
}

fn project_pod(object: &Object) -> Option<Bound> {
    #[derive(Deserialize)]
    struct Wire {
        spec: Spec,
        #[serde(default)]
        status: NodeStatus,
    }
    #[derive(Deserialize)]
    struct Spec {
        #[serde(rename = "nodeName")]
        node: Option<Box<str>>,
        #[serde(default)]
        tolerations: Vec<Toleration>,
    }
    let Wire { spec, status } = object.decode().ok()?;
    Some(Bound {
        uid: object.meta().uid.clone(),
        node: spec.node.filter(|n| !n.is_empty())?,
        deleted: object.meta().deleted.is_some(),
        ready: holding(&status.conditions, "Ready").is_some(),
        tolerations: spec.tolerations,
    })
}

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
    let wake = queue.clone();
    cx.follow(tasks, "node-lifecycle", &NODES, &me.nodes, project_node, move |change| {
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

/// The taints a node's conditions ask for, if they differ from those it has. Taints of others are left alone.
fn wanted_taints(node: &Node, now: Timestamp) -> Option<Value> {
    let state = |kind: &str| find(&node.conditions, kind).map(|c| &*c.status);
    let mut want: Vec<(&str, &str)> = Vec::new();
    match state("Ready") {
        Some("True") => {}
        Some("Unknown") => want.extend([(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")]),
        _ => want.extend([(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")]),
    }
    let pressures = [
        ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
        ("DiskPressure", "node.kubernetes.io/disk-pressure"),
        ("PIDPressure", "node.kubernetes.io/pid-pressure"),
        ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
    ];
    want.extend(
        pressures.into_iter().filter(|(c, _)| state(c) == Some("True")).map(|(_, taint)| (taint, "NoSchedule")),
    );
    if node.unschedulable {
        want.push(("node.kubernetes.io/unschedulable", "NoSchedule"));
    }
    let ours = |t: &Taint| {
        pressures.iter().any(|(_, k)| **k == *t.key)
            || [NOT_READY, UNREACHABLE, "node.kubernetes.io/unschedulable"].contains(&&*t.key)
    };
    let has = |key: &str, effect: &str| node.taints.iter().find(|t| *t.key == *key && *t.effect == *effect);
    let right = want.iter().all(|(k, e)| has(k, e).is_some())
        && node.taints.iter().filter(|t| ours(t)).all(|t| want.iter().any(|(k, e)| *t.key == **k && *t.effect == **e));
    if right {
        return None;
    }
    let mut out: Vec<Value> = node.taints.iter().filter(|t| !ours(t)).map(print).collect();
    for (key, effect) in want {
        let added = (effect == "NoExecute").then(|| rfc3339(now).into_boxed_str());
        let fresh = Taint { key: key.into(), value: "".into(), effect: effect.into(), time_added: added };
        out.push(print(has(key, effect).unwrap_or(&fresh)));
    }
    Some(Value::Array(out))
}

fn print(taint: &Taint) -> Value {
    let mut v = value!({ "key": &*taint.key, "effect": &*taint.effect });
    if !taint.value.is_empty() {
        v.set(&["value"], &*taint.value);
    }
    if let Some(at) = &taint.time_added {
        v.set(&["timeAdded"], &**at);
    }
    v
}

/// How many seconds a pod may stay: `None` for as long as it likes, 0 or less for not at all.
fn stays(tolerations: &[Toleration], taints: &[Taint], now: Timestamp) -> Option<i64> {
    let mut least: Option<i64> = None;
    for taint in taints.iter().filter(|t| &*t.effect == "NoExecute") {
        let covering: Vec<&Toleration> = tolerations.iter().filter(|t| t.covers(taint)).collect();
        if covering.is_empty() {
            return Some(0);
        }
        let added = taint.time_added.as_ref().and_then(|t| t.parse::<Timestamp>().ok()).unwrap_or(now);
        if let Some(seconds) = covering.iter().filter_map(|t| t.toleration_seconds).min() {
            // A taint of the future is one from before the clock was put back.
            let left = seconds - now.duration_since(added).as_secs().max(0);
            least = Some(least.map_or(left, |l| l.min(left)));
        }
    }
    least
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(ready: &str, taints: serde_json::Value) -> Node {
        let v = json!({"metadata": {"name": "n", "uid": "u"}, "spec": {"taints": taints},
            "status": {"conditions": [{"type": "Ready", "status": ready}]}});
        project_node(&Object::from_json(v.to_string().into()).unwrap()).unwrap()
    }

    fn now() -> Timestamp {
        "2026-01-01T00:10:00Z".parse().unwrap()
    }

    fn keys(taints: Option<Value>) -> Option<Vec<String>> {
        let of = |t: &Value| format!("{}:{}", t.str_at(&["key"]), t.str_at(&["effect"]));
        taints.map(|t| t.as_array().unwrap().iter().map(of).collect())
    }

    #[test]
    fn taints_follow_conditions_and_spare_others() {
        let mine = json!([{"key": "mine", "effect": "NoSchedule"}]);
        assert_eq!(keys(wanted_taints(&node("True", mine.clone()), now())), None);
        let want = [
            "mine:NoSchedule",
            "node.kubernetes.io/unreachable:NoSchedule",
            "node.kubernetes.io/unreachable:NoExecute",
        ];
        assert_eq!(keys(wanted_taints(&node("Unknown", mine), now())).unwrap(), want);
        let old = json!([{"key": NOT_READY, "effect": "NoExecute", "timeAdded": "2026-01-01T00:00:00Z"}]);
        assert_eq!(keys(wanted_taints(&node("True", old.clone()), now())), Some(vec![]));
        let kept = wanted_taints(&node("False", old), now()).unwrap();
        let execute = kept.as_array().unwrap().iter().find(|t| t.str_at(&["effect"]) == "NoExecute").unwrap();
        assert_eq!(execute.str_at(&["timeAdded"]), "2026-01-01T00:00:00Z", "the clock of a taint does not start again");
    }

    #[test]
    fn tolerations_run_out() {
        let taint: Vec<Taint> = serde_json::from_value(
            json!([{"key": UNREACHABLE, "effect": "NoExecute", "timeAdded": "2026-01-01T00:06:00Z"}]),
        )
        .unwrap();
        let check = |t: serde_json::Value| stays(&serde_json::from_value::<Vec<Toleration>>(t).unwrap(), &taint, now());
        assert_eq!(check(json!([])), Some(0));
        assert_eq!(check(json!([{"operator": "Exists"}])), None);
        assert_eq!(check(json!([{"key": UNREACHABLE, "operator": "Exists", "tolerationSeconds": 300}])), Some(60));
        assert_eq!(check(json!([{"key": UNREACHABLE, "operator": "Exists", "tolerationSeconds": 200}])), Some(-40));
        let future = json!([{"key": UNREACHABLE, "effect": "NoExecute", "timeAdded": "2026-01-02T00:00:00Z"}]);
        let (future, waits): (Vec<Taint>, Vec<Toleration>) = (
            serde_json::from_value(future).unwrap(),
            serde_json::from_value(json!([{"operator": "Exists", "tolerationSeconds": 30}])).unwrap(),
        );
        assert_eq!(stays(&waits, &future, now()), Some(30), "the clock was put back");
    }
}
