//! Joining: how a machine becomes a node of a cluster somebody else runs.
//!
//! 1. The CA is read from the server without trusting it, and compared with the hash in the token. From then on every
//!    connection is verified. (A token without a hash believes whoever answers first, and says so.)
//! 2. With the token the machine reads the cluster's settings, claims its node's name with a password it keeps, and asks
//!    for a client certificate (CertificateSigningRequest). The token is good for nothing else.
//! 3. From then on it is the node. It asks for the certificate it shows at the kubelet's port, and for new ones before
//!    the old ones end, in the running process.
//!
//! All of it is kept below `<data-dir>/agent`, so that a restart needs no server.

mod certificates;
mod cluster;
mod first;
mod routes;
mod url;

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use jiff::Timestamp;
use knarr_api::Status;
use knarr_client::{
    Api,
    remote::{Remote, Target, tls},
};
use knarr_daemon::{Backoff, Tasks};
use knarr_pki::{JoinToken, Vault, expiry};
use rustls::{ClientConfig, ServerConfig};
use tokio::sync::watch;

use crate::{config::Config, exit::Fatal};

pub(crate) use certificates::serving_config;
pub(crate) use cluster::Cluster;
pub(crate) use routes::{JoinRoutes, NewToken, TOKEN, claim_own, joiners};
pub(crate) use url::ServerUrl;

/// What this program calls itself; the part before the slash is the manager of fields it writes.
const AGENT: &str = concat!("knarr/", env!("CARGO_PKG_VERSION"));
/// Names of what is kept.
const CLIENT: &str = "client-kubelet";
const SERVING: &str = "serving-kubelet";

/// Where to join, and with what.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Join {
    /// The server.
    pub(crate) server: ServerUrl,
    /// The token.
    pub(crate) token: JoinToken,
}

/// A node of a cluster.
pub(crate) struct Member {
    /// The cluster as this node may see it.
    pub(crate) api: Arc<dyn Api>,
    /// Its settings.
    pub(crate) cluster: Cluster,
    /// What the kubelet's port shows; nothing until the cluster has signed it.
    pub(crate) serving: watch::Receiver<Option<Arc<ServerConfig>>>,
}

/// Joins, or goes on as the node this machine already is. `target` is where the server is reached.
pub(crate) async fn join(config: &Config, join: &Join, target: &Target, tasks: &Tasks) -> Result<Member, Fatal> {
    let dir = config.paths.data.join("agent");
    let vault = Vault::open(&dir).context("open the agent's directory")?;
    let stop = tasks.stop_token();
    let ca = first::trust(&dir, join, target, stop).await?;
    let first = first::First { dir: &dir, vault: &vault, node: &config.node.name, etc: &config.paths.etc, join };
    let (identity, cluster) = match first.known(&ca)? {
        Some(known) => known,
        None => first.become_node(&ca, target, stop).await?,
    };
    let client = tls::config(&ca, Some((&identity.cert, &identity.key))).context("use the node's certificate")?;
    let (renew, current) = watch::channel(client);
    let remote = Remote::new(target.clone(), current, AGENT, stop);
    let cluster = first.refresh(&remote, cluster).await?;
    let (show, serving) = watch::channel(None);
    let keeper = certificates::Keeper {
        api: Arc::new(remote.clone()),
        vault: vault.clone(),
        node: config.node.name.clone(),
        addresses: std::iter::once(config.node.ip).chain(config.node.external_ip).collect(),
        ca: ca.clone(),
        client_ca: cluster.client_ca.clone(),
    };
    let own = keeper.clone();
    tasks.spawn("certificates: client", |stop| async move { own.keep_client(&renew, &stop).await });
    tasks.spawn("certificates: serving", |stop| async move { keeper.keep_serving(&show, &stop).await });
    Ok(Member { api: Arc::new(remote), cluster, serving })
}

/// Whether a certificate is still good at `now`.
fn is_good(pem: &str, now: Timestamp) -> bool {
    expiry(pem).is_ok_and(|(end, _)| end > now)
}

/// Tries until it works, for as long as the server is only away: every other answer is final.
async fn until_there<T>(
    what: &str,
    stop: &knarr_daemon::Stop,
    mut attempt: impl AsyncFnMut() -> Result<T, Status>,
) -> Result<T, Status> {
    let mut backoff = Backoff::new(Duration::from_millis(250), Duration::from_secs(10));
    loop {
        let done = tokio::select! {
            done = attempt() => done,
            () = stop.cancelled() => return Err(Status::internal("told to stop")),
        };
        match done {
            Err(e) if first::may_pass(&e) => {
                tracing::warn!(error = %e, "{what}: the server is not there; trying again");
                tokio::select! {
                    () = tokio::time::sleep(backoff.next_delay()) => {}
                    () = stop.cancelled() => return Err(e),
                }
            }
            done => return done,
        }
    }
}

/// A configuration that believes a CA and shows nothing.
fn believing(ca: &str) -> Result<watch::Receiver<Arc<ClientConfig>>, Fatal> {
    let config = tls::config(ca, None).context("use the cluster's CA")?;
    Ok(watch::channel(config).1)
}
