//! `kubectl proxy`, and the API server's own proxies to nodes, Services and pods.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use anyhow::{Context as _, Result};
use tokio_tungstenite::tungstenite::{self, Message, client::IntoClientRequest as _};

use super::{await_pod, pod, sleeper};
use crate::{
    command::Following,
    poll::{secs, until},
    suite::{Case, Cx, Place::Both, case},
    text::{equals, has, is},
};

pub const CASES: &[Case] = &[
    case("proxy/the API", Both(api)),
    case("proxy/exec", Both(exec)),
    case("proxy/Services and pods", Both(services)),
];

/// A running `kubectl proxy` on a free port of the node's address.
fn proxy(cx: &Cx, flags: &str) -> Result<(Following, SocketAddr)> {
    let ip = cx.node.ip;
    let following = cx.kubectl.follow(&format!("proxy --port=0 --address={ip} --accept-hosts=.* {flags}"))?;
    let address = until(secs(20), "the proxy", || {
        let text = following.text();
        let shown = text.lines().find_map(|l| l.strip_prefix("Starting to serve on ")?.trim().parse().ok());
        shown.with_context(|| format!("kubectl says:\n{text}"))
    })?;
    Ok((following, address))
}

/// A plain HTTP/1.0 request; gives the status line and the body.
fn get(address: SocketAddr, path: &str) -> Result<(String, String)> {
    let mut stream = TcpStream::connect_timeout(&address, secs(5)).context("connect")?;
    stream.set_read_timeout(Some(secs(20)))?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text).context("read")?;
    let (head, body) = text.split_once("\r\n\r\n").context("an answer")?;
    Ok((head.lines().next().unwrap_or_default().to_owned(), body.to_owned()))
}

fn api(cx: &Cx) -> Result<()> {
    cx.kubectl.ok("create configmap c --from-literal=word=here")?;
    let (_running, address) = proxy(cx, "")?;
    let (line, body) = get(address, &format!("/api/v1/namespaces/{}/configmaps/c", cx.ns))?;
    has(&line, &["200"])?;
    equals(&serde_json::from_str(&body)?, "/data/word", "here")?;
    let (line, _) = get(address, &format!("/api/v1/namespaces/{}/configmaps/none", cx.ns))?;
    has(&line, &["404"])?;
    has(&get(address, "/version")?.1, &["v1.36."])?;
    // Exec and attach are not let through unless asked for.
    let (line, _) = get(address, &format!("/api/v1/namespaces/{}/pods/web/exec?command=true", cx.ns))?;
    has(&line, &["403"])?;
    let (_running, address) = proxy(cx, "--api-prefix=/kube")?;
    has(&get(address, "/kube/version")?.1, &["v1.36."])?;
    has(&get(address, "/version")?.0, &["404"])
}

/// A WebSocket through kubectl: it passes upgrades on.
fn exec(cx: &Cx) -> Result<()> {
    cx.kubectl.apply(&pod("web", "sleep 1000", ""))?;
    await_pod(&cx.kubectl, "web")?;
    let (_running, address) = proxy(cx, "--reject-paths=^/none")?;
    let path = format!("/api/v1/namespaces/{}/pods/web/exec?stdin=1&stdout=1&command=md5sum", cx.ns);
    let mut request = format!("ws://{address}{path}").into_client_request().context("a request")?;
    request.headers_mut().insert("Sec-WebSocket-Protocol", "v5.channel.k8s.io".parse()?);
    let stream = TcpStream::connect_timeout(&address, secs(5))?;
    stream.set_read_timeout(Some(secs(20)))?;
    let (mut socket, _) = tungstenite::client(request, stream).map_err(|e| anyhow::anyhow!("upgrade: {e}"))?;
    for message in [&b"\0hello\n"[..], b"\xff\0"] {
        socket.send(Message::binary(message.to_vec()))?;
    }
    let mut output = Vec::new();
    loop {
        match socket.read() {
            Ok(Message::Binary(bytes)) if bytes.first() == Some(&1) => output.extend(&bytes[1..]),
            Ok(_) => {}
            Err(tungstenite::Error::ConnectionClosed) => break,
            Err(e) => return Err(e).context("read"),
        }
    }
    is(&String::from_utf8_lossy(&output), "b1946ac92492d2347c6235b4d2611184  -")
}

fn services(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let serve = "mkdir -p /tmp/www/a && echo it is $HOSTNAME > /tmp/www/a/page && exec httpd -f -p 8080 -h /tmp/www";
    let web = sleeper("web", 1, ", ports: [{name: http, containerPort: 8080}]");
    k.apply(&web.replace("[sleep, '100000']", &format!("[sh, -c, '{serve}']")))?;
    k.ok("create service clusterip web --tcp=80:8080")?;
    k.within(secs(60), "rollout status deployment/web")?;
    let name = k.ok("get pods -l app=web -o name")?.trim().trim_start_matches("pod/").to_owned();
    let root = format!("/api/v1/namespaces/{}", cx.ns);
    let expected = format!("it is {name}");
    until(secs(10), "the Service to answer", || {
        is(&k.ok(&format!("get --raw {root}/services/web:80/proxy/a/page"))?, &expected)
    })?;
    is(&k.ok(&format!("get --raw {root}/services/web:80-8080/proxy/a/page"))?, &expected)?;
    is(&k.ok(&format!("get --raw {root}/services/http:web:80/proxy/a/page"))?, &expected)?;
    is(&k.ok(&format!("get --raw {root}/pods/{name}:8080/proxy/a/page"))?, &expected)?;
    is(&k.ok(&format!("get --raw {root}/pods/{name}/proxy/a/page"))?, &expected)?;
    is(&k.ok(&format!("get --raw /api/v1/nodes/{}/proxy/healthz", cx.node.name))?, "ok")?;
    let (_running, address) = proxy(cx, "")?;
    is(&get(address, &format!("{root}/services/web:80/proxy/a/page"))?.1, &expected)?;
    has(&get(address, &format!("{root}/services/web:80/proxy/none"))?.0, &["404"])?;
    k.refused(&format!("get --raw {root}/services/none:80/proxy/"), None).map(drop)
}
