//! HorizontalPodAutoscalers.

use knarr_api::Value;

use super::{age, cell, column, name, words};
use crate::{Column, kinds::tree::int};

pub(super) fn columns() -> Vec<Column> {
    let number = |name: &str, path: &'static [&'static str]| {
        column(name, "string", move |hpa, _| int(hpa, path).unwrap_or(0).into())
    };
    vec![
        name(),
        cell("Reference", |hpa| {
            let target = |key| hpa.str_at(&["spec", "scaleTargetRef", key]);
            format!("{}/{}", target("kind"), target("name"))
        }),
        cell("Targets", targets),
        cell("MinPods", |hpa| words::scalar(hpa, &["spec", "minReplicas"]).unwrap_or("<unset>".to_owned())),
        number("MaxPods", &["spec", "maxReplicas"]),
        number("Replicas", &["status", "currentReplicas"]),
        age(),
    ]
}

fn targets(hpa: &Value) -> String {
    let now = hpa.list_at(&["status", "currentMetrics"]);
    let specs = hpa.list_at(&["spec", "metrics"]);
    if specs.is_empty() {
        return words::NONE.to_owned();
    }
    let cells = specs.iter().enumerate().map(|(i, spec)| target(spec, now.get(i))).collect();
    words::first_few(cells, 2, ", ")
}

/// What a metric is, out of what it should be.
fn target(spec: &Value, now: Option<&Value>) -> String {
    let member = match spec.str_at(&["type"]) {
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        "Pods" => "pods",
        "Object" => "object",
        "External" => "external",
        _ => return "<unknown type>".to_owned(),
    };
    let current =
        |key| now.and_then(|now| words::scalar(now, &[member, "current", key])).unwrap_or("<unknown>".to_owned());
    let wanted = |key| words::scalar(spec, &[member, "target", key]);
    match member {
        "resource" | "containerResource" => {
            let name = spec.str_at(&[member, "name"]);
            match wanted("averageValue") {
                Some(wanted) => format!("{name}: {}/{wanted}", current("averageValue")),
                None => {
                    let percent = |n: Option<String>, none: &str| n.map_or(none.to_owned(), |n| format!("{n}%"));
                    let have = now.and_then(|now| words::scalar(now, &[member, "current", "averageUtilization"]));
                    let wanted = percent(wanted("averageUtilization"), "<auto>");
                    format!("{name}: {}/{wanted}", percent(have, "<unknown>"))
                }
            }
        }
        "pods" => format!("{}/{}", current("averageValue"), wanted("averageValue").unwrap_or_default()),
        _ => match wanted("averageValue") {
            Some(wanted) => format!("{}/{wanted} (avg)", current("averageValue")),
            None => format!("{}/{}", current("value"), wanted("value").unwrap_or_default()),
        },
    }
}
