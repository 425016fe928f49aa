//! A second node: what joins, what goes on between the nodes, and what becomes of one that is away.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use super::{await_pod, equipped, pod};
use crate::{
    cluster::{self, Cluster},
    command,
    kubectl::Kubectl,
    node::Node,
    poll::{secs, until},
    suite::{
        Case, Env,
        Place::{Cluster as Pair, Host},
        case,
    },
    text::{has, is},
};

pub const CASES: &[Case] = &[
    case("nodes/a node joins", Pair(join)),
    case("nodes/pods, Services and names across nodes", Pair(network)),
    case("nodes/streams and metrics of a joined node", Pair(streams)),
    case("nodes/a DaemonSet reaches a node that joins later", Pair(daemon)),
    case("nodes/a node is away", Pair(node_away)),
    case("nodes/a node is deleted and joins again", Pair(rejoin)),
    case("nodes/direct routes", Host(direct)),
];

/// A line of a pod's spec that puts it on a host.
pub(super) fn on(host: &Node) -> String {
    format!("nodeSelector: {{kubernetes.io/hostname: {}}}", host.name)
}

/// On each host a pod that tells its host's name over HTTP, all behind one Service, and one to ask from.
pub(super) fn servers(cluster: &Cluster) -> Result<()> {
    let k = cluster.kubectl("default");
    for (host, letter) in cluster.hosts().into_iter().zip(["a", "b"]) {
        let name = format!("web-{letter}");
        let script = format!(
            "mkdir /www\necho {letter} > /www/index.html\ndd if=/dev/zero of=/www/big bs=1M count=8\nexec httpd -f -p 8080 -h /www"
        );
        k.apply(&pod(&name, &script, &on(host)))?;
        k.ok(&format!("label pod {name} group=web"))?;
        k.apply(&equipped(&format!("ask-{letter}"), "sleep 100000", &on(host)))?;
    }
    k.apply(
        "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {group: web}, ports: [{port: 80, targetPort: 8080}]}
",
    )?;
    ["web-a", "web-b", "ask-a", "ask-b"].iter().try_for_each(|name| await_pod(&k, name).map(drop))
}

/// A page as a pod sees it.
pub(super) fn fetch(k: &Kubectl, pod: &str, url: &str) -> Result<String> {
    k.ok(&format!("exec {pod} -- /usr/bin/curl -sSf --max-time 5 {url}"))
}

/// Both pods answer, and nothing fails.
pub(super) fn both_answer(ask: impl Fn() -> Result<String>) -> Result<()> {
    until(secs(10), "an answer", &ask)?;
    let mut seen = BTreeSet::new();
    for _ in 0..20 {
        seen.insert(ask()?.trim().to_owned());
    }
    ensure!(seen == ["a", "b"].map(str::to_owned).into(), "{seen:?} answered");
    Ok(())
}

/// Every pod reaches every pod, also with more than fits one packet.
fn reach_each_other(cluster: &Cluster) -> Result<()> {
    let k = cluster.kubectl("default");
    for asker in ["ask-a", "ask-b"] {
        for letter in ["a", "b"] {
            let ip = k.path(&format!("get pod web-{letter}"), "{.status.podIP}")?;
            let page = until(secs(10), "the page", || fetch(&k, asker, &format!("http://{ip}:8080/")));
            is(&page.with_context(|| format!("from {asker} to {letter}"))?, letter)?;
            let size = format!("http://{ip}:8080/big -o /dev/null -w %{{size_download}}");
            is(&fetch(&k, asker, &size)?, "8388608").with_context(|| format!("from {asker} to {letter}"))?;
        }
    }
    Ok(())
}

fn join(_: &Env, cluster: &Cluster) -> Result<()> {
    let k = cluster.kubectl("default");
    let [server, agent] = cluster.hosts().map(|host| k.json(&format!("get node {}", host.name)));
    let (server, agent) = (server?, agent?);
    let (one, two) = (&server["spec"]["podCIDR"], &agent["spec"]["podCIDR"]);
    ensure!(one != two && two.as_str().is_some_and(|c| c.starts_with("10.42.")), "podCIDRs {one} and {two}");
    let address = agent["status"]["addresses"].to_string();
    has(&address, &[&cluster.agent.ip.to_string()])?;
    ensure!(agent["metadata"]["labels"]["kubernetes.io/hostname"] == cluster.agent.name.as_str());
    ensure!(agent["metadata"]["labels"].get("node-role.kubernetes.io/control-plane").is_none(), "it has a role");
    let version = |node: &serde_json::Value| node["status"]["nodeInfo"]["kubeletVersion"].clone();
    ensure!(version(&server) == version(&agent));
    // A pod that nobody placed can run there.
    k.ok(&format!("cordon {}", cluster.server.name))?;
    k.apply(&pod("free", "sleep 1000", ""))?;
    let free = await_pod(&k, "free")?;
    ensure!(free["spec"]["nodeName"] == cluster.agent.name.as_str(), "{}", free["spec"]);
    k.ok(&format!("uncordon {}", cluster.server.name))?;
    // A restart of the agent touches no container, and needs no token.
    let before = k.path("get pod free", "{.status.containerStatuses[0].containerID}")?;
    for signal in [Signal::SIGTERM, Signal::SIGKILL] {
        cluster.agent.end(signal)?;
        cluster.agent.spawn()?;
        cluster.joined(secs(60))?;
    }
    is(&k.ok("exec free -- echo here")?, "here")?;
    let now = k.path(
        "get pod free",
        "{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}",
    )?;
    ensure!(now == format!("{before} 0"), "the container was {before} and is {now}");
    Ok(())
}

fn network(_: &Env, cluster: &Cluster) -> Result<()> {
    servers(cluster)?;
    reach_each_other(cluster)?;
    let k = cluster.kubectl("default");
    let ip = k.path("get svc web", "{.spec.clusterIP}")?;
    let port = k.path("get svc web", "{.spec.ports[0].nodePort}")?;
    for asker in ["ask-a", "ask-b"] {
        for name in [ip.as_str(), "web", "web.default.svc.cluster.local"] {
            both_answer(|| fetch(&k, asker, &format!("http://{name}/")))
                .with_context(|| format!("from {asker} to {name}"))?;
        }
        k.ok(&format!("exec {asker} -- /usr/bin/ping -c 1 -W 3 {}", cluster.server.netns.outside()))?;
        // Names of the world are the node's resolver's.
        let api = fetch(&k, asker, "-k https://kubernetes.default/readyz")?;
        is(&api, "ok").with_context(|| format!("the API from {asker}"))?;
    }
    for host in cluster.hosts() {
        let url = format!("http://{}:{port}/", host.ip);
        both_answer(|| {
            command::ok(std::process::Command::new("curl").args(["-sS", "--max-time", "5", &url]), secs(10))
        })
        .with_context(|| format!("from outside to {url}"))?;
        both_answer(|| cluster.server.curl(&url)).with_context(|| format!("from the server's host to {url}"))?;
        both_answer(|| host.curl(&format!("http://{ip}/"))).with_context(|| format!("{ip} from {}", host.name))?;
        for letter in ["a", "b"] {
            let pod = k.path(&format!("get pod web-{letter}"), "{.status.podIP}")?;
            is(&host.curl(&format!("http://{pod}:8080/"))?, letter).with_context(|| format!("from {}", host.name))?;
        }
    }
    Ok(())
}

fn streams(env: &Env, cluster: &Cluster) -> Result<()> {
    let k = cluster.kubectl("default");
    let script = "echo begun\nmkdir /www\necho page > /www/index.html\nexec httpd -f -p 8080 -h /www";
    k.apply(&pod("far", script, &on(&cluster.agent)))?;
    await_pod(&k, "far")?;
    is(&k.ok("logs far")?, "begun")?;
    for (transport, k) in k.each_transport() {
        is(&k.feed("exec -i far -- sh -c 'cat; exit 0'", "to and fro")?, "to and fro").context(transport)?;
        let code = k.run("exec far -- sh -c 'exit 7'", None, secs(20))?.code;
        ensure!(code == 7, "over {transport} the exit code is {code}");
        let (there, back) = (env.work.join("there"), env.work.join("back"));
        std::fs::write(&there, "some text\n".repeat(100_000))?;
        k.ok(&format!("cp {} far:/tmp/file", there.display())).context(transport)?;
        k.ok(&format!("cp far:/tmp/file {}", back.display())).context(transport)?;
        ensure!(std::fs::read(&there)? == std::fs::read(&back)?, "over {transport} the file came back changed");
        let forwarding = k.follow(&format!("port-forward --address {} far :8080", cluster.server.ip))?;
        forwarding.shows("Forwarding from", secs(20)).context(transport)?;
        let text = forwarding.text();
        let at = text.split("from ").nth(1).and_then(|t| t.split(' ').next()).context("an address")?;
        is(&cluster.server.curl(&format!("http://{at}/"))?, "page").context(transport)?;
    }
    until(secs(60), "figures of both nodes", || {
        let nodes = k.ok("top nodes --no-headers")?;
        has(&nodes, &cluster.hosts().map(|host| host.name.as_str()))?;
        ensure!(!nodes.contains("<unknown>"), "{nodes}");
        has(&k.ok("top pods --no-headers")?, &["far"])
    })
}

fn daemon(_: &Env, cluster: &Cluster) -> Result<()> {
    let k = cluster.kubectl("default");
    // As a node that joins later: the agent's Node goes, and comes after the DaemonSet.
    cluster.agent.end(Signal::SIGTERM)?;
    k.ok(&format!("delete node {}", cluster.agent.name))?;
    k.apply(
        "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: each}
spec:
  selector: {matchLabels: {app: each}}
  template:
    metadata: {labels: {app: each}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: main, image: 'knarr.local/busybox:1', command: [sleep, '100000']}]
",
    )?;
    k.within(secs(60), "rollout status daemonset/each")?;
    is(&k.path("get pods -l app=each", "{.items[*].spec.nodeName}")?, &cluster.server.name)?;
    cluster.agent.spawn()?;
    cluster.joined(secs(60))?;
    until(secs(60), "a pod on both", || {
        let line = "{range .items[*]}{.spec.nodeName} {.status.phase}{\"\\n\"}{end}";
        let pods = k.path("get pods -l app=each", line)?;
        has(&pods, &cluster.hosts().map(|host| format!("{} Running", host.name)).each_ref().map(String::as_str))
    })
}

/// A Deployment of one pod that leaves a lost node after three seconds.
const FLEEING: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: fleeing}
spec:
  selector: {matchLabels: {app: fleeing}}
  template:
    metadata: {labels: {app: fleeing}}
    spec:
      terminationGracePeriodSeconds: 1
      tolerations:
      - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 3}
      - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 3}
      containers: [{name: main, image: 'knarr.local/busybox:1', command: [sleep, '100000']}]
";

fn node_away(_: &Env, cluster: &Cluster) -> Result<()> {
    let (k, agent) = (cluster.kubectl("default"), &cluster.agent);
    k.ok(&format!("cordon {}", cluster.server.name))?;
    k.apply(FLEEING)?;
    k.apply(&pod("staying", "sleep 1000", &on(agent)))?;
    k.within(secs(60), "rollout status deployment/fleeing")?;
    await_pod(&k, "staying")?;
    k.ok(&format!("uncordon {}", cluster.server.name))?;
    let kept = k.path("get pod staying", "{.status.containerStatuses[0].containerID}")?;

    agent.netns.cut()?;
    cluster.await_ready_is("Unknown", secs(90))?;
    until(secs(20), "the taints", || {
        let taints = cluster.node()?["spec"]["taints"].to_string();
        has(&taints, &["node.kubernetes.io/unreachable", "NoExecute", "NoSchedule"])
    })?;
    until(secs(20), "the pod that stays to be not ready", || {
        is(&k.path("get pod staying", "{.status.conditions[?(@.type==\"Ready\")].status}")?, "False")
    })?;
    until(secs(60), "the other to be replaced", || {
        let line = "{range .items[*]}{.spec.nodeName} {.status.phase}{\"\\n\"}{end}";
        has(&k.path("get pods -l app=fleeing", line)?, &[&format!("{} Running", cluster.server.name)])
    })?;

    agent.netns.heal()?;
    cluster.joined(secs(60))?;
    until(secs(30), "the taints to go", || {
        let node = cluster.node()?;
        ensure!(node["spec"].get("taints").is_none(), "{}", node["spec"]);
        Ok(())
    })?;
    until(secs(60), "one pod of the Deployment", || {
        is(&k.path("get pods -l app=fleeing", "{.items[*].spec.nodeName}")?, &cluster.server.name)
    })?;
    until(secs(60), "one shim on the agent's host", || {
        let shims = agent.shims()?;
        ensure!(shims == 1, "{shims} shims");
        Ok(())
    })?;
    let line = "{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}";
    is(&k.path("get pod staying", line)?, &format!("{kept} 0"))?;
    await_pod(&k, "staying").map(drop)
}

fn rejoin(_: &Env, cluster: &Cluster) -> Result<()> {
    servers(cluster)?;
    let (k, agent) = (cluster.kubectl("default"), &cluster.agent);
    reach_each_other(cluster)?;
    agent.end(Signal::SIGTERM)?;
    k.ok(&format!("delete node {}", agent.name))?;
    until(secs(60), "its pods to go", || {
        let pods = k.path("get pods", "{.items[*].metadata.name}")?;
        is(&pods, "ask-a web-a")
    })?;
    until(secs(10), "the way to it to go", || {
        let routes = command::ok(cluster.server.netns.command("ip").args(["route", "show", "proto", "107"]), secs(5))?;
        ensure!(routes.lines().count() == 1, "{routes}");
        Ok(())
    })?;
    agent.spawn()?;
    cluster.joined(secs(60))?;
    until(secs(60), "the shims of its pods to go", || {
        let shims = agent.shims()?;
        ensure!(shims == 0, "{shims} shims");
        Ok(())
    })?;
    servers(cluster)?;
    reach_each_other(cluster)
}

fn direct(env: &Env) -> Result<()> {
    cluster::with(env, "--flannel-backend host-gw", |_, cluster| {
        servers(cluster)?;
        reach_each_other(cluster)?;
        for (host, other) in cluster.hosts().into_iter().zip([&cluster.agent, &cluster.server]) {
            let routes = command::ok(host.netns.command("ip").args(["route", "show", "proto", "107"]), secs(5))?;
            has(&routes, &[&format!("via {} dev eth0", other.ip)])?;
            let links = command::ok(host.netns.command("ip").args(["-o", "link"]), secs(5))?;
            ensure!(!links.contains("vxlan"), "{links}");
        }
        Ok(())
    })
}
