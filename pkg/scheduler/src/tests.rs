//! The decision by tables: the cluster and the pod as JSON, the answer as upstream words it.

mod affinity;
mod filter;
mod model;
mod preempt;
mod score;
mod speed;
mod spread;
mod volume;

use std::sync::Arc;

use bytes::Bytes;
use knarr_api::Object;
use serde_json::{Value, json};

use crate::{NodeInfo, PodInfo, Projector, Snapshot, schedule};

pub(crate) fn object(v: &Value) -> Object {
    Object::from_json(Bytes::from(v.to_string())).unwrap()
}

/// A node with two cores, 1 GiB and room for ten pods; `more` is merged into it.
pub(crate) fn node(name: &str, more: Value) -> Arc<NodeInfo> {
    let mut n = json!({"metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "spec": {},
        "status": {"allocatable": {"cpu": "2", "memory": "1Gi", "pods": "10"}}});
    merge(&mut n, more);
    Arc::new(NodeInfo::project(&object(&n)).unwrap())
}

/// A node in a zone.
pub(crate) fn zoned(name: &str, zone: &str) -> Arc<NodeInfo> {
    node(name, json!({"metadata": {"labels": {"topology.kubernetes.io/zone": zone}}}))
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// A pod of namespace `d`.
pub(crate) fn pod(name: &str, labels: Value, spec: Value) -> PodInfo {
    let mut p = json!({"metadata": {"name": name, "namespace": "d", "uid": name, "labels": labels},
        "spec": {"schedulerName": "default-scheduler"}});
    merge(&mut p["spec"], spec);
    Projector::default().project(&object(&p)).unwrap()
}

/// A pod that stands on a node.
pub(crate) fn on(node: &str, name: &str, labels: Value, spec: Value) -> Arc<PodInfo> {
    Arc::new(pod(name, labels, spec).on(node))
}

pub(crate) fn asks(cpu: &str, memory: &str) -> Value {
    json!({"containers": [{"resources": {"requests": {"cpu": cpu, "memory": memory}}}]})
}

/// The node chosen, or why none is.
pub(crate) fn place(pod: &PodInfo, snapshot: &Snapshot) -> String {
    match schedule(pod, snapshot) {
        Ok(node) => node.to_string(),
        Err(why) => why.to_string(),
    }
}

#[track_caller]
pub(crate) fn check(nodes: &[Arc<NodeInfo>], there: &[Arc<PodInfo>], pod: &PodInfo, want: &str) {
    assert_eq!(place(pod, &Snapshot::new(nodes.iter().cloned(), there.iter().cloned())), want);
}
