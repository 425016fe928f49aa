//! One question to an agent.

use std::{io, time::Duration};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use knarr_client::NodeDialer;

use super::text::{self, Sample};

/// How long an agent may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer: a full node has some 100 kB.
const LARGEST: usize = 8 << 20;

/// What the agent of a node measures now.
///
/// # Errors
/// It cannot be reached, or answers something else.
pub(super) async fn sample(nodes: &dyn NodeDialer, node: &str) -> io::Result<Sample> {
    tokio::time::timeout(PATIENCE, ask(nodes, node)).await?
}

async fn ask(nodes: &dyn NodeDialer, node: &str) -> io::Result<Sample> {
    let io = nodes.dial(node).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.map_err(io::Error::other)?;
    let request = Request::get("/metrics/resource").header("host", node).body(Empty::<Bytes>::new());
    let request = request.map_err(io::Error::other)?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        let status = response.status();
        if !status.is_success() {
            return Err(io::Error::other(format!("the agent answered {status}")));
        }
        let body = Limited::new(response.into_body(), LARGEST).collect().await.map_err(io::Error::other)?;
        Ok(text::parse(&String::from_utf8_lossy(&body.to_bytes())))
    };
    tokio::pin!(answer);
    // The connection moves only while it is waited for; when it ends first, what it brought may still be to be read.
    tokio::select! {
        biased;
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}
