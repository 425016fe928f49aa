//! How a connection fails.

use tokio_tungstenite::tungstenite;

/// Why a driver ended before its streams.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The connection was lost.
    #[error("stream connection")]
    Io(#[from] std::io::Error),
    /// The peer broke WebSocket's rules, or one of its frames is too large.
    #[error("websocket")]
    WebSocket(#[source] Box<tungstenite::Error>),
    /// The peer broke SPDY's rules.
    #[error("spdy: {0}")]
    Spdy(#[from] crate::spdy::SpdyError),
    /// The peer broke the rules of the streams inside.
    #[error("{0}")]
    Protocol(String),
    /// Nobody took what a client sent, and others of its channels were to go on.
    #[error("channel {channel} stands still")]
    Stalled {
        /// The channel.
        channel: u8,
    },
    /// The peer did not open its streams in time.
    #[error("the client opened {opened} of {expected} streams in time")]
    Late {
        /// How many came.
        opened: usize,
        /// How many were announced.
        expected: usize,
    },
}

impl From<tungstenite::Error> for StreamError {
    fn from(e: tungstenite::Error) -> Self {
        match e {
            tungstenite::Error::Io(e) => Self::Io(e),
            e => Self::WebSocket(Box::new(e)),
        }
    }
}
