//! SPDY inside the binary messages of a WebSocket: newer clients port-forward so, since proxies pass WebSocket on.

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::{self, Message};

use super::{accept, close};
use crate::{Driver, Forwards, Io, PIPE, StreamError, forward, pump::next_piece};

pub(crate) fn serve_tunnel(io: impl Io) -> (Forwards, Driver) {
    let (inner, outer) = tokio::io::duplex(PIPE);
    let (forwards, spdy) = forward::serve(inner);
    let driver = Box::pin(async move {
        let (moved, spoken) = tokio::join!(relay(io, outer), spdy);
        moved.and(spoken)
    });
    (forwards, driver)
}

/// Messages ↔ bytes, until one side ends.
async fn relay(io: impl Io, pipe: crate::Pipe) -> Result<(), StreamError> {
    let (mut to, mut from) = accept(io).await.split();
    let (mut read, mut write) = tokio::io::split(pipe);
    let output = async {
        let mut buffer = BytesMut::new();
        while let Some(bytes) = next_piece(&mut read, &mut buffer).await {
            to.send(Message::Binary(bytes)).await?;
        }
        close(&mut to).await
    };
    let input = async {
        while let Some(message) = from.next().await {
            match message {
                Ok(Message::Binary(bytes)) => {
                    if write.write_all(&bytes).await.is_err() {
                        break;
                    }
                }
                Ok(Message::Close(_)) | Err(tungstenite::Error::ConnectionClosed) => break,
                Ok(_) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok::<_, StreamError>(())
    };
    tokio::select! {
        end = output => end,
        end = input => end,
    }
}
