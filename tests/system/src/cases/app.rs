//! The app of the README: a page over TLS, and changes of it under load.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};

use super::pod;
use crate::{
    kubectl::Kubectl,
    load::Load,
    node::Node,
    poll::{secs, until},
    suite::{
        Case, Cx, Env,
        Place::{Own, Shared},
        case,
    },
    text::{has, is},
};

pub const CASES: &[Case] = &[
    case("app/a page over TLS", Shared(page)),
    case("app/ingress routes", Shared(routes)),
    case("app/update and rollback under load", Own(under_load)),
];

/// What the page says.
pub const GREETING: &str = "Hello from knarr, the web team!";
/// Its host.
pub const HOST: &str = "hello.localhost";

/// Deploys `examples/hello` and waits until it answers.
pub fn deploy(node: &Node) -> Result<Kubectl> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello/hello.yaml");
    let k = node.kubectl("hello");
    k.apply(&fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?)?;
    k.within(secs(90), "rollout status deployment/hello")?;
    answers(node)?;
    Ok(k)
}

/// The page answers, verified against the cluster's CA.
pub fn answers(node: &Node) -> Result<()> {
    until(secs(60), "the page", || {
        let answer = node.page(HOST)?.get("/")?;
        ensure!(answer.status == 200, "{}", answer.status);
        is(&answer.text(), GREETING)
    })
}

fn page(cx: &Cx) -> Result<()> {
    let k = deploy(cx.node)?;
    has(&k.ok("get pods")?, &["2/2", "Running"])?;
    until(secs(20), "the Ingress to have an address", || {
        has(&k.ok("get ingress hello")?, &["hello.localhost", &cx.node.ip.to_string(), "80, 443"])
    })?;
    // Inside: by address, by name, and both pods.
    let ip = k.path("get svc hello", "{.spec.clusterIP}")?;
    is(&cx.node.curl(&format!("http://{ip}/"))?, GREETING)?;
    super::asker(&cx.kubectl)?;
    is(&super::fetch(&cx.kubectl, "http://hello.hello.svc/")?, GREETING)?;
    // Outside: HTTP/2 is spoken to those who can, another host is not served, and HTTP is sent to HTTPS.
    let ca = cx.node.file("var/lib/knarr/server/tls/server-ca.crt");
    let at = format!("--cacert {} --resolve hello.localhost:443:{}", ca.display(), cx.node.ip);
    let seen =
        cx.node.curl(&format!("{at} -o /dev/null -w '%{{http_version}} %{{http_code}}' https://hello.localhost/"))?;
    ensure!(seen == "2 200" || seen == "1.1 200", "{seen}");
    let other = cx.node.curl(&format!("-k -o /dev/null -w '%{{http_code}}' https://{}/", cx.node.ip))?;
    is(&other, "404")?;
    k.ok("delete namespace hello")?;
    until(secs(20), "the route to go", || {
        let code = cx.node.curl(&format!(
            "-k -o /dev/null -w '%{{http_code}}' --resolve hello.localhost:443:{} https://hello.localhost/",
            cx.node.ip
        ))?;
        is(&code, "404")
    })
}

fn routes(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    for name in ["one", "two"] {
        k.apply(&format!(
            "{}    ports: [{{containerPort: 8080}}]\n    readinessProbe: {{tcpSocket: {{port: 8080}}, periodSeconds: 1}}\n---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{app: {name}}}, ports: [{{port: 80, targetPort: 8080}}]}}\n",
            pod(name, &format!("mkdir -p /www/a/b; for d in /www /www/a /www/a/b; do echo {name} > $d/index.html; done; exec httpd -f -p 8080 -h /www"), "")
        ))?;
    }
    let to = |name: &str| format!("backend: {{service: {{name: {name}, port: {{number: 80}}}}}}");
    k.apply(&format!(
        "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: routes}}
spec:
  rules:
  - host: routes.test
    http:
      paths:
      - {{path: /, pathType: Prefix, {one}}}
      - {{path: /a, pathType: Prefix, {two}}}
      - {{path: /a/b/, pathType: Exact, {one}}}
  - host: '*.wild.test'
    http: {{paths: [{{path: /, pathType: Prefix, {two}}}]}}
",
        one = to("one"),
        two = to("two")
    ))?;
    for name in ["one", "two"] {
        super::await_pod(k, name)?;
    }
    let ask = |host: &str, path: &str| {
        cx.node.curl(&format!(
            "-k -L --resolve {host}:443:{ip} --resolve {host}:80:{ip} https://{host}{path}",
            ip = cx.node.ip
        ))
    };
    until(secs(20), "the routes", || is(&ask("routes.test", "/")?, "one"))?;
    for (host, path, expected) in [
        ("routes.test", "/", "one"),
        ("routes.test", "/a/", "two"),
        ("routes.test", "/a/b/", "one"),
        ("x.wild.test", "/", "two"),
    ] {
        is(&ask(host, path)?, expected).with_context(|| format!("{host}{path}"))?;
    }
    // A path is a prefix by its elements: /ab is not below /a.
    let code = |host: &str, path: &str| {
        cx.node.curl(&format!(
            "-k -o /dev/null -w '%{{http_code}}' --resolve {host}:443:{} https://{host}{path}",
            cx.node.ip
        ))
    };
    is(&code("routes.test", "/ab")?, "404").context("from one's own server")?;
    is(&code("wild.test", "/")?, "404")?;
    is(&code("x.y.wild.test", "/")?, "404")?;
    // Nobody behind it: 503, and back again.
    k.ok("delete pod two")?;
    until(secs(10), "503", || is(&code("x.wild.test", "/")?, "503"))
}

/// A rolling update and its rollback, while requests come in all the time: none of them fails.
fn under_load(env: &Env, node: &Node) -> Result<()> {
    let k = deploy(node)?;
    let load = Load::start(&node.page(HOST)?, 8, "Hello from knarr");
    until(secs(20), "the load", || {
        ensure!(load.good() > 100, "{} answers", load.good());
        Ok(())
    })?;
    for round in 0..env.times(1, 5) {
        let before = k.ok("get pods -l app=hello -o name")?;
        k.ok(&format!("set env deployment/hello -c app ROUND={round}"))?;
        k.within(secs(180), "rollout status deployment/hello")?;
        ensure!(!k.ok("get rs -l app=hello -o name")?.is_empty(), "no ReplicaSet");
        k.ok("rollout undo deployment/hello")?;
        k.within(secs(180), "rollout status deployment/hello")?;
        until(secs(60), "the old pods to be gone", || {
            let after = k.ok("get pods -l app=hello -o name")?;
            ensure!(after.lines().count() == 2 && !after.lines().any(|p| before.contains(p)), "{after}");
            Ok(())
        })?;
    }
    let tally = load.finish()?;
    let shown = tally.bad.iter().take(10).cloned().collect::<Vec<_>>().join("\n");
    ensure!(tally.bad.is_empty(), "{} of {} requests failed:\n{shown}", tally.bad.len(), tally.good);
    ensure!(tally.good > 1000, "only {} requests were made", tally.good);
    Ok(())
}
