//! What nodes and pods use, as `kubectl top` and others see it.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{await_pod, pod};
use crate::{
    node::Node,
    poll::{secs, until},
    suite::{
        Case, Cx, Env,
        Place::{Both, Host, Shared},
        case,
    },
    text::{at, equals, has, is, table, text_at},
};

pub const CASES: &[Case] = &[
    case("metrics/kubectl top", Both(top)),
    case("metrics/the API", Shared(api)),
    case("metrics/the kubelet's own", Shared(kubelet)),
    case("metrics/left out", Host(left_out)),
];

/// `23m` as 23, `5Mi` as 5.
fn amount(cell: &str) -> Result<u64> {
    let digits = cell.trim_end_matches(|c: char| !c.is_ascii_digit());
    digits.parse().with_context(|| format!("read {cell:?}"))
}

/// One that takes a fifth of a core and one that sleeps.
fn workload(cx: &Cx) -> Result<()> {
    let busy = pod("busy", "while :; do :; done", "").replace(
        "    image: knarr.local/busybox:1\n",
        "    image: knarr.local/busybox:1\n    resources: {limits: {cpu: 200m, memory: 64Mi}}\n",
    );
    cx.kubectl.apply(&busy)?;
    cx.kubectl.apply(&pod("idle", "sleep 1000", ""))?;
    await_pod(&cx.kubectl, "busy")?;
    await_pod(&cx.kubectl, "idle").map(drop)
}

fn top(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    workload(cx)?;
    let nodes = until(secs(60), "metrics of the node", || k.ok("top nodes"))?;
    let rows = table(&nodes);
    ensure!(rows[0][..2] == ["NAME", "CPU(cores)"], "{nodes}");
    ensure!(rows[1][0] == cx.node.name && amount(rows[1][1])? > 50 && amount(rows[1][3])? > 10, "{nodes}");
    let pods = until(secs(60), "metrics of both pods", || {
        let out = k.ok("top pods --sort-by=cpu --no-headers")?;
        ensure!(table(&out).len() == 2, "{out}");
        ensure!((120..=280).contains(&amount(table(&out)[0][1])?), "{out}");
        Ok(out)
    })?;
    let rows = table(&pods);
    ensure!(rows[0][0] == "busy" && rows[1][0] == "idle", "{pods}");
    ensure!(amount(rows[1][1])? < 20, "{pods}");
    let selected = k.ok("top pods -l app=idle --no-headers")?;
    ensure!(table(&selected).len() == 1 && selected.starts_with("idle"), "{selected}");
    let containers = k.ok("top pods --containers busy --no-headers")?;
    ensure!(table(&containers)[0][..2] == ["busy", "main"], "{containers}");
    let everywhere = k.ok("top pods -A --no-headers")?;
    has(&everywhere, &[&cx.ns, "busy", "idle"])?;
    let sum = k.ok("top pods --sum")?;
    has(&sum, &["________"])?;
    has(&k.refused("top pod none", None)?, &["podmetrics.metrics.k8s.io", "none\" not found"])?;
    has(&k.refused("top node none", None)?, &["nodemetrics.metrics.k8s.io \"none\" not found"])
}

fn api(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    workload(cx)?;
    let busy = until(secs(60), "the pod's metrics", || k.json("get pods.metrics.k8s.io busy"))?;
    equals(&busy, "/kind", "PodMetrics")?;
    equals(&busy, "/apiVersion", "metrics.k8s.io/v1beta1")?;
    equals(&busy, "/metadata/labels/app", "busy")?;
    equals(&busy, "/containers/0/name", "main")?;
    ensure!(text_at(&busy, "/containers/0/usage/cpu")?.ends_with('n'), "{busy:#}");
    has(text_at(&busy, "/window")?, &["s"])?;
    let shown = k.ok("get pods.metrics.k8s.io")?;
    ensure!(table(&shown)[0] == ["NAME", "CPU", "MEMORY", "WINDOW"], "{shown}");
    let named = k.ok("get pods.metrics.k8s.io --field-selector metadata.name=idle -o name")?;
    is(&named, "podmetrics.metrics.k8s.io/idle")?;
    let nodes: Value = serde_json::from_str(&k.ok("get --raw /apis/metrics.k8s.io/v1beta1/nodes")?)?;
    equals(&nodes, "/kind", "NodeMetricsList")?;
    equals(at(&nodes, "/items/0")?, "/metadata/name", cx.node.name.as_str())?;
    has(&k.ok("api-resources --api-group metrics.k8s.io")?, &["NodeMetrics", "PodMetrics", "metrics.k8s.io/v1beta1"])?;
    has(&k.ok("explain --api-version metrics.k8s.io/v1beta1 pods.containers")?, &["usage", "name"])?;
    has(&k.refused("delete pods.metrics.k8s.io busy", None)?, &["MethodNotAllowed"])?;
    // Others' pods and nodes of the same names are found first, as ever.
    has(&k.ok("get pods busy -o name")?, &["pod/busy"])
}

fn kubelet(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    workload(cx)?;
    let path = |what: &str| format!("get --raw /api/v1/nodes/{}/proxy/{what}", cx.node.name);
    let of = format!("namespace=\"{}\",pod=\"busy\"", cx.ns);
    let resource = k.ok(&path("metrics/resource"))?;
    for name in
        ["container_cpu_usage_seconds_total", "container_memory_working_set_bytes", "container_start_time_seconds"]
    {
        has(&resource, &[&format!("{name}{{container=\"main\",{of}}} ")])?;
    }
    has(
        &resource,
        &[&format!("pod_cpu_usage_seconds_total{{{of}}} "), "node_cpu_usage_seconds_total ", "resource_scrape_error 0"],
    )?;
    has(
        &k.ok(&path("metrics/cadvisor"))?,
        &["container_memory_rss{container=\"main\"", "container_network_receive_bytes_total"],
    )?;
    has(&k.ok(&path("metrics"))?, &["kubelet_running_pods"])?;
    let summary: Value = serde_json::from_str(&k.ok(&path("stats/summary"))?)?;
    equals(&summary, "/node/nodeName", cx.node.name.as_str())?;
    ensure!(at(&summary, "/node/fs/capacityBytes")?.as_u64() > Some(1 << 20), "{summary:#}");
    let pods = summary["pods"].as_array().context("pods")?;
    let busy = pods.iter().find(|p| p["podRef"]["name"] == "busy" && p["podRef"]["namespace"] == cx.ns.as_str());
    let busy = busy.context("the busy pod")?;
    ensure!(at(busy, "/memory/workingSetBytes")?.as_u64() > Some(0), "{busy:#}");
    ensure!(at(busy, "/containers/0/rootfs/usedBytes")?.is_u64(), "{busy:#}");
    ensure!(at(busy, "/network/rxBytes")?.is_u64(), "{busy:#}");
    Ok(())
}

fn left_out(env: &Env) -> Result<()> {
    let node = Node::prepare(env, "--disable metrics-server")?;
    node.spawn()?;
    node.wait_ready(secs(60))?;
    let k = node.kubectl("default");
    has(&k.refused("top nodes", None)?, &["Metrics API not available"])?;
    let groups = k.ok("api-versions")?;
    ensure!(!groups.contains("metrics.k8s.io"), "{groups}");
    node.finish()
}
