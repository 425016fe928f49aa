//! A small HTTP/1.1 client over TLS: requests that kubectl would never send, and a load that counts every failure.
//!
//! Nothing is retried: a connection that breaks is the caller's to count.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use knarr_pki::pem;
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use rustls_pki_types::ServerName;
use tokio_tungstenite::tungstenite;

/// How long one read or write may take.
const LIMIT: Duration = Duration::from_secs(20);

/// Whom to call, and as whom.
#[derive(Clone, Debug)]
pub struct Client {
    address: SocketAddr,
    name: String,
    tls: Arc<ClientConfig>,
    token: Option<String>,
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body).with_context(|| format!("read as JSON: {}", self.text()))
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

/// An open connection.
pub struct Connection {
    stream: BufReader<Tls>,
    host: String,
    token: Option<String>,
    /// Whether the server goes on after the last answer.
    pub alive: bool,
}

impl Client {
    /// Calls `name` at `address`, believes `ca` (PEM), and shows `identity` (certificate and key, PEM) if there is one.
    pub fn new(address: SocketAddr, name: &str, ca: &str, identity: Option<(&str, &str)>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in pem::certificates(ca.as_bytes(), "the CA")? {
            roots.add(certificate).context("use the CA")?;
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .context("choose TLS versions")?
            .with_root_certificates(roots);
        let tls = match identity {
            None => builder.with_no_client_auth(),
            Some((chain, key)) => {
                let chain = pem::certificates(chain.as_bytes(), "the certificate")?;
                let key = pem::key(key.as_bytes(), "the key")?;
                builder.with_client_auth_cert(chain, key).context("use the certificate")?
            }
        };
        Ok(Self { address, name: name.to_owned(), tls: Arc::new(tls), token: None })
    }

    /// The same with a bearer token.
    pub fn with_token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Opens a connection.
    pub fn connect(&self) -> Result<Connection> {
        let tcp = TcpStream::connect_timeout(&self.address, Duration::from_secs(5)).context("connect")?;
        tcp.set_read_timeout(Some(LIMIT)).context("set a limit")?;
        tcp.set_write_timeout(Some(LIMIT)).context("set a limit")?;
        tcp.set_nodelay(true).context("set nodelay")?;
        let name = ServerName::try_from(self.name.clone()).context("a server's name")?;
        let mut tls = ClientConnection::new(self.tls.clone(), name).context("begin TLS")?;
        let mut tcp = tcp;
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp).context("the TLS handshake")?;
        }
        let stream = BufReader::new(Tls { session: tls, socket: tcp });
        Ok(Connection { stream, host: self.name.clone(), token: self.token.clone(), alive: true })
    }

    /// What the server shows now, DER.
    pub fn shown(&self) -> Result<Vec<u8>> {
        let connection = self.connect()?;
        let chain = connection.stream.get_ref().session.peer_certificates();
        let first = chain.and_then(|c| c.first()).context("the server shows no certificate")?;
        Ok(first.as_ref().to_vec())
    }

    /// One request on a connection of its own.
    pub fn request(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Response> {
        self.connect()?.request(method, path, kind, body)
    }

    /// GET, in the name of someone else.
    pub fn request_as(&self, user: &str, path: &str) -> Result<Response> {
        let mut connection = self.connect()?;
        connection.begin(&format!("GET {path}"), &format!("Impersonate-User: {user}\r\n"))?;
        connection.answer()
    }

    /// GET.
    pub fn get(&self, path: &str) -> Result<Response> {
        self.request("GET", path, "", b"")
    }
}

/// A TLS stream that can be read after writing to it has failed: a server may answer and close while we still send.
pub struct Tls {
    session: ClientConnection,
    socket: TcpStream,
}

impl Tls {
    fn send(&mut self, mut bytes: &[u8]) -> std::io::Result<()> {
        while !bytes.is_empty() {
            let n = self.session.writer().write(bytes)?;
            bytes = &bytes[n..];
            while self.session.wants_write() {
                self.session.write_tls(&mut self.socket)?;
            }
        }
        Ok(())
    }
}

impl std::io::Read for Tls {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.session.reader().read(into) {
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                done => return done,
            }
            let n = self.session.read_tls(&mut self.socket)?;
            self.session.process_new_packets().map_err(std::io::Error::other)?;
            if n == 0 {
                return self.session.reader().read(into);
            }
        }
    }
}

impl std::io::Write for Tls {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.send(bytes).map(|()| bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Connection {
    /// Sends a request and reads the answer. `kind` is the body's content type.
    pub fn request(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Response> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\nAccept: application/json\r\n", self.host);
        if let Some(token) = &self.token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        if !kind.is_empty() {
            head.push_str(&format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let stream = self.stream.get_mut();
        stream.send(head.as_bytes()).context("send the request")?;
        // A server may answer and close before it has read all of a body that it refuses.
        let sent = stream.send(body);
        let answer = self.answer();
        match (answer, sent) {
            (Ok(answer), _) => Ok(answer),
            (Err(e), Ok(())) => Err(e),
            (Err(e), Err(sent)) => Err(e.context(format!("after sending failed: {sent}"))),
        }
    }

    /// Sends a request without a body, with these header lines.
    fn begin(&mut self, request: &str, headers: &str) -> Result<()> {
        let mut head = format!("{request} HTTP/1.1\r\nHost: {}\r\n{headers}", self.host);
        if let Some(token) = &self.token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        head.push_str("\r\n");
        self.stream.get_mut().send(head.as_bytes()).context("send the request")
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let n = self.stream.read_line(&mut line).context("read the answer")?;
        ensure!(n > 0, "the connection was closed where an answer was due");
        Ok(line.trim_end().to_owned())
    }

    fn answer(&mut self) -> Result<Response> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|s| s.parse().ok());
        let status = status.with_context(|| format!("a status line: {first:?}"))?;
        let mut response = Response { status, headers: Vec::new(), body: Vec::new() };
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            response.headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        self.alive = response.header("connection") != Some("close");
        let length = response.header("content-length").map(str::parse::<usize>);
        if response.header("transfer-encoding") == Some("chunked") {
            response.body = self.chunks()?;
        } else if let Some(length) = length {
            response.body = vec![0; length.context("a content length")?];
            self.stream.read_exact(&mut response.body).context("read the body")?;
        } else if ![101, 204].contains(&status) {
            bail!("an answer {status} without a length");
        }
        Ok(response)
    }

    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.line()?;
            let size = usize::from_str_radix(&line, 16).with_context(|| format!("a chunk's size: {line:?}"))?;
            let begin = body.len();
            body.resize(begin + size, 0);
            self.stream.read_exact(&mut body[begin..]).context("read a chunk")?;
            self.line().context("a chunk's end")?;
            if size == 0 {
                return Ok(body);
            }
        }
    }
}

/// A WebSocket to the API server.
pub type Socket = tungstenite::WebSocket<Tls>;

impl Client {
    /// Asks for a WebSocket of one of `protocols` (comma-separated); gives it and the protocol chosen.
    pub fn websocket(&self, path: &str, protocols: &str) -> Result<(Socket, String)> {
        let mut connection = self.connect()?;
        let protocols =
            if protocols.is_empty() { String::new() } else { format!("Sec-WebSocket-Protocol: {protocols}\r\n") };
        let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        connection.begin(&format!("GET {path}"), &format!("{upgrade}{protocols}"))?;
        let answer = connection.answer()?;
        ensure!(answer.status == 101, "no WebSocket but {}: {}", answer.status, answer.text());
        ensure!(answer.header("sec-websocket-accept") == Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{:?}", answer.headers);
        let chosen = answer.header("sec-websocket-protocol").unwrap_or_default().to_owned();
        // The server may have spoken already.
        let (ahead, role) = (connection.stream.buffer().to_vec(), tungstenite::protocol::Role::Client);
        let tls = connection.stream.into_inner();
        Ok((tungstenite::WebSocket::from_partially_read(tls, ahead, role, None), chosen))
    }
}
