//! Services and names, from inside pods, from the node and from outside.

use std::{collections::BTreeSet, process::Command};

use anyhow::{Context as _, Result, ensure};

use super::{asker, fetch};
use crate::{
    command,
    poll::{secs, until},
    suite::{Case, Cx, Place::Shared, case},
    text::{has, is},
};

pub const CASES: &[Case] = &[
    case("network/ClusterIP and names", Shared(cluster_ip)),
    case("network/NodePort", Shared(node_port)),
    case("network/headless", Shared(headless)),
    case("network/endpoints follow readiness", Shared(endpoints)),
    case("network/affinity", Shared(affinity)),
    case("network/names", Shared(names)),
    case("network/pods reach the world and each other", Shared(reach)),
];

/// Two pods that tell their names over HTTP, and a pod to ask from.
fn servers(cx: &Cx, service: &str) -> Result<Vec<String>> {
    let k = &cx.kubectl;
    k.apply(&format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: knarr.local/busybox:1
        command: [sh, -c, 'mkdir /www; hostname > /www/index.html; exec httpd -f -p 8080 -h /www']
        ports: [{{name: http, containerPort: 8080}}]
        readinessProbe: {{httpGet: {{path: /, port: http}}, periodSeconds: 1}}
---
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{selector: {{app: web}}, ports: [{{name: http, port: 80, targetPort: http}}], {service}}}
"
    ))?;
    asker(k)?;
    k.within(secs(60), "rollout status deployment/web")?;
    let pods = k.path("get pods -l app=web", "{.items[*].metadata.name}")?;
    Ok(pods.split(' ').map(str::to_owned).collect())
}

/// Asks often enough that both answer, and nothing fails.
fn both_answer(pods: &[String], ask: impl Fn() -> Result<String>) -> Result<()> {
    until(secs(10), "an answer", &ask)?;
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        seen.insert(ask()?.trim().to_owned());
    }
    let expected: BTreeSet<String> = pods.iter().cloned().collect();
    ensure!(seen == expected, "{seen:?} answered, not {expected:?}");
    Ok(())
}

fn cluster_ip(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let pods = servers(cx, "type: ClusterIP")?;
    let ip = k.path("get svc web", "{.spec.clusterIP}")?;
    both_answer(&pods, || fetch(k, &format!("http://{ip}/")))?;
    both_answer(&pods, || cx.node.curl(&format!("http://{ip}/"))).context("from the node")?;
    for name in [
        "web".to_owned(),
        format!("web.{}", cx.ns),
        format!("web.{}.svc", cx.ns),
        format!("web.{}.svc.cluster.local", cx.ns),
    ] {
        let page = fetch(k, &format!("http://{name}/")).with_context(|| name.clone())?;
        ensure!(pods.contains(&page.trim().to_owned()), "{name}: {page}");
    }
    // A pod reaches itself through its own Service.
    k.ok("exec asker -- httpd -p 8081 -h /etc")?;
    k.ok("expose pod asker --name=self --port=80 --target-port=8081")?;
    until(secs(10), "itself", || is(&fetch(k, "http://self/hostname")?, "asker"))?;
    // A Service nobody stands behind refuses at once.
    k.ok("create service clusterip empty --tcp=80:80")?;
    let empty = k.path("get svc empty", "{.spec.clusterIP}")?;
    until(secs(10), "a refusal", || {
        let begun = std::time::Instant::now();
        let answer = k.run(&format!("exec asker -- /usr/bin/curl -sS --max-time 5 http://{empty}/"), None, secs(20))?;
        ensure!(answer.code != 0 && begun.elapsed() < secs(3), "{answer:?} after {:?}", begun.elapsed());
        has(&answer.err, &["Failed to connect"])
    })
}

fn node_port(cx: &Cx) -> Result<()> {
    let pods = servers(cx, "type: NodePort")?;
    let port = cx.kubectl.path("get svc web", "{.spec.ports[0].nodePort}")?;
    let url = format!("http://{}:{port}/", cx.node.ip);
    // The suite itself is outside.
    both_answer(&pods, || command::ok(Command::new("curl").args(["-sS", "--max-time", "5", &url]), secs(10)))?;
    both_answer(&pods, || cx.node.curl(&url)).context("from the node")?;
    both_answer(&pods, || fetch(&cx.kubectl, &url)).context("from a pod")
}

fn headless(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let pods = servers(cx, "clusterIP: None")?;
    let ips = k.path("get pods -l app=web", "{.items[*].status.podIP}")?;
    let ips: BTreeSet<&str> = ips.split(' ').collect();
    until(secs(10), "both addresses", || {
        let out = k.ok(&format!("exec asker -- nslookup web.{}.svc.cluster.local", cx.ns))?;
        has(&out, &ips.iter().copied().collect::<Vec<_>>())
    })?;
    ensure!(pods.contains(&fetch(k, "http://web:8080/")?.trim().to_owned()));
    let srv = k.ok(&format!("exec asker -- nslookup -type=srv _http._tcp.web.{}.svc.cluster.local", cx.ns))?;
    has(&srv, &["8080", &format!("web.{}.svc.cluster.local", cx.ns)])
}

fn endpoints(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let pods = servers(cx, "type: ClusterIP")?;
    let addresses = || {
        k.path(
            "get endpointslices -l kubernetes.io/service-name=web",
            "{range .items[0].endpoints[*]}{.targetRef.name}={.conditions.ready} {end}",
        )
    };
    let ready = |n: usize| -> Result<()> {
        let out = addresses()?;
        ensure!(out.matches("=true").count() == n, "{out}");
        Ok(())
    };
    until(secs(10), "both endpoints", || ready(2))?;
    until(secs(10), "the old object", || {
        ensure_addresses(&k.path("get endpoints web", "{.subsets[0].addresses[*].targetRef.name}")?, 2)
    })?;
    // The page of the probe goes away: the pod leaves, and comes back with it.
    k.ok(&format!("exec {} -- mv /www/index.html /www/away", pods[0]))?;
    until(secs(15), "one to leave", || ready(1))?;
    let ip = k.path("get svc web", "{.spec.clusterIP}")?;
    both_answer(&pods[1..], || fetch(k, &format!("http://{ip}/")))?;
    k.ok(&format!("exec {} -- mv /www/away /www/index.html", pods[0]))?;
    until(secs(15), "it to come back", || ready(2))?;
    k.ok("scale deployment web --replicas=0")?;
    until(secs(30), "no endpoint", || is(&addresses()?, ""))
}

fn ensure_addresses(out: &str, n: usize) -> Result<()> {
    ensure!(out.split(' ').filter(|w| !w.is_empty()).count() == n, "{out:?}");
    Ok(())
}

fn affinity(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let pods = servers(cx, "sessionAffinity: ClientIP")?;
    let ip = k.path("get svc web", "{.spec.clusterIP}")?;
    let ask = || fetch(k, &format!("http://{ip}/"));
    let first = until(secs(10), "an answer", ask)?;
    ensure!(pods.contains(&first.trim().to_owned()), "{first}");
    for n in 0..15 {
        ensure!(ask()? == first, "request {n} went elsewhere");
    }
    Ok(())
}

fn names(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    servers(cx, "type: ClusterIP")?;
    k.ok("create service externalname away --external-name=web.example.test")?;
    let ask = |what: &str| k.run(&format!("exec asker -- nslookup {what}"), None, secs(20));
    let ip = k.path("get svc web", "{.spec.clusterIP}")?;
    let zone = format!("{}.svc.cluster.local", cx.ns);
    has(&ask("kubernetes.default.svc.cluster.local")?.out, &["10.43.0.1"])?;
    has(&ask(&format!("web.{zone}"))?.out, &["10.43.0.10", &ip])?;
    has(&ask(&format!("-type=cname away.{zone}"))?.out, &["web.example.test"])?;
    has(&ask(&format!("-type=ptr {}.in-addr.arpa", reversed(&ip)))?.out, &[&format!("web.{zone}")])?;
    let pod_ip = k.path("get pod asker", "{.status.podIP}")?;
    has(&ask(&format!("{}.{}.pod.cluster.local", pod_ip.replace('.', "-"), cx.ns))?.out, &[&pod_ip])?;
    let none = ask(&format!("none.{zone}"))?;
    ensure!(none.code != 0, "{none:?}");
    has(&format!("{}{}", none.out, none.err), &["NXDOMAIN"])?;
    has(&ask(&format!("-type=srv _http._tcp.web.{zone}"))?.out, &["80", &format!("web.{zone}")])
}

fn reversed(ip: &str) -> String {
    ip.split('.').rev().collect::<Vec<_>>().join(".")
}

fn reach(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    servers(cx, "type: ClusterIP")?;
    let outside = cx.node.netns.outside();
    k.ok(&format!("exec asker -- /usr/bin/ping -c 1 -W 3 {}", cx.node.ip)).context("the node")?;
    k.ok(&format!("exec asker -- /usr/bin/ping -c 1 -W 3 {outside}"))
        .context("the outside, which has no route back to pods")?;
    let other = k.path("get pods -l app=web", "{.items[0].status.podIP}")?;
    k.ok(&format!("exec asker -- /usr/bin/ping -c 1 -W 3 {other}")).context("another pod")?;
    fetch(k, &format!("http://{other}:8080/"))?;
    cx.node.curl(&format!("http://{other}:8080/")).context("a pod from the node")?;
    // The address a pod has is the one others see.
    let seen = k.ok("exec asker -- ip -4 -o address show eth0")?;
    has(&seen, &[&k.path("get pod asker", "{.status.podIP}")?])
}
