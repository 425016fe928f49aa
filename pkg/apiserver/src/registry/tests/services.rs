//! Addresses and node ports.

use expect_test::expect;

use super::{Lab, tree};

const SERVICES: &str = "/api/v1/namespaces/default/services";
const ADDRESSES: &str = "/apis/networking.k8s.io/v1/ipaddresses";

fn service(name: &str, spec: &str) -> String {
    let ports = r#""ports":[{"port":80}]"#;
    let comma = if spec.is_empty() { "" } else { "," };
    format!(r#"{{"metadata":{{"name":"{name}"}},"spec":{{{spec}{comma}{ports}}}}}"#)
}

#[tokio::test]
async fn what_a_cluster_starts_with() {
    let lab = Lab::new().await;
    lab.check(
        &format!("GET {SERVICES}/kubernetes"),
        "",
        "spec.clusterIP spec.clusterIPs spec.ipFamilies",
        expect![[r#"200 "10.43.0.1" ["10.43.0.1"] ["IPv4"]"#]],
    )
    .await;
    lab.check(
        &format!("GET {ADDRESSES}/10.43.0.1"),
        "",
        "spec.parentRef",
        expect![[r#"200 {"group":"","name":"kubernetes","namespace":"default","resource":"services"}"#]],
    )
    .await;
    lab.check(
        "GET /apis/networking.k8s.io/v1/servicecidrs/kubernetes",
        "",
        "spec",
        expect![[r#"200 {"cidrs":["10.43.0.0/16"]}"#]],
    )
    .await;
    lab.check(
        "GET /apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes",
        "",
        "endpoints.0.addresses ports.0.port",
        expect![[r#"200 ["192.0.2.1"] 6443"#]],
    )
    .await;
    lab.check("GET /api/v1/namespaces", "", "", expect!["200 [default kube-node-lease kube-public kube-system]"]).await;
    lab.check(
        "GET /apis/scheduling.k8s.io/v1/priorityclasses",
        "",
        "",
        expect!["200 [system-cluster-critical system-node-critical]"],
    )
    .await;
}

#[tokio::test]
async fn addresses_are_given_and_given_back() {
    let lab = Lab::new().await;
    let post = format!("POST {SERVICES}");
    let made = tree(lab.ask(&post, &service("a", "")).await.unwrap());
    let ip = made.str_at(&["spec", "clusterIP"]).to_owned();
    assert!(ip.starts_with("10.43."), "{ip}");
    lab.check(&format!("GET {ADDRESSES}/{ip}"), "", "spec.parentRef.name", expect![[r#"200 "a""#]]).await;
    lab.ask(&format!("DELETE {SERVICES}/a"), "").await.unwrap();
    assert_eq!(lab.ask(&format!("GET {ADDRESSES}/{ip}"), "").await.unwrap_err().code(), 404);

    let fixed = |name: &str, ip: &str| service(name, &format!(r#""clusterIP":"{ip}""#));
    lab.check(&post, &fixed("b", "10.43.0.10"), "spec.clusterIPs", expect![[r#"201 ["10.43.0.10"]"#]]).await;
    lab.check(&post, &fixed("c", "10.43.0.10"), "", expect![[r#"422 Invalid Service "c" is invalid: spec.clusterIPs: Invalid value: ["10.43.0.10"]: failed to allocate IP 10.43.0.10: provided IP is already allocated"#]]).await;
    lab.check(&post, &fixed("c", "10.44.0.10"), "", expect![[r#"422 Invalid Service "c" is invalid: spec.clusterIPs: Invalid value: ["10.44.0.10"]: failed to allocate IP 10.44.0.10: the provided IP (10.44.0.10) is not in the valid range. The range of valid IPs is 10.43.0.0/16"#]]).await;
    lab.check(
        &post,
        &fixed("c", "None"),
        "spec.clusterIPs spec.ipFamilies spec.ipFamilyPolicy",
        expect![[r#"201 ["None"] ["IPv4","IPv6"] "RequireDualStack""#]],
    )
    .await;
    lab.check(
        &format!("{post}?dryRun=All"),
        &fixed("d", "10.43.0.11"),
        "spec.clusterIP",
        expect![[r#"201 "10.43.0.11""#]],
    )
    .await;
    lab.check(&post, &fixed("d", "10.43.0.11"), "spec.clusterIP", expect![[r#"201 "10.43.0.11""#]]).await;
}

#[tokio::test]
async fn updates_keep_what_was_given() {
    let lab = Lab::new().await;
    let show = "spec.type spec.clusterIP spec.ports.0.nodePort";
    let b = r#""clusterIP":"10.43.0.10","type":"NodePort""#;
    let b = service("b", b).replace(r#""port":80"#, r#""port":80,"nodePort":30080"#);
    lab.check(&format!("POST {SERVICES}"), &b, show, expect![[r#"201 "NodePort" "10.43.0.10" 30080"#]]).await;
    lab.check(
        &format!("PUT {SERVICES}/b"),
        &service("b", r#""type":"NodePort""#),
        show,
        expect![[r#"200 "NodePort" "10.43.0.10" 30080"#]],
    )
    .await;
    lab.check(
        &format!("MERGE {SERVICES}/b"),
        r#"{"spec":{"clusterIP":"10.43.0.12"}}"#,
        show,
        expect![[r#"422 Invalid Service "b" is invalid: spec.clusterIPs[0]: Invalid value: ["10.43.0.12"]: may not change once set"#]],
    )
    .await;
    lab.check(
        &format!("PUT {SERVICES}/b"),
        &service("b", r#""type":"ClusterIP""#),
        show,
        expect![[r#"200 "ClusterIP" "10.43.0.10" -"#]],
    )
    .await;
    let taken = service("c", r#""type":"NodePort""#).replace(r#""port":80"#, r#""port":80,"nodePort":30080"#);
    lab.check(&format!("POST {SERVICES}"), &taken, show.split_once(' ').unwrap().0, expect![[r#"201 "NodePort""#]])
        .await;
    lab.check(&format!("POST {SERVICES}"), &taken.replace("\"c\"", "\"d\""), "", expect![[r#"422 Invalid Service "d" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated"#]]).await;
    let outside = taken.replace("\"c\"", "\"d\"").replace("30080", "80");
    lab.check(&format!("POST {SERVICES}"), &outside, "", expect![[r#"422 Invalid Service "d" is invalid: spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767"#]]).await;
    let external = r#"{"spec":{"type":"ExternalName","externalName":"x.example","clusterIP":"","clusterIPs":null}}"#;
    lab.check(
        &format!("MERGE {SERVICES}/b"),
        external,
        "spec.type spec.clusterIP",
        expect![[r#"200 "ExternalName" -"#]],
    )
    .await;
    assert_eq!(lab.ask(&format!("GET {ADDRESSES}/10.43.0.10"), "").await.unwrap_err().code(), 404);
}

#[tokio::test]
async fn many_at_once_never_share() {
    let lab = Lab::new().await;
    let bodies: Vec<_> = (0..40).map(|i| service(&format!("s{i}"), r#""type":"NodePort""#)).collect();
    let post = format!("POST {SERVICES}");
    let all = futures_util::future::join_all(bodies.iter().map(|b| lab.ask(&post, b))).await;
    let mut seen = std::collections::BTreeSet::new();
    for answer in all {
        let s = tree(answer.unwrap());
        let port = s.list_at(&["spec", "ports"])[0].get("nodePort").and_then(knarr_api::Value::as_i64).unwrap();
        assert!(seen.insert(s.str_at(&["spec", "clusterIP"]).to_owned()) && seen.insert(port.to_string()));
    }
}

#[tokio::test]
async fn a_restart_knows_what_is_taken() {
    let mut lab = Lab::new().await;
    let one = service("a", r#""type":"NodePort""#).replace(r#""port":80"#, r#""port":80,"nodePort":30080"#);
    lab.ask(&format!("POST {SERVICES}"), &one).await.unwrap();
    lab.restart();
    lab.check(&format!("POST {SERVICES}"), &one.replace("\"a\"", "\"b\""), "", expect![[r#"422 Invalid Service "b" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated"#]]).await;
    lab.ask(&format!("DELETE {SERVICES}/a"), "").await.unwrap();
    lab.check(&format!("POST {SERVICES}"), &one, "spec.type", expect![[r#"201 "NodePort""#]]).await;
}
