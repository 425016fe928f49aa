//! Who may join, who may not, and what a node that joined may do: tokens, certificates, names, the kubelet's port.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use nix::sys::signal::Signal;

use super::{await_pod, pod, start::fails};
use crate::{
    cluster::Cluster,
    command,
    kubectl::Kubectl,
    node::Node,
    poll::{secs, until},
    suite::{
        Case, Env,
        Place::{Cluster as Pair, Host},
        case,
    },
    text::{has, is},
};

pub const CASES: &[Case] = &[
    case("joining/wrong arguments", Host(wrong_arguments)),
    case("joining/tokens", Host(tokens)),
    case("joining/a node touches only what is its own", Pair(own)),
    case("joining/certificate requests", Pair(certificates)),
    case("joining/a Node that is deleted under a running agent", Pair(deleted)),
];

/// The command of the agent, as far as it can be given without a good token.
fn agent(cluster: &Cluster, token: &str) -> Command {
    let mut command = cluster.agent.knarr("agent");
    command.args(["--token", token]);
    command
}

/// A command of `knarr token` on the server's host.
fn token(cluster: &Cluster, line: &str) -> Result<String> {
    let mut command = cluster.server.knarr("token");
    command.args(crate::text::words(line));
    Ok(command::ok(&mut command, secs(20))?.trim().to_owned())
}

fn wrong_arguments(env: &Env) -> Result<()> {
    let rows: &[(&[&str], &[&str])] = &[
        (&[], &["an agent needs a server", "--server"]),
        (&["--server", "https://198.18.0.1:6443"], &["an agent needs a token", "knarr token create"]),
        (&["--server", "http://198.18.0.1:6443", "--token", "x"], &["--server", "https://"]),
        (&["--server", "https://a/b", "--token", "x"], &["--server", "https://host:port"]),
        (&["--server", "https://198.18.0.1:6443", "--token", "K10x"], &["token is wrong"]),
        (&["--server", "https://198.18.0.1:6443", "--token-file", "/nonexistent"], &["--token-file"]),
    ];
    for (args, says) in rows {
        let mut command = Command::new(&env.binary);
        command.args(["agent", "--config", "/dev/null", "--prefix"]).arg(env.work.join("nowhere")).args(*args);
        fails(command, 2, says).with_context(|| args.join(" "))?;
    }
    let mut command = Command::new(&env.binary);
    command.args(["server", "--config", "/dev/null", "--server", "https://198.18.0.1:6443"]);
    fails(command, 2, &["several servers", "knarr agent"])
}

fn tokens(env: &Env) -> Result<()> {
    let cluster = Cluster::prepare(env, "")?;
    let result = crate::suite::caught(|| {
        cluster.server.spawn()?;
        cluster.server.wait_ready(secs(60))?;
        refused(&cluster)?;
        accepted(env, &cluster)
    });
    let end = cluster.finish();
    result.and(end)
}

/// Every refusal is one final line that says what is wrong and how to mend it.
fn refused(cluster: &Cluster) -> Result<()> {
    let good = cluster.server.read("var/lib/knarr/server/token")?.trim().to_owned();
    let (hash, secret) = good.split_once("::server:").context("the token's form")?;
    let expired = token(cluster, "create --ttl 1s")?;
    let powerless = token(cluster, "create --groups system:bootstrappers:visitors")?;
    // As a token of another cluster would have it.
    let foreign = format!("K10{}::server:{secret}", "a".repeat(64));
    std::thread::sleep(secs(2));
    for (what, token, says) in [
        ("a wrong secret", format!("{hash}::server:wrong"), &["does not accept the token", "knarr token create"][..]),
        ("the hash of another CA", foreign, &["is not the one that the token names", "node-token"]),
        ("an expired token", expired, &["does not accept the token", "expired"]),
        ("an unknown token", format!("{hash}::zzzzzz.0123456789abcdef"), &["does not accept the token"]),
        ("a token without rights", powerless, &["does not let this machine join", "knarr token create"]),
    ] {
        fails(agent(cluster, &token), 5, says).context(what)?;
    }
    let mut taken = agent(cluster, &good);
    taken.args(["--node-name", &cluster.server.name]);
    fails(taken, 5, &["is taken", "--node-name", "kubectl delete node"]).context("the name of another node")?;
    let nodes = cluster.kubectl("default").ok("get nodes -o name")?;
    is(&nodes, &format!("node/{}", cluster.server.name))
}

fn accepted(env: &Env, cluster: &Cluster) -> Result<()> {
    let k = cluster.kubectl("default");
    let secrets = "{.items[*].metadata.name}";
    until(secs(30), "the expired token's Secret to go", || {
        let names =
            k.path("get secrets -n kube-system --field-selector type=bootstrap.kubernetes.io/token", secrets)?;
        ensure!(names.split(' ').count() == 1, "{names}");
        Ok(())
    })?;
    let made = token(cluster, "create abcdef.0123456789abcdef --description 'for a test' --ttl 1h")?;
    ensure!(made.starts_with("K10") && made.ends_with("::abcdef.0123456789abcdef"), "{made}");
    has(&token(cluster, "list")?, &["abcdef.0123456789abcdef", "authentication,signing", "for a test"])?;
    let list: serde_json::Value = serde_json::from_str(&token(cluster, "list -o json")?)?;
    ensure!(list.as_array().is_some_and(|l| l.iter().any(|t| t["description"] == "for a test")), "{list}");
    // A bootstrap token is as good as the server's, once: the node needs it never again.
    let mut joins = cluster.agent.knarr("agent");
    joins.args(["--token", &made]);
    let joining = command::Following::start(joins)?;
    joining.shows("knarr agent is up", secs(60))?;
    drop(joining);
    has(&token(cluster, "delete abcdef")?, &["abcdef"])?;
    ensure!(!token(cluster, "list")?.contains("abcdef"));
    // The server's token changes: nodes that joined stay, the old one is of no use.
    let old = cluster.server.read("var/lib/knarr/server/token")?.trim().to_owned();
    let new = token(cluster, "rotate")?;
    ensure!(new != old && cluster.server.read("var/lib/knarr/server/token")?.trim() == new, "{new}");
    cluster.agent.spawn()?;
    cluster.joined(secs(60))?;
    let mut late = agent(cluster, &old);
    late.args(["--node-name", "late", "--lb-server-port", "7444", "--prefix"]).arg(env.work.join("late"));
    fails(late, 5, &["does not accept the token"]).context("the old token")?;
    cluster.agent.end(Signal::SIGTERM).map(drop)
}

/// kubectl as a node, on its host, with what lies there.
fn as_node(host: &Node) -> Kubectl {
    let mut k = host.kubectl("default");
    k.config = host.file("var/lib/knarr/agent/kubelet.kubeconfig");
    k
}

fn own(_: &Env, cluster: &Cluster) -> Result<()> {
    let (k, n) = (cluster.kubectl("default"), as_node(&cluster.agent));
    let at = |host: &Node| format!("nodeSelector: {{kubernetes.io/hostname: {}}}", host.name);
    for name in ["mine", "theirs"] {
        k.ok(&format!("create secret generic {name} --from-literal=k=v"))?;
    }
    let using = |secret: &str| format!("volumes: [{{name: s, secret: {{secretName: {secret}}}}}]\n");
    k.apply(&pod("mine", "sleep 1000", &format!("{}{}", using("mine"), at(&cluster.agent))))?;
    k.apply(&pod("theirs", "sleep 1000", &format!("{}{}", using("theirs"), at(&cluster.server))))?;
    await_pod(&k, "mine")?;
    await_pod(&k, "theirs")?;
    has(&n.ok("auth whoami")?, &[&format!("system:node:{}", cluster.agent.name), "system:nodes"])?;
    is(&n.path("get secret mine", "{.data.k}")?, "dg==")?;
    is(&n.path(&format!("get node {}", cluster.server.name), "{.metadata.name}")?, &cluster.server.name)?;
    for line in [
        "get secret theirs",
        "get secrets",
        "get secrets -A",
        "get secrets --field-selector type=Opaque -A",
        "get pods",
        "get pod theirs",
        "get configmaps -A",
        "delete pod theirs",
        "exec mine -- true",
        "create token default",
        "create configmap x",
        &format!("delete node {}", cluster.agent.name),
        &format!("label node {} a=b", cluster.server.name),
        &format!("label node {} node-role.kubernetes.io/control-plane=true", cluster.agent.name),
        &format!("taint node {} a=b:NoSchedule", cluster.agent.name),
        &format!("get --raw /api/v1/nodes/{}/proxy/pods", cluster.server.name),
        "get --raw /v1-knarr/token",
    ] {
        let said = n.refused(line, None)?;
        ensure!(
            said.contains("orbidden") || said.contains("not allowed") || said.contains("doesn't have"),
            "{line}: {said}"
        );
    }
    kubelets(cluster, &k)
}

/// The kubelet's port: who asks must be somebody, and may what the API server says.
fn kubelets(cluster: &Cluster, k: &Kubectl) -> Result<()> {
    let dir = "var/lib/knarr/agent";
    let node: Vec<String> = ["--cert", "client-kubelet.crt", "--key", "client-kubelet.key"]
        .chunks(2)
        .map(|pair| format!("{} {}", pair[0], cluster.agent.file(dir).join(pair[1]).display()))
        .collect();
    k.ok("create serviceaccount scraper")?;
    k.ok("create clusterrole scraper --verb=get --resource=nodes/metrics,nodes/stats")?;
    k.ok("create clusterrolebinding scraper --clusterrole=scraper --serviceaccount=default:scraper")?;
    let token = k.ok("create token scraper")?.trim().to_owned();
    let bearer = format!("-H 'Authorization: Bearer {token}'");
    for host in cluster.hosts() {
        let code = |who: &str, path: &str| {
            let url = format!("https://{}:10250{path}", host.ip);
            cluster.agent.curl(&format!(
                "--cacert {} -o /dev/null -w %{{http_code}} {who} {url}",
                cluster.agent.file(dir).join("server-ca.crt").display()
            ))
        };
        for (who, path, want) in [
            ("", "/pods", "401"),
            ("-H 'Authorization: Bearer nonsense'", "/metrics", "401"),
            (node.join(" ").as_str(), "/pods", "403"),
            (bearer.as_str(), "/pods", "403"),
            (bearer.as_str(), "/metrics", "200"),
            (bearer.as_str(), "/stats/summary", "200"),
        ] {
            is(&code(who, path)?, want).with_context(|| format!("{} {path} as {who:.30}", host.name))?;
        }
    }
    for host in cluster.hosts() {
        has(&k.ok(&format!("get --raw /api/v1/nodes/{}/proxy/pods", host.name))?, &["PodList"])?;
        has(&k.ok(&format!("get --raw /api/v1/nodes/{}/proxy/metrics", host.name))?, &["kubelet_running_pods"])?;
    }
    Ok(())
}

/// Nobody restarts anything: the agent finds its Node gone and makes it again.
fn deleted(_: &Env, cluster: &Cluster) -> Result<()> {
    let k = cluster.kubectl("default");
    let place = format!("nodeSelector: {{kubernetes.io/hostname: {}}}", cluster.agent.name);
    k.apply(&pod("before", "sleep 1000", &place))?;
    await_pod(&k, "before")?;
    let container = k.path(
        "get pod before",
        "{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}",
    )?;
    let uid = format!("get node {}", cluster.agent.name);
    let old = k.path(&uid, "{.metadata.uid}")?;
    k.ok(&format!("delete node {}", cluster.agent.name))?;
    until(secs(30), "another Node", || {
        let new = k.path(&uid, "{.metadata.uid}")?;
        ensure!(!new.is_empty() && new != old, "its UID is {new}");
        Ok(())
    })?;
    cluster.joined(secs(60))?;
    // What runs there goes on, and new pods come.
    let line = "{.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}";
    is(&k.path("get pod before", line)?, &container)?;
    is(&k.ok("exec before -- echo here")?, "here")?;
    k.apply(&pod("after", "sleep 1000", &place))?;
    await_pod(&k, "after")?;
    is(&k.ok("exec after -- echo here")?, "here")
}

fn certificates(env: &Env, cluster: &Cluster) -> Result<()> {
    let k = cluster.kubectl("default");
    let dir = env.work.join("csr");
    std::fs::create_dir_all(&dir)?;
    let path = |name: &str| dir.join(name).display().to_string();
    // The keys people have: RSA, and several groups.
    let subject = "/O=readers/O=writers/CN=jane";
    command::ok(
        Command::new("openssl").args(["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", subject]).args([
            "-keyout",
            &path("key"),
            "-out",
            &path("csr"),
        ]),
        secs(20),
    )?;
    use base64::Engine as _;
    let request = base64::engine::general_purpose::STANDARD.encode(std::fs::read(path("csr"))?);
    for name in ["jane", "denied"] {
        k.apply(&format!(
            "
apiVersion: certificates.k8s.io/v1
kind: CertificateSigningRequest
metadata: {{name: {name}}}
spec: {{request: {request}, signerName: kubernetes.io/kube-apiserver-client, expirationSeconds: 3600, usages: [client auth]}}
"
        ))?;
    }
    has(&k.ok("get csr")?, &["jane", "Pending"])?;
    k.ok("certificate approve jane")?;
    k.ok("certificate deny denied")?;
    has(&k.ok("get csr denied")?, &["Denied"])?;
    let signed = until(secs(20), "the certificate", || {
        let text = k.path("get csr jane", "{.status.certificate}")?;
        ensure!(!text.is_empty());
        Ok(text)
    })?;
    has(&k.ok("get csr jane")?, &["Approved,Issued"])?;
    let signed = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(signed)?)?;
    let jane = cluster.server.identified(&signed, &std::fs::read_to_string(path("key"))?)?;
    let who = jane.request("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", "application/json", b"{}")?;
    has(&who.text(), &["\"jane\"", "\"readers\"", "\"writers\""])?;
    ensure!(k.path("get csr denied", "{.status.certificate}")?.is_empty());
    // The joined node's own requests were decided without anybody.
    let node = k.ok("get csr")?;
    has(&node, &["kubernetes.io/kube-apiserver-client-kubelet", "kubernetes.io/kubelet-serving", "Approved,Issued"])?;
    let signers = "{range .items[*]}{.spec.signerName} {.spec.username}{\"\\n\"}{end}";
    has(
        &k.path("get csr", signers)?,
        &[
            "kube-apiserver-client-kubelet system:bootstrap:knarr",
            &format!("kubelet-serving system:node:{}", cluster.agent.name),
        ],
    )
}
