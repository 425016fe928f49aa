//! Pods in sets: StatefulSets, DaemonSets, and autoscalers over any of them.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{asker, fetch};
use crate::{
    kubectl::Kubectl,
    node::{condition, pod_ready},
    poll::{secs, until},
    suite::{
        Case, Cx,
        Place::{Both, Shared},
        case,
    },
    text::{equals, has, is, text_at},
};

pub const CASES: &[Case] = &[
    case("sets/stateful: order, names and size", Both(order)),
    case("sets/stateful: update, partition, rollback", Both(update)),
    case("sets/stateful: parallel, several away, ended pods", Both(parallel)),
    case("sets/stateful: claims come and go", Both(claims)),
    case("sets/daemon: nodes that are and are not eligible", Both(eligible)),
    case("sets/daemon: update and rollback", Both(daemon_update)),
    case("sets/daemon: surge, on delete", Both(daemon_strategies)),
    case("sets/autoscaler: by kubectl, and what it says", Both(autoscale)),
    case("sets/autoscaler: up under load and down again", Shared(load)),
];

/// A StatefulSet of web servers that answer with their names; `spec` and `pod` are lines of YAML.
fn stateful(replicas: u32, spec: &str, pod: &str) -> String {
    let lines = |text: &str, indent: &str| text.lines().map(|l| format!("{indent}{l}\n")).collect::<String>();
    format!(
        "
apiVersion: v1
kind: Service
metadata: {{name: web}}
spec: {{clusterIP: None, publishNotReadyAddresses: true, selector: {{app: web}}, ports: [{{port: 8080}}]}}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: web}}
spec:
  replicas: {replicas}
  serviceName: web
  selector: {{matchLabels: {{app: web}}}}
{}  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 1
{}      containers:
      - name: main
        image: knarr.local/busybox:1
        command: [sh, -c, 'mkdir -p /www; hostname > /www/index.html; exec httpd -f -p 8080 -h /www']
        readinessProbe: {{httpGet: {{port: 8080, path: /}}, periodSeconds: 1}}
",
        lines(spec, "  "),
        lines(pod, "      ")
    )
}

fn pods(k: &Kubectl, label: &str) -> Result<Vec<Value>> {
    let list = k.json(&format!("get pods -l app={label}"))?;
    Ok(list["items"].as_array().context("items")?.clone())
}

fn name(pod: &Value) -> &str {
    pod["metadata"]["name"].as_str().unwrap_or_default()
}

/// Waits until the pods of a set are these, all ready and none on its way out.
fn await_pods(k: &Kubectl, label: &str, names: &[&str]) -> Result<Vec<Value>> {
    until(secs(60), &format!("the pods {names:?}"), || {
        let all = pods(k, label)?;
        let have: Vec<&str> = all.iter().map(name).collect();
        ensure!(have == names, "there are {have:?}");
        for pod in &all {
            ensure!(pod["metadata"]["deletionTimestamp"].is_null(), "{} goes", name(pod));
            pod_ready(pod)?;
        }
        Ok(all)
    })
}

/// The revision of each pod of a set, in the order of their names.
fn revisions(k: &Kubectl) -> Result<Vec<String>> {
    let revision =
        |pod: &Value| pod["metadata"]["labels"]["controller-revision-hash"].as_str().unwrap_or("").to_owned();
    Ok(pods(k, "web")?.iter().map(revision).collect())
}

fn order(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    asker(k)?;
    k.apply(&stateful(3, "", ""))?;
    let status = k.within(secs(60), "rollout status statefulset/web")?;
    has(&status, &["Waiting for", "partitioned roll out complete: 3 new pods have been updated"])?;
    let all = await_pods(k, "web", &["web-0", "web-1", "web-2"])?;
    // Each began only when the one before was ready.
    for pair in all.windows(2) {
        let ready = pair[0]["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == "Ready");
        let ready = ready.and_then(|c| c["lastTransitionTime"].as_str()).context("a time")?;
        ensure!(text_at(&pair[1], "/metadata/creationTimestamp")? >= ready, "{} came too early", name(&pair[1]));
    }
    for (ordinal, pod) in all.iter().enumerate() {
        equals(pod, "/metadata/labels/statefulset.kubernetes.io~1pod-name", name(pod))?;
        equals(pod, "/metadata/labels/apps.kubernetes.io~1pod-index", ordinal.to_string())?;
        equals(pod, "/spec/hostname", name(pod))?;
        equals(pod, "/spec/subdomain", "web")?;
        is(&fetch(k, &format!("http://{}.web.{}.svc.cluster.local:8080/", name(pod), cx.ns))?, name(pod))?;
    }
    has(
        &k.ok("get events --field-selector reason=SuccessfulCreate")?,
        &["Create Pod web-0 in StatefulSet web successful"],
    )?;
    // One that is deleted comes back under its name.
    let before = text_at(&all[1], "/metadata/uid")?.to_owned();
    k.ok("delete pod web-1")?;
    let all = await_pods(k, "web", &["web-0", "web-1", "web-2"])?;
    ensure!(text_at(&all[1], "/metadata/uid")? != before, "web-1 is still the same");
    is(&k.ok("scale statefulset web --replicas=1")?, "statefulset.apps/web scaled")?;
    await_pods(k, "web", &["web-0"])?;
    // The last goes first: its deletion was told before the other's.
    let deleted = k.json("get events --field-selector reason=SuccessfulDelete")?;
    let told: Vec<String> = deleted["items"]
        .as_array()
        .context("events")?
        .iter()
        .map(|e| format!("{} {}", e["metadata"]["creationTimestamp"], e["message"]))
        .collect();
    let at = |pod: &str| told.iter().find(|t| t.contains(pod)).cloned().with_context(|| format!("{pod} in {told:?}"));
    ensure!(at("web-2")? <= at("web-1")?, "{told:?}");
    k.ok("patch statefulset web -p '{\"spec\":{\"replicas\":2,\"ordinals\":{\"start\":1}}}'")?;
    await_pods(k, "web", &["web-1", "web-2"])?;
    let set = k.json("get statefulset web")?;
    for counter in ["replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas"] {
        equals(&set, &format!("/status/{counter}"), 2)?;
    }
    let generation = set["metadata"]["generation"].clone();
    equals(&set, "/status/observedGeneration", generation)
}

fn update(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&stateful(3, "", ""))?;
    k.ok("annotate statefulset web kubernetes.io/change-cause=first")?;
    k.within(secs(60), "rollout status statefulset/web")?;
    k.ok("patch statefulset web -p '{\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"partition\":2}}}}'")?;
    k.ok("set env statefulset/web STEP=two")?;
    let status = k.within(secs(60), "rollout status statefulset/web")?;
    has(&status, &["partitioned roll out complete: 1 new pods have been updated"])?;
    let set = k.json("get statefulset web")?;
    let (current, next) = (text_at(&set, "/status/currentRevision")?, text_at(&set, "/status/updateRevision")?);
    ensure!(current != next, "{set:#}");
    equals(&set, "/status/updatedReplicas", 1)?;
    ensure!(revisions(k)? == [current, current, next], "{:?}", revisions(k)?);
    // A pod below the partition comes back as it was.
    k.ok("delete pod web-0")?;
    await_pods(k, "web", &["web-0", "web-1", "web-2"])?;
    ensure!(revisions(k)? == [current, current, next], "{:?}", revisions(k)?);
    k.ok("patch statefulset web -p '{\"spec\":{\"updateStrategy\":{\"rollingUpdate\":{\"partition\":0}}}}'")?;
    k.within(secs(60), "rollout status statefulset/web")?;
    until(secs(20), "the update to be over", || {
        let set = k.json("get statefulset web")?;
        equals(&set, "/status/currentRevision", next)?;
        ensure!(revisions(k)? == [next, next, next], "{:?}", revisions(k)?);
        Ok(())
    })?;
    is(&k.path("get pod web-1", "{.spec.containers[0].env[0].value}")?, "two")?;
    let history = k.ok("rollout history statefulset/web")?;
    has(&history, &["statefulset.apps/web", "REVISION", "1 ", "2 "])?;
    has(&k.ok("rollout history statefulset/web --revision=2")?, &["STEP:", "two"])?;
    is(&k.ok("rollout undo statefulset/web")?, "statefulset.apps/web rolled back")?;
    k.within(secs(60), "rollout status statefulset/web")?;
    until(secs(20), "the old revision", || {
        ensure!(revisions(k)? == [current, current, current], "{:?}", revisions(k)?);
        Ok(())
    })?;
    let history = k.ok("rollout history statefulset/web")?;
    ensure!(!history.contains("\n1 ") && history.contains("\n3 "), "{history}");
    is(&k.ok("rollout restart statefulset/web")?, "statefulset.apps/web restarted")?;
    k.within(secs(60), "rollout status statefulset/web")?;
    // History is as long as it may be: beside the revisions that pods have.
    k.ok("patch statefulset web -p '{\"spec\":{\"revisionHistoryLimit\":1}}'")?;
    until(secs(20), "old revisions to go", || {
        let count = k.ok("get controllerrevisions -l app=web -o name")?.lines().count();
        ensure!(count == 2, "there are {count}");
        Ok(())
    })
}

fn parallel(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    // Nobody is ready, and nobody waits.
    k.apply(&stateful(3, "podManagementPolicy: Parallel", "").replace("path: /}", "path: /nothing}"))?;
    until(secs(30), "three pods", || {
        ensure!(pods(k, "web")?.iter().filter(|p| p["status"]["phase"] == "Running").count() == 3);
        Ok(())
    })?;
    k.ok("delete statefulset web --cascade=foreground")?;
    let strategy =
        "podManagementPolicy: Parallel\nupdateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 2}}";
    k.apply(&stateful(3, strategy, ""))?;
    k.within(secs(60), "rollout status statefulset/web")?;
    k.ok("set env statefulset/web STEP=two")?;
    until(secs(60), "the update", || {
        let all = pods(k, "web")?;
        let away =
            3 - all.iter().filter(|p| p["metadata"]["deletionTimestamp"].is_null() && pod_ready(p).is_ok()).count();
        ensure!(away <= 2, "{away} are away");
        let set = k.json("get statefulset web")?;
        equals(&set, "/status/currentRevision", set["status"]["updateRevision"].clone())?;
        equals(&set, "/status/updatedReplicas", 3)?;
        equals(&set, "/status/readyReplicas", 3)
    })?;
    // A pod that fails is made again.
    let before = text_at(&k.json("get pod web-1")?, "/metadata/uid")?.to_owned();
    k.ok("patch pod web-1 --subresource=status -p '{\"status\":{\"phase\":\"Failed\"}}'")?;
    until(secs(40), "a new web-1", || {
        let pod = k.json("get pod web-1")?;
        ensure!(text_at(&pod, "/metadata/uid")? != before, "it is the same");
        pod_ready(&pod)
    })?;
    k.ok("patch statefulset web -p '{\"spec\":{\"updateStrategy\":{\"type\":\"OnDelete\",\"rollingUpdate\":null}}}'")?;
    k.ok("set env statefulset/web STEP=three")?;
    let set = until(secs(20), "the new revision", || {
        let set = k.json("get statefulset web")?;
        ensure!(set["status"]["updateRevision"] != set["status"]["currentRevision"], "{}", set["status"]);
        Ok(set)
    })?;
    k.ok("delete pod web-2")?;
    await_pods(k, "web", &["web-0", "web-1", "web-2"])?;
    let (current, next) = (text_at(&set, "/status/currentRevision")?, text_at(&set, "/status/updateRevision")?);
    ensure!(revisions(k)? == [current, current, next], "{:?}", revisions(k)?);
    Ok(())
}

fn claims(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let spec = "podManagementPolicy: Parallel
persistentVolumeClaimRetentionPolicy: {whenScaled: Delete, whenDeleted: Retain}
volumeClaimTemplates:
- metadata: {name: data, labels: {tier: disk}}
  spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}";
    k.apply(&stateful(2, spec, ""))?;
    let names = |want: &str| {
        until(secs(40), &format!("the claims {want}"), || {
            is(&k.path("get pvc -l app=web", "{.items[*].metadata.name}")?, want)
        })
    };
    names("data-web-0 data-web-1")?;
    let claim = k.json("get pvc data-web-1")?;
    equals(&claim, "/metadata/labels/tier", "disk")?;
    until(secs(20), "pods", || {
        let pod = k.json("get pod web-1")?;
        let volume = pod["spec"]["volumes"].as_array().into_iter().flatten().find(|v| v["name"] == "data");
        equals(volume.context("a volume")?, "/persistentVolumeClaim/claimName", "data-web-1")
    })?;
    k.ok("scale statefulset web --replicas=1")?;
    names("data-web-0")?;
    k.ok(
        "patch statefulset web -p '{\"spec\":{\"persistentVolumeClaimRetentionPolicy\":{\"whenDeleted\":\"Delete\"}}}'",
    )?;
    until(secs(20), "the set to own its claim", || {
        equals(&k.json("get pvc data-web-0")?, "/metadata/ownerReferences/0/kind", "StatefulSet")
    })?;
    k.ok("delete statefulset web")?;
    names("")
}

/// A DaemonSet; `spec` and `pod` are lines of YAML.
fn daemon(spec: &str, pod: &str) -> String {
    let lines = |text: &str, indent: &str| text.lines().map(|l| format!("{indent}{l}\n")).collect::<String>();
    format!(
        "
apiVersion: apps/v1
kind: DaemonSet
metadata: {{name: log}}
spec:
  selector: {{matchLabels: {{app: log}}}}
{}  template:
    metadata: {{labels: {{app: log}}}}
    spec:
      terminationGracePeriodSeconds: 1
{}      containers:
      - {{name: main, image: 'knarr.local/busybox:1', command: [sleep, '100000']}}
",
        lines(spec, "  "),
        lines(pod, "      ")
    )
}

/// The one pod of the DaemonSet that is not on its way out.
fn the_daemon(k: &Kubectl) -> Result<Value> {
    let all = pods(k, "log")?;
    let mut staying = all.into_iter().filter(|p| p["metadata"]["deletionTimestamp"].is_null());
    let pod = staying.next().context("no pod")?;
    ensure!(staying.next().is_none(), "more than one pod");
    pod_ready(&pod)?;
    Ok(pod)
}

fn eligible(cx: &Cx) -> Result<()> {
    let (k, node) = (&cx.kubectl, &cx.node.name);
    let label = format!("example.com/{}", cx.ns);
    k.apply(&daemon("", &format!("nodeSelector: {{{label}: 'yes'}}")))?;
    let counters = |desired: i32, current: i32, missed: i32| {
        until(secs(30), &format!("{desired} desired, {current} there, {missed} misplaced"), || {
            let set = k.json("get daemonset log")?;
            equals(&set, "/status/observedGeneration", set["metadata"]["generation"].clone())?;
            equals(&set, "/status/desiredNumberScheduled", desired)?;
            equals(&set, "/status/currentNumberScheduled", current)?;
            equals(&set, "/status/numberMisscheduled", missed)
        })
    };
    counters(0, 0, 0)?;
    k.ok(&format!("label node {node} {label}=yes"))?;
    counters(1, 1, 0)?;
    let pod = until(secs(30), "the pod", || the_daemon(k))?;
    has(&pod["spec"]["affinity"].to_string(), &["metadata.name", node])?;
    let tolerations = pod["spec"]["tolerations"].to_string();
    for key in ["not-ready", "unreachable", "disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"] {
        has(&tolerations, &[&format!("node.kubernetes.io/{key}")])?;
    }
    // It comes back when it is deleted, also to a node that is cordoned.
    k.ok(&format!("cordon {node}"))?;
    k.ok(&format!("delete pod {}", name(&pod)))?;
    let again = until(secs(30), "another pod", || the_daemon(k));
    k.ok(&format!("uncordon {node}"))?;
    ensure!(name(&again?) != name(&pod), "it is the same pod");
    k.ok(&format!("label node {node} {label}-"))?;
    counters(0, 0, 0)?;
    until(secs(30), "the pod to go", || {
        ensure!(pods(k, "log")?.is_empty());
        Ok(())
    })
}

fn daemon_update(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&daemon("", ""))?;
    has(&k.within(secs(60), "rollout status daemonset/log")?, &["daemon set \"log\" successfully rolled out"])?;
    let first = the_daemon(k)?;
    equals(&first, "/metadata/labels/pod-template-generation", "1")?;
    k.ok("set env daemonset/log STEP=two")?;
    k.within(secs(60), "rollout status daemonset/log")?;
    let second = until(secs(20), "the new pod", || the_daemon(k))?;
    equals(&second, "/spec/containers/0/env/0/value", "two")?;
    let set = k.json("get daemonset log")?;
    for counter in ["desiredNumberScheduled", "numberReady", "numberAvailable", "updatedNumberScheduled"] {
        equals(&set, &format!("/status/{counter}"), 1)?;
    }
    has(&k.ok("rollout history daemonset/log")?, &["daemonset.apps/log", "1 ", "2 "])?;
    has(&k.ok("rollout history daemonset/log --revision=2")?, &["STEP:", "two"])?;
    is(&k.ok("rollout undo daemonset/log")?, "daemonset.apps/log rolled back")?;
    k.within(secs(60), "rollout status daemonset/log")?;
    let third = until(secs(20), "the old template", || {
        let pod = the_daemon(k)?;
        ensure!(pod["spec"]["containers"][0]["env"].is_null(), "{}", pod["spec"]);
        Ok(pod)
    })?;
    let hash = "/metadata/labels/controller-revision-hash";
    equals(&third, hash, first.pointer(hash).cloned().unwrap_or_default())?;
    let history = k.ok("rollout history daemonset/log")?;
    ensure!(!history.contains("\n1 ") && history.contains("\n3 "), "{history}");
    is(&k.ok("rollout restart daemonset/log")?, "daemonset.apps/log restarted")?;
    k.within(secs(60), "rollout status daemonset/log")?;
    // Pods that nobody owns are taken over.
    k.ok("delete daemonset log --cascade=orphan")?;
    let orphan = the_daemon(k)?;
    k.apply(&daemon("updateStrategy: {type: OnDelete}", ""))?;
    until(secs(20), "the orphan to be adopted", || {
        let pod = the_daemon(k)?;
        ensure!(name(&pod) == name(&orphan), "another pod was made");
        equals(&pod, "/metadata/ownerReferences/0/kind", "DaemonSet")
    })
}

fn daemon_strategies(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let surge = "updateStrategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 0}}";
    k.apply(&daemon(surge, ""))?;
    k.within(secs(60), "rollout status daemonset/log")?;
    let first = the_daemon(k)?;
    k.ok("set env daemonset/log STEP=two")?;
    // At no time there is no ready pod.
    until(secs(60), "the new pod alone", || {
        let all = pods(k, "log")?;
        ensure!(all.iter().any(|p| pod_ready(p).is_ok()), "no pod is ready");
        let pod = the_daemon(k)?;
        ensure!(name(&pod) != name(&first), "the old pod is still there");
        Ok(())
    })?;
    k.ok("patch daemonset log -p '{\"spec\":{\"updateStrategy\":{\"type\":\"OnDelete\",\"rollingUpdate\":null}}}'")?;
    let second = the_daemon(k)?;
    k.ok("set env daemonset/log STEP=three")?;
    until(secs(20), "the new template to be seen", || {
        let set = k.json("get daemonset log")?;
        equals(&set, "/status/observedGeneration", set["metadata"]["generation"].clone())?;
        ensure!(set["status"]["updatedNumberScheduled"].as_i64().unwrap_or(0) == 0, "{}", set["status"]);
        Ok(())
    })?;
    ensure!(name(&the_daemon(k)?) == name(&second), "OnDelete replaced a pod");
    k.ok(&format!("delete pod {}", name(&second)))?;
    let third = until(secs(30), "the next pod", || the_daemon(k))?;
    equals(&third, "/spec/containers/0/env/0/value", "three")?;
    // One that fails is replaced, and told of.
    k.ok(&format!("patch pod {} --subresource=status -p '{{\"status\":{{\"phase\":\"Failed\"}}}}'", name(&third)))?;
    until(secs(40), "another pod", || {
        ensure!(name(&the_daemon(k)?) != name(&third), "it is the same");
        has(&k.ok("get events --field-selector reason=FailedDaemonPod")?, &["Found failed daemon pod"])
    })
}

/// A Deployment that burns as much CPU as it gets while a file is there.
fn burner(dir: &str, resources: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: burner}}
spec:
  selector: {{matchLabels: {{app: burner}}}}
  template:
    metadata: {{labels: {{app: burner}}}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: knarr.local/busybox:1
        command: [sh, -c, 'while :; do [ -e /flag/burn ] || sleep 1; done']
        resources: {resources}
        volumeMounts: [{{name: flag, mountPath: /flag}}]
      volumes: [{{name: flag, hostPath: {{path: '{dir}'}}}}]
"
    )
}

/// A condition's reason.
fn reason(autoscaler: &Value, kind: &str) -> String {
    let conditions = autoscaler["status"]["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|c| c["type"] == kind);
    found.and_then(|c| c["reason"].as_str()).unwrap_or_default().to_owned()
}

fn autoscale(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&burner("/tmp", "{}"))?;
    k.within(secs(60), "rollout status deployment/burner")?;
    is(
        k.ok("autoscale deployment burner --min=2 --max=4 --cpu-percent=50")?.lines().last().unwrap_or_default(),
        "horizontalpodautoscaler.autoscaling/burner autoscaled",
    )?;
    // Below the least it needs no metrics.
    until(secs(30), "two pods", || equals(&k.json("get deployment burner")?, "/spec/replicas", 2))?;
    has(
        &k.ok("get events --field-selector reason=SuccessfulRescale")?,
        &["New size: 2; reason: Current number of replicas below Spec.MinReplicas"],
    )?;
    // Without requests there is no percentage of them, and it says so.
    let words = until(secs(90), "it to say why it does not scale", || {
        let autoscaler = k.json("get hpa burner")?;
        ensure!(condition(&autoscaler, "ScalingActive") == Some("False"), "{}", autoscaler["status"]);
        ensure!(reason(&autoscaler, "ScalingActive") == "FailedGetResourceMetric", "{}", autoscaler["status"]);
        let text = autoscaler["status"]["conditions"].to_string();
        has(&text, &["missing request for cpu in container main of Pod burner-"])?;
        Ok(text)
    })?;
    has(&words, &["SucceededGetScale"])?;
    has(&k.ok("describe hpa burner")?, &["FailedGetResourceMetric", "<unknown>", "Min replicas:", "2"])?;
    k.ok("scale deployment burner --replicas=0")?;
    until(secs(40), "it to rest", || {
        let autoscaler = k.json("get hpa burner")?;
        ensure!(reason(&autoscaler, "ScalingActive") == "ScalingDisabled", "{}", autoscaler["status"]);
        Ok(())
    })?;
    k.ok("patch hpa burner -p '{\"spec\":{\"scaleTargetRef\":{\"name\":\"nobody\"}}}'")?;
    until(secs(40), "it to miss its target", || {
        let autoscaler = k.json("get hpa burner")?;
        ensure!(reason(&autoscaler, "AbleToScale") == "FailedGetScale", "{}", autoscaler["status"]);
        has(&autoscaler["status"]["conditions"].to_string(), &["deployments.apps \\\"nobody\\\" not found"])
    })
}

fn load(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let dir = cx.env.work.join("burn");
    fs::create_dir_all(&dir)?;
    k.apply(&burner(&dir.display().to_string(), "{requests: {cpu: 50m}, limits: {cpu: 100m}}"))?;
    k.within(secs(60), "rollout status deployment/burner")?;
    k.apply(
        "
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: burner}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: burner}
  minReplicas: 1
  maxReplicas: 3
  metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 60}}}]
  behavior: {scaleDown: {stabilizationWindowSeconds: 0}}
",
    )?;
    let replicas = |want: i32, what: &str| {
        until(secs(180), what, || {
            let deployment = k.json("get deployment burner")?;
            let autoscaler = k.json("get hpa burner")?;
            equals(&deployment, "/spec/replicas", want).with_context(|| autoscaler["status"].to_string())
        })
    };
    fs::write(dir.join("burn"), "")?;
    replicas(3, "three pods under load")?;
    let autoscaler = until(secs(60), "it to want more than it may", || {
        let autoscaler = k.json("get hpa burner")?;
        ensure!(reason(&autoscaler, "ScalingLimited") == "TooManyReplicas", "{}", autoscaler["status"]);
        Ok(autoscaler)
    })?;
    ensure!(condition(&autoscaler, "ScalingActive") == Some("True"), "{}", autoscaler["status"]);
    let used = &autoscaler["status"]["currentMetrics"][0]["resource"]["current"]["averageUtilization"];
    ensure!(used.as_i64().is_some_and(|n| n > 60), "{}", autoscaler["status"]);
    fs::remove_file(dir.join("burn"))?;
    replicas(1, "one pod when there is nothing to do")?;
    has(
        &k.ok("get events --field-selector reason=SuccessfulRescale")?,
        &["cpu resource utilization (percentage of request) above target", "All metrics below target"],
    )
}
