//! Typed objects as trees for the API, and the small patches the agent writes.

use knarr_api::{Map, Value, same::equal};
use serde::Serialize;

/// A typed value as a tree.
pub(crate) fn tree(typed: &impl Serialize) -> Value {
    serde_json::to_value(typed).map_or(Value::Null, from_json)
}

fn from_json(v: serde_json::Value) -> Value {
    match v {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(b) => b.into(),
        serde_json::Value::Number(n) => match n.as_i64() {
            Some(i) => i.into(),
            None => n.as_f64().unwrap_or_default().into(),
        },
        serde_json::Value::String(s) => s.into(),
        serde_json::Value::Array(items) => Value::Array(items.into_iter().map(from_json).collect()),
        serde_json::Value::Object(map) => {
            Value::Object(map.into_iter().map(|(k, v)| (k, from_json(v))).collect::<Map>())
        }
    }
}

/// Lists that a strategic patch merges, with their keys.
const MERGED: [(&str, &str); 3] = [("conditions", "type"), ("podIPs", "ip"), ("hostIPs", "ip")];

/// The strategic patch that makes the object's field `old` into `new`; `None` if they mean the same: what the API prints as
/// empty (`lastState: {}`), nobody here says.
///
/// Elements of merged lists that others wrote (conditions!) stay: only those in `owned` are removed when `new` has
/// them no longer.
pub(crate) fn patch(old: &Value, new: &Value, owned: &[&str]) -> Option<Value> {
    let (Some(was), Some(want)) = (old.as_object(), new.as_object()) else {
        return (old != new).then(|| new.clone());
    };
    let mut out = Map::new();
    for (key, want) in want.iter() {
        match was.get(key) {
            was if equal(was, Some(want)) => {}
            was => {
                let merged = MERGED.iter().find(|(name, _)| *name == key);
                let change = match merged {
                    Some((_, by)) => list_patch(was.unwrap_or(&Value::Null), want, by, owned),
                    // Merged by type, of which a node may have several: replace it whole.
                    None if key == "addresses" => Some(replaced(want)),
                    None => Some(want.clone()),
                };
                if let Some(change) = change {
                    out.insert(key, change);
                }
            }
        }
    }
    for (key, was) in was.iter().filter(|(k, _)| !want.contains(k)) {
        if !MERGED.iter().any(|(name, _)| *name == key) && !equal(Some(was), None) {
            out.insert(key, Value::Null);
        }
    }
    (!out.is_empty()).then_some(Value::Object(out))
}

/// An element that is merged into the one that is there: fields it has no longer are named as `null`.
fn element(was: Option<&Value>, item: &Value) -> Value {
    let mut out = item.clone();
    for key in was.and_then(Value::as_object).into_iter().flat_map(Map::keys) {
        if item.get(key).is_none() {
            out.set(&[key], Value::Null);
        }
    }
    out
}

fn replaced(list: &Value) -> Value {
    let mut directive = Value::object();
    directive.set(&["$patch"], "replace");
    Value::Array([directive].into_iter().chain(list.as_array().unwrap_or_default().iter().cloned()).collect())
}

fn list_patch(old: &Value, new: &Value, by: &str, owned: &[&str]) -> Option<Value> {
    let (old, new) = (old.as_array().unwrap_or_default(), new.as_array().unwrap_or_default());
    let find = |list: &[Value], key: &Value| list.iter().find(|item| item.get(by) == Some(key)).cloned();
    let mut changes: Vec<Value> = Vec::new();
    for item in new {
        let Some(key) = item.get(by) else { continue };
        match find(old, key) {
            Some(was) if equal(Some(&was), Some(item)) => {}
            was => changes.push(element(was.as_ref(), item)),
        }
    }
    for item in old {
        let Some(key) = item.get(by) else { continue };
        let ours = by == "ip" || key.as_str().is_some_and(|k| owned.contains(&k));
        if ours && find(new, key).is_none() {
            let mut gone = Value::object();
            gone.set(&["$patch"], "delete");
            gone.set(&[by], key.clone());
            changes.push(gone);
        }
    }
    (!changes.is_empty()).then_some(Value::Array(changes))
}

#[cfg(test)]
mod tests {
    use knarr_api::value;

    use super::*;

    #[test]
    fn others_conditions_stay_and_old_addresses_go() {
        let old = value!({
            "phase": "Pending", "reason": "x",
            "conditions": [
                { "type": "Ready", "status": "False", "reason": "r" },
                { "type": "Mine", "status": "True" },
            ],
            "podIPs": [{ "ip": "10.0.0.1" }],
        });
        let new = value!({
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": "True" }],
            "podIPs": [{ "ip": "10.0.0.2" }],
        });
        let want = value!({
            "phase": "Running", "reason": null,
            "conditions": [{ "type": "Ready", "status": "True", "reason": null }],
            "podIPs": [{ "ip": "10.0.0.2" }, { "$patch": "delete", "ip": "10.0.0.1" }],
        });
        assert_eq!(patch(&old, &new, &["Ready"]), Some(want));
        assert_eq!(patch(&old, &old, &[]), None);
    }

    #[test]
    fn what_the_api_prints_as_empty_is_no_difference() {
        let said = value!({
            "containerStatuses": [{ "name": "a", "ready": true }],
            "conditions": [{ "type": "Ready", "status": "True" }],
        });
        let printed = value!({
            "containerStatuses": [{ "name": "a", "ready": true, "lastState": {} }],
            "conditions": [{ "type": "Ready", "status": "True", "lastProbeTime": null }],
            "initContainerStatuses": [],
        });
        assert_eq!(patch(&printed, &said, &["Ready"]), None);
        assert_eq!(patch(&said, &printed, &["Ready"]), None);
    }
}
