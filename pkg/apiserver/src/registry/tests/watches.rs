//! Watches: what a selection sees.

use expect_test::expect;
use futures_util::StreamExt;

use super::{Lab, events};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn selectors_turn_updates_into_additions_and_deletions() {
    let lab = Lab::new().await;
    let mut all = lab.watch(MAPS).unwrap();
    let mut red = lab.watch(&format!("{MAPS}?labelSelector=color=red")).unwrap();
    let mut other = lab.watch("/api/v1/namespaces/kube-system/configmaps").unwrap();
    lab.ask(&format!("POST {MAPS}"), r#"{"metadata":{"name":"a"}}"#).await.unwrap();
    for color in [r#""red""#, r#""red""#, r#""blue""#, r#""red""#] {
        let patch = format!(r#"{{"metadata":{{"labels":{{"color":{color}}}}},"data":{{"x":{color}}}}}"#);
        lab.ask(&format!("MERGE {MAPS}/a"), &patch).await.unwrap();
    }
    lab.ask(&format!("DELETE {MAPS}/a"), "").await.unwrap();
    lab.ask("POST /api/v1/namespaces/kube-system/configmaps", r#"{"metadata":{"name":"s"}}"#).await.unwrap();
    expect![[r#"
        ADDED a
        MODIFIED a
        MODIFIED a
        MODIFIED a
        DELETED a"#]]
    .assert_eq(&events(&mut all, 5).await);
    expect![[r#"
        ADDED a
        DELETED a
        ADDED a
        DELETED a"#]]
    .assert_eq(&events(&mut red, 4).await);
    expect!["ADDED s"].assert_eq(&events(&mut other, 1).await);
}

#[tokio::test]
async fn the_present_state_first() {
    let lab = Lab::new().await;
    for name in ["a", "b"] {
        lab.ask(&format!("POST {MAPS}"), &format!(r#"{{"metadata":{{"name":"{name}"}}}}"#)).await.unwrap();
    }
    let query = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
    let mut stream = lab.watch(&format!("{MAPS}?{query}")).unwrap();
    expect![[r#"
        ADDED a
        ADDED b
        BOOKMARK true"#]]
    .assert_eq(&events(&mut stream, 3).await);
    let Err(status) = lab.watch(&format!("{MAPS}?sendInitialEvents=true")) else { panic!("must be refused") };
    expect![[r#"ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"#]].assert_eq(status.message());
}

#[tokio::test]
async fn from_a_revision_on() {
    let lab = Lab::new().await;
    let made = super::tree(lab.ask(&format!("POST {MAPS}"), r#"{"metadata":{"name":"a"}}"#).await.unwrap());
    let revision = made.str_at(&["metadata", "resourceVersion"]);
    lab.ask(&format!("POST {MAPS}"), r#"{"metadata":{"name":"b"}}"#).await.unwrap();
    let mut stream = lab.watch(&format!("{MAPS}?resourceVersion={revision}")).unwrap();
    expect!["ADDED b"].assert_eq(&events(&mut stream, 1).await);
    let Err(status) = lab.watch(&format!("{MAPS}?resourceVersion=99999999")) else { panic!("lies ahead") };
    assert_eq!(status.code(), 504);
}

#[tokio::test]
async fn pods_of_one_node() {
    let lab = Lab::new().await;
    let pods = "/api/v1/namespaces/default/pods";
    let mut mine = lab.watch("/api/v1/pods?fieldSelector=spec.nodeName=n1").unwrap();
    for name in ["p", "q"] {
        let pod = format!(r#"{{"metadata":{{"name":"{name}"}},"spec":{{"containers":[{{"name":"c","image":"i"}}]}}}}"#);
        lab.ask(&format!("POST {pods}"), &pod).await.unwrap();
    }
    for (name, node) in [("q", "n2"), ("p", "n1")] {
        let binding = format!(r#"{{"metadata":{{"name":"{name}"}},"target":{{"kind":"Node","name":"{node}"}}}}"#);
        lab.ask(&format!("POST {pods}/{name}/binding"), &binding).await.unwrap();
    }
    lab.ask(&format!("DELETE {pods}/p?gracePeriodSeconds=0"), "").await.unwrap();
    expect![[r#"
        ADDED p
        DELETED p"#]]
    .assert_eq(&events(&mut mine, 2).await);
}

#[tokio::test(start_paused = true)]
async fn quiet_watches_get_bookmarks_and_end() {
    let lab = Lab::empty();
    let nodes = "/api/v1/nodes?allowWatchBookmarks=true&timeoutSeconds=90&resourceVersion=0";
    let mut stream = lab.watch(nodes).unwrap();
    lab.ask("POST /api/v1/namespaces", r#"{"metadata":{"name":"x"}}"#).await.unwrap();
    let mut seen = Vec::new();
    while let Some(event) = stream.next().await {
        seen.push(format!("{event:?}"));
    }
    expect!["Ok(Bookmark { revision: 2, initial_events_end: false })"].assert_eq(&seen.join("\n"));
}
