//! A node that is short of something: what it says, and who has to go.

use std::{fs, process::Command};

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use super::{await_pod, pod};
use crate::{
    command,
    kubectl::Kubectl,
    node::{Node, condition},
    poll::{secs, until},
    suite::{
        Case, Cx, Env,
        Place::{Host, Shared},
        case,
    },
    text::{equals, has, text_at},
};

pub const CASES: &[Case] = &[
    case("pressure/a full disk", Host(disk)),
    case("pressure/no memory", Host(memory)),
    case("pressure/scratch space has a limit", Shared(limit)),
];

fn await_condition(k: &Kubectl, node: &str, kind: &str, status: &str) -> Result<()> {
    until(secs(60), &format!("{kind} to be {status}"), || {
        let object = k.json(&format!("get node {node}"))?;
        ensure!(condition(&object, kind) == Some(status), "{:#}", object["status"]["conditions"]);
        Ok(())
    })
}

fn await_evicted(k: &Kubectl, name: &str) -> Result<serde_json::Value> {
    until(secs(60), &format!("{name} to be evicted"), || {
        let pod = k.json(&format!("get pod {name}"))?;
        equals(&pod, "/status/phase", "Failed")?;
        equals(&pod, "/status/reason", "Evicted")?;
        Ok(pod)
    })
}

/// The node's pods lie on a small disk of their own; one pod fills it.
fn disk(env: &Env) -> Result<()> {
    let flags = "--kubelet-arg eviction-hard=nodefs.available<20% --kubelet-arg eviction-pressure-transition-period=5s";
    let node = Node::prepare(env, flags)?;
    let root = node.file("var/lib/kubelet");
    fs::create_dir_all(&root)?;
    command::ok(Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(&root), secs(10))?;
    let result = filled(&node);
    if let Err(e) = &result {
        env.explain(format!("{e:#}"));
    }
    let k = node.kubectl("default");
    let _ = k.ok("delete pods --all --force --grace-period=0");
    let ended = node.end(Signal::SIGTERM);
    let unmounted = command::ok(Command::new("umount").arg("-l").arg(&root), secs(10));
    result?;
    ended?;
    unmounted.context("take the small disk away")?;
    node.finish()
}

fn filled(node: &Node) -> Result<()> {
    node.spawn()?;
    node.wait_ready(secs(60))?;
    let k = node.kubectl("default");
    let scratch = "volumes: [{name: scratch, emptyDir: {}}]";
    let mounts = "    volumeMounts: [{name: scratch, mountPath: /scratch}]\n";
    k.apply(&pod("modest", "sleep 1000", ""))?;
    await_pod(&k, "modest")?;
    let fill = "dd if=/dev/zero of=/scratch/file bs=1M count=58; sleep 1000";
    k.apply(&format!("{}{mounts}", pod("greedy", fill, scratch)))?;
    await_condition(&k, &node.name, "DiskPressure", "True")?;
    let greedy = await_evicted(&k, "greedy")?;
    has(
        text_at(&greedy, "/status/message")?,
        &["The node was low on resource: ephemeral-storage. Threshold quantity: ", ", available: "],
    )?;
    ensure!(condition(&greedy, "DisruptionTarget") == Some("True"), "{:#}", greedy["status"]["conditions"]);
    until(secs(30), "the events", || {
        has(&k.ok("get events")?, &["Evicted", "The node was low on resource: ephemeral-storage"])?;
        has(&k.ok("get events -A")?, &["EvictionThresholdMet", "Attempting to reclaim ephemeral-storage"])
    })?;
    equals(&k.json("get pod modest")?, "/status/phase", "Running")?;
    await_condition(&k, &node.name, "DiskPressure", "False")?;
    // What was preloaded is still there, though nothing used it.
    let page = pod("page", "sleep 1000", "tolerations: [{operator: Exists}]");
    let page = page.replace("image: knarr.local/busybox:1", "image: knarr.local/nginx:1\n    imagePullPolicy: Never");
    k.apply(&page)?;
    await_pod(&k, "page").map(drop)
}

/// A line that no machine is above.
fn memory(env: &Env) -> Result<()> {
    let node = Node::prepare(env, "--kubelet-arg eviction-hard=memory.available<100Ti")?;
    node.spawn()?;
    node.wait_ready(secs(60))?;
    let k = node.kubectl("default");
    await_condition(&k, &node.name, "MemoryPressure", "True")?;
    until(secs(30), "the taint", || {
        has(&k.path(&format!("get node {}", node.name), "{.spec.taints}")?, &["node.kubernetes.io/memory-pressure"])
    })?;
    let bound = format!("nodeName: {}", node.name);
    k.apply(&pod("careless", "sleep 1000", &bound))?;
    let careless = await_evicted(&k, "careless")?;
    equals(&careless, "/status/message", "The node had condition: [MemoryPressure]. ")?;
    let asks = pod("asks", "sleep 1000", &bound).replace(
        "    image: knarr.local/busybox:1\n",
        "    image: knarr.local/busybox:1\n    resources: {requests: {cpu: 10m}}\n",
    );
    k.apply(&asks)?;
    let asks = await_evicted(&k, "asks")?;
    has(
        text_at(&asks, "/status/message")?,
        &[
            "The node was low on resource: memory. Threshold quantity: 100Ti, available: ",
            "Container main was using ",
            ", request is 0, has larger consumption of memory. ",
        ],
    )?;
    ensure!(condition(&asks, "DisruptionTarget") == Some("True"), "{:#}", asks["status"]["conditions"]);
    k.ok("delete pods --all")?;
    node.finish()
}

fn limit(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let volumes = "volumes: [{name: scratch, emptyDir: {sizeLimit: 1Mi}}]";
    let script = "dd if=/dev/zero of=/scratch/file bs=1M count=3; sleep 1000";
    let mounts = "    volumeMounts: [{name: scratch, mountPath: /scratch}]\n";
    k.apply(&format!("{}{mounts}", pod("greedy", script, volumes)))?;
    let greedy = await_evicted(k, "greedy")?;
    equals(&greedy, "/status/message", "Usage of EmptyDir volume \"scratch\" exceeds the limit \"1Mi\". ")?;
    ensure!(condition(&greedy, "DisruptionTarget").is_none(), "{:#}", greedy["status"]["conditions"]);
    Ok(())
}
