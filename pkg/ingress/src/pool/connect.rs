//! New connections.

use std::{io, sync::Arc, time::Duration};

use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpStream, time::timeout};

use super::{
    Pool,
    peer::{Lease, Peer, Sender},
};
use crate::hands::Hands;

/// Requests that must not be sent twice take a used connection only if it was used so short a time ago that no pod
/// closes it for being idle: a pod that does so at the same moment leaves no trace whether it saw the request.
const YOUNG: Duration = Duration::from_secs(2);
/// Header bytes of an answer.
const HEADERS: usize = 64 << 10;

/// There is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    /// Another endpoint may answer.
    #[error("connect")]
    Refused(#[source] io::Error),
    /// Another endpoint may answer.
    #[error("connect: no answer in time")]
    TimedOut,
    /// Another endpoint may answer.
    #[error("HTTP handshake")]
    Handshake(#[source] hyper::Error),
    /// Too much is going on.
    #[error("too many connections to pods")]
    Full,
}

/// Which connections will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// Any.
    Any,
    /// One used a moment ago.
    Young,
    /// Only a new one.
    No,
}

impl Pool {
    /// A connection to `peer`.
    pub(crate) async fn lease(&self, peer: &Arc<Peer>, h2c: bool, reuse: Reuse) -> Result<Lease, ConnectError> {
        let used = match (h2c, reuse) {
            (_, Reuse::No) => None,
            (true, _) => peer.share(),
            (false, Reuse::Any) => peer.take(None),
            (false, Reuse::Young) => peer.take(Some(YOUNG)),
        };
        if let Some(lease) = used {
            return Ok(lease);
        }
        let result = self.connect(peer, h2c).await;
        if matches!(result, Err(ConnectError::Refused(_) | ConnectError::TimedOut | ConnectError::Handshake(_))) {
            peer.refuse();
        }
        result
    }

    async fn connect(&self, peer: &Arc<Peer>, h2c: bool) -> Result<Lease, ConnectError> {
        let stream = match timeout(self.limits.connect, TcpStream::connect(peer.address)).await {
            Ok(stream) => stream.map_err(ConnectError::Refused)?,
            Err(_) => return Err(ConnectError::TimedOut),
        };
        let _ = stream.set_nodelay(true);
        let io = TokioIo::new(stream);
        if h2c {
            let mut builder = http2::Builder::new(Hands::new(self.crowd.clone()));
            builder
                .timer(TokioTimer::new())
                .keep_alive_interval(Duration::from_secs(30))
                .keep_alive_timeout(Duration::from_secs(10))
                .initial_stream_window_size(256 << 10)
                .initial_connection_window_size(1 << 20);
            let (sender, connection) = match timeout(self.limits.connect, builder.handshake(io)).await {
                Ok(made) => made.map_err(ConnectError::Handshake)?,
                Err(_) => return Err(ConnectError::TimedOut),
            };
            self.drive(connection)?;
            peer.set_shared(&sender);
            return Ok(Lease::new(peer, Sender::Shared(sender), false));
        }
        let mut builder = http1::Builder::new();
        let (sender, connection) =
            builder.max_buf_size(HEADERS).handshake(io).await.map_err(ConnectError::Handshake)?;
        self.drive(connection.with_upgrades())?;
        Ok(Lease::new(peer, Sender::Own(sender), false))
    }

    fn drive<C>(&self, connection: C) -> Result<(), ConnectError>
    where
        C: Future<Output = Result<(), hyper::Error>> + Send + 'static,
    {
        // How a connection ends its requests tell.
        if self.crowd.try_spawn(|_| async move { drop(connection.await) }) { Ok(()) } else { Err(ConnectError::Full) }
    }
}
