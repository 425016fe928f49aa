//! Authentication, impersonation, authorization.

use expect_test::expect;

use crate::world::{Row, World};

#[tokio::test]
async fn who_is_let_in() {
    let world = World::new().await;
    let table: &[Row<'_>] = &[
        ("GET /livez", &[("authorization", "")], "200"),
        ("GET /version", &[("authorization", "")], "200"),
        ("GET /cacerts", &[("authorization", "")], "200"),
        ("GET /api", &[("authorization", "")], "401 Unauthorized"),
        ("GET /livez", &[("authorization", "Bearer wrong")], "401 Unauthorized"),
        ("GET /livez", &[("authorization", "Basic YTpi")], "401 Unauthorized"),
        ("GET /api", &[("authorization", "Bearer nobody")], "200"),
        (
            "GET /api/v1/namespaces/default/pods/x/log",
            &[("authorization", "Bearer nobody")],
            r#"403 pods "x" is forbidden: User "nobody" cannot get resource "pods/log" in API group "" in the namespace "default""#,
        ),
        (
            "GET /apis/apps/v1/deployments",
            &[("authorization", "Bearer nobody")],
            r#"403 deployments.apps is forbidden: User "nobody" cannot list resource "deployments" in API group "apps" at the cluster scope"#,
        ),
        (
            "GET /metrics",
            &[("authorization", "Bearer nobody")],
            r#"403 forbidden: User "nobody" cannot get path "/metrics""#,
        ),
        (
            "GET /api/v1/pods",
            &[("impersonate-user", "bob")],
            r#"403 pods is forbidden: User "bob" cannot list resource "pods" in API group "" at the cluster scope"#,
        ),
        ("GET /api/v1/pods", &[("impersonate-user", "bob"), ("impersonate-group", "system:masters")], "200"),
        (
            "GET /api/v1/pods",
            &[("authorization", "Bearer nobody"), ("impersonate-user", "bob")],
            r#"403 users "bob" is forbidden: User "nobody" cannot impersonate resource "users" in API group "" at the cluster scope"#,
        ),
    ];
    for (line, headers, want) in table {
        let answer = world.ask(line, headers, "").await;
        let got = if answer.code < 300 { answer.code.to_string() } else { answer.refusal() };
        assert_eq!(&got, want, "{line} {headers:?}");
    }
}

#[tokio::test]
async fn a_service_account_does_what_it_is_bound_to() {
    let world = World::new().await;
    world.make("POST /api/v1/namespaces/default/serviceaccounts", r#"{"metadata":{"name":"sa"}}"#).await;
    let token = world.make("POST /api/v1/namespaces/default/serviceaccounts/sa/token", r#"{"spec":{}}"#).await.json();
    let bearer = format!("Bearer {}", token["status"]["token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let pods = "GET /api/v1/namespaces/default/pods";
    assert_eq!(world.ask(pods, &headers, "").await.code, 403);

    let binding = r#"{"metadata":{"name":"b"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"view"},
        "subjects":[{"kind":"ServiceAccount","name":"sa","namespace":"default"}]}"#;
    world.make("POST /apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", binding).await;
    world.until(200, pods, &headers).await;
    assert_eq!(world.ask("GET /api/v1/pods", &headers, "").await.code, 403, "in its namespace only");

    let review = world.ask("POST /apis/authentication.k8s.io/v1/selfsubjectreviews", &headers, "{}").await.json();
    assert_eq!(review["status"]["userInfo"]["username"], "system:serviceaccount:default:sa");
    world.ask("DELETE /api/v1/namespaces/default/serviceaccounts/sa", &[], "").await;
    assert_eq!(world.ask(pods, &headers, "").await.code, 401, "a token dies with its account");
}

#[tokio::test]
async fn nobody_grants_what_they_do_not_have() {
    let world = World::new().await;
    let bind = r#"{"metadata":{"name":"x"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"admin"},
        "subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":"bob"}]}"#;
    world.make("POST /apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings", bind).await;
    let bob = [("impersonate-user", "bob")];
    world.until(200, "GET /api/v1/namespaces/default/secrets", &bob).await;
    let role = r#"{"metadata":{"name":"r"},"rules":[{"verbs":["get","brew"],"apiGroups":["example.io"],"resources":["coffees"]}]}"#;
    let answer = world.ask("POST /apis/rbac.authorization.k8s.io/v1/namespaces/default/roles", &bob, role).await;
    expect![[r#"
        403 roles.rbac.authorization.k8s.io "r" is forbidden: user "bob" (groups=["system:authenticated"]) is attempting to grant RBAC permissions not currently held:
        {APIGroups:["example.io"], Resources:["coffees"], Verbs:["get" "brew"]}"#]]
    .assert_eq(&answer.refusal());
}
