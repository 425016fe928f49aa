//! From the headers of a request to a protocol: what is answered, and what is spoken after it. Pure.
//!
//! WebSocket names its protocols in `Sec-WebSocket-Protocol`, SPDY in `X-Stream-Protocol-Version`; the first one that both
//! sides know is taken. A client that names none speaks the very first version.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::{
    Driver, Forwards, Io, Options, Pipe, Session, exec, forward,
    websocket::{self, Encoding},
};

const STREAM_PROTOCOL: HeaderName = HeaderName::from_static("x-stream-protocol-version");
const TUNNEL: &str = "SPDY/3.1+portforward.k8s.io";
const FORWARD: &str = "portforward.k8s.io";

/// Why a request is not upgraded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// 400: it asks for no upgrade, or a malformed one.
    #[error("{0}")]
    BadRequest(&'static str),
    /// 403, as upstream answers: no protocol in common.
    #[error("unable to upgrade: unable to negotiate protocol: client supports {client:?}, server accepts {server:?}")]
    NoProtocol {
        /// What the client knows.
        client: Vec<String>,
        /// What we know.
        server: Vec<&'static str>,
    },
}

impl Refusal {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::NoProtocol { .. } => StatusCode::FORBIDDEN,
        }
    }
}

/// How channels are versioned: what differs between protocols of the same transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// The error stream carries words.
    Words,
    /// Terminal sizes have a stream (SPDY), errors are still words.
    Sizes,
    /// The error stream carries a status.
    Status,
    /// Channels can be closed one by one.
    Close,
}

/// What a session is spoken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionProtocol {
    WebSocket(Encoding, Version),
    Spdy(Version),
}

/// What a forward is spoken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ForwardProtocol {
    WebSocket(Encoding),
    Spdy,
    Tunnel,
}

/// A request that can be upgraded: send [`Accepted::response`], then run it on the upgraded connection.
#[derive(Debug)]
pub struct Accepted<P> {
    /// 101 with its headers.
    pub response: Response<()>,
    protocol: P,
}

/// Looks at a request for exec or attach.
pub fn accept_exec(request: &HeaderMap) -> Result<Accepted<ExecProtocol>, Refusal> {
    use Encoding::{Base64, Binary};
    const WEBSOCKET: &[(&str, SessionProtocol)] = &[
        ("v5.channel.k8s.io", SessionProtocol::WebSocket(Binary, Version::Close)),
        ("v4.channel.k8s.io", SessionProtocol::WebSocket(Binary, Version::Status)),
        ("v4.base64.channel.k8s.io", SessionProtocol::WebSocket(Base64, Version::Status)),
        ("channel.k8s.io", SessionProtocol::WebSocket(Binary, Version::Words)),
        ("base64.channel.k8s.io", SessionProtocol::WebSocket(Base64, Version::Words)),
        ("", SessionProtocol::WebSocket(Binary, Version::Words)),
    ];
    const SPDY: &[(&str, SessionProtocol)] = &[
        ("v4.channel.k8s.io", SessionProtocol::Spdy(Version::Status)),
        ("v3.channel.k8s.io", SessionProtocol::Spdy(Version::Sizes)),
        ("v2.channel.k8s.io", SessionProtocol::Spdy(Version::Words)),
        ("channel.k8s.io", SessionProtocol::Spdy(Version::Words)),
        ("", SessionProtocol::Spdy(Version::Words)),
    ];
    let (response, protocol) = negotiate(request, WEBSOCKET, SPDY)?;
    Ok(Accepted { response, protocol: ExecProtocol(protocol) })
}

/// Looks at a request for a port-forward.
pub fn accept_forward(request: &HeaderMap) -> Result<Accepted<PortForwardProtocol>, Refusal> {
    const WEBSOCKET: &[(&str, ForwardProtocol)] = &[
        (TUNNEL, ForwardProtocol::Tunnel),
        ("v4.channel.k8s.io", ForwardProtocol::WebSocket(Encoding::Binary)),
        ("v4.base64.channel.k8s.io", ForwardProtocol::WebSocket(Encoding::Base64)),
        ("", ForwardProtocol::WebSocket(Encoding::Binary)),
    ];
    const SPDY: &[(&str, ForwardProtocol)] = &[(FORWARD, ForwardProtocol::Spdy)];
    let (response, protocol) = negotiate(request, WEBSOCKET, SPDY)?;
    Ok(Accepted { response, protocol: PortForwardProtocol(protocol) })
}

/// Looks at a request for one stream of bytes: the WebSocket form of a log.
pub fn accept_output(request: &HeaderMap) -> Result<Accepted<OutputProtocol>, Refusal> {
    const WEBSOCKET: &[(&str, Encoding)] =
        &[("binary.k8s.io", Encoding::Binary), ("base64.binary.k8s.io", Encoding::Base64), ("", Encoding::Binary)];
    let (response, encoding) = negotiate(request, WEBSOCKET, &[])?;
    Ok(Accepted { response, protocol: OutputProtocol(encoding) })
}

/// A negotiated protocol of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputProtocol(Encoding);

/// A negotiated exec or attach protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExecProtocol(SessionProtocol);

/// A negotiated port-forward protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortForwardProtocol(ForwardProtocol);

impl Accepted<ExecProtocol> {
    /// The session on the upgraded connection.
    pub fn session(self, io: impl Io, options: Options) -> (Session, Driver) {
        let (session, ends) = options.server();
        let driver: Driver = match self.protocol.0 {
            SessionProtocol::WebSocket(encoding, version) => {
                Box::pin(websocket::serve_session(io, encoding, version, ends))
            }
            SessionProtocol::Spdy(version) => Box::pin(exec::serve(io, version, options, ends)),
        };
        (session, driver)
    }
}

impl Accepted<OutputProtocol> {
    /// Where to write the bytes that go out on the upgraded connection. Dropping it ends them.
    pub fn output(self, io: impl Io) -> (Pipe, Driver) {
        websocket::serve_output(io, self.protocol.0)
    }
}

impl Accepted<PortForwardProtocol> {
    /// The forwards on the upgraded connection. `ports` are those of the request's query; only plain WebSocket needs them.
    pub fn forwards(self, io: impl Io, ports: &[u16]) -> (Forwards, Driver) {
        match self.protocol.0 {
            ForwardProtocol::WebSocket(encoding) => websocket::serve_forwards(io, encoding, ports),
            ForwardProtocol::Spdy => forward::serve(io),
            ForwardProtocol::Tunnel => websocket::serve_tunnel(io),
        }
    }
}

fn negotiate<P: Copy>(
    request: &HeaderMap,
    websocket: &[(&'static str, P)],
    spdy: &[(&'static str, P)],
) -> Result<(Response<()>, P), Refusal> {
    let upgrades = |what: &str| tokens(request, &header::UPGRADE).any(|t| t.eq_ignore_ascii_case(what));
    if !tokens(request, &header::CONNECTION).any(|t| t.eq_ignore_ascii_case("upgrade")) {
        return Err(Refusal::BadRequest("unable to upgrade: missing upgrade headers in request"));
    }
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let protocol = if upgrades("websocket") {
        let key = request.get(header::SEC_WEBSOCKET_KEY).map(HeaderValue::as_bytes);
        let key = key.filter(|k| STANDARD.decode(k).is_ok_and(|k| k.len() == 16));
        let key = key.ok_or(Refusal::BadRequest("websocket: no valid key"))?;
        if request.get(header::SEC_WEBSOCKET_VERSION).is_none_or(|v| v != "13") {
            return Err(Refusal::BadRequest("websocket: only version 13 is supported"));
        }
        let accept = HeaderValue::try_from(derive_accept_key(key)).expect("base64 is a header value");
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        choose(request, header::SEC_WEBSOCKET_PROTOCOL, websocket)?
    } else if upgrades("SPDY/3.1") {
        headers.insert(header::UPGRADE, HeaderValue::from_static("SPDY/3.1"));
        choose(request, STREAM_PROTOCOL, spdy)?
    } else {
        return Err(Refusal::BadRequest("unable to upgrade: neither websocket nor SPDY/3.1"));
    };
    let (header, name, protocol) = protocol;
    if !name.is_empty() {
        headers.insert(header, HeaderValue::from_static(name));
    }
    Ok((response, protocol))
}

/// The first protocol of the client that we know.
fn choose<P: Copy>(
    request: &HeaderMap,
    header: HeaderName,
    known: &[(&'static str, P)],
) -> Result<(HeaderName, &'static str, P), Refusal> {
    let client: Vec<&str> = tokens(request, &header).collect();
    let asked = if client.is_empty() { vec![""] } else { client.clone() };
    let found = asked.iter().find_map(|name| known.iter().find(|(k, _)| k == name));
    match found {
        Some((name, protocol)) => Ok((header, name, *protocol)),
        None => Err(Refusal::NoProtocol {
            client: client.into_iter().map(str::to_owned).collect(),
            server: known.iter().map(|(k, _)| *k).filter(|k| !k.is_empty()).collect(),
        }),
    }
}

/// The values of a header that may be repeated and hold lists.
fn tokens<'a>(request: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = request.get_all(name).into_iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).map(str::trim).filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn headers(text: &str) -> HeaderMap {
        let pairs = text.lines().filter_map(|l| l.split_once(": "));
        pairs.map(|(n, v)| (HeaderName::try_from(n).unwrap(), HeaderValue::try_from(v).unwrap())).collect()
    }

    #[track_caller]
    fn check<P: std::fmt::Debug>(result: Result<Accepted<P>, Refusal>, expected: Expect) {
        let text = match result {
            Ok(accepted) => {
                let mut lines: Vec<_> =
                    accepted.response.headers().iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
                lines.push(format!("{:?}", accepted.protocol));
                lines.join("\n")
            }
            Err(refusal) => format!("{}: {refusal}", refusal.status()),
        };
        expected.assert_eq(&text);
    }

    const WS: &str = "connection: keep-alive, Upgrade\nupgrade: websocket\nsec-websocket-version: 13\n\
        sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\n";

    #[test]
    fn websocket() {
        check(
            accept_exec(&headers(&format!("{WS}sec-websocket-protocol: v9.x, v5.channel.k8s.io, v4.channel.k8s.io"))),
            expect![[r#"
                connection: Upgrade
                upgrade: websocket
                sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
                sec-websocket-protocol: v5.channel.k8s.io
                ExecProtocol(WebSocket(Binary, Close))"#]],
        );
        check(
            accept_exec(&headers(WS)),
            expect![[r#"
                connection: Upgrade
                upgrade: websocket
                sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
                ExecProtocol(WebSocket(Binary, Words))"#]],
        );
        check(
            accept_forward(&headers(&format!("{WS}sec-websocket-protocol: SPDY/3.1+portforward.k8s.io"))),
            expect![[r#"
                connection: Upgrade
                upgrade: websocket
                sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
                sec-websocket-protocol: SPDY/3.1+portforward.k8s.io
                PortForwardProtocol(Tunnel)"#]],
        );
    }

    #[test]
    fn spdy() {
        let spdy = "connection: Upgrade\nupgrade: SPDY/3.1\n";
        let versions = "x-stream-protocol-version: v4.channel.k8s.io\nx-stream-protocol-version: v3.channel.k8s.io";
        check(
            accept_exec(&headers(&format!("{spdy}{versions}"))),
            expect![[r#"
                connection: Upgrade
                upgrade: SPDY/3.1
                x-stream-protocol-version: v4.channel.k8s.io
                ExecProtocol(Spdy(Status))"#]],
        );
        check(
            accept_forward(&headers(&format!("{spdy}x-stream-protocol-version: portforward.k8s.io"))),
            expect![[r#"
                connection: Upgrade
                upgrade: SPDY/3.1
                x-stream-protocol-version: portforward.k8s.io
                PortForwardProtocol(Spdy)"#]],
        );
    }

    #[test]
    fn refusals() {
        check(
            accept_exec(&headers("")),
            expect!["400 Bad Request: unable to upgrade: missing upgrade headers in request"],
        );
        check(
            accept_exec(&headers(&format!("{WS}sec-websocket-protocol: v9.x"))),
            expect![[
                r#"403 Forbidden: unable to upgrade: unable to negotiate protocol: client supports ["v9.x"], server accepts ["v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "channel.k8s.io", "base64.channel.k8s.io"]"#
            ]],
        );
        check(
            accept_exec(&headers(&WS.replace("13", "8"))),
            expect!["400 Bad Request: websocket: only version 13 is supported"],
        );
    }
}
