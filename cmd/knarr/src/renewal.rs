//! The server's own certificates, renewed while it runs.
//!
//! Who shows one holds the receiving end of a channel and takes what is there for its next connection; open connections
//! go on with what they began with. Nobody has to restart a server once a year, and a board that began years behind gets
//! certificates that are good once its clock is put right.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use knarr_apiserver::TlsMaterial;
use knarr_client::remote::tls;
use knarr_daemon::{Stop, clock};
use rustls::{ClientConfig, ServerConfig};
use tokio::sync::watch;

use crate::{
    config::Config,
    credentials::{self, Credentials, Leaves},
    join,
};

/// Between two renewals, whatever came of the first: a disk may be full, an administrator's authority may end too soon.
const PAUSE: SignedDuration = SignedDuration::from_mins(10);

/// What the parts of a server show.
pub(crate) struct Shown {
    /// The API's listener.
    pub(crate) api: watch::Sender<Arc<ServerConfig>>,
    /// The API server, when it calls kubelets.
    pub(crate) caller: watch::Sender<Arc<ClientConfig>>,
    /// This node's kubelet.
    pub(crate) kubelet: watch::Sender<Option<Arc<ServerConfig>>>,
}

/// The same at one time.
struct Set {
    api: Arc<ServerConfig>,
    caller: Arc<ClientConfig>,
    kubelet: Arc<ServerConfig>,
}

impl Set {
    fn of(credentials: &Credentials, leaves: &Leaves) -> anyhow::Result<Self> {
        let client_ca = credentials.client_ca.cert();
        let Leaves { serving, kubelet_client, kubelet_serving, .. } = leaves;
        let api =
            TlsMaterial { chain: serving.cert.clone(), key: serving.key.clone(), client_ca: client_ca.to_owned() };
        let caller = (kubelet_client.cert.as_str(), kubelet_client.key.as_str());
        let caller = tls::config(credentials.server_ca.cert(), Some(caller));
        Ok(Self {
            api: api.server_config().context("use the API's certificate")?,
            caller: caller.context("use the API server's client certificate")?,
            kubelet: join::serving_config(kubelet_serving, client_ca)?,
        })
    }
}

impl Shown {
    /// What a server shows that has just started.
    pub(crate) fn new(credentials: &Credentials) -> anyhow::Result<Self> {
        let Set { api, caller, kubelet } = Set::of(credentials, &credentials.leaves)?;
        Ok(Self {
            api: watch::Sender::new(api),
            caller: watch::Sender::new(caller),
            kubelet: watch::Sender::new(Some(kubelet)),
        })
    }

    /// Renews until stopped.
    ///
    /// # Errors
    /// None: what fails is tried again.
    pub(crate) async fn keep(self, config: Config, credentials: Credentials, stop: Stop) -> anyhow::Result<()> {
        let mut due = credentials.leaves.due;
        while clock::wait(&stop, || left(due, Timestamp::now())).await {
            let now = Timestamp::now();
            due = match self.renew(&config, &credentials, now) {
                Ok(leaves) => leaves.due,
                Err(e) => {
                    tracing::warn!(
                        error = format!("{e:#}"),
                        "the server's certificates are not renewed; will try again"
                    );
                    now
                }
            };
            due = due.max(now + PAUSE);
        }
        Ok(())
    }

    fn renew(&self, config: &Config, credentials: &Credentials, now: Timestamp) -> anyhow::Result<Leaves> {
        let Credentials { vault, server_ca, client_ca, .. } = credentials;
        let leaves = credentials::leaves(config, vault, server_ca, client_ca, now)?;
        let Set { api, caller, kubelet } = Set::of(credentials, &leaves)?;
        self.api.send_replace(api);
        self.caller.send_replace(caller);
        self.kubelet.send_replace(Some(kubelet));
        tracing::info!(next = %leaves.due, "the server's certificates were renewed");
        Ok(leaves)
    }
}

/// How long it is until then; nothing if it has passed.
fn left(due: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(due.duration_since(now)).unwrap_or_default()
}
