//! Backends: real HTTP servers, and sockets that follow a script.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use knarr_daemon::{Crowd, Stop};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::support::{Body, full};

/// An HTTP server that stops as well-behaved ones do: no new connections, open requests finish.
pub(crate) struct Pod {
    pub(crate) at: SocketAddr,
    pub(crate) requests: Arc<AtomicUsize>,
    pub(crate) connections: Arc<AtomicUsize>,
    stop: Stop,
    crowd: Crowd,
}

impl Pod {
    /// A pod that answers its name, method, path and what came with it.
    pub(crate) async fn named(name: &str) -> Self {
        let name = name.to_owned();
        Self::serving(move |request| {
            let name = name.clone();
            async move { Response::new(full(describe(&name, request).await)) }
        })
        .await
    }

    pub(crate) async fn serving<F>(handle: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        Self::start(false, handle).await
    }

    /// As [`Pod::serving`]; `h2c` speaks HTTP/2 alone.
    pub(crate) async fn start<F>(h2c: bool, handle: impl Fn(Request<Incoming>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        let stop = Stop::new();
        let crowd = Crowd::new(&stop, 1000);
        let (requests, connections) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (handle, count, inner) = (Arc::new(handle), requests.clone(), crowd.clone());
        let opened = connections.clone();
        assert!(crowd.try_spawn(|stop| async move {
            loop {
                let stream = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap().0,
                    () = stop.cancelled() => return,
                };
                opened.fetch_add(1, Ordering::Relaxed);
                let (handle, count) = (handle.clone(), count.clone());
                let service = service_fn(move |request| {
                    count.fetch_add(1, Ordering::Relaxed);
                    let answer = handle(request);
                    async move { Ok::<_, Infallible>(answer.await) }
                });
                assert!(inner.try_spawn(|stop| async move {
                    let io = TokioIo::new(stream);
                    if h2c {
                        drop(http2::Builder::new(TokioExecutor::new()).serve_connection(io, service).await);
                        return;
                    }
                    let connection = http1::Builder::new().serve_connection(io, service).with_upgrades();
                    tokio::pin!(connection);
                    tokio::select! {
                        _ = connection.as_mut() => return,
                        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
                    }
                    let _ = connection.await;
                }));
            }
        }));
        Self { at, requests, connections, stop, crowd }
    }

    /// Told to stop: answers what it works on, then is gone.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        self.crowd.stop_all(Duration::from_secs(5)).await;
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

async fn describe(name: &str, request: Request<Incoming>) -> String {
    let (head, body) = request.into_parts();
    let mut text = format!("{name} {} {}\n", head.method, head.uri);
    let mut headers: Vec<_> = head.headers.iter().map(|(k, v)| format!("{k}: {}\n", v.to_str().unwrap())).collect();
    headers.sort();
    text.extend(headers);
    let body = body.collect().await.map(|b| b.to_bytes()).unwrap_or_else(|_| Bytes::from("(broken body)"));
    if !body.is_empty() {
        text.push_str(&String::from_utf8_lossy(&body));
        text.push('\n');
    }
    text
}

/// A socket whose connections follow a script: the n-th (from 0) gets `script(n, stream)`.
pub(crate) async fn scripted<F>(crowd: &Crowd, script: impl Fn(usize, TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let inner = crowd.clone();
    assert!(crowd.try_spawn(|stop| async move {
        for n in 0.. {
            let stream = tokio::select! {
                accepted = listener.accept() => accepted.unwrap().0,
                () = stop.cancelled() => return,
            };
            assert!(inner.try_spawn(|_| script(n, stream)));
        }
    }));
    at
}

/// Reads the head of a request.
pub(crate) async fn read_head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(head).ok()
}

/// Answers 200 with a body and keeps the connection.
pub(crate) async fn reply(stream: &mut TcpStream, body: &str) {
    let text = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let _ = stream.write_all(text.as_bytes()).await;
}

/// An address where nothing listens.
pub(crate) async fn nobody() -> SocketAddr {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap()
}
