//! Port-forwards over plain WebSocket: for each port of the request a channel for bytes (even) and one for errors (odd).
//! The first message of a channel is its port, two bytes, lowest first.

use bytes::{Bytes, BytesMut};
use futures_util::{SinkExt, Stream, StreamExt, stream::SelectAll};
use tokio::{
    io::{AsyncWriteExt, WriteHalf},
    sync::mpsc,
};
use tokio_tungstenite::tungstenite::{self, Message};

use super::{accept, channels::Encoding, close};
use crate::{Driver, Forward, Forwards, Io, PIPE, Pipe, StreamError, forward::STALL, pump::next_piece};

/// Channels are numbered by a byte (base64: by a character from `0` on).
const PORTS: usize = 32;

pub(crate) fn serve_forwards(io: impl Io, encoding: Encoding, ports: &[u16]) -> (Forwards, Driver) {
    let ports: Vec<u16> = ports.iter().copied().take(PORTS).collect();
    let (tx, rx) = mpsc::channel(ports.len().max(1));
    (rx, Box::pin(drive(io, encoding, ports, tx)))
}

async fn drive(
    io: impl Io,
    encoding: Encoding,
    ports: Vec<u16>,
    forwards: mpsc::Sender<Forward>,
) -> Result<(), StreamError> {
    let (mut to, mut from) = accept(io).await.split();
    let mut inbound: Vec<Option<WriteHalf<Pipe>>> = Vec::new();
    let mut outbound = SelectAll::new();
    for (n, port) in (0u8..).step_by(2).zip(ports) {
        for channel in [n, n + 1] {
            to.send(encoding.encode(channel, &port.to_le_bytes())).await?;
        }
        let (data, ours) = tokio::io::duplex(PIPE);
        let (error, errors) = tokio::io::duplex(PIPE);
        let (read, write) = tokio::io::split(ours);
        inbound.push(Some(write));
        outbound.push(pieces(n, read).boxed());
        outbound.push(pieces(n + 1, errors).boxed());
        // There is room for each of them.
        let _ = forwards.try_send(Forward::new(port, data, error));
    }
    drop(forwards);
    let output = async {
        while let Some((channel, bytes)) = outbound.next().await {
            to.send(encoding.encode(channel, &bytes)).await?;
        }
        close(&mut to).await
    };
    let input = async {
        while let Some(message) = from.next().await {
            match message {
                Ok(Message::Close(_)) | Err(tungstenite::Error::ConnectionClosed) => break,
                Ok(message) => {
                    let Some((channel, bytes)) = encoding.decode(message) else { continue };
                    // No message ends one channel alone: a pod that takes nothing costs the connection.
                    let delivered = tokio::time::timeout(STALL, deliver(&mut inbound, channel, &bytes)).await;
                    delivered.map_err(|_| StreamError::Stalled { channel })?;
                }
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

async fn deliver(inbound: &mut [Option<WriteHalf<Pipe>>], channel: u8, bytes: &[u8]) {
    // Nobody may write to an error channel, which is odd.
    let place = inbound.get_mut(usize::from(channel / 2)).filter(|_| channel.is_multiple_of(2));
    if let Some(place) = place
        && let Some(pipe) = place
        && pipe.write_all(bytes).await.is_err()
    {
        *place = None;
    }
}

fn pieces(
    channel: u8,
    from: impl tokio::io::AsyncRead + Unpin + Send + 'static,
) -> impl Stream<Item = (u8, Bytes)> + Send {
    futures_util::stream::unfold((from, BytesMut::new()), move |(mut from, mut buffer)| async move {
        let bytes = next_piece(&mut from, &mut buffer).await?;
        Some(((channel, bytes), (from, buffer)))
    })
}
