//! The listeners: TCP, TLS, HTTP/1.1 and HTTP/2, then [`Front::answer`].
//!
//! Nothing is accepted before there is a first table: connections made meanwhile wait in the kernel. Stopping: the
//! listener closes, connections finish the requests they have and are dropped when the grace is over.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::Request;
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use knarr_client::Io;
use knarr_daemon::{Crowd, Stop, stop_unless_new};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{front::Front, hands::Hands, headers::Origin, patient::Patient};

/// How long a full file table is waited out: accepting at once again would spin.
const PAUSE: Duration = Duration::from_millis(100);
/// For the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// When told to stop, for the first request of a client that has just come.
const FIRST: Duration = Duration::from_millis(250);
/// Bytes of a request's head.
const HEADERS: usize = 64 << 10;
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 128;

/// One listener.
pub(crate) struct Server {
    pub(crate) listener: TcpListener,
    pub(crate) tls: Option<Arc<ServerConfig>>,
    pub(crate) front: Arc<Front>,
    /// Proxies before us.
    pub(crate) trusted: Arc<[IpAddr]>,
    /// Cancelled when the last connection is gone, or the server itself.
    pub(crate) over: Stop,
}

impl Server {
    /// Serves until stopped.
    ///
    /// # Errors
    /// None: trouble of one connection ends that connection.
    pub(crate) async fn run(self, stop: Stop) -> Result<(), Infallible> {
        let Self { listener, tls, front, trusted, over } = self;
        let _over = over.drop_guard();
        tokio::select! {
            () = front.live.ready() => {}
            () = stop.cancelled() => return Ok(()),
        }
        let crowd = Crowd::new(&stop, front.limits.connections);
        // Streams stop with their connections.
        let streams = Crowd::new(&Stop::new(), front.limits.connections.saturating_mul(4));
        let port = listener.local_addr().map_or(0, |a| a.port());
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            let (stream, peer) = match accepted {
                Ok(accepted) => accepted,
                Err(e) => {
                    tracing::warn!(error = %e, "accept");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            let origin = Origin { peer: peer.ip(), tls: tls.is_some(), port, trusted: trusted.contains(&peer.ip()) };
            let (front, tls, hands) = (front.clone(), tls.clone(), Hands::new(streams.clone()));
            let place = crowd.spawn(|stop| async move {
                let _ = stream.set_nodelay(true);
                match tls {
                    Some(config) => secure(front, stream, config, peer, origin, hands, stop).await,
                    None => plain(front, stream, origin, hands, stop).await,
                }
            });
            // First of all the place: who was accepted is not dropped as long as there is room.
            tokio::select! {
                biased;
                () = place => {}
                () = stop.cancelled() => break,
            }
        }
        drop(listener);
        let grace = front.limits.grace;
        let late = crowd.stop_all(grace).await;
        streams.stop_all(Duration::ZERO).await;
        if late > 0 {
            tracing::warn!(connections = late, "dropped after the grace period");
        }
        Ok(())
    }
}

async fn secure(
    front: Arc<Front>,
    stream: TcpStream,
    config: Arc<ServerConfig>,
    peer: SocketAddr,
    origin: Origin,
    hands: Hands,
    stop: Stop,
) {
    match timeout(HANDSHAKE.min(front.limits.head), TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(stream)) => {
            let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            serve(front, stream, origin, h2, hands, stop).await;
        }
        Ok(Err(e)) => tracing::debug!(%peer, error = %e, "TLS handshake"),
        Err(_) => tracing::debug!(%peer, "TLS handshake timed out"),
    }
}

/// Without TLS a client that speaks HTTP/2 begins with its preface.
async fn plain(front: Arc<Front>, stream: TcpStream, origin: Origin, hands: Hands, stop: Stop) {
    let mut first = [0; 4];
    let begun = Stop::new();
    let peeked = tokio::select! {
        peeked = timeout(front.limits.head, stream.peek(&mut first)) => peeked,
        () = stop_unless_new(&stop, &begun, FIRST) => return,
    };
    if let Ok(Ok(n @ 1..)) = peeked {
        serve(front, stream, origin, first[..n] == *b"PRI ", hands, stop).await;
    }
}

async fn serve(front: Arc<Front>, stream: impl Io + 'static, origin: Origin, h2: bool, hands: Hands, stop: Stop) {
    let asked = Stop::new();
    let (limits, noted) = (front.limits, asked.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        noted.cancel();
        let front = front.clone();
        async move { Ok::<_, Infallible>(front.answer(origin, request).await) }
    });
    // A client that never asks: HTTP/1.1 has its own clock for heads, HTTP/2 has none before its first frame.
    let silent = async {
        sleep(limits.head).await;
        if asked.is_cancelled() {
            std::future::pending::<()>().await;
        }
    };
    let io = TokioIo::new(Patient::new(stream, limits.body));
    let end = if h2 {
        let mut builder = http2::Builder::new(hands);
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADERS as u32)
            .max_send_buf_size(64 << 10)
            .initial_stream_window_size(256 << 10)
            .initial_connection_window_size(1 << 20)
            .keep_alive_interval(Duration::from_secs(30))
            .keep_alive_timeout(Duration::from_secs(15));
        let connection = builder.serve_connection(io, service);
        tokio::pin!(connection);
        tokio::select! {
            end = connection.as_mut() => end,
            () = silent => return,
            () = stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    } else {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(limits.head).max_buf_size(HEADERS);
        let connection = builder.serve_connection(io, service).with_upgrades();
        tokio::pin!(connection);
        tokio::select! {
            end = connection.as_mut() => end,
            () = stop_unless_new(&stop, &asked, FIRST) => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(e) = end {
        tracing::debug!(peer = %origin.peer, error = %knarr_daemon::chain(&e), "connection");
    }
}
