//! What runs pods.

use knarr_api::Value;

use super::{core::claim_spec, pod::template};
use crate::kinds::tree::{each, fill, inner, int, is_empty};

const TEMPLATE: &[&str] = &["spec", "template"];

/// A Deployment.
pub(in crate::kinds) fn deployment(object: &mut Value) {
    template(object, TEMPLATE);
    rolling(object, &["spec", "strategy"], &[("maxUnavailable", "25%".into()), ("maxSurge", "25%".into())]);
}

/// A ReplicaSet.
pub(in crate::kinds) fn replica_set(object: &mut Value) {
    template(object, TEMPLATE);
}

/// A DaemonSet.
pub(in crate::kinds) fn daemon_set(object: &mut Value) {
    template(object, TEMPLATE);
    rolling(object, &["spec", "updateStrategy"], &[("maxUnavailable", 1.into()), ("maxSurge", 0.into())]);
}

/// Fills `rollingUpdate` of a strategy that rolls; the type itself is a static default.
fn rolling(object: &mut Value, path: &[&str], defaults: &[(&str, Value)]) {
    let Some(spec) = inner(object, &["spec"]) else { return };
    let key = path[1];
    fill(spec, key, Value::object());
    let Some(strategy) = spec.get_mut(key) else { return };
    if strategy.str_at(&["type"]).is_empty() {
        strategy.set(&["type"], "RollingUpdate");
    }
    if strategy.str_at(&["type"]) == "RollingUpdate" {
        fill(strategy, "rollingUpdate", Value::object());
        if let Some(update) = strategy.get_mut("rollingUpdate") {
            defaults.iter().for_each(|(key, value)| fill(update, key, value.clone()));
        }
    }
}

/// A StatefulSet: a rolling update that someone chose is only filled where they began to say how.
pub(in crate::kinds) fn stateful_set(object: &mut Value) {
    template(object, TEMPLATE);
    let Some(spec) = inner(object, &["spec"]) else { return };
    fill(spec, "updateStrategy", Value::object());
    if let Some(strategy) = spec.get_mut("updateStrategy") {
        if strategy.str_at(&["type"]).is_empty() {
            strategy.set(&["type"], "RollingUpdate");
            fill(strategy, "rollingUpdate", Value::object());
        }
        if strategy.str_at(&["type"]) == "RollingUpdate"
            && let Some(update) = inner(strategy, &["rollingUpdate"])
        {
            fill(update, "partition", 0);
        }
    }
    for claim in each(spec, &["volumeClaimTemplates"]) {
        if let Some(spec) = inner(claim, &["spec"]) {
            claim_spec(spec);
        }
    }
}

/// A Job.
pub(in crate::kinds) fn job(object: &mut Value) {
    template(object, TEMPLATE);
    let Some(spec) = inner(object, &["spec"]) else { return };
    if spec.get("completions").is_none() && spec.get("parallelism").is_none() {
        spec.set(&["completions"], 1);
    }
    fill(spec, "parallelism", 1);
    let tries = if int(spec, &["backoffLimitPerIndex"]).is_some() { i32::MAX } else { 6 };
    fill(spec, "backoffLimit", tries);
    fill(spec, "completionMode", "NonIndexed");
    fill(spec, "suspend", false);
    let replace = if is_empty(spec, &["podFailurePolicy"]) { "TerminatingOrFailed" } else { "Failed" };
    fill(spec, "podReplacementPolicy", replace);
    fill(spec, "manualSelector", false);
    if is_empty(object, &["metadata", "labels"])
        && let Some(labels) = object.at(&["spec", "template", "metadata", "labels"]).cloned()
    {
        object.set(&["metadata", "labels"], labels);
    }
}

/// A CronJob: the Job it makes is defaulted when it is made.
pub(in crate::kinds) fn cron_job(object: &mut Value) {
    template(object, &["spec", "jobTemplate", "spec", "template"]);
}
