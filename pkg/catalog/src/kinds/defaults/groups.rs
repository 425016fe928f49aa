//! Kinds of other groups.

use knarr_api::{Value, value};

use crate::kinds::tree::{each, fill, fill_text, inner, is_empty};

/// A HorizontalPodAutoscaler (v2): it watches CPU, and rules that are begun are completed.
pub(in crate::kinds) fn autoscaler(object: &mut Value) {
    let Some(spec) = inner(object, &["spec"]) else { return };
    if is_empty(spec, &["metrics"]) {
        let metric = value!({
            "type": "Resource",
            "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } },
        });
        spec.set(&["metrics"], vec![metric]);
    }
    let Some(behavior) = inner(spec, &["behavior"]) else { return };
    let policy = |kind: &str, value: i64| value!({ "type": kind, "value": value, "periodSeconds": 15 });
    let up = vec![policy("Pods", 4), policy("Percent", 100)];
    for (direction, policies) in [("scaleUp", up), ("scaleDown", vec![policy("Percent", 100)])] {
        fill(behavior, direction, Value::object());
        if let Some(rules) = behavior.get_mut(direction) {
            if direction == "scaleUp" {
                fill(rules, "stabilizationWindowSeconds", 0);
            }
            fill(rules, "selectPolicy", "Max");
            fill(rules, "policies", policies);
        }
    }
}

/// A NetworkPolicy is about ingress, and about egress if it has such rules.
pub(in crate::kinds) fn network_policy(object: &mut Value) {
    let Some(spec) = inner(object, &["spec"]) else { return };
    if is_empty(spec, &["policyTypes"]) {
        let types = if is_empty(spec, &["egress"]) { vec!["Ingress"] } else { vec!["Ingress", "Egress"] };
        spec.set(&["policyTypes"], types);
    }
}

/// An IngressClass.
pub(in crate::kinds) fn ingress_class(object: &mut Value) {
    if let Some(parameters) = inner(object, &["spec", "parameters"]) {
        fill(parameters, "scope", "Cluster");
    }
}

/// A RoleBinding or ClusterRoleBinding.
pub(in crate::kinds) fn binding(object: &mut Value) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    for subject in each(object, &["subjects"]) {
        if matches!(subject.str_at(&["kind"]), "User" | "Group") {
            fill_text(subject, "apiGroup", GROUP);
        }
    }
    if let Some(role) = inner(object, &["roleRef"]) {
        fill_text(role, "apiGroup", GROUP);
    }
}

/// A CustomResourceDefinition: names that follow from the kind, the version that is stored.
pub(in crate::kinds) fn custom_resource_definition(object: &mut Value) {
    let kind = object.str_at(&["spec", "names", "kind"]).to_owned();
    if let Some(names) = inner(object, &["spec", "names"])
        && !kind.is_empty()
    {
        fill_text(names, "singular", &kind.to_lowercase());
        fill_text(names, "listKind", &format!("{kind}List"));
    }
    if is_empty(object, &["status", "storedVersions"]) {
        let versions = object.list_at(&["spec", "versions"]);
        let stored = versions.iter().find(|v| v.get("storage").and_then(Value::as_bool) == Some(true));
        if let Some(name) = stored.map(|v| v.str_at(&["name"]).to_owned()) {
            object.set(&["status", "storedVersions"], vec![name]);
        }
    }
}

/// A ResourceClaim: a request for some number of devices is for one.
pub(in crate::kinds) fn claim(object: &mut Value) {
    claim_requests(object, &["spec", "devices", "requests"]);
}

/// A ResourceClaimTemplate.
pub(in crate::kinds) fn claim_template(object: &mut Value) {
    claim_requests(object, &["spec", "spec", "devices", "requests"]);
}

fn claim_requests(object: &mut Value, path: &[&str]) {
    for request in each(object, path) {
        if let Some(exactly) = inner(request, &["exactly"]) {
            one_device(exactly);
        }
        each(request, &["firstAvailable"]).for_each(one_device);
    }
}

fn one_device(request: &mut Value) {
    if request.str_at(&["allocationMode"]) == "ExactCount"
        && request.get("count").and_then(Value::as_i64).unwrap_or(0) == 0
    {
        request.set(&["count"], 1);
    }
}
