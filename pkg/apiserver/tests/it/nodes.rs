//! Logs, exec and proxies through a node that answers with what it was asked.

use std::sync::Arc;

use async_trait::async_trait;
use http::Request;
use http_body_util::{Empty, Full};
use hyper::{body::Incoming, client::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use knarr_apiserver::{Peer, serve};
use knarr_client::{BoxIo, NodeDialer};
use knarr_daemon::{Stop, Tasks};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::world::World;

/// Nodes and Services that echo.
struct Echo(Arc<Tasks>);

impl Echo {
    fn new() -> (Arc<Self>, Arc<Tasks>) {
        let tasks = Arc::new(Tasks::new(&Stop::new()));
        (Arc::new(Self(tasks.clone())), tasks)
    }

    fn open(&self, name: String) -> BoxIo {
        let (ours, theirs) = tokio::io::duplex(64 * 1024);
        let tasks = self.0.clone();
        self.0.spawn("node", move |_| {
            let service = service_fn(move |mut request: Request<Incoming>| {
                let (name, tasks) = (name.clone(), tasks.clone());
                async move {
                    let uri = request.uri().to_string();
                    if request.headers().contains_key("upgrade") {
                        let upgrade = hyper::upgrade::on(&mut request);
                        tasks.spawn("echo", |_| async move {
                            let mut io = TokioIo::new(upgrade.await?);
                            io.write_all(uri.as_bytes()).await.unwrap();
                            let mut buffer = [0; 5];
                            io.read_exact(&mut buffer).await.unwrap();
                            io.write_all(&buffer).await.unwrap();
                            io.shutdown().await.unwrap();
                            Ok::<_, hyper::Error>(())
                        });
                        let reply = http::Response::builder()
                            .status(101)
                            .header("connection", "upgrade")
                            .header("upgrade", "echo");
                        return reply.body(Full::default());
                    }
                    let code = if uri.contains("refuse") { 400 } else { 200 };
                    let text = format!("{name} {} {uri}", request.method());
                    http::Response::builder().status(code).body(Full::<bytes::Bytes>::from(text))
                }
            });
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(theirs), service).with_upgrades()
        });
        Box::new(ours)
    }
}

#[async_trait]
impl NodeDialer for Echo {
    async fn dial(&self, node: &str) -> std::io::Result<BoxIo> {
        if node == "n" { Ok(self.open(format!("node {node}"))) } else { Err(std::io::ErrorKind::NotFound.into()) }
    }

    async fn dial_service(&self, namespace: &str, name: &str, port: &str) -> std::io::Result<BoxIo> {
        match port {
            "81" => Err(std::io::ErrorKind::ConnectionRefused.into()),
            port => Ok(self.open(format!("service {namespace}/{name}:{port}"))),
        }
    }
}

async fn world() -> (World, Arc<Tasks>) {
    let (echo, tasks) = Echo::new();
    let world = World::with(echo).await;
    world.make("POST /api/v1/namespaces/default/serviceaccounts", r#"{"metadata":{"name":"default"}}"#).await;
    world.make("POST /api/v1/nodes", r#"{"metadata":{"name":"n"}}"#).await;
    let pod = |name: &str, node: &str, containers: &str| {
        format!(r#"{{"metadata":{{"name":"{name}"}},"spec":{{"nodeName":"{node}","containers":[{containers}]}}}}"#)
    };
    let one = r#"{"name":"a","image":"x"}"#;
    let two = r#"{"name":"a","image":"x"},{"name":"refuse","image":"x"}"#;
    for body in [pod("p", "n", one), pod("two", "n", two), pod("lost", "gone", one)] {
        world.make("POST /api/v1/namespaces/default/pods", &body).await;
    }
    let waiting = r#"{"metadata":{"name":"waiting"},"spec":{"containers":[{"name":"a","image":"x"}]}}"#;
    world.make("POST /api/v1/namespaces/default/pods", waiting).await;
    let service = r#"{"metadata":{"name":"s"},"spec":{"ports":[{"name":"w","port":80},{"name":"x","port":81}]}}"#;
    world.make("POST /api/v1/namespaces/default/services", service).await;
    (world, tasks)
}

#[tokio::test]
async fn what_reaches_the_node() {
    let (world, _tasks) = world().await;
    let table = [
        ("GET /api/v1/namespaces/default/pods/p/log", "200 node n GET /containerLogs/default/p/a"),
        (
            "GET /api/v1/namespaces/default/pods/two/log?container=a&tailLines=3&follow=true",
            "200 node n GET /containerLogs/default/two/a?follow=true&tailLines=3",
        ),
        (
            "GET /api/v1/namespaces/default/pods/two/log",
            "400 a container name must be specified for pod two, choose one of: [a refuse]",
        ),
        (
            "GET /api/v1/namespaces/default/pods/two/log?container=refuse",
            "400 node n GET /containerLogs/default/two/refuse",
        ),
        ("GET /api/v1/namespaces/default/pods/p/log?container=b", "400 container b is not valid for pod p"),
        ("GET /api/v1/namespaces/default/pods/none/log", r#"404 pods "none" not found"#),
        ("GET /api/v1/namespaces/default/pods/waiting/log", "204 "),
        (
            "GET /api/v1/namespaces/default/pods/lost/log",
            "500 Internal error occurred: error dialing backend: entity not found",
        ),
        (
            "POST /api/v1/namespaces/default/pods/waiting/exec?command=ls",
            "400 pod waiting does not have a host assigned",
        ),
        ("POST /api/v1/namespaces/default/pods/p/exec?command=ls", "400 Upgrade request required"),
        ("GET /api/v1/nodes/n/proxy/pods?x=y", "200 node n GET /pods?x=y"),
        ("GET /api/v1/nodes/none/proxy/pods", r#"404 nodes "none" not found"#),
        ("PUT /api/v1/namespaces/default/services/s/proxy/a/b/", "200 service default/s:80 PUT /a/b/"),
        ("GET /api/v1/namespaces/default/services/http:s:w/proxy/", "200 service default/s:w GET /"),
        ("GET /api/v1/namespaces/default/services/s:81/proxy/", r#"503 no endpoints available for service "s:81""#),
        ("GET /api/v1/namespaces/default/services/none/proxy/", r#"404 services "none" not found"#),
    ];
    for (line, want) in table {
        let answer = world.ask(line, &[], "").await;
        let ok = answer.code < 300;
        let got = if ok { format!("{} {}", answer.code, answer.text()) } else { answer.refusal() };
        assert_eq!(got, want, "{line}");
    }
}

#[tokio::test]
async fn bytes_flow_both_ways_after_an_upgrade() {
    let (world, tasks) = world().await;
    let (client, server) = tokio::io::duplex(64 * 1024);
    let face = world.face.clone();
    tasks.spawn("server", |stop| async move {
        serve(face, server, Peer::default(), stop).await;
        Ok::<_, std::convert::Infallible>(())
    });
    let (mut sender, connection) = http1::handshake(TokioIo::new(client)).await.unwrap();
    tasks.spawn("client", |_| connection.with_upgrades());
    let uri = "/api/v1/namespaces/default/pods/p/exec?command=echo&command=a%20b&stdout=true&stdin=false";
    let request = Request::post(uri)
        .header("host", "x")
        .header("authorization", "Bearer admin")
        .header("connection", "Upgrade")
        .header("upgrade", "echo")
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    assert_eq!((response.status().as_u16(), response.headers()["upgrade"].to_str().unwrap()), (101, "echo"));
    let mut io = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
    io.write_all(b"hello").await.unwrap();
    let mut all = String::new();
    io.read_to_string(&mut all).await.unwrap();
    assert_eq!(all, "/exec/default/p/a?output=1&command=echo&command=a%20bhello");
}
