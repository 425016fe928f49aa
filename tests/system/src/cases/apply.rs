//! `kubectl apply` on both sides, and what is near it: dry runs, diff, strict validation.

use anyhow::{Result, ensure};

use crate::{
    poll::secs,
    suite::{Case, Cx, Place::Both, case},
    text::{equals, has, is, text_at},
};

pub const CASES: &[Case] = &[
    case("apply/client-side", Both(client_side)),
    case("apply/three-way merge", Both(three_way)),
    case("apply/server-side", Both(server_side)),
    case("apply/conflicts", Both(conflicts)),
    case("apply/from client-side to server-side", Both(migration)),
    case("apply/dry run", Both(dry_run)),
    case("apply/diff", Both(diff)),
    case("apply/unknown fields", Both(unknown_fields)),
    case("apply/a List", Both(list)),
];

fn settings(data: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata: {data}\n")
}

fn client_side(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    is(&k.apply(&settings("{p: '1'}"))?, "configmap/a created")?;
    let before = k.json("get cm a")?;
    is(&k.apply(&settings("{p: '1'}"))?, "configmap/a unchanged")?;
    equals(&k.json("get cm a")?, "/metadata/resourceVersion", text_at(&before, "/metadata/resourceVersion")?)?;
    is(&k.apply(&settings("{p: '2', q: '3'}"))?, "configmap/a configured")?;
    let after = k.json("get cm a")?;
    equals(&after, "/data", serde_json::json!({"p": "2", "q": "3"}))?;
    ensure!(before["metadata"]["uid"] == after["metadata"]["uid"], "it was made anew");
    ensure!(before["metadata"]["resourceVersion"] != after["metadata"]["resourceVersion"], "same resourceVersion");
    has(&k.ok("apply view-last-applied cm/a")?, &["kind: ConfigMap", "p: \"2\""])
}

fn web(extra: &str, ports: &str, image: &str) -> String {
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
  replicas: 0
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      containers:
      - name: main
        image: {image}
        ports: {ports}
{extra}"
    )
}

/// What others changed stays, what the manifest dropped goes, lists merge by their keys.
fn three_way(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let side = "      - {name: side, image: side:1}\n";
    k.apply(&web(side, "[{containerPort: 80, name: a}, {containerPort: 81, name: b}]", "main:1"))?;
    k.ok("scale deployment web --replicas=0 --current-replicas=0")?;
    k.ok("label deployment web mine=yes")?;
    k.ok("set env deployment/web -c main ADDED=1")?;
    is(
        &k.apply(&web("", "[{containerPort: 80, name: a}, {containerPort: 82, name: c}]", "main:2"))?,
        "deployment.apps/web configured",
    )?;
    let object = k.json("get deployment web")?;
    equals(&object, "/metadata/labels/mine", "yes")?;
    let containers = "/spec/template/spec/containers";
    equals(&object, &format!("{containers}/0/image"), "main:2")?;
    equals(&object, &format!("{containers}/0/env/0/name"), "ADDED")?;
    equals(&object, &format!("{containers}/1"), serde_json::Value::Null)?;
    let names = k.path("get deployment web", "{.spec.template.spec.containers[0].ports[*].name}")?;
    is(&names, "a c")
}

fn server_side(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    is(&k.feed("apply --server-side -f -", &settings("{p: '1'}"))?, "configmap/a serverside-applied")?;
    let before = k.json("get cm a --show-managed-fields")?;
    equals(&before, "/metadata/managedFields/0/manager", "kubectl")?;
    equals(&before, "/metadata/managedFields/0/operation", "Apply")?;
    equals(&before, "/metadata/managedFields/0/fieldsV1/f:data", serde_json::json!({"f:p": {}}))?;
    ensure!(before["metadata"]["annotations"].is_null(), "there are annotations: {before:#}");
    k.feed("apply --server-side -f -", &settings("{p: '1'}"))?;
    let same = k.json("get cm a --show-managed-fields")?;
    ensure!(before == same, "applying the same changed it:\n{before:#}\n{same:#}");
    k.feed("apply --server-side -f -", &settings("{q: '2'}"))?;
    equals(&k.json("get cm a")?, "/data", serde_json::json!({"q": "2"}))?;
    // Two managers own a field together; it goes when the last one drops it.
    k.feed("apply --server-side --field-manager=second -f -", &settings("{q: '2', r: '3'}"))?;
    k.feed("apply --server-side -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")?;
    equals(&k.json("get cm a")?, "/data", serde_json::json!({"q": "2", "r": "3"}))?;
    k.feed("apply --server-side --field-manager=second -f -", &settings("{r: '3'}"))?;
    equals(&k.json("get cm a")?, "/data", serde_json::json!({"r": "3"}))?;
    is(
        &k.feed("apply --server-side -f -", &web("", "[{containerPort: 80}]", "main:1"))?,
        "deployment.apps/web serverside-applied",
    )
}

fn conflicts(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.feed("apply --server-side -f -", &settings("{p: '1', q: '1'}"))?;
    let error = k.refused("apply --server-side --field-manager=other -f -", Some(&settings("{p: '2', q: '1'}")))?;
    has(&error, &["Apply failed with 1 conflict: conflict with \"kubectl\": .data.p", "--force-conflicts"])?;
    equals(&k.json("get cm a")?, "/data/p", "1")?;
    let both = k.refused("apply --server-side --field-manager=other -f -", Some(&settings("{p: '2', q: '2'}")))?;
    has(&both, &["Apply failed with 2 conflicts: conflicts with \"kubectl\":", "- .data.p", "- .data.q"])?;
    k.feed("apply --server-side --field-manager=other --force-conflicts -f -", &settings("{p: '2', q: '1'}"))?;
    let object = k.json("get cm a --show-managed-fields")?;
    equals(&object, "/data/p", "2")?;
    let fields = |manager: &str| {
        let all = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|m| m["manager"] == manager).map(|m| m["fieldsV1"]["f:data"].clone()).unwrap_or_default()
    };
    ensure!(fields("kubectl") == serde_json::json!({"f:q": {}}), "kubectl owns {}", fields("kubectl"));
    ensure!(fields("other") == serde_json::json!({"f:p": {}, "f:q": {}}), "other owns {}", fields("other"));
    let error = k.refused("apply --server-side -f -", Some(&settings("{p: '1', q: '1'}")))?;
    has(&error, &["conflict with \"other\": .data.p"])
}

/// kubectl hands over what it applied on its own side.
fn migration(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&settings("{p: '1', q: '1'}"))?;
    is(&k.feed("apply --server-side -f -", &settings("{p: '2'}"))?, "configmap/a serverside-applied")?;
    let object = k.json("get cm a --show-managed-fields")?;
    equals(&object, "/data", serde_json::json!({"p": "2"}))?;
    let managers = object["metadata"]["managedFields"].to_string();
    ensure!(!managers.contains("kubectl-client-side-apply"), "the old manager is there: {managers}");
    Ok(())
}

fn dry_run(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    is(&k.feed("apply --dry-run=server -f -", &settings("{p: '1'}"))?, "configmap/a created (server dry run)")?;
    is(&k.feed("apply --dry-run=client -f -", &settings("{p: '1'}"))?, "configmap/a created (dry run)")?;
    let applied = k.feed("apply --server-side --dry-run=server -f -", &settings("{p: '1'}"))?;
    is(&applied, "configmap/a serverside-applied (server dry run)")?;
    has(&k.refused("get cm a", None)?, &["not found"])?;
    k.apply(&settings("{p: '1'}"))?;
    is(&k.feed("apply --dry-run=server -f -", &settings("{p: '2'}"))?, "configmap/a configured (server dry run)")?;
    has(&k.ok("delete cm a --dry-run=server")?, &["configmap \"a\" deleted", "(server dry run)"])?;
    is(&k.path("get cm a", "{.data.p}")?, "1")?;
    // Defaults and validation are the server's, also where nothing is stored.
    let made = k.feed("apply --dry-run=server -o yaml -f -", &web("", "[{containerPort: 80}]", "main:1"))?;
    has(&made, &["progressDeadlineSeconds: 600", "protocol: TCP", "terminationGracePeriodSeconds: 30", "uid: "])?;
    let bad = k.refused("apply --dry-run=server -f -", Some(&web("", "[{containerPort: 99999}]", "main:1")))?;
    has(
        &bad,
        &[
            "spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive",
        ],
    )
}

fn diff(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&settings("{p: '1'}"))?;
    let same = k.run("diff -f -", Some(&settings("{p: '1'}")), secs(30))?;
    ensure!(same.code == 0 && same.out.is_empty(), "{same:?}");
    let other = k.run("diff -f -", Some(&settings("{p: '2'}")), secs(30))?;
    ensure!(other.code == 1, "{other:?}");
    has(&other.out, &["-  p: \"1\"", "+  p: \"2\""])?;
    // More than 1 is no answer but a failure.
    let wrong = k.run("diff -f -", Some(&settings("{p: [1]}")), secs(30))?;
    ensure!(wrong.code > 1, "{wrong:?}");
    is(&k.path("get cm a", "{.data.p}")?, "1")?;
    let applied = k.run("diff --server-side -f -", Some(&settings("{p: '1', q: '2'}")), secs(30))?;
    has(&applied.out, &["+  q: \"2\""])
}

fn unknown_fields(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let manifest = web("        nonsense: 1\n", "[]", "main:1");
    for line in ["apply -f -", "create -f -", "apply --server-side -f -"] {
        let error = k.refused(line, Some(&manifest))?;
        // Server-side apply names the field's path in its own way.
        has(&error, &["nonsense"])?;
    }
    has(
        &k.refused("create -f -", Some(&manifest))?,
        &[
            "Error from server (BadRequest)",
            "strict decoding error: unknown field \"spec.template.spec.containers[0].nonsense\"",
        ],
    )?;
    let warned = k.run("create --validate=warn -f -", Some(&manifest), secs(20))?;
    has(&warned.err, &["Warning: unknown field \"spec.template.spec.containers[0].nonsense\""])?;
    ensure!(warned.code == 0, "{warned:?}");
    let object = k.json("get deployment web")?;
    ensure!(!object.to_string().contains("nonsense"), "it was stored: {object:#}");
    Ok(())
}

fn list(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let item = |name: &str| format!("- {{apiVersion: v1, kind: ConfigMap, metadata: {{name: {name}}}}}\n");
    let manifest = format!("apiVersion: v1\nkind: List\nitems:\n{}{}", item("one"), item("two"));
    is(&k.apply(&manifest)?, "configmap/one created\nconfigmap/two created")?;
    is(&k.apply(&manifest)?, "configmap/one unchanged\nconfigmap/two unchanged")
}
