//! HTTP/1.1 over TLS with connections that are kept: what a client of the API does, and nothing that hides a cost.

use std::{net::SocketAddr, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _};
use serde_json::Value;
use tokio::{net::TcpStream, task::JoinSet};
use tokio_rustls::TlsConnector;

/// Whom to call, and as whom.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    name: String,
    tls: TlsConnector,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// GET, POST, …
    pub(crate) method: &'static str,
    /// Path and query.
    pub(crate) path: String,
    /// Content type of the body, if there is one.
    pub(crate) kind: &'static str,
    /// The body.
    pub(crate) body: Bytes,
}

impl Call {
    /// A GET.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: "GET", path: path.into(), kind: "", body: Bytes::new() }
    }

    /// A DELETE, with options.
    pub(crate) fn delete(path: impl Into<String>, options: &Value) -> Self {
        Self::json("DELETE", path, options)
    }

    /// A POST of JSON.
    pub(crate) fn post(path: impl Into<String>, body: &Value) -> Self {
        Self::json("POST", path, body)
    }

    fn json(method: &'static str, path: impl Into<String>, body: &Value) -> Self {
        Self { method, path: path.into(), kind: "application/json", body: body.to_string().into() }
    }

    /// A PATCH.
    pub(crate) fn patch(path: impl Into<String>, kind: &'static str, body: impl Into<Bytes>) -> Self {
        Self { method: "PATCH", path: path.into(), kind, body: body.into() }
    }
}

/// An open connection.
pub(crate) struct Connection {
    send: http1::SendRequest<Full<Bytes>>,
    host: String,
    /// Drives the connection; ends with it.
    _driver: JoinSet<()>,
}

impl Client {
    /// The administrator of a kubeconfig, calling `address`.
    pub(crate) fn admin(kubeconfig: &str, address: SocketAddr) -> Result<Self> {
        let part = |key: &str| -> Result<Vec<u8>> {
            let line = kubeconfig.lines().find_map(|l| l.trim().strip_prefix(key)?.strip_prefix(": "));
            let line = line.with_context(|| format!("the kubeconfig has no {key}"))?;
            base64::engine::general_purpose::STANDARD.decode(line.trim_matches('"')).context(key.to_owned())
        };
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&part("client-certificate-data")?).collect();
        let key = PrivateKeyDer::from_pem_slice(&part("client-key-data")?).context("read the key")?;
        let identity = Some((chain.context("read the certificate")?, key));
        Self::new(address, &address.ip().to_string(), &part("certificate-authority-data")?, identity)
    }

    /// Nobody, calling a host name at `address`.
    pub(crate) fn anonymous(address: SocketAddr, name: &str, ca: &[u8]) -> Result<Self> {
        Self::new(address, name, ca, None)
    }

    fn new(
        address: SocketAddr,
        name: &str,
        ca: &[u8],
        identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            roots.add(certificate.context("read the CA")?).context("use the CA")?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("choose TLS versions")?
            .with_root_certificates(roots);
        let tls = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).context("use the certificate")?,
        };
        Ok(Self { address, name: name.to_owned(), tls: TlsConnector::from(Arc::new(tls)) })
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> Result<Connection> {
        let tcp = TcpStream::connect(self.address).await.context("connect")?;
        tcp.set_nodelay(true).context("set nodelay")?;
        let name = ServerName::try_from(self.name.clone()).context("a server's name")?;
        let tls = self.tls.connect(name, tcp).await.context("the TLS handshake")?;
        let (send, driver) = http1::handshake(TokioIo::new(tls)).await.context("begin HTTP")?;
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            // How it ends is told by the requests on it.
            let _ = driver.await;
        });
        Ok(Connection { send, host: self.name.clone(), _driver: tasks })
    }

    /// One request on a connection of its own; its answer, if that is a success.
    pub(crate) async fn call(&self, call: Call) -> Result<Value> {
        self.connect().await?.call(call).await
    }
}

impl Connection {
    async fn send(&mut self, call: Call) -> Result<http::Response<Incoming>> {
        let mut request = http::Request::builder()
            .method(call.method)
            .uri(&call.path)
            .header("host", &self.host)
            .header("accept", "application/json");
        if !call.kind.is_empty() {
            request = request.header("content-type", call.kind);
        }
        let request = request.body(Full::new(call.body)).context("a request")?;
        self.send.ready().await.context("the connection")?;
        self.send.send_request(request).await.context("send the request")
    }

    /// Sends, and reads the answer without looking at it; gives the status and the length.
    pub(crate) async fn run(&mut self, call: Call) -> Result<(u16, usize)> {
        let response = self.send(call).await?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            length += frame.context("read the answer")?.data_ref().map_or(0, Bytes::len);
        }
        Ok((status, length))
    }

    /// Sends; gives the answer as JSON, or an error if it is no success.
    pub(crate) async fn call(&mut self, call: Call) -> Result<Value> {
        let what = format!("{} {}", call.method, call.path);
        let response = self.send(call).await.with_context(|| what.clone())?;
        let status = response.status();
        let body = response.into_body().collect().await.with_context(|| what.clone())?.to_bytes();
        ensure!(status.is_success(), "{what}: {status} {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).or_else(|_| Ok(Value::String(String::from_utf8_lossy(&body).into_owned())))
    }

    /// Begins to watch.
    pub(crate) async fn watch(mut self, path: String) -> Result<Watch> {
        let response = self.send(Call::get(path)).await?;
        ensure!(response.status().is_success(), "watch: {}", response.status());
        Ok(Watch { body: response.into_body(), rest: BytesMut::new(), _connection: self })
    }
}

/// A watch: one line an event.
pub(crate) struct Watch {
    body: Incoming,
    rest: BytesMut,
    _connection: Connection,
}

impl Watch {
    /// The next event, not decoded.
    pub(crate) async fn line(&mut self) -> Result<Bytes> {
        loop {
            if let Some(end) = self.rest.iter().position(|b| *b == b'\n') {
                return Ok(self.rest.split_to(end + 1).freeze());
            }
            let frame = self.body.frame().await.context("the watch ended")?.context("read the watch")?;
            self.rest.extend_from_slice(frame.data_ref().map_or(&[][..], |d| d));
        }
    }

    /// The next event: its type and object.
    pub(crate) async fn event(&mut self) -> Result<(String, Value)> {
        let mut event: Value = serde_json::from_slice(&self.line().await?).context("decode an event")?;
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        ensure!(kind != "ERROR", "the watch failed: {}", event["object"]);
        Ok((kind, event["object"].take()))
    }
}
