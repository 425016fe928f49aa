//! What `kubectl get` prints: a table of columns per kind, a small pure function per cell.
//!
//! The notation: `text` and `number` show the member at a path, `cell` computes. A column marked `wide` shows with
//! `-o wide` only. A kind without columns prints its name and the time it was created.

mod ages;
mod claims;
mod cluster;
mod config;
mod events;
mod hpa;
mod network;
mod node;
mod pods;
mod policy;
mod storage;
mod usage;
mod words;
mod workloads;

use std::sync::Arc;

use jiff::Timestamp;
use knarr_api::Value;

use crate::Column;

/// The columns of a resource.
pub(super) fn of(group: &str, plural: &str) -> Vec<Column> {
    match group {
        "" => core(plural),
        "apps" | "batch" => workloads::columns(plural),
        "autoscaling" => hpa::columns(),
        "networking.k8s.io" | "discovery.k8s.io" => network::columns(plural),
        "storage.k8s.io" => storage::columns(plural),
        "metrics.k8s.io" => usage::columns(),
        "resource.k8s.io" => claims::columns(plural),
        "policy" | "rbac.authorization.k8s.io" | "flowcontrol.apiserver.k8s.io" => policy::columns(plural),
        _ => cluster::columns(plural),
    }
}

fn core(plural: &str) -> Vec<Column> {
    match plural {
        "pods" => pods::columns(),
        "nodes" => node::columns(),
        "events" => events::columns(),
        "services" | "endpoints" => network::columns(plural),
        "persistentvolumes" | "persistentvolumeclaims" => storage::columns(plural),
        "replicationcontrollers" | "podtemplates" => workloads::columns(plural),
        _ => config::columns(plural),
    }
}

fn column(name: &str, kind: &str, cell: impl Fn(&Value, Timestamp) -> Value + Send + Sync + 'static) -> Column {
    Column {
        name: name.into(),
        kind: kind.into(),
        format: "".into(),
        priority: 0,
        description: "".into(),
        cell: Arc::new(cell),
    }
}

/// NAME.
fn name() -> Column {
    named(|object| object.str_at(&["metadata", "name"]).to_owned())
}

/// NAME, with something added.
fn named(print: fn(&Value) -> String) -> Column {
    Column {
        format: "name".into(),
        description: "Name of the object, unique among those of its kind and namespace.".into(),
        ..column("Name", "string", move |object, _| print(object).into())
    }
}

/// AGE.
fn age() -> Column {
    Column {
        description: "Time since the object was created.".into(),
        ..column("Age", "string", |object, now| {
            ages::since(object.str_at(&["metadata", "creationTimestamp"]), now).into()
        })
    }
}

/// The text at a path.
fn text(name: &str, path: &'static [&'static str]) -> Column {
    column(name, "string", move |object, _| object.str_at(path).into())
}

/// The text at a path, or a word for nothing.
fn text_or(name: &str, path: &'static [&'static str], nothing: &'static str) -> Column {
    column(name, "string", move |object, _| match object.str_at(path) {
        "" => nothing.into(),
        text => text.into(),
    })
}

/// The number at a path; nothing is 0.
fn number(name: &str, path: &'static [&'static str]) -> Column {
    column(name, "integer", move |object, _| object.at(path).and_then(Value::as_i64).unwrap_or(0).into())
}

/// How many elements or entries there are at a path.
fn count(name: &str, path: &'static [&'static str]) -> Column {
    column(name, "integer", move |object, _| (words::len(object, path) as i64).into())
}

/// The flag at a path.
fn flag(name: &str, path: &'static [&'static str], unset: bool) -> Column {
    column(name, "boolean", move |object, _| object.at(path).and_then(Value::as_bool).unwrap_or(unset).into())
}

/// A text computed from the object.
fn cell(name: &str, print: fn(&Value) -> String) -> Column {
    column(name, "string", move |object, _| print(object).into())
}

/// A text computed from the object and the time.
fn timed(name: &str, print: fn(&Value, Timestamp) -> String) -> Column {
    column(name, "string", move |object, now| print(object, now).into())
}

/// Only with `-o wide`.
fn wide(column: Column) -> Column {
    Column { priority: 1, ..column }
}

#[cfg(test)]
mod tests;
