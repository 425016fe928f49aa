//! Pods: the status they begin with, what the server adds to their selectors, how long they may take to end.

use knarr_api::{Value, value};

use super::qos;
use crate::kinds::tree::{copy, each, inner, int, is_empty, texts};

/// A pod begins pending.
pub(in crate::kinds) fn create_pod(pod: &mut Value) {
    let class = pod.get("spec").map_or("BestEffort", qos::class);
    pod.set(&["status"], value!({ "phase": "Pending", "qosClass": class }));
    if !is_empty(pod, &["spec", "schedulingGates"]) {
        let condition = value!({
            "type": "PodScheduled",
            "status": "False",
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
            "lastProbeTime": null,
            "lastTransitionTime": null,
        });
        pod.set(&["status", "conditions"], vec![condition]);
    }
    let labels = pod.at(&["metadata", "labels"]).cloned().unwrap_or_default();
    for kind in ["podAffinity", "podAntiAffinity"] {
        for term in each(pod, &["spec", "affinity", kind, "requiredDuringSchedulingIgnoredDuringExecution"]) {
            merge_label_keys(term, &labels);
        }
        for weighted in each(pod, &["spec", "affinity", kind, "preferredDuringSchedulingIgnoredDuringExecution"]) {
            if let Some(term) = inner(weighted, &["podAffinityTerm"]) {
                merge_label_keys(term, &labels);
            }
        }
    }
    for constraint in each(pod, &["spec", "topologySpreadConstraints"]) {
        merge_label_keys(constraint, &labels);
    }
}

/// Turns `matchLabelKeys` and `mismatchLabelKeys` into requirements with the values the pod has.
fn merge_label_keys(term: &mut Value, labels: &Value) {
    if inner(term, &["labelSelector"]).is_none() {
        return;
    }
    let mut all = term.list_at(&["labelSelector", "matchExpressions"]).to_vec();
    let before = all.len();
    for (list, operator) in [("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")] {
        for key in texts(term, &[list]) {
            if let Some(label) = labels.get(key) {
                all.push(value!({ "key": key, "operator": operator, "values": [label.clone()] }));
            }
        }
    }
    if all.len() > before {
        term.set(&["labelSelector", "matchExpressions"], all);
    }
}

/// What a write to a pod or one of its subresources keeps.
pub(in crate::kinds) fn update_pod(pod: &mut Value, old: &Value, sub: &str) {
    match sub {
        "status" => keep_observations(pod, old),
        "resize" => only_resources(pod, old),
        "" | "ephemeralcontainers" => copy(old, pod, &["status"]),
        _ => {}
    }
}

/// A status keeps its class, and the generations an older writer does not know.
fn keep_observations(pod: &mut Value, old: &Value) {
    if pod.str_at(&["status", "qosClass"]).is_empty() && !old.str_at(&["status", "qosClass"]).is_empty() {
        copy(old, pod, &["status", "qosClass"]);
    }
    if int(pod, &["status", "observedGeneration"]).unwrap_or(0) == 0 {
        copy(old, pod, &["status", "observedGeneration"]);
    }
    let before = old.list_at(&["status", "conditions"]);
    for condition in each(pod, &["status", "conditions"]) {
        let kind = condition.str_at(&["type"]);
        let known = before.iter().find(|c| c.str_at(&["type"]) == kind).and_then(|c| int(c, &["observedGeneration"]));
        if let (0, Some(known)) = (int(condition, &["observedGeneration"]).unwrap_or(0), known) {
            condition.set(&["observedGeneration"], known);
        }
    }
}

/// A resize changes resources and resize policies of the containers there are. One that renames, adds or removes
/// containers is left as it is, for validation to refuse.
fn only_resources(pod: &mut Value, old: &Value) {
    let names = |pod: &Value, list| texts_of(pod, list);
    if ["containers", "initContainers"].iter().any(|list| names(pod, list) != names(old, list)) {
        return;
    }
    let mut spec = old.get("spec").cloned().unwrap_or_default();
    for list in ["containers", "initContainers"] {
        let wanted = pod.list_at(&["spec", list]);
        for (container, wanted) in each(&mut spec, &[list]).zip(wanted) {
            copy(wanted, container, &["resources"]);
            copy(wanted, container, &["resizePolicy"]);
        }
    }
    copy(pod.get("spec").unwrap_or(&Value::Null), &mut spec, &["resources"]);
    pod.set(&["spec"], spec);
    copy(old, pod, &["status"]);
}

fn texts_of(pod: &Value, list: &str) -> Vec<String> {
    pod.list_at(&["spec", list]).iter().map(|c| c.str_at(&["name"]).to_owned()).collect()
}

/// The grace period of a deletion: what was asked for, else what the pod says; none where nothing runs.
pub(in crate::kinds) fn grace_period(pod: &Value, wanted: Option<i64>) -> i64 {
    let ended = matches!(pod.str_at(&["status", "phase"]), "Failed" | "Succeeded");
    if ended || pod.str_at(&["spec", "nodeName"]).is_empty() {
        return 0;
    }
    let period = wanted.or(int(pod, &["spec", "terminationGracePeriodSeconds"])).unwrap_or(0);
    if period < 0 { 1 } else { period }
}
