//! Requests and answers as pods and clients see them.

use std::net::SocketAddr;

use bytes::Bytes;
use expect_test::expect;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::{body::Frame, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::{
    pods::Pod,
    support::{World, empty, full, read, service_named, site, slice},
};

/// A world whose host `shop.test` leads to `pod`.
async fn shop(pod: &Pod) -> World {
    world(pod.at, "").await
}

async fn world(pod: SocketAddr, port: &str) -> World {
    let text = format!("{}---{}", site("shop.test", "web"), slice("web", "web-1", pod, ""));
    let world = World::new(&text.replace("name: web, port: 80", &format!("name: web, port: 80 {port}"))).await;
    world.shows(&pod.to_string()).await;
    world
}

#[tokio::test]
async fn a_pod_sees_who_asks_for_what_and_no_hop_by_hop_headers() {
    let pod = Pod::named("web").await;
    let world = shop(&pod).await;
    let request = Request::post("/a%20b?c=d")
        .header("host", "Shop.Test:8080")
        .header("connection", "close, x-private")
        .header("x-private", "1")
        .header("keep-alive", "timeout=5")
        .header("te", "trailers, deflate")
        .header("proxy-authorization", "secret")
        .header("x-forwarded-for", "6.6.6.6")
        .header("x-forwarded-proto", "gopher")
        .header("forwarded", "for=6.6.6.6")
        .header("accept", "text/plain")
        .body(full("hello"))
        .unwrap();
    let (status, text) = read(world.request(request).await).await;
    assert_eq!(status, 200);
    let port = world.ingress.http().unwrap().port().to_string();
    expect![[r#"
        web POST /a%20b?c=d
        accept: text/plain
        connection: TE
        content-length: 5
        host: Shop.Test:8080
        te: trailers
        x-forwarded-for: 127.0.0.1
        x-forwarded-host: Shop.Test:8080
        x-forwarded-port: PORT
        x-forwarded-proto: http
        x-real-ip: 127.0.0.1
        hello
    "#]]
    .assert_eq(&text.replace(&format!("port: {port}"), "port: PORT"));
}

#[tokio::test]
async fn http2_with_its_pieces_of_cookies_is_one_request_of_http1_for_the_pod() {
    let pod = Pod::named("web").await;
    let world = shop(&pod).await;
    world.secret("shop", "cert", &["shop.test"]).await;
    world
        .apply(
            &site("shop.test", "web")
                .replace("rules:", "tls: [ { hosts: [ shop.test ], secretName: cert } ]\n  rules:"),
        )
        .await;
    world.until(|t| t.certificates.find(Some("shop.test")).is_some()).await;
    let stream = world.tls("shop.test", "h2").await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    assert!(world.crowd.try_spawn(|_| async move { drop(connection.await) }));
    let request = Request::post("https://shop.test/x")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .body(StreamBody::new(futures(vec![
            Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"he"))),
            Ok(Frame::data(Bytes::from_static(b"llo"))),
        ])))
        .unwrap();
    let (status, text) = read(sender.send_request(request).await.unwrap()).await;
    assert_eq!(status, 200);
    let port = world.ingress.https().unwrap().port().to_string();
    expect![[r#"
        web POST /x
        cookie: a=1; b=2
        host: shop.test
        transfer-encoding: chunked
        x-forwarded-for: 127.0.0.1
        x-forwarded-host: shop.test
        x-forwarded-port: PORT
        x-forwarded-proto: https
        x-real-ip: 127.0.0.1
        hello
    "#]]
    .assert_eq(&text.replace(&format!("port: {port}"), "port: PORT"));
}

/// A stream of ready items.
fn futures<T: Unpin>(items: Vec<T>) -> impl futures_util::Stream<Item = T> + Unpin {
    futures_util::stream::iter(items)
}

#[tokio::test]
async fn the_answer_passes_with_status_and_headers() {
    let pod = Pod::serving(|_| async {
        Response::builder()
            .status(StatusCode::IM_A_TEAPOT)
            .header("x-tea", "green")
            .header("keep-alive", "timeout=5")
            .body(full("no coffee"))
            .unwrap()
    })
    .await;
    let world = shop(&pod).await;
    let answer = world.request(Request::get("/").header("host", "shop.test").body(empty()).unwrap()).await;
    assert_eq!(answer.headers()["x-tea"], "green");
    assert!(!answer.headers().contains_key("keep-alive"));
    assert_eq!(read(answer).await, (418, "no coffee".to_owned()));
}

#[tokio::test]
async fn an_answer_to_head_keeps_its_length() {
    let pod = Pod::named("web").await;
    let world = shop(&pod).await;
    let request = Request::head("/").header("host", "shop.test").body(empty()).unwrap();
    let answer = world.request(request).await;
    assert_ne!(answer.headers()["content-length"], "0");
    assert_eq!(read(answer).await, (200, String::new()));
}

#[tokio::test]
async fn h2c_pods_get_http2_and_trailers_pass_both_ways() {
    let pod = Pod::start(true, |request| async move {
        assert_eq!(request.version(), http::Version::HTTP_2);
        assert_eq!(request.headers()["te"], "trailers");
        let authority = request.uri().authority().unwrap().to_string();
        let sent = request.into_body().collect().await.unwrap();
        let trailer = sent.trailers().unwrap()["x-sum"].clone();
        let mut trailers = http::HeaderMap::new();
        trailers.insert("grpc-status", trailer);
        let frames = vec![Ok(Frame::data(authority.into())), Ok(Frame::trailers(trailers))];
        Response::new(StreamBody::new(futures(frames)).boxed_unsync())
    })
    .await;
    let world = world(pod.at, ", appProtocol: kubernetes.io/h2c").await;
    let stream = tokio::net::TcpStream::connect(world.ingress.http().unwrap()).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    assert!(world.crowd.try_spawn(|_| async move { drop(connection.await) }));
    for _ in 0..3 {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-sum", "7".parse().unwrap());
        let body = StreamBody::new(futures(vec![
            Ok::<_, std::io::Error>(Frame::data(Bytes::from_static(b"x"))),
            Ok(Frame::trailers(trailers)),
        ]));
        let request = Request::post("http://shop.test/call").header("te", "trailers").body(body).unwrap();
        let answer = sender.clone().send_request(request).await.unwrap().into_body().collect().await.unwrap();
        assert_eq!(answer.trailers().unwrap()["grpc-status"], "7");
        assert_eq!(answer.to_bytes(), "shop.test");
    }
    assert_eq!(pod.connections.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn connections_to_pods_are_used_again() {
    let pod = Pod::named("web").await;
    let world = shop(&pod).await;
    for _ in 0..5 {
        assert_eq!(world.get("shop.test", "/").await.0, 200);
    }
    assert_eq!(pod.requests(), 5);
    assert_eq!(pod.connections.load(std::sync::atomic::Ordering::Relaxed), 1);
}

#[tokio::test]
async fn plain_http_is_sent_to_tls() {
    let pod = Pod::named("web").await;
    let world = shop(&pod).await;
    world.apply(&site("shop.test", "web").replace("rules:", "tls: [ { hosts: [ shop.test ] } ]\n  rules:")).await;
    world.shows("redirect").await;
    let request = Request::post("/a?b=c").header("host", "shop.test:80").body(full("x")).unwrap();
    let answer = world.request(request).await;
    assert_eq!(answer.status(), 308);
    let port = world.ingress.https().unwrap().port();
    assert_eq!(answer.headers()["location"], format!("https://shop.test:{port}/a?b=c"));
    assert_eq!(pod.requests(), 0);
}

#[tokio::test]
async fn refusals_say_why() {
    let world = World::new(&format!("{}---{}", site("shop.test", "web"), service_named("web", ""))).await;
    world.shows("shop/web").await;
    let (status, text) = world.get("elsewhere.test", "/").await;
    assert_eq!((status, &*text), (404, "404 Not Found: no route for this host and path\n"));
    let (status, text) = world.get("shop.test", "/").await;
    assert_eq!(status, 503);
    assert_eq!(text, "503 Service Unavailable: the service has no endpoints that are ready\n");
    assert_eq!(world.get("a b", "/").await.0, 400);
}
