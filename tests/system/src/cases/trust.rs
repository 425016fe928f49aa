//! Registries that want more than a password: TLS of a CA of one's own, and bearer tokens.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context as _, Result, anyhow};
use nix::sched::{CloneFlags, setns};

use super::{
    await_pod,
    registry::{Registry, await_waiting, begin, events, with_image},
};
use crate::{
    command,
    kubectl::Kubectl,
    node::Node,
    poll::secs,
    suite::{Case, Env, Place::Host, case},
};

pub const CASES: &[Case] = &[case("registry/TLS and tokens", Host(pulls))];

fn pulls(env: &Env) -> Result<()> {
    let node = Node::prepare(env, "")?;
    let certificates = Certificates::make(env, &node)?;
    let (ip, ca) = (node.ip, certificates.ca.display());
    let archive = begin(
        env,
        &node,
        &format!(
            "mirrors:
  hub.example:
    endpoint: ['https://{ip}:5001']
    rewrite: {{'^team/(.*)$': 'mirrored/$1'}}
  plain.example: {{endpoint: ['https://{ip}:5002']}}
  127.0.0.1:5004: {{endpoint: ['http://127.0.0.1:5004']}}
  127.0.0.1:5005: {{endpoint: ['http://127.0.0.1:5005']}}
configs:
  '{ip}:5001': {{auth: {{username: user, password: s3cret}}, tls: {{ca_file: {ca}}}}}
  '{ip}:5002': {{tls: {{ca_file: {ca}}}}}
  127.0.0.1:5002: {{tls: {{insecure_skip_verify: true}}}}
  127.0.0.1:5004: {{auth: {{username: user, password: s3cret}}}}
"
        ),
    )?;
    let archive = archive.as_path();
    let shown = Some((certificates.cert.as_path(), certificates.key.as_path()));
    let guarded = Registry::with(env, &node, 5001, true, shown)?;
    let open = Registry::with(env, &node, 5002, false, shown)?;
    let behind = Registry::start(env, &node, 5003, false)?;
    guarded.push(archive, "team/app:1")?;
    guarded.push(archive, "mirrored/app:1")?;
    open.push(archive, "team/app:1")?;
    behind.push(archive, "team/app:1")?;
    [5004, 5005].into_iter().try_for_each(|port| gate(&node, port, 5003))?;
    let k = node.kubectl("default");
    let result = over_tls(&k, &ip.to_string()).and_then(|()| with_tokens(&k));
    if result.is_err() {
        env.explain(k.ok("get pods,events -o wide").unwrap_or_default());
    }
    result?;
    k.ok("delete pods --all")?;
    drop((guarded, open, behind));
    node.finish()
}

fn over_tls(k: &Kubectl, ip: &str) -> Result<()> {
    for (name, image) in [
        ("guarded", format!("{ip}:5001/team/app:1")),
        ("open", format!("{ip}:5002/team/app:1")),
        ("unverified", "127.0.0.1:5002/team/app:1".to_owned()),
        ("rewritten", "hub.example/team/app:1".to_owned()),
        ("mirrored", "plain.example/team/app:1".to_owned()),
    ] {
        k.apply(&with_image(name, &image, ""))?;
        await_pod(k, name)?;
        events(k, name, &[&format!("Pulled: Successfully pulled image {image:?} in ")])?;
    }
    // Who is not known is not believed; of a mirror its own failure is told too.
    k.apply(&with_image("unknown", "127.0.0.1:5001/team/app:1", ""))?;
    await_waiting(k, "unknown", "ImagePullBackOff")?;
    k.apply(&with_image("nowhere", "hub.example/team/none:1", ""))?;
    await_waiting(k, "nowhere", "ImagePullBackOff")?;
    events(k, "nowhere", &["\"hub.example/team/none:1\": ", &format!("as {ip}:5001/mirrored/none:1 before: ")])
}

fn with_tokens(k: &Kubectl) -> Result<()> {
    // Told in the file.
    k.apply(&with_image("known", "127.0.0.1:5004/team/app:1", ""))?;
    await_pod(k, "known")?;
    // Told by the pod.
    let image = "127.0.0.1:5005/team/app:1";
    k.apply(&with_image("stranger", image, ""))?;
    await_waiting(k, "stranger", "ImagePullBackOff")?;
    events(k, "stranger", &["401 Unauthorized"])?;
    k.ok("create secret docker-registry right --docker-server 127.0.0.1:5005 --docker-username user --docker-password s3cret")?;
    k.apply(&with_image("member", image, "imagePullSecrets: [{name: right}]"))?;
    await_pod(k, "member").map(drop)
}

/// A CA, and a certificate of it for the node's address.
struct Certificates {
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

impl Certificates {
    fn make(env: &Env, node: &Node) -> Result<Self> {
        let dir = env.work.join("registry-ca");
        fs::create_dir_all(&dir)?;
        let path = |name: &str| dir.join(name);
        let openssl = |line: &str| {
            let mut command = Command::new("openssl");
            command.args(crate::text::words(line)).current_dir(&dir);
            command::ok(&mut command, secs(20))
        };
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=ca -days 2"))?;
        openssl(&format!("req -new {key} -keyout key.pem -out csr.pem -subj /CN=registry"))?;
        fs::write(path("names"), format!("subjectAltName=IP:{}", node.ip))?;
        openssl("x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem")?;
        Ok(Self { ca: path("ca.pem"), cert: path("cert.pem"), key: path("key.pem") })
    }
}

/// Stands before a registry on the node's loopback and lets through who shows a token; the token is had at `/token` for
/// `user` with the password `s3cret`.
fn gate(node: &Node, port: u16, behind: u16) -> Result<()> {
    let namespace = fs::File::open(node.netns.path())?;
    let listening = std::thread::spawn(move || -> Result<TcpListener> {
        setns(namespace, CloneFlags::CLONE_NEWNET).context("enter the node's network")?;
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let accepting = listener.try_clone()?;
        // Threads of this one are in its network.
        std::thread::spawn(move || {
            for client in accepting.incoming().flatten() {
                std::thread::spawn(move || serve(client, port, behind));
            }
        });
        Ok(listener)
    });
    listening.join().map_err(|_| anyhow!("the gate panicked"))?.map(drop)
}

fn serve(mut client: TcpStream, port: u16, behind: u16) -> Result<()> {
    let head = head(&mut client)?;
    let (first, rest) = head.split_once("\r\n").context("a request")?;
    let shows = |what: &str| rest.lines().any(|l| l.eq_ignore_ascii_case(&format!("authorization: {what}")));
    let answer = |status: &str, more: &str, body: &str| {
        format!("HTTP/1.1 {status}\r\nConnection: close\r\n{more}Content-Length: {}\r\n\r\n{body}", body.len())
    };
    if first.starts_with("GET /token") {
        let reply = match shows("Basic dXNlcjpzM2NyZXQ=") {
            true => answer("200 OK", "Content-Type: application/json\r\n", r#"{"token":"pass"}"#),
            false => answer("401 Unauthorized", "", ""),
        };
        return Ok(client.write_all(reply.as_bytes())?);
    }
    if !first.contains(" /v2/") {
        return Ok(client.write_all(answer("405 Method Not Allowed", "", "").as_bytes())?);
    }
    if !shows("Bearer pass") {
        let realm = format!(
            "WWW-Authenticate: Bearer realm=\"http://127.0.0.1:{port}/token\",service=\"gate\",scope=\"repository:team/app:pull\"\r\n"
        );
        return Ok(client.write_all(answer("401 Unauthorized", &realm, "").as_bytes())?);
    }
    let mut registry = TcpStream::connect(("127.0.0.1", behind))?;
    let kept = rest.lines().filter(|l| !l.is_empty() && !l.to_lowercase().starts_with("authorization:"));
    let kept: String = kept.map(|l| format!("{l}\r\n")).collect();
    registry.write_all(format!("{first}\r\n{kept}Connection: close\r\n\r\n").as_bytes())?;
    std::io::copy(&mut registry, &mut client)?;
    Ok(client.shutdown(Shutdown::Write)?)
}

/// A request's head; what is asked here has no body.
fn head(client: &mut TcpStream) -> Result<String> {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head)?)
}
