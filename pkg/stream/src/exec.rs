//! Sessions over SPDY, serving side: the client opens one stream per direction and says in its headers which it is.

use std::time::Duration;

use bytes::BytesMut;
use tokio::{io::AsyncWriteExt, time::Instant};

use crate::{
    Io, Options, Outcome, Pipe, StreamError,
    pump::{Sizes, next_piece},
    session::ServerEnds,
    spdy::{Connection, Role, Stall, Stream, connection},
    upgrade::Version,
};

/// How long a client may take to open its streams.
const OPEN: Duration = Duration::from_secs(30);

pub(crate) async fn serve(
    io: impl Io,
    version: Version,
    options: Options,
    ends: ServerEnds,
) -> Result<(), StreamError> {
    let (connection, mut driver) = connection(io, Role::Server, Stall::Wait);
    tokio::select! {
        end = &mut driver => return end,
        end = session(connection, version, options, ends) => end?,
    }
    // All is said; the driver ends when it is sent.
    driver.await
}

/// The streams of a client, as they come.
#[derive(Default)]
struct Opened {
    error: Option<Pipe>,
    stdin: Option<Pipe>,
    stdout: Option<Pipe>,
    stderr: Option<Pipe>,
    resize: Option<Pipe>,
}

impl Opened {
    fn put(&mut self, stream: Stream) -> Result<(), StreamError> {
        let kind = stream.headers.get("streamType").unwrap_or_default();
        let place = match kind {
            "error" => &mut self.error,
            "stdin" => &mut self.stdin,
            "stdout" => &mut self.stdout,
            "stderr" => &mut self.stderr,
            "resize" => &mut self.resize,
            other => return Err(StreamError::Protocol(format!("invalid stream type {other:?}"))),
        };
        match place.replace(stream.io) {
            None => Ok(()),
            Some(_) => Err(StreamError::Protocol(format!("a second stream of type {kind:?}"))),
        }
    }
}

async fn session(
    mut connection: Connection,
    version: Version,
    options: Options,
    mut ends: ServerEnds,
) -> Result<(), StreamError> {
    let resizable = options.tty && version != Version::Words;
    let expected =
        1 + [options.stdin, options.stdout, options.has_stderr(), resizable].into_iter().filter(|w| *w).count();
    let deadline = Instant::now() + OPEN;
    let mut opened = Opened::default();
    for n in 0..expected {
        match tokio::time::timeout_at(deadline, connection.accept.recv()).await {
            Ok(Some(stream)) => opened.put(stream)?,
            _ => return Err(StreamError::Late { opened: n, expected }),
        }
    }
    let Some(mut error) = opened.error else { return Err(StreamError::Protocol("no error stream".to_owned())) };
    let (size, mut outcome) = (ends.resize, ends.outcome);
    let input = copy(opened.stdin, ends.stdin.take());
    let terminal = async {
        let Some(mut resize) = opened.resize else { return };
        let (mut sizes, mut buffer) = (Sizes::default(), BytesMut::new());
        while let Some(piece) = next_piece(&mut resize, &mut buffer).await {
            if let Some(new) = sizes.feed(&piece) {
                let _ = size.try_send(new);
            }
        }
    };
    let output = async {
        tokio::join!(copy(ends.stdout.take(), opened.stdout), copy(ends.stderr.take(), opened.stderr));
        (&mut outcome).await
    };
    let outcome = tokio::select! {
        outcome = output => outcome,
        _ = async { tokio::join!(input, terminal, std::future::pending::<()>()) } => return Ok(()),
    };
    let outcome = outcome.unwrap_or_else(|_| Outcome::failure("the command was abandoned"));
    let text =
        if matches!(version, Version::Status | Version::Close) { outcome.to_status() } else { outcome.to_words() };
    error.write_all(&text).await?;
    error.shutdown().await?;
    Ok(())
}

pub(crate) async fn copy(from: Option<Pipe>, to: Option<Pipe>) {
    let (Some(mut from), Some(mut to)) = (from, to) else { return };
    // Either end may go at any time; the outcome says what it meant.
    let _ = tokio::io::copy(&mut from, &mut to).await;
    let _ = to.shutdown().await;
}
