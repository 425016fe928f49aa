//! Sessions over WebSocket, serving side: five numbered channels.

use bytes::{Bytes, BytesMut};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::{io::AsyncWriteExt, sync::mpsc};
use tokio_tungstenite::tungstenite::{self, Message};

use super::{
    accept,
    channels::{CLOSE, Encoding},
    close,
};
use crate::{
    Io, LINGER, Outcome, Pipe, Size, StreamError,
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

    let mut input =
        Input { encoding, version, stdin: ends.stdin.take(), size: ends.resize.clone(), sizes: Sizes::default() };
    drop(ends.resize);
    let output = async {
        let pieces = futures_util::stream::select(pieces(STDOUT, ends.stdout), pieces(STDERR, ends.stderr));
        let mut pieces = std::pin::pin!(pieces);
        while let Some((channel, bytes)) = pieces.next().await {
            to.send(encoding.encode(channel, &bytes)).await?;
        }
        let outcome = ends.outcome.await.unwrap_or_else(|_| Outcome::failure("the command was abandoned"));
        finish(&mut to, encoding, version, &outcome).await
    };
    tokio::select! {
        end = output => end?,
        // The client is gone: the streams of the session end with us.
        end = input.run(&mut from) => return end,
    }
    // Closing with unread bytes would cut off what is under way to the client.
    let rest = async { while let Some(Ok(_)) = from.next().await {} };
    let _ = tokio::time::timeout(LINGER, rest).await;
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

/// What goes to the command.
struct Input {
    encoding: Encoding,
    version: Version,
    stdin: Option<Pipe>,
    size: mpsc::Sender<Size>,
    sizes: Sizes,
}

impl Input {
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
                if let Some(stdin) = &mut self.stdin
                    && stdin.write_all(bytes).await.is_err()
                {
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
