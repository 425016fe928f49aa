//! What a ReplicaSet needs: pure.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use knarr_api::{Meta, Object, Value, value};
use knarr_client::Key;
use serde::Deserialize;

use crate::{
    conditions::{self, Condition, find},
    context::Again,
    pod::{LabelSelector, Pod, until_available},
};

/// Most pods made or deleted in one round.
const BURST: usize = 500;

/// A ReplicaSet as its controller sees it.
#[derive(Debug, PartialEq)]
pub(super) struct ReplicaSet {
    pub(super) key: Key,
    pub(super) meta: Meta,
    pub(super) selector: LabelSelector,
    replicas: i32,
    min_ready_seconds: i32,
    template_labels: BTreeMap<String, String>,
    status: ReplicaSetStatus,
}

#[derive(Deserialize)]
struct Wire {
    spec: Spec,
    #[serde(default)]
    status: ReplicaSetStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    replicas: Option<i32>,
    #[serde(default)]
    min_ready_seconds: i32,
    selector: LabelSelector,
    #[serde(default)]
    template: Template,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Template {
    metadata: TemplateMeta,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct TemplateMeta {
    labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ReplicaSetStatus {
    replicas: i32,
    fully_labeled_replicas: i32,
    ready_replicas: i32,
    available_replicas: i32,
    terminating_replicas: Option<i32>,
    observed_generation: i64,
    conditions: Vec<Condition>,
}

pub(super) fn project(object: &Object) -> Option<ReplicaSet> {
    let Wire { spec, status } = object.decode().ok()?;
    Some(ReplicaSet {
        key: Key::of(object),
        meta: object.meta().clone(),
        selector: spec.selector,
        replicas: spec.replicas.unwrap_or(1),
        min_ready_seconds: spec.min_ready_seconds,
        template_labels: spec.template.metadata.labels,
        status,
    })
}

/// One change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// One more pod.
    Create,
    /// This pod less.
    Delete {
        /// Which.
        key: Key,
        /// Its UID.
        uid: String,
    },
}

/// The steps towards the number of pods asked for.
pub(super) fn plan(set: &ReplicaSet, pods: &[Arc<Pod>], now: Timestamp) -> Vec<Step> {
    let mut active: Vec<&Arc<Pod>> = pods.iter().filter(|p| p.is_active()).collect();
    let want = usize::try_from(set.replicas).unwrap_or(0);
    if active.len() <= want {
        let missing = (want - active.len()).min(BURST);
        return (0..missing).map(|_| Step::Create).collect();
    }
    // Pods of the same set on the same node: the fuller node loses first.
    let mut on_node: BTreeMap<&str, usize> = BTreeMap::new();
    for node in active.iter().filter_map(|p| p.node.as_deref()) {
        *on_node.entry(node).or_default() += 1;
    }
    active.sort_by_key(|p| loss(p, p.node.as_deref().and_then(|n| on_node.get(n)).copied().unwrap_or(0), now));
    let surplus = (active.len() - want).min(BURST);
    active[..surplus].iter().map(|p| Step::Delete { key: p.key.clone(), uid: p.meta.uid.to_string() }).collect()
}

/// The order in which pods are given up: unbound, pending, unready, on fuller nodes, ready for less long, restarted
/// more often, younger.
fn loss(pod: &Pod, on_node: usize, now: Timestamp) -> impl Ord + use<> {
    let ready_for = pod.ready.map(|since| magnitude(now.duration_since(since).as_secs()));
    let created = pod.meta.created.parse::<Timestamp>().unwrap_or_default();
    let age = magnitude(now.duration_since(created).as_secs());
    (
        pod.node.is_some(),
        pod.phase,
        ready_for.is_some(),
        pod.deletion_cost.unwrap_or(0),
        Reverse(on_node),
        ready_for,
        Reverse(pod.restarts),
        age,
        pod.key.name.clone(),
    )
}

/// Times are compared by orders of magnitude, so that seconds do not decide (upstream's logarithmic scale-down).
fn magnitude(seconds: i64) -> u32 {
    u64::BITS - seconds.max(0).unsigned_abs().leading_zeros()
}

/// The new status, if it differs, and when it may differ by itself.
pub(super) fn status(
    set: &ReplicaSet,
    pods: &[Arc<Pod>],
    failure: Option<(&str, &str)>,
    now: Timestamp,
) -> (Option<Value>, Again) {
    let active: Vec<&Arc<Pod>> = pods.iter().filter(|p| p.is_active()).collect();
    let count = |test: &dyn Fn(&Pod) -> bool| active.iter().filter(|p| test(p)).count() as i32;
    let labeled = |p: &Pod| set.template_labels.iter().all(|(k, v)| p.meta.label(k) == Some(v));
    let old = &set.status;
    let new = ReplicaSetStatus {
        replicas: active.len() as i32,
        fully_labeled_replicas: count(&labeled),
        ready_replicas: count(&|p| p.ready.is_some()),
        available_replicas: count(&|p| p.is_available(set.min_ready_seconds, now)),
        terminating_replicas: Some(pods.iter().filter(|p| p.meta.deleted.is_some() && !p.has_ended()).count() as i32),
        observed_generation: set.meta.generation,
        conditions: Vec::new(),
    };
    let again = until_available(pods.iter().map(|p| &**p), set.min_ready_seconds, now);
    let failure = failure.map(|(reason, message)| Condition::new("ReplicaFailure", true, reason, message));
    let same_failure = match (&failure, find(&old.conditions, "ReplicaFailure")) {
        (None, None) => true,
        (Some(new), Some(old)) => new.agrees(old),
        _ => false,
    };
    let same = same_failure && ReplicaSetStatus { conditions: Vec::new(), ..old.clone() } == new;
    if same {
        return (None, again);
    }
    let conditions: Vec<Condition> = failure.into_iter().map(|c| c.since(&old.conditions, now)).collect();
    let status = value!({
        "replicas": new.replicas,
        "fullyLabeledReplicas": new.fully_labeled_replicas,
        "readyReplicas": new.ready_replicas,
        "availableReplicas": new.available_replicas,
        "terminatingReplicas": new.terminating_replicas.unwrap_or(0),
        "observedGeneration": new.observed_generation,
        "conditions": conditions::print(&conditions),
    });
    (Some(status), again)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(replicas: i32) -> ReplicaSet {
        let v = json!({"metadata": {"name": "rs", "namespace": "d", "uid": "u", "generation": 2},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}}, "template": {"metadata": {"labels": {"app": "a"}}}}});
        project(&Object::from_json(v.to_string().into()).unwrap()).unwrap()
    }

    fn pod(name: &str, node: &str, ready: bool, extra: serde_json::Value) -> Arc<Pod> {
        let mut v = json!({"metadata": {"name": name, "namespace": "d", "uid": name, "labels": {"app": "a"},
            "creationTimestamp": "2026-01-01T00:00:00Z"}, "spec": {"nodeName": node},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" },
                "lastTransitionTime": "2026-01-01T00:01:00Z"}]}});
        for (k, x) in extra.as_object().unwrap() {
            v["metadata"][k] = x.clone();
        }
        Arc::new(Pod::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap())
    }

    fn now() -> Timestamp {
        "2026-01-01T01:00:00Z".parse().unwrap()
    }

    fn deleted(steps: &[Step]) -> Vec<&str> {
        steps.iter().map(|s| if let Step::Delete { key, .. } = s { key.name.as_str() } else { "+" }).collect()
    }

    #[test]
    fn missing_pods_are_made_and_ended_ones_do_not_count() {
        let going = pod("g", "n", true, json!({"deletionTimestamp": "2026-01-01T00:59:00Z"}));
        assert_eq!(plan(&set(3), &[going, pod("a", "n", true, json!({}))], now()).len(), 2);
        assert_eq!(plan(&set(0), &[], now()), []);
    }

    #[test]
    fn the_least_valuable_go_first() {
        let pods = [
            pod("ready", "n1", true, json!({})),
            pod("unready", "n1", false, json!({})),
            pod("unbound", "", false, json!({})),
            pod("costly", "n2", true, json!({"annotations": {"controller.kubernetes.io/pod-deletion-cost": "5"}})),
        ];
        assert_eq!(deleted(&plan(&set(1), &pods, now())), ["unbound", "unready", "ready"]);
        assert_eq!(deleted(&plan(&set(3), &pods, now())), ["unbound"]);
    }

    #[test]
    fn status_counts_and_stays_when_equal() {
        let mut s = set(2);
        let pods = [pod("a", "n", true, json!({})), pod("b", "n", false, json!({}))];
        let first = status(&s, &pods, None, now()).0.unwrap();
        assert_eq!((first.get("replicas"), first.get("readyReplicas")), (Some(&Value::Int(2)), Some(&Value::Int(1))));
        s.status = value::from_value(&first).unwrap();
        assert!(status(&s, &pods, None, now()).0.is_none());
        let failed = status(&s, &pods, Some(("FailedCreate", "quota")), now()).0.unwrap();
        assert_eq!(failed.list_at(&["conditions"])[0].str_at(&["reason"]), "FailedCreate");
    }
}
