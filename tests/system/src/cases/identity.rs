//! Who may do what: pods by their tokens, nodes by their names, nobody without a name.

use anyhow::{Context as _, Result, ensure};

use super::{await_pod, pod};
use crate::{
    poll::{secs, until},
    suite::{Case, Cx, Place::Shared, case},
    text::{equals, has, is},
};

pub const CASES: &[Case] = &[
    case("identity/nobody", Shared(anonymous)),
    case("identity/a pod's token", Shared(pod_token)),
    case("identity/tokens end with their pods", Shared(bound)),
    case("identity/a node", Shared(node)),
    case("identity/aggregated roles", Shared(roles)),
];

fn anonymous(cx: &Cx) -> Result<()> {
    let nobody = cx.node.anonymous()?;
    for path in ["/livez", "/readyz", "/healthz", "/version"] {
        let answer = nobody.get(path)?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text());
    }
    for path in
        ["/api/v1/pods", "/api/v1/namespaces/default/secrets", "/apis/apps/v1/deployments", "/metrics", "/api/v1/nodes"]
    {
        for client in [nobody.clone(), nobody.clone().with_token("nonsense"), nobody.clone().with_token("a.b.c")] {
            let answer = client.get(path)?;
            ensure!([401, 403].contains(&answer.status), "{path}: {}", answer.status);
            let status = answer.json()?;
            equals(&status, "/kind", "Status")?;
            equals(&status, "/status", "Failure")?;
        }
    }
    let wrong = nobody.with_token("nonsense").get("/api/v1/pods")?;
    ensure!(wrong.status == 401, "a wrong token is told {}", wrong.status);
    equals(&wrong.json()?, "/reason", "Unauthorized")
}

/// kubectl itself, inside a pod, with nothing but what a pod has.
fn pod_token(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let kubectl = k.program.display();
    let extra = format!("serviceAccountName: robot\nvolumes: [{{name: k, hostPath: {{path: {kubectl}, type: File}}}}]");
    k.ok("create serviceaccount robot")?;
    k.apply(&format!("{}    volumeMounts: [{{name: k, mountPath: /kubectl}}]\n", pod("inside", "sleep 1000", &extra)))?;
    await_pod(k, "inside")?;
    let inside = |line: &str| k.run(&format!("exec inside -- env HOME=/tmp /kubectl {line}"), None, secs(40));
    let who = inside("auth whoami")?;
    has(
        &who.out,
        &[&format!("system:serviceaccount:{}:robot", cx.ns), "system:serviceaccounts", "system:authenticated"],
    )
    .with_context(|| who.err.clone())?;
    let refused = inside("get pods")?;
    ensure!(refused.code != 0, "{refused:?}");
    has(
        &refused.err,
        &["(Forbidden)", &format!("User \"system:serviceaccount:{}:robot\" cannot list resource \"pods\"", cx.ns)],
    )?;
    k.ok("create role reader --verb=get,list --resource=pods")?;
    k.ok(&format!("create rolebinding reads --role=reader --serviceaccount={}:robot", cx.ns))?;
    until(secs(10), "the right to count", || {
        let out = inside("get pods -o name")?;
        is(&out.out, "pod/inside").with_context(|| out.err)
    })?;
    for line in
        ["get secrets", "delete pod inside", "get pods -n default", "get pods -A", "get nodes", "create configmap a"]
    {
        let answer = inside(line)?;
        ensure!(answer.code != 0, "{line}: {answer:?}");
        has(&answer.err, &["(Forbidden)"]).or_else(|_| has(&answer.err, &["forbidden"]))?;
    }
    k.ok("delete rolebinding reads")?;
    until(secs(10), "the right to go", || {
        let answer = inside("get pods")?;
        ensure!(answer.code != 0, "{answer:?}");
        Ok(())
    })
}

fn bound(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&pod("web", "sleep 1000", ""))?;
    await_pod(k, "web")?;
    let token = k.ok("exec web -- cat /var/run/secrets/kubernetes.io/serviceaccount/token")?;
    let client = cx.node.anonymous()?.with_token(&token);
    // Discovery is open to everyone who has a name.
    let answer = client.get("/api/v1")?;
    ensure!(answer.status == 200, "{}", answer.text());
    k.ok("delete pod web")?;
    until(secs(15), "the token to be void", || {
        let answer = client.get("/api/v1")?;
        ensure!(answer.status == 401, "{}", answer.status);
        Ok(())
    })?;
    k.ok("create serviceaccount robot")?;
    let token = k.ok("create token robot --audience=elsewhere")?;
    let answer = cx.node.anonymous()?.with_token(token.trim()).get("/api/v1")?;
    ensure!(answer.status == 401, "a token for someone else is told {}", answer.status);
    let token = k.ok("create token robot")?;
    let client = cx.node.anonymous()?.with_token(token.trim());
    ensure!(client.get("/api/v1")?.status == 200, "a token for us is refused");
    k.ok("delete serviceaccount robot")?;
    until(secs(15), "the account's token to be void", || {
        ensure!(client.get("/api/v1")?.status == 401, "it still works");
        Ok(())
    })
}

fn node(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create secret generic used --from-literal=a=1")?;
    k.ok("create secret generic other --from-literal=a=1")?;
    k.apply(&pod("web", "sleep 1000", "volumes: [{name: s, secret: {secretName: used}}]"))?;
    await_pod(k, "web")?;
    let name = &cx.node.name;
    let this = format!("--as=system:node:{name} --as-group=system:nodes");
    let may = |line: &str| k.ok(&format!("{line} {this}")).map(drop);
    let may_not = |line: &str| -> Result<()> {
        let error = k.refused(&format!("{line} {this}"), None).with_context(|| line.to_owned())?;
        has(&error, &["orbidden"]).with_context(|| line.to_owned())
    };
    may(&format!("get node {name}"))?;
    may("get secret used")?;
    may("get pod web")?;
    may(&format!("get lease {name} -n kube-node-lease"))?;
    may(&format!("annotate node {name} test=1"))?;
    may(&format!("annotate node {name} test-"))?;
    may_not("get secret other")?;
    may_not("get secrets")?;
    may_not("get configmaps -A")?;
    may_not("create configmap mine")?;
    may_not("delete deployment none")?;
    may_not(&format!("label node {name} node-restriction.kubernetes.io/x=1"))?;
    may_not(&format!("taint node {name} a=b:NoSchedule"))?;
    may_not(&format!("delete node {name}"))?;
    let other = "--as=system:node:other --as-group=system:nodes";
    for line in ["get secret used", &format!("annotate node {name} test=1"), "delete pod web"] {
        has(&k.refused(&format!("{line} {other}"), None)?, &["orbidden"]).with_context(|| line.to_owned())?;
    }
    Ok(())
}

/// The roles users are given by hand.
fn roles(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    for role in ["cluster-admin", "admin", "edit", "view", "system:node", "system:kube-scheduler", "system:discovery"] {
        k.ok(&format!("get clusterrole {role}"))?;
    }
    k.ok("create rolebinding jane --clusterrole=edit --user=jane")?;
    k.ok("create rolebinding joe --clusterrole=view --user=joe")?;
    until(secs(10), "the binding", || is(&k.ok("auth can-i create deployments --as=jane")?, "yes"))?;
    for (line, user, answer) in [
        ("get secrets", "jane", "yes"),
        ("get secrets", "joe", "no"),
        ("get pods", "joe", "yes"),
        ("create pods", "joe", "no"),
        ("create pods --subresource=exec", "jane", "yes"),
        ("create rolebindings", "jane", "no"),
        ("get pods -n default", "jane", "no"),
    ] {
        is(&k.run(&format!("auth can-i {line} --as={user}"), None, secs(20))?.out, answer)
            .with_context(|| format!("{user}: {line}"))?;
    }
    // Nobody gives what he does not have.
    k.ok("create rolebinding admin --clusterrole=admin --user=jim")?;
    until(secs(10), "the binding", || is(&k.ok("auth can-i create roles --as=jim")?, "yes"))?;
    let error = k.refused("create role more --verb=get --resource=nodes --as=jim", None)?;
    has(&error, &["is attempting to grant RBAC permissions not currently held"])
}
