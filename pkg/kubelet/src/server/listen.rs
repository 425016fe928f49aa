//! The kubelet API on the network: TCP, TLS, then [`Server`] behind a [`Guard`].

use std::{convert::Infallible, sync::Arc, time::Duration};

use knarr_daemon::{Crowd, Stop};
use rustls::ServerConfig;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Server,
    guard::{Caller, Guard},
};

/// Handshakes at once.
const HANDSHAKES: usize = 256;
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a full file table is waited out.
const PAUSE: Duration = Duration::from_millis(100);

impl Server {
    /// Serves `listener` until stopped. `tls` is read for every connection; while it has nothing, callers wait in the
    /// kernel's queue.
    ///
    /// # Errors
    /// None: trouble of one connection ends that connection.
    pub async fn listen(
        self,
        listener: TcpListener,
        mut tls: watch::Receiver<Option<Arc<ServerConfig>>>,
        guard: Arc<Guard>,
        stop: Stop,
    ) -> Result<(), Infallible> {
        let crowd = Crowd::new(&stop, HANDSHAKES);
        // Whoever gives the certificates may end before there are any: then there is nothing to do but stop.
        let shown = async { tls.wait_for(Option::is_some).await.is_ok() };
        let shown = tokio::select! {
            shown = shown => shown,
            () = stop.cancelled() => return Ok(()),
        };
        if !shown {
            stop.cancelled().await;
        }
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = stop.cancelled() => return Ok(()),
            };
            match accepted {
                Ok((stream, _)) => {
                    let Some(config) = tls.borrow().clone() else { continue };
                    let (this, guard) = (self.clone(), guard.clone());
                    crowd.spawn(|_| this.secure(stream, config, guard)).await;
                }
                Err(e) => {
                    tracing::warn!(error = %e, "accept at the kubelet's port");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }

    async fn secure(self, stream: TcpStream, config: Arc<ServerConfig>, guard: Arc<Guard>) {
        let _ = stream.set_nodelay(true);
        match tokio::time::timeout(HANDSHAKE, TlsAcceptor::from(config).accept(stream)).await {
            Ok(Ok(stream)) => {
                let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                let caller = shown.and_then(|der| knarr_pki::subject(der)).map(|(name, mut groups)| {
                    groups.push("system:authenticated".to_owned());
                    Caller { name, groups, uid: String::new() }
                });
                self.serve_guarded(Box::new(stream), guard, caller).await;
            }
            Ok(Err(e)) => tracing::debug!(error = %e, "TLS handshake at the kubelet's port"),
            Err(_) => tracing::debug!("TLS handshake at the kubelet's port timed out"),
        }
    }
}
