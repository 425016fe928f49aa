//! The kubelet API: logs, exec, attach, port-forward, pods, statistics.
//!
//! Plain HTTP over whatever stream the composition hands in ([`Server::serve`]): a pipe in the process that only the API
//! server can open. On the network ([`Server::listen`]) a [`Guard`] asks who is calling and what he may.

mod body;
mod guard;
mod listen;
mod logs;
mod netns;
mod query;
mod streams;

use std::{convert::Infallible, sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use knarr_client::BoxIo;
use knarr_daemon::{Crowd, Stop};
use serde_json::json;

use crate::{pod, registry::Registry, shared::Shared, stats};
use body::Body;

pub use guard::{Caller, Guard};
pub(crate) use query::Query;

/// Requests of one node at once; more wait at the door.
const BOUND: usize = 1024;

/// For the head of a request.
const HEADERS: Duration = Duration::from_secs(32);

/// Who watches over a connection, and whom its certificate names.
type Door = Arc<(Arc<Guard>, Option<Caller>)>;

/// The kubelet API of this node. Cheap to clone.
#[derive(Clone)]
pub struct Server(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    registry: Arc<Registry>,
    crowd: Crowd,
    rates: stats::Rates,
}

/// A request that cannot be served.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: StatusCode,
    pub(crate) message: String,
}

impl Refused {
    pub(crate) fn new(code: StatusCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl Server {
    pub(crate) fn new(shared: Arc<Shared>, registry: Arc<Registry>, stop: &Stop) -> Self {
        Self(Arc::new(Inner { shared, registry, crowd: Crowd::new(stop, BOUND), rates: stats::Rates::default() }))
    }

    /// Serves one connection of the API server, in the background.
    pub async fn serve(&self, io: BoxIo) {
        self.serve_by(io, None).await;
    }

    /// Serves one connection of somebody who may ask only what the guard lets him.
    async fn serve_guarded(&self, io: BoxIo, guard: Arc<Guard>, caller: Option<Caller>) {
        self.serve_by(io, Some(Arc::new((guard, caller)))).await;
    }

    async fn serve_by(&self, io: BoxIo, door: Option<Door>) {
        let this = self.clone();
        self.0
            .crowd
            .spawn(|stop| async move {
                let service = service_fn(move |request| {
                    let (this, door) = (this.clone(), door.clone());
                    async move { Ok::<_, Infallible>(this.answer(request, door).await) }
                });
                let connection = hyper::server::conn::http1::Builder::new()
                    .timer(hyper_util::rt::TokioTimer::new())
                    .header_read_timeout(HEADERS)
                    .serve_connection(TokioIo::new(io), service)
                    .with_upgrades();
                tokio::select! {
                    end = connection => if let Err(e) = end {
                        tracing::debug!(error = %e, "connection of the API server ended");
                    },
                    () = stop.cancelled() => {}
                }
            })
            .await;
    }

    async fn answer(&self, request: Request<Incoming>, door: Option<Door>) -> Response<Body> {
        let answered = async {
            if let Some(door) = door {
                let (guard, caller) = &*door;
                let token = bearer(request.headers()).map(str::to_owned);
                guard.admit(caller.as_ref(), token.as_deref(), request.method(), request.uri().path()).await?;
            }
            self.route(request).await
        };
        match answered.await {
            Ok(response) => response,
            Err(refused) => {
                let mut response = Response::new(body::full(refused.message));
                *response.status_mut() = refused.code;
                response
            }
        }
    }

    async fn route(&self, request: Request<Incoming>) -> Result<Response<Body>, Refused> {
        let path = request.uri().path().to_owned();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let query = Query::parse(request.uri().query().unwrap_or_default());
        match (request.method(), parts.as_slice()) {
            (&Method::GET, ["healthz"]) => Ok(text("ok")),
            (&Method::GET, ["pods"] | ["runningpods"]) => Ok(self.pods()),
            (&Method::GET | &Method::POST, ["stats", "summary"]) => {
                let look = stats::look(&self.0.shared, &self.0.registry).await;
                let brief = query.flag("only_cpu_and_memory");
                Ok(json_body(stats::summary(&self.0.shared, &look, &self.0.rates, brief).await))
            }
            (&Method::GET, ["metrics", what @ ("resource" | "cadvisor")]) => {
                let look = stats::look(&self.0.shared, &self.0.registry).await;
                Ok(text(if *what == "resource" { stats::resource(&look) } else { stats::cadvisor(&look) }))
            }
            (&Method::GET, ["metrics"]) => Ok(text(self.metrics())),
            (&Method::GET, ["containerLogs", namespace, name, container]) => {
                logs::logs(&self.0.registry, &self.0.crowd, namespace, name, container, &query).await
            }
            (&Method::GET | &Method::POST, ["exec" | "attach" | "portForward", rest @ ..]) => {
                let what = parts[0].to_owned();
                let rest: Vec<String> = rest.iter().map(|s| (*s).to_owned()).collect();
                streams::stream(&self.0.shared, &self.0.registry, &self.0.crowd, &what, &rest, &query, request).await
            }
            _ => Err(Refused::new(StatusCode::NOT_FOUND, "404 page not found\n")),
        }
    }

    fn pods(&self) -> Response<Body> {
        let items: Vec<_> =
            self.0.registry.pods().iter().map(|p| serde_json::to_value(&**p).unwrap_or_default()).collect();
        json_body(json!({ "kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items }))
    }

    fn metrics(&self) -> String {
        let pods = self.0.registry.pods();
        let running = pods.iter().filter(|p| pod::phase(p) == "Running").count();
        format!(
            "# HELP kubelet_running_pods Number of pods that have a running pod sandbox\n\
             # TYPE kubelet_running_pods gauge\nkubelet_running_pods {running}\n\
             # HELP knarr_kubelet_pods Pods this node knows\n\
             # TYPE knarr_kubelet_pods gauge\nknarr_kubelet_pods {}\n\
             # HELP knarr_kubelet_events_dropped_total Events that were not written\n\
             # TYPE knarr_kubelet_events_dropped_total counter\nknarr_kubelet_events_dropped_total {}\n",
            pods.len(),
            self.0.shared.recorder.dropped(),
        )
    }
}

fn bearer(headers: &http::HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn text(text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(body::full(text.into()));
    let kind = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}

fn json_body(value: serde_json::Value) -> Response<Body> {
    let mut response = Response::new(body::full(value.to_string()));
    let kind = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
    response
}
