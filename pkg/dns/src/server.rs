//! Sockets: UDP and TCP on the same addresses.
//!
//! Binding comes first and may fail; serving does not fail any more. Sockets may also be handed in by a process that
//! goes away, so that no question is lost on an upgrade. Listen on particular addresses, not on all of them: the
//! reply to a datagram leaves from the address the kernel likes best, which must be the one that was asked.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use knarr_daemon::{Crowd, Error, Stop, Tasks};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    time::{sleep, timeout},
};

use crate::{
    handler::{Handler, Step},
    message::{MAX_REQUEST, Transport},
};

/// Questions that wait for upstream servers at once; one more is answered with SERVFAIL.
const MAX_PENDING: usize = 256;
/// TCP connections at once; one more is closed.
const MAX_CONNECTIONS: usize = 64;
/// How long a TCP client may say nothing, or not take its answer.
const IDLE: Duration = Duration::from_secs(10);
/// After an error of a socket: out of descriptors, or a network that went away.
const PAUSE: Duration = Duration::from_millis(50);
/// How long connections have to end when we do.
const GRACE: Duration = Duration::from_millis(500);

/// An address could not be listened on: the node has no such address, or somebody else listens there.
#[derive(Debug, thiserror::Error)]
#[error("listen on {protocol} {address}")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// `UDP` or `TCP`.
    pub protocol: &'static str,
    #[source]
    source: io::Error,
}

/// Bound sockets.
#[derive(Debug, Default)]
pub struct Sockets {
    udp: Vec<UdpSocket>,
    tcp: Vec<TcpListener>,
}

impl Sockets {
    /// Binds UDP and TCP on each address. Port 0 takes one port for both.
    ///
    /// # Errors
    /// One of them could not be bound; then none is.
    pub async fn bind(addresses: &[SocketAddr]) -> Result<Self, BindError> {
        let mut sockets = Self::default();
        for &address in addresses {
            let failed = |protocol| move |source| BindError { address, protocol, source };
            let udp = UdpSocket::bind(address).await.map_err(failed("UDP"))?;
            let bound = udp.local_addr().map_err(failed("UDP"))?;
            sockets.tcp.push(TcpListener::bind(bound).await.map_err(failed("TCP"))?);
            sockets.udp.push(udp);
        }
        Ok(sockets)
    }

    /// Takes sockets that are bound already.
    pub fn new(udp: Vec<UdpSocket>, tcp: Vec<TcpListener>) -> Self {
        Self { udp, tcp }
    }

    /// Where datagrams are received.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.udp.iter().filter_map(|s| s.local_addr().ok()).collect()
    }

    /// The sockets, to hand them on.
    pub fn into_parts(self) -> (Vec<UdpSocket>, Vec<TcpListener>) {
        (self.udp, self.tcp)
    }

    /// Serves until stopped: one task per socket.
    pub(crate) fn serve(self, handler: &Arc<Handler>, tasks: &Tasks) {
        for socket in self.udp {
            let handler = handler.clone();
            tasks.spawn("dns: udp", |stop| udp(Arc::new(socket), handler, stop));
        }
        for listener in self.tcp {
            let handler = handler.clone();
            tasks.spawn("dns: tcp", |stop| tcp(listener, handler, stop));
        }
    }
}

async fn udp(socket: Arc<UdpSocket>, handler: Arc<Handler>, stop: Stop) -> Result<(), Error> {
    let crowd = Crowd::new(&stop, MAX_PENDING);
    let mut buffer = vec![0; MAX_REQUEST];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut buffer) => received,
            () = stop.cancelled() => break,
        };
        let Ok((length, client)) = received else {
            sleep(PAUSE).await;
            continue;
        };
        match handler.begin(&buffer[..length], client.ip(), Transport::Udp) {
            Step::Drop => {}
            // A datagram that cannot be sent is a datagram lost: the client asks again.
            Step::Reply(reply) => drop(socket.send_to(&reply, client).await),
            Step::Ask(pending) => {
                let refusal = pending.failure();
                let (handler, replies) = (handler.clone(), socket.clone());
                let run = |_| async move {
                    let reply = handler.finish(*pending).await;
                    drop(replies.send_to(&reply, client).await);
                };
                if !crowd.try_spawn(run) {
                    drop(socket.send_to(&refusal, client).await);
                }
            }
        }
    }
    crowd.stop_all(GRACE).await;
    Ok(())
}

async fn tcp(listener: TcpListener, handler: Arc<Handler>, stop: Stop) -> Result<(), Error> {
    let crowd = Crowd::new(&stop, MAX_CONNECTIONS);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let Ok((stream, client)) = accepted else {
            sleep(PAUSE).await;
            continue;
        };
        if handler.allows(client.ip()) {
            let handler = handler.clone();
            crowd.try_spawn(|stop| async move {
                tokio::select! {
                    end = connection(stream, client, &handler) => {
                        if let Err(e) = end {
                            tracing::trace!(%client, error = %e, "dns connection");
                        }
                    }
                    () = stop.cancelled() => {}
                }
            });
        }
    }
    crowd.stop_all(GRACE).await;
    Ok(())
}

/// Questions of one client, one after the other.
async fn connection(mut stream: TcpStream, client: SocketAddr, handler: &Handler) -> io::Result<()> {
    loop {
        let Ok(length) = timeout(IDLE, stream.read_u16()).await else { return Ok(()) };
        let length = usize::from(length?);
        if length > MAX_REQUEST {
            return Ok(());
        }
        let mut request = vec![0; length];
        timeout(IDLE, stream.read_exact(&mut request)).await??;
        let reply = match handler.begin(&request, client.ip(), Transport::Tcp) {
            Step::Drop => return Ok(()),
            Step::Reply(reply) => reply,
            Step::Ask(pending) => handler.finish(*pending).await,
        };
        let Ok(length) = u16::try_from(reply.len()) else { return Ok(()) };
        let framed = [&length.to_be_bytes()[..], &reply].concat();
        timeout(IDLE, stream.write_all(&framed)).await??;
    }
}
