//! `kubectl cordon`, `drain`, `uncordon` and `taint`. There is one node: whatever happens, it is put back.

use anyhow::{Context as _, Result, ensure};

use super::{await_pod, pod, sleeper};
use crate::{
    poll::{secs, until},
    suite::{Case, Cx, Place::Both, case},
    text::{has, is},
};

pub const CASES: &[Case] = &[
    case("cordon/and uncordon", Both(cordon)),
    case("drain/pods and flags", Both(drain)),
    case("drain/disruption budgets", Both(budget)),
    case("taint/effects", Both(taint)),
];

fn cordon(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let name = &cx.node.name;
    is(&k.ok(&format!("cordon {name}"))?, &format!("node/{name} cordoned"))?;
    let cordoned = (|| {
        has(&k.ok("get nodes")?, &["Ready,SchedulingDisabled"])?;
        is(&k.ok(&format!("cordon {name}"))?, &format!("node/{name} already cordoned"))?;
        let taints = k.path(&format!("get node {name}"), "{.spec.taints[*].key}")?;
        k.apply(&pod("late", "sleep 1000", ""))?;
        until(secs(10), "the scheduler to say why", || {
            let pod = k.ok("describe pod late")?;
            has(&pod, &["Pending", "FailedScheduling", "0/1 nodes are available", "1 node(s) were unschedulable"])
        })?;
        until(secs(10), "the taint", || {
            let taints = k.path(&format!("get node {name}"), "{.spec.taints[*].key}")?;
            has(&taints, &["node.kubernetes.io/unschedulable"])
        })
        .with_context(|| format!("right after cordoning: {taints:?}"))
    })();
    is(&k.ok(&format!("uncordon {name}"))?, &format!("node/{name} uncordoned"))?;
    cordoned?;
    await_pod(k, "late").map(drop)
}

fn drain(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let name = &cx.node.name;
    k.apply(&sleeper("web", 2, ""))?;
    k.apply(&pod("alone", "sleep 1000", ""))?;
    let stored = "volumes: [{name: v, emptyDir: {}}]";
    k.apply(&pod("stored", "sleep 1000", stored))?;
    k.within(secs(60), "rollout status deployment/web")?;
    await_pod(k, "alone")?;
    await_pod(k, "stored")?;
    let before = k.ok("get pods -l app=web -o name")?;
    let drained = (|| {
        // Pods of other cases are none of ours.
        let refused = k.refused(&format!("drain {name} --ignore-daemonsets --pod-selector=app=alone"), None)?;
        has(
            &refused,
            &["cannot delete Pods that declare no controller (use --force to override)", &format!("{}/alone", cx.ns)],
        )?;
        let refused =
            k.refused(&format!("drain {name} --force --ignore-daemonsets --pod-selector=app=stored"), None)?;
        has(&refused, &["cannot delete Pods with local storage (use --delete-emptydir-data to override)"])?;
        let dry = k.ok(&format!("drain {name} --dry-run=server --ignore-daemonsets --pod-selector=app=web"))?;
        has(&dry, &["(server dry run)"])?;
        is(&k.ok("get pods -l app=web -o name")?, &before)?;
        let out = k.within(secs(60), &format!("drain {name} --ignore-daemonsets --pod-selector=app=web"))?;
        has(&out, &["evicted", &format!("node/{name} drained")])?;
        let all = "'app in (alone,stored)'";
        let out = k.within(
            secs(60),
            &format!("drain {name} --force --delete-emptydir-data --ignore-daemonsets --pod-selector={all}"),
        )?;
        has(&out, &["pod/alone evicted", "pod/stored evicted"])?;
        is(&k.ok("get pods -l app=stored -o name")?, "")
    })();
    k.ok(&format!("uncordon {name}"))?;
    drained?;
    k.within(secs(60), "rollout status deployment/web")?;
    let after = k.ok("get pods -l app=web -o name")?;
    ensure!(after.lines().all(|p| !before.contains(p)), "{before}{after}");
    Ok(())
}

/// A drain waits for the budget, and goes on once there is one more pod than it asks for.
fn budget(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let name = &cx.node.name;
    k.apply(&sleeper("web", 1, ""))?;
    k.ok("create poddisruptionbudget safe --selector=app=web --min-available=1")?;
    k.within(secs(60), "rollout status deployment/web")?;
    until(secs(20), "the budget's status", || {
        let pdb = k.json("get pdb safe")?;
        ensure!(
            pdb["status"]["currentHealthy"] == 1 && pdb["status"]["disruptionsAllowed"] == 0,
            "{:#}",
            pdb["status"]
        );
        Ok(())
    })?;
    has(&k.ok("get pdb")?, &["NAME", "MIN AVAILABLE", "MAX UNAVAILABLE", "ALLOWED DISRUPTIONS", "N/A"])?;
    let before = k.ok("get pods -l app=web -o name")?;
    let drained = (|| {
        let line = format!("drain {name} --ignore-daemonsets --pod-selector=app=web --timeout=7s");
        let held = k.run(&line, None, secs(30))?;
        ensure!(held.code != 0, "{held:?}");
        has(&held.err, &["Cannot evict pod as it would violate the pod's disruption budget."])?;
        is(&k.ok("get pods -l app=web -o name")?, &before)?;
        // A second pod, where it may run: then one may go.
        k.ok(&format!("uncordon {name}"))?;
        k.ok("scale deployment web --replicas=2")?;
        k.within(secs(60), "rollout status deployment/web")?;
        until(secs(20), "a disruption to be allowed", || {
            is(&k.path("get pdb safe", "{.status.disruptionsAllowed}")?, "1")
        })?;
        let one = before.trim().trim_start_matches("pod/");
        let evict = format!(
            "{{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{{\"name\":\"{one}\",\"namespace\":\"{}\"}}}}",
            cx.ns
        );
        k.feed(&format!("create --raw /api/v1/namespaces/{}/pods/{one}/eviction -f -", cx.ns), &evict)?;
        until(secs(20), "the pod to go", || has(&k.refused(&format!("get pod {one}"), None)?, &["not found"]))
    })();
    k.ok(&format!("uncordon {name}"))?;
    drained
}

fn taint(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let name = &cx.node.name;
    k.apply(&pod("goes", "sleep 1000", ""))?;
    k.apply(&pod("stays", "sleep 1000", "tolerations: [{key: test, operator: Exists}]"))?;
    await_pod(k, "goes")?;
    await_pod(k, "stays")?;
    let tainted = (|| {
        is(&k.ok(&format!("taint node {name} test=yes:PreferNoSchedule"))?, &format!("node/{name} tainted"))?;
        is(&k.ok(&format!("taint node {name} test=yes:NoSchedule"))?, &format!("node/{name} tainted"))?;
        has(&k.refused(&format!("taint node {name} test=yes:NoSchedule"), None)?, &["already has", "taint"])?;
        is(&k.ok(&format!("taint node {name} test=no:NoSchedule --overwrite"))?, &format!("node/{name} modified"))?;
        has(&k.ok(&format!("describe node {name}"))?, &["test=no:NoSchedule", "test=yes:PreferNoSchedule"])?;
        k.apply(&pod("waits", "sleep 1000", ""))?;
        until(secs(10), "the scheduler to say why", || has(&k.ok("describe pod waits")?, &["had untolerated taint"]))?;
        k.ok("delete pod waits")?;
        k.ok(&format!("taint node {name} test=yes:NoExecute"))?;
        k.within(secs(30), "wait pod/goes --for=delete --timeout=25s").context("a NoExecute taint evicts")?;
        await_pod(k, "stays").map(drop)
    })();
    is(&k.ok(&format!("taint node {name} test-"))?, &format!("node/{name} untainted"))?;
    tainted?;
    is(&k.path(&format!("get node {name}"), "{.spec.taints}")?, "")
}
