//! What comes back: objects, lists, events, as the in-process transport would have given them.

use bytes::Bytes;
use knarr_api::{Object, Status, Value, json};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{Event, List, Reply, Verb};

/// An answer nobody can use.
fn strange(what: &str, why: impl std::fmt::Display) -> Status {
    Status::internal(format!("the server's {what} is not understood: {why}"))
}

/// The answer of a request that is no list.
pub(super) fn reply(verb: Verb, body: &Bytes) -> Result<Reply, Status> {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow, default)]
        kind: std::borrow::Cow<'a, str>,
    }
    let head: Head<'_> = serde_json::from_slice(body).map_err(|e| strange("answer", e))?;
    match verb {
        Verb::Delete if head.kind == "Status" => Ok(Reply::Done),
        Verb::DeleteCollection if head.kind == "Status" => Ok(Reply::Done),
        Verb::DeleteCollection => list(body).map(Reply::List),
        _ => object(body).map(Reply::Object),
    }
}

/// A document as an object: reviews need not have metadata, objects do.
fn object(body: &Bytes) -> Result<Object, Status> {
    if let Ok(object) = Object::from_json(body.clone()) {
        return Ok(object);
    }
    let mut tree = json::parse(body, &json::Limits::default()).map_err(|e| strange("answer", e))?.value;
    if tree.get("metadata").is_none_or(Value::is_null) {
        tree.set(&["metadata"], Value::object());
    }
    let mut out = Vec::new();
    json::write(&tree, &mut out);
    Object::from_json(out.into()).map_err(|e| strange("object", e))
}

/// A list, each of its objects a copy of its own: what is kept of one must not keep the whole page.
pub(super) fn list(body: &Bytes) -> Result<List, Status> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(default)]
        metadata: Meta,
        #[serde(borrow, default)]
        items: Option<Vec<&'a RawValue>>,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Meta {
        resource_version: String,
        #[serde(rename = "continue")]
        next: String,
    }
    let wire: Wire<'_> = serde_json::from_slice(body).map_err(|e| strange("list", e))?;
    let item = |raw: &RawValue| Object::from_json(Bytes::copy_from_slice(raw.get().as_bytes()));
    let items = wire.items.unwrap_or_default().into_iter().map(item).collect::<Result<_, _>>();
    Ok(List {
        items: items.map_err(|e| strange("object", e))?,
        revision: wire.metadata.resource_version.parse().unwrap_or(0),
        continue_token: wire.metadata.next.into(),
    })
}

/// An event of a watch.
///
/// # Errors
/// The event is an error, or nothing one could understand.
pub(super) fn event(line: &Bytes) -> Result<Event, Status> {
    #[derive(Deserialize)]
    struct Wire<'a> {
        #[serde(rename = "type")]
        kind: &'a str,
        #[serde(borrow)]
        object: &'a RawValue,
    }
    #[derive(Deserialize)]
    struct Bookmark {
        metadata: Meta,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Meta {
        resource_version: String,
        #[serde(default)]
        annotations: std::collections::BTreeMap<String, String>,
    }
    let wire: Wire<'_> = serde_json::from_slice(line).map_err(|e| strange("event", e))?;
    let object = || {
        let raw = Bytes::copy_from_slice(wire.object.get().as_bytes());
        Object::from_json(raw).map_err(|e| strange("object", e))
    };
    match wire.kind {
        "ADDED" => object().map(Event::Added),
        "MODIFIED" => object().map(Event::Modified),
        "DELETED" => object().map(Event::Deleted),
        "BOOKMARK" => {
            let mark: Bookmark = serde_json::from_str(wire.object.get()).map_err(|e| strange("bookmark", e))?;
            Ok(Event::Bookmark {
                revision: mark.metadata.resource_version.parse().map_err(|e| strange("bookmark", e))?,
                initial_events_end: mark
                    .metadata
                    .annotations
                    .get("k8s.io/initial-events-end")
                    .is_some_and(|v| v == "true"),
            })
        }
        "ERROR" => Err(Status::from_response(500, wire.object.get().as_bytes())),
        kind => Err(strange("event", format!("type {kind:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use knarr_api::Reason;

    use super::*;

    #[test]
    fn events() {
        let of = |text: &'static str| event(&Bytes::from_static(text.as_bytes()));
        let added = of(r#"{"type":"ADDED","object":{"metadata":{"name":"a","resourceVersion":"7"}}}"#).unwrap();
        assert!(matches!(added, Event::Added(o) if o.name() == "a" && o.revision() == 7));
        let mark = r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"9","annotations":{"k8s.io/initial-events-end":"true"}}}}"#;
        assert!(matches!(of(mark).unwrap(), Event::Bookmark { revision: 9, initial_events_end: true }));
        let gone = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Expired","message":"too old","code":410}}"#;
        assert!(of(gone).unwrap_err().is(Reason::Expired));
        for bad in [
            "",
            "{",
            r#"{"type":"X","object":{}}"#,
            r#"{"type":"ADDED","object":3}"#,
            r#"{"type":"BOOKMARK","object":{}}"#,
        ] {
            assert!(of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn answers() {
        let of = |verb, text: &'static str| reply(verb, &Bytes::from_static(text.as_bytes()));
        assert!(matches!(of(Verb::Delete, r#"{"kind":"Status","status":"Success"}"#), Ok(Reply::Done)));
        let review = of(Verb::Create, r#"{"kind":"TokenReview","status":{"authenticated":true}}"#).unwrap();
        assert!(review.into_object().unwrap().json().starts_with(b"{"));
        let page = r#"{"kind":"PodList","metadata":{"resourceVersion":"5","continue":"c"},"items":[{"metadata":{"name":"a"}}]}"#;
        let page = list(&Bytes::from_static(page.as_bytes())).unwrap();
        assert_eq!((page.revision, page.continue_token.as_str(), page.items[0].name()), (5, "c", "a"));
        assert!(list(&Bytes::from_static(br#"{"metadata":{},"items":null}"#)).unwrap().items.is_empty());
        assert!(of(Verb::Get, "<html>").is_err());
    }
}
