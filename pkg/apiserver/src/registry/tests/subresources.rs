//! Documents of their own, and questions.

use expect_test::expect;

use super::{Lab, tree};

const PODS: &str = "/api/v1/namespaces/default/pods";
const POD: &str = r#"{"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}}"#;

#[tokio::test]
async fn scale() {
    let lab = Lab::new().await;
    let web = "/apis/apps/v1/namespaces/default/deployments";
    let body = r#"{"metadata":{"name":"web"},"spec":{"replicas":2,"selector":{"matchLabels":{"a":"b"}},
        "template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}}}"#;
    lab.ask(&format!("POST {web}"), body).await.unwrap();
    let show = "kind metadata.name spec status";
    lab.check(
        &format!("GET {web}/web/scale"),
        "",
        show,
        expect![[r#"200 "Scale" "web" {"replicas":2} {"replicas":0,"selector":"a=b"}"#]],
    )
    .await;
    lab.check(
        &format!("MERGE {web}/web/scale"),
        r#"{"spec":{"replicas":5}}"#,
        show,
        expect![[r#"200 "Scale" "web" {"replicas":5} {"replicas":0,"selector":"a=b"}"#]],
    )
    .await;
    lab.check(
        &format!("PUT {web}/web/scale"),
        r#"{"metadata":{"name":"web"},"spec":{"replicas":0}}"#,
        show,
        expect![[r#"200 "Scale" "web" {} {"replicas":0,"selector":"a=b"}"#]],
    )
    .await;
    lab.check(
        &format!("PUT {web}/web/scale"),
        r#"{"metadata":{"name":"web"},"spec":{"replicas":-1}}"#,
        show,
        expect![[r#"422 Invalid Scale.autoscaling "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"#]],
    )
    .await;
    lab.check(
        &format!("GET {web}/web"),
        "",
        "spec.replicas metadata.generation metadata.managedFields.1.subresource",
        expect![[r#"200 0 3 "scale""#]],
    )
    .await;
}

#[tokio::test]
async fn bindings_that_do_not_fit() {
    let lab = Lab::new().await;
    lab.ask(&format!("POST {PODS}"), POD).await.unwrap();
    let bind = format!("POST {PODS}/p/binding");
    lab.check(
        &bind,
        r#"{"metadata":{"name":"q"},"target":{"name":"n"}}"#,
        "",
        expect!["400 BadRequest name in URL does not match name in Binding object"],
    )
    .await;
    lab.check(&bind, r#"{"metadata":{"name":"p"},"target":{"kind":"Pod","name":""}}"#, "", expect![[r#"422 Invalid Binding "p" is invalid: [target.kind: Unsupported value: "Pod": supported values: "<empty>", "Node", target.name: Required value]"#]]).await;
    lab.check(
        &format!("POST {PODS}/x/binding"),
        r#"{"metadata":{"name":"x"},"target":{"name":"n"}}"#,
        "",
        expect![[r#"404 NotFound pods "x" not found"#]],
    )
    .await;
    lab.check(
        "POST /api/v1/namespaces/default/bindings",
        r#"{"metadata":{"name":"p"},"target":{"name":"n"}}"#,
        "",
        expect!["201 Success"],
    )
    .await;
}

#[tokio::test]
async fn eviction_asks_the_budget() {
    let lab = Lab::new().await;
    let pod = POD.replace(r#""name":"p""#, r#""name":"p","labels":{"a":"b"}"#);
    lab.ask(&format!("POST {PODS}"), &pod).await.unwrap();
    lab.ask(
        &format!("MERGE {PODS}/p/status"),
        r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#,
    )
    .await
    .unwrap();
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    let budget = r#"{"metadata":{"name":"b"},"spec":{"minAvailable":1,"selector":{"matchLabels":{"a":"b"}}}}"#;
    lab.ask(&format!("POST {budgets}"), budget).await.unwrap();
    let evict = format!("POST {PODS}/p/eviction");
    let body = r#"{"metadata":{"name":"p"}}"#;
    lab.check(
        &evict,
        body,
        "",
        expect!["429 TooManyRequests Cannot evict pod as it would violate the pod's disruption budget."],
    )
    .await;
    let status = r#"{"status":{"observedGeneration":1,"disruptionsAllowed":1,"currentHealthy":2,"desiredHealthy":1,"expectedPods":2}}"#;
    lab.ask(&format!("MERGE {budgets}/b/status"), status).await.unwrap();
    lab.check(&evict, body, "", expect!["201 Success"]).await;
    lab.check(
        &format!("GET {budgets}/b"),
        "",
        "status.disruptionsAllowed status.disruptedPods",
        expect![[r#"200 0 {"p":"2026-01-02T03:04:05Z"}"#]],
    )
    .await;
    lab.check(&format!("GET {PODS}/p"), "", "", expect![[r#"404 NotFound pods "p" not found"#]]).await;
}

#[tokio::test]
async fn tokens() {
    let lab = Lab::new().await;
    lab.ask(&format!("POST {PODS}"), POD).await.unwrap();
    lab.ask(&format!("POST {PODS}/p/binding"), r#"{"metadata":{"name":"p"},"target":{"name":"n"}}"#).await.unwrap();
    let line = "POST /api/v1/namespaces/default/serviceaccounts/default/token";
    let show = "metadata.name spec.audiences spec.expirationSeconds status";
    lab.check(line, r#"{"spec":{}}"#, show, expect![[r#"201 "default" ["api"] 3600 {"expirationTimestamp":"2026-01-02T04:04:05Z","token":"default/default bound to nothing on no node"}"#]])
        .await;
    let bound = r#"{"spec":{"audiences":["x"],"expirationSeconds":3607,"boundObjectRef":{"kind":"Pod","apiVersion":"v1","name":"p"}}}"#;
    lab.check(line, bound, show, expect![[r#"201 "default" ["x"] 3607 {"expirationTimestamp":"2026-01-02T04:04:12Z","token":"default/default bound to Pod on n"}"#]]).await;
    lab.check(line, &bound.replace("\"p\"", "\"q\""), "", expect![[r#"404 NotFound pods "q" not found"#]]).await;
    lab.check(line, r#"{"spec":{"expirationSeconds":5}}"#, "", expect![[r#"422 Invalid TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes"#]]).await;
    lab.check(
        &line.replace("default/token", "none/token"),
        r#"{"spec":{}}"#,
        "",
        expect![[r#"404 NotFound serviceaccounts "none" not found"#]],
    )
    .await;
}

#[tokio::test]
async fn reviews() {
    let lab = Lab::new().await;
    let authorization = "/apis/authorization.k8s.io/v1";
    lab.check(
        "POST /apis/authentication.k8s.io/v1/selfsubjectreviews",
        "{}",
        "status",
        expect![[r#"201 {"userInfo":{"groups":["system:masters","system:authenticated"],"username":"alice"}}"#]],
    )
    .await;
    lab.check(
        "POST /apis/authentication.k8s.io/v1/tokenreviews",
        r#"{"spec":{"token":"t"}}"#,
        "status",
        expect![[r#"201 {"error":"this server has no signing key","user":{}}"#]],
    )
    .await;
    let may = r#"{"spec":{"resourceAttributes":{"verb":"get","resource":"pods"}}}"#;
    lab.check(
        &format!("POST {authorization}/selfsubjectaccessreviews"),
        may,
        "status",
        expect![[r#"201 {"allowed":true,"reason":"all"}"#]],
    )
    .await;
    lab.check(
        &format!("POST {authorization}/selfsubjectaccessreviews"),
        &may.replace("get", "forbidden"),
        "status",
        expect![[r#"201 {"allowed":false,"reason":"no"}"#]],
    )
    .await;
    lab.check(&format!("POST {authorization}/selfsubjectaccessreviews"), r#"{"spec":{}}"#, "status", expect![[r#"422 Invalid SelfSubjectAccessReview.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"#]])
        .await;
    let of = r#"{"spec":{"user":"nobody","nonResourceAttributes":{"verb":"get","path":"/"}}}"#;
    lab.check(
        &format!("POST {authorization}/subjectaccessreviews"),
        of,
        "status",
        expect![[r#"201 {"allowed":false,"reason":"no"}"#]],
    )
    .await;
    lab.check(&format!("POST {authorization}/subjectaccessreviews"), may, "status", expect![[r#"422 Invalid SubjectAccessReview.authorization.k8s.io "" is invalid: spec.user: Invalid value: "": at least one of user or group must be specified"#]]).await;
    let local = r#"{"metadata":{"namespace":"default"},"spec":{"user":"x","resourceAttributes":{"verb":"get","resource":"pods","namespace":"b"}}}"#;
    lab.check(
        &format!("POST {authorization}/namespaces/default/localsubjectaccessreviews"),
        local,
        "status",
        expect![[r#"422 Invalid LocalSubjectAccessReview.authorization.k8s.io "" is invalid: spec.resourceAttributes.namespace: Invalid value: "b": must match metadata.namespace"#]],
    )
    .await;
    lab.check("GET /api/v1/componentstatuses", "", "", expect!["200 []"]).await;
}

#[tokio::test]
async fn certificates_are_asked_for_by_somebody() {
    let lab = Lab::new().await;
    let csrs = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
    use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
    let request = knarr_pki::NewRequest::make(&knarr_pki::Leaf::client("c", &[])).unwrap();
    let request = BASE64.encode(request.pem);
    let body = format!(
        r#"{{"metadata":{{"name":"c"}},"spec":{{"request":"{request}","signerName":"example.com/s","usages":["client auth"],"username":"eve"}}}}"#
    );
    lab.check(
        &format!("POST {csrs}"),
        &body,
        "spec.username spec.groups spec.signerName",
        expect![[r#"201 "alice" ["system:masters","system:authenticated"] "example.com/s""#]],
    )
    .await;
    let approved = r#"{"status":{"conditions":[{"type":"Approved","status":"True"}],"certificate":"YQ=="},"spec":{"signerName":"example.com/t"}}"#;
    lab.check(
        &format!("MERGE {csrs}/c/approval"),
        approved,
        "status.certificate status.conditions.0.type spec.signerName",
        expect![[r#"200 - "Approved" "example.com/s""#]],
    )
    .await;
}

#[tokio::test]
async fn ephemeral_containers_change_nothing_else() {
    let lab = Lab::new().await;
    lab.ask(&format!("POST {PODS}"), POD).await.unwrap();
    let patch = r#"{"spec":{"nodeName":"n","ephemeralContainers":[{"name":"d","image":"i"}]}}"#;
    let made = tree(lab.ask(&format!("STRATEGIC {PODS}/p/ephemeralcontainers"), patch).await.unwrap());
    assert_eq!(made.list_at(&["spec", "ephemeralContainers"]).len(), 1);
    assert_eq!(made.str_at(&["spec", "nodeName"]), "");
}
