//! The listener: TCP, TLS, HTTP/1.1 and HTTP/2, then [`Face::answer`].
//!
//! Stopping: the listener closes, watches and streams are ended through the face's stop token, connections finish the
//! requests they have and are dropped when the grace is over, writes run to their end.

use std::{convert::Infallible, sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use knarr_client::Io;
use knarr_daemon::{Crowd, Stop, stop_unless_new};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    authn,
    chain::{Face, Peer},
    reply::{BodyError, Reply},
};

/// Connections at once; more wait in the kernel's queue.
const CONNECTIONS: usize = 10_000;

/// For the TLS handshake, and for the head of a request.
const HANDSHAKE: Duration = Duration::from_secs(10);
const HEADERS: Duration = Duration::from_secs(32);

/// How long a full file table is waited out: accepting at once again would spin.
const PAUSE: Duration = Duration::from_millis(100);

/// When told to stop, for the first request of a client that has just come.
const FIRST: Duration = Duration::from_millis(250);

/// For requests that run when the server is told to stop.
const GRACE: Duration = Duration::from_secs(20);

/// A listener in front of a face.
pub struct Server {
    listener: TcpListener,
    tls: watch::Receiver<Arc<ServerConfig>>,
    face: Arc<Face>,
}

impl Server {
    /// A server on a bound listener. `tls` is read for every connection: certificates are renewed by sending others.
    pub fn new(listener: TcpListener, tls: watch::Receiver<Arc<ServerConfig>>, face: Arc<Face>) -> Self {
        Self { listener, tls, face }
    }

    /// Serves until stopped.
    ///
    /// # Errors
    /// None: trouble of one connection ends that connection.
    pub async fn run(self, stop: Stop) -> Result<(), Infallible> {
        let Self { listener, tls, face } = self;
        let crowd = Crowd::new(&stop, CONNECTIONS);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => break,
            };
            match accepted {
                Ok((stream, peer)) => {
                    let (face, config) = (face.clone(), tls.borrow().clone());
                    crowd.spawn(|stop| secure(face, stream, config, peer.to_string(), stop)).await;
                }
                Err(e) => {
                    tracing::warn!(error = %e, "accept");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(listener);
        face.stop.cancel();
        let late = crowd.stop_all(GRACE).await + face.drain(GRACE).await;
        if late > 0 {
            tracing::warn!(connections = late, "dropped after the grace period");
        }
        Ok(())
    }
}

async fn secure(face: Arc<Face>, stream: TcpStream, config: Arc<ServerConfig>, address: String, stop: Stop) {
    let _ = stream.set_nodelay(true);
    notice_loss(&stream);
    match tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await {
        Ok(Ok(stream)) => {
            let certificates = stream.get_ref().1.peer_certificates();
            let user = certificates.and_then(|chain| chain.first()).and_then(|der| authn::user_of(der)).map(Arc::new);
            serve(face, stream, Peer { user, address }, stop).await;
        }
        Ok(Err(e)) => tracing::debug!(peer = address, error = %e, "TLS handshake"),
        Err(_) => tracing::debug!(peer = address, "TLS handshake timed out"),
    }
}

/// Has the kernel ask whether the other end is still there: a watch or a terminal may say nothing for hours, and one whose
/// machine was switched off must end some time.
fn notice_loss(stream: &TcpStream) {
    use nix::sys::socket::{setsockopt, sockopt};
    // A socket without them works as well.
    let _ = setsockopt(stream, sockopt::KeepAlive, &true);
    let _ = setsockopt(stream, sockopt::TcpKeepIdle, &30);
    let _ = setsockopt(stream, sockopt::TcpKeepInterval, &15);
    let _ = setsockopt(stream, sockopt::TcpKeepCount, &4);
}

/// Serves one connection over any stream, already decrypted and identified.
pub async fn serve(face: Arc<Face>, stream: impl Io + 'static, peer: Peer, stop: Stop) {
    let peer = Arc::new(peer);
    let asked = Stop::new();
    let service = {
        let (peer, asked) = (peer.clone(), asked.clone());
        service_fn(move |request: http::Request<Incoming>| {
            asked.cancel();
            let (face, peer) = (face.clone(), peer.clone());
            let request = request.map(|body| body.map_err(BodyError::new).boxed_unsync());
            let answered: BoxFuture<'static, Result<Reply, Infallible>> =
                Box::pin(async move { Ok(face.answer(&peer, request).await) });
            answered
        })
    };
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS).max_buf_size(1 << 20);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(250)
        .max_header_list_size(1 << 16)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(15));
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let end = tokio::select! {
        end = connection.as_mut() => end,
        () = stop_unless_new(&stop, &asked, FIRST) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(e) = end {
        tracing::debug!(peer = peer.address, error = %e, "connection");
    }
}
