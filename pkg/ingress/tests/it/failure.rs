//! Pods that are not there, go away, or close connections under our hands.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Request;
use knarr_client::fake::FakeApi;
use knarr_daemon::{Crowd, Stop};
use knarr_ingress::{Config, Ingress, IngressError, Limits, Listen};
use tokio::{net::TcpStream, time::timeout};

use crate::{
    pods::{Pod, nobody, read_head, reply, scripted},
    support::{World, full, read, site, slice},
};

async fn shop(pods: &[SocketAddr]) -> World {
    let slices = pods.iter().enumerate().map(|(n, at)| format!("---{}", slice("web", &format!("web-{n}"), *at, "")));
    let world = World::new(&(site("shop.test", "web") + &slices.collect::<String>())).await;
    world.until(|t| pods.iter().all(|at| t.to_string().contains(&at.to_string()))).await;
    world
}

#[tokio::test]
async fn a_pod_that_refuses_is_passed_over() {
    let (gone, pod) = (nobody().await, Pod::named("web").await);
    let world = shop(&[gone, pod.at]).await;
    for _ in 0..20 {
        assert_eq!(world.get("shop.test", "/").await.0, 200);
        let post = Request::post("/").header("host", "shop.test").body(full("once")).unwrap();
        assert_eq!(read(world.request(post).await).await.0, 200);
    }
    assert_eq!(pod.requests(), 40);
}

#[tokio::test]
async fn nobody_there_is_502() {
    let world = shop(&[nobody().await]).await;
    let (status, text) = world.get("shop.test", "/").await;
    assert_eq!((status, &*text), (502, "502 Bad Gateway: no endpoint of the service accepts connections\n"));
}

/// Answers the first request of its first connection, then closes it when a second request is there.
async fn forgetful(crowd: &Crowd, seen: Arc<AtomicUsize>) -> SocketAddr {
    scripted(crowd, move |n, mut stream: TcpStream| {
        let seen = seen.clone();
        async move {
            while read_head(&mut stream).await.is_some() {
                let first = seen.fetch_add(1, Ordering::Relaxed) == 0;
                if n == 0 && !first {
                    return;
                }
                reply(&mut stream, "here").await;
            }
        }
    })
    .await
}

#[tokio::test]
async fn a_stale_connection_costs_an_idempotent_request_nothing() {
    let (crowd, seen) = (Crowd::new(&Stop::new(), 10), Arc::new(AtomicUsize::new(0)));
    let world = shop(&[forgetful(&crowd, seen.clone()).await]).await;
    assert_eq!(world.get("shop.test", "/1").await, (200, "here".to_owned()));
    assert_eq!(world.get("shop.test", "/2").await, (200, "here".to_owned()));
    // The second was seen twice: on the connection that closed, and on a new one.
    assert_eq!(seen.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn what_may_have_been_done_is_not_done_twice() {
    let (crowd, seen) = (Crowd::new(&Stop::new(), 10), Arc::new(AtomicUsize::new(0)));
    let world = shop(&[forgetful(&crowd, seen.clone()).await]).await;
    assert_eq!(world.get("shop.test", "/1").await.0, 200);
    let post = Request::post("/").header("host", "shop.test").body(full("")).unwrap();
    let (status, text) = read(world.request(post).await).await;
    assert_eq!((status, &*text), (502, "502 Bad Gateway: the endpoint broke the connection off\n"));
    assert_eq!(seen.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn after_the_first_byte_of_an_answer_nothing_is_tried_again() {
    let (crowd, seen) = (Crowd::new(&Stop::new(), 10), Arc::new(AtomicUsize::new(0)));
    let count = seen.clone();
    let pod = scripted(&crowd, move |_, mut stream: TcpStream| {
        let count = count.clone();
        async move {
            use tokio::io::AsyncWriteExt as _;
            read_head(&mut stream).await;
            count.fetch_add(1, Ordering::Relaxed);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await.unwrap();
        }
    })
    .await;
    let world = shop(&[pod]).await;
    let request = Request::get("/").header("host", "shop.test").body(crate::support::empty()).unwrap();
    let answer = world.request(request).await;
    assert_eq!(answer.status(), 200);
    use http_body_util::BodyExt as _;
    assert!(answer.into_body().collect().await.is_err());
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn too_many_connections_to_pods_are_503() {
    let pod = Pod::serving(|_| std::future::pending()).await;
    let text = format!("{}---{}", site("shop.test", "web"), slice("web", "web-1", pod.at, ""));
    let world = World::with(&text, Limits { backends: 1, ..Limits::default() }).await;
    world.shows(&pod.at.to_string()).await;
    let mut first = world.connect().await;
    let request = Request::get("/").header("host", "shop.test").body(crate::support::empty()).unwrap();
    let waiting = first.send_request(request);
    tokio::pin!(waiting);
    while pod.requests() == 0 {
        assert!(timeout(Duration::from_millis(5), waiting.as_mut()).await.is_err());
    }
    assert_eq!(world.get("shop.test", "/").await.0, 503);
}

/// Serves one connection and tells when it is closed.
async fn watched(crowd: &Crowd) -> (SocketAddr, Arc<tokio::sync::Notify>) {
    let closed = Arc::new(tokio::sync::Notify::new());
    let tell = closed.clone();
    let pod = scripted(crowd, move |_, mut stream: TcpStream| {
        let tell = tell.clone();
        async move {
            while read_head(&mut stream).await.is_some() {
                reply(&mut stream, "here").await;
            }
            tell.notify_one();
        }
    });
    (pod.await, closed)
}

#[tokio::test]
async fn unused_connections_are_closed_when_they_grow_old() {
    let crowd = Crowd::new(&Stop::new(), 10);
    let (pod, closed) = watched(&crowd).await;
    let text = format!("{}---{}", site("shop.test", "web"), slice("web", "web-1", pod, ""));
    let world = World::with(&text, Limits { idle: Duration::from_millis(100), ..Limits::default() }).await;
    world.shows(&pod.to_string()).await;
    assert_eq!(world.get("shop.test", "/").await.0, 200);
    assert!(timeout(Duration::from_secs(10), closed.notified()).await.is_ok());
}

#[tokio::test]
async fn unused_connections_are_closed_when_their_endpoint_leaves() {
    let crowd = Crowd::new(&Stop::new(), 10);
    let (pod, closed) = watched(&crowd).await;
    let world = shop(&[pod]).await;
    assert_eq!(world.get("shop.test", "/").await.0, 200);
    world.apply(&slice("web", "web-0", nobody().await, "")).await;
    assert!(timeout(Duration::from_secs(10), closed.notified()).await.is_ok());
}

#[tokio::test]
async fn an_address_in_use_is_said_at_once() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let at = taken.local_addr().unwrap();
    let config = |http| Config { http: Some(http), https: None, trusted: Vec::new(), limits: Limits::default() };
    let result = Ingress::new(config(Listen::At(at)), Arc::new(FakeApi::new()));
    assert!(matches!(result, Err(IngressError::InUse { address }) if address == at));
    let ingress = Ingress::new(config(Listen::On(taken)), Arc::new(FakeApi::new())).unwrap();
    assert_eq!((ingress.http(), ingress.https()), (Some(at), None));
}
