//! Who one is and what one may: `auth whoami`, `can-i`, `reconcile`, impersonation, and signing requests.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    command,
    poll::{secs, until},
    suite::{Case, Cx, Place::Both, case},
    text::{equals, has, is, table},
};

pub const CASES: &[Case] = &[
    case("auth/can-i", Both(can_i)),
    case("auth/whoami", Both(whoami)),
    case("auth/impersonation", Both(impersonation)),
    case("auth/reconcile", Both(reconcile)),
    case("certificate/approve", Both(approve)),
    case("certificate/deny", Both(deny)),
];

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
        let quiet = k.run(&format!("auth can-i {ask} {robot} --quiet"), None, secs(20))?;
        ensure!(quiet.code == output.code && quiet.out.is_empty(), "{ask} --quiet: {quiet:?}");
    }
    let list = k.ok(&format!("auth can-i --list {robot}"))?;
    let rows = table(&list);
    ensure!(
        rows.iter().any(|r| r.first() == Some(&"pods") && r.contains(&"[get list]") && r.contains(&"[one]")),
        "{list}"
    );
    has(&list, &["selfsubjectaccessreviews.authorization.k8s.io", "[/healthz]"])?;
    let mine = k.ok("auth can-i --list")?;
    ensure!(table(&mine).iter().any(|r| r.first() == Some(&"*.*") && r.contains(&"[*]")), "{mine}");
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
    let me = k.json("auth whoami")?;
    equals(&me, "/kind", "SelfSubjectReview")?;
    equals(&me, "/apiVersion", "authentication.k8s.io/v1")?;
    equals(&me, "/status/userInfo/username", "system:admin")
}

fn impersonation(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let other = k.ok("auth whoami --as=jane --as-group=dev --as-group=ops --as-uid=u-1")?;
    has(&other, &["jane", "dev", "ops", "u-1", "system:authenticated"])?;
    ensure!(!other.contains("system:masters"), "{other}");
    has(&k.refused("get pods --as=jane", None)?, &["User \"jane\" cannot list resource \"pods\""])?;
    k.ok("create rolebinding devs --clusterrole=view --group=dev")?;
    until(secs(5), "the binding to count", || k.ok("get pods --as=jane --as-group=dev").map(drop))?;
    has(&k.refused("create configmap c --as=jane --as-group=dev", None)?, &["cannot create resource \"configmaps\""])?;
    // Whoever may not impersonate is told so, and does not become anyone.
    k.ok("create serviceaccount robot")?;
    let token = k.ok("create token robot")?;
    let robot = cx.node.anonymous()?.with_token(token.trim());
    let refused = robot.request_as("system:admin", &format!("/api/v1/namespaces/{}/pods", cx.ns))?;
    ensure!(refused.status == 403, "{}: {}", refused.status, refused.text());
    has(&refused.text(), &["cannot impersonate resource \\\"users\\\""])?;
    let accounts = k.ok(&format!("auth whoami --as=system:serviceaccount:{}:robot", cx.ns))?;
    has(&accounts, &["system:serviceaccounts", &format!("system:serviceaccounts:{}", cx.ns)])
}

/// Rules and subjects grow; with flags they shrink too.
fn reconcile(cx: &Cx) -> Result<()> {
    let (k, ns) = (&cx.kubectl, &cx.ns);
    let manifest = |verbs: &str, users: &str| {
        let users: String = users
            .split(' ')
            .map(|u| format!("- {{kind: User, name: {u}, apiGroup: rbac.authorization.k8s.io}}\n"))
            .collect();
        format!(
            "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: r, namespace: {ns}}}
rules: [{{apiGroups: [''], resources: [pods], verbs: [{verbs}]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: b, namespace: {ns}}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: r}}
subjects:
{users}"
        )
    };
    let out = k.feed("auth reconcile -f -", &manifest("get, list", "jane"))?;
    has(&out, &["role.rbac.authorization.k8s.io/r reconciled", "rolebinding.rbac.authorization.k8s.io/b reconciled"])?;
    k.feed("auth reconcile -f -", &manifest("watch", "joe"))?;
    let verbs = || k.path("get role r", "{.rules[*].verbs[*]}");
    let users = || k.path("get rolebinding b", "{.subjects[*].name}");
    has(&verbs()?, &["get", "list", "watch"])?;
    is(&users()?, "jane joe")?;
    k.feed("auth reconcile --remove-extra-permissions --remove-extra-subjects -f -", &manifest("watch", "joe"))?;
    is(&verbs()?, "watch")?;
    is(&users()?, "joe")
}

/// Asks for a client certificate under the name of the case.
fn request(cx: &Cx) -> Result<String> {
    let name = format!("{}-csr", cx.ns);
    let dir = cx.env.work.join(&cx.ns);
    std::fs::create_dir_all(&dir)?;
    let line = format!(
        "req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /O=dev/CN={name} -keyout {0}/key -out {0}/csr",
        dir.display()
    );
    command::ok(Command::new("openssl").args(line.split(' ')), secs(20))?;
    let csr = STANDARD.encode(std::fs::read(dir.join("csr"))?);
    cx.kubectl.apply(&format!(
        "
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: {name}}}
spec: {{request: {csr}, signerName: kubernetes.io/kube-apiserver-client, usages: [client auth], expirationSeconds: 3600}}
"
    ))?;
    let made = cx.kubectl.json(&format!("get csr {name}"))?;
    equals(&made, "/spec/username", "system:admin")?;
    equals(&made, "/spec/groups", json!(["system:masters", "system:authenticated"]))?;
    has(
        &cx.kubectl.ok(&format!("get csr {name}"))?,
        &["SIGNERNAME", "kube-apiserver-client", "system:admin", "Pending"],
    )?;
    Ok(name)
}

fn approve(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let name = request(cx)?;
    let approved = (|| {
        is(
            &k.ok(&format!("certificate approve {name}"))?,
            &format!("certificatesigningrequest.certificates.k8s.io/{name} approved"),
        )?;
        let object = k.json(&format!("get csr {name}"))?;
        equals(&object, "/status/conditions/0/type", "Approved")?;
        equals(&object, "/status/conditions/0/reason", "KubectlApprove")?;
        let pem = until(secs(20), "the certificate", || {
            let text = k.path(&format!("get csr {name}"), "{.status.certificate}")?;
            ensure!(!text.is_empty(), "{}", k.ok(&format!("get csr {name} -o yaml"))?);
            Ok(STANDARD.decode(text)?)
        })?;
        has(&k.ok(&format!("get csr {name}"))?, &["Approved,Issued"])?;
        // It is good for what it says, and for an hour.
        let key = std::fs::read_to_string(cx.env.work.join(&cx.ns).join("key"))?;
        let pem = String::from_utf8(pem).context("PEM")?;
        let me = cx.node.identified(&pem, &key)?.get(&format!("/api/v1/namespaces/{}/pods", cx.ns))?;
        ensure!(me.status == 403, "{}", me.status);
        has(&me.text(), &[&format!("User \\\"{name}\\\" cannot list resource")])
    })();
    k.ok(&format!("delete csr {name}"))?;
    approved
}

fn deny(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let name = request(cx)?;
    let denied = (|| {
        is(
            &k.ok(&format!("certificate deny {name}"))?,
            &format!("certificatesigningrequest.certificates.k8s.io/{name} denied"),
        )?;
        has(&k.ok(&format!("get csr {name}"))?, &["Denied"])?;
        k.refused(&format!("certificate approve {name}"), None)?;
        is(&k.path(&format!("get csr {name}"), "{.status.conditions[*].type}")?, "Denied")?;
        equals(&k.json(&format!("get csr {name}"))?, "/status/certificate", serde_json::Value::Null)
    })();
    k.ok(&format!("delete csr {name}"))?;
    denied
}
