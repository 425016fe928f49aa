//! `kubectl create` with each of its generators, `expose`, `run` and `autoscale`: what they make of a command line.

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{await_pod, pod, sleeper};
use crate::{
    command,
    poll::secs,
    suite::{Case, Cx, Place::Both, case},
    text::{at, equals, has, is, text_at},
};

pub const CASES: &[Case] = &[
    case("create/workloads", Both(workloads)),
    case("create/settings", Both(settings)),
    case("create/services and ingresses", Both(services)),
    case("create/rights", Both(rights)),
    case("create/of the cluster", Both(cluster)),
    case("create/tokens", Both(tokens)),
    case("expose/what there is", Both(expose)),
    case("autoscale/deployment", Both(autoscale)),
];

/// A generator: what follows `create`, what kubectl says, and what the server made of it.
struct Row(&'static str, &'static str, Facts);

/// Where in it what stands.
type Facts = &'static [(&'static str, fn() -> Value)];

fn check(cx: &Cx, rows: &[Row]) -> Result<()> {
    let k = &cx.kubectl;
    for Row(line, made, facts) in rows {
        (|| {
            is(&k.ok(&format!("create {line}"))?, &format!("{made} created"))?;
            let object = k.json(&format!("get {made}"))?;
            facts.iter().try_for_each(|(pointer, value)| equals(&object, pointer, value()))
        })()
        .with_context(|| format!("kubectl create {line}"))?;
    }
    Ok(())
}

fn workloads(cx: &Cx) -> Result<()> {
    check(
        cx,
        &[
            Row(
                "deployment d --image=knarr.local/busybox:1 --replicas=0 --port=80 -- sleep 5",
                "deployment.apps/d",
                &[
                    ("/spec/replicas", || json!(0)),
                    ("/spec/selector", || json!({"matchLabels": {"app": "d"}})),
                    ("/spec/template/spec/containers/0/command", || json!(["sleep", "5"])),
                    ("/spec/template/spec/containers/0/ports/0/containerPort", || json!(80)),
                    ("/spec/strategy/rollingUpdate/maxSurge", || json!("25%")),
                ],
            ),
            Row(
                "job once --image=knarr.local/busybox:1 -- true",
                "job.batch/once",
                &[
                    ("/spec/template/spec/restartPolicy", || json!("Never")),
                    ("/spec/backoffLimit", || json!(6)),
                    ("/spec/completionMode", || json!("NonIndexed")),
                    ("/spec/template/spec/containers/0/command", || json!(["true"])),
                ],
            ),
            Row(
                "cronjob often --image=knarr.local/busybox:1 --schedule='0 0 1 1 *' --restart=Never -- true",
                "cronjob.batch/often",
                &[
                    ("/spec/schedule", || json!("0 0 1 1 *")),
                    ("/spec/concurrencyPolicy", || json!("Allow")),
                    ("/spec/suspend", || json!(false)),
                    ("/spec/successfulJobsHistoryLimit", || json!(3)),
                ],
            ),
            Row(
                "job again --from=cronjob/often",
                "job.batch/again",
                &[
                    ("/metadata/annotations/cronjob.kubernetes.io~1instantiate", || json!("manual")),
                    ("/metadata/ownerReferences/0/kind", || json!("CronJob")),
                ],
            ),
            Row(
                "poddisruptionbudget safe --selector=app=web --min-available=50%",
                "poddisruptionbudget.policy/safe",
                &[
                    ("/spec/minAvailable", || json!("50%")),
                    ("/spec/selector", || json!({"matchLabels": {"app": "web"}})),
                ],
            ),
            Row(
                "quota q --hard=pods=9,requests.cpu=2",
                "resourcequota/q",
                &[("/spec/hard", || json!({"pods": "9", "requests.cpu": "2"}))],
            ),
        ],
    )
}

fn settings(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let dir = cx.env.work.join(&cx.ns);
    std::fs::create_dir_all(dir.join("many"))?;
    std::fs::write(dir.join("file.txt"), "of a file\n")?;
    std::fs::write(dir.join("bytes"), [0xff, 0xfe, 0x00])?;
    std::fs::write(dir.join("words.env"), "# words\nFIRST=1\nSECOND=two words\n")?;
    std::fs::write(dir.join("many/one"), "1")?;
    std::fs::write(dir.join("many/two"), "2")?;
    let dir = dir.display();
    k.ok(&format!("create configmap c --from-file={dir}/file.txt --from-file=key={dir}/bytes --from-literal=word=x"))?;
    let made = k.json("get configmap c")?;
    equals(&made, "/data", json!({"file.txt": "of a file\n", "word": "x"}))?;
    equals(&made, "/binaryData", json!({"key": "//4A"}))?;
    k.ok(&format!("create configmap dir --from-file={dir}/many"))?;
    equals(&k.json("get cm dir")?, "/data", json!({"one": "1", "two": "2"}))?;
    k.ok(&format!("create configmap env --from-env-file={dir}/words.env"))?;
    equals(&k.json("get cm env")?, "/data", json!({"FIRST": "1", "SECOND": "two words"}))?;
    k.ok("create secret generic s --from-literal=p=hidden --type=example.test/own")?;
    let made = k.json("get secret s")?;
    equals(&made, "/data", json!({"p": "aGlkZGVu"}))?;
    equals(&made, "/type", "example.test/own")?;
    k.ok("create secret docker-registry r --docker-server=x.test --docker-username=u --docker-password=p")?;
    let made = k.json("get secret r")?;
    equals(&made, "/type", "kubernetes.io/dockerconfigjson")?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(text_at(&made, "/data/.dockerconfigjson")?)?;
    let config: Value = serde_json::from_slice(&bytes).context("the registry's secret")?;
    equals(&config, "/auths/x.test/auth", "dTpw")?;
    let pair = format!(
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=tls.test -keyout {dir}/tls.key -out {dir}/tls.crt"
    );
    command::ok(std::process::Command::new("openssl").args(pair.split(' ')), secs(20))?;
    k.ok(&format!("create secret tls t --cert={dir}/tls.crt --key={dir}/tls.key"))?;
    let made = k.json("get secret t")?;
    equals(&made, "/type", "kubernetes.io/tls")?;
    ensure!(at(&made, "/data")?.as_object().is_some_and(|d| d.contains_key("tls.crt") && d.contains_key("tls.key")));
    k.ok("create serviceaccount robot")?;
    equals(&k.json("get sa robot")?, "/metadata/name", "robot")
}

fn services(cx: &Cx) -> Result<()> {
    check(
        cx,
        &[
            Row(
                "service clusterip web --tcp=80:8080 --tcp=443:8443",
                "service/web",
                &[
                    ("/spec/type", || json!("ClusterIP")),
                    ("/spec/ports/0", || json!({"name": "80-8080", "port": 80, "protocol": "TCP", "targetPort": 8080})),
                    ("/spec/selector", || json!({"app": "web"})),
                ],
            ),
            Row(
                "service clusterip headless --clusterip=None",
                "service/headless",
                &[("/spec/clusterIP", || json!("None"))],
            ),
            Row("service nodeport open --tcp=80:8080", "service/open", &[("/spec/type", || json!("NodePort"))]),
            Row(
                "service loadbalancer out --tcp=9181:8080",
                "service/out",
                &[("/spec/type", || json!("LoadBalancer")), ("/spec/allocateLoadBalancerNodePorts", || json!(true))],
            ),
            Row(
                "service externalname away --external-name=example.test",
                "service/away",
                &[("/spec/externalName", || json!("example.test"))],
            ),
            Row(
                "ingress front --class=other --rule=front.test/a*=web:80,tls=cert --rule=other.test/=web:http --annotation=k=v",
                "ingress.networking.k8s.io/front",
                &[
                    ("/spec/ingressClassName", || json!("other")),
                    ("/spec/tls", || json!([{"hosts": ["front.test"], "secretName": "cert"}])),
                    ("/spec/rules/0/http/paths/0/pathType", || json!("Prefix")),
                    ("/spec/rules/1/http/paths/0/backend/service/port/name", || json!("http")),
                    ("/metadata/annotations/k", || json!("v")),
                ],
            ),
        ],
    )?;
    let open = cx.kubectl.json("get service open")?;
    let port = at(&open, "/spec/ports/0/nodePort")?.as_u64().context("a node port")?;
    ensure!((30000..=32767).contains(&port), "node port {port}");
    Ok(())
}

fn rights(cx: &Cx) -> Result<()> {
    check(
        cx,
        &[
            Row(
                "role reader --verb=get,list --resource=pods,deployments.apps/scale --resource-name=one",
                "role.rbac.authorization.k8s.io/reader",
                &[("/rules", || {
                    json!([
                        {"apiGroups": [""], "resourceNames": ["one"], "resources": ["pods"], "verbs": ["get", "list"]},
                        {"apiGroups": ["apps"], "resourceNames": ["one"], "resources": ["deployments/scale"], "verbs": ["get", "list"]},
                    ])
                })],
            ),
            Row(
                "rolebinding reads --role=reader --user=jane --group=dev --serviceaccount=default:robot",
                "rolebinding.rbac.authorization.k8s.io/reads",
                &[
                    ("/roleRef/kind", || json!("Role")),
                    ("/subjects", || {
                        json!([
                            {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "jane"},
                            {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "dev"},
                            {"kind": "ServiceAccount", "name": "robot", "namespace": "default"},
                        ])
                    }),
                ],
            ),
        ],
    )
}

/// Objects without a namespace: named after the case, and taken away by it.
fn cluster(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let name = format!("{}-own", cx.ns);
    let made = (|| {
        k.ok(&format!("create namespace {name}"))?;
        equals(&k.json(&format!("get namespace {name}"))?, "/status/phase", "Active")?;
        k.ok(&format!("create priorityclass {name} --value=5 --description=words --preemption-policy=Never"))?;
        let class = k.json(&format!("get priorityclass {name}"))?;
        equals(&class, "/value", 5)?;
        equals(&class, "/preemptionPolicy", "Never")?;
        k.ok(&format!("create clusterrole {name} --verb=get --non-resource-url=/metrics"))?;
        let rules = json!([{"nonResourceURLs": ["/metrics"], "verbs": ["get"]}]);
        equals(&k.json(&format!("get clusterrole {name}"))?, "/rules", rules)?;
        k.ok(&format!("create clusterrolebinding {name} --clusterrole={name} --serviceaccount={}:default", cx.ns))?;
        equals(&k.json(&format!("get clusterrolebinding {name}"))?, "/roleRef/name", name.as_str())?;
        k.ok(&format!("create clusterrole {name}-sum --aggregation-rule=sum={name}"))?;
        let sum = k.json(&format!("get clusterrole {name}-sum"))?;
        equals(&sum, "/aggregationRule/clusterRoleSelectors/0/matchLabels/sum", name.as_str())
    })();
    k.ok(&format!("delete --ignore-not-found clusterrole/{name} clusterrole/{name}-sum clusterrolebinding/{name}"))?;
    k.ok(&format!("delete --ignore-not-found priorityclass/{name} namespace/{name} --wait=false"))?;
    made
}

/// What a token says of itself.
fn claims(token: &str) -> Result<Value> {
    let body = token.trim().split('.').nth(1).context("three parts")?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(body).context("base64")?).context("claims")
}

fn tokens(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let user = format!("system:serviceaccount:{}:robot", cx.ns);
    k.ok("create serviceaccount robot")?;
    let token = k.ok("create token robot --duration=10m")?;
    let said = claims(&token)?;
    equals(&said, "/sub", user.as_str())?;
    let span = |c: &Value| Some(c["exp"].as_i64()? - c["iat"].as_i64()?);
    ensure!(span(&said) == Some(600), "{said:#}");
    let review = br#"{"apiVersion":"authentication.k8s.io/v1","kind":"SelfSubjectReview"}"#;
    let robot = cx.node.anonymous()?.with_token(token.trim());
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let me = robot.request("POST", path, "application/json", review)?.json()?;
    equals(&me, "/status/userInfo/username", user.as_str())?;
    // A token for others is none for us.
    let other = k.ok("create token robot --audience=example.test")?;
    equals(&claims(&other)?, "/aud", json!(["example.test"]))?;
    let refused = cx.node.anonymous()?.with_token(other.trim()).get("/api/v1/pods")?;
    ensure!(refused.status == 401, "a token for others is told {}", refused.status);
    // Bound to a pod it ends with it.
    k.apply(&pod("web", "sleep 1000", "serviceAccountName: robot"))?;
    let uid = text_at(&await_pod(k, "web")?, "/metadata/uid")?.to_owned();
    let bound = k.ok("create token robot --bound-object-kind=Pod --bound-object-name=web")?;
    equals(&claims(&bound)?, "/kubernetes.io/pod/uid", uid)?;
    let robot = cx.node.anonymous()?.with_token(bound.trim());
    ensure!(robot.request("POST", path, "application/json", review)?.status == 201, "a bound token is not accepted");
    k.ok("delete pod web")?;
    let after = robot.request("POST", path, "application/json", review)?;
    ensure!(after.status == 401, "after its pod a token is told {}", after.status);
    has(&k.refused("create token nobody", None)?, &["serviceaccounts \"nobody\" not found"])?;
    has(&k.refused("create token robot --duration=1s", None)?, &["may not specify a duration less than 10 minutes"])
}

fn expose(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&sleeper("web", 1, ", ports: [{name: http, containerPort: 8080}, {containerPort: 9090}]"))?;
    is(&k.ok("expose deployment web --name=all")?, "service/all exposed")?;
    let all = k.json("get service all")?;
    equals(&all, "/spec/selector", json!({"app": "web"}))?;
    equals(&all, "/spec/ports/1/port", 9090)?;
    is(
        &k.ok("expose deployment web --port=80 --target-port=http --type=NodePort --labels=x=1")?,
        "service/web exposed",
    )?;
    let web = k.json("get service web")?;
    equals(&web, "/spec/ports/0/targetPort", "http")?;
    equals(&web, "/spec/type", "NodePort")?;
    equals(&web, "/metadata/labels", json!({"x": "1"}))?;
    k.ok("expose service web --name=again --port=81 --target-port=8080 --session-affinity=ClientIP")?;
    equals(&k.json("get service again")?, "/spec/sessionAffinity", "ClientIP")?;
    k.within(secs(60), "rollout status deployment/web")?;
    let name = k.ok("get pods -l app=web -o name")?;
    k.ok(&format!("expose {} --name=one --port=80 --cluster-ip=None", name.trim()))?;
    let one = k.json("get service one")?;
    equals(&one, "/spec/clusterIP", "None")?;
    equals(&one, "/spec/selector/app", "web")?;
    has(&k.refused("expose deployment web --port=80", None)?, &["services \"web\" already exists"])
}

fn autoscale(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&sleeper("web", 0, ""))?;
    let said = k.ok("autoscale deployment web --min=1 --max=3 --cpu-percent=60")?;
    is(&said, "horizontalpodautoscaler.autoscaling/web autoscaled")?;
    let made = k.json("get hpa web")?;
    equals(&made, "/spec/scaleTargetRef", json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}))?;
    equals(&made, "/spec/maxReplicas", 3)?;
    equals(&made, "/spec/metrics/0/resource/target/averageUtilization", 60)?;
    let old = k.ok(&format!("get --raw /apis/autoscaling/v1/namespaces/{}/horizontalpodautoscalers/web", cx.ns))?;
    has(&old, &["\"targetCPUUtilizationPercentage\":60"])?;
    has(&k.ok("get hpa")?, &["REFERENCE", "Deployment/web", "/60%", "MINPODS"])
}
