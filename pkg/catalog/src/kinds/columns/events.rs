//! Events, of the older notation and the newer.

use jiff::Timestamp;
use knarr_api::Value;

use super::{ages, cell, column, name, text, timed, wide};
use crate::{Column, kinds::tree::int};

pub(super) fn columns() -> Vec<Column> {
    vec![
        timed("Last Seen", last_seen),
        text("Type", &["type"]),
        text("Reason", &["reason"]),
        cell("Object", object),
        wide(text("Subobject", &["involvedObject", "fieldPath"])),
        wide(cell("Source", source)),
        cell("Message", |event| event.str_at(&["message"]).trim().to_owned()),
        wide(timed("First Seen", first_seen)),
        wide(column("Count", "string", |event, _| count(event).into())),
        wide(name()),
    ]
}

fn first_seen(event: &Value, now: Timestamp) -> String {
    match event.str_at(&["firstTimestamp"]) {
        "" => ages::since(event.str_at(&["eventTime"]), now),
        first => ages::since(first, now),
    }
}

fn last_seen(event: &Value, now: Timestamp) -> String {
    if let Some(series) = event.get("series").filter(|s| !s.is_null()) {
        return ages::since(series.str_at(&["lastObservedTime"]), now);
    }
    match event.str_at(&["lastTimestamp"]) {
        "" => first_seen(event, now),
        last => ages::since(last, now),
    }
}

fn count(event: &Value) -> i64 {
    match (int(event, &["series", "count"]), int(event, &["count"])) {
        (Some(n), _) => n,
        (None, None | Some(0)) => 1,
        (None, Some(n)) => n,
    }
}

fn object(event: &Value) -> String {
    let kind = event.str_at(&["involvedObject", "kind"]).to_lowercase();
    match event.str_at(&["involvedObject", "name"]) {
        "" => kind,
        name => format!("{kind}/{name}"),
    }
}

fn source(event: &Value) -> String {
    let first = |paths: [&[&str]; 2]| paths.into_iter().map(|p| event.str_at(p)).find(|t| !t.is_empty());
    let component = first([&["source", "component"], &["reportingComponent"]]).unwrap_or_default();
    match first([&["source", "host"], &["reportingInstance"]]) {
        Some(instance) => format!("{component}, {instance}"),
        None => component.to_owned(),
    }
}
