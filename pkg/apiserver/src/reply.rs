//! Response bodies and the few ways to begin a response.

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt as _};
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::Frame;
use knarr_api::Status;
use knarr_daemon::burst;

use crate::{
    codec, encode,
    negotiate::{Format, Offer},
};

/// Any error of a body.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct BodyError(Box<dyn std::error::Error + Send + Sync>);

impl BodyError {
    /// Wraps what went wrong.
    pub fn new(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}

/// A body in either direction.
pub type Body = UnsyncBoxBody<Bytes, BodyError>;

/// A response of this crate.
pub type Reply = Response<Body>;

/// A body in one piece.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    let bytes = bytes.into();
    burst::passed(bytes.len());
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}

/// A body in pieces.
pub(crate) fn streamed(pieces: impl Stream<Item = Result<Bytes, BodyError>> + Send + 'static) -> Body {
    let counted = pieces.inspect_ok(|piece| burst::passed(piece.len()));
    StreamBody::new(counted.map_ok(Frame::data)).boxed_unsync()
}

/// A response with a body of a media type.
pub fn reply(code: u16, media_type: &str, body: Body) -> Reply {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(media_type) {
        headers.insert(header::CONTENT_TYPE, value);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// A JSON document.
pub fn json(bytes: impl Into<Bytes>) -> Reply {
    reply(200, "application/json", full(bytes))
}

/// A line of text.
pub fn text(code: u16, text: impl Into<Bytes>) -> Reply {
    let mut response = reply(code, "text/plain; charset=utf-8", full(text));
    response.headers_mut().insert("X-Content-Type-Options", HeaderValue::from_static("nosniff"));
    response
}

/// A failure as the client can read it: protobuf where it accepts nothing better, JSON else.
pub(crate) fn failure(status: &Status, accept: &str) -> Reply {
    let json = status.to_json();
    let format = Offer::DOCUMENT.accept(accept).map_or(Format::Json, |a| a.format);
    let document = match format {
        Format::Protobuf => codec::from_json(&json).and_then(|tree| encode::document(format, &tree)).ok(),
        Format::Json | Format::Yaml => None,
    };
    let (format, body) = document.map_or((Format::Json, json), |bytes| (format, bytes));
    finish_failure(status, reply(status.code(), format.media_type(), full(body)))
}

/// Headers a failure has beside its document.
fn finish_failure(status: &Status, mut response: Reply) -> Reply {
    let headers = response.headers_mut();
    if let Some(seconds) = status.details().map(|d| d.retry_after_seconds).filter(|s| *s > 0) {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    headers.insert("X-Content-Type-Options", HeaderValue::from_static("nosniff"));
    response
}
