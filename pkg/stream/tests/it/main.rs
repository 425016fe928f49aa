//! Protocols from end to end, over pipes in memory.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod exec;
mod forward;
mod noise;
mod patience;
mod websocket;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers from lines.
pub(crate) fn headers(text: &str) -> HeaderMap {
    let pairs = text.lines().filter_map(|l| l.trim().split_once(": "));
    pairs.map(|(n, v)| (HeaderName::try_from(n).unwrap(), HeaderValue::try_from(v).unwrap())).collect()
}

/// A request for a WebSocket with one protocol.
pub(crate) fn websocket_request(protocol: &str) -> HeaderMap {
    headers(&format!(
        "connection: Upgrade\nupgrade: websocket\nsec-websocket-version: 13\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\nsec-websocket-protocol: {protocol}"
    ))
}

/// A request for SPDY with one protocol.
pub(crate) fn spdy_request(protocol: &str) -> HeaderMap {
    headers(&format!("connection: Upgrade\nupgrade: SPDY/3.1\nx-stream-protocol-version: {protocol}"))
}
