//! Deployments, ReplicaSets, DaemonSets, StatefulSets, ReplicationControllers.

use knarr_api::{
    Value,
    field::{Error, Errors, Path},
    names,
    selector::Labels,
};

use super::{
    common::label_selector,
    pod::template,
    resources::{self},
    storage::claim_spec,
};
use crate::kinds::{same::equal, spot::Spot, tree::copy};

/// Checks the selector of a workload: it is there, it selects something, and its own pods among it.
fn selects_its_pods(spec: &Spot<'_, '_>, kind: &str, out: &mut Errors) {
    let selector = spec.at("selector");
    if !selector.is_set() {
        out.push(selector.required(""));
    } else {
        label_selector(&selector, out);
        if selector.at("matchLabels").is_empty() && selector.at("matchExpressions").is_empty() {
            out.push(selector.invalid(format!("empty selector is invalid for {kind}")));
        }
    }
    let pods = spec.at("template");
    let metadata = pods.at("metadata");
    let labels = metadata.at("labels");
    match Labels::from_selector(selector.is_set().then_some(selector.value())) {
        Ok(terms) if !terms.is_everything() && selector.is_set() => {
            if !terms.matches_by(|key| labels.value().get(key).and_then(Value::as_str)) {
                let shown = if labels.is_set() { labels.value().clone() } else { Value::Null };
                out.push(labels.invalid_as(shown, "`selector` does not match template `labels`"));
            }
        }
        Ok(_) => {}
        Err(_) => out.push(selector.invalid("invalid label selector")),
    }
}

/// Pods that are to run for good.
fn runs_for_good(spec: &Spot<'_, '_>, kind: &str, out: &mut Errors) {
    let pods = spec.at("template");
    template(&pods, out);
    let pod = pods.at("spec");
    let restart = pod.at("restartPolicy");
    if !matches!(restart.text(), "" | "Always") {
        out.push(restart.not_supported(&["Always"]));
    }
    let deadline = pod.at("activeDeadlineSeconds");
    if deadline.is_set() {
        out.push(deadline.forbidden(format!("activeDeadlineSeconds in {kind} is not Supported")));
    }
}

/// A whole number or a percentage.
pub(super) fn int_or_percent(spot: &Spot<'_, '_>, out: &mut Errors) {
    match spot.value() {
        Value::String(text) => out.extend(names::percent(text).into_iter().map(|m| spot.invalid(m))),
        _ => spot.not_negative(out),
    }
}

/// At most everything.
pub(super) fn at_most_all(spot: &Spot<'_, '_>, out: &mut Errors) {
    if spot.text().strip_suffix('%').and_then(|n| n.parse::<u64>().ok()).is_some_and(|n| n > 100) {
        out.push(spot.invalid("must not be greater than 100%"));
    }
}

/// Whether a number or percentage is zero.
fn is_zero(spot: &Spot<'_, '_>) -> bool {
    match spot.value() {
        Value::String(text) => text.strip_suffix('%').and_then(|n| n.parse::<u64>().ok()) == Some(0),
        value => value.as_i64().unwrap_or(0) == 0,
    }
}

/// A Deployment.
pub(in crate::kinds) fn deployment(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    spec.at("replicas").not_negative(&mut out);
    selects_its_pods(&spec, "deployment", &mut out);
    runs_for_good(&spec, "ReplicaSet", &mut out);
    let strategy = spec.at("strategy");
    let rolling = strategy.at("rollingUpdate");
    match strategy.text_at("type") {
        "Recreate" if rolling.is_set() => {
            out.push(rolling.forbidden("may not be specified when strategy `type` is 'Recreate'"));
        }
        "RollingUpdate" if rolling.is_set() => {
            let (unavailable, surge) = (rolling.at("maxUnavailable"), rolling.at("maxSurge"));
            int_or_percent(&unavailable, &mut out);
            int_or_percent(&surge, &mut out);
            if is_zero(&unavailable) && is_zero(&surge) {
                out.push(unavailable.invalid("may not be 0 when `maxSurge` is 0"));
            }
            at_most_all(&unavailable, &mut out);
        }
        _ => {}
    }
    let ready = spec.at("minReadySeconds");
    ready.not_negative(&mut out);
    spec.at("revisionHistoryLimit").not_negative(&mut out);
    let deadline = spec.at("progressDeadlineSeconds");
    if let Some(seconds) = deadline.int() {
        deadline.not_negative(&mut out);
        if seconds <= ready.int().unwrap_or(0) {
            out.push(deadline.invalid("must be greater than minReadySeconds"));
        }
    }
    out
}

/// A workload keeps its selector.
pub(in crate::kinds) fn selector_update(object: &Value, old: &Value, sub: &str) -> Errors {
    let mut out = Errors::new();
    if sub.is_empty() {
        let root = Spot::root(object);
        root.at("spec").at("selector").unchanged(old.at(&["spec", "selector"]).unwrap_or(&Value::Null), &mut out);
    } else {
        replica_counts(object, &mut out);
    }
    out
}

/// Counters that the statuses of workloads have.
const COUNTERS: [&str; 15] = [
    "replicas",
    "updatedReplicas",
    "currentReplicas",
    "readyReplicas",
    "availableReplicas",
    "observedGeneration",
    "collisionCount",
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "fullyLabeledReplicas",
];

/// The counters of a status are not negative, and what is available is ready.
fn replica_counts(object: &Value, out: &mut Errors) {
    let root = Spot::root(object);
    let status = root.at("status");
    for key in COUNTERS {
        status.at(key).not_negative(out);
    }
    let count = |key: &str| status.at(key).int().unwrap_or(0);
    for (key, kind) in
        [("fullyLabeledReplicas", "replicas"), ("readyReplicas", "replicas"), ("availableReplicas", "replicas")]
    {
        if count(key) > count(kind) {
            out.push(status.at(key).invalid(format!("cannot be greater than status.{kind}")));
        }
    }
    if count("availableReplicas") > count("readyReplicas") {
        out.push(status.at("availableReplicas").invalid("cannot be greater than readyReplicas"));
    }
}

/// A count of collisions only grows: names are made of it.
fn collisions_grow(object: &Value, old: &Value, out: &mut Errors) {
    const COUNT: [&str; 2] = ["status", "collisionCount"];
    let count = |object: &Value| object.at(&COUNT).and_then(Value::as_i64).unwrap_or(0);
    if count(object) < count(old) {
        let path = Path::new("status").child("collisionCount");
        out.push(Error::invalid(&path, count(object), "cannot be decremented"));
    }
}

/// A DaemonSet keeps its selector.
pub(in crate::kinds) fn daemon_set_update(object: &Value, old: &Value, sub: &str) -> Errors {
    let mut out = selector_update(object, old, sub);
    if !sub.is_empty() {
        collisions_grow(object, old, &mut out);
    }
    out
}

/// A ReplicaSet.
pub(in crate::kinds) fn replica_set(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    spec.at("replicas").not_negative(&mut out);
    spec.at("minReadySeconds").not_negative(&mut out);
    // The words are those of its bigger brother.
    selects_its_pods(&spec, "deployment", &mut out);
    runs_for_good(&spec, "ReplicaSet", &mut out);
    out
}

/// A ReplicationController.
pub(in crate::kinds) fn replication_controller(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    spec.at("minReadySeconds").not_negative(&mut out);
    let selector = spec.at("selector");
    if selector.is_empty() {
        out.push(selector.required(""));
    }
    spec.at("replicas").not_negative(&mut out);
    let pods = spec.at("template");
    if !pods.is_set() {
        out.push(pods.required(""));
        return out;
    }
    let metadata = pods.at("metadata");
    let labels = metadata.at("labels");
    if selector.entries().any(|(key, value)| labels.value().get(key) != Some(value.value())) {
        out.push(labels.invalid("`selector` does not match template `labels`"));
    }
    runs_for_good(&spec, "ReplicationController", &mut out);
    out
}

/// A DaemonSet.
pub(in crate::kinds) fn daemon_set(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    selects_its_pods(&spec, "daemonset", &mut out);
    runs_for_good(&spec, "DaemonSet", &mut out);
    spec.at("minReadySeconds").not_negative(&mut out);
    let strategy = spec.at("updateStrategy");
    let rolling = strategy.at("rollingUpdate");
    if strategy.text_at("type") == "RollingUpdate" && rolling.is_set() {
        let (unavailable, surge) = (rolling.at("maxUnavailable"), rolling.at("maxSurge"));
        for bound in [&unavailable, &surge] {
            int_or_percent(bound, &mut out);
            at_most_all(bound, &mut out);
        }
        match (is_zero(&unavailable), is_zero(&surge)) {
            (false, false) => out.push(surge.invalid("may not be set when maxUnavailable is non-zero")),
            (true, true) => out.push(unavailable.required("cannot be 0 when maxSurge is 0")),
            _ => {}
        }
    }
    spec.at("revisionHistoryLimit").not_negative(&mut out);
    out
}

/// A StatefulSet.
pub(in crate::kinds) fn stateful_set(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    let strategy = spec.at("updateStrategy");
    let rolling = strategy.at("rollingUpdate");
    match strategy.text_at("type") {
        "OnDelete" if rolling.is_set() => {
            out.push(rolling.invalid("only allowed for updateStrategy 'RollingUpdate'"));
        }
        "RollingUpdate" => {
            rolling.at("partition").not_negative(&mut out);
            let unavailable = rolling.at("maxUnavailable");
            if unavailable.is_set() {
                int_or_percent(&unavailable, &mut out);
                if is_zero(&unavailable) {
                    out.push(unavailable.invalid("cannot be 0"));
                }
                at_most_all(&unavailable, &mut out);
            }
        }
        _ => {}
    }
    let retention = spec.at("persistentVolumeClaimRetentionPolicy");
    for key in ["whenDeleted", "whenScaled"] {
        let policy = retention.at(key);
        if !matches!(policy.text(), "" | "Retain" | "Delete") {
            out.push(policy.not_supported(&["Retain", "Delete"]));
        }
    }
    spec.at("replicas").not_negative(&mut out);
    spec.at("minReadySeconds").not_negative(&mut out);
    let start = spec.value().at(&["ordinals", "start"]).cloned().unwrap_or_default();
    if start.as_i64().is_some_and(|n| n < 0) {
        let why = "must be greater than or equal to 0";
        out.push(Error::invalid(&Path::new("spec").child("ordinals.start"), start, why));
    }
    spec.at("serviceName").check(names::dns1123_label, &mut out);
    for claim in spec.at("volumeClaimTemplates").items() {
        claim_spec(&claim.at("spec"), &mut out);
    }
    as_made(object, |object| {
        let root = Spot::root(object);
        let spec = root.at("spec");
        selects_its_pods(&spec, "statefulset", &mut out);
        runs_for_good(&spec, "StatefulSet", &mut out);
    });
    out
}

/// The pod template as the controller makes pods of it: with volumes for the claim templates, and without a host name
/// and subdomain, for which it has its own.
fn as_made(object: &Value, check: impl FnOnce(&Value)) {
    const POD: [&str; 3] = ["spec", "template", "spec"];
    let claims = object.list_at(&["spec", "volumeClaimTemplates"]);
    let named =
        ["hostname", "subdomain"].iter().any(|key| !object.at(&POD).unwrap_or(&Value::Null).str_at(&[key]).is_empty());
    if claims.is_empty() && !named {
        return check(object);
    }
    let mut object = object.clone();
    if let Some(pod) = object.at_mut(&POD) {
        pod.remove(&["hostname"]);
        pod.remove(&["subdomain"]);
        let mut volumes = pod.list_at(&["volumes"]).to_vec();
        for claim in claims {
            let name = claim.str_at(&["metadata", "name"]);
            volumes.retain(|volume| volume.str_at(&["name"]) != name);
            volumes.push(knarr_api::value!({ "name": name, "persistentVolumeClaim": { "claimName": name } }));
        }
        pod.set(&["volumes"], volumes);
    }
    check(&object);
}

/// Little of a StatefulSet may change.
pub(in crate::kinds) fn stateful_set_update(object: &Value, old: &Value, sub: &str) -> Errors {
    let mut out = Errors::new();
    if !sub.is_empty() {
        replica_counts(object, &mut out);
        let root = Spot::root(object);
        let status = root.at("status");
        for key in ["currentReplicas", "updatedReplicas"] {
            if status.at(key).int().unwrap_or(0) > status.at("replicas").int().unwrap_or(0) {
                out.push(status.at(key).invalid("cannot be greater than status.replicas"));
            }
        }
        collisions_grow(object, old, &mut out);
        return out;
    }
    let mut munged = object.clone();
    for key in [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    ] {
        copy(old, &mut munged, &["spec", key]);
    }
    if !equal(munged.get("spec"), old.get("spec")) {
        let why = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
            'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are \
            forbidden";
        out.push(Error::forbidden(&Path::new("spec"), why));
    }
    out
}

/// A RuntimeClass.
pub(in crate::kinds) fn runtime_class(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    root.at("handler").check(names::dns1123_label, &mut out);
    resources::amounts(&root.at("overhead").at("podFixed"), &mut out);
    out
}
