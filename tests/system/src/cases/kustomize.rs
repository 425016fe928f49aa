//! `kubectl apply -k`, and pruning: a base, overlays with generators and patches, and what was dropped goes.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, Result, ensure};

use crate::{
    kubectl::Kubectl,
    poll::{secs, until},
    suite::{Case, Cx, Place::Both, case},
    text::{equals, has, is},
};

pub const CASES: &[Case] = &[
    case("kustomize/base and overlays", Both(overlays)),
    case("kustomize/a changed setting", Both(changed)),
    case("prune/by label and kind", Both(by_label)),
    case("prune/apply set", Both(apply_set)),
];

const BASE: &str = "
resources: [web.yaml]
labels: [{pairs: {part-of: site}}]
images: [{name: web, newName: knarr.local/busybox, newTag: '1'}]
configMapGenerator: [{name: settings, literals: [mode=base, colour=red], files: [page.txt]}]
secretGenerator: [{name: keys, literals: [token=t0]}]
";

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: main
        image: web
        command: [sleep, '100000']
        envFrom: [{configMapRef: {name: settings}}]
        volumeMounts: [{name: keys, mountPath: /keys}]
      volumes: [{name: keys, secret: {secretName: keys}}]
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
";

const STAGING: &str = "
resources: [../base]
namePrefix: staging-
labels: [{pairs: {stage: staging}, includeSelectors: true}]
replicas: [{name: web, count: 1}]
configMapGenerator: [{name: settings, behavior: merge, literals: [mode=staging]}]
";

const PRODUCTION: &str = "
resources: [../base]
nameSuffix: -live
labels: [{pairs: {stage: production}, includeSelectors: true}]
replicas: [{name: web, count: 2}]
patches:
- path: patch.yaml
- target: {kind: Service}
  patch: |-
    - {op: replace, path: /spec/ports/0/port, value: 8080}
configMapGenerator: [{name: settings, behavior: merge, literals: [mode=production]}]
";

const PATCH: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: main, env: [{name: EXTRA, value: patched}]}]}}}
";

/// Writes a tree of files for kubectl, which runs on this file system.
fn tree(cx: &Cx, files: &[(&str, &str)]) -> Result<PathBuf> {
    let root = cx.env.work.join(&cx.ns);
    for (name, text) in files {
        let path = root.join(name);
        fs::create_dir_all(path.parent().context("a parent")?).context("make a directory")?;
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(root)
}

fn site(cx: &Cx) -> Result<String> {
    let root = tree(
        cx,
        &[
            ("base/kustomization.yaml", BASE),
            ("base/web.yaml", WEB),
            ("base/page.txt", "hello\n"),
            ("staging/kustomization.yaml", STAGING),
            ("production/kustomization.yaml", PRODUCTION),
            ("production/patch.yaml", PATCH),
        ],
    )?;
    Ok(root.display().to_string())
}

fn overlays(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let root = site(cx)?;
    let applied = k.ok(&format!("apply -k {root}/staging"))?;
    has(
        &applied,
        &["deployment.apps/staging-web created", "service/staging-web created", "configmap/staging-settings-"],
    )?;
    has(&k.ok(&format!("apply -k {root}/production"))?, &["deployment.apps/web-live created", "secret/keys-live-"])?;
    for name in ["staging-web", "web-live"] {
        k.within(secs(60), &format!("rollout status deployment/{name}"))?;
    }
    let live = k.json("get deployment web-live")?;
    equals(&live, "/spec/replicas", 2)?;
    equals(&live, "/metadata/labels/part-of", "site")?;
    equals(&live, "/spec/template/spec/containers/0/image", "knarr.local/busybox:1")?;
    is(&k.path("get service web-live", "{.spec.ports[0].port}")?, "8080")?;
    is(&k.path("get service staging-web", "{.spec.ports[0].port}")?, "80")?;
    let seen = |name: &str, script: &str| k.ok(&format!("exec deploy/{name} -- sh -c '{script}'"));
    is(&seen("staging-web", "echo $mode $colour $EXTRA; cat /keys/token")?, "staging red\nt0")?;
    is(&seen("web-live", "echo $mode $colour $EXTRA; cat /keys/token")?, "production red patched\nt0")?;
    let settings = k.json("get configmap -l part-of=site")?;
    equals(&settings, "/items/0/data/page.txt", "hello\n")?;
    // Nothing is left to do, and the client and the server agree on it.
    let again = k.ok(&format!("apply -k {root}/production"))?;
    ensure!(again.lines().all(|l| l.ends_with(" unchanged")), "{again}");
    let diff = k.run(&format!("diff -k {root}/production"), None, secs(30))?;
    ensure!(diff.code == 0 && diff.out.is_empty(), "{diff:?}");
    has(&k.ok(&format!("get -k {root}/staging -o name"))?, &["service/staging-web", "deployment.apps/staging-web"])?;
    has(&k.ok(&format!("delete -k {root}/staging"))?, &["deployment.apps \"staging-web\" deleted"])?;
    is(&k.ok("get deployments -o name")?, "deployment.apps/web-live")
}

/// A generated ConfigMap has its hash in its name: a new setting is a new object, and so a rollout.
fn changed(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let root = site(cx)?;
    let staging = format!("{root}/staging");
    let apply = format!("apply -k {staging} --prune -l part-of=site");
    k.ok(&apply)?;
    k.within(secs(60), "rollout status deployment/staging-web")?;
    let before = k.ok("get configmap -l part-of=site -o name")?;
    fs::write(format!("{staging}/kustomization.yaml"), STAGING.replace("mode=staging", "mode=newer"))?;
    let diff = k.run(&format!("diff -k {staging}"), None, secs(30))?;
    ensure!(diff.code == 1, "{diff:?}");
    has(&diff.out, &["+  mode: newer"])?;
    has(&k.ok(&apply)?, &["deployment.apps/staging-web configured", &format!("{} pruned", before.trim())])?;
    k.within(secs(60), "rollout status deployment/staging-web")?;
    let after = k.ok("get configmap -l part-of=site -o name")?;
    ensure!(after.lines().count() == 1 && after != before, "{before}{after}");
    until(secs(20), "the new pod to be asked", || is(&k.ok("exec deploy/staging-web -- sh -c 'echo $mode'")?, "newer"))
}

fn settings(names: &[&str]) -> String {
    let one =
        |n: &&str| format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {n}, labels: {{set: mine}}}}\n");
    names.iter().map(one).collect()
}

fn by_label(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap bystander")?;
    k.ok("label configmap bystander set=mine")?;
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, labels: {set: mine}}\n";
    k.apply(&format!("{}{secret}", settings(&["a", "b"])))?;
    let prune = "apply -f - --prune -l set=mine --prune-allowlist=core/v1/ConfigMap";
    let dry = k.feed(&format!("{prune} --dry-run=server"), &settings(&["a"]))?;
    has(&dry, &["configmap/b pruned (server dry run)"])?;
    let out = k.feed(prune, &settings(&["a"]))?;
    is(&out, "configmap/a unchanged\nconfigmap/b pruned")?;
    // What was not applied stays, and so does what the list does not allow.
    has(&k.ok("get cm,secret -l set=mine -o name")?, &["configmap/a", "configmap/bystander", "secret/s"])?;
    has(&k.feed("apply -f - --prune -l set=mine", &settings(&["a"]))?, &["secret/s pruned"])?;
    is(&k.ok("get secrets -o name")?, "")
}

/// The set's own object says what belongs to it; kinds that are no longer in it are pruned too.
fn apply_set(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl.with("KUBECTL_APPLYSET", "true");
    let apply = |k: &Kubectl, manifest: &str| k.feed("apply -f - --prune --applyset=mine", manifest);
    let account = "---\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: robot}\n";
    let out = apply(k, &format!("{}{account}", settings(&["a", "b"])))?;
    has(&out, &["configmap/a", "configmap/b", "serviceaccount/robot"])?;
    let parent = k.json("get secret mine")?;
    let id = parent["metadata"]["labels"]["applyset.kubernetes.io/id"].as_str().context("the set's id")?.to_owned();
    let kinds = parent["metadata"]["annotations"]["applyset.kubernetes.io/contains-group-kinds"].as_str();
    ensure!(kinds == Some("ConfigMap,ServiceAccount"), "{parent:#}");
    let member = k.json("get configmap b")?;
    ensure!(member["metadata"]["labels"]["applyset.kubernetes.io/part-of"] == id.as_str(), "{member:#}");
    let out = apply(k, &settings(&["a"]))?;
    has(&out, &["configmap/b pruned", "serviceaccount/robot pruned"])?;
    has(&k.ok("get cm,sa -o name")?, &["configmap/a", "serviceaccount/default"])?;
    has(&k.refused("get cm b", None)?, &["not found"])?;
    has(&k.refused("get sa robot", None)?, &["not found"])
}
