//! Passing a request on over a dialled stream.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::{body::Incoming, client::conn::http1, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use knarr_api::Status;
use knarr_client::BoxIo;

use crate::{
    chain::Face,
    reply::{Body, BodyError, Reply},
};

/// Headers between two neighbours only (RFC 9110, 7.6.1).
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A backend that cannot be reached.
pub(super) fn unreachable(error: &std::io::Error) -> Status {
    Status::internal(format!("error dialing backend: {error}"))
}

/// Sends a request and begins the answer.
pub(super) async fn send(face: &Arc<Face>, io: BoxIo, request: Request<Body>) -> Result<Response<Incoming>, Status> {
    let broken = |e: hyper::Error| Status::internal(format!("error dialing backend: {}", knarr_daemon::chain(&e)));
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(broken)?;
    let stop = face.stop.clone();
    let driver = async move {
        tokio::select! {
            end = connection.with_upgrades() => {
                if let Err(e) = end {
                    tracing::debug!(error = %e, "connection to backend");
                }
            }
            () = stop.cancelled() => {}
        }
    };
    if !face.crowd.try_spawn(|_| driver) {
        return Err(Status::new(knarr_api::Reason::TooManyRequests, "Too many requests, please try again later."));
    }
    sender.send_request(request).await.map_err(broken)
}

/// Whether the client asks for another protocol.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    let connection = headers.get_all(header::CONNECTION).iter().filter_map(|v| v.to_str().ok());
    headers.contains_key(header::UPGRADE)
        && connection.flat_map(|v| v.split(',')).any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
}

/// Passes a request on under another URI, and its answer back.
pub(super) async fn through(
    face: &Arc<Face>,
    io: BoxIo,
    mut request: Request<Body>,
    path_and_query: &str,
    host: &str,
) -> Result<Reply, Status> {
    let client = is_upgrade(request.headers()).then(|| hyper::upgrade::on(&mut request));
    let (mut parts, body) = request.into_parts();
    let upgrade = parts.headers.get(header::UPGRADE).cloned();
    strip(&mut parts.headers);
    if let (Some(_), Some(protocol)) = (&client, upgrade) {
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        parts.headers.insert(header::UPGRADE, protocol);
    }
    parts.headers.insert(header::HOST, HeaderValue::from_str(host).unwrap_or(HeaderValue::from_static("backend")));
    parts.uri = path_and_query.parse().map_err(|e| Status::bad_request(format!("invalid path: {e}")))?;
    parts.version = http::Version::HTTP_11;
    parts.extensions.clear();
    let mut response = send(face, io, Request::from_parts(parts, body)).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Ok(back(response));
    }
    let Some(client) = client else { return Err(Status::internal("the backend switched protocols unasked")) };
    let backend = hyper::upgrade::on(&mut response);
    let stop = face.stop.clone();
    if !face.crowd.try_spawn(|_| join(client, backend, stop)) {
        return Err(Status::new(knarr_api::Reason::TooManyRequests, "Too many requests, please try again later."));
    }
    let (parts, _) = response.into_parts();
    let mut reply = Response::new(crate::reply::full(""));
    *reply.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    *reply.headers_mut() = parts.headers;
    Ok(reply)
}

/// Copies bytes both ways until both sides have ended.
async fn join(client: OnUpgrade, backend: OnUpgrade, stop: knarr_daemon::Stop) {
    let (client, backend) = match tokio::try_join!(client, backend) {
        Ok(both) => both,
        Err(e) => return tracing::debug!(error = %e, "upgrade"),
    };
    let (mut client, mut backend) = (TokioIo::new(client), TokioIo::new(backend));
    tokio::select! {
        end = tokio::io::copy_bidirectional(&mut client, &mut backend) => {
            if let Err(e) = end {
                tracing::debug!(error = %e, "stream");
            }
        }
        () = stop.cancelled() => {}
    }
}

/// An answer passed back without the headers of its own hop.
pub(super) fn back(response: Response<Incoming>) -> Reply {
    let (mut parts, body) = response.into_parts();
    strip(&mut parts.headers);
    parts.version = http::Version::HTTP_11;
    parts.extensions.clear();
    Response::from_parts(parts, body.map_err(BodyError::new).boxed_unsync())
}

fn strip(headers: &mut HeaderMap) {
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .map(|token| token.trim().to_ascii_lowercase())
        .collect();
    for name in HOP_BY_HOP.into_iter().map(str::to_owned).chain(named) {
        headers.remove(name.as_str());
    }
    let impersonation: Vec<_> = headers.keys().filter(|k| k.as_str().starts_with("impersonate-")).cloned().collect();
    for name in impersonation {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upgrades_and_hops() {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade, X-Own"));
        assert!(!is_upgrade(&headers));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        assert!(is_upgrade(&headers));
        headers.insert("x-own", HeaderValue::from_static("1"));
        headers.insert("impersonate-user", HeaderValue::from_static("1"));
        headers.insert("x-kept", HeaderValue::from_static("1"));
        strip(&mut headers);
        assert_eq!(headers.keys().map(|k| k.as_str()).collect::<Vec<_>>(), ["x-kept"]);
    }
}
