//! Streams that a client holds with a container or a pod: exec, attach, port-forward.
//!
//! There are two kinds of streams and many protocols for them. A *session* ([`Session`]) is standard input, output and
//! error, terminal sizes and one [`Outcome`]; a *forward* ([`Forward`]) is a connection to a port of a pod. Every protocol ends in
//! one of these two, so that whoever serves them knows no protocol, and whoever relays them ([`splice`]) can join any two.
//!
//! | protocol | server | client |
//! |---|---|---|
//! | WebSocket `v5.`, `v4.`, and first `channel.k8s.io`, plain and `base64.` | session, forward | – |
//! | WebSocket `binary.k8s.io`, `base64.binary.k8s.io` | one stream out ([`accept_output`]) | – |
//! | SPDY/3.1 `v4.` … first | session, forward | session (towards the runtime) |
//! | SPDY/3.1 inside WebSocket (`SPDY/3.1+portforward.k8s.io`) | forward | – |
//!
//! Nothing is spawned here: a protocol is a future (a *driver*) beside the streams it moves, and its caller owns it. All
//! buffers are bounded; a reader that is slow slows its sender. When a connection is lost, streams end: reads with
//! end of file, writes with a broken pipe.

pub mod client;
mod error;
mod exec;
mod forward;
mod outcome;
mod pump;
mod session;
pub mod spdy;
mod upgrade;
mod websocket;

pub use error::StreamError;
pub use forward::{Forward, Forwards};
pub use outcome::Outcome;
pub use session::{ClientSession, Ending, Options, Session, Size, splice};
pub use upgrade::{Accepted, Refusal, accept_exec, accept_forward, accept_output};

/// A future that moves the bytes of one connection; ends with the connection.
pub type Driver = std::pin::Pin<Box<dyn Future<Output = Result<(), StreamError>> + Send>>;

/// One end of a bounded pipe. Dropping it ends the other end.
pub type Pipe = tokio::io::DuplexStream;

/// How much a pipe holds.
pub(crate) const PIPE: usize = 64 << 10;
/// The largest piece that is put into one frame.
pub(crate) const PIECE: usize = 32 << 10;

/// How long a peer may take to close after the last byte was sent to it.
pub(crate) const LINGER: std::time::Duration = std::time::Duration::from_secs(5);

/// What a connection has to be.
pub trait Io: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static {}
impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static> Io for T {}
