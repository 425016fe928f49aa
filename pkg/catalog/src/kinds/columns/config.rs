//! The rest of the core group.

use knarr_api::Value;

use super::{age, cell, column, count, name, text, words};
use crate::{Column, kinds::tree::entries};

pub(super) fn columns(plural: &str) -> Vec<Column> {
    match plural {
        "configmaps" => vec![
            name(),
            column("Data", "string", |map, _| {
                ((words::len(map, &["data"]) + words::len(map, &["binaryData"])) as i64).into()
            }),
            age(),
        ],
        "secrets" => {
            vec![name(), text("Type", &["type"]), Column { kind: "string".into(), ..count("Data", &["data"]) }, age()]
        }
        "serviceaccounts" => vec![name(), age()],
        "namespaces" => vec![name(), text("Status", &["status", "phase"]), age()],
        "resourcequotas" => {
            vec![name(), cell("Request", |quota| used(quota, false)), cell("Limit", |quota| used(quota, true)), age()]
        }
        "componentstatuses" => vec![
            name(),
            cell("Status", |status| {
                match healthy(status).map(|c| c.str_at(&["status"])) {
                    Some("True") => "Healthy",
                    Some(_) => "Unhealthy",
                    None => "Unknown",
                }
                .to_owned()
            }),
            cell("Message", |status| healthy(status).map_or("", |c| c.str_at(&["message"])).to_owned()),
            cell("Error", |status| healthy(status).map_or("", |c| c.str_at(&["error"])).to_owned()),
        ],
        _ => Vec::new(),
    }
}

fn healthy(status: &Value) -> Option<&Value> {
    status.list_at(&["conditions"]).iter().find(|c| c.str_at(&["type"]) == "Healthy")
}

/// What is used of what may be; limits and the rest have a column each.
fn used(quota: &Value, limits: bool) -> String {
    let mut out = Vec::new();
    for (name, hard) in entries(quota, &["status", "hard"]) {
        if name.starts_with("limits.") == limits {
            let used = match quota.str_at(&["status", "used", name]) {
                "" => "0",
                used => used,
            };
            out.push(format!("{name}: {used}/{}", hard.as_str().unwrap_or_default()));
        }
    }
    out.join(", ")
}
