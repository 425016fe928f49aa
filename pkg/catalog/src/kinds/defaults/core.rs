//! The rest of the core group.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use knarr_api::{Map, Value};

use super::{amounts, pod::template};
use crate::kinds::tree::{each, fill, fill_text, inner, is_empty};

/// A Namespace carries its name as a label.
pub(in crate::kinds) fn namespace(object: &mut Value) {
    let name = object.str_at(&["metadata", "name"]).to_owned();
    if !name.is_empty() {
        object.set(&["metadata", "labels", "kubernetes.io/metadata.name"], name);
    }
}

/// A Node: all its capacity is allocatable, `podCIDR` is the first of `podCIDRs`.
pub(in crate::kinds) fn node(object: &mut Value) {
    if let Some(status) = inner(object, &["status"]) {
        amounts::round(status, &["capacity"]);
        amounts::round(status, &["allocatable"]);
        if status.get("allocatable").is_none()
            && let Some(capacity) = status.get("capacity").cloned()
        {
            status.set(&["allocatable"], capacity);
        }
    }
    if let Some(spec) = inner(object, &["spec"]) {
        let first = spec.list_at(&["podCIDRs"]).first().filter(|first| first.as_str() != Some("")).cloned();
        match (spec.str_at(&["podCIDR"]).to_owned(), first) {
            (one, Some(first)) if one.is_empty() => spec.set(&["podCIDR"], first),
            (one, first) if !one.is_empty() && first.as_ref().and_then(Value::as_str) != Some(&one) => {
                spec.set(&["podCIDRs"], vec![one]);
            }
            _ => {}
        }
    }
}

/// A PersistentVolume.
pub(in crate::kinds) fn persistent_volume(object: &mut Value) {
    let Some(spec) = inner(object, &["spec"]) else { return };
    fill_text(spec, "persistentVolumeReclaimPolicy", "Retain");
    fill(spec, "volumeMode", "Filesystem");
    amounts::round(spec, &["capacity"]);
    if let Some(path) = inner(spec, &["hostPath"]) {
        fill(path, "type", "");
    }
}

/// A PersistentVolumeClaim.
pub(in crate::kinds) fn persistent_volume_claim(object: &mut Value) {
    if let Some(spec) = inner(object, &["spec"]) {
        claim_spec(spec);
    }
    if let Some(status) = inner(object, &["status"]) {
        amounts::round(status, &["capacity"]);
        amounts::round(status, &["allocatedResources"]);
    }
}

/// The spec of a claim or of a claim template.
pub(super) fn claim_spec(spec: &mut Value) {
    if let Some(resources) = inner(spec, &["resources"]) {
        amounts::requirements(resources);
    }
}

/// A ReplicationController: selector and labels come from its template.
pub(in crate::kinds) fn replication_controller(object: &mut Value) {
    template(object, &["spec", "template"]);
    if is_empty(object, &["spec", "template", "metadata", "labels"]) {
        return;
    }
    let labels = object.at(&["spec", "template", "metadata", "labels"]).cloned().unwrap_or_default();
    for path in [["spec", "selector"], ["metadata", "labels"]] {
        if is_empty(object, &path) {
            object.set(&path, labels.clone());
        }
    }
}

/// A ResourceQuota.
pub(in crate::kinds) fn resource_quota(object: &mut Value) {
    for path in [["spec", "hard"], ["status", "hard"], ["status", "used"]] {
        amounts::round(object, &path);
    }
}

/// A LimitRange: limits for containers default to the maximum, requests to the limit, then to the minimum.
pub(in crate::kinds) fn limit_range(object: &mut Value) {
    for item in each(object, &["spec", "limits"]) {
        for list in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
            amounts::round(item, &[list]);
        }
        if item.str_at(&["type"]) == "Container" {
            for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
                let amounts = item.get(from).and_then(Value::as_object).cloned().unwrap_or_else(Map::new);
                for (name, amount) in amounts {
                    if item.at(&[to, &name]).is_none() {
                        item.set(&[to, &name], amount);
                    }
                }
            }
        }
    }
}

/// A Secret: `stringData` is for writing only.
pub(in crate::kinds) fn secret(object: &mut Value) {
    if let Some(Value::Object(texts)) = object.remove(&["stringData"]) {
        for (key, text) in texts {
            object.set(&["data", &key], STANDARD.encode(text.as_str().unwrap_or_default()));
        }
    }
}
