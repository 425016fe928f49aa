//! The server's side of joining: the cluster's settings, and who holds a node's name.
//!
//! Beside the Kubernetes API there are three paths. `GET /v1-knarr/config` and `POST /v1-knarr/claim` are for those who
//! join and for nodes (RBAC says so, see the default roles); `PUT /v1-knarr/token` changes the server's token.

use std::{path::PathBuf, sync::Arc};

use async_trait::async_trait;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Limited};
use jiff::Timestamp;
use knarr_api::{Object, Reason, Status, Value};
use knarr_apiserver::{
    Routes, User,
    authn::TokenTable,
    reply::{self, Body, Reply},
};
use knarr_client::{
    Api, ApiExt as _,
    resources::{NODES, SECRETS},
};
use knarr_controllers::certificates::claim;
use knarr_pki::BootstrapToken;
use serde::{Deserialize, Serialize};

use super::{Cluster, first};
use crate::{config::Config, credentials};

pub(super) const CONFIG: &str = "/v1-knarr/config";
pub(super) const CLAIM: &str = "/v1-knarr/claim";
pub(crate) const TOKEN: &str = "/v1-knarr/token";

/// The largest body of these.
const BODY: usize = 16 << 10;

/// A machine wants to be a node.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Claim {
    pub(super) node: String,
    pub(super) password: String,
    /// Of the key it is about to ask a certificate for; empty if it has one.
    pub(super) key_hash: String,
}

/// Another token.
#[derive(Serialize, Deserialize)]
pub(crate) struct NewToken {
    /// The secret.
    pub(crate) secret: String,
}

/// See the module.
pub(crate) struct JoinRoutes {
    /// The cluster as the administrator.
    pub(crate) api: Arc<dyn Api>,
    /// What nodes are told.
    pub(crate) cluster: Cluster,
    /// The tokens of this server.
    pub(crate) tokens: Arc<TokenTable>,
    /// `<data-dir>/server`
    pub(crate) dir: PathBuf,
    /// The CA that tokens name.
    pub(crate) ca: String,
    /// The agents' own secret, if the user chose one.
    pub(crate) agent_token: Option<String>,
}

/// The user that shows the server's token.
pub(crate) fn joiners(secrets: impl IntoIterator<Item = String>) -> Vec<(String, User)> {
    let user = User::new("system:bootstrap:knarr", &[BootstrapToken::GROUP, BootstrapToken::NODE_GROUP]);
    secrets.into_iter().map(|secret| (secret, user.clone())).collect()
}

#[async_trait]
impl Routes for JoinRoutes {
    async fn answer(&self, user: &User, request: Request<Body>) -> Result<Reply, Request<Body>> {
        let answered = match (request.method(), request.uri().path()) {
            (&Method::GET, CONFIG) => serde_json::to_vec(&self.cluster).map_err(Status::internal),
            (&Method::POST, CLAIM) => self.claim(user, request).await,
            (&Method::PUT, TOKEN) => self.rotate(request).await,
            _ => return Err(request),
        };
        Ok(match answered {
            Ok(document) => reply::json(document),
            Err(status) => reply::reply(status.code(), "application/json", reply::full(status.to_json())),
        })
    }
}

impl JoinRoutes {
    async fn claim(&self, user: &User, request: Request<Body>) -> Result<Vec<u8>, Status> {
        let claim: Claim = read(request).await?;
        let own = user.name.strip_prefix("system:node:");
        if own.is_some_and(|node| node != claim.node) {
            return Err(Status::new(Reason::Forbidden, format!("{} cannot claim the name {}", user.name, claim.node)));
        }
        if !knarr_api::names::dns1123_subdomain(&claim.node).is_empty() {
            return Err(Status::bad_request(format!("{:?} cannot be a node's name", claim.node)));
        }
        claim_name(&*self.api, &claim).await?;
        Ok(b"{}".to_vec())
    }

    /// Tokens of agents that joined before are of no use any more; their certificates are.
    async fn rotate(&self, request: Request<Body>) -> Result<Vec<u8>, Status> {
        let NewToken { secret } = read(request).await?;
        if secret.is_empty() || secret.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(Status::bad_request("the new token is empty or has characters that cannot be in a token"));
        }
        credentials::store_token(&self.dir, &self.ca, &secret).map_err(|e| Status::internal(format!("{e:#}")))?;
        self.tokens.replace(joiners(std::iter::once(secret).chain(self.agent_token.clone())));
        tracing::info!("the token of this server was changed");
        Ok(b"{}".to_vec())
    }
}

async fn read<T: serde::de::DeserializeOwned>(request: Request<Body>) -> Result<T, Status> {
    let whole = Limited::new(request.into_body(), BODY).collect().await;
    let whole = whole.map_err(|e| Status::bad_request(format!("read body: {e}")))?.to_bytes();
    serde_json::from_slice(&whole).map_err(|e| Status::bad_request(format!("the body is not understood: {e}")))
}

/// Gives the name to the claimant or not.
async fn claim_name(api: &dyn Api, wanted: &Claim) -> Result<(), Status> {
    let Claim { node, password, key_hash } = wanted;
    let held = found(api.get(&SECRETS, claim::NAMESPACE, &claim::secret_name(node)).await)?;
    let registered = found(api.get(&NODES, "", node).await)?.is_some();
    let body = claim::claim(node, password, key_hash, held.as_ref(), registered, Timestamp::now());
    let body = body.map_err(|taken| Status::conflict("", "nodes", node, &taken.to_string()))?;
    hold(api, node, held, body).await
}

fn found(result: Result<Object, Status>) -> Result<Option<Object>, Status> {
    match result {
        Ok(object) => Ok(Some(object)),
        Err(e) if e.is(Reason::NotFound) => Ok(None),
        Err(e) => Err(e),
    }
}

async fn hold(api: &dyn Api, node: &str, held: Option<Object>, mut body: Value) -> Result<(), Status> {
    let name = claim::secret_name(node);
    // A second claimant that looked at the same moment loses: it would write over what it has not seen.
    if let Some(held) = &held {
        body.set(&["metadata", "resourceVersion"], held.revision().to_string());
        return match api.merge(&SECRETS, claim::NAMESPACE, &name, "", body).await {
            Err(e) if e.is(Reason::Conflict) => Err(Status::new(Reason::TooManyRequests, e.to_string())),
            written => written.map(drop),
        };
    }
    match api.create(&SECRETS, claim::NAMESPACE, body).await {
        Err(e) if e.is(Reason::AlreadyExists) => Err(Status::new(Reason::TooManyRequests, e.to_string())),
        made => made.map(drop),
    }
}

/// The server's own node holds its name like any other, whoever held it before: this machine has the cluster.
///
/// # Errors
/// The password cannot be kept, or the API refused.
pub(crate) async fn claim_own(api: &dyn Api, config: &Config) -> anyhow::Result<()> {
    let (node, password) = (&config.node.name, first::password(&config.paths.etc)?);
    let held = found(api.get(&SECRETS, claim::NAMESPACE, &claim::secret_name(node)).await)?;
    let body = claim::claim(node, &password, "", None, false, Timestamp::now())?;
    Ok(hold(api, node, held, body).await?)
}
