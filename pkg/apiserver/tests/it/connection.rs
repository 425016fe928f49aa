//! Over a connection: HTTP framing, stopping.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use knarr_apiserver::{Peer, serve};
use knarr_daemon::{Stop, Tasks};

use crate::world::World;

/// A client on a connection the world serves.
async fn connect(world: &World, tasks: &Tasks, peer: Peer) -> SendRequest<Full<Bytes>> {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let face = world.face.clone();
    tasks.spawn("server", |stop| async move {
        serve(face, server, peer, stop).await;
        Ok::<_, std::convert::Infallible>(())
    });
    let (sender, connection) = http1::handshake(TokioIo::new(client)).await.unwrap();
    tasks.spawn("client", |_| connection);
    sender
}

fn get(uri: &str) -> Request<Full<Bytes>> {
    let request = Request::get(uri).header("host", "x").header("authorization", "Bearer admin");
    request.body(Full::default()).unwrap()
}

#[tokio::test]
async fn requests_follow_each_other_and_watches_end_with_the_server() {
    let world = World::new().await;
    let tasks = Tasks::new(&Stop::new());
    let mut sender = connect(&world, &tasks, Peer::default()).await;
    for _ in 0..2 {
        let response = sender.send_request(get("/api/v1/namespaces")).await.unwrap();
        assert_eq!(response.status(), 200);
        assert!(!response.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
    let watch = sender.send_request(get("/api/v1/nodes?watch=true")).await.unwrap();
    world.stop.cancel();
    let rest = watch.into_body().collect().await.unwrap().to_bytes();
    assert!(rest.is_empty(), "ended in order, without an error: {rest:?}");
    assert!(tasks.stop_all(Duration::from_secs(5)).await.is_empty(), "the connection ends when it is told to");
}

#[tokio::test]
async fn a_client_certificate_is_a_user() {
    let world = World::new().await;
    let tasks = Tasks::new(&Stop::new());
    let user = knarr_apiserver::User::new("root", &["system:masters"]);
    let peer = Peer { user: Some(std::sync::Arc::new(user)), address: String::new() };
    let mut sender = connect(&world, &tasks, peer).await;
    let request = Request::get("/api/v1/nodes").header("host", "x").body(Full::default()).unwrap();
    assert_eq!(sender.send_request(request).await.unwrap().status(), 200);
}
