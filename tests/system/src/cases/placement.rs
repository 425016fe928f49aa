//! Where pods may run and what a namespace may hold: the scheduler's words, gates, preemption, quotas, limits.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::{await_pod, pod};
use crate::{
    cluster::{self, Cluster},
    kubectl::Kubectl,
    poll::{secs, until},
    suite::{
        Case, Cx, Env,
        Place::{Both, Host, Shared},
        case,
    },
    text::{equals, has, is},
};

pub const CASES: &[Case] = &[
    case("placement/why a pod waits", Shared(words)),
    case("placement/scheduling gates", Shared(gates)),
    case("placement/away from others", Shared(away)),
    case("placement/preemption", Shared(preemption)),
    case("placement/preemption never", Shared(never)),
    case("placement/quota", Both(quota)),
    case("placement/quota scopes and counts", Shared(scopes)),
    case("placement/limits", Both(limits)),
    case("placement/two nodes", Host(two_nodes)),
];

const NO_VICTIM: &str =
    "no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
const NO_HELP: &str =
    "no new claims to deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.";

/// The message of a pod's `PodScheduled` condition.
fn told(k: &Kubectl, name: &str) -> Result<(String, String)> {
    let pod = k.json(&format!("get pod {name}"))?;
    let condition = scheduled(&pod).with_context(|| format!("{name} has no condition PodScheduled"))?;
    let text = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
    Ok((text("reason"), text("message")))
}

fn scheduled(pod: &Value) -> Option<&Value> {
    pod["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == "PodScheduled")
}

/// Waits until the condition and an event say exactly this.
fn waits(k: &Kubectl, name: &str, message: &str) -> Result<()> {
    until(secs(20), &format!("why {name} waits"), || {
        let (reason, text) = told(k, name)?;
        is(&reason, "Unschedulable")?;
        is(&text, message)?;
        let events = "get events --field-selector reason=FailedScheduling,involvedObject.name=";
        has(&k.path(&format!("{events}{name}"), "{range .items[*]}{.message}{\"\\n\"}{end}")?, &[message])
    })
}

/// A pod that asks for an amount of something.
fn asking(name: &str, requests: &str, extra: &str) -> String {
    format!("{}    resources: {{requests: {requests}}}\n", pod(name, "sleep 100000", extra))
}

fn words(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&asking("big", "{cpu: 1000, memory: 1000Ti}", ""))?;
    let message = format!("0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory. {NO_HELP}");
    waits(k, "big", &message)?;
    k.apply(&asking("gpu", "{example.com/gpu: 1}", "").replace("requests:", "limits:"))?;
    waits(k, "gpu", &format!("0/1 nodes are available: 1 Insufficient example.com/gpu. {NO_HELP}"))?;
    k.apply(&pod("picky", "sleep 100000", "nodeSelector: {place: here}"))?;
    let message = format!("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. {NO_HELP}");
    waits(k, "picky", &message)?;
    let volume = "volumes: [{name: v, persistentVolumeClaim: {claimName: none}}]";
    k.apply(&pod("stored", "sleep 100000", volume))?;
    waits(k, "stored", r#"0/1 nodes are available: persistentvolumeclaim "none" not found. not found"#)?;
    // The claim comes, and is bound by nobody.
    k.apply(
        "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: none}
spec: {accessModes: [ReadWriteOnce], storageClassName: by-hand, resources: {requests: {storage: 1Gi}}}
",
    )?;
    waits(k, "stored", "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. not found")?;
    // A label makes the picky one welcome, and it comes at once.
    let node = &cx.node.name;
    k.ok(&format!("label node {node} place=here"))?;
    let came = await_pod(k, "picky");
    k.ok(&format!("label node {node} place-"))?;
    let came = came?;
    ensure!(scheduled(&came).is_some_and(|c| c["status"] == "True"), "{:#}", came["status"]);
    has(&k.ok("describe pod picky")?, &["Scheduled", &format!("Successfully assigned {}/picky to {node}", cx.ns)])
}

fn gates(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&pod("gated", "sleep 100000", "schedulingGates: [{name: example.com/a}, {name: example.com/b}]"))?;
    has(&k.ok("get pod gated")?, &["SchedulingGated"])?;
    let (reason, message) = told(k, "gated")?;
    is(&reason, "SchedulingGated")?;
    is(&message, "Scheduling is blocked due to non-empty scheduling gates")?;
    k.ok(r#"patch pod gated --type json -p '[{"op":"remove","path":"/spec/schedulingGates/0"}]'"#)?;
    // A pod that comes later is placed; the gated one still waits.
    k.apply(&pod("free", "sleep 100000", ""))?;
    await_pod(k, "free")?;
    has(&k.ok("get pod gated")?, &["SchedulingGated"])?;
    k.ok(r#"patch pod gated --type json -p '[{"op":"remove","path":"/spec/schedulingGates"}]'"#)?;
    await_pod(k, "gated").map(drop)
}

fn away(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let rule = |kind: &str, app: &str| {
        format!(
            "affinity: {{{kind}: {{requiredDuringSchedulingIgnoredDuringExecution: [{{topologyKey: \
             kubernetes.io/hostname, labelSelector: {{matchLabels: {{app: {app}}}}}}}]}}}}"
        )
    };
    k.apply(&pod("shy", "sleep 100000", &rule("podAntiAffinity", "loud")))?;
    await_pod(k, "shy")?;
    k.apply(&pod("loud", "sleep 100000", ""))?;
    let message = "0/1 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules.";
    waits(k, "loud", &format!("{message} {NO_VICTIM}"))?;
    k.apply(&pod("fond", "sleep 100000", &rule("podAffinity", "loud")))?;
    let message = "0/1 nodes are available: 1 node(s) didn't match pod affinity rules.";
    waits(k, "fond", &format!("{message} {NO_HELP}"))?;
    // One goes, another can come, and a third after it.
    k.ok("delete pod shy")?;
    await_pod(k, "loud")?;
    await_pod(k, "fond").map(drop)
}

/// Priority classes of this case; they are the cluster's, so they are taken away again.
fn with_classes(cx: &Cx, body: impl FnOnce(&str, &str) -> Result<()>) -> Result<()> {
    let k = &cx.kubectl;
    let (high, polite) = (format!("{}-high", cx.ns), format!("{}-polite", cx.ns));
    k.ok(&format!("create priorityclass {high} --value=1000"))?;
    k.ok(&format!("create priorityclass {polite} --value=1000 --preemption-policy=Never"))?;
    let result = body(&high, &polite);
    k.ok(&format!("delete priorityclass {high} {polite}"))?;
    result
}

/// A pod that takes a port of the node: the thing these pods compete for, and no other case's pods.
fn on_port(name: &str, extra: &str) -> String {
    format!("{}    ports: [{{containerPort: 80, hostPort: 18099}}]\n", pod(name, "sleep 100000", extra))
}

const PORT: &str = "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.";

fn preemption(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    with_classes(cx, |high, _| {
        k.apply(&on_port("low", ""))?;
        let low = await_pod(k, "low")?;
        k.apply(&on_port("equal", ""))?;
        waits(k, "equal", &format!("{PORT} {NO_VICTIM}"))?;
        // Watched from the start: the victim is gone soon.
        let watch =
            k.follow("get pod low -w -o 'jsonpath={.status.conditions[?(@.type==\"DisruptionTarget\")]}{\"\\n\"}'")?;
        k.apply(&on_port("high", &format!("priorityClassName: {high}")))?;
        let came = await_pod(k, "high")?;
        equals(&came, "/spec/priority", 1000)?;
        until(secs(10), "the condition of the victim", || {
            let parts =
                ["\"status\":\"True\"", "PreemptionByScheduler", "preempting to accommodate a higher priority pod"];
            has(&watch.text(), &parts)
        })?;
        ensure!(k.refused("get pod low", None)?.contains("NotFound"), "the victim is still there");
        let uid = came["metadata"]["uid"].as_str().unwrap_or_default();
        let event = format!("Preempted by pod {uid} on node {}", cx.node.name);
        until(secs(10), "the event", || {
            has(&k.ok("get events --field-selector reason=Preempted")?, &[&event, "pod/low"])
        })?;
        equals(&low, "/metadata/name", "low")?;
        // It had been promised the node; bound, it keeps no promise.
        ensure!(came["status"].get("nominatedNodeName").is_none(), "{:#}", came["status"]);
        // Once it goes the one that waited comes.
        k.ok("delete pod high")?;
        await_pod(k, "equal").map(drop)
    })
}

fn never(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    with_classes(cx, |_, polite| {
        k.apply(&on_port("low", ""))?;
        await_pod(k, "low")?;
        k.apply(&on_port("polite", &format!("priorityClassName: {polite}")))?;
        let why = "no new claims to deallocate, preemption: not eligible due to preemptionPolicy=Never.";
        waits(k, "polite", &format!("{PORT} {why}"))?;
        await_pod(k, "low").map(drop)
    })
}

/// Waits until a quota's usage is this.
fn used(k: &Kubectl, name: &str, want: &str) -> Result<()> {
    let want: Value = serde_json::from_str(want).context("what is expected is JSON")?;
    until(secs(20), "the quota to be counted", || {
        let quota = k.json(&format!("get quota {name}"))?;
        ensure!(quota["status"]["used"] == want, "{:#}", quota["status"]);
        Ok(())
    })
}

fn quota(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    // Something is there before the quota, and counts.
    k.ok("create configmap before")?;
    let hard = "pods=2,requests.cpu=300m,configmaps=4,services.nodeports=1,count/deployments.apps=1";
    is(&k.ok(&format!("create quota limit --hard={hard}"))?, "resourcequota/limit created")?;
    // The namespace's own CA is a ConfigMap too.
    let none =
        r#"{"pods":"0","requests.cpu":"0","configmaps":"2","services.nodeports":"0","count/deployments.apps":"0"}"#;
    used(k, "limit", none)?;
    let plain = k.refused("run plain --image=knarr.local/busybox:1 -- sleep 100000", None)?;
    has(&plain, &["pods \"plain\" is forbidden: failed quota: limit: must specify requests.cpu for: plain"])?;
    k.apply(&asking("a", "{cpu: 200m}", ""))?;
    let second = k.refused("apply -f -", Some(&asking("b", "{cpu: 200m}", "")))?;
    let words = "is forbidden: exceeded quota: limit, requested: requests.cpu=200m, used: requests.cpu=200m, limited: \
                 requests.cpu=300m";
    has(&second, &[words])?;
    k.apply(&asking("b", "{cpu: 100m}", ""))?;
    used(k, "limit", &none.replace(r#""pods":"0","requests.cpu":"0""#, r#""pods":"2","requests.cpu":"300m""#))?;
    let refused = k.refused("create service nodeport two --tcp=80 --tcp=81", None)?;
    has(&refused, &["requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1"])?;
    let described = k.ok("describe quota limit")?;
    has(&described, &["Name:", "limit", "Resource", "Used", "Hard", "requests.cpu", "300m", "count/deployments.apps"])?;
    has(&k.ok(&format!("describe namespace {}", cx.ns))?, &["Resource Quotas", "limit", "configmaps", "requests.cpu"])?;
    // A Deployment that may have one pod has one, and says why not two.
    k.ok("delete pod a b --wait")?;
    used(k, "limit", none)?;
    k.apply(&super::sleeper("web", 3, ", resources: {requests: {cpu: 100m}}"))?;
    until(secs(20), "the ReplicaSet to say why", || {
        let events = k.ok("get events --field-selector reason=FailedCreate")?;
        has(&events, &["exceeded quota: limit, requested: pods=1, used: pods=2, limited: pods=2"])
    })?;
    let again = k.refused("create deployment other --image=knarr.local/busybox:1", None)?;
    has(&again, &["exceeded quota: limit, requested: count/deployments.apps=1"])?;
    // More is allowed: it comes into force, and the third pod too.
    k.ok(r#"patch quota limit -p '{"spec":{"hard":{"pods":"3"}}}'"#)?;
    k.within(secs(60), "rollout status deployment/web").map(drop)
}

fn scopes(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create quota best --hard=pods=1 --scopes=BestEffort")?;
    k.ok("create quota secret --hard=count/secrets=2,secrets=9")?;
    used(k, "best", r#"{"pods":"0"}"#)?;
    used(k, "secret", r#"{"count/secrets":"0","secrets":"0"}"#)?;
    k.apply(&pod("one", "sleep 100000", ""))?;
    let refused = k.refused("apply -f -", Some(&pod("two", "sleep 100000", "")))?;
    has(&refused, &["exceeded quota: best, requested: pods=1, used: pods=1, limited: pods=1"])?;
    // A pod that asks for something is not one of those.
    k.apply(&asking("three", "{cpu: 10m}", ""))?;
    // One that has ended takes no place.
    k.ok("delete pod one")?;
    used(k, "best", r#"{"pods":"0"}"#)?;
    k.apply(&format!("{}  restartPolicy: Never\n", pod("short", "true", "")))?;
    super::await_phase(k, "short", "Succeeded")?;
    used(k, "best", r#"{"pods":"0"}"#)?;
    for name in ["a", "b"] {
        k.ok(&format!("create secret generic {name}"))?;
    }
    has(&k.refused("create secret generic c", None)?, &["requested: count/secrets=1, used: count/secrets=2"])?;
    k.ok("delete secret a")?;
    used(k, "secret", r#"{"count/secrets":"1","secrets":"1"}"#)?;
    k.ok("create secret generic c").map(drop)
}

fn limits(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(
        "
apiVersion: v1
kind: LimitRange
metadata: {name: bounds}
spec:
  limits:
  - type: Container
    defaultRequest: {cpu: 20m}
    default: {cpu: 100m, memory: 64Mi}
    max: {cpu: 200m, memory: 1Gi}
    maxLimitRequestRatio: {cpu: 5}
  - {type: Pod, max: {cpu: 300m}}
  - {type: PersistentVolumeClaim, max: {storage: 1Gi}}
",
    )?;
    k.apply(&pod("plain", "sleep 100000", ""))?;
    let made = await_pod(k, "plain")?;
    equals(&made, "/spec/containers/0/resources/requests/cpu", "20m")?;
    equals(&made, "/spec/containers/0/resources/limits/memory", "64Mi")?;
    equals(&made, "/status/qosClass", "Burstable")?;
    let note = "LimitRanger plugin set: cpu, memory request for container main; cpu, memory limit for container main";
    is(made["metadata"]["annotations"]["kubernetes.io/limit-ranger"].as_str().unwrap_or_default(), note)?;
    let refused = |requests: &str, limits: &str, words: &str| {
        let big = format!("{}    resources: {{requests: {requests}, limits: {limits}}}\n", pod("big", "true", ""));
        has(&k.refused("apply -f -", Some(&big))?, &["pods \"big\" is forbidden:", words])
    };
    refused("{cpu: 250m}", "{cpu: 250m}", "maximum cpu usage per Container is 200m, but limit is 250m")?;
    refused(
        "{cpu: 10m}",
        "{cpu: 60m}",
        "cpu max limit to request ratio per Container is 5, but provided ratio is 6.000000",
    )?;
    let claim = "
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: large}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 2Gi}}}
";
    let words = "maximum storage usage per PersistentVolumeClaim is 1Gi, but request is 2Gi";
    has(&k.refused("apply -f -", Some(claim))?, &[words])?;
    let described = k.ok("describe limits bounds")?;
    has(
        &described,
        &["Type", "Default Request", "Default Limit", "Max Limit/Request Ratio", "Container", "20m", "100m"],
    )?;
    has(
        &k.ok(&format!("describe namespace {}", cx.ns))?,
        &["Resource Limits", "PersistentVolumeClaim", "storage", "1Gi"],
    )
}

/// With two nodes: spreading, anti-affinity and node affinity choose, and what cannot be said of one node.
fn two_nodes(env: &Env) -> Result<()> {
    cluster::with(env, "", |_, cluster: &Cluster| {
        let k = cluster.kubectl("default");
        let [server, agent] = cluster.hosts().map(|host| host.name.clone());
        let spread = "topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: \
                      DoNotSchedule, labelSelector: {matchLabels: {group: spread}}}]";
        for name in ["s1", "s2", "s3", "s4"] {
            k.apply(&pod(name, "sleep 100000", spread).replace("labels: {", "labels: {group: spread, "))?;
        }
        let shy = "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: \
                   kubernetes.io/hostname, labelSelector: {matchLabels: {group: shy}}}]}}";
        for name in ["a1", "a2", "a3"] {
            k.apply(&pod(name, "sleep 100000", shy).replace("labels: {", "labels: {group: shy, "))?;
        }
        let node_of = |name: &str| -> Result<String> {
            let pod = await_pod(&k, name)?;
            Ok(pod["spec"]["nodeName"].as_str().unwrap_or_default().to_owned())
        };
        let nodes: Vec<String> = ["s1", "s2", "s3", "s4"].into_iter().map(node_of).collect::<Result<_>>()?;
        let on_server = nodes.iter().filter(|n| **n == server).count();
        ensure!(on_server == 2, "spread: {nodes:?}");
        ensure!(node_of("a1")? != node_of("a2")?, "both shy pods are on one node");
        let message = "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules. no new claims to \
                       deallocate, preemption: 0/2 nodes are available: 2 No preemption victims found for incoming pod.";
        waits(&k, "a3", message)?;
        k.ok(&format!("label node {agent} disk=ssd"))?;
        k.apply(&pod("ssd", "sleep 100000", "nodeSelector: {disk: ssd}"))?;
        is(&node_of("ssd")?, &agent)?;
        // A cordoned node and a full one are told apart.
        k.ok(&format!("cordon {agent}"))?;
        k.apply(&asking("big", "{cpu: 1000}", ""))?;
        let message = "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable. no new claims to \
                       deallocate, preemption: 0/2 nodes are available: 2 Preemption is not helpful for scheduling.";
        waits(&k, "big", message)?;
        k.ok(&format!("uncordon {agent}")).map(drop)
    })
}
