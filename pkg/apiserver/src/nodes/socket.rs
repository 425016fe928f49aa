//! A body as a WebSocket: for clients in a browser, which can read a log as it grows in no other way.

use std::sync::Arc;

use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use knarr_api::{Reason, Status};
use knarr_stream::{Refusal, accept_output};
use tokio::io::AsyncWriteExt as _;

use crate::{
    chain::Face,
    reply::{self, Body, Reply},
};

/// Answers a request to switch protocols, and sends `body` on the other protocol until either side ends.
pub(super) fn upgraded(face: &Arc<Face>, mut request: Request<Body>, mut body: Body) -> Result<Reply, Status> {
    let accepted = accept_output(request.headers()).map_err(refused)?;
    let reply = accepted.response.clone().map(|()| reply::full(""));
    let upgrade = hyper::upgrade::on(&mut request);
    let stop = face.stop.clone();
    let relay = async move {
        let io = match upgrade.await {
            Ok(io) => TokioIo::new(io),
            Err(e) => return tracing::debug!(error = %e, "upgrade"),
        };
        let (mut output, driver) = accepted.output(io);
        let copy = async move {
            while let Some(Ok(frame)) = body.frame().await {
                let Ok(bytes) = frame.into_data() else { continue };
                if output.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        };
        // The driver ends once the copy has and all is sent; when the client goes first, nobody waits for the body.
        let both = async {
            let mut driver = driver;
            tokio::select! {
                end = &mut driver => end,
                () = copy => driver.await,
            }
        };
        tokio::select! {
            end = both => if let Err(e) = end {
                tracing::debug!(error = %e, "websocket");
            },
            () = stop.cancelled() => {}
        }
    };
    if !face.crowd.try_spawn(|_| relay) {
        return Err(Status::new(Reason::TooManyRequests, "Too many requests, please try again later."));
    }
    Ok(reply)
}

fn refused(refusal: Refusal) -> Status {
    match refusal.status() {
        StatusCode::BAD_REQUEST => Status::bad_request(refusal.to_string()),
        code => Status::new(Reason::Forbidden, refusal.to_string()).with_code(code.as_u16()),
    }
}
