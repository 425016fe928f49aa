//! GET requests to pods: no certificate checks, redirects only to the same host.

use std::{fmt, io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, Uri, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use knarr_daemon::Crowd;
use rustls::{
    DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::net::TcpStream;

use super::Outcome;

const MAX_BODY: usize = 10 * 1024;
const MAX_REDIRECTS: usize = 10;

/// Where to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) path: String,
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", authority(&self.host, self.port), self.path)
    }
}

/// What came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) code: u16,
    pub(super) body: String,
    /// A redirect that was not followed.
    pub(super) elsewhere: bool,
}

impl Answer {
    pub(super) fn outcome(&self) -> Outcome {
        match self.code {
            _ if self.elsewhere => {
                Outcome::Warning(format!("Probe terminated redirects, Response body: {}", self.body))
            }
            200..400 => Outcome::Success,
            code => Outcome::Failure(format!("HTTP probe failed with statuscode: {code}")),
        }
    }
}

/// `host:port`, with brackets where needed.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Connects to `address:port`. Names other than `localhost` are not looked up: probes go to pods.
pub(super) async fn dial(to: &str) -> Result<TcpStream, String> {
    let plain = to.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address: SocketAddr = plain
        .as_deref()
        .unwrap_or(to)
        .parse()
        .map_err(|_| format!("dial tcp: lookup {to}: names are not looked up for probes"))?;
    TcpStream::connect(address).await.map_err(|e| dial_error(to, &e))
}

/// As Go words a failed connection.
fn dial_error(to: &str, e: &io::Error) -> String {
    let why = match e.kind() {
        io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
        io::ErrorKind::HostUnreachable => "connect: no route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "connect: network is unreachable".to_owned(),
        _ => e.to_string(),
    };
    format!("dial tcp {to}: {why}")
}

/// Asks, following redirects within the host. The caller sets the time limit.
pub(super) async fn get(
    url: &Url,
    headers: &[(String, String)],
    tls: &Arc<rustls::ClientConfig>,
    crowd: &Crowd,
) -> Result<Answer, String> {
    let mut url = url.clone();
    for _ in 0..=MAX_REDIRECTS {
        let (answer, location) = once(&url, headers, tls, crowd).await?;
        let Some(next) = location.filter(|_| matches!(answer.code, 301 | 302 | 303 | 307 | 308)) else {
            return Ok(answer);
        };
        match follow(&url, &next) {
            Some(next) => url = next,
            None => return Ok(Answer { elsewhere: true, ..answer }),
        }
    }
    Err(format!("stopped after {MAX_REDIRECTS} redirects"))
}

/// The redirect's target if it is on the same host.
fn follow(from: &Url, location: &str) -> Option<Url> {
    let uri: Uri = location.parse().ok()?;
    let path = uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let Some(host) = uri.host() else { return Some(Url { path, ..from.clone() }) };
    let tls = uri.scheme_str() == Some("https");
    let host = host.trim_matches(['[', ']']).to_owned();
    let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
    (host == from.host).then_some(Url { tls, host, port, path })
}

async fn once(
    url: &Url,
    headers: &[(String, String)],
    tls: &Arc<rustls::ClientConfig>,
    crowd: &Crowd,
) -> Result<(Answer, Option<String>), String> {
    let to = authority(&url.host, url.port);
    let tcp = dial(&to).await?;
    if !url.tls {
        return exchange(tcp, url, &to, headers, crowd).await;
    }
    let name = ServerName::try_from(url.host.clone()).map_err(|e| e.to_string())?;
    let connector = tokio_rustls::TlsConnector::from(tls.clone());
    let stream = connector.connect(name, tcp).await.map_err(|e| e.to_string())?;
    exchange(stream, url, &to, headers, crowd).await
}

async fn exchange<S>(
    stream: S,
    url: &Url,
    to: &str,
    headers: &[(String, String)],
    crowd: &Crowd,
) -> Result<(Answer, Option<String>), String>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(|e| e.to_string())?;
    let driven = crowd.try_spawn(|stop| async move {
        tokio::select! {
            _ = connection => {}
            () = stop.cancelled() => {}
        }
    });
    if !driven {
        return Err("too many connections at once".to_owned());
    }
    let mut request = Request::get(url.path.as_str()).header(header::CONNECTION, "close");
    let own = |name: &str| headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str());
    request = request.header(header::HOST, own("host").unwrap_or(to));
    for (name, default) in [("user-agent", "kube-probe/1.36"), ("accept", "*/*")] {
        if own(name).is_none() {
            request = request.header(name, default);
        }
    }
    for (name, value) in headers.iter().filter(|(n, v)| !n.eq_ignore_ascii_case("host") && !v.is_empty()) {
        request = request.header(name, value);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
    let response = sender.send_request(request).await.map_err(|e| knarr_daemon::chain(&e))?;
    let code = response.status().as_u16();
    let location = response.headers().get(header::LOCATION).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let body = Limited::new(response.into_body(), MAX_BODY).collect().await;
    let body = body.map(|b| String::from_utf8_lossy(&b.to_bytes()).into_owned()).unwrap_or_default();
    Ok((Answer { code, body, elsewhere: false }, location))
}

/// TLS that believes any certificate: a probe asks whether something answers, not who.
pub(super) fn trusting_tls() -> Arc<rustls::ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let schemes = provider.signature_verification_algorithms.supported_schemes();
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("the provider supports the default versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting(schemes)))
        .with_no_client_auth();
    Arc::new(config)
}

#[derive(Debug)]
struct Trusting(Vec<SignatureScheme>);

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_stay_on_the_host() {
        let from = Url { tls: false, host: "10.0.0.1".into(), port: 8080, path: "/a".into() };
        let show = |location: &str| follow(&from, location).map(|u| u.to_string());
        assert_eq!(show("/b?x=1").as_deref(), Some("http://10.0.0.1:8080/b?x=1"));
        assert_eq!(show("https://10.0.0.1/b").as_deref(), Some("https://10.0.0.1:443/b"));
        assert_eq!(show("http://example.com/"), None);
    }

    #[test]
    fn codes() {
        let outcome = |code, elsewhere| Answer { code, body: String::new(), elsewhere }.outcome();
        assert_eq!(outcome(204, false), Outcome::Success);
        assert_eq!(outcome(399, false), Outcome::Success);
        assert_eq!(outcome(500, false), Outcome::Failure("HTTP probe failed with statuscode: 500".into()));
        assert!(matches!(outcome(302, true), Outcome::Warning(_)));
    }
}
