//! `kubectl get` in its forms.

use anyhow::{Context as _, Result, ensure};

use crate::{
    poll::secs,
    suite::{Case, Cx, Place::Both, case},
    text::{equals, has, is, rows},
};

pub const CASES: &[Case] = &[
    case("get/tables", Both(tables)),
    case("get/output forms", Both(forms)),
    case("get/selectors", Both(selectors)),
    case("get/chunks", Both(chunks)),
    case("get/watch", Both(watch)),
    case("get/all namespaces", Both(all_namespaces)),
    case("get/what is not there", Both(missing)),
];

/// Objects that nothing acts on: the table is the same whatever else the node does.
const THINGS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: a, labels: {tier: front, rank: '1'}}
data: {first: '1', second: '2'}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: b, labels: {tier: back}}
---
apiVersion: v1
kind: Secret
metadata: {name: s}
stringData: {p: hidden}
---
apiVersion: v1
kind: Service
metadata: {name: web, labels: {tier: front}}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: 8080}, {name: dns, port: 53, protocol: UDP}]}
---
apiVersion: v1
kind: Service
metadata: {name: headless}
spec: {clusterIP: None, selector: {app: web}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: 'knarr.local/busybox:1'}, {name: side, image: 'knarr.local/nginx:1'}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: front}
spec:
  ingressClassName: other
  tls: [{hosts: [front.test], secretName: t}]
  rules: [{host: front.test, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}]}}]
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot}
";

fn tables(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(THINGS)?;
    rows(&k.ok("get configmaps")?, &["NAME|DATA|AGE", "a|2|*", "b|0|*", "kube-root-ca.crt|1|*"])?;
    rows(&k.ok("get cm a b --no-headers")?, &["a|2|*", "b|0|*"])?;
    rows(&k.ok("get secrets")?, &["NAME|TYPE|DATA|AGE", "s|Opaque|1|*"])?;
    rows(
        &k.ok("get services")?,
        &[
            "NAME|TYPE|CLUSTER-IP|EXTERNAL-IP|PORT(S)|AGE",
            "headless|ClusterIP|None|<none>|<none>|*",
            "web|ClusterIP|10.43.*|<none>|80/TCP,53/UDP|*",
        ],
    )?;
    rows(&k.ok("get deploy")?, &["NAME|READY|UP-TO-DATE|AVAILABLE|AGE", "web|0/0|0|0|*"])?;
    rows(
        &k.ok("get deploy -o wide")?,
        &[
            "NAME|READY|UP-TO-DATE|AVAILABLE|AGE|CONTAINERS|IMAGES|SELECTOR",
            "web|0/0|0|0|*|main,side|knarr.local/busybox:1,knarr.local/nginx:1|app=web",
        ],
    )?;
    rows(&k.ok("get ingress")?, &["NAME|CLASS|HOSTS|ADDRESS|PORTS|AGE", "front|other|front.test|80, 443|*"])?;
    has(&k.ok("get sa")?, &["NAME", "AGE", "default", "robot"])?;
    rows(&k.ok("get cm a --show-labels")?, &["NAME|DATA|AGE|LABELS", "a|2|*|rank=1,tier=front"])?;
    rows(&k.ok("get cm a -L tier")?, &["NAME|DATA|AGE|TIER", "a|2|*|front"])?;
    let nodes = k.ok("get nodes -o wide")?;
    has(&nodes, &["NAME", "STATUS", "ROLES", "VERSION", "INTERNAL-IP", "OS-IMAGE", "CONTAINER-RUNTIME"])?;
    has(&nodes, &[&cx.node.name, "Ready", "control-plane", "v1.36.", &cx.node.ip.to_string(), "containerd://"])?;
    let all = k.ok("get all")?;
    has(&all, &["service/web", "deployment.apps/web", "replicaset.apps/web-"])
}

fn forms(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(THINGS)?;
    let object = k.json("get configmap a")?;
    equals(&object, "/kind", "ConfigMap")?;
    equals(&object, "/apiVersion", "v1")?;
    equals(&object, "/data/first", "1")?;
    equals(&object, "/metadata/namespace", cx.ns.as_str())?;
    ensure!(object.pointer("/metadata/managedFields").is_none(), "managedFields are shown: {object:#}");
    let shown = k.json("get configmap a --show-managed-fields")?;
    equals(&shown, "/metadata/managedFields/0/manager", "kubectl-client-side-apply")?;
    equals(&shown, "/metadata/managedFields/0/operation", "Update")?;
    let list = k.json("get configmap a b")?;
    equals(&list, "/kind", "List")?;
    equals(&list, "/items/1/metadata/name", "b")?;
    has(
        &k.ok("get cm a -o yaml")?,
        &["apiVersion: v1\n", "kind: ConfigMap\n", "  first: \"1\"\n", "    tier: front\n"],
    )?;
    is(&k.ok("get cm a b -o name")?, "configmap/a\nconfigmap/b")?;
    is(&k.path("get cm a", "{.data.first}-{.data.second}")?, "1-2")?;
    is(&k.path("get svc web", "{range .spec.ports[*]}{.name}={.port}/{.protocol} {end}")?, "http=80/TCP dns=53/UDP ")?;
    let columns = k.ok("get svc web -o custom-columns=N:.metadata.name,P:.spec.ports[0].targetPort,NONE:.spec.no")?;
    rows(&columns, &["N|P|NONE", "web|8080|<none>"])?;
    is(&k.ok("get cm a -o go-template={{.metadata.name}}")?, "a")?;
    is(&k.ok("get deploy/web cm/a -o name")?, "deployment.apps/web\nconfigmap/a")?;
    is(&k.path("get secret s", "{.data.p}")?, "aGlkZGVu")?;
    let sorted = k.ok("get cm --sort-by=.metadata.creationTimestamp -o name")?;
    has(&sorted, &["configmap/a", "configmap/b"])?;
    let raw = k.ok(&format!("get --raw /api/v1/namespaces/{}/configmaps/b", cx.ns))?;
    has(&raw, &["\"kind\":\"ConfigMap\"", "\"name\":\"b\""])
}

fn selectors(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(THINGS)?;
    let table: &[(&str, &str)] = &[
        ("get cm -l tier=front -o name", "configmap/a"),
        ("get cm -l tier!=front,tier -o name", "configmap/b"),
        ("get cm -l 'tier in (front,back)' -o name", "configmap/a\nconfigmap/b"),
        ("get cm -l 'tier notin (front),tier' -o name", "configmap/b"),
        ("get cm -l '!tier' -o name", "configmap/kube-root-ca.crt"),
        ("get cm -l 'rank>0' -o name", "configmap/a"),
        ("get cm,svc -l tier=front -o name", "configmap/a\nservice/web"),
        ("get cm --field-selector metadata.name=b -o name", "configmap/b"),
        ("get cm --field-selector metadata.name!=b,metadata.name!=kube-root-ca.crt -o name", "configmap/a"),
        ("get secrets --field-selector type=Opaque -o name", "secret/s"),
        ("get pods --field-selector status.phase=Running -o name", ""),
    ];
    for (line, expected) in table {
        is(&k.ok(line)?, expected).with_context(|| format!("kubectl {line}"))?;
    }
    let error = k.refused("get cm --field-selector spec.none=1", None)?;
    has(&error, &["\"spec.none\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""])?;
    has(&k.refused("get cm -l 'a=b=c'", None)?, &["found '=', expected: ',' or 'end of string'"])
}

fn chunks(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let mut manifest = String::new();
    for n in 0..23 {
        manifest.push_str(&format!(
            "---\n{{apiVersion: v1, kind: ConfigMap, metadata: {{name: c{n:02}, labels: {{set: c}}}}}}\n"
        ));
    }
    k.feed("create -f -", &manifest)?;
    for size in [1, 5, 22, 23, 24, 0] {
        let names = k.ok(&format!("get cm -l set=c --chunk-size={size} -o name"))?;
        ensure!(names.lines().count() == 23, "chunks of {size} give {} objects", names.lines().count());
    }
    // What kubectl does unseen: the pages themselves, and that they are one state of the cluster.
    let api = cx.node.api()?;
    let path = format!("/api/v1/namespaces/{}/configmaps?labelSelector=set%3Dc&limit=10", cx.ns);
    let first = api.get(&path)?.json()?;
    equals(&first, "/items/9/metadata/name", "c09")?;
    let token = first["metadata"]["continue"].as_str().context("a continue token")?;
    k.ok("delete cm c10 c20")?;
    let second = api.get(&format!("{path}&continue={token}"))?.json()?;
    equals(&second, "/items/0/metadata/name", "c10")?;
    equals(&second, "/metadata/resourceVersion", first["metadata"]["resourceVersion"].clone())
}

fn watch(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap seen --from-literal=a=1")?;
    let watch = k.follow("get configmaps -w --output-watch-events")?;
    watch.shows("seen", secs(20))?;
    k.ok("create configmap later")?;
    k.ok("label configmap later a=b")?;
    k.ok("delete configmap later")?;
    watch.shows("DELETED", secs(20))?;
    let text = watch.text();
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().take(2).collect()).collect();
    for (event, name) in
        [("EVENT", "NAME"), ("ADDED", "seen"), ("ADDED", "later"), ("MODIFIED", "later"), ("DELETED", "later")]
    {
        ensure!(lines.iter().any(|l| l == &[event, name]), "no {event} of {name}:\n{text}");
    }
    Ok(())
}

fn all_namespaces(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap here")?;
    let out = k.ok("get configmaps -A")?;
    has(&out, &["NAMESPACE", "kube-system", "default", &cx.ns, "here"])?;
    has(
        &k.ok("get namespaces")?,
        &["NAME", "STATUS", "default", "kube-node-lease", "kube-public", "kube-system", "Active"],
    )?;
    has(&k.ok("get svc -A")?, &["default", "kubernetes", "10.43.0.1", "443/TCP", "kube-dns", "10.43.0.10", "53/UDP"])
}

fn missing(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    has(&k.refused("get cm nothing", None)?, &["Error from server (NotFound): configmaps \"nothing\" not found"])?;
    has(&k.refused("get deploy nothing", None)?, &["deployments.apps \"nothing\" not found"])?;
    has(&k.refused("get nonsense", None)?, &["the server doesn't have a resource type \"nonsense\""])?;
    is(&k.ok("get cm nothing --ignore-not-found")?, "")?;
    let empty = k.run("get pods", None, secs(20))?;
    is(&empty.err, &format!("No resources found in {} namespace.", cx.ns))
}
