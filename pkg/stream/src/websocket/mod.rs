//! WebSocket: channels numbered by the first byte of a message, and SPDY inside messages.

mod channels;
mod forwards;
mod output;
mod session;
mod tunnel;

pub(crate) use channels::Encoding;
pub(crate) use forwards::serve_forwards;
use futures_util::{
    Sink, SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
pub(crate) use output::serve_output;
pub(crate) use session::serve_session;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};
pub(crate) use tunnel::serve_tunnel;

use crate::{Io, LINGER, StreamError};

/// No client sends messages of more than 64 KiB; others are cut off before they take memory.
const MESSAGE: usize = 1 << 20;

async fn accept<I: Io>(io: I) -> WebSocketStream<I> {
    let config = WebSocketConfig::default()
        .read_buffer_size(16 << 10)
        .write_buffer_size(0)
        .max_write_buffer_size(4 * MESSAGE)
        .max_message_size(Some(MESSAGE))
        .max_frame_size(Some(MESSAGE));
    WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await
}

/// Ends our side. The close frame says "normal": clients take one without a code as a failure.
async fn close(to: &mut (impl Sink<Message, Error = tungstenite::Error> + Unpin)) -> Result<(), StreamError> {
    to.send(Message::Close(Some(CloseFrame { code: CloseCode::Normal, reason: "".into() }))).await?;
    to.close().await?;
    Ok(())
}

/// Reads on for a moment, for closing with unread bytes would cut off what is under way to the client; then says good-bye on the
/// connection itself.
async fn linger<I: Io>(to: SplitSink<WebSocketStream<I>, Message>, mut from: SplitStream<WebSocketStream<I>>) {
    let rest = async { while let Some(Ok(_)) = from.next().await {} };
    let _ = tokio::time::timeout(LINGER, rest).await;
    if let Ok(mut socket) = to.reunite(from) {
        let _ = socket.get_mut().shutdown().await;
    }
}
