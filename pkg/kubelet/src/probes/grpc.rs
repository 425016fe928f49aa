//! `grpc.health.v1.Health/Check`: one unary call, two small messages; not worth a gRPC stack.

use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{HeaderMap, Request, client::conn::http2};
use hyper_util::rt::TokioIo;
use knarr_daemon::Crowd;

use super::{Outcome, http::dial};

/// Tasks of HTTP/2 connections belong to a crowd.
#[derive(Clone)]
struct Executor(Crowd);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, future: F) {
        self.0.try_spawn(|_| future);
    }
}

/// Asks `to` for the health of `service`. The caller sets the time limit.
pub(super) async fn health(to: &str, service: &str, crowd: &Crowd) -> Outcome {
    match call(to, service, crowd).await {
        Ok((0, body)) => match serving(&body) {
            1 => Outcome::Success,
            status => Outcome::Failure(format!(
                "service unhealthy (responded with {:?})",
                ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"].get(status).unwrap_or(&"UNKNOWN")
            )),
        },
        Ok((12, _)) => Outcome::Failure(
            "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): code = Unimplemented"
                .to_owned(),
        ),
        Ok((code, _)) => Outcome::Failure(format!("error: health rpc probe failed: code = {code}")),
        Err(e) => Outcome::Failure(format!("error: {e}")),
    }
}

async fn call(to: &str, service: &str, crowd: &Crowd) -> Result<(u32, Bytes), String> {
    let tcp = dial(to).await?;
    let handshake = http2::handshake(Executor(crowd.clone()), TokioIo::new(tcp));
    let (mut sender, connection) = handshake.await.map_err(|e| e.to_string())?;
    if !crowd.try_spawn(|_| async move { drop(connection.await) }) {
        return Err("too many connections at once".to_owned());
    }
    let request = Request::post(format!("http://{to}/grpc.health.v1.Health/Check"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("user-agent", "kube-probe/1.36")
        .body(Full::new(question(service)))
        .map_err(|e| e.to_string())?;
    let response = sender.send_request(request).await.map_err(|e| knarr_daemon::chain(&e))?;
    let (parts, body) = response.into_parts();
    let body = Limited::new(body, 64 * 1024).collect().await.map_err(|e| e.to_string())?;
    let code = status(&parts.headers).or_else(|| body.trailers().and_then(status));
    Ok((code.unwrap_or(2), body.to_bytes()))
}

fn status(headers: &HeaderMap) -> Option<u32> {
    headers.get("grpc-status")?.to_str().ok()?.parse().ok()
}

/// A framed `HealthCheckRequest { service }`.
fn question(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        let mut n = service.len();
        while n >= 0x80 {
            message.put_u8((n as u8 & 0x7f) | 0x80);
            n >>= 7;
        }
        message.put_u8(n as u8);
        message.put_slice(service.as_bytes());
    }
    let mut frame = BytesMut::with_capacity(5 + message.len());
    frame.put_u8(0);
    frame.put_u32(u32::try_from(message.len()).unwrap_or(0));
    frame.extend_from_slice(&message);
    frame.freeze()
}

/// The status in a framed `HealthCheckResponse { status }`; zero where there is none.
fn serving(frame: &[u8]) -> usize {
    match frame.get(5..) {
        Some([0x08, status, ..]) => usize::from(*status),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames() {
        assert_eq!(&question("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&question("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        assert_eq!((serving(&[0, 0, 0, 0, 2, 8, 1]), serving(&[0, 0, 0, 0, 0]), serving(&[])), (1, 0, 0));
    }
}
