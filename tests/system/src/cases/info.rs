//! Verbs that ask about the API and the cluster, and that wait.

use anyhow::{Context as _, Result, ensure};

use super::{await_phase, pod, sleeper};
use crate::{
    poll::{secs, until},
    suite::{Case, Cx, Place::Both, case},
    text::{has, is},
};

pub const CASES: &[Case] = &[
    case("api-resources/and versions", Both(resources)),
    case("explain/fields", Both(explain)),
    case("version/and cluster-info", Both(version)),
    case("completion/what a shell asks for", Both(completion)),
    case("wait/conditions", Both(wait)),
    case("events/of an object", Both(events)),
    case("events/types and watch", Both(events_watch)),
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
    let all = k.ok("explain pods --recursive")?;
    has(
        &all,
        &[
            "FIELDS:",
            "  metadata\t<ObjectMeta>",
            "      requiredDuringSchedulingIgnoredDuringExecution\t<NodeSelector>",
        ],
    )?;
    ensure!(all.lines().count() > 1000, "only {} lines of fields", all.lines().count());
    // The older form reads OpenAPI v2.
    let old = k.ok("explain deployment.spec.template.spec.containers.ports --output=plaintext-openapiv2")?;
    has(&old, &["KIND:     Deployment", "VERSION:  apps/v1", "containerPort\t<integer> -required-"])?;
    has(&k.ok("explain hpa --api-version=autoscaling/v1")?, &["VERSION:    v1", "GROUP:      autoscaling"])?;
    has(
        &k.ok("explain events --api-version=events.k8s.io/v1")?,
        &["GROUP:      events.k8s.io", "reportingController"],
    )?;
    has(&k.refused("explain pod.spec.nonsense", None)?, &["field \"nonsense\" does not exist"])?;
    has(&k.refused("explain nonsense", None)?, &["the server doesn't have a resource type \"nonsense\""])
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
    k.ok("create service clusterip seen --tcp=80:80")?;
    let dump = k.ok(&format!("cluster-info dump --namespaces {}", cx.ns))?;
    has(&dump, &["\"kind\": \"NodeList\"", "\"kind\": \"PodList\"", "\"name\": \"seen\""])?;
    is(&k.ok("get --raw /readyz")?, "ok")?;
    is(&k.ok("get --raw /livez")?, "ok")?;
    has(&k.ok("get --raw /readyz?verbose")?, &["[+]", "readyz check passed"])
}

/// A shell's completion asks the server for names while one types.
fn completion(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap web-settings")?;
    k.ok("create configmap other")?;
    k.apply(&pod("web", "sleep 1000", ""))?;
    let ns = &cx.ns;
    let asked = |line: &str| -> Result<Vec<String>> {
        let out = k.ok(&format!("__complete --namespace {ns} {line}"))?;
        let words = out.lines().filter_map(|l| l.split('\t').next());
        Ok(words.filter(|w| !w.is_empty() && !w.starts_with(':')).map(str::to_owned).collect())
    };
    for (line, expected) in [
        ("get configmaps web-", "web-settings"),
        ("get cm/ot", "cm/other"),
        ("delete pod w", "web"),
        ("logs web ''", "main"),
        ("get deploy", "deployments.apps"),
        ("get --namespace kube-p", "kube-public"),
        ("cordon ''", &cx.node.name),
        ("get pods --context ''", "default"),
    ] {
        let words = asked(line)?;
        ensure!(words.iter().any(|w| w == expected), "{line}: {expected} is not in {words:?}");
    }
    Ok(())
}

fn wait(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    // For what is not there yet, and then is.
    let made = k.follow("wait deployment/web --for=create --timeout=30s")?;
    k.apply(&sleeper("web", 1, ""))?;
    let (code, text) = made.end(secs(20))?;
    ensure!(code == 0, "wait --for=create ended with {code}: {text}");
    has(&text, &["deployment.apps/web condition met"])?;
    has(&k.ok("wait deployment/web --for=condition=Available --timeout=60s")?, &["deployment.apps/web condition met"])?;
    has(&k.ok("wait pod -l app=web --for=condition=Ready --timeout=30s")?, &["condition met"])?;
    has(&k.ok("wait deployment/web --for=jsonpath={.status.readyReplicas}=1 --timeout=30s")?, &["condition met"])?;
    has(&k.ok("wait deployment/web --for=jsonpath={.status.availableReplicas} --timeout=30s")?, &["condition met"])?;
    has(&k.refused("wait deployment/web --for=condition=Nothing --timeout=1s", None)?, &["timed out waiting"])?;
    k.ok("wait deployment/web --for=condition=Nothing=Unknown --timeout=1s").err().context("no such condition")?;
    // A condition that comes while it waits.
    let scaled = k.follow("wait deployment/web --for=jsonpath={.status.readyReplicas}=2 --timeout=60s")?;
    k.ok("scale deployment web --replicas=2")?;
    let (code, text) = scaled.end(secs(60))?;
    ensure!(code == 0, "wait for two replicas ended with {code}: {text}");
    let gone = k.follow("wait pod -l app=web --for=delete --timeout=60s")?;
    k.ok("delete deployment web --wait=false")?;
    k.ok("wait deployment/web --for=delete --timeout=30s")?;
    let (code, text) = gone.end(secs(60))?;
    ensure!(code == 0, "wait for the pods' end ended with {code}: {text}");
    is(&k.ok("get pods -l app=web -o name")?, "")?;
    has(&k.refused("wait deployment/none --for=condition=Available --timeout=2s", None)?, &["not found"])
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

fn events_watch(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let watch = k.follow("events --watch --types=Warning")?;
    k.apply(&pod("good", "sleep 1000", ""))?;
    k.apply(&pod("bad", "sleep 1000", "").replace("knarr.local/busybox:1", "127.0.0.1:1/nothing:1"))?;
    watch.shows("Pod/bad", secs(30))?;
    super::await_pod(k, "good")?;
    has(&watch.text(), &["Warning", "Failed"])?;
    ensure!(!watch.text().contains("Normal"), "{}", watch.text());
    let normal = k.ok("events --types=Normal")?;
    ensure!(normal.contains("Pod/good") && !normal.contains("Warning"), "{normal}");
    has(&k.ok("events -A --for pod/good")?, &["NAMESPACE", &cx.ns, "Started"])?;
    has(&k.refused("events --types=Other", None)?, &["valid --types are Normal or Warning"])?;
    let json = k.json("events --for pod/bad")?;
    let items = json["items"].as_array().context("items")?;
    ensure!(items.iter().all(|e| e["involvedObject"]["name"] == "bad") && !items.is_empty(), "{json:#}");
    Ok(())
}
