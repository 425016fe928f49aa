//! Everything together on a fake API.

use std::{sync::Arc, time::Duration};

use expect_test::{Expect, expect};
use knarr_api::{Value, value};
use knarr_client::{Api, ApiExt, fake::FakeApi, resources};
use knarr_daemon::{Stop, Tasks};

use super::tools::{ResolvConf, ask, request, until};
use crate::{Config, Dns, DnsError, Sockets, register};

fn config(file: &ResolvConf) -> Config {
    Config {
        domain: "cluster.local".to_owned(),
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        allow: Vec::new(),
        service: vec!["10.43.0.10".parse().unwrap()],
        resolv_conf: file.path(),
        node: "n1".to_owned(),
    }
}

async fn node(api: &FakeApi) {
    let node = value!({ "metadata": { "name": "n1", "uid": "u1" } });
    api.create(&resources::NODES, "", node).await.unwrap();
}

/// Sorted by key, with neither revision nor time.
#[track_caller]
fn check(tree: Option<Value>, expected: Expect) {
    fn text(value: &Value, depth: usize, out: &mut String) {
        let pad = "  ".repeat(depth);
        match value {
            Value::Object(map) => map.iter().for_each(|(key, value)| {
                out.push_str(&format!("\n{pad}{key}:"));
                text(value, depth + 1, out);
            }),
            Value::Array(items) => items.iter().for_each(|item| {
                out.push_str(&format!("\n{pad}-"));
                text(item, depth + 1, out);
            }),
            Value::String(s) => out.push_str(&format!(" {s}")),
            other => out.push_str(&format!(" {other:?}")),
        }
    }
    let mut tree = tree.expect("the object exists");
    tree.remove(&["metadata", "resourceVersion"]);
    let mut out = String::new();
    text(&tree, 0, &mut out);
    expected.assert_eq(&out);
}

#[tokio::test]
async fn answers_what_the_api_says_and_registers_its_endpoint() {
    let (api, file, tasks) = (FakeApi::new(), ResolvConf::new(&[]), Tasks::new(&Stop::new()));
    let dns = Dns::new(config(&file), Arc::new(api.clone())).unwrap();
    let sockets = Sockets::bind(&["127.0.0.1:0".parse().unwrap()]).await.unwrap();
    let address = sockets.addresses()[0];
    assert!(!dns.is_ready());
    dns.start_on(sockets, &tasks);
    until("the informers have read", || dns.is_ready()).await;
    // The endpoint waits for its Node.
    assert!(api.tree(&resources::ENDPOINT_SLICES, "kube-system", "kube-dns-n1").is_none());
    node(&api).await;
    let slice = || api.tree(&resources::ENDPOINT_SLICES, "kube-system", "kube-dns-n1");
    until("the endpoint is there", || slice().is_some()).await;
    check(
        slice(),
        expect![[r#"

        addressType: IPv4
        apiVersion: discovery.k8s.io/v1
        endpoints:
          -
            addresses:
              - 127.0.0.1
            conditions:
              ready: Bool(true)
              serving: Bool(true)
              terminating: Bool(false)
            nodeName: n1
        kind: EndpointSlice
        metadata:
          labels:
            endpointslice.kubernetes.io/managed-by: knarr-dns
            kubernetes.io/service-name: kube-dns
          name: kube-dns-n1
          namespace: kube-system
          ownerReferences:
            -
              apiVersion: v1
              kind: Node
              name: n1
              uid: u1
        ports:
          -
            name: dns
            port: Int(53)
            protocol: UDP
          -
            name: dns-tcp
            port: Int(53)
            protocol: TCP"#]],
    );

    let question = request("web.shop.svc.cluster.local", "A", 0);
    assert_eq!(ask(address, &question).await, "NXDomain aa");
    let web = value!({ "metadata": { "name": "web" }, "spec": { "clusterIP": "10.43.3.3" } });
    api.create(&resources::SERVICES, "shop", web).await.unwrap();
    let mut reply = String::new();
    for _ in 0..200 {
        reply = ask(address, &question).await;
        if reply != "NXDomain aa" {
            break;
        }
    }
    assert_eq!(reply, "NoError aa 5=10.43.3.3");

    api.delete(&resources::ENDPOINT_SLICES, "kube-system", "kube-dns-n1", "").await.unwrap();
    until("the endpoint is there again", || slice().is_some()).await;
    assert!(tasks.stop_all(Duration::from_secs(5)).await.is_empty());
}

#[tokio::test]
async fn the_service_is_made_and_made_again() {
    let (api, tasks) = (FakeApi::new(), Tasks::new(&Stop::new()));
    let shared: Arc<dyn Api> = Arc::new(api.clone());
    tasks.spawn("service", |stop| register::keep_service(shared, vec!["10.43.0.10".parse().unwrap()], stop));
    let service = || api.tree(&resources::SERVICES, "kube-system", "kube-dns");
    until("the Service is there", || service().is_some()).await;
    check(
        service(),
        expect![[r#"

        apiVersion: v1
        kind: Service
        metadata:
          labels:
            k8s-app: kube-dns
            kubernetes.io/cluster-service: true
            kubernetes.io/name: CoreDNS
          name: kube-dns
          namespace: kube-system
        spec:
          clusterIP: 10.43.0.10
          clusterIPs:
            - 10.43.0.10
          internalTrafficPolicy: Local
          ports:
            -
              name: dns
              port: Int(53)
              protocol: UDP
              targetPort: Int(53)
            -
              name: dns-tcp
              port: Int(53)
              protocol: TCP
              targetPort: Int(53)
          type: ClusterIP"#]],
    );
    api.delete(&resources::SERVICES, "kube-system", "kube-dns", "").await.unwrap();
    until("the Service is there again", || service().is_some()).await;
    let written = api.writes().len();
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(api.writes().len(), written, "its own writes do not wake it");
    assert!(tasks.stop_all(Duration::from_secs(5)).await.is_empty());
}

#[tokio::test]
async fn what_cannot_start_says_why() {
    let file = ResolvConf::new(&[]);
    let api = || Arc::new(FakeApi::new());
    let wrong = Config { domain: "a..b".to_owned(), ..config(&file) };
    assert_eq!(Dns::new(wrong, api()).err().unwrap().to_string(), r#""a..b" is not a domain name"#);
    let elsewhere = Config { listen: vec!["192.0.2.1:53".parse().unwrap()], ..config(&file) };
    let error = Dns::new(elsewhere, api()).unwrap().start(&Tasks::new(&Stop::new())).await.unwrap_err();
    assert!(matches!(&error, DnsError::Bind(_)));
    assert_eq!(error.to_string(), "listen on UDP 192.0.2.1:53");
}
