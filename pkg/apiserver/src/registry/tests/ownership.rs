//! Server-side apply and managed fields.

use expect_test::expect;

use super::Lab;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn applies_conflict_and_force_takes_over() {
    let lab = Lab::new().await;
    let show = "data metadata.managedFields.0.manager metadata.managedFields.1.manager";
    let apply = |manager: &str| format!("APPLY {MAPS}/a?fieldManager={manager}");
    let config =
        |v: &str| format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a"}},"data":{{"k":"{v}"}}}}"#);
    lab.check(&apply("one"), &config("1"), show, expect![[r#"201 {"k":"1"} "one" -"#]]).await;
    lab.check(&apply("one"), &config("2"), show, expect![[r#"200 {"k":"2"} "one" -"#]]).await;
    lab.check(
        &apply("two"),
        &config("3"),
        show,
        expect![[r#"409 Conflict Apply failed with 1 conflict: conflict with "one": .data.k"#]],
    )
    .await;
    lab.check(&format!("{}&force=true", apply("two")), &config("3"), show, expect![[r#"200 {"k":"3"} "two" -"#]]).await;
    lab.check(&format!("APPLY {MAPS}/a"), &config("3"), show, expect![[r#"422 Invalid PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch"#]]).await;
    lab.check(&format!("MERGE {MAPS}/a?force=true"), "{}", show, expect![[r#"422 Invalid PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch"#]]).await;
    let empty = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}"#;
    lab.check(&apply("two"), empty, show, expect!["200 - - -"]).await;
}

#[tokio::test]
async fn status_is_owned_through_status() {
    let lab = Lab::new().await;
    let nodes = "/api/v1/nodes";
    lab.ask(&format!("POST {nodes}"), r#"{"metadata":{"name":"n"},"spec":{"podCIDR":"10.42.0.0/24"}}"#).await.unwrap();
    let status = r#"{"status":{"nodeInfo":{"machineID":"m"}}}"#;
    lab.check(
        &format!("MERGE {nodes}/n/status?fieldManager=kubelet"),
        status,
        "metadata.managedFields.0.manager metadata.managedFields.0.subresource metadata.managedFields.0.fieldsV1",
        expect![[r#"200 "kubelet" "status" {"f:status":{"f:nodeInfo":{"f:machineID":{}}}}"#]],
    )
    .await;
}

#[tokio::test]
async fn owners_are_known_through_every_face() {
    let lab = Lab::new().await;
    let core = "/api/v1/namespaces/default/events";
    let new = "/apis/events.k8s.io/v1/namespaces/default/events";
    let old = r#"{"apiVersion":"v1","kind":"Event","metadata":{"name":"e"},"message":"m","type":"Normal","reason":"r",
        "involvedObject":{"kind":"Pod","name":"p","namespace":"default"}}"#;
    lab.check(&format!("APPLY {core}/e?fieldManager=one"), old, "message", expect![[r#"201 "m""#]]).await;
    let other = r#"{"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"name":"e"},"note":"n"}"#;
    lab.check(
        &format!("APPLY {new}/e?fieldManager=two"),
        other,
        "",
        expect![[r#"409 Conflict Apply failed with 1 conflict: conflict with "one": .message"#]],
    )
    .await;
    lab.check(&format!("APPLY {new}/e?fieldManager=two&force=true"), other, "note", expect![[r#"200 "n""#]]).await;
    lab.check(&format!("GET {core}/e"), "", "message", expect![[r#"200 "n""#]]).await;
}
