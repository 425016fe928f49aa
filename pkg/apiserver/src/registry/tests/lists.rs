//! Collections, pages, selectors.

use expect_test::expect;

use super::{super::Body, Lab};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

async fn filled(names: &[&str]) -> Lab {
    let lab = Lab::new().await;
    for name in names {
        let body = format!(r#"{{"metadata":{{"name":"{name}","labels":{{"first":"{}"}}}}}}"#, &name[..1]);
        lab.ask(&format!("POST {MAPS}"), &body).await.unwrap();
    }
    lab
}

#[tokio::test]
async fn selectors() {
    let lab = filled(&["a1", "a2", "b1"]).await;
    lab.check(&format!("GET {MAPS}"), "", "", expect!["200 [a1 a2 b1]"]).await;
    lab.check("GET /api/v1/configmaps", "", "", expect!["200 [a1 a2 b1]"]).await;
    lab.check(&format!("GET {MAPS}?labelSelector=first=a"), "", "", expect!["200 [a1 a2]"]).await;
    lab.check(&format!("GET {MAPS}?labelSelector=first!=a"), "", "", expect!["200 [b1]"]).await;
    lab.check(&format!("GET {MAPS}?fieldSelector=metadata.name=a2"), "", "", expect!["200 [a2]"]).await;
    lab.check(&format!("GET {MAPS}?fieldSelector=metadata.name!=a2"), "", "", expect!["200 [a1 b1]"]).await;
    lab.check(
        &format!("GET {MAPS}?fieldSelector=data.x=a2"),
        "",
        "",
        expect![[
            r#"400 BadRequest "data.x" is not a known field selector: only "metadata.name", "metadata.namespace""#
        ]],
    )
    .await;
    lab.check(
        "GET /api/v1/pods?fieldSelector=spec.color=red",
        "",
        "",
        expect!["400 BadRequest field label not supported: spec.color"],
    )
    .await;
    lab.check(
        &format!("GET {MAPS}?labelSelector=a=b=c"),
        "",
        "",
        expect!["400 BadRequest found '=', expected: ',' or 'end of string'"],
    )
    .await;
}

#[tokio::test]
async fn fields_that_are_absent() {
    let lab = Lab::new().await;
    lab.ask("POST /api/v1/nodes", r#"{"metadata":{"name":"n1"}}"#).await.unwrap();
    lab.ask("POST /api/v1/nodes", r#"{"metadata":{"name":"n2"},"spec":{"unschedulable":true}}"#).await.unwrap();
    lab.check("GET /api/v1/nodes?fieldSelector=spec.unschedulable=false", "", "", expect!["200 [n1]"]).await;
    lab.check("GET /api/v1/nodes?fieldSelector=spec.unschedulable=true", "", "", expect!["200 [n2]"]).await;
}

#[tokio::test]
async fn pages_show_one_revision() {
    let lab = filled(&["a", "b", "c", "d", "e"]).await;
    let Body::List(first) = lab.ask(&format!("GET {MAPS}?limit=2"), "").await.unwrap().body else { panic!("a list") };
    assert_eq!(first.remaining, Some(3));
    lab.ask(&format!("DELETE {MAPS}/d"), "").await.unwrap();
    lab.ask(&format!("POST {MAPS}"), r#"{"metadata":{"name":"cc"}}"#).await.unwrap();
    let next = format!("GET {MAPS}?limit=9&continue={}", first.continue_token);
    lab.check(&next, "", "", expect!["200 [c d e]"]).await;
    let Body::List(second) = lab.ask(&next, "").await.unwrap().body else { panic!("a list") };
    assert_eq!(first.revision, second.revision);
    lab.check(&format!("GET {MAPS}"), "", "", expect!["200 [a b c cc e]"]).await;
    lab.check(
        &format!("GET {MAPS}?resourceVersion={}&resourceVersionMatch=Exact", first.revision),
        "",
        "",
        expect!["200 [a b c d e]"],
    )
    .await;
    lab.check(&format!("GET {MAPS}?limit=2&labelSelector=first in (a,b,c)"), "", "", expect!["200 [a b] …"]).await;
}

#[tokio::test]
async fn parameters_that_mean_nothing() {
    let lab = Lab::new().await;
    for (query, expected) in [
        (
            "resourceVersionMatch=Exact",
            expect![[
                r#"422 Invalid ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"#
            ]],
        ),
        (
            "resourceVersion=1&resourceVersionMatch=Sometimes",
            expect![[
                r#"422 Invalid ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: "Sometimes": supported values: "", "Exact", "NotOlderThan""#
            ]],
        ),
        (
            "resourceVersion=x",
            expect![[
                r#"400 BadRequest invalid resource version: resourceVersion: Invalid value: "x": strconv.ParseUint: parsing "x": invalid syntax"#
            ]],
        ),
        (
            "resourceVersion=999999999",
            expect!["504 Timeout Timeout: Too large resource version: 999999999, current: 13"],
        ),
        ("continue=abc", expect!["400 BadRequest continue key is not valid: expected value at line 1 column 1"]),
        (
            "sendInitialEvents=true",
            expect![[
                r#"422 Invalid ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"#
            ]],
        ),
    ] {
        lab.check(&format!("GET {MAPS}?{query}"), "", "", expected).await;
    }
}

#[tokio::test]
async fn deleting_a_collection() {
    let lab = filled(&["a1", "a2", "b1"]).await;
    lab.check(&format!("DELETE {MAPS}?labelSelector=first=a"), "", "", expect!["200 [a1 a2]"]).await;
    lab.check(&format!("GET {MAPS}"), "", "", expect!["200 [b1]"]).await;
}

#[tokio::test]
async fn pages_that_are_too_old_go_on_inconsistently() {
    let lab = Lab::remembering(knarr_store::Config { max_events: 3, ..Default::default() });
    let nodes = "/api/v1/nodes";
    for name in ["a", "b", "c", "d"] {
        lab.ask(&format!("POST {nodes}"), &format!(r#"{{"metadata":{{"name":"{name}"}}}}"#)).await.unwrap();
    }
    let Body::List(first) = lab.ask(&format!("GET {nodes}?limit=2"), "").await.unwrap().body else { panic!("a list") };
    for label in ["1", "2", "3", "4"] {
        let patch = format!(r#"{{"metadata":{{"labels":{{"x":"{label}"}}}}}}"#);
        lab.ask(&format!("MERGE {nodes}/a"), &patch).await.unwrap();
    }
    lab.ask(&format!("DELETE {nodes}/c"), "").await.unwrap();
    let late = lab.ask(&format!("GET {nodes}?continue={}", first.continue_token), "").await.unwrap_err();
    expect!["410 Expired The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list."].assert_eq(&format!("{} {} {late}", late.code(), late.reason().word()));
    let go_on = format!("GET {nodes}?continue={}", late.continue_token());
    lab.check(&go_on, "", "", expect!["200 [d]"]).await;
    let exact = format!("GET {nodes}?resourceVersion={}&resourceVersionMatch=Exact", first.revision);
    lab.check(&exact, "", "", expect!["410 Expired The resourceVersion for the provided list is too old."]).await;
    let Err(late) = lab.watch(&format!("{nodes}?resourceVersion={}", first.revision)) else { panic!("too old") };
    expect!["410 Expired The resourceVersion for the provided watch is too old."].assert_eq(&format!(
        "{} {} {late}",
        late.code(),
        late.reason().word()
    ));
}
