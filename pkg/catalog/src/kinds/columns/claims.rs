//! Devices and claims to them.

use knarr_api::Value;

use super::{age, cell, name, text, words};
use crate::Column;

pub(super) fn columns(plural: &str) -> Vec<Column> {
    match plural {
        "deviceclasses" | "resourceclaimtemplates" => vec![name(), age()],
        "resourceclaims" => vec![name(), cell("State", state), age()],
        "resourceslices" => vec![
            name(),
            text("Node", &["spec", "nodeName"]),
            text("Driver", &["spec", "driver"]),
            text("Pool", &["spec", "pool", "name"]),
            age(),
        ],
        _ => Vec::new(),
    }
}

fn state(claim: &Value) -> String {
    let deleted = words::is_deleting(claim);
    let allocated = claim.at(&["status", "allocation"]).is_some_and(|a| !a.is_null());
    let reserved = allocated && words::len(claim, &["status", "reservedFor"]) > 0;
    let states =
        [("deleted", deleted), ("pending", !allocated && !deleted), ("allocated", allocated), ("reserved", reserved)];
    words::joined(states.into_iter().filter(|(_, is)| *is).map(|(word, _)| word))
}
