//! The API over the network: hyper and rustls, HTTP/2 where the server has it, else HTTP/1.1.
//!
//! The same [`Api`] as in-process, so a component cannot tell. What is different is bounded here: every request has a
//! deadline, every body and every line of a watch a size, and while the server is away one attempt in a few seconds is
//! made for all callers together; the others are answered `ServiceUnavailable` at once.
//!
//! [`call`] (what a request is on the wire), [`answer`] (what comes back) and [`lines`] are pure.

mod answer;
mod call;
mod lines;
mod pool;
pub mod tls;

use std::{collections::VecDeque, net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderValue, Method, Response, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use knarr_api::{Reason, Status};
use knarr_daemon::{Stop, burst};
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::sync::watch;

use crate::{Api, Event, EventStream, List, Reply, Request, Verb};
use call::Call;
use lines::Lines;
use pool::{Lease, Pool};

/// For the head of an answer, and for the whole of one that is no watch.
const PATIENCE: Duration = Duration::from_secs(32);
/// The largest body taken whole: a page of objects.
const BODY: usize = 64 << 20;
/// The longest event of a watch: an object is 3 MiB at most, and JSON may escape it.
const EVENT: usize = 8 << 20;
/// Objects in a page of a list.
const PAGE: u64 = 500;

/// Where the server is.
#[derive(Clone, Debug)]
pub struct Target {
    /// Whom to connect to.
    pub address: SocketAddr,
    /// What its certificate must be for.
    pub name: ServerName<'static>,
}

impl Target {
    /// A server that shows a certificate for its address.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, name: ServerName::IpAddress(address.ip().into()) }
    }
}

/// The API of a server for one identity. Cheap to clone.
#[derive(Clone)]
pub struct Remote(Arc<Inner>);

struct Inner {
    pool: Pool,
    host: String,
    agent: HeaderValue,
    token: Option<HeaderValue>,
}

/// What [`Remote::raw`] got.
#[derive(Debug)]
pub struct Raw {
    /// The HTTP code.
    pub code: u16,
    /// The body.
    pub body: Bytes,
}

impl Remote {
    /// A client of `target` that calls itself `agent` (the part before `/` is the field manager of its writes).
    /// `tls` is read for every connection: a renewed certificate is used from the next request on. `stop` ends its
    /// connections.
    pub fn new(target: Target, tls: watch::Receiver<Arc<ClientConfig>>, agent: &str, stop: &Stop) -> Self {
        let host = target.address.to_string();
        let agent = HeaderValue::from_str(agent).unwrap_or(HeaderValue::from_static("knarr"));
        Self(Arc::new(Inner { pool: Pool::new(target, tls, stop), host, agent, token: None }))
    }

    /// The same with a bearer token, over connections of its own.
    ///
    /// # Errors
    /// The token has characters that no header takes.
    pub fn with_token(self, token: &str) -> Result<Self, Status> {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Status::bad_request("the token has characters that cannot be in a token"))?;
        value.set_sensitive(true);
        let Inner { pool, host, agent, .. } = &*self.0;
        let pool = pool.anew();
        Ok(Self(Arc::new(Inner { pool, host: host.clone(), agent: agent.clone(), token: Some(value) })))
    }

    /// One request to a path that is no resource.
    ///
    /// # Errors
    /// `ServiceUnavailable` if the server cannot be reached. Any answer is an answer.
    pub async fn raw(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<Raw, Status> {
        let media = body.as_ref().map(|_| "application/json");
        let call = Call { method, uri: path.to_owned(), media, body: body.unwrap_or_default() };
        let (response, _lease) = self.send(&call).await?;
        let code = response.status().as_u16();
        Ok(Raw { code, body: whole(response.into_body()).await? })
    }

    /// Sends, and gives the head of the answer.
    async fn send(&self, call: &Call) -> Result<(Response<Incoming>, Lease), Status> {
        let Inner { pool, host, agent, token } = &*self.0;
        let head = |request: http::request::Builder| {
            let request = request.header(header::USER_AGENT, agent).header(header::ACCEPT, "application/json");
            let request = match call.media {
                Some(media) => request.header(header::CONTENT_TYPE, media),
                None => request,
            };
            match token {
                Some(token) => request.header(header::AUTHORIZATION, token),
                None => request,
            }
        };
        match tokio::time::timeout(PATIENCE, pool.send(call, host, head)).await {
            Ok(answered) => answered,
            Err(_) => Err(Status::new(Reason::Timeout, "the server did not answer in time")),
        }
    }

    async fn once(&self, request: &Request) -> Result<Bytes, Status> {
        let (response, _lease) = self.send(&Call::of(request)).await?;
        let code = response.status();
        let body = whole(response.into_body()).await?;
        if code.is_success() { Ok(body) } else { Err(Status::from_response(code.as_u16(), &body)) }
    }

    /// A list page by page, unless the caller pages by itself or asks for one revision.
    async fn list(&self, request: Request) -> Result<Reply, Status> {
        let options = &request.options;
        if options.limit > 0 || !options.continue_token.is_empty() || !options.resource_version_match.is_empty() {
            return answer::list(&self.once(&request).await?).map(Reply::List);
        }
        let mut all = List::default();
        let mut page = request.clone().options(|o| o.limit = PAGE);
        loop {
            let more = match self.once(&page).await.and_then(|body| answer::list(&body)) {
                // The history of the first page is gone: all of it at once then.
                Err(e) if e.is(Reason::Expired) && !page.options.continue_token.is_empty() => {
                    return answer::list(&self.once(&request).await?).map(Reply::List);
                }
                more => more?,
            };
            all.items.extend(more.items);
            all.revision = more.revision;
            if more.continue_token.is_empty() {
                return Ok(Reply::List(all));
            }
            page.options.continue_token = more.continue_token;
            page.options.resource_version = Default::default();
        }
    }
}

#[async_trait]
impl Api for Remote {
    async fn call(&self, request: Request) -> Result<Reply, Status> {
        match request.verb {
            Verb::List => self.list(request).await,
            verb => answer::reply(verb, &self.once(&request).await?),
        }
    }

    async fn watch(&self, request: Request) -> Result<EventStream, Status> {
        let (response, lease) = self.send(&Call::of(&request)).await?;
        let code = response.status();
        if !code.is_success() {
            return Err(Status::from_response(code.as_u16(), &whole(response.into_body()).await?));
        }
        let watching =
            Watching { body: response.into_body(), lines: Lines::new(EVENT), ready: VecDeque::new(), _lease: lease };
        Ok(Box::pin(stream::unfold(Some(watching), next)))
    }
}

/// A watch under way.
struct Watching {
    body: Incoming,
    lines: Lines,
    ready: VecDeque<Event>,
    _lease: Lease,
}

async fn next(watching: Option<Watching>) -> Option<(Result<Event, Status>, Option<Watching>)> {
    let mut this = watching?;
    loop {
        if let Some(event) = this.ready.pop_front() {
            return Some((Ok(event), Some(this)));
        }
        let frame = match this.body.frame().await? {
            Ok(frame) => frame,
            Err(e) => return Some((Err(unreachable(&e)), None)),
        };
        let Ok(data) = frame.into_data() else { continue };
        if let Err(status) = this.lines.push(&data).and_then(|()| take(&mut this)) {
            // What was whole before it still counts; the stream then ends, and the next watch tells the trouble again.
            return match this.ready.pop_front() {
                Some(event) => Some((Ok(event), Some(Watching { lines: Lines::failed(status), ..this }))),
                None => Some((Err(status), None)),
            };
        }
    }
}

fn take(this: &mut Watching) -> Result<(), Status> {
    while let Some(line) = this.lines.next()? {
        this.ready.push_back(answer::event(&line)?);
    }
    Ok(())
}

async fn whole(body: Incoming) -> Result<Bytes, Status> {
    match tokio::time::timeout(PATIENCE, Limited::new(body, BODY).collect()).await {
        Ok(Ok(whole)) => {
            let bytes = whole.to_bytes();
            burst::passed(bytes.len());
            Ok(bytes)
        }
        Ok(Err(e)) => Err(unreachable(&*e)),
        Err(_) => Err(Status::new(Reason::Timeout, "the server did not send all of its answer in time")),
    }
}

/// The code of a server whose certificate is none of the CA that is believed, has ended, or is for somebody else. Trying
/// again does not help.
pub const UNTRUSTED: u16 = 526;

/// A transport that failed.
fn unreachable(error: &(dyn std::error::Error + 'static)) -> Status {
    Status::new(Reason::ServiceUnavailable, format!("the server cannot be reached: {}", knarr_daemon::chain(error)))
}
