//! Nodes.

use std::collections::BTreeSet;

use knarr_api::Value;

use super::{age, cell, name, text, text_or, wide, words};
use crate::{
    Column,
    kinds::tree::{entries, flag},
};

pub(super) fn columns() -> Vec<Column> {
    vec![
        name(),
        cell("Status", status),
        cell("Roles", roles),
        age(),
        text("Version", &["status", "nodeInfo", "kubeletVersion"]),
        wide(cell("Internal-IP", |node| address(node, "InternalIP"))),
        wide(cell("External-IP", |node| address(node, "ExternalIP"))),
        wide(text_or("OS-Image", &["status", "nodeInfo", "osImage"], "<unknown>")),
        wide(cell("Kernel-Version", kernel)),
        wide(text_or("Container-Runtime", &["status", "nodeInfo", "containerRuntimeVersion"], "<unknown>")),
    ]
}

fn status(node: &Value) -> String {
    let mut out = match words::condition(node, "Ready").map(|c| c.str_at(&["status"])) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    }
    .to_owned();
    if flag(node, &["spec", "unschedulable"]) {
        out.push_str(",SchedulingDisabled");
    }
    out
}

fn roles(node: &Value) -> String {
    let mut roles = BTreeSet::new();
    for (key, value) in entries(node, &["metadata", "labels"]) {
        if let Some(role) = key.strip_prefix("node-role.kubernetes.io/") {
            roles.insert(role);
        } else if key == "kubernetes.io/role" {
            roles.insert(value.as_str().unwrap_or_default());
        }
    }
    roles.remove("");
    words::or_none(&words::joined(roles))
}

fn address(node: &Value, kind: &str) -> String {
    let found = node.list_at(&["status", "addresses"]).iter().find(|a| a.str_at(&["type"]) == kind);
    found.map_or(words::NONE, |a| a.str_at(&["address"])).to_owned()
}

fn kernel(node: &Value) -> String {
    let kernel = match node.str_at(&["status", "nodeInfo", "kernelVersion"]) {
        "" => "<unknown>",
        kernel => kernel,
    };
    match node.str_at(&["status", "nodeInfo", "architecture"]) {
        "" => kernel.to_owned(),
        architecture => format!("{kernel} ({architecture})"),
    }
}
