//! SPDY/3.1, as far as Kubernetes speaks it.
//!
//! [`frame`] is the wire (pure), [`mux`] moves streams over a connection. Deviations from the draft are those of every peer there
//! is: streams are not limited by windows (the implementation that all clients and runtimes use never sends a window
//! update), so a slow stream slows the whole connection through TCP; see [`Stall`] for one that stands still.

mod dictionary;
pub mod frame;
pub mod headers;
mod mux;

pub use frame::{Decoder, Encoder, Frame};
pub use headers::Headers;
pub use mux::{Connection, Opener, Role, Stall, Stream, connection};

/// How a peer breaks SPDY's rules. The connection is of no use after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SpdyError {
    /// Not SPDY/3.
    #[error("unsupported version {0}")]
    Version(u16),
    /// A control frame of more bytes than any we know needs.
    #[error("control frame of {0} bytes")]
    TooLarge(usize),
    /// A control frame with fewer bytes than its kind has.
    #[error("short frame")]
    Short,
    /// Header compression failed.
    #[error("header compression")]
    Compression,
    /// Headers are malformed or too many.
    #[error("malformed headers")]
    Headers,
    /// A stream number of the wrong side or not larger than the ones before.
    #[error("stream {0} cannot be opened")]
    StreamId(u32),
}
