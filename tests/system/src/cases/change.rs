//! Verbs that make, change and delete objects.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::{await_pod, pod, sleeper};
use crate::{
    command,
    kubectl::Kubectl,
    node::pod_ready,
    poll::{secs, until},
    suite::{Case, Cx, Place::Both, case},
    text::{equals, has, is, text_at},
};

pub const CASES: &[Case] = &[
    case("create/conflict and generated names", Both(create_again)),
    case("patch/three types", Both(patch)),
    case("label/and annotate", Both(label)),
    case("scale/deployment", Both(scale)),
    case("set/image, env, resources", Both(set)),
    case("edit/with an editor", Both(edit)),
    case("edit/what is wrong", Both(edit_wrong)),
    case("replace/and conflicts", Both(replace)),
    case("replace/by force", Both(replace_force)),
    case("patch/subresources", Both(patch_subresources)),
    case("set/selector, subject, from", Both(set_others)),
    case("delete/forms", Both(delete)),
    case("delete/cascade", Both(cascade)),
    case("delete/finalizers", Both(finalizers)),
];

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 0
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: main, image: 'main:1', env: [{name: A, value: a}]}, {name: side, image: 'side:1'}]}
";

fn create_again(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap a")?;
    has(&k.refused("create configmap a", None)?, &["configmaps \"a\" already exists"])?;
    let generated = "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: made-}\n";
    let (first, second) = (k.feed("create -f - -o name", generated)?, k.feed("create -f - -o name", generated)?);
    ensure!(first.starts_with("configmap/made-") && first != second, "{first} {second}");
    has(&k.refused("create configmap Bad_Name", None)?, &["metadata.name: Invalid value: \"Bad_Name\"", "RFC 1123"])
}

fn patch(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(WEB)?;
    let strategic =
        r#"{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"B","value":"b"}]}]}}}}"#;
    is(&k.ok(&format!("patch deployment web -p '{strategic}'"))?, "deployment.apps/web patched")?;
    is(&k.path("get deployment web", "{.spec.template.spec.containers[*].name}")?, "main side")?;
    // New list entries of a strategic merge come first.
    let env = k.path("get deployment web", "{.spec.template.spec.containers[0].env[*].name}")?;
    let mut names: Vec<&str> = env.split(' ').collect();
    names.sort_unstable();
    ensure!(names == ["A", "B"], "env is {env}");
    is(&k.ok(&format!("patch deployment web -p '{strategic}'"))?, "deployment.apps/web patched (no change)")?;
    let removal = r#"{"spec":{"template":{"spec":{"containers":[{"name":"side","$patch":"delete"}]}}}}"#;
    k.ok(&format!("patch deployment web --type strategic -p '{removal}'"))?;
    is(&k.path("get deployment web", "{.spec.template.spec.containers[*].name}")?, "main")?;
    let merge = r#"{"metadata":{"labels":{"x":"1"}},"spec":{"template":{"spec":{"containers":[{"name":"only","image":"only:1"}]}}}}"#;
    k.ok(&format!("patch deployment web --type merge -p '{merge}'"))?;
    is(&k.path("get deployment web", "{.metadata.labels.x} {.spec.template.spec.containers[*].name}")?, "1 only")?;
    let json = r#"[{"op":"test","path":"/metadata/labels/x","value":"1"},{"op":"replace","path":"/metadata/labels/x","value":"2"},{"op":"add","path":"/spec/template/spec/containers/-","value":{"name":"more","image":"more:1"}}]"#;
    k.ok(&format!("patch deployment web --type json -p '{json}'"))?;
    is(&k.path("get deployment web", "{.metadata.labels.x} {.spec.template.spec.containers[*].name}")?, "2 only more")?;
    let test = r#"[{"op":"test","path":"/metadata/labels/x","value":"9"}]"#;
    k.refused(&format!("patch deployment web --type json -p '{test}'"), None)?;
    let missing = r#"[{"op":"remove","path":"/metadata/labels/none"}]"#;
    k.refused(&format!("patch deployment web --type json -p '{missing}'"), None)?;
    let wrong = r#"{"spec":{"replicas":"many"}}"#;
    k.refused(&format!("patch deployment web --type merge -p '{wrong}'"), None)?;
    let status = r#"{"spec":{"replicas":0},"status":{"observedGeneration":99}}"#;
    k.ok(&format!("patch deployment web --subresource=status --type merge -p '{status}'"))?;
    let fixed = r#"{"spec":{"selector":{"matchLabels":{"app":"other"}}}}"#;
    has(&k.refused(&format!("patch deployment web -p '{fixed}'"), None)?, &["field is immutable"])
}

fn label(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap a")?;
    k.ok("create configmap b")?;
    is(&k.ok("label cm a x=1 y=2")?, "configmap/a labeled")?;
    has(&k.refused("label cm a x=3", None)?, &["'x' already has a value (1), and --overwrite is false"])?;
    is(&k.ok("label cm a x=3 --overwrite")?, "configmap/a labeled")?;
    is(&k.ok("label cm a x=3 --overwrite")?, "configmap/a not labeled")?;
    is(&k.ok("label cm a y-")?, "configmap/a unlabeled")?;
    equals(&k.json("get cm a")?, "/metadata/labels", json!({"x": "3"}))?;
    is(&k.ok("label cm -l x=3 z=1")?, "configmap/a labeled")?;
    let listed = k.ok("label cm a --list")?;
    has(&listed, &["x=3", "z=1"])?;
    has(&k.refused("label cm a bad=a/b", None)?, &["a valid label must be"])?;
    is(&k.ok("annotate cm a b note='some words'")?, "configmap/a annotated\nconfigmap/b annotated")?;
    equals(&k.json("get cm b")?, "/metadata/annotations/note", "some words")?;
    has(&k.ok("annotate cm b --list")?, &["note=some words"])?;
    is(&k.ok("annotate cm b note-")?, "configmap/b annotated")?;
    equals(&k.json("get cm b")?, "/metadata/annotations", serde_json::Value::Null)
}

fn scale(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&sleeper("web", 1, ""))?;
    k.ok("rollout status deployment/web --timeout=60s")?;
    is(&k.ok("scale deployment web --replicas=3")?, "deployment.apps/web scaled")?;
    k.ok("rollout status deployment/web --timeout=60s")?;
    let pods = k.json("get pods -l app=web")?;
    let pods = pods["items"].as_array().context("pods")?;
    ensure!(pods.len() == 3, "{} pods", pods.len());
    pods.iter().try_for_each(pod_ready)?;
    has(
        &k.refused("scale deployment web --current-replicas=9 --replicas=1", None)?,
        &["xpected replicas to be 9, was 3"],
    )?;
    k.ok("scale --replicas=0 deployment/web")?;
    until(secs(30), "no pods", || is(&k.ok("get pods -l app=web -o name")?, ""))?;
    equals(&k.json("get deployment web")?, "/spec/replicas", 0)?;
    let raw = k.ok(&format!("get --raw /apis/apps/v1/namespaces/{}/deployments/web/scale", cx.ns))?;
    has(&raw, &["\"kind\":\"Scale\"", "\"apiVersion\":\"autoscaling/v1\"", "\"selector\":\"app=web\""])
}

fn set(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(WEB)?;
    is(&k.ok("set image deployment/web main=main:2 side=side:2")?, "deployment.apps/web image updated")?;
    is(&k.path("get deploy web", "{.spec.template.spec.containers[*].image}")?, "main:2 side:2")?;
    is(&k.ok("set env deployment/web -c side KEY=value")?, "deployment.apps/web env updated")?;
    is(&k.path("get deploy web", "{.spec.template.spec.containers[1].env[0].value}")?, "value")?;
    has(&k.ok("set env deployment/web --list")?, &["A=a", "KEY=value"])?;
    is(&k.ok("set env deployment/web KEY-")?, "deployment.apps/web env updated")?;
    let out = k.ok("set resources deployment web -c main --limits=cpu=100m,memory=64Mi --requests=cpu=50m")?;
    is(&out, "deployment.apps/web resource requirements updated")?;
    let main = "/spec/template/spec/containers/0/resources";
    let object = k.json("get deploy web")?;
    equals(&object, main, json!({"limits": {"cpu": "100m", "memory": "64Mi"}, "requests": {"cpu": "50m"}}))?;
    is(&k.ok("set serviceaccount deployment web default")?, "deployment.apps/web serviceaccount updated")?;
    has(&k.refused("set image deployment/web none=x:1", None)?, &["unable to find container named \"none\""])?;
    k.ok("create service clusterip web --tcp=80:80")?;
    is(&k.ok("set selector service web app=other")?, "service/web selector updated")
}

/// `kubectl edit` with a command in the editor's place.
fn edited(k: &Kubectl, what: &str, editor: &str) -> Result<command::Output> {
    command::run(&mut k.with("KUBE_EDITOR", editor).command(&format!("edit {what}")), None, secs(30))
}

fn edit(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap a --from-literal=word=before")?;
    is(&edited(k, "configmap a", "sed -i s/before/after/")?.out, "configmap/a edited")?;
    is(&k.path("get cm a", "{.data.word}")?, "after")?;
    let same = edited(k, "configmap a", "true")?;
    has(&format!("{}{}", same.out, same.err), &["Edit cancelled, no changes made."])?;
    edited(k, "configmap a -o json", "sed -i s/after/last/")?;
    is(&k.path("get cm a", "{.data.word}")?, "last")?;
    k.ok("create configmap b --from-literal=word=before")?;
    is(&edited(k, "configmap a b", "sed -i 's/word: .*/word: both/'")?.out, "configmap/a edited\nconfigmap/b edited")?;
    is(&k.path("get cm a b", "{.items[*].data.word}")?, "both both")?;
    // What is no part of the status is not changed through it.
    k.ok("create service loadbalancer lb --tcp=9183:80")?;
    let status = edited(k, "service lb --subresource=status", "sed -i 's/type: LoadBalancer/type: NodePort/'")?;
    ensure!(status.code == 0, "{status:?}");
    is(&k.path("get service lb", "{.spec.type}")?, "LoadBalancer")
}

/// An edit that the server refuses is kept in a file, and nothing has changed.
fn edit_wrong(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(WEB)?;
    // The editor is called again with the error on top; it leaves the file alone then, which gives up.
    let once = "sh -c 'grep -q replicas:.-5 $0 || sed -i \"s/replicas: 0/replicas: -5/\" $0'";
    let output = edited(k, "deployment web", once)?;
    ensure!(output.code != 0, "{output:?}");
    has(&output.err, &["deployments.apps \"web\" is invalid", "A copy of your changes has been stored to"])?;
    is(&k.path("get deployment web", "{.spec.replicas}")?, "0")?;
    let fixed = edited(k, "deployment web", "sed -i 's/app: web/app: other/'")?;
    ensure!(fixed.code != 0, "{fixed:?}");
    has(&fixed.err, &["deployments.apps \"web\" is invalid"])?;
    equals(&k.json("get deployment web")?, "/spec/selector", json!({"matchLabels": {"app": "web"}}))
}

fn replace(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap a --from-literal=p=1 --from-literal=q=1")?;
    let mut object = k.json("get cm a")?;
    object["data"] = json!({"p": "2"});
    is(&k.feed("replace -f -", &object.to_string())?, "configmap/a replaced")?;
    equals(&k.json("get cm a")?, "/data", json!({"p": "2"}))?;
    // The same bytes again carry the resourceVersion of before.
    let error = k.refused("replace -f -", Some(&object.to_string()))?;
    has(
        &error,
        &["(Conflict)", "the object has been modified; please apply your changes to the latest version and try again"],
    )?;
    has(&k.refused("replace -f -", Some("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: none}\n"))?, &["not found"])
}

/// What cannot be changed is made anew.
fn replace_force(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&pod("web", "sleep 1000", ""))?;
    let before = await_pod(k, "web")?;
    let other = pod("web", "sleep 2000", "");
    has(&k.refused("replace -f -", Some(&other))?, &["Forbidden", "pod updates may not change fields other than"])?;
    let out = k.run("replace --force -f -", Some(&other), secs(60))?;
    has(&out.out, &["pod \"web\" deleted", "pod/web replaced"])?;
    let after = await_pod(k, "web")?;
    ensure!(before["metadata"]["uid"] != after["metadata"]["uid"], "it is the same pod");
    is(&k.path("get pod web", "{.spec.containers[0].command[2]}")?, "sleep 2000\n")
}

/// A subresource changes what is its own and nothing else.
fn patch_subresources(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(WEB)?;
    has(
        &k.ok("patch deployment web --subresource=scale --type=merge -p '{\"spec\":{\"replicas\":2}}'")?,
        &["/web patched"],
    )?;
    is(&k.path("get deployment web", "{.spec.replicas}")?, "2")?;
    is(&k.path("get deployment web --subresource=scale", "{.kind} {.spec.replicas}")?, "Scale 2")?;
    k.ok("scale deployment web --replicas=0")?;
    k.ok("create service loadbalancer lb --tcp=9182:80")?;
    let status = r#"{"spec":{"type":"ClusterIP"},"status":{"conditions":[{"type":"Own","status":"True","reason":"Test","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}"#;
    k.ok(&format!("patch service lb --subresource=status --type=merge -p '{status}'"))?;
    is(&k.path("get service lb", "{.spec.type} {.status.conditions[0].type}")?, "LoadBalancer Own")?;
    has(&k.ok("get service lb --subresource=status -o yaml")?, &["type: Own"])?;
    let own = r#"{"status":{"conditions":null}}"#;
    k.ok(&format!("patch service lb --type=merge -p '{own}'"))?;
    is(&k.path("get service lb", "{.status.conditions[0].type}")?, "Own")?;
    let none = format!("patch cm kube-root-ca.crt --subresource=status --type=merge -p '{own}'");
    has(&k.refused(&none, None)?, &["not find the requested resource"])
}

fn set_others(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(WEB)?;
    k.ok("create configmap words --from-literal=first=1 --from-literal=second=2")?;
    is(&k.ok("set env deployment/web -c main --from=configmap/words --prefix=W_")?, "deployment.apps/web env updated")?;
    let env = k.path(
        "get deployment web",
        "{range .spec.template.spec.containers[0].env[*]}{.name}={.valueFrom.configMapKeyRef.key} {end}",
    )?;
    has(&env, &["W_FIRST=first", "W_SECOND=second"])?;
    k.ok("create service clusterip web --tcp=80:80")?;
    is(&k.ok("set selector service web app=other,tier=x")?, "service/web selector updated")?;
    equals(&k.json("get service web")?, "/spec/selector", json!({"app": "other", "tier": "x"}))?;
    k.ok("create role r --verb=get --resource=pods")?;
    k.ok("create rolebinding b --role=r --user=jane")?;
    let subject = k.ok("set subject rolebinding b --user=joe --group=dev --serviceaccount=default:robot")?;
    is(&subject, "rolebinding.rbac.authorization.k8s.io/b subjects updated")?;
    is(&k.path("get rolebinding b", "{.subjects[*].name}")?, "jane joe dev robot")?;
    let dry = k.ok(
        "set image deployment/web main=main:9 --dry-run=server -o jsonpath={.spec.template.spec.containers[0].image}",
    )?;
    is(&dry, "main:9")?;
    is(&k.path("get deployment web", "{.spec.template.spec.containers[0].image}")?, "main:1")
}

fn delete(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    for name in ["a", "b", "c", "d", "e"] {
        k.ok(&format!("create configmap {name}"))?;
    }
    has(&k.ok("delete cm a")?, &["configmap \"a\" deleted"])?;
    k.ok("label cm b c gone=yes")?;
    let out = k.ok("delete cm -l gone=yes")?;
    has(&out, &["configmap \"b\" deleted", "configmap \"c\" deleted"])?;
    is(&k.ok("get cm a b c --ignore-not-found")?, "")?;
    has(&k.refused("delete cm a", None)?, &["configmaps \"a\" not found"])?;
    is(&k.ok("delete cm a --ignore-not-found")?, "")?;
    let manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: f}\n";
    k.apply(manifest)?;
    has(&k.feed("delete -f -", manifest)?, &["configmap \"f\" deleted"])?;
    has(&k.ok("delete cm --field-selector metadata.name=e --dry-run=server")?, &["\"e\" deleted", "(server dry run)"])?;
    has(&k.ok("delete cm --all")?, &["\"d\" deleted", "\"e\" deleted"])?;
    k.apply(&sleeper("web", 1, "").replace("terminationGracePeriodSeconds: 1", "terminationGracePeriodSeconds: 60"))?;
    k.ok("rollout status deployment/web --timeout=60s")?;
    // A pod that ignores SIGTERM for a minute: --now gives it a second, --force none.
    let name = k.ok("get pods -l app=web -o name")?;
    k.within(secs(20), &format!("delete {} --now", name.trim()))?;
    k.ok("delete deployment web --wait=false")?;
    until(secs(20), "its pods to be told", || {
        let pods = k.json("get pods -l app=web")?;
        let all = pods["items"].as_array().context("pods")?;
        ensure!(all.iter().all(|p| p["metadata"]["deletionTimestamp"].is_string()), "{pods:#}");
        Ok(())
    })?;
    k.within(secs(20), "delete pods -l app=web --force --grace-period=0")?;
    is(&k.ok("get pods -o name")?, "")
}

fn cascade(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&sleeper("web", 1, ""))?;
    k.ok("rollout status deployment/web --timeout=60s")?;
    let set = k.ok("get rs -l app=web -o name")?.trim().to_owned();
    equals(&k.json(&format!("get {set}"))?, "/metadata/ownerReferences/0/kind", "Deployment")?;
    k.ok("delete deployment web --cascade=orphan")?;
    until(secs(10), "the orphan", || {
        equals(&k.json(&format!("get {set}"))?, "/metadata/ownerReferences", serde_json::Value::Null)
    })?;
    let pod = k.json("get pods -l app=web")?;
    pod_ready(&pod["items"][0])?;
    // Foreground: the owner goes last.
    k.ok(&format!("delete {set} --cascade=foreground"))?;
    is(&k.ok("get pods -l app=web -o name")?, "")?;
    k.apply(&sleeper("web", 1, ""))?;
    k.ok("rollout status deployment/web --timeout=60s")?;
    k.ok("delete deployment web --cascade=background")?;
    until(secs(30), "everything to go", || is(&k.ok("get rs,pods -l app=web -o name")?, ""))
}

fn finalizers(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.feed("create -f -", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, finalizers: [example.test/hold]}\n")?;
    k.ok("delete cm a --wait=false")?;
    let held = k.json("get cm a")?;
    text_at(&held, "/metadata/deletionTimestamp")?;
    has(
        &k.refused("patch cm a --type merge -p '{\"metadata\":{\"finalizers\":[\"x.test/a\",\"x.test/b\"]}}'", None)?,
        &["no new finalizers can be added"],
    )?;
    k.ok("patch cm a --type json -p '[{\"op\":\"remove\",\"path\":\"/metadata/finalizers\"}]'")?;
    has(&k.refused("get cm a", None)?, &["not found"])
}
