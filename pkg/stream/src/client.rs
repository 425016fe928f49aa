//! Sessions over SPDY, asking side: towards the runtime's streaming URL, or towards another server.

use bytes::BytesMut;
use http::Uri;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    ClientSession, Driver, Io, Options, Outcome, Pipe, StreamError,
    exec::copy,
    pump::next_piece,
    session::ClientEnds,
    spdy::{Connection, Headers, Opener, Role, Stall, connection},
};

/// The head of an answer is smaller.
const HEAD: usize = 16 << 10;
/// An error message is cut here.
const MESSAGE: usize = 4 << 10;
/// A `Status` on the error stream is smaller.
const STATUS: u64 = 64 << 10;

/// Why a server did not switch to SPDY.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    /// The connection failed.
    #[error("connect to the streaming server")]
    Io(#[from] std::io::Error),
    /// The URL is none that we can use.
    #[error("streaming URL {0}")]
    Url(String),
    /// It answered something else.
    #[error("the streaming server answered {status}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The body, as far as it is short.
        message: String,
    },
}

/// Where a streaming URL (`http://127.0.0.1:40000/exec/token`) points: address to connect to.
pub fn address(url: &str) -> Result<String, UpgradeError> {
    let uri: Uri = url.parse().map_err(|_| UpgradeError::Url(url.to_owned()))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some("http"), Some(authority)) if authority.port().is_some() => Ok(authority.to_string()),
        _ => Err(UpgradeError::Url(url.to_owned())),
    }
}

/// Asks for SPDY on a fresh connection to the server of `url`. Read-ahead bytes are kept.
///
/// Written by hand: it is one request to a process on this machine, and an HTTP client would want a task of its own.
pub async fn upgrade<I: Io>(mut io: I, url: &str, protocol: &str) -> Result<Upgraded<I>, UpgradeError> {
    let uri: Uri = url.parse().map_err(|_| UpgradeError::Url(url.to_owned()))?;
    let (Some(authority), Some(path)) = (uri.authority(), uri.path_and_query()) else {
        return Err(UpgradeError::Url(url.to_owned()));
    };
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\
         X-Stream-Protocol-Version: {protocol}\r\nContent-Length: 0\r\n\r\n"
    );
    io.write_all(request.as_bytes()).await?;
    let mut buffer = BytesMut::with_capacity(1024);
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break buffer.split_to(end + 4);
        }
        if buffer.len() > HEAD || io.read_buf(&mut buffer).await? == 0 {
            return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
        }
    };
    match status_of(&head) {
        Some(101) => Ok(Upgraded { ahead: buffer, io }),
        status => {
            // The rest is only words; whatever comes within a moment will do.
            let words =
                async { while buffer.len() < MESSAGE && io.read_buf(&mut buffer).await.is_ok_and(|n| n > 0) {} };
            let _ = tokio::time::timeout(std::time::Duration::from_secs(1), words).await;
            buffer.truncate(MESSAGE);
            let message = String::from_utf8_lossy(&buffer).trim().to_owned();
            Err(UpgradeError::Refused { status: status.unwrap_or(0), message })
        }
    }
}

fn status_of(head: &[u8]) -> Option<u16> {
    std::str::from_utf8(head).ok()?.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()
}

/// A connection that switched protocols.
#[derive(Debug)]
pub struct Upgraded<I> {
    ahead: BytesMut,
    io: I,
}

/// Opens the streams of a session on an upgraded connection (protocol `v4.channel.k8s.io`).
pub fn exec<I: Io>(upgraded: Upgraded<I>, options: Options) -> (ClientSession, Driver) {
    let (session, ends) = options.client();
    let Upgraded { ahead, io } = upgraded;
    let (from, to) = tokio::io::split(io);
    let io = tokio::io::join(std::io::Cursor::new(ahead).chain(from), to);
    let (connection, driver) = connection(io, Role::Client, Stall::Wait);
    let both = Box::pin(async move {
        let mut work = std::pin::pin!(run(connection, options, ends));
        tokio::select! {
            end = &mut work => end,
            // The server closes after its last byte, which may still be on its way out of a pipe.
            end = driver => work.await.and(end),
        }
    });
    (session, both)
}

async fn open(opener: &Opener, kind: &str, wanted: bool) -> Result<Option<Pipe>, StreamError> {
    if !wanted {
        return Ok(None);
    }
    let stream = opener.open(Headers::new([("streamType", kind)])).await;
    stream.map(|s| Some(s.io)).ok_or_else(|| std::io::Error::from(std::io::ErrorKind::BrokenPipe).into())
}

async fn run(connection: Connection, options: Options, mut ends: ClientEnds) -> Result<(), StreamError> {
    let opener = connection.opener;
    // In this order: servers write errors of starting before anything else.
    let error = open(&opener, "error", true).await?;
    let stdin = open(&opener, "stdin", options.stdin).await?;
    let stdout = open(&opener, "stdout", options.stdout).await?;
    let stderr = open(&opener, "stderr", options.has_stderr()).await?;
    let resize = open(&opener, "resize", options.tty).await?;

    let input = copy(ends.stdin.take(), stdin);
    let terminal = async {
        let Some(mut resize) = resize else { return };
        while let Some(size) = ends.resize.recv().await {
            let text = serde_json::to_vec(&size).expect("two numbers are JSON");
            if resize.write_all(&text).await.is_err() {
                return;
            }
        }
    };
    let output = async {
        let status = async {
            let mut text = Vec::new();
            if let Some(error) = error {
                let _ = error.take(STATUS).read_to_end(&mut text).await;
            }
            text
        };
        let (status, (), ()) = tokio::join!(status, half(stdout, ends.stdout.take()), half(stderr, ends.stderr.take()));
        status
    };
    let never = async {
        tokio::join!(input, terminal);
        std::future::pending::<()>().await;
    };
    let status = tokio::select! {
        status = output => status,
        () = never => Vec::new(),
    };
    // A server of version 4 always says how it ended. Whoever asked may have gone.
    if !status.is_empty() {
        let _ = ends.outcome.send(Outcome::parse(&status));
    }
    Ok(())
}

/// Copies what the command says. When nobody listens any more, the rest is thrown away: the command must not block.
async fn half(from: Option<Pipe>, to: Option<Pipe>) {
    let (Some(mut from), Some(mut to)) = (from, to) else { return };
    let mut buffer = BytesMut::new();
    let mut listening = true;
    while let Some(bytes) = next_piece(&mut from, &mut buffer).await {
        listening = listening && to.write_all(&bytes).await.is_ok();
    }
    let _ = to.shutdown().await;
}
