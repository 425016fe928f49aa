//! Long and slow streams: upgrades, big bodies, back-pressure.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper_util::rt::TokioIo;
use knarr_daemon::{Crowd, Stop};
use knarr_ingress::Limits;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    pods::{Pod, read_head, scripted},
    support::{World, empty, full, site, slice},
};

const CHUNK: usize = 64 << 10;

async fn shop(pod: std::net::SocketAddr, limits: Limits) -> World {
    let text = format!("{}---{}", site("shop.test", "web"), slice("web", "web-1", pod, ""));
    let world = World::with(&text, limits).await;
    world.shows(&pod.to_string()).await;
    world
}

#[tokio::test]
async fn an_upgraded_connection_carries_bytes_both_ways() {
    let tunnels = Crowd::new(&Stop::new(), 10);
    let pod = Pod::serving(move |mut request| {
        let tunnels = tunnels.clone();
        async move {
            assert_eq!(request.headers()["sec-websocket-key"], "dGhlIHNhbXBsZSBub25jZQ==");
            let upgrade = hyper::upgrade::on(&mut request);
            assert!(tunnels.try_spawn(|_| async move {
                let stream = TokioIo::new(upgrade.await.unwrap());
                let (mut from, mut to) = tokio::io::split(stream);
                tokio::io::copy(&mut from, &mut to).await.unwrap();
                to.shutdown().await.unwrap();
            }));
            Response::builder()
                .status(101)
                .header("connection", "Upgrade")
                .header("upgrade", "websocket")
                .header("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
                .body(empty())
                .unwrap()
        }
    })
    .await;
    let world = shop(pod.at, Limits::default()).await;
    let mut client = TcpStream::connect(world.ingress.http().unwrap()).await.unwrap();
    let head = "GET /chat HTTP/1.1\r\nhost: shop.test\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\n\
                sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
    client.write_all(head.as_bytes()).await.unwrap();
    let answer = read_head(&mut client).await.unwrap().to_lowercase();
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    assert!(
        answer.contains("\r\nupgrade: websocket\r\n") && answer.contains("\r\nconnection: upgrade\r\n"),
        "{answer}"
    );
    for n in 0..100u8 {
        let sent = vec![n; 1000];
        client.write_all(&sent).await.unwrap();
        let mut back = vec![0; 1000];
        client.read_exact(&mut back).await.unwrap();
        assert_eq!(sent, back);
    }
    client.shutdown().await.unwrap();
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test]
async fn a_refused_upgrade_is_an_answer_like_others() {
    let pod = Pod::named("web").await;
    let world = shop(pod.at, Limits::default()).await;
    let request = Request::get("/").header("host", "shop.test").header("connection", "upgrade");
    let answer = world.request(request.header("upgrade", "websocket").body(empty()).unwrap()).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn big_bodies_pass_both_ways() {
    const CHUNKS: usize = 1024; // 64 MiB
    let pod =
        Pod::serving(|request| async move { Response::new(request.into_body().map_err(Into::into).boxed_unsync()) })
            .await;
    let world = shop(pod.at, Limits::default()).await;
    let chunks = futures_util::stream::iter((0..CHUNKS).map(|n| Ok(Frame::data(Bytes::from(vec![n as u8; CHUNK])))));
    let request = Request::post("/").header("host", "shop.test").body(StreamBody::new(chunks).boxed_unsync()).unwrap();
    let mut body = world.request(request).await.into_body();
    let mut at = 0;
    while let Some(frame) = body.frame().await {
        for byte in frame.unwrap().into_data().unwrap() {
            assert_eq!(byte, (at / CHUNK) as u8);
            at += 1;
        }
    }
    assert_eq!(at, CHUNKS * CHUNK);
}

/// What a reader that does not read lets pile up: the kernel's buffers of two connections and ours.
const PILE: usize = 24 << 20;

#[tokio::test]
async fn a_pod_that_does_not_read_holds_its_client_up() {
    let crowd = Crowd::new(&Stop::new(), 10);
    let pod = scripted(&crowd, |_, mut stream| async move {
        read_head(&mut stream).await;
        std::future::pending::<()>().await;
    })
    .await;
    let world = shop(pod, Limits::default()).await;
    let mut client = TcpStream::connect(world.ingress.http().unwrap()).await.unwrap();
    let head = format!("POST / HTTP/1.1\r\nhost: shop.test\r\ncontent-length: {}\r\n\r\n", 1u64 << 40);
    client.write_all(head.as_bytes()).await.unwrap();
    assert!(pile(&mut client).await < PILE);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_its_pod_up() {
    let crowd = Crowd::new(&Stop::new(), 10);
    let (piled, pile_of) = tokio::sync::oneshot::channel();
    let piled = Arc::new(std::sync::Mutex::new(Some(piled)));
    let pod = scripted(&crowd, move |_, mut stream| {
        let piled = piled.clone();
        async move {
            read_head(&mut stream).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 1u64 << 40);
            stream.write_all(head.as_bytes()).await.unwrap();
            let n = pile(&mut stream).await;
            piled.lock().unwrap().take().unwrap().send(n).unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let world = shop(pod, Limits::default()).await;
    let mut client = TcpStream::connect(world.ingress.http().unwrap()).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n").await.unwrap();
    assert!(pile_of.await.unwrap() < PILE);
    drop(client);
}

/// Writes until nothing goes any more; answers how much went.
async fn pile(stream: &mut TcpStream) -> usize {
    let chunk = vec![0; CHUNK];
    let mut n = 0;
    while n < 2 * PILE {
        match timeout(Duration::from_millis(500), stream.write(&chunk)).await {
            Ok(written) => n += written.unwrap(),
            Err(_) => break,
        }
    }
    n
}

fn impatient() -> Limits {
    Limits { head: Duration::from_millis(200), body: Duration::from_millis(200), ..Limits::default() }
}

#[tokio::test]
async fn a_client_that_never_ends_its_head_is_cut_off() {
    let pod = Pod::named("web").await;
    let world = shop(pod.at, impatient()).await;
    for begin in ["", "G", "GET / HTTP/1.1\r\nhost: sh", "PRI * HTTP/2.0\r\n"] {
        let mut client = TcpStream::connect(world.ingress.http().unwrap()).await.unwrap();
        client.write_all(begin.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let end = timeout(Duration::from_secs(5), client.read_to_end(&mut rest)).await;
        assert!(end.is_ok(), "still open after {begin:?}");
    }
    assert_eq!(pod.requests(), 0);
}

#[tokio::test]
async fn a_body_that_stops_coming_is_answered_408() {
    let pod = Pod::named("web").await;
    let world = shop(pod.at, impatient()).await;
    let mut client = TcpStream::connect(world.ingress.http().unwrap()).await.unwrap();
    client.write_all(b"POST / HTTP/1.1\r\nhost: shop.test\r\ncontent-length: 10\r\n\r\nabc").await.unwrap();
    let answer = timeout(Duration::from_secs(5), read_head(&mut client)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_slow_body_that_keeps_coming_is_fine() {
    let pod = Pod::named("web").await;
    let limits = Limits { answer: Duration::from_millis(300), ..impatient() };
    let world = shop(pod.at, limits).await;
    let mut client = TcpStream::connect(world.ingress.http().unwrap()).await.unwrap();
    client.write_all(b"POST / HTTP/1.1\r\nhost: shop.test\r\ncontent-length: 12\r\n\r\n").await.unwrap();
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        client.write_all(b"x").await.unwrap();
    }
    let answer = timeout(Duration::from_secs(5), read_head(&mut client)).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_cut_off() {
    let crowd = Crowd::new(&Stop::new(), 10);
    let ended = Arc::new(tokio::sync::Notify::new());
    let end = ended.clone();
    let pod = scripted(&crowd, move |_, mut stream| {
        let end = end.clone();
        async move {
            read_head(&mut stream).await;
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 1u64 << 40);
            stream.write_all(head.as_bytes()).await.unwrap();
            while stream.write_all(&vec![0; CHUNK]).await.is_ok() {}
            end.notify_one();
        }
    })
    .await;
    let world = shop(pod, impatient()).await;
    let mut client = TcpStream::connect(world.ingress.http().unwrap()).await.unwrap();
    client.write_all(b"GET / HTTP/1.1\r\nhost: shop.test\r\n\r\n").await.unwrap();
    assert!(timeout(Duration::from_secs(10), ended.notified()).await.is_ok());
}

#[tokio::test]
async fn a_pod_that_does_not_answer_is_504() {
    let pod = Pod::serving(|_| std::future::pending()).await;
    let world = shop(pod.at, Limits { answer: Duration::from_millis(100), ..Limits::default() }).await;
    assert_eq!(world.get("shop.test", "/").await.0, 504);
}

#[tokio::test]
async fn stopping_lets_requests_finish() {
    let pod = Pod::serving(|_| async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        Response::new(full("done"))
    })
    .await;
    let world = shop(pod.at, Limits::default()).await;
    let mut client = world.connect().await;
    let request = Request::get("/").header("host", "shop.test").body(empty()).unwrap();
    let answer = client.send_request(request);
    tokio::pin!(answer);
    // The pod has the request: now the ingress is told to stop.
    while pod.requests() == 0 {
        assert!(timeout(Duration::from_millis(5), answer.as_mut()).await.is_err());
    }
    let (late, answer) = tokio::join!(world.tasks.stop_all(Duration::from_secs(10)), answer);
    assert_eq!(late, [""; 0]);
    assert_eq!(crate::support::read(answer.unwrap()).await, (200, "done".to_owned()));
    assert!(TcpStream::connect(world.ingress.http().unwrap()).await.is_err());
}
