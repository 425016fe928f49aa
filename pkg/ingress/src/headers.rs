//! Headers on their way through. Pure.

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Uri, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE,
        TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
    request,
    uri::PathAndQuery,
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Where a request came in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    /// The client.
    pub(crate) peer: IpAddr,
    /// Whether it came over TLS.
    pub(crate) tls: bool,
    /// The port it came to.
    pub(crate) port: u16,
    /// Whether the client is a proxy whose word about its own client counts.
    pub(crate) trusted: bool,
}

/// Makes the head of a client's request that of ours to a pod. `authority` is the host the client named, as it wrote
/// it; `upgrade` keeps the request to change protocols.
pub(crate) fn request(head: &mut request::Parts, origin: Origin, authority: &str, h2c: bool, upgrade: bool) {
    let protocol = upgrade.then(|| head.headers.get(UPGRADE).cloned()).flatten();
    let trailers = head.headers.get_all(TE).iter().any(|v| v.to_str().is_ok_and(|v| has_token(v, "trailers")));
    hop_by_hop(&mut head.headers);
    // Answered by our server already.
    head.headers.remove(EXPECT);
    forwarded(&mut head.headers, origin, authority);
    join_cookies(&mut head.headers);
    if trailers {
        head.headers.insert(TE, HeaderValue::from_static("trailers"));
        if !h2c {
            head.headers.insert(CONNECTION, HeaderValue::from_static("TE"));
        }
    }
    if let Some(protocol) = protocol {
        head.headers.insert(UPGRADE, protocol);
        head.headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    let path = head.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    let whole = Uri::builder().scheme("http").authority(authority).path_and_query(path.clone()).build();
    match whole {
        Ok(uri) if h2c => {
            head.headers.remove(HOST);
            head.uri = uri;
            head.version = Version::HTTP_2;
        }
        _ => {
            if let Ok(host) = HeaderValue::from_str(authority) {
                head.headers.insert(HOST, host);
            }
            head.uri = path.into();
            head.version = Version::HTTP_11;
        }
    }
}

/// Sets what frames a body of `length` (none: unknown): what the client said of it may belong to another protocol.
pub(crate) fn framing(head: &mut request::Parts, length: Option<u64>, empty: bool) {
    let said = head.headers.get(CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse().ok());
    if length.is_none() || said != length {
        head.headers.remove(CONTENT_LENGTH);
    }
    if !empty && length.is_none() && head.version == Version::HTTP_11 {
        head.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// Makes the headers of a pod's answer those of ours.
pub(crate) fn response(headers: &mut HeaderMap) {
    hop_by_hop(headers);
}

/// Whether a client wants to change protocols: its request says so in both headers. Changing to HTTP/2 is not passed
/// on: the requests that follow would reach the pod without any route being asked.
pub(crate) fn wants_upgrade(headers: &HeaderMap) -> bool {
    let says = |name: HeaderName, token: &str| {
        headers.get_all(name).iter().any(|v| v.to_str().is_ok_and(|v| has_token(v, token)))
    };
    says(CONNECTION, "upgrade") && headers.contains_key(UPGRADE) && !says(UPGRADE, "h2c") && !says(UPGRADE, "h2")
}

fn has_token(list: &str, token: &str) -> bool {
    list.split(',').any(|part| part.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case(token)))
}

/// Headers that end here: the standard ones, and those `Connection` names (RFC 9110, 7.6.1).
fn hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|v| v.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    let standard = [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        PROXY_CONNECTION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
    ];
    for name in standard {
        headers.remove(name);
    }
}

/// Who asks for what, for pods. What an untrusted client says of it is dropped.
fn forwarded(headers: &mut HeaderMap, origin: Origin, authority: &str) {
    let peer = match origin.peer {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(IpAddr::V6(v6), IpAddr::V4),
        v4 @ IpAddr::V4(_) => v4,
    };
    let text = |text: String| HeaderValue::try_from(text).ok();
    let before = headers.get_all(FORWARDED_FOR).iter().filter_map(|v| v.to_str().ok()).collect::<Vec<_>>().join(", ");
    let chain = if origin.trusted && !before.is_empty() { format!("{before}, {peer}") } else { peer.to_string() };
    let facts = [
        (FORWARDED_PROTO, text(if origin.tls { "https" } else { "http" }.to_owned())),
        (FORWARDED_HOST, text(authority.to_owned())),
        (FORWARDED_PORT, text(origin.port.to_string())),
        (REAL_IP, text(peer.to_string())),
    ];
    for (name, value) in facts {
        if let Some(value) = value.filter(|_| !(origin.trusted && headers.contains_key(&name))) {
            headers.insert(name, value);
        }
    }
    if let Some(chain) = text(chain) {
        headers.insert(FORWARDED_FOR, chain);
    }
    if !origin.trusted {
        headers.remove(FORWARDED);
    }
}

/// HTTP/2 may send one cookie a header; HTTP/1.1 knows only one header (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let all: Vec<_> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if all.len() > 1
        && let Ok(joined) = HeaderValue::from_bytes(&all.join(&b"; "[..]))
    {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(headers: &[(&str, &str)]) -> request::Parts {
        let request = headers.iter().fold(Request::get("/p?q"), |r, (k, v)| r.header(*k, *v));
        request.body(()).unwrap().into_parts().0
    }

    fn text(head: &request::Parts) -> Vec<String> {
        let mut all: Vec<_> = head.headers.iter().map(|(k, v)| format!("{k}: {}", v.to_str().unwrap())).collect();
        all.sort();
        all
    }

    const CLIENT: Origin = Origin { peer: IpAddr::V6(V4_MAPPED), tls: true, port: 443, trusted: true };
    const V4_MAPPED: std::net::Ipv6Addr = std::net::Ipv4Addr::new(10, 0, 0, 9).to_ipv6_mapped();

    #[test]
    fn a_trusted_proxy_is_believed_and_added_to() {
        let mut head = parts(&[
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-proto", "http"),
            ("x-real-ip", "1.1.1.1"),
            ("forwarded", "for=1.1.1.1"),
        ]);
        request(&mut head, CLIENT, "a.test", false, false);
        let expected = [
            "forwarded: for=1.1.1.1",
            "host: a.test",
            "x-forwarded-for: 1.1.1.1, 2.2.2.2, 10.0.0.9",
            "x-forwarded-host: a.test",
            "x-forwarded-port: 443",
            "x-forwarded-proto: http",
            "x-real-ip: 1.1.1.1",
        ];
        assert_eq!(text(&head), expected);
    }

    #[test]
    fn http2_for_the_pod_has_an_authority_and_no_host() {
        let mut head = parts(&[("host", "x"), ("connection", "keep-alive")]);
        request(&mut head, CLIENT, "a.test:8080", true, false);
        assert_eq!(head.uri, "http://a.test:8080/p?q");
        assert_eq!(head.version, Version::HTTP_2);
        assert!(!head.headers.contains_key(HOST) && !head.headers.contains_key(CONNECTION));
    }

    #[test]
    fn the_length_is_that_of_the_body() {
        let framed = |said: &[(&str, &str)], length, empty| {
            let mut head = parts(said);
            framing(&mut head, length, empty);
            text(&head)
        };
        assert_eq!(framed(&[("content-length", "5")], Some(5), false), ["content-length: 5"]);
        assert_eq!(framed(&[("content-length", "5")], None, false), ["transfer-encoding: chunked"]);
        assert_eq!(framed(&[("content-length", "5"), ("content-length", "6")], Some(6), false), [""; 0]);
        assert_eq!(framed(&[], Some(0), true), [""; 0]);
    }

    #[test]
    fn an_upgrade_is_asked_for_in_both_headers() {
        for (connection, expected) in [("upgrade", true), ("keep-alive, Upgrade", true), ("close", false)] {
            let head = parts(&[("connection", connection), ("upgrade", "websocket")]);
            assert_eq!(wants_upgrade(&head.headers), expected, "{connection}");
        }
        assert!(!wants_upgrade(&parts(&[("connection", "upgrade")]).headers));
        for hidden in ["h2c", "H2C", "websocket, h2c"] {
            let head = parts(&[("connection", "upgrade, http2-settings"), ("upgrade", hidden)]);
            assert!(!wants_upgrade(&head.headers), "{hidden}");
        }
    }
}
