//! The first steps: whom to trust, and becoming a node.

use std::path::Path;

use anyhow::Context as _;
use bytes::Bytes;
use http::Method;
use jiff::Timestamp;
use knarr_api::{Reason, Status};
use knarr_client::remote::{Raw, Remote, Target, UNTRUSTED, tls};
use knarr_daemon::Stop;
use knarr_pki::{Identity, Leaf, NewRequest, Vault, ca_hash, random_secret, subject_of};
use tokio::sync::watch;

use super::{AGENT, CLIENT, Cluster, Join, believing, certificates, is_good, until_there};
use crate::{credentials, exit::Fatal};

const CA_FILE: &str = "server-ca.crt";

/// Whether trying again may help: the server is away, or busy.
pub(super) fn may_pass(e: &Status) -> bool {
    e.code() != UNTRUSTED
        && matches!(
            e.reason(),
            Reason::ServiceUnavailable | Reason::Timeout | Reason::ServerTimeout | Reason::TooManyRequests
        )
}

/// The cluster's CA: the one kept, if the token means it, else the server's, if the token means that.
pub(super) async fn trust(dir: &Path, join: &Join, target: &Target, stop: &Stop) -> Result<String, Fatal> {
    let path = dir.join(CA_FILE);
    let kept = std::fs::read_to_string(&path).ok();
    let wanted = join.token.ca_hash.as_deref();
    if let Some(kept) = kept
        && wanted.is_none_or(|hash| ca_hash(&kept) == hash)
    {
        return Ok(kept);
    }
    let anybody = watch::channel(tls::unverified().context("prepare TLS")?).1;
    let remote = Remote::new(target.clone(), anybody, AGENT, stop);
    let fetched = until_there("reading the cluster's CA", stop, async || {
        let raw = remote.raw(Method::GET, "/cacerts", None).await?;
        match raw.code {
            200 => Ok(raw.body),
            code => Err(Status::from_response(code, &raw.body)),
        }
    });
    let server = &join.server;
    let fetched = fetched.await.map_err(|e| {
        Fatal::refused(format!("{server} does not tell its CA: {e}"), "check that --server is a knarr server")
    })?;
    let ca = String::from_utf8_lossy(&fetched).into_owned();
    match wanted {
        Some(hash) if ca_hash(&ca) != hash => {
            return Err(Fatal::refused(
                format!("the CA of {server} is not the one that the token names (its hash is {})", ca_hash(&ca)),
                "use the token of this cluster, from node-token on its server; if it is, someone is between you and it",
            ));
        }
        Some(_) => {}
        None => tracing::warn!(
            "the token has no CA hash: {server} is believed without proof; use the full token (K10…) to check it"
        ),
    }
    // Certificates of another cluster are of no use in this one.
    for name in [CLIENT, super::SERVING] {
        for end in ["crt", "key"] {
            let _ = std::fs::remove_file(dir.join(format!("{name}.{end}")));
        }
    }
    tls::config(&ca, None)
        .map_err(|e| Fatal::refused(format!("the CA of {server} cannot be used: {e}"), "mend the server"))?;
    credentials::write(&path, &ca, 0o644).context("keep the cluster's CA")?;
    Ok(ca)
}

/// What a machine has when it begins.
pub(super) struct First<'a> {
    pub(super) dir: &'a Path,
    pub(super) vault: &'a Vault,
    pub(super) node: &'a str,
    pub(super) etc: &'a Path,
    pub(super) join: &'a Join,
}

impl First<'_> {
    /// The node this machine already is.
    pub(super) fn known(&self, ca: &str) -> Result<Option<(Identity, Cluster)>, Fatal> {
        let identity = self.vault.load(CLIENT).context("read the node's certificate")?;
        let now = Timestamp::now();
        let identity = identity.filter(|i| {
            let name = subject_of(&i.cert).map(|(name, _)| name);
            is_good(&i.cert, now)
                && name.is_some_and(|name| name == format!("system:node:{}", self.node))
                && tls::config(ca, Some((&i.cert, &i.key))).is_ok()
        });
        Ok(identity.zip(Cluster::load(self.dir)))
    }

    /// Shows the token, claims the name, gets a certificate.
    pub(super) async fn become_node(
        &self,
        ca: &str,
        target: &Target,
        stop: &Stop,
    ) -> Result<(Identity, Cluster), Fatal> {
        let remote = Remote::new(target.clone(), believing(ca)?, AGENT, stop);
        let remote =
            remote.with_token(&self.join.token.secret).map_err(|e| Fatal::refused(e.to_string(), "correct --token"))?;
        let cluster = until_there("joining", stop, async || cluster(&remote).await).await;
        let cluster = cluster.map_err(|e| self.refused(&e))?;
        let leaf = Leaf::client(&format!("system:node:{}", self.node), &["system:nodes"]);
        let request = NewRequest::make(&leaf).context("make a key")?;
        until_there("claiming the node's name", stop, async || self.claim(&remote, &request.key_hash).await)
            .await
            .map_err(|e| self.refused(&e))?;
        let signed = until_there("asking for a certificate", stop, async || {
            certificates::obtain(&remote, &request, certificates::Purpose::Client).await
        });
        let cert = signed.await.map_err(|e| self.refused(&e))?;
        let identity = Identity { cert, key: request.key };
        self.vault.store(CLIENT, &identity).context("keep the node's certificate")?;
        cluster.store(self.dir)?;
        tracing::info!(node = self.node, server = %self.join.server, "this machine is a node of the cluster now");
        Ok((identity, cluster))
    }

    /// Reads the settings again and shows that this machine still holds its name, if the server is there.
    pub(super) async fn refresh(&self, remote: &Remote, known: Cluster) -> Result<Cluster, Fatal> {
        let asked = async {
            let fresh = cluster(remote).await?;
            self.claim(remote, "").await?;
            Ok::<_, Status>(fresh)
        };
        let asked = tokio::time::timeout(std::time::Duration::from_secs(5), asked).await;
        match asked {
            Ok(Ok(fresh)) => {
                if fresh != known {
                    fresh.store(self.dir)?;
                }
                Ok(fresh)
            }
            Ok(Err(e)) if !may_pass(&e) && e.code() != 404 => Err(self.refused(&e)),
            Ok(Err(e)) => {
                tracing::warn!(error = %e, "the server is away; going on with what is known");
                Ok(known)
            }
            Err(_) => {
                tracing::warn!("the server does not answer; going on with what is known");
                Ok(known)
            }
        }
    }

    async fn claim(&self, remote: &Remote, key_hash: &str) -> Result<(), Status> {
        let password = password(self.etc).map_err(Status::internal)?;
        let body = super::routes::Claim { node: self.node.to_owned(), password, key_hash: key_hash.to_owned() };
        let body = serde_json::to_vec(&body).map_err(Status::internal)?;
        let Raw { code, body } = remote.raw(Method::POST, super::routes::CLAIM, Some(Bytes::from(body))).await?;
        if code == 200 { Ok(()) } else { Err(Status::from_response(code, &body)) }
    }

    /// The final line for an answer that will not change.
    fn refused(&self, e: &Status) -> Fatal {
        let server = &self.join.server;
        match e.code() {
            UNTRUSTED => Fatal::refused(
                format!("{server} does not show a certificate of the cluster's CA: {e}"),
                "check --server and this machine's clock; if both are right, someone is between you and it",
            ),
            401 => Fatal::refused(
                format!("{server} does not accept the token: it is wrong or has expired"),
                "use the one in node-token on the server, or make one with `knarr token create`",
            ),
            403 => Fatal::refused(
                format!("{server} does not let this machine join: {e}"),
                "use a token that may make nodes: `knarr token create` without --groups",
            ),
            409 => Fatal::refused(
                format!("the name {} is taken: {e}", self.node),
                format!("choose another --node-name, or `kubectl delete node {}` if that machine is gone", self.node),
            ),
            _ => Fatal::refused(format!("{server} does not let this machine join: {e}"), "see the server's log"),
        }
    }
}

async fn cluster(remote: &Remote) -> Result<Cluster, Status> {
    let Raw { code, body } = remote.raw(Method::GET, super::routes::CONFIG, None).await?;
    if code != 200 {
        return Err(Status::from_response(code, &body));
    }
    serde_json::from_slice(&body)
        .map_err(|e| Status::internal(format!("the cluster's settings are not understood: {e}")))
}

/// The password that says that this is the same machine: kept through `uninstall` of nothing but this directory.
pub(super) fn password(etc: &Path) -> anyhow::Result<String> {
    let vault = Vault::open(etc.join("node"))?;
    Ok(vault.secret("password", random_secret)?.trim().to_owned())
}
