//! Volumes, claims, certificate requests, definitions.

use knarr_api::Value;

use crate::kinds::tree::{copy, inner, is_empty};

/// A PersistentVolume begins pending.
pub(in crate::kinds) fn create_volume(volume: &mut Value) {
    volume.set(&["status", "phase"], "Pending");
}

/// A PersistentVolumeClaim begins pending.
pub(in crate::kinds) fn create_claim(claim: &mut Value) {
    claim.set(&["status", "phase"], "Pending");
    update_claim(claim, &Value::Null, "");
}

/// A claim has two names for the source of its content: the older is also said in the newer, and the other way round
/// unless the source lies in another namespace.
pub(in crate::kinds) fn update_claim(claim: &mut Value, _old: &Value, _sub: &str) {
    let Some(spec) = inner(claim, &["spec"]) else { return };
    let elsewhere = !spec.str_at(&["dataSourceRef", "namespace"]).is_empty();
    match (is_empty(spec, &["dataSource"]), is_empty(spec, &["dataSourceRef"])) {
        (false, true) => {
            let source = spec.get("dataSource").cloned().unwrap_or_default();
            spec.set(&["dataSourceRef"], source);
        }
        (true, false) if !elsewhere => {
            let source = spec.get("dataSourceRef").cloned().unwrap_or_default();
            spec.set(&["dataSource"], source);
        }
        _ => {}
    }
}

/// A certificate request cannot be changed, only decided.
pub(in crate::kinds) fn certificate_request(request: &mut Value, old: &Value, sub: &str) {
    copy(old, request, &["spec"]);
    if sub.is_empty() {
        copy(old, request, &["status"]);
    }
}

/// A CustomResourceDefinition remembers each version it was ever stored in.
pub(in crate::kinds) fn create_definition(definition: &mut Value) {
    let versions = definition.list_at(&["spec", "versions"]);
    let storage = versions.iter().find(|v| v.get("storage").and_then(Value::as_bool) == Some(true));
    let Some(name) = storage.and_then(|v| v.get("name")).cloned() else { return };
    let mut stored = definition.list_at(&["status", "storedVersions"]).to_vec();
    if !stored.contains(&name) {
        stored.push(name);
        definition.set(&["status", "storedVersions"], stored);
    }
}

/// See `create_definition`.
pub(in crate::kinds) fn update_definition(definition: &mut Value, _old: &Value, sub: &str) {
    if sub.is_empty() {
        create_definition(definition);
    }
}
