//! `kubectl describe`: what a user reads first when something is wrong.

use anyhow::{Context as _, Result};

use super::{await_pod, pod, sleeper};
use crate::{
    poll::{secs, until},
    suite::{Case, Cx, Place::Both, case},
    text::has,
};

pub const CASES: &[Case] = &[
    case("describe/pod", Both(a_pod)),
    case("describe/deployment", Both(deployment)),
    case("describe/service and ingress", Both(service)),
    case("describe/node", Both(node)),
    case("describe/configmap, secret and others", Both(others)),
    case("describe/what else controllers act on", Both(acted_on)),
];

fn a_pod(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap c --from-literal=a=1")?;
    let extra = "volumes: [{name: v, configMap: {name: c}}]\nnodeSelector: {kubernetes.io/os: linux}";
    let container = "    env: [{name: A, value: b}, {name: C, valueFrom: {configMapKeyRef: {name: c, key: a}}}]
    resources: {requests: {cpu: 10m, memory: 8Mi}, limits: {memory: 16Mi}}
    readinessProbe: {exec: {command: ['true']}, periodSeconds: 1}
    volumeMounts: [{name: v, mountPath: /v}]
";
    k.apply(&format!("{}{container}", pod("web", "sleep 1000", extra)))?;
    await_pod(k, "web")?;
    let said = || k.ok("describe pod web");
    until(secs(10), "the events", || has(&said()?, &["Scheduled", "Pulled", "Created", "Started"]))?;
    let ip = k.path("get pod web", "{.status.podIP}")?;
    has(
        &said()?,
        &[
            &format!("Namespace:        {}", cx.ns),
            &format!("{}/{}", cx.node.name, cx.node.ip),
            "Status:           Running",
            &format!("IP:               {ip}"),
            "Container ID:  containerd://",
            "Image:         knarr.local/busybox:1",
            "State:          Running",
            "Ready:          True",
            "Restart Count:  0",
            "cpu:      10m",
            "exec [true] delay=0s timeout=1s period=1s",
            "A:  b",
            "C:  <set to the key 'a' of config map 'c'>",
            "/v from v (rw)",
            "/var/run/secrets/kubernetes.io/serviceaccount from kube-api-access-",
            "PodReadyToStartContainers   True",
            "ContainersReady             True",
            "PodScheduled                True",
            "QoS Class:                   Burstable",
            "Node-Selectors:              kubernetes.io/os=linux",
            "node.kubernetes.io/not-ready:NoExecute op=Exists for 300s",
            "Successfully assigned",
            "already present on machine",
        ],
    )
}

fn deployment(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&sleeper("web", 2, ""))?;
    k.ok("rollout status deployment/web --timeout=60s")?;
    has(
        &k.ok("describe deployment web")?,
        &[
            "Selector:               app=web",
            "2 desired | 2 updated | 2 total | 2 available | 0 unavailable",
            "StrategyType:           RollingUpdate",
            "RollingUpdateStrategy:  25% max unavailable, 25% max surge",
            "Available      True    MinimumReplicasAvailable",
            "Progressing    True    NewReplicaSetAvailable",
            "OldReplicaSets:  <none>",
            "(2/2 replicas created)",
            "deployment-controller",
            "ScalingReplicaSet",
            "Scaled up replica set web-",
        ],
    )?;
    has(
        &k.ok("describe rs -l app=web")?,
        &["Controlled By:  Deployment/web", "2 Running / 0 Waiting", "replicaset-controller", "SuccessfulCreate"],
    )
}

fn service(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&sleeper("web", 1, ", ports: [{name: http, containerPort: 8080}]"))?;
    k.ok("expose deployment web --port=80 --target-port=http")?;
    k.ok("create ingress front --class=other --rule=front.test/a*=web:80,tls=cert")?;
    k.ok("rollout status deployment/web --timeout=60s")?;
    let ip = k.path("get pods -l app=web", "{.items[0].status.podIP}")?;
    until(secs(10), "the endpoints", || has(&k.ok("describe service web")?, &[&format!("{ip}:8080")]))?;
    has(&k.ok("describe service web")?, &["Selector:", "app=web", "Type:", "ClusterIP", "TargetPort:", "http/TCP"])?;
    has(
        &k.ok("describe ingress front")?,
        &["Ingress Class:    other", "cert terminates", "front.test", "/a   web:80", &format!("{ip}:8080")],
    )
}

fn node(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&sleeper("web", 1, ", resources: {requests: {cpu: 20m}}"))?;
    k.ok("rollout status deployment/web --timeout=60s")?;
    let ip = cx.node.ip.to_string();
    has(
        &k.ok(&format!("describe node {}", cx.node.name))?,
        &[
            "Roles:              control-plane",
            "kubernetes.io/hostname=",
            "Taints:             <none>",
            "Unschedulable:      false",
            "HolderIdentity:  ",
            "MemoryPressure   False",
            "DiskPressure     False",
            "PIDPressure      False",
            "Ready            True",
            "KubeletReady",
            &format!("InternalIP:  {ip}"),
            "Capacity:",
            "Allocatable:",
            "containerd://",
            "PodCIDR:                      10.42.0.0/24",
            "Non-terminated Pods:",
            "web-",
            "20m (",
            "Allocated resources:",
            "RegisteredNode",
            "node-controller",
        ],
    )
}

fn others(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap c --from-literal=key=value")?;
    k.ok("create secret generic s --from-literal=key=hidden")?;
    k.ok("create serviceaccount robot")?;
    k.ok("create role r --verb=get --resource=pods")?;
    k.ok("create rolebinding b --role=r --serviceaccount=default:robot")?;
    has(&k.ok("describe configmap c")?, &["Data\n====\nkey:\n----\nvalue"])?;
    has(&k.ok("describe secret s")?, &["Type:  Opaque", "key:  6 bytes"])?;
    has(&k.ok("describe sa robot")?, &["Name:                robot"])?;
    has(&k.ok("describe role r")?, &["pods", "[get]"])?;
    has(&k.ok("describe rolebinding b")?, &["Kind:  Role", "ServiceAccount  robot  default"])?;
    has(&k.ok(&format!("describe namespace {}", cx.ns))?, &["Status:       Active"])?;
    has(&k.refused("describe pod none", None)?, &["pods \"none\" not found"])
}

/// Sets that want pods of no node, and limits.
const SETS: &str = "
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: d}
spec:
  selector: {matchLabels: {app: d}}
  template:
    metadata: {labels: {app: d}}
    spec: {nodeSelector: {place: nowhere}, containers: [{name: main, image: 'knarr.local/busybox:1'}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: s}
spec:
  replicas: 0
  serviceName: s
  selector: {matchLabels: {app: s}}
  template:
    metadata: {labels: {app: s}}
    spec: {containers: [{name: main, image: 'knarr.local/busybox:1'}]}
---
apiVersion: v1
kind: LimitRange
metadata: {name: l}
spec: {limits: [{type: Container, max: {cpu: 2}, defaultRequest: {cpu: 10m}}]}
";

fn acted_on(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(SETS)?;
    k.ok("create job once --image=knarr.local/busybox:1 -- true")?;
    k.ok("create cronjob often --image=knarr.local/busybox:1 --schedule='0 0 1 1 *' -- true")?;
    k.ok("create poddisruptionbudget safe --selector=app=web --max-unavailable=1")?;
    k.ok("create quota q --hard=configmaps=9")?;
    k.apply(&sleeper("web", 0, ""))?;
    k.ok("autoscale deployment web --min=1 --max=3 --cpu-percent=60")?;
    for (what, parts) in [
        ("daemonset d", &["Node-Selector:  place=nowhere", "Desired Number of Nodes Scheduled: 0"][..]),
        ("statefulset s", &["0 desired | 0 total", "RollingUpdate"]),
        ("limitrange l", &["Container", "cpu", "10m", "2"]),
        ("job once", &["Parallelism:", "Completions:", "Completion Mode:", "Pods Statuses:", "Pod Template:"]),
        ("cronjob often", &["Schedule:                      0 0 1 1 *", "Concurrency Policy:            Allow"]),
        ("pdb safe", &["Max unavailable:  1", "Selector:         app=web", "Allowed disruptions:"]),
        ("quota q", &["Resource", "Used", "Hard", "configmaps"]),
        ("hpa web", &["Reference:", "Deployment/web", "resource cpu on pods", "/ 60%", "Max replicas:"]),
        ("priorityclass system-node-critical", &["Value:", "2000001000"]),
        ("clusterrole view", &["Resources", "Verbs", "pods/log"]),
    ] {
        has(&k.ok(&format!("describe {what}"))?, parts).with_context(|| what.to_owned())?;
    }
    Ok(())
}
