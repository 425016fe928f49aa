//! Verbs that ask about the API, the cluster and rights, and that wait.

use anyhow::{Context as _, Result, ensure};

use super::{await_phase, pod, sleeper};
use crate::{
    poll::{secs, until},
    suite::{Case, Cx, Place::Both, case},
    text::{has, is, table},
};

pub const CASES: &[Case] = &[
    case("api-resources/and versions", Both(resources)),
    case("explain/fields", Both(explain)),
    case("version/and cluster-info", Both(version)),
    case("auth/can-i", Both(can_i)),
    case("auth/whoami", Both(whoami)),
    case("wait/conditions", Both(wait)),
    case("events/of an object", Both(events)),
    case("cordon/and taint", Both(cordon)),
];

fn resources(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let out = k.ok("api-resources --no-headers")?;
    let rows: Vec<Vec<&str>> = out.lines().map(|l| l.split_whitespace().collect()).collect();
    for expected in [
        "pods po v1 true Pod",
        "services svc v1 true Service",
        "nodes no v1 false Node",
        "bindings v1 true Binding",
        "deployments deploy apps/v1 true Deployment",
        "ingresses ing networking.k8s.io/v1 true Ingress",
        "horizontalpodautoscalers hpa autoscaling/v2 true HorizontalPodAutoscaler",
        "events ev events.k8s.io/v1 true Event",
        "endpointslices discovery.k8s.io/v1 true EndpointSlice",
        "selfsubjectaccessreviews authorization.k8s.io/v1 false SelfSubjectAccessReview",
        "persistentvolumeclaims pvc v1 true PersistentVolumeClaim",
    ] {
        let expected: Vec<&str> = expected.split(' ').collect();
        ensure!(rows.contains(&expected), "{expected:?} is not in\n{out}");
    }
    has(
        &k.ok("api-resources --api-group=apps -o name")?,
        &["deployments.apps", "statefulsets.apps", "controllerrevisions.apps"],
    )?;
    let wide = k.ok("api-resources --api-group= -o wide")?;
    let pods = wide.lines().find(|l| l.starts_with("pods ")).context("pods")?;
    has(pods, &["create,delete,deletecollection,get,list,patch,update,watch", "all"])?;
    let namespaced = k.ok("api-resources --namespaced=false -o name")?;
    has(&namespaced, &["namespaces\n", "clusterroles.rbac.authorization.k8s.io\n"])?;
    let versions = k.ok("api-versions")?;
    for version in [
        "v1",
        "apps/v1",
        "batch/v1",
        "autoscaling/v1",
        "autoscaling/v2",
        "networking.k8s.io/v1",
        "coordination.k8s.io/v1",
    ] {
        ensure!(versions.lines().any(|l| l == version), "{version} is not in\n{versions}");
    }
    Ok(())
}

fn explain(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    has(
        &k.ok("explain pod.spec.containers.livenessProbe")?,
        &["KIND:       Pod", "VERSION:    v1", "periodSeconds", "<integer>", "httpGet", "<HTTPGetAction>"],
    )?;
    has(
        &k.ok("explain deployment.spec.strategy --recursive")?,
        &["GROUP:      apps", "rollingUpdate", "maxSurge", "<IntOrString>"],
    )?;
    has(
        &k.ok("explain ingress.spec.rules.http.paths")?,
        &["FIELD: paths <[]HTTPIngressPath>", "pathType", "<string> -required-"],
    )?;
    has(&k.refused("explain pod.spec.nonsense", None)?, &["field \"nonsense\" does not exist"])
}

fn version(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let version = k.json("version")?;
    let server = &version["serverVersion"];
    ensure!(server["major"] == "1" && server["minor"] == "36", "{server}");
    ensure!(server["gitVersion"].as_str().is_some_and(|v| v.starts_with("v1.36.") && v.contains("+knarr")), "{server}");
    let client = version["clientVersion"]["gitVersion"].as_str().unwrap_or_default();
    ensure!(client.contains(&k.version), "this is {client}, not {}", k.version);
    has(&k.ok("cluster-info")?, &["Kubernetes control plane", "is running at", "https://127.0.0.1:6443"])?;
    is(&k.ok("get --raw /readyz")?, "ok")?;
    is(&k.ok("get --raw /livez")?, "ok")?;
    has(&k.ok("get --raw /readyz?verbose")?, &["[+]", "readyz check passed"])
}

fn can_i(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let ns = &cx.ns;
    k.ok("create serviceaccount robot")?;
    k.ok("create role reader --verb=get,list --resource=pods --resource-name=one")?;
    k.ok("create role logs --verb=get --resource=pods/log")?;
    k.ok(&format!("create rolebinding a --role=reader --serviceaccount={ns}:robot"))?;
    k.ok(&format!("create rolebinding b --role=logs --serviceaccount={ns}:robot"))?;
    let robot = format!("--as=system:serviceaccount:{ns}:robot");
    until(secs(5), "the binding to count", || is(&k.ok(&format!("auth can-i get pods/one {robot}"))?, "yes"))?;
    is(&k.ok("auth can-i delete nodes")?, "yes")?;
    is(&k.ok("auth can-i '*' '*' -A")?, "yes")?;
    for (ask, answer) in [
        ("get pods/one", "yes"),
        ("get pods/two", "no"),
        ("get pods", "no"),
        ("get pods --subresource=log", "yes"),
        ("delete pods/one", "no"),
        ("get pods/one -n default", "no"),
        ("get /healthz", "yes"),
        ("get /metrics", "no"),
        ("create selfsubjectaccessreviews", "yes"),
    ] {
        let output = k.run(&format!("auth can-i {ask} {robot}"), None, secs(20))?;
        is(&output.out, answer).with_context(|| ask.to_owned())?;
        ensure!((output.code == 0) == (answer == "yes"), "{ask}: exit code {}", output.code);
    }
    let list = k.ok(&format!("auth can-i --list {robot}"))?;
    let rows = table(&list);
    ensure!(
        rows.iter().any(|r| r.first() == Some(&"pods") && r.contains(&"[get list]") && r.contains(&"[one]")),
        "{list}"
    );
    has(&list, &["selfsubjectaccessreviews.authorization.k8s.io", "[/healthz]"])?;
    has(
        &k.refused(&format!("get pods {robot}"), None)?,
        &[
            "Error from server (Forbidden)",
            &format!(
                "pods is forbidden: User \"system:serviceaccount:{ns}:robot\" cannot list resource \"pods\" in API group \"\" in the namespace \"{ns}\""
            ),
        ],
    )
}

fn whoami(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let out = k.ok("auth whoami")?;
    has(&out, &["ATTRIBUTE", "Username", "system:admin", "Groups", "system:masters", "system:authenticated"])?;
    let other = k.ok("auth whoami --as=jane --as-group=dev")?;
    has(&other, &["jane", "dev", "system:authenticated"])?;
    ensure!(!other.contains("system:masters"), "{other}");
    Ok(())
}

fn wait(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&sleeper("web", 1, ""))?;
    has(&k.ok("wait deployment/web --for=condition=Available --timeout=60s")?, &["deployment.apps/web condition met"])?;
    has(&k.ok("wait pod -l app=web --for=condition=Ready --timeout=30s")?, &["condition met"])?;
    has(&k.ok("wait deployment/web --for=jsonpath={.status.readyReplicas}=1 --timeout=30s")?, &["condition met"])?;
    has(&k.refused("wait deployment/web --for=condition=Nothing --timeout=1s", None)?, &["timed out waiting"])?;
    k.ok("delete deployment web --wait=false")?;
    k.ok("wait deployment/web --for=delete --timeout=30s")?;
    has(
        &k.ok("wait pod -l app=web --for=delete --timeout=30s").or_else(|_| k.ok("get pods -l app=web -o name"))?,
        &[""],
    )?;
    k.ok("create configmap c")?;
    has(&k.ok("wait configmap/c --for=create --timeout=10s")?, &["condition met"])
}

fn events(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&pod("once", "true", "restartPolicy: Never"))?;
    await_phase(k, "once", "Succeeded")?;
    until(secs(10), "the events", || {
        let out = k.ok("events --for pod/once")?;
        has(&out, &["LAST SEEN", "Normal", "Scheduled", "Pulled", "Created", "Started", "Pod/once"])
    })?;
    let got = k.ok("get events --field-selector involvedObject.name=once,reason=Scheduled")?;
    ensure!(got.lines().count() == 2, "{got}");
    has(&got, &["default-scheduler", "Successfully assigned"])
        .or_else(|_| has(&got, &["pod/once", "Successfully assigned"]))?;
    has(&k.ok("get events.events.k8s.io")?, &["pod/once"])
}

/// The only node: put back whatever happens in between.
fn cordon(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let name = &cx.node.name;
    has(&k.ok(&format!("cordon {name}"))?, &["cordoned"])?;
    let cordoned = (|| {
        has(&k.ok("get nodes")?, &["Ready,SchedulingDisabled"])?;
        k.apply(&pod("late", "sleep 1000", ""))?;
        until(secs(10), "the scheduler to say why", || {
            let pod = k.ok("describe pod late")?;
            has(&pod, &["Pending", "FailedScheduling", "0/1 nodes are available", "1 node(s) were unschedulable"])
        })
    })();
    has(&k.ok(&format!("uncordon {name}"))?, &["uncordoned"])?;
    cordoned?;
    super::await_pod(k, "late")?;
    k.ok(&format!("taint node {name} test=yes:NoExecute"))?;
    let tainted = k.within(secs(30), "wait pod/late --for=delete --timeout=25s");
    k.ok(&format!("taint node {name} test-"))?;
    tainted.map(drop).context("a NoExecute taint evicts")
}
