//! One metric of a HorizontalPodAutoscaler, in the words of `autoscaling/v2` and of the old `v1` structures that live
//! on in annotations.
//!
//! Both are the same leaves in other places, so a conversion is a list of moves.

use knarr_api::Value;

/// A leaf: its path in `v2`, its name in `v1`, and whether `v1` always holds it (a quantity by value, zero if unset).
type Move = (&'static [&'static str], &'static str, bool);

const TARGETS: [(&str, &[Move]); 5] = [
    (
        "object",
        &[
            (&["describedObject"], "target", false),
            (&["metric", "name"], "metricName", false),
            (&["metric", "selector"], "selector", false),
            (&["target", "value"], "targetValue", true),
            (&["target", "averageValue"], "averageValue", false),
        ],
    ),
    (
        "pods",
        &[
            (&["metric", "name"], "metricName", false),
            (&["metric", "selector"], "selector", false),
            (&["target", "averageValue"], "targetAverageValue", true),
        ],
    ),
    ("resource", RESOURCE_TARGET),
    ("containerResource", RESOURCE_TARGET),
    (
        "external",
        &[
            (&["metric", "name"], "metricName", false),
            (&["metric", "selector"], "metricSelector", false),
            (&["target", "value"], "targetValue", false),
            (&["target", "averageValue"], "targetAverageValue", false),
        ],
    ),
];

const RESOURCE_TARGET: &[Move] = &[
    (&["name"], "name", false),
    (&["container"], "container", false),
    (&["target", "averageUtilization"], "targetAverageUtilization", false),
    (&["target", "averageValue"], "targetAverageValue", false),
];

const CURRENTS: [(&str, &[Move]); 5] = [
    (
        "object",
        &[
            (&["describedObject"], "target", false),
            (&["metric", "name"], "metricName", false),
            (&["metric", "selector"], "selector", false),
            (&["current", "value"], "currentValue", true),
            (&["current", "averageValue"], "averageValue", false),
        ],
    ),
    (
        "pods",
        &[
            (&["metric", "name"], "metricName", false),
            (&["metric", "selector"], "selector", false),
            (&["current", "averageValue"], "currentAverageValue", true),
        ],
    ),
    ("resource", RESOURCE_CURRENT),
    ("containerResource", RESOURCE_CURRENT),
    (
        "external",
        &[
            (&["metric", "name"], "metricName", false),
            (&["metric", "selector"], "metricSelector", false),
            (&["current", "value"], "currentValue", true),
            (&["current", "averageValue"], "currentAverageValue", false),
        ],
    ),
];

const RESOURCE_CURRENT: &[Move] = &[
    (&["name"], "name", false),
    (&["container"], "container", false),
    (&["current", "averageUtilization"], "currentAverageUtilization", false),
    (&["current", "averageValue"], "currentAverageValue", true),
];

/// A `v2` MetricSpec as `v1` says it.
pub(super) fn spec_to_v1(metric: &Value) -> Value {
    to_v1(metric, &TARGETS)
}

/// A `v2` MetricStatus as `v1` says it.
pub(super) fn status_to_v1(metric: &Value) -> Value {
    to_v1(metric, &CURRENTS)
}

/// A `v1` MetricSpec as `v2` says it: there the target has a type, which follows from what is set.
pub(super) fn spec_to_v2(metric: &Value) -> Value {
    let mut out = to_v2(metric, &TARGETS);
    for (source, _) in TARGETS {
        let Some(target) = out.get_mut(source) else { continue };
        let has = |name: &str| target.at(&["target", name]).is_some();
        let kind = match source {
            "resource" | "containerResource" if has("averageUtilization") => "Utilization",
            "resource" | "containerResource" | "pods" => "AverageValue",
            "object" if !has("averageValue") => "Value",
            "external" if has("value") => "Value",
            _ => "AverageValue",
        };
        // `v1` cannot leave the value out; a zero beside an average says nothing.
        if source == "object" && kind == "AverageValue" && target.str_at(&["target", "value"]) == "0" {
            target.remove(&["target", "value"]);
        }
        target.set(&["target", "type"], kind);
    }
    out
}

/// A `v1` MetricStatus as `v2` says it.
pub(super) fn status_to_v2(metric: &Value) -> Value {
    to_v2(metric, &CURRENTS)
}

fn to_v1(metric: &Value, sources: &[(&str, &[Move])]) -> Value {
    let mut out = Value::object();
    out.set(&["type"], metric.str_at(&["type"]));
    for (source, moves) in sources {
        let Some(old) = metric.get(source) else { continue };
        out.set(&[source], Value::object());
        for (path, name, always) in *moves {
            match old.at(path) {
                Some(value) => out.set(&[source, name], value.clone()),
                None if *always => out.set(&[source, name], "0"),
                None => {}
            }
        }
    }
    out
}

fn to_v2(metric: &Value, sources: &[(&str, &[Move])]) -> Value {
    let mut out = Value::object();
    out.set(&["type"], metric.str_at(&["type"]));
    for (source, moves) in sources {
        let Some(old) = metric.get(source).filter(|old| !old.is_null()) else { continue };
        out.set(&[source], Value::object());
        for (path, name, always) in *moves {
            let place: Vec<&str> = std::iter::once(*source).chain(path.iter().copied()).collect();
            match old.get(name).filter(|value| !value.is_null()) {
                Some(value) => out.set(&place, value.clone()),
                None if *always => out.set(&place, "0"),
                None => {}
            }
        }
    }
    out
}
