//! What nodes and pods use, as metrics-server prints it: a column per measured resource.

use std::collections::BTreeMap;

use knarr_api::{Value, quantity::Quantity};

use super::{cell, name, text};
use crate::{Column, kinds::tree::entries};

pub(super) fn columns() -> Vec<Column> {
    let usage = |heading, resource: fn(&Value) -> String| {
        let mut column = cell(heading, resource);
        column.format = "quantity".into();
        column
    };
    let mut window = text("Window", &["window"]);
    window.format = "duration".into();
    vec![name(), usage("cpu", |o| sum(o, "cpu")), usage("memory", |o| sum(o, "memory")), window]
}

/// Of a node its own usage, of a pod that of its containers together.
fn sum(object: &Value, resource: &str) -> String {
    let mut all: BTreeMap<&str, Quantity> = BTreeMap::new();
    let own = entries(object, &["usage"]);
    let parts = object.list_at(&["containers"]).iter().flat_map(|c| entries(c, &["usage"]));
    for (name, amount) in own.chain(parts) {
        let Some(Ok(amount)) = amount.as_str().map(str::parse::<Quantity>) else { continue };
        *all.entry(name).or_default() += amount;
    }
    all.get(resource).copied().unwrap_or_default().to_string()
}
