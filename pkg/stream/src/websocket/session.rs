//! Sessions over WebSocket, serving side: five numbered channels.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::{
    io::AsyncWriteExt,
    sync::{Notify, mpsc},
};
use tokio_tungstenite::tungstenite::{self, Message};

use super::{
    accept,
    channels::{CLOSE, Encoding},
    close, linger,
};
use crate::{
    Io, Outcome, Pipe, Size, StreamError,
    pump::{Sizes, next_piece},
    session::ServerEnds,
    upgrade::Version,
};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const ERROR: u8 = 3;
const RESIZE: u8 = 4;

pub(crate) async fn serve_session(
    io: impl Io,
    encoding: Encoding,
    version: Version,
    mut ends: ServerEnds,
) -> Result<(), StreamError> {
    let (mut to, mut from) = accept(io).await.split();
    // Clients take the first message, even an empty one, as the sign that the command runs.
    let first = if ends.stdout.is_some() {
        STDOUT
    } else if ends.stderr.is_some() {
        STDERR
    } else {
        ERROR
    };
    to.send(encoding.encode(first, b"")).await?;

    let blocked = Notify::new();
    let mut input = Input {
        blocked: &blocked,
        encoding,
        version,
        stdin: ends.stdin.take(),
        size: ends.resize.clone(),
        sizes: Sizes::default(),
    };
    drop(ends.resize);
    let output = async {
        let pieces = futures_util::stream::select(pieces(STDOUT, ends.stdout), pieces(STDERR, ends.stderr));
        let mut pieces = std::pin::pin!(pieces);
        loop {
            tokio::select! {
                piece = pieces.next() => match piece {
                    Some((channel, bytes)) => to.send(encoding.encode(channel, &bytes)).await?,
                    None => break,
                },
                () = blocked.notified() => to.send(Message::Pong(Bytes::new())).await?,
            }
        }
        let outcome = ends.outcome.await.unwrap_or_else(|_| Outcome::failure("the command was abandoned"));
        finish(&mut to, encoding, version, &outcome).await
    };
    tokio::select! {
        end = output => end?,
        // The client is gone: the streams of the session end with us.
        end = input.run(&mut from) => return end,
    }
    linger(to, from).await;
    Ok(())
}

async fn finish(
    to: &mut (impl Sink<Message, Error = tungstenite::Error> + Unpin),
    encoding: Encoding,
    version: Version,
    outcome: &Outcome,
) -> Result<(), StreamError> {
    let text = match version {
        Version::Words | Version::Sizes => outcome.to_words(),
        Version::Status | Version::Close => outcome.to_status(),
    };
    if !text.is_empty() {
        to.send(encoding.encode(ERROR, &text)).await?;
    }
    close(to).await
}

/// What comes out of one stream of the command.
fn pieces(channel: u8, pipe: Option<Pipe>) -> impl Stream<Item = (u8, Bytes)> {
    futures_util::stream::unfold((pipe, BytesMut::new()), move |(pipe, mut buffer)| async move {
        let mut pipe = pipe?;
        let bytes = next_piece(&mut pipe, &mut buffer).await?;
        Some(((channel, bytes), (Some(pipe), buffer)))
    })
}

/// How often a client is told that we live while its input waits.
const BEAT: Duration = Duration::from_secs(10);

/// What goes to the command.
struct Input<'a> {
    /// Told while a command takes nothing: pings wait behind the input then, and clients that get no answer give up.
    /// A pong that nobody asked for is as good to them.
    blocked: &'a Notify,
    encoding: Encoding,
    version: Version,
    stdin: Option<Pipe>,
    size: mpsc::Sender<Size>,
    sizes: Sizes,
}

impl Input<'_> {
    /// Until the client is gone.
    async fn run(
        &mut self,
        from: &mut (impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin),
    ) -> Result<(), StreamError> {
        while let Some(message) = from.next().await {
            match message {
                Ok(Message::Close(_)) | Err(tungstenite::Error::ConnectionClosed) => break,
                Ok(message) => {
                    if let Some((channel, bytes)) = self.encoding.decode(message) {
                        self.take(channel, &bytes).await;
                    }
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    async fn take(&mut self, channel: u8, bytes: &[u8]) {
        match channel {
            STDIN => {
                // A command that closed its input does not want more.
                let Some(stdin) = &mut self.stdin else { return };
                let mut write = std::pin::pin!(stdin.write_all(bytes));
                let written = loop {
                    match tokio::time::timeout(BEAT, &mut write).await {
                        Ok(written) => break written,
                        Err(_) => self.blocked.notify_one(),
                    }
                };
                if written.is_err() {
                    self.stdin = None;
                }
            }
            RESIZE => {
                if let Some(size) = self.sizes.feed(bytes) {
                    let _ = self.size.try_send(size);
                }
            }
            CLOSE if self.version == Version::Close && bytes == [STDIN] => self.stdin = None,
            _ => {}
        }
    }
}
