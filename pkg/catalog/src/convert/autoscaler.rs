//! HorizontalPodAutoscalers: stored as `autoscaling/v2`, served as `v1` too.
//!
//! `v1` knows one metric, the CPU utilization. Everything else `v2` can say travels in annotations that upstream's
//! controllers and clients know, in the exact notation they expect, and is taken out of them on the way back.

use knarr_api::{
    Map, Value,
    json::{self, Limits},
    value,
};

use super::{Rename, metric};
use crate::{Convert, TABLES, type_named};

pub(super) const CONVERT: Convert = Convert::Functions { from_storage, to_storage, fields: FIELDS };

const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const STATUSES: &str = "autoscaling.alpha.kubernetes.io/current-metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
/// Never kept: what carries the other version belongs to one direction of travel.
const CARRIERS: [&str; 6] = [
    METRICS,
    STATUSES,
    CONDITIONS,
    BEHAVIOR,
    "autoscaling.alpha.kubernetes.io/scale-down-tolerance",
    "autoscaling.alpha.kubernetes.io/scale-up-tolerance",
];
/// The utilization `v1` means when it says nothing.
const DEFAULT_UTILIZATION: i64 = 80;

const FIELDS: &[Rename] = &[
    Rename::whole(&["spec", "metrics"], &["spec", "targetCPUUtilizationPercentage"]),
    Rename::whole(&["spec", "behavior"], &["metadata", "annotations", BEHAVIOR]),
    Rename::whole(&["status", "currentMetrics"], &["status", "currentCPUUtilizationPercentage"]),
    Rename::whole(&["status", "conditions"], &["metadata", "annotations", CONDITIONS]),
];

fn from_storage(hpa: &mut Value) {
    drop_carriers(hpa);
    let metrics = take_list(hpa, &["spec", "metrics"]);
    if let Some(percent) = metrics.iter().find_map(cpu_target) {
        hpa.set(&["spec", "targetCPUUtilizationPercentage"], percent.clone());
    }
    let others: Vec<Value> = metrics.iter().filter(|m| cpu_target(m).is_none()).map(metric::spec_to_v1).collect();
    carry(hpa, METRICS, "MetricSpec", &others);

    let current = take_list(hpa, &["status", "currentMetrics"]);
    if let Some(percent) = current.iter().rev().find_map(|m| cpu(m)?.at(&["current", "averageUtilization"])) {
        hpa.set(&["status", "currentCPUUtilizationPercentage"], percent.clone());
    }
    let current: Vec<Value> = current.iter().map(metric::status_to_v1).collect();
    carry(hpa, STATUSES, "MetricStatus", &current);

    if let Some(behavior) = hpa.remove(&["spec", "behavior"]) {
        hpa.set(&["metadata", "annotations", BEHAVIOR], internal_behavior(&behavior));
    }
    let conditions = take_list(hpa, &["status", "conditions"]);
    carry(hpa, CONDITIONS, "HorizontalPodAutoscalerCondition", &conditions);
    if let Some(Value::Object(status)) = hpa.get_mut("status") {
        always(status, "currentReplicas", Value::Int(0));
    }
}

fn to_storage(hpa: &mut Value) {
    let mut metrics = carried(hpa, METRICS).unwrap_or_default().iter().map(metric::spec_to_v2).collect::<Vec<_>>();
    let percent = hpa.remove(&["spec", "targetCPUUtilizationPercentage"]);
    if let Some(percent) = percent.or_else(|| metrics.is_empty().then_some(Value::Int(DEFAULT_UTILIZATION))) {
        metrics.push(value!({
            "type": "Resource",
            "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": percent } }
        }));
    }
    hpa.set(&["spec", "metrics"], metrics);

    let percent = hpa.remove(&["status", "currentCPUUtilizationPercentage"]);
    let current = match (carried(hpa, STATUSES), percent) {
        (Some(current), _) => current.iter().map(metric::status_to_v2).collect(),
        (None, Some(percent)) => vec![value!({
            "type": "Resource",
            "resource": { "name": "cpu", "current": { "averageUtilization": percent } }
        })],
        (None, None) => Vec::new(),
    };
    let conditions = carried(hpa, CONDITIONS);
    if let Some(Value::Object(status)) = hpa.get_mut("status") {
        let current = if current.is_empty() { Value::Null } else { Value::Array(current) };
        status.insert("currentMetrics", current);
        if let Some(conditions) = conditions {
            status.insert("conditions", Value::Array(conditions));
        }
        status.retain(|name, value| !(name == "currentReplicas" && *value == Value::Int(0)));
    }
    let behavior = annotation(hpa, BEHAVIOR).map(lower_keys).filter(|b| b.as_object().is_some_and(|b| !b.is_empty()));
    if let Some(behavior) = behavior {
        hpa.set(&["spec", "behavior"], behavior);
    }
    drop_carriers(hpa);
}

/// The CPU source of a metric, if that is what it measures.
fn cpu(metric: &Value) -> Option<&Value> {
    metric.get("resource").filter(|r| metric.str_at(&["type"]) == "Resource" && r.str_at(&["name"]) == "cpu")
}

/// The utilization a metric aims at, if `v1` has a word for it.
fn cpu_target(metric: &Value) -> Option<&Value> {
    cpu(metric)?.at(&["target", "averageUtilization"])
}

fn take_list(hpa: &mut Value, path: &[&str]) -> Vec<Value> {
    match hpa.remove(path) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn always(map: &mut Map, name: &str, zero: Value) {
    if !map.contains(name) {
        map.insert(name, zero);
    }
}

/// Puts a list into an annotation, each element printed as the `v1` struct of this name.
fn carry(hpa: &mut Value, annotation: &str, name: &str, items: &[Value]) {
    if items.is_empty() {
        return;
    }
    let id = type_named(&format!("io.k8s.api.autoscaling.v1.{name}")).expect("the self-test finds it in the table");
    let mut text = Vec::new();
    for item in items {
        text.push(if text.is_empty() { b'[' } else { b',' });
        json::encode(TABLES.ty(id), item, &mut text);
    }
    text.push(b']');
    hpa.set(&["metadata", "annotations", annotation], String::from_utf8_lossy(&text).into_owned());
}

/// The list in an annotation; none where there is no annotation or it cannot be read.
fn carried(hpa: &Value, name: &str) -> Option<Vec<Value>> {
    match annotation(hpa, name)? {
        Value::Array(items) => Some(items),
        _ => None,
    }
}

fn annotation(hpa: &Value, name: &str) -> Option<Value> {
    let text = hpa.at(&["metadata", "annotations", name])?.as_str()?;
    Some(json::parse(text.as_bytes(), &Limits::default()).ok()?.value)
}

fn drop_carriers(hpa: &mut Value) {
    let Some(metadata) = hpa.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let Some(Value::Object(annotations)) = metadata.get_mut("annotations") else { return };
    annotations.retain(|name, _| !CARRIERS.contains(&name));
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
}

/// The behavior as upstream prints its internal struct: Go names, everything printed.
fn internal_behavior(behavior: &Value) -> String {
    format!("{{\"ScaleUp\":{},\"ScaleDown\":{}}}", rules(behavior.get("scaleUp")), rules(behavior.get("scaleDown")))
}

fn rules(rules: Option<&Value>) -> String {
    let Some(rules) = rules else { return "null".to_owned() };
    let policies = rules.get("policies").and_then(Value::as_array).map(|policies| {
        let policies: Vec<String> = policies.iter().map(policy).collect();
        format!("[{}]", policies.join(","))
    });
    format!(
        "{{\"StabilizationWindowSeconds\":{},\"SelectPolicy\":{},\"Policies\":{},\"Tolerance\":{}}}",
        print(rules.get("stabilizationWindowSeconds")),
        print(rules.get("selectPolicy")),
        policies.unwrap_or_else(|| "null".to_owned()),
        print(rules.get("tolerance")),
    )
}

fn policy(policy: &Value) -> String {
    let [kind, value, period] = ["type", "value", "periodSeconds"].map(|name| print(policy.get(name)));
    format!("{{\"Type\":{kind},\"Value\":{value},\"PeriodSeconds\":{period}}}")
}

fn print(value: Option<&Value>) -> String {
    let mut text = Vec::new();
    json::write(value.unwrap_or(&Value::Null), &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Undoes Go names (`ScaleUp` → `scaleUp`) and leaves out nulls.
fn lower_keys(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let entries = map.into_iter().filter(|(_, v)| !v.is_null());
            let lower = |name: &str| name[..1].to_ascii_lowercase() + &name[1..];
            Value::Object(entries.map(|(k, v)| (lower(&k), lower_keys(v))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(lower_keys).collect()),
        leaf => leaf,
    }
}
