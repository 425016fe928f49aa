//! Pods that cannot start: the state, reason, events and back-off that kubectl users know.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::pod;
use crate::{
    kubectl::Kubectl,
    poll::{secs, until},
    suite::{Case, Cx, Place::Shared, case},
    text::{equals, has},
};

pub const CASES: &[Case] = &[
    case("broken/no image", Shared(no_image)),
    case("broken/image never pulled", Shared(never_pulled)),
    case("broken/bad command", Shared(bad_command)),
    case("broken/crash loop", Shared(crash_loop)),
    case("broken/readiness", Shared(readiness)),
    case("broken/liveness", Shared(liveness)),
    case("broken/out of memory", Shared(out_of_memory)),
    case("broken/does not heed SIGTERM", Shared(deaf)),
    case("broken/missing references", Shared(missing_references)),
    case("broken/does not fit", Shared(does_not_fit)),
    case("broken/a Deployment's pods", Shared(deployment)),
];

/// Waits until the pod's events and table show all of these.
fn shows(k: &Kubectl, name: &str, column: &str, parts: &[&str]) -> Result<()> {
    until(secs(30), &format!("what is wrong with {name}"), || {
        has(&k.ok(&format!("get pod {name}"))?, &[column])?;
        has(&k.ok(&format!("describe pod {name}"))?, parts)
    })
}

fn waiting(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]["state"]["waiting"]
}

fn no_image(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    // Nothing listens on port 1: the registry refuses at once.
    k.apply(&pod("web", "true", "").replace("knarr.local/busybox:1", "127.0.0.1:1/nothing:1"))?;
    shows(k, "web", "", &["Pulling image \"127.0.0.1:1/nothing:1\"", "Failed to pull image", "Error: ErrImagePull"])?;
    shows(
        k,
        "web",
        "ImagePullBackOff",
        &["Back-off pulling image \"127.0.0.1:1/nothing:1\"", "Error: ImagePullBackOff"],
    )?;
    let object = k.json("get pod web")?;
    equals(&object, "/status/phase", "Pending")?;
    ensure!(
        ["ImagePullBackOff", "ErrImagePull"].contains(&waiting(&object)["reason"].as_str().unwrap_or_default()),
        "{object:#}"
    );
    equals(&object, "/status/containerStatuses/0/restartCount", 0)?;
    k.apply(&pod("odd", "true", "").replace("knarr.local/busybox:1", "'Not A Name'"))?;
    shows(k, "odd", "InvalidImageName", &["Failed to apply default image tag"])
        .or_else(|_| shows(k, "odd", "InvalidImageName", &["InspectFailed"]))
}

fn never_pulled(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let never = pod("web", "true", "")
        .replace("image: knarr.local/busybox:1", "image: knarr.local/none:1\n    imagePullPolicy: Never");
    k.apply(&never)?;
    shows(
        k,
        "web",
        "ErrImageNeverPull",
        &["Container image \"knarr.local/none:1\" is not present with pull policy of Never", "ErrImageNeverPull"],
    )?;
    k.apply(
        &pod("present", "sleep 1000", "")
            .replace("image: knarr.local/busybox:1", "image: knarr.local/busybox:1\n    imagePullPolicy: Never"),
    )?;
    super::await_pod(k, "present").map(drop)
}

fn bad_command(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&pod("web", "true", "").replace("    - sh\n    - -c\n", "    - /no/such/program\n"))?;
    until(secs(30), "the failure", || {
        let object = k.json("get pod web")?;
        let status = object["status"]["containerStatuses"][0].to_string();
        has(&status, &["StartError", "\"exitCode\":128", "no such file or directory"])
    })?;
    until(secs(30), "the events", || has(&k.ok("describe pod web")?, &["Failed", "/no/such/program", "BackOff"]))
}

/// Restarts are counted, and come ever later: at once, then after 10 s, then after 20 s.
fn crash_loop(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&pod("web", "echo crash; exit 3", ""))?;
    shows(k, "web", "CrashLoopBackOff", &["Back-off restarting failed container main in pod web"])?;
    let first = k.json("get pod web")?;
    equals(&first, "/status/phase", "Running")?;
    equals(&first, "/status/containerStatuses/0/lastState/terminated/exitCode", 3)?;
    equals(&first, "/status/containerStatuses/0/lastState/terminated/reason", "Error")?;
    has(&waiting(&first)["message"].to_string(), &["back-off 10s restarting failed container=main pod=web_"])?;
    let second = until(secs(30), "the next back-off", || {
        let pod = k.json("get pod web")?;
        has(&waiting(&pod)["message"].to_string(), &["back-off 20s"])?;
        equals(&pod, "/status/containerStatuses/0/restartCount", 2)?;
        Ok(pod)
    })?;
    ensure!(crate::node::condition(&second, "Ready") == Some("False"), "{second:#}");
    has(&k.ok("logs web --previous")?, &["crash"])
}

fn with_probe(name: &str, script: &str, probe: &str) -> String {
    format!("{}    {probe}\n", pod(name, script, ""))
}

fn readiness(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&with_probe(
        "web",
        "sleep 1000",
        "readinessProbe: {exec: {command: [cat, /tmp/ready]}, periodSeconds: 1, failureThreshold: 1}",
    ))?;
    k.apply(&with_probe("http", "sleep 1000", "readinessProbe: {httpGet: {port: 81, path: /x}, periodSeconds: 1}"))?;
    k.apply(&with_probe("tcp", "sleep 1000", "readinessProbe: {tcpSocket: {port: 81}, periodSeconds: 1}"))?;
    shows(k, "web", "0/1", &["Unhealthy", "Readiness probe failed: cat: can't open '/tmp/ready'"])?;
    shows(k, "http", "0/1", &["Unhealthy", "Readiness probe failed: Get \"http://10.42.0.", "connection refused"])?;
    shows(k, "tcp", "0/1", &["Unhealthy", "Readiness probe failed: dial tcp 10.42.0.", "connection refused"])?;
    let object = k.json("get pod web")?;
    equals(&object, "/status/phase", "Running")?;
    has(
        &object["status"]["conditions"].to_string(),
        &["ContainersNotReady", "containers with unready status: [main]"],
    )?;
    k.ok("exec web -- touch /tmp/ready")?;
    super::await_pod(k, "web")?;
    k.ok("exec web -- rm /tmp/ready")?;
    until(secs(10), "it to be unready", || has(&k.ok("get pod web")?, &["0/1"]))?;
    equals(&k.json("get pod web")?, "/status/containerStatuses/0/restartCount", 0)
}

fn liveness(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&with_probe(
        "web",
        "touch /tmp/alive; sleep 1000",
        "livenessProbe: {exec: {command: [cat, /tmp/alive]}, periodSeconds: 1, failureThreshold: 2}",
    ))?;
    let first = super::await_pod(k, "web")?;
    k.ok("exec web -- rm /tmp/alive")?;
    until(secs(30), "the restart", || {
        let pod = k.json("get pod web")?;
        equals(&pod, "/status/containerStatuses/0/restartCount", 1)?;
        crate::node::pod_ready(&pod)?;
        ensure!(
            pod["status"]["containerStatuses"][0]["containerID"]
                != first["status"]["containerStatuses"][0]["containerID"]
        );
        equals(&pod, "/status/containerStatuses/0/lastState/terminated/exitCode", 137)
    })?;
    shows(
        k,
        "web",
        "Running",
        &["Unhealthy", "Liveness probe failed", "Killing", "Container main failed liveness probe, will be restarted"],
    )?;
    let slow = "startupProbe: {exec: {command: [cat, /tmp/up]}, periodSeconds: 1, failureThreshold: 60}\n    livenessProbe: {exec: {command: ['false']}, periodSeconds: 1, failureThreshold: 1}";
    k.apply(&with_probe("slow", "sleep 4; touch /tmp/up; sleep 1000", slow))?;
    // While it starts up, the liveness probe (which always fails) does not count.
    until(secs(30), "liveness to count once it is up", || {
        let pod = k.json("get pod slow")?;
        ensure!(pod["status"]["containerStatuses"][0]["restartCount"].as_u64() >= Some(1), "{:#}", pod["status"]);
        let last = &pod["status"]["containerStatuses"][0]["lastState"]["terminated"];
        let (from, to) = (seconds(&last["startedAt"])?, seconds(&last["finishedAt"])?);
        ensure!(to - from >= 4, "it was killed after {} s", to - from);
        Ok(())
    })
}

/// Seconds since midnight of a timestamp: enough for differences of some seconds.
fn seconds(time: &Value) -> Result<i64> {
    let text = time.as_str().context("a time")?;
    let clock = text.get(11..19).context("a clock's time")?;
    let mut parts = clock.split(':').map(str::parse::<i64>);
    let mut next = || parts.next().context("a part of a time")?.context("a number");
    Ok(next()? * 3600 + next()? * 60 + next()?)
}

fn out_of_memory(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let manifest = pod("web", "exec dd if=/dev/zero of=/dev/null bs=200M", "restartPolicy: Never");
    k.apply(&format!("{manifest}    resources: {{limits: {{memory: 16Mi}}}}\n"))?;
    let object = super::await_phase(k, "web", "Failed")?;
    equals(&object, "/status/containerStatuses/0/state/terminated/reason", "OOMKilled")?;
    equals(&object, "/status/containerStatuses/0/state/terminated/exitCode", 137)?;
    has(&k.ok("get pod web")?, &["OOMKilled"])
}

/// Who does not heed SIGTERM is killed when its time is over, and its end says so. The finalizer keeps the pod to be looked at.
fn deaf(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let manifest = pod("web", "trap '' TERM\nwhile true; do sleep 0.1; done", "")
        .replace("{name: web,", "{name: web, finalizers: [test.knarr.local/kept],")
        .replace("Seconds: 1", "Seconds: 3");
    k.apply(&manifest)?;
    super::await_pod(k, "web")?;
    k.ok("delete pod web --wait=false")?;
    let told = seconds(&k.json("get pod web")?["metadata"]["deletionTimestamp"])?;
    let ended = until(secs(30), "its end", || {
        let pod = k.json("get pod web")?;
        let end = "/status/containerStatuses/0/state/terminated";
        equals(&pod, &format!("{end}/exitCode"), 137)?;
        equals(&pod, &format!("{end}/reason"), "Error")?;
        equals(&pod, "/status/phase", "Failed")?;
        Ok(pod)
    })?;
    let finished = &ended["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"];
    let killed = seconds(finished)?;
    ensure!((told..told + 5).contains(&killed), "told to end by {told}, it ended at {killed}");
    has(&k.ok("describe pod web")?, &["Killing", "Stopping container main"])?;
    k.ok("patch pod web --type json -p '[{\"op\":\"remove\",\"path\":\"/metadata/finalizers\"}]'")?;
    k.ok("wait pod/web --for=delete --timeout=30s").map(drop)
}

fn missing_references(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&format!(
        "{}    env: [{{name: A, valueFrom: {{configMapKeyRef: {{name: late, key: a}}}}}}]\n",
        pod("env", "sleep 1000", "")
    ))?;
    k.apply(&format!(
        "{}    volumeMounts: [{{name: v, mountPath: /v}}]\n",
        pod("volume", "sleep 1000", "volumes: [{name: v, secret: {secretName: late}}]")
    ))?;
    shows(k, "env", "CreateContainerConfigError", &["Error: configmap \"late\" not found"])?;
    shows(
        k,
        "volume",
        "ContainerCreating",
        &["FailedMount", "MountVolume.SetUp failed for volume \"v\"", "secret \"late\" not found"],
    )?;
    // What was missing comes: the pods start by themselves.
    k.ok("create configmap late --from-literal=a=1")?;
    k.ok("create secret generic late --from-literal=a=1")?;
    for name in ["env", "volume"] {
        until(secs(90), "it to start after all", || crate::node::pod_ready(&k.json(&format!("get pod {name}"))?))?;
    }
    Ok(())
}

fn does_not_fit(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&format!("{}    resources: {{requests: {{cpu: '1000'}}}}\n", pod("big", "true", "")))?;
    k.apply(&pod("picky", "true", "nodeSelector: {no: such}"))?;
    shows(k, "big", "Pending", &["FailedScheduling", "0/1 nodes are available", "Insufficient cpu"])?;
    shows(k, "picky", "Pending", &["FailedScheduling", "didn't match Pod's node affinity/selector"])?;
    let object = k.json("get pod big")?;
    has(&object["status"]["conditions"].to_string(), &["\"PodScheduled\"", "\"Unschedulable\""])?;
    equals(&object, "/spec/nodeName", Value::Null)
}

/// A Deployment tells of its pods' trouble, and of quotas and the like, in its conditions.
fn deployment(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&super::sleeper("web", 2, ", readinessProbe: {exec: {command: ['false']}, periodSeconds: 1}"))?;
    until(secs(20), "the status", || {
        let object = k.json("get deployment web")?;
        equals(&object, "/status/unavailableReplicas", 2)?;
        has(&object["status"]["conditions"].to_string(), &["MinimumReplicasUnavailable"])
    })?;
    has(&k.ok("get deployment web")?, &["0/2"])?;
    let bad =
        super::sleeper("bad", 1, "").replace("      containers:", "      serviceAccountName: none\n      containers:");
    k.apply(&bad)?;
    until(secs(20), "the failure to create pods", || {
        let object = k.json("get deployment bad")?;
        has(
            &object["status"]["conditions"].to_string(),
            &["ReplicaFailure", "FailedCreate", "serviceaccount \\\"none\\\" not found"],
        )
    })
}
