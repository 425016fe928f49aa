//! The four ways of asking.

use std::{sync::Arc, time::Duration};

use k8s_openapi::{
    api::core::v1::{Container, HTTPGetAction},
    apimachinery::pkg::util::intstr::IntOrString,
};
use knarr_cri::Runtime;
use knarr_daemon::Crowd;

use super::{Target, grpc, http};
use crate::pod;

/// Most of a command's output that goes into an event.
const MAX_OUTPUT: usize = 10 * 1024;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Healthy.
    Success,
    /// Healthy, but something is odd.
    Warning(String),
    /// Not healthy, and why.
    Failure(String),
    /// The question could not be asked: counts as nothing.
    Error(String),
}

/// Asks containers.
#[derive(Clone)]
pub(crate) struct Checker {
    runtime: Arc<dyn Runtime>,
    connections: Crowd,
    tls: Arc<rustls::ClientConfig>,
}

impl Checker {
    /// `connections` owns the tasks that HTTP connections need.
    pub(crate) fn new(runtime: Arc<dyn Runtime>, connections: Crowd) -> Self {
        Self { runtime, connections, tls: http::trusting_tls() }
    }

    /// One question.
    pub(crate) async fn check(&self, target: &Target, timeout: Duration) -> Outcome {
        let Some(part) = pod::part(&target.pod, &target.container) else {
            return Outcome::Error(format!("container {} is not in the pod", target.container));
        };
        let probe = &target.probe;
        if let Some(exec) = &probe.exec {
            return self.exec(&target.id, exec.command.clone().unwrap_or_default(), timeout).await;
        }
        if let Some(get) = &probe.http_get {
            return match http_url(get, &part.spec, &target.ip) {
                Ok(url) => self.http(&url, get, timeout).await,
                Err(e) => Outcome::Error(e),
            };
        }
        if let Some(tcp) = &probe.tcp_socket {
            let host = tcp.host.clone().filter(|h| !h.is_empty()).unwrap_or_else(|| target.ip.clone());
            return match port(&tcp.port, &part.spec) {
                Ok(port) => tcp_connect(&http::authority(&host, port), timeout).await,
                Err(e) => Outcome::Error(e),
            };
        }
        if let Some(rpc) = &probe.grpc {
            let port = u16::try_from(rpc.port).unwrap_or(0);
            let to = http::authority(&target.ip, port);
            let service = rpc.service.as_deref().unwrap_or_default();
            return match tokio::time::timeout(timeout, grpc::health(&to, service, &self.connections)).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    Outcome::Failure(format!("timeout: health rpc did not complete within {}s", timeout.as_secs()))
                }
            };
        }
        Outcome::Error("missing probe handler".to_owned())
    }

    async fn exec(&self, id: &str, command: Vec<String>, timeout: Duration) -> Outcome {
        let text = command.join(" ");
        match self.runtime.exec_sync(id, command, timeout).await {
            Ok(out) if out.exit_code == 0 => Outcome::Success,
            Ok(out) => {
                let mut text = out.stdout;
                text.extend(out.stderr);
                text.truncate(MAX_OUTPUT);
                Outcome::Failure(String::from_utf8_lossy(&text).into_owned())
            }
            Err(e) if e.is_timeout() => {
                Outcome::Failure(format!("command timed out: {text:?} timed out after {}s", timeout.as_secs()))
            }
            Err(e) => Outcome::Error(e.message),
        }
    }

    /// A GET, for probes.
    async fn http(&self, url: &http::Url, get: &HTTPGetAction, timeout: Duration) -> Outcome {
        let headers = headers(get);
        let asked = http::get(url, &headers, &self.tls, &self.connections);
        match tokio::time::timeout(timeout, asked).await {
            Ok(Ok(answer)) => answer.outcome(),
            Ok(Err(e)) => Outcome::Failure(format!("Get {:?}: {e}", url.to_string())),
            Err(_) => Outcome::Failure(format!(
                "Get {:?}: context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
                url.to_string()
            )),
        }
    }

    /// A GET, for lifecycle hooks.
    ///
    /// # Errors
    /// No answer, or one that is not a success.
    pub(crate) async fn hook(&self, get: &HTTPGetAction, container: &Container, ip: &str) -> Result<(), String> {
        let url = http_url(get, container, ip)?;
        let answer = http::get(&url, &headers(get), &self.tls, &self.connections).await?;
        match answer.outcome() {
            Outcome::Success | Outcome::Warning(_) => Ok(()),
            Outcome::Failure(e) | Outcome::Error(e) => Err(e),
        }
    }
}

fn headers(get: &HTTPGetAction) -> Vec<(String, String)> {
    get.http_headers.iter().flatten().map(|h| (h.name.clone(), h.value.clone())).collect()
}

async fn tcp_connect(to: &str, timeout: Duration) -> Outcome {
    match tokio::time::timeout(timeout, http::dial(to)).await {
        Ok(Ok(_)) => Outcome::Success,
        Ok(Err(e)) => Outcome::Failure(e),
        Err(_) => Outcome::Failure(format!("dial tcp {to}: i/o timeout")),
    }
}

fn http_url(get: &HTTPGetAction, container: &Container, ip: &str) -> Result<http::Url, String> {
    let host = get.host.clone().filter(|h| !h.is_empty()).unwrap_or_else(|| ip.to_owned());
    let path = get.path.as_deref().unwrap_or("/");
    Ok(http::Url {
        tls: get.scheme.as_deref() == Some("HTTPS"),
        host,
        port: port(&get.port, container)?,
        path: if path.starts_with('/') { path.to_owned() } else { format!("/{path}") },
    })
}

/// A port by number or by its name in the container.
pub(crate) fn port(port: &IntOrString, container: &Container) -> Result<u16, String> {
    let number = match port {
        IntOrString::Int(n) => Some(*n),
        IntOrString::String(name) => {
            let ports = container.ports.iter().flatten();
            let named = ports.into_iter().find(|p| p.name.as_deref() == Some(name));
            named.map(|p| p.container_port).or_else(|| name.parse().ok())
        }
    };
    match number.and_then(|n| u16::try_from(n).ok()).filter(|n| *n > 0) {
        Some(port) => Ok(port),
        None => Err(format!("invalid port number: {port:?}")),
    }
}
