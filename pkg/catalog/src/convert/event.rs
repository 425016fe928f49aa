//! Events: stored as core `v1`, served as `events.k8s.io/v1` too. The same facts under other names.

use knarr_api::{Map, Value};

use super::Rename;
use crate::Convert;

pub(super) const CONVERT: Convert = Convert::Functions { from_storage, to_storage, fields: FIELDS };

/// (core, events.k8s.io)
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

const FIELDS: &[Rename] = &[
    Rename::name(&["involvedObject"], &["regarding"]),
    Rename::name(&["message"], &["note"]),
    Rename::name(&["source"], &["deprecatedSource"]),
    Rename::name(&["firstTimestamp"], &["deprecatedFirstTimestamp"]),
    Rename::name(&["lastTimestamp"], &["deprecatedLastTimestamp"]),
    Rename::name(&["count"], &["deprecatedCount"]),
    Rename::name(&["reportingComponent"], &["reportingController"]),
];

fn from_storage(event: &mut Value) {
    let Some(map) = event.as_object_mut() else { return };
    for (core, newer) in NAMES {
        rename(map, core, newer);
    }
    // Printed always there, only when set here.
    map.retain(|name, value| !(matches!(name, "reportingController" | "reportingInstance") && *value == "".into()));
    if let Some(Value::Object(series)) = map.get_mut("series")
        && !series.contains("count")
    {
        series.insert("count", 0);
    }
}

fn to_storage(event: &mut Value) {
    let Some(map) = event.as_object_mut() else { return };
    for (core, newer) in NAMES {
        rename(map, newer, core);
    }
    for always in ["reportingComponent", "reportingInstance"] {
        if !map.contains(always) {
            map.insert(always, "");
        }
    }
    if let Some(Value::Object(series)) = map.get_mut("series")
        && series.get("count") == Some(&Value::Int(0))
    {
        series.remove("count");
    }
}

fn rename(map: &mut Map, from: &str, to: &str) {
    if let Some(value) = map.remove(from) {
        map.insert(to, value);
    }
}
