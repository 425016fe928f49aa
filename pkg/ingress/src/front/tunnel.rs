//! Connections that changed protocols: WebSocket and whatever else upgrades.

use bytes::Bytes;
use http::{
    HeaderValue, Response, StatusCode,
    header::{CONNECTION, UPGRADE},
};
use http_body_util::{Either, Full};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;

use super::{Answer, Front, Refusal};
use crate::{headers, pool::Lease};

impl Front {
    /// Passes a pod's 101 on and joins both connections until one of them ends.
    pub(super) fn tunnel(
        &self,
        response: &mut Response<Incoming>,
        lease: Lease,
        client: OnUpgrade,
    ) -> Result<Answer, Refusal> {
        let pod = hyper::upgrade::on(&mut *response);
        let protocol = response.headers().get(UPGRADE).cloned();
        let joined = self.tunnels.try_spawn(|_| async move {
            // The lease counts the tunnel among what the endpoint has to do.
            let _lease = lease;
            let ends = tokio::try_join!(client, pod);
            let end = match ends {
                Ok((client, pod)) => {
                    let (mut client, mut pod) = (TokioIo::new(client), TokioIo::new(pod));
                    tokio::io::copy_bidirectional(&mut client, &mut pod).await.map(drop)
                }
                Err(e) => Err(std::io::Error::other(e)),
            };
            if let Err(e) = end {
                tracing::debug!(error = %e, "tunnel");
            }
        });
        if !joined {
            return Err(Refusal::Full);
        }
        let mut answer = Response::new(Either::Left(Full::new(Bytes::new())));
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *answer.headers_mut() = std::mem::take(response.headers_mut());
        headers::response(answer.headers_mut());
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        if let Some(protocol) = protocol {
            answer.headers_mut().insert(UPGRADE, protocol);
        }
        Ok(answer)
    }
}
