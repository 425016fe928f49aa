//! Watches as bytes.

use bytes::BytesMut;
use http_body_util::BodyExt as _;
use knarr_apiserver::reply::Body;
use serde_json::Value;

use crate::world::{World, request};

const MAPS: &str = "POST /api/v1/namespaces/default/configmaps";

/// Reads JSON lines off a watch.
struct Lines {
    body: Body,
    buffer: BytesMut,
}

impl Lines {
    async fn open(world: &World, line: &str, accept: &str) -> Self {
        let response = world.send(request(line, &[("accept", accept)], "")).await;
        assert_eq!(response.status(), 200);
        Self { body: response.into_body(), buffer: BytesMut::new() }
    }

    /// The next event; None at the end.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return Some(serde_json::from_slice(&line).unwrap());
            }
            let frame = self.body.frame().await?.unwrap();
            self.buffer.extend_from_slice(&frame.into_data().unwrap());
        }
    }
}

fn show(event: &Value) -> String {
    let object = &event["object"];
    format!("{} {}", event["type"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap_or("-"))
}

#[tokio::test]
async fn the_present_state_then_changes() {
    let world = World::new().await;
    world.make(MAPS, r#"{"metadata":{"name":"a"}}"#).await;
    let line = "GET /api/v1/namespaces/default/configmaps?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut events = Lines::open(&world, line, "").await;
    assert_eq!(show(&events.next().await.unwrap()), "ADDED a");
    let bookmark = events.next().await.unwrap();
    assert_eq!(bookmark["type"], "BOOKMARK");
    assert_eq!((&bookmark["object"]["kind"], &bookmark["object"]["apiVersion"]), (&"ConfigMap".into(), &"v1".into()));
    assert_eq!(bookmark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    world.make(MAPS, r#"{"metadata":{"name":"b"}}"#).await;
    assert_eq!(show(&events.next().await.unwrap()), "ADDED b");
    world.ask("DELETE /api/v1/namespaces/default/configmaps/b", &[], "").await;
    assert_eq!(show(&events.next().await.unwrap()), "DELETED b");
    world.stop.cancel();
    assert!(events.next().await.is_none(), "a stopping server ends watches");
}

#[tokio::test]
async fn old_paths_and_single_objects() {
    let world = World::new().await;
    for path in [
        "/api/v1/watch/namespaces/default/configmaps/b?x=y",
        "/api/v1/namespaces/default/configmaps?watch=1&fieldSelector=metadata.name%3Db",
    ] {
        let mut events = Lines::open(&world, &format!("GET {path}"), "").await;
        for name in ["a", "b"] {
            world.make(MAPS, &format!(r#"{{"metadata":{{"name":"{name}"}}}}"#)).await;
        }
        assert_eq!(show(&events.next().await.unwrap()), "ADDED b", "{path}");
        for name in ["a", "b"] {
            world.ask(&format!("DELETE /api/v1/namespaces/default/configmaps/{name}"), &[], "").await;
        }
    }
}

#[tokio::test]
async fn tables_have_headings_once() {
    let world = World::new().await;
    world.make(MAPS, r#"{"metadata":{"name":"a"}}"#).await;
    world.make(MAPS, r#"{"metadata":{"name":"b"}}"#).await;
    let line = "GET /api/v1/namespaces/default/configmaps?watch=true";
    let mut events = Lines::open(&world, line, "application/json;as=Table;v=v1;g=meta.k8s.io").await;
    let (first, second) = (events.next().await.unwrap(), events.next().await.unwrap());
    assert_eq!(first["object"]["columnDefinitions"][0]["name"], "Name");
    assert_eq!(first["object"]["rows"][0]["cells"][0], "a");
    assert!(second["object"]["columnDefinitions"].is_null());
    assert_eq!(second["object"]["rows"][0]["cells"][0], "b");
}

#[tokio::test]
async fn protobuf_frames_have_their_length_before_them() {
    let world = World::new().await;
    world.make(MAPS, r#"{"metadata":{"name":"a"}}"#).await;
    let line = "GET /api/v1/namespaces/default/configmaps?watch=true";
    let response = world.send(request(line, &[("accept", "application/vnd.kubernetes.protobuf")], "")).await;
    assert_eq!(response.headers()["content-type"], "application/vnd.kubernetes.protobuf;stream=watch");
    let frame = response.into_body().frame().await.unwrap().unwrap().into_data().unwrap();
    let (length, event) = frame.split_at(4);
    assert_eq!(u32::from_be_bytes(length.try_into().unwrap()) as usize, event.len());
    assert!(event.starts_with(b"\x0a\x05ADDED\x12"));
    assert!(event.windows(4).any(|w| w == b"k8s\0"), "the object inside has its own envelope");
}

#[tokio::test]
async fn what_is_too_old_is_told_so() {
    let world = World::new().await;
    let answer = world.ask("GET /api/v1/configmaps?watch=true&resourceVersion=x", &[], "").await;
    assert!((400..500).contains(&answer.code), "{}", answer.text());
    let mut events =
        Lines::open(&world, "GET /api/v1/configmaps?watch=true&timeoutSeconds=1&resourceVersion=0", "").await;
    while let Some(event) = events.next().await {
        assert_eq!(event["type"], "ADDED");
    }
}
