//! DaemonSets: the counter of their templates, which older clients and controllers go by.

use knarr_api::Value;

use crate::kinds::same::equal;

const GENERATION: [&str; 3] = ["metadata", "annotations", "deprecated.daemonset.template.generation"];
const TEMPLATE: [&str; 2] = ["spec", "template"];

fn generation(set: &Value) -> i64 {
    set.str_at(&GENERATION).parse().ok().filter(|n| *n > 0).unwrap_or(1)
}

/// Starts the counter.
pub(in crate::kinds) fn create_daemon_set(set: &mut Value) {
    let first = generation(set);
    set.set(&GENERATION, first.to_string());
}

/// Counts a template that differs; nobody else does.
pub(in crate::kinds) fn update_daemon_set(set: &mut Value, old: &Value, sub: &str) {
    if sub.is_empty() {
        let changed = !equal(set.at(&TEMPLATE), old.at(&TEMPLATE));
        let next = generation(old).saturating_add(i64::from(changed));
        set.set(&GENERATION, next.to_string());
    }
}
