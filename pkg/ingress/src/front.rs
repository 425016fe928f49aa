//! One request: decide, answer or send on.

mod send;
mod tunnel;

use std::sync::Arc;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, HOST, LOCATION},
};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use knarr_daemon::Crowd;

use crate::{
    body::Download,
    headers::Origin,
    limits::Limits,
    live::Live,
    pool::Pool,
    route::{Asked, Decision, host_of, route},
};

/// What clients are sent.
pub(crate) type Answer = Response<Either<Full<Bytes>, Download>>;

/// Answers requests of both listeners.
pub(crate) struct Front {
    pub(crate) live: Arc<Live>,
    pub(crate) pool: Arc<Pool>,
    /// Upgraded connections.
    pub(crate) tunnels: Crowd,
    pub(crate) limits: Limits,
    /// The port clients are sent to for TLS; none where nothing listens.
    pub(crate) https: Option<u16>,
}

/// Why a request has no answer of a pod.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the request names no host")]
    NoHost,
    #[error("this method is for forward proxies")]
    Method,
    #[error("no route for this host and path")]
    NotFound,
    #[error("the service has no endpoints that are ready")]
    NoEndpoints,
    #[error("too many connections at once")]
    Full,
    #[error("no endpoint of the service accepts connections")]
    Unreachable,
    #[error("the endpoint broke the connection off")]
    Broken,
    #[error("the endpoint did not answer in time")]
    Slow,
    #[error("the request body stopped coming")]
    Silent,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoHost => StatusCode::BAD_REQUEST,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::NoEndpoints | Self::Full => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unreachable | Self::Broken => StatusCode::BAD_GATEWAY,
            Self::Slow => StatusCode::GATEWAY_TIMEOUT,
            Self::Silent => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// The answer: status and reason. Names of Services stay inside.
    fn answer(&self) -> Answer {
        let status = self.status();
        let mut answer = text(status, format!("{status}: {self}\n"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        answer
    }
}

fn text(status: StatusCode, text: String) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(text.into())));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

impl Front {
    /// Answers one request.
    pub(crate) async fn answer(&self, origin: Origin, request: Request<Incoming>) -> Answer {
        match self.try_answer(origin, request).await {
            Ok(answer) => answer,
            Err(refusal) => refusal.answer(),
        }
    }

    async fn try_answer(&self, origin: Origin, request: Request<Incoming>) -> Result<Answer, Refusal> {
        let authority = authority(&request).ok_or(Refusal::NoHost)?;
        let host = host_of(&authority).ok_or(Refusal::NoHost)?;
        if request.method() == Method::CONNECT {
            return Err(Refusal::Method);
        }
        let table = self.live.table();
        let uri = request.uri().clone();
        let asked = Asked { host: &host, path: uri.path(), secure: origin.tls || self.https.is_none() };
        match route(&table, asked) {
            Decision::Forward(backend) => {
                let backend = backend.clone();
                drop(table);
                let result = self.send(origin, &authority, asked, &backend, request).await;
                if let Err(refusal) = &result {
                    tracing::debug!(backend = backend.name, host, %refusal, "request refused");
                }
                result
            }
            Decision::Redirect => Ok(self.redirect(&host, &request)),
            Decision::NotFound => Err(Refusal::NotFound),
        }
    }

    fn redirect(&self, host: &str, request: &Request<Incoming>) -> Answer {
        let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
        let port = self.https.filter(|p| *p != 443).map(|p| format!(":{p}")).unwrap_or_default();
        let mut answer = text(StatusCode::PERMANENT_REDIRECT, String::new());
        // Host and path came out of a request that was parsed: they are legal in a header.
        if let Ok(location) = HeaderValue::try_from(format!("https://{host}{port}{path}")) {
            answer.headers_mut().insert(LOCATION, location);
        }
        answer
    }
}

/// The host as the client wrote it: `:authority` or an absolute target before the header (RFC 9112, 3.2.2).
fn authority(request: &Request<Incoming>) -> Option<String> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.as_str().to_owned());
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?;
    hosts.next().is_none().then(|| host.to_owned())
}
