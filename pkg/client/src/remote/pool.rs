//! Connections to one server.
//!
//! Requests share HTTP/2 connections, a bounded number each; a server without HTTP/2 gets a connection for every
//! request. Callers that find no connection wait for the one attempt that is made, and share what becomes of it: after
//! a failure everybody is refused at once until the next attempt is due.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Response, request};
use http_body_util::Full;
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioIo, TokioTimer};
use knarr_api::Status;
use knarr_daemon::{Backoff, Crowd, Stop};
use parking_lot::Mutex;
use rustls::ClientConfig;
use tokio::{
    net::TcpStream,
    sync::{Mutex as Turn, watch},
    time::Instant,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{Target, UNTRUSTED, call::Call, unreachable};

type Body = Full<Bytes>;

/// For TCP and TLS together.
const CONNECT: Duration = Duration::from_secs(10);
/// Requests on one connection: below what servers allow, because a watch holds its place for ever.
const SHARE: usize = 100;
/// Tasks of all connections: drivers and what HTTP/2 runs beside them.
const TASKS: usize = 8192;
/// A silent peer is asked whether it lives, and given up.
const ASK: Duration = Duration::from_secs(30);
const ANSWER: Duration = Duration::from_secs(15);
/// Between two attempts while the server is away.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// See the module.
pub(super) struct Pool {
    target: Target,
    tls: watch::Receiver<Arc<ClientConfig>>,
    stop: Stop,
    crowd: Crowd,
    open: Mutex<Vec<Lease>>,
    dial: Turn<Dialing>,
}

struct Dialing {
    backoff: Backoff,
    /// The last attempt failed so, and until then nobody tries again.
    failed: Option<(Status, Instant)>,
}

/// A place on a connection; given back when dropped.
pub(super) type Lease = Arc<Connection>;

/// An HTTP/2 connection, or the promise that HTTP/1.1 needs no place.
pub(super) enum Connection {
    Shared { sender: http2::SendRequest<Body>, tls: Arc<ClientConfig> },
    Single,
}

impl Pool {
    pub(super) fn new(target: Target, tls: watch::Receiver<Arc<ClientConfig>>, stop: &Stop) -> Self {
        let dial = Turn::new(Dialing { backoff: Backoff::new(RETRY.0, RETRY.1), failed: None });
        Self { target, tls, stop: stop.clone(), crowd: Crowd::new(stop, TASKS), open: Mutex::default(), dial }
    }

    /// Another pool to the same server.
    pub(super) fn anew(&self) -> Self {
        Self::new(self.target.clone(), self.tls.clone(), &self.stop)
    }

    /// Sends a request and gives the head of the answer with the place it holds. `head` adds the headers.
    pub(super) async fn send(
        &self,
        call: &Call,
        host: &str,
        head: impl Fn(request::Builder) -> request::Builder,
    ) -> Result<(Response<Incoming>, Lease), Status> {
        let body = || Full::new(call.body.clone());
        loop {
            let connected = self.connection().await?;
            let (reused, done) = match connected {
                Connected::Shared(lease, reused) => {
                    let Connection::Shared { sender, .. } = &*lease else { continue };
                    let mut sender = sender.clone();
                    let request =
                        head(http::Request::builder().method(&call.method).uri(format!("https://{host}{}", call.uri)));
                    let request = request.body(body()).map_err(|e| Status::bad_request(e.to_string()))?;
                    let sent = match sender.ready().await {
                        Ok(()) => sender.send_request(request).await,
                        Err(e) => Err(e),
                    };
                    (reused, sent.map(|response| (response, lease.clone())))
                }
                Connected::Single(mut sender) => {
                    let request =
                        head(http::Request::builder().method(&call.method).uri(&call.uri).header("host", host));
                    let request = request
                        .header("connection", "close")
                        .body(body())
                        .map_err(|e| Status::bad_request(e.to_string()))?;
                    (false, sender.send_request(request).await.map(|response| (response, Arc::new(Connection::Single))))
                }
            };
            match done {
                // The connection had ended before the request was on its way: another one, once for each that is old.
                Err(e) if reused && (e.is_canceled() || e.is_closed()) => {}
                Err(e) => return Err(unreachable(&e)),
                Ok(done) => return Ok(done),
            }
        }
    }

    async fn connection(&self) -> Result<Connected, Status> {
        if let Some(lease) = self.shared() {
            return Ok(Connected::Shared(lease, true));
        }
        let mut dialing = self.dial.lock().await;
        if let Some(lease) = self.shared() {
            return Ok(Connected::Shared(lease, true));
        }
        if let Some((status, until)) = &dialing.failed
            && Instant::now() < *until
        {
            return Err(status.clone());
        }
        match self.dial().await {
            Ok(connected) => {
                *dialing = Dialing { backoff: Backoff::new(RETRY.0, RETRY.1), failed: None };
                Ok(connected)
            }
            Err(status) => {
                dialing.failed = Some((status.clone(), Instant::now() + dialing.backoff.next_delay()));
                Err(status)
            }
        }
    }

    /// A connection with a free place, made with the certificate of now.
    fn shared(&self) -> Option<Lease> {
        let tls = self.tls.borrow().clone();
        let mut open = self.open.lock();
        open.retain(|c| match &**c {
            Connection::Shared { sender, tls: own } => !sender.is_closed() && Arc::ptr_eq(own, &tls),
            Connection::Single => false,
        });
        open.iter().find(|c| Arc::strong_count(c) <= SHARE).cloned()
    }

    async fn dial(&self) -> Result<Connected, Status> {
        let tls = self.tls.borrow().clone();
        let connect = async {
            let stream = TcpStream::connect(self.target.address).await?;
            stream.set_nodelay(true)?;
            TlsConnector::from(tls.clone()).connect(self.target.name.clone(), stream).await
        };
        let stream = match tokio::time::timeout(CONNECT, connect).await {
            Ok(stream) => stream.map_err(|e| refused(&e))?,
            Err(_) => return Err(unreachable(&std::io::Error::from(std::io::ErrorKind::TimedOut))),
        };
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            return self.begin_http2(stream, tls).await;
        }
        let (sender, driver) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| unreachable(&e))?;
        self.drive(driver)?;
        Ok(Connected::Single(sender))
    }

    async fn begin_http2(&self, stream: TlsStream<TcpStream>, tls: Arc<ClientConfig>) -> Result<Connected, Status> {
        let mut builder = http2::Builder::new(Tasks(self.crowd.clone()));
        builder
            .timer(TokioTimer::new())
            .initial_stream_window_size(256 << 10)
            .initial_connection_window_size(1 << 20)
            .max_header_list_size(64 << 10)
            .keep_alive_interval(ASK)
            .keep_alive_timeout(ANSWER)
            .keep_alive_while_idle(true);
        let (sender, driver) = builder.handshake(TokioIo::new(stream)).await.map_err(|e| unreachable(&e))?;
        self.drive(driver)?;
        let lease = Arc::new(Connection::Shared { sender, tls });
        self.open.lock().push(lease.clone());
        Ok(Connected::Shared(lease, false))
    }

    fn drive<E: std::error::Error + 'static>(
        &self,
        driver: impl Future<Output = Result<(), E>> + Send + 'static,
    ) -> Result<(), Status> {
        let run = |stop: Stop| async move {
            tokio::select! {
                end = driver => if let Err(e) = end {
                    tracing::debug!(error = %knarr_daemon::chain(&e), "connection to the server ended");
                },
                () = stop.cancelled() => {}
            }
        };
        if self.crowd.try_spawn(run) { Ok(()) } else { Err(Status::internal("too many connections to the server")) }
    }
}

/// Why there is no connection: a certificate that is not believed is told apart.
fn refused(e: &std::io::Error) -> Status {
    let cause = e.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidCertificate(_)) => unreachable(e).with_code(UNTRUSTED),
        _ => unreachable(e),
    }
}

enum Connected {
    /// A place, and whether the connection was there before.
    Shared(Lease, bool),
    Single(http1::SendRequest<Body>),
}

/// HTTP/2's own tasks, owned like all others.
#[derive(Clone)]
struct Tasks(Crowd);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Tasks {
    fn execute(&self, future: F) {
        if !self.0.try_spawn(|_| future) {
            tracing::error!("too many tasks of connections");
        }
    }
}
