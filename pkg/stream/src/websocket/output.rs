//! One stream of bytes over WebSocket, serving side: logs. What the client says is read and forgotten.

use bytes::BytesMut;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio_tungstenite::tungstenite::{self, Message};

use super::{accept, channels::Encoding, close, linger};
use crate::{Driver, Io, PIPE, Pipe, StreamError, pump::next_piece};

pub(crate) fn serve_output(io: impl Io, encoding: Encoding) -> (Pipe, Driver) {
    let (ours, theirs) = tokio::io::duplex(PIPE);
    let driver = Box::pin(async move {
        let (mut to, mut from) = accept(io).await.split();
        tokio::select! {
            end = send(ours, &mut to, encoding) => end?,
            end = ignore(&mut from) => return end,
        }
        linger(to, from).await;
        Ok(())
    });
    (theirs, driver)
}

async fn send(
    mut pipe: Pipe,
    to: &mut (impl Sink<Message, Error = tungstenite::Error> + Unpin),
    encoding: Encoding,
) -> Result<(), StreamError> {
    // Clients take the first message, even an empty one, as the sign that the log is there.
    to.send(encoding.whole(b"")).await?;
    let mut buffer = BytesMut::new();
    while let Some(bytes) = next_piece(&mut pipe, &mut buffer).await {
        to.send(encoding.whole(&bytes)).await?;
    }
    close(to).await
}

/// Until the client is gone. Pings are answered by reading.
async fn ignore(
    from: &mut (impl Stream<Item = Result<Message, tungstenite::Error>> + Unpin),
) -> Result<(), StreamError> {
    while let Some(message) = from.next().await {
        match message {
            Ok(Message::Close(_)) | Err(tungstenite::Error::ConnectionClosed) => break,
            Ok(_) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(())
}
