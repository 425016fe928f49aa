//! What every request over HTTP passes, in this order.
//!
//! 1. panic recovery: a panic answers 500 and ends nothing else;
//! 2. request info ([`crate::info`]);
//! 3. authentication ([`crate::authn`]);
//! 4. audit (reserved);
//! 5. impersonation ([`crate::impersonate`]);
//! 6. priority and fairness (reserved: a bound on requests in flight, reads and writes apart, [`crate::inflight`]);
//! 7. authorization;
//! 8. the answerer: resources ([`crate::resource`]), streams to nodes ([`crate::nodes`]), or one of the documents of
//!    [`crate::documents`].
//!
//! Every refusal is a `Status`, whatever stage it comes from.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Request, header};
use knarr_api::{Reason, Status};
use knarr_client::NodeDialer;
use knarr_daemon::{Crowd, Stop};

use crate::{
    Authorizer, Caller, Decision, User,
    authn::{Authenticator, is_public},
    documents,
    health::Health,
    impersonate,
    inflight::Inflight,
    info::Info,
    metrics::Metrics,
    nodes,
    openapi::OpenApi,
    registry::{Clock, Registry},
    reply::{self, Body, Reply},
    resource,
    uri::{self, Query},
};

/// The answerer of paths that are none of the API's: joining nodes, local additions. Asked after authorization, with
/// paths that nobody else answers.
#[async_trait::async_trait]
pub trait Routes: Send + Sync + 'static {
    /// An answer, or the request back.
    async fn answer(&self, user: &User, request: Request<Body>) -> Result<Reply, Request<Body>>;
}

/// Nothing beside the API.
pub struct NoRoutes;

#[async_trait::async_trait]
impl Routes for NoRoutes {
    async fn answer(&self, _user: &User, request: Request<Body>) -> Result<Reply, Request<Body>> {
        Err(request)
    }
}

/// What a face is made of.
pub struct FaceParts {
    /// What is behind it.
    pub registry: Arc<Registry>,
    /// Who may what.
    pub authorizer: Arc<dyn Authorizer>,
    /// Who is who.
    pub authenticator: Arc<Authenticator>,
    /// The way to nodes and Services.
    pub nodes: Arc<dyn NodeDialer>,
    /// Health checks.
    pub health: Arc<Health>,
    /// Other paths.
    pub routes: Arc<dyn Routes>,
    /// PEM bundle of the CA that signed the server's certificate, for `/cacerts`.
    pub ca: String,
    /// `host:port` as clients reach the server, for `/api`.
    pub address: String,
    /// The time.
    pub clock: Clock,
    /// Ends watches and streams.
    pub stop: Stop,
}

/// The HTTP face of a registry.
pub struct Face {
    pub(crate) registry: Arc<Registry>,
    pub(crate) authorizer: Arc<dyn Authorizer>,
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) nodes: Arc<dyn NodeDialer>,
    pub(crate) health: Arc<Health>,
    pub(crate) routes: Arc<dyn Routes>,
    pub(crate) ca: String,
    pub(crate) address: String,
    pub(crate) clock: Clock,
    pub(crate) stop: Stop,
    pub(crate) openapi: OpenApi,
    pub(crate) metrics: Metrics,
    inflight: Inflight,
    /// Writes and streams that outlive the request that began them.
    pub(crate) crowd: Crowd,
}

/// Writes and streams at once; more wait for a place.
const CROWD: usize = 4096;

/// What is known of a connection.
#[derive(Clone, Debug, Default)]
pub struct Peer {
    /// The user of the client certificate.
    pub user: Option<Arc<User>>,
    /// The other end, for logs; empty in memory.
    pub address: String,
}

/// A request on its way: what the stages have found.
pub(crate) struct Ask {
    pub(crate) info: Info,
    pub(crate) query: Query,
    pub(crate) accept: String,
    pub(crate) caller: Caller,
}

impl Face {
    /// A face that answers at once.
    pub fn new(parts: FaceParts) -> Arc<Self> {
        let FaceParts { registry, authorizer, authenticator, nodes, health, routes, ca, address, clock, stop } = parts;
        Arc::new(Self {
            registry,
            authorizer,
            authenticator,
            nodes,
            health,
            routes,
            ca,
            address,
            clock,
            crowd: Crowd::new(&Stop::new(), CROWD),
            stop,
            openapi: OpenApi::default(),
            metrics: Metrics::default(),
            inflight: Inflight::default(),
        })
    }

    /// Waits for writes that have begun, at most `grace`; returns how many were dropped.
    pub async fn drain(&self, grace: std::time::Duration) -> usize {
        self.crowd.stop_all(grace).await
    }

    /// Answers a request.
    pub async fn answer(self: &Arc<Self>, peer: &Peer, request: Request<Body>) -> Reply {
        let accept = crate::negotiate::accept_header(request.headers());
        let failure = |status: &Status| reply::failure(status, &accept);
        let path = uri::decode(request.uri().path(), false);
        let query = Query::parse(request.uri().query().unwrap_or_default());
        let Some(path) = path else { return failure(&Status::bad_request("the path is not valid UTF-8")) };
        let info = match Info::new(request.method(), &path, &query) {
            Ok(info) => info,
            Err(why) => return failure(&Status::bad_request(why)),
        };
        let (verb, resource) = (info.verb.clone(), info.resource.clone());
        let running = self.metrics.begin();
        let staged = AssertUnwindSafe(self.stages(peer, info, query, request)).catch_unwind().await;
        let response = match staged {
            Ok(Ok(response)) => response,
            Ok(Err(status)) => failure(&status),
            Err(_) => {
                tracing::error!(verb, path, "a request panicked");
                failure(&Status::internal("this request caused apiserver to panic. Look in the logs for details."))
            }
        };
        drop(running);
        self.metrics.answered(&verb, &resource, response.status().as_u16());
        tracing::debug!(verb, path, code = response.status().as_u16(), peer = peer.address, "request");
        response
    }

    async fn stages(
        self: &Arc<Self>,
        peer: &Peer,
        info: Info,
        query: Query,
        mut request: Request<Body>,
    ) -> Result<Reply, Status> {
        let headers = request.headers();
        let user = self.authenticator.authenticate(peer.user.as_ref(), headers, &info.path).await?;
        let user = impersonate::apply(&*self.authorizer, user, headers)?;
        let caller = Caller { user, manager: manager(headers).into() };
        let accept = crate::negotiate::accept_header(headers);
        request.headers_mut().remove(header::AUTHORIZATION);
        // Health must be answered when everything else is busy, and to those who may nothing else.
        if is_public(&info.path) {
            return documents::answer(self, &Ask { info, query, accept, caller }, request).await;
        }
        let _place = self.inflight.enter(&info, &caller.user).await?;
        let attributes = info.attributes();
        if let Decision::Deny(why) = self.authorizer.authorize(&caller.user, &attributes) {
            return Err(attributes.forbidden(&caller.user, &why));
        }
        let ask = Ask { info, query, accept, caller };
        if !ask.info.is_resource {
            return documents::answer(self, &ask, request).await;
        }
        if nodes::is_stream(&ask.info) {
            return nodes::answer(self, &ask, request).await;
        }
        resource::answer(self, ask, request).await
    }
}

/// The field manager of writes that name none.
fn manager(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let name = agent.split('/').next().unwrap_or_default();
    match name.is_empty() {
        true => "unknown".to_owned(),
        false => name.chars().take(128).collect(),
    }
}

/// The answer to a path nobody serves.
pub(crate) fn not_found() -> Status {
    Status::new(Reason::NotFound, "the server could not find the requested resource").with_details(Default::default())
}

/// `Warning` headers (RFC 7234, 299: miscellaneous persistent warning).
pub(crate) fn warn(headers: &mut HeaderMap, warnings: &[String]) {
    for text in warnings {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let quoted = format!("299 - \"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        if let Ok(value) = HeaderValue::from_bytes(quoted.as_bytes()) {
            headers.append(header::WARNING, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers() {
        for (agent, want) in [("kubectl/v1.32 (linux)", "kubectl"), ("", "unknown"), ("curl", "curl")] {
            let headers = HeaderMap::from_iter([(header::USER_AGENT, agent.parse().unwrap())]);
            assert_eq!(manager(&headers), want);
        }
    }

    #[test]
    fn warnings() {
        let mut headers = HeaderMap::new();
        warn(&mut headers, &[r#"unknown field "spec.x""#.to_owned()]);
        assert_eq!(headers[header::WARNING], r#"299 - "unknown field \"spec.x\"""#);
    }
}
