//! A request to a pod, and its answer.
//!
//! What may be tried again, and where. A connection that cannot be made: always, elsewhere. A request of which hyper
//! says that nothing was sent: always. A request that broke off before a byte of the answer: only if it has no body
//! and its method may be repeated (RFC 9110, 9.2.2). After the first byte of an answer: never.

use std::{net::SocketAddr, sync::Arc};

use http::{Request, Response, StatusCode, request::Parts};
use http_body_util::Either;
use hyper::{
    body::{Body as _, Incoming},
    client::conn::TrySendError,
    upgrade::OnUpgrade,
};
use tokio::time::sleep_until;

use super::{Answer, Front, Refusal};
use crate::{
    body::{Download, Progress, Upload},
    headers::{self, Origin},
    pool::{ConnectError, Lease, Reuse},
    route::{Asked, Decision, route},
    table::Backend,
};

/// Times a request is tried.
const ATTEMPTS: usize = 3;

/// A request that was not answered.
enum Failure {
    /// It can be tried again: here it is.
    Again(Box<Request<Upload>>),
    /// It cannot.
    Final(Refusal),
}

impl Front {
    pub(super) async fn send(
        &self,
        origin: Origin,
        authority: &str,
        asked: Asked<'_>,
        backend: &Arc<Backend>,
        mut request: Request<Incoming>,
    ) -> Result<Answer, Refusal> {
        if backend.endpoints.is_empty() {
            return Err(Refusal::NoEndpoints);
        }
        let upgrade = headers::wants_upgrade(request.headers()) && request.version() == http::Version::HTTP_11;
        let client = upgrade.then(|| hyper::upgrade::on(&mut request));
        // Only HTTP/1.1 changes protocols.
        let h2c = backend.h2c && !upgrade;
        let progress = Progress::new();
        let (mut head, body) = request.into_parts();
        headers::request(&mut head, origin, authority, h2c, upgrade);
        headers::framing(&mut head, body.size_hint().exact(), body.is_end_stream());
        let safe = body.is_end_stream() && head.method.is_idempotent();
        let copy = safe.then(|| head.clone());
        let body = Upload::new(body, self.limits.body, progress.clone());
        let mut request = Request::from_parts(head, body);

        let mut backend = backend.clone();
        let mut tried: Vec<SocketAddr> = Vec::new();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                backend = self.now(asked, backend);
            }
            let peer = self.pool.choose(&backend, &tried).ok_or(Refusal::NoEndpoints)?;
            let reuse = match attempt {
                0 if safe => Reuse::Any,
                0 => Reuse::Young,
                _ => Reuse::No,
            };
            let mut lease = match self.pool.lease(&peer, h2c, reuse).await {
                Ok(lease) => lease,
                Err(ConnectError::Full) => return Err(Refusal::Full),
                Err(e) => {
                    tracing::debug!(endpoint = %peer.address, error = %knarr_daemon::chain(&e), "not reached");
                    tried.push(peer.address);
                    continue;
                }
            };
            // It left the table while we connected: the pod is about to stop.
            if lease.is_retired() {
                continue;
            }
            match self.attempt(&mut lease, request, copy.as_ref(), &progress).await {
                Ok(response) => return self.pass(response, lease, client),
                Err(Failure::Final(refusal)) => return Err(refusal),
                Err(Failure::Again(same)) => {
                    request = *same;
                    // An old connection says nothing about the endpoint.
                    if !lease.reused {
                        tried.push(peer.address);
                    }
                }
            }
        }
        Err(Refusal::Unreachable)
    }

    /// What the table says now: endpoints may have changed since the last attempt.
    fn now(&self, asked: Asked<'_>, before: Arc<Backend>) -> Arc<Backend> {
        match route(&self.live.table(), asked) {
            Decision::Forward(now) if now.h2c == before.h2c => now.clone(),
            _ => before,
        }
    }

    async fn attempt(
        &self,
        lease: &mut Lease,
        request: Request<Upload>,
        copy: Option<&Parts>,
        progress: &Arc<Progress>,
    ) -> Result<Response<Incoming>, Failure> {
        match self.wait(lease, request, progress).await {
            Some(Ok(response)) => Ok(response),
            None => Err(Failure::Final(Refusal::Slow)),
            Some(Err(_)) if progress.is_late() => Err(Failure::Final(Refusal::Silent)),
            Some(Err(mut e)) => {
                let unsent = e.take_message();
                let endpoint = lease.address();
                tracing::debug!(%endpoint, error = %knarr_daemon::chain(e.error()), "request broke off");
                let again = || copy.map(|head| Request::from_parts(head.clone(), Upload::empty(progress.clone())));
                let broken = Failure::Final(Refusal::Broken);
                Err(unsent.or_else(again).map_or(broken, |same| Failure::Again(Box::new(same))))
            }
        }
    }

    /// Sends and waits for the head of the answer; `None` when it takes too long. An upload that makes progress is
    /// not waited for in vain.
    async fn wait(
        &self,
        lease: &mut Lease,
        request: Request<Upload>,
        progress: &Progress,
    ) -> Option<Result<Response<Incoming>, TrySendError<Request<Upload>>>> {
        let sent = lease.send(request);
        tokio::pin!(sent);
        let mut until = tokio::time::Instant::now() + self.limits.answer;
        loop {
            tokio::select! {
                biased;
                end = sent.as_mut() => return Some(end),
                () = sleep_until(until) => {
                    let later = progress.last() + self.limits.answer;
                    if later <= until {
                        return None;
                    }
                    until = later;
                }
            }
        }
    }

    fn pass(
        &self,
        mut response: Response<Incoming>,
        lease: Lease,
        client: Option<OnUpgrade>,
    ) -> Result<Answer, Refusal> {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return self.tunnel(&mut response, lease, client.ok_or(Refusal::Broken)?);
        }
        headers::response(response.headers_mut());
        Ok(response.map(|body| Either::Right(Download::new(body, lease))))
    }
}
