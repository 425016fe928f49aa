//! WebSocket: channels numbered by the first byte of a message, and SPDY inside messages.

mod channels;
mod forwards;
mod session;
mod tunnel;

pub(crate) use channels::Encoding;
pub(crate) use forwards::serve_forwards;
pub(crate) use session::serve_session;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::protocol::{Role, WebSocketConfig},
};
pub(crate) use tunnel::serve_tunnel;

use crate::Io;

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
