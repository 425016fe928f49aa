//! Objects come, change and go.

use expect_test::expect;

use super::{Lab, tree};

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

const DEPLOYMENT: &str = r#"{"metadata":{"name":"web"},"spec":{"replicas":2,"selector":{"matchLabels":{"a":"b"}},
    "template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}},
    "status":{"replicas":7}}"#;
const POD: &str = r#"{"metadata":{"name":"p","labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}"#;

#[tokio::test]
async fn a_config_map() {
    let lab = Lab::new().await;
    let a = r#"{"metadata":{"name":"a"},"data":{"k":"v"}}"#;
    lab.check(
        &format!("POST {MAPS}"),
        a,
        "kind apiVersion metadata.namespace metadata.creationTimestamp data",
        expect![[r#"201 "ConfigMap" "v1" "default" "2026-01-02T03:04:05Z" {"k":"v"}"#]],
    )
    .await;
    lab.check(&format!("POST {MAPS}"), a, "", expect![[r#"409 AlreadyExists configmaps "a" already exists"#]]).await;
    lab.check(
        &format!("GET {MAPS}/a"),
        "",
        "data metadata.managedFields.0.manager metadata.managedFields.0.fieldsV1",
        expect![[r#"200 {"k":"v"} "test" {"f:data":{".":{},"f:k":{}}}"#]],
    )
    .await;
    lab.check(&format!("GET {MAPS}/b"), "", "", expect![[r#"404 NotFound configmaps "b" not found"#]]).await;
    lab.check(
        &format!("PUT {MAPS}/a"),
        r#"{"metadata":{"name":"a"},"data":{"k":"w"}}"#,
        "data",
        expect![[r#"200 {"k":"w"}"#]],
    )
    .await;
    lab.check(
        &format!("PUT {MAPS}/b"),
        r#"{"metadata":{"name":"b"}}"#,
        "",
        expect![[r#"404 NotFound configmaps "b" not found"#]],
    )
    .await;
    lab.check(
        &format!("PUT {MAPS}/b"),
        r#"{"metadata":{"name":"a"}}"#,
        "",
        expect!["400 BadRequest the name of the object (a) does not match the name on the URL (b)"],
    )
    .await;
    lab.check(&format!("MERGE {MAPS}/a"), r#"{"data":{"x":"y"}}"#, "data", expect![[r#"200 {"k":"w","x":"y"}"#]]).await;
    lab.check(
        &format!("JSON {MAPS}/a"),
        r#"[{"op":"remove","path":"/data/x"}]"#,
        "data",
        expect![[r#"200 {"k":"w"}"#]],
    )
    .await;
    lab.check(&format!("STRATEGIC {MAPS}/a"), r#"{"data":{"k":null,"z":"1"}}"#, "data", expect![[r#"200 {"z":"1"}"#]])
        .await;
    lab.check(&format!("DELETE {MAPS}/a?uid=other"), "", "", expect![[r#"409 Conflict Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (other) does not match the UID in record (UID). The object might have been deleted and then recreated"#]]).await;
    lab.check(&format!("DELETE {MAPS}/a"), "", "", expect!["200 Success configmaps a"]).await;
    lab.check(&format!("GET {MAPS}/a"), "", "", expect![[r#"404 NotFound configmaps "a" not found"#]]).await;
}

#[tokio::test]
async fn objects_stay_where_the_url_says() {
    let lab = Lab::new().await;
    lab.ask(&format!("POST {MAPS}"), r#"{"metadata":{"name":"a"}}"#).await.unwrap();
    let deployments = "/apis/apps/v1/namespaces/default/deployments";
    let deployment = r#"{"metadata":{"name":"a"},"spec":{"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},"spec":{"containers":[{"name":"a","image":"a"}]}}}}"#;
    lab.ask(&format!("POST {deployments}"), deployment).await.unwrap();
    let whole = |meta: &str| format!(r#"{{"metadata":{meta}}}"#);
    let json = |op: &str| format!("[{op}]");
    let (renamed, moved) = (whole(r#"{"name":"b"}"#), whole(r#"{"name":"a","namespace":"other"}"#));
    let both = whole(r#"{"name":"b","namespace":"other"}"#);
    let here = whole(r#"{"name":"a","namespace":"default"}"#);
    let name = "400 BadRequest the name of the object (b) does not match the name on the URL (a)";
    let nameless = "400 BadRequest the name of the object (a based on URL) was undeterminable: name must be provided";
    let namespace =
        "400 BadRequest the namespace of the provided object does not match the namespace sent on the request";
    let apply = |at: &str| format!("APPLY {at}?fieldManager=x");
    let a = format!("{MAPS}/a");
    let table = [
        (format!("PUT {a}"), renamed.clone(), name),
        (format!("PUT {a}"), moved.clone(), namespace),
        (format!("PUT {a}"), both.clone(), namespace),
        (format!("PUT {a}"), whole("{}"), nameless),
        (format!("PUT {a}"), here.clone(), "200"),
        (format!("MERGE {a}"), renamed.clone(), name),
        (format!("MERGE {a}"), moved.clone(), namespace),
        (format!("MERGE {a}"), whole(r#"{"name":null}"#), nameless),
        (format!("MERGE {a}"), whole(r#"{"namespace":null}"#), "200"),
        (format!("MERGE {a}"), here.clone(), "200"),
        (format!("STRATEGIC {a}"), renamed.clone(), name),
        (format!("STRATEGIC {a}"), both, namespace),
        (format!("JSON {a}"), json(r#"{"op":"replace","path":"/metadata/name","value":"b"}"#), name),
        (format!("JSON {a}"), json(r#"{"op":"replace","path":"/metadata/namespace","value":"c"}"#), namespace),
        (apply(&a), renamed.clone(), name),
        (apply(&a), moved.clone(), namespace),
        (apply(&a), here, "200"),
        (apply(&format!("{MAPS}/new")), whole(r#"{"name":"new","namespace":"other"}"#), namespace),
        (
            apply(&format!("{MAPS}/new")),
            renamed.clone(),
            "400 BadRequest the name of the object (b) does not match the name on the URL (new)",
        ),
        (format!("MERGE {deployments}/a/status"), renamed.clone(), name),
        (format!("MERGE {deployments}/a/scale"), renamed.clone(), name),
        (format!("MERGE {deployments}/a/scale"), moved, namespace),
        (format!("PUT {deployments}/a/scale"), renamed, name),
    ];
    for (line, body, want) in table {
        let got = super::text(lab.ask(&line, &body).await, "");
        assert_eq!(got, want, "{line} {body}");
    }
}

#[tokio::test]
async fn what_is_refused() {
    let lab = Lab::new().await;
    let post = format!("POST {MAPS}");
    lab.check(&post, r#"{"metadata":{"name":"A_b"}}"#, "", expect![[r#"422 Invalid ConfigMap "A_b" is invalid: metadata.name: Invalid value: "A_b": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#]]).await;
    lab.check(
        &post,
        r#"{}"#,
        "",
        expect![[
            r#"422 Invalid ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required"#
        ]],
    )
    .await;
    lab.check(
        &post,
        r#"{"metadata":{"name":"a","namespace":"other"}}"#,
        "",
        expect!["400 BadRequest the namespace of the provided object does not match the namespace sent on the request"],
    )
    .await;
    lab.check(
        &post,
        r#"{"metadata":{"name":"a","resourceVersion":"3"}}"#,
        "",
        expect!["500  resourceVersion should not be set on objects to be created"],
    )
    .await;
    lab.check(&post, r#"{"metadata":{"name":"a","labels":{"-":"!"}}}"#, "", expect![[r#"422 Invalid ConfigMap "a" is invalid: [metadata.labels: Invalid value: "-": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'), metadata.labels: Invalid value: "!": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')]"#]]).await;
    lab.check(
        &post,
        r#"{"apiVersion":"v2","metadata":{"name":"a"}}"#,
        "",
        expect!["400 BadRequest the API version in the data (v2) does not match the expected API version (v1)"],
    )
    .await;
    lab.check(
        &post,
        r#"{"metadata":{"name":"a"},"data":{"k":1}}"#,
        "",
        expect![[r#"400 BadRequest ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string"#]],
    )
    .await;
    lab.check(
        &format!("{post}?fieldValidation=Strict"),
        r#"{"metadata":{"name":"a"},"dat":{}}"#,
        "",
        expect![[r#"400 BadRequest ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "dat""#]],
    )
    .await;
    lab.check(
        &post,
        r#"{"metadata":{"name":"a"},"dat":{}}"#,
        "metadata.name",
        expect![[r#"201 (unknown field "dat") "a""#]],
    )
    .await;
    lab.check(
        "POST /api/v1/namespaces/none/configmaps",
        r#"{"metadata":{"name":"a"}}"#,
        "",
        expect![[r#"404 NotFound namespaces "none" not found"#]],
    )
    .await;
    lab.check(
        "DELETE /api/v1/namespaces",
        "",
        "",
        expect![[r#"405 MethodNotAllowed deletecollection is not supported on resources of kind "namespaces""#]],
    )
    .await;
    lab.check(
        "DELETE /api/v1/namespaces/default",
        "",
        "",
        expect![[r#"403 Forbidden namespaces "default" is forbidden: this namespace may not be deleted"#]],
    )
    .await;
}

#[tokio::test]
async fn optimistic_locking() {
    let lab = Lab::new().await;
    let made = tree(lab.ask(&format!("POST {MAPS}"), r#"{"metadata":{"name":"a"},"data":{"k":"1"}}"#).await.unwrap());
    let seen = made.str_at(&["metadata", "resourceVersion"]).to_owned();
    let put =
        |data: &str| format!(r#"{{"metadata":{{"name":"a","resourceVersion":"{seen}"}},"data":{{"k":"{data}"}}}}"#);
    lab.check(&format!("PUT {MAPS}/a"), &put("2"), "data", expect![[r#"200 {"k":"2"}"#]]).await;
    lab.check(&format!("PUT {MAPS}/a"), &put("3"), "data", expect![[r#"409 Conflict Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again"#]]).await;
    let patch = format!(r#"{{"metadata":{{"resourceVersion":"{seen}"}},"data":{{"k":"3"}}}}"#);
    lab.check(&format!("MERGE {MAPS}/a"), &patch, "", expect![[r#"409 Conflict Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again"#]]).await;
    lab.check(&format!("PUT {MAPS}/a"), r#"{"metadata":{"name":"a","uid":"u"}}"#, "", expect![[r#"409 Conflict Operation cannot be fulfilled on configmaps "a": Precondition failed: UID in precondition: u, UID in object meta: UID"#]]).await;
    let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    lab.ask(&format!("POST {lease}"), r#"{"metadata":{"name":"l"},"spec":{}}"#).await.unwrap();
    lab.check(&format!("PUT {lease}/l"), r#"{"metadata":{"name":"l"},"spec":{}}"#, "", expect![[r#"422 Invalid leases.coordination.k8s.io "l" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"#]]).await;
}

#[tokio::test]
async fn a_write_without_change_has_no_revision() {
    let lab = Lab::new().await;
    let body = r#"{"metadata":{"name":"a","labels":{"l":"1"}},"data":{"k":"v"}}"#;
    let made = tree(lab.ask(&format!("POST {MAPS}"), body).await.unwrap());
    lab.pass(100);
    for line in ["PUT", "MERGE", "STRATEGIC"] {
        let again = tree(lab.ask(&format!("{line} {MAPS}/a"), body).await.unwrap());
        assert_eq!(made, again, "{line}");
    }
    let apply = format!("APPLY {MAPS}/a?fieldManager=m");
    let first = tree(lab.ask(&apply, body).await.unwrap());
    lab.pass(100);
    assert_eq!(first, tree(lab.ask(&apply, body).await.unwrap()));
}

#[tokio::test]
async fn dry_runs_leave_nothing() {
    let lab = Lab::new().await;
    lab.check(
        &format!("POST {MAPS}?dryRun=All"),
        r#"{"metadata":{"name":"a"}}"#,
        "metadata.name metadata.resourceVersion",
        expect![[r#"201 "a" -"#]],
    )
    .await;
    lab.check(&format!("GET {MAPS}/a"), "", "", expect![[r#"404 NotFound configmaps "a" not found"#]]).await;
    lab.ask(&format!("POST {MAPS}"), r#"{"metadata":{"name":"a"}}"#).await.unwrap();
    lab.check(&format!("MERGE {MAPS}/a?dryRun=All"), r#"{"data":{"x":"y"}}"#, "data", expect![[r#"200 {"x":"y"}"#]])
        .await;
    lab.check(&format!("DELETE {MAPS}/a?dryRun=All"), "", "", expect!["200 Success configmaps a"]).await;
    lab.check(&format!("GET {MAPS}/a"), "", "data", expect!["200 -"]).await;
}

#[tokio::test]
async fn generated_names() {
    let lab = Lab::new().await;
    let made = tree(lab.ask(&format!("POST {MAPS}"), r#"{"metadata":{"generateName":"a-"}}"#).await.unwrap());
    let name = made.str_at(&["metadata", "name"]);
    assert!(name.starts_with("a-") && name.len() == 7, "{name}");
}

#[tokio::test]
async fn a_deployment_has_a_generation_and_a_status_of_its_own() {
    let lab = Lab::new().await;
    let show = "metadata.generation spec.replicas status";
    lab.check(&format!("POST {DEPLOYMENTS}"), DEPLOYMENT, show, expect!["201 1 2 -"]).await;
    lab.check(&format!("MERGE {DEPLOYMENTS}/web"), r#"{"status":{"replicas":9}}"#, show, expect!["200 1 2 -"]).await;
    lab.check(&format!("MERGE {DEPLOYMENTS}/web"), r#"{"metadata":{"labels":{"x":"y"}}}"#, show, expect!["200 1 2 -"])
        .await;
    lab.check(&format!("MERGE {DEPLOYMENTS}/web"), r#"{"spec":{"replicas":3}}"#, show, expect!["200 2 3 -"]).await;
    lab.check(
        &format!("MERGE {DEPLOYMENTS}/web/status"),
        r#"{"spec":{"replicas":5},"status":{"replicas":4}}"#,
        show,
        expect![[r#"200 2 3 {"replicas":4}"#]],
    )
    .await;
}

#[tokio::test]
async fn finalizers_hold_an_object_back() {
    let lab = Lab::new().await;
    let show = "metadata.deletionTimestamp metadata.deletionGracePeriodSeconds metadata.finalizers";
    lab.ask(&format!("POST {MAPS}"), r#"{"metadata":{"name":"a","finalizers":["x/y"]}}"#).await.unwrap();
    lab.check(&format!("DELETE {MAPS}/a"), "", show, expect![[r#"200 "2026-01-02T03:04:05Z" 0 ["x/y"]"#]]).await;
    lab.pass(10);
    lab.check(&format!("DELETE {MAPS}/a"), "", show, expect![[r#"200 "2026-01-02T03:04:05Z" 0 ["x/y"]"#]]).await;
    lab.check(&format!("MERGE {MAPS}/a"), r#"{"metadata":{"finalizers":["x/y","x/z"]}}"#, "", expect![[r#"422 Invalid ConfigMap "a" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"x/z"}"#]]).await;
    lab.check(
        &format!("MERGE {MAPS}/a"),
        r#"{"metadata":{"finalizers":null}}"#,
        show,
        expect![[r#"200 "2026-01-02T03:04:05Z" 0 -"#]],
    )
    .await;
    lab.check(&format!("GET {MAPS}/a"), "", "", expect![[r#"404 NotFound configmaps "a" not found"#]]).await;
}

#[tokio::test]
async fn what_becomes_of_dependents() {
    let lab = Lab::new().await;
    for (name, policy) in [("o", "Orphan"), ("f", "Foreground"), ("b", "Background")] {
        lab.ask(&format!("POST {MAPS}"), &format!(r#"{{"metadata":{{"name":"{name}"}}}}"#)).await.unwrap();
        let line = format!("DELETE {MAPS}/{name}?propagationPolicy={policy}");
        let expected = match policy {
            "Orphan" => expect![[r#"200 ["orphan"]"#]],
            "Foreground" => expect![[r#"200 ["foregroundDeletion"]"#]],
            _ => expect!["200 Success configmaps b"],
        };
        lab.check(&line, "", "metadata.finalizers", expected).await;
    }
}

#[tokio::test]
async fn a_pod_goes_gracefully() {
    let lab = Lab::new().await;
    let show = "metadata.deletionTimestamp metadata.deletionGracePeriodSeconds spec.nodeName";
    lab.ask(&format!("POST {PODS}"), POD).await.unwrap();
    let binding = r#"{"metadata":{"name":"p"},"target":{"kind":"Node","name":"n1"}}"#;
    lab.check(&format!("POST {PODS}/p/binding"), binding, "", expect!["201 Success"]).await;
    lab.check(
        &format!("POST {PODS}/p/binding"),
        binding,
        "",
        expect![[
            r#"409 Conflict Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "n1""#
        ]],
    )
    .await;
    lab.check(
        &format!("GET {PODS}/p"),
        "",
        "spec.nodeName status.conditions.0.type status.conditions.0.status",
        expect![[r#"200 "n1" "PodScheduled" "True""#]],
    )
    .await;
    lab.check(&format!("DELETE {PODS}/p"), "", show, expect![[r#"200 "2026-01-02T03:04:35Z" 30 "n1""#]]).await;
    lab.pass(5);
    lab.check(
        &format!("DELETE {PODS}/p?gracePeriodSeconds=60"),
        "",
        show,
        expect![[r#"200 "2026-01-02T03:04:35Z" 30 "n1""#]],
    )
    .await;
    lab.check(
        &format!("DELETE {PODS}/p?gracePeriodSeconds=10"),
        "",
        show,
        expect![[r#"200 "2026-01-02T03:04:15Z" 10 "n1""#]],
    )
    .await;
    lab.check(
        &format!("DELETE {PODS}/p?gracePeriodSeconds=0"),
        "",
        show,
        expect![[r#"200 "2026-01-02T03:04:10Z" 0 "n1""#]],
    )
    .await;
    lab.check(&format!("GET {PODS}/p"), "", "", expect![[r#"404 NotFound pods "p" not found"#]]).await;
    lab.ask(&format!("POST {PODS}"), POD).await.unwrap();
    lab.check(&format!("DELETE {PODS}/p"), "", show, expect![[r#"200 "2026-01-02T03:04:10Z" 0 -"#]]).await;
    lab.check(&format!("GET {PODS}/p"), "", "", expect![[r#"404 NotFound pods "p" not found"#]]).await;
}

#[tokio::test]
async fn a_namespace_ends_in_two_steps() {
    let lab = Lab::new().await;
    let show = "status.phase spec.finalizers metadata.labels";
    lab.check(
        "POST /api/v1/namespaces",
        r#"{"metadata":{"name":"x"}}"#,
        show,
        expect![[r#"201 "Active" ["kubernetes"] {"kubernetes.io/metadata.name":"x"}"#]],
    )
    .await;
    lab.check(
        "DELETE /api/v1/namespaces/x",
        "",
        show,
        expect![[r#"200 "Terminating" ["kubernetes"] {"kubernetes.io/metadata.name":"x"}"#]],
    )
    .await;
    lab.check("POST /api/v1/namespaces/x/configmaps", r#"{"metadata":{"name":"a"}}"#, "", expect![[r#"403 Forbidden configmaps "a" is forbidden: unable to create new content in namespace x because it is being terminated"#]]).await;
    lab.check(
        "DELETE /api/v1/namespaces/x",
        "",
        show,
        expect![[r#"200 "Terminating" ["kubernetes"] {"kubernetes.io/metadata.name":"x"}"#]],
    )
    .await;
    lab.check(
        "PUT /api/v1/namespaces/x/finalize",
        r#"{"metadata":{"name":"x"},"spec":{"finalizers":[]}}"#,
        show,
        expect![[r#"200 "Terminating" - {"kubernetes.io/metadata.name":"x"}"#]],
    )
    .await;
    lab.check("GET /api/v1/namespaces/x", "", "", expect![[r#"404 NotFound namespaces "x" not found"#]]).await;
}

#[tokio::test]
async fn one_event_two_faces() {
    let lab = Lab::new().await;
    let event = r#"{"metadata":{"name":"e"},"involvedObject":{"kind":"Pod","name":"p","namespace":"default"},
        "reason":"r","message":"m","type":"Normal","source":{"component":"c"}}"#;
    let core = "/api/v1/namespaces/default/events";
    let new = "/apis/events.k8s.io/v1/namespaces/default/events";
    lab.check(&format!("POST {core}"), event, "apiVersion message", expect![[r#"201 "v1" "m""#]]).await;
    lab.check(
        &format!("GET {new}/e"),
        "",
        "apiVersion kind note regarding.name deprecatedSource message",
        expect![[r#"200 "events.k8s.io/v1" "Event" "m" "p" {"component":"c"} -"#]],
    )
    .await;
    lab.check(&format!("GET {new}?fieldSelector=regarding.name=p"), "", "", expect!["200 [e]"]).await;
    lab.check(&format!("MERGE {new}/e"), r#"{"note":"n"}"#, "note", expect![[r#"200 "n""#]]).await;
    lab.check(
        &format!("GET {core}/e"),
        "",
        "apiVersion message metadata.managedFields.1.apiVersion",
        expect![[r#"200 "v1" "n" "v1""#]],
    )
    .await;
}

#[tokio::test]
async fn one_autoscaler_two_faces() {
    let lab = Lab::new().await;
    let v1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
    let v2 = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers";
    let body = r#"{"metadata":{"name":"h"},"spec":{"maxReplicas":3,"targetCPUUtilizationPercentage":50,
        "scaleTargetRef":{"kind":"Deployment","name":"web","apiVersion":"apps/v1"}}}"#;
    lab.check(
        &format!("POST {v1}"),
        body,
        "apiVersion spec.targetCPUUtilizationPercentage",
        expect![[r#"201 "autoscaling/v1" 50"#]],
    )
    .await;
    lab.check(
        &format!("GET {v2}/h"),
        "",
        "apiVersion spec.metrics.0.resource",
        expect![[r#"200 "autoscaling/v2" {"name":"cpu","target":{"averageUtilization":50,"type":"Utilization"}}"#]],
    )
    .await;
    lab.check(
        &format!("MERGE {v1}/h"),
        r#"{"spec":{"targetCPUUtilizationPercentage":60}}"#,
        "spec.targetCPUUtilizationPercentage",
        expect!["200 60"],
    )
    .await;
    lab.check(&format!("GET {v2}/h"), "", "spec.metrics.0.resource.target.averageUtilization", expect!["200 60"]).await;
}
