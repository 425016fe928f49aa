//! The cases, by what they are about. Each module has a table of them and the manifests it needs.

mod app;
mod apply;
mod attach;
mod away;
mod batch;
mod broken;
mod change;
mod clock;
mod copy;
mod day;
mod debug;
mod describe;
mod drain;
mod faults;
mod forward;
mod generators;
mod get;
mod identity;
mod info;
mod input;
mod joining;
mod kustomize;
mod metrics;
mod network;
mod nodes;
mod placement;
mod pods;
mod pressure;
mod proguru;
mod proxy;
mod random;
mod registry;
mod renewal;
mod rights;
mod rollout;
mod sets;
mod sockets;
mod start;
mod talk;
mod trust;

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{
    kubectl::Kubectl,
    node::{Node, pod_ready},
    poll::{secs, until},
    suite::Case,
    text::equals,
};

/// All cases in the order they run: cheap and telling ones first, those that kill things last.
pub fn all() -> impl Iterator<Item = Case> {
    [
        start::CASES,
        get::CASES,
        apply::CASES,
        kustomize::CASES,
        generators::CASES,
        change::CASES,
        describe::CASES,
        info::CASES,
        rights::CASES,
        rollout::CASES,
        sets::CASES,
        talk::CASES,
        attach::CASES,
        copy::CASES,
        forward::CASES,
        sockets::CASES,
        proxy::CASES,
        drain::CASES,
        batch::CASES,
        pods::CASES,
        debug::CASES,
        metrics::CASES,
        pressure::CASES,
        registry::CASES,
        trust::CASES,
        broken::CASES,
        network::CASES,
        placement::CASES,
        joining::CASES,
        renewal::CASES,
        nodes::CASES,
        away::CASES,
        proguru::CASES,
        identity::CASES,
        input::CASES,
        app::CASES,
        random::CASES,
        faults::CASES,
        clock::CASES,
        day::CASES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Every namespace that cases deleted is gone in the end.
pub fn namespaces_go(node: &Node) -> Result<()> {
    until(secs(90), "the cases' namespaces to go", || {
        let list = node.api()?.get("/api/v1/namespaces")?.json()?;
        let left: Vec<String> = list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|n| n["metadata"]["name"].as_str().is_some_and(|name| name.starts_with("case-")))
            .map(|n| format!("{}: {}", n["metadata"]["name"], n["status"]))
            .collect();
        ensure!(left.is_empty(), "still there: {}", left.join("\n"));
        Ok(())
    })
}

/// A Deployment whose pods sleep and heed a SIGTERM only by dying of the SIGKILL a second later; `extra` goes into the
/// container, written as YAML flow after a comma.
pub fn sleeper(name: &str, replicas: u32, extra: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {{name: main, image: 'knarr.local/busybox:1', command: [sleep, '100000']{extra}}}
"
    )
}

/// A pod of one container that runs a shell script; `extra` goes into the pod's spec, as lines of YAML.
pub fn pod(name: &str, script: &str, extra: &str) -> String {
    let extra: String = extra.lines().map(|line| format!("  {line}\n")).collect();
    let script: String = script.lines().map(|line| format!("      {line}\n")).collect();
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  terminationGracePeriodSeconds: 1
{extra}  containers:
  - name: main
    image: knarr.local/busybox:1
    command:
    - sh
    - -c
    - |
{script}"
    )
}

/// Waits until a pod is Running and Ready.
pub fn await_pod(kubectl: &Kubectl, name: &str) -> Result<Value> {
    until(secs(30), &format!("pod {name} to be ready"), || {
        let pod = kubectl.json(&format!("get pod {name}"))?;
        pod_ready(&pod)?;
        Ok(pod)
    })
}

/// Waits until a pod has a phase.
pub fn await_phase(kubectl: &Kubectl, name: &str, phase: &str) -> Result<Value> {
    until(secs(30), &format!("pod {name} to be {phase}"), || {
        let pod = kubectl.json(&format!("get pod {name}"))?;
        equals(&pod, "/status/phase", phase)?;
        Ok(pod)
    })
}

/// A pod `asker` with the host's programs in it: busybox-static cannot look up names, curl can. They find the pod's own
/// resolver configuration.
pub fn asker(kubectl: &Kubectl) -> Result<()> {
    kubectl.apply(&equipped("asker", "sleep 100000", ""))?;
    await_pod(kubectl, "asker").map(drop)
}

/// As [`pod`], with the host's programs in it.
pub fn equipped(name: &str, script: &str, extra: &str) -> String {
    let dirs: Vec<&str> =
        ["usr", "lib", "lib64"].into_iter().filter(|d| std::path::Path::new("/").join(d).is_dir()).collect();
    let list = |entry: &dyn Fn(&str) -> String| dirs.iter().map(|d| entry(d)).collect::<Vec<_>>().join(", ");
    let volumes = list(&|d| format!("{{name: {d}, hostPath: {{path: /{d}}}}}"));
    let mounts = list(&|d| format!("{{name: {d}, mountPath: /{d}, readOnly: true}}"));
    let manifest = pod(name, script, &format!("{extra}\nvolumes: [{volumes}]"));
    format!("{manifest}    volumeMounts: [{mounts}]\n")
}

/// A page as the pod `asker` sees it.
pub fn fetch(kubectl: &Kubectl, url: &str) -> Result<String> {
    kubectl.ok(&format!("exec asker -- /usr/bin/curl -sSf --max-time 5 {url}"))
}
