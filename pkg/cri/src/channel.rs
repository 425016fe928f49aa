//! gRPC over a unix socket.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};

/// How long a connect may take. The other end is a local process: it answers at once or is not there.
const CONNECT: Duration = Duration::from_secs(3);

/// A channel to `socket` that connects at its first call and again after each loss.
///
/// It must be made inside a tokio runtime.
pub fn unix_channel(socket: impl AsRef<Path>) -> Channel {
    let socket: PathBuf = socket.as_ref().to_owned();
    Endpoint::from_static("http://localhost").connect_timeout(CONNECT).connect_with_connector_lazy(tower::service_fn(
        move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        },
    ))
}
