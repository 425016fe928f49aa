//! Reaching a node's agent or a Service from the API server.

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream in both directions.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

/// A boxed [`Io`].
pub type BoxIo = Box<dyn Io>;

/// One way to nodes and Services, whatever lies between: an in-process pipe, mTLS, or the agent's outbound tunnel.
///
/// The stream carries plain HTTP/1.1 or HTTP/2 requests to the kubelet; who is calling was checked by the API server
/// and is told to the agent by the transport, never by the request.
#[async_trait]
pub trait NodeDialer: Send + Sync + 'static {
    /// A stream to the agent of `node`.
    ///
    /// # Errors
    /// `NotFound` for an unknown node, otherwise the transport's error.
    async fn dial(&self, node: &str) -> std::io::Result<BoxIo>;

    /// A stream to one ready endpoint of a Service port (name or number).
    ///
    /// # Errors
    /// `NotFound` for an unknown Service or port, `ConnectionRefused` without ready endpoints.
    async fn dial_service(&self, namespace: &str, name: &str, port: &str) -> std::io::Result<BoxIo>;
}
