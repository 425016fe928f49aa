//! Connecting to a port inside a pod: from a thread that has entered the pod's network namespace.

use std::{
    fs::File,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    time::Duration,
};

use knarr_cri::Runtime;
use nix::sched::{CloneFlags, setns};
use tokio::sync::oneshot;

const TIMEOUT: Duration = Duration::from_secs(5);

/// The path of a sandbox's network namespace; `None` where it is the host's.
pub(super) async fn path(runtime: &dyn Runtime, sandbox: &str) -> io::Result<Option<String>> {
    let status = runtime.pod_sandbox_status(sandbox, true).await.map_err(io::Error::other)?;
    let info = status.info.get("info").map(String::as_str).unwrap_or("{}");
    let info: serde_json::Value = serde_json::from_str(info)?;
    let namespaces = &info["runtimeSpec"]["linux"]["namespaces"];
    let network = namespaces.as_array().and_then(|all| all.iter().find(|n| n["type"] == "network"));
    match network {
        // Without an entry the sandbox lives in the host's namespace; an entry without a path is the process's own.
        None => Ok(None),
        Some(n) => match (n["path"].as_str().filter(|p| !p.is_empty()), info["pid"].as_u64()) {
            (Some(path), _) => Ok(Some(path.to_owned())),
            (None, Some(pid)) => Ok(Some(format!("/proc/{pid}/ns/net"))),
            (None, None) => Err(io::Error::other("the runtime does not tell the pod's network namespace")),
        },
    }
}

/// Connects to `localhost:port` inside the namespace, IPv4 first.
pub(super) async fn dial(namespace: Option<String>, port: u16) -> io::Result<tokio::net::TcpStream> {
    let (tx, rx) = oneshot::channel();
    // A thread that entered a namespace must not serve anything else afterwards: it ends with its one connection.
    std::thread::Builder::new().name("pod-dial".to_owned()).spawn(move || {
        let _ = tx.send(connect(namespace.as_deref(), port));
    })?;
    let stream = rx.await.map_err(|_| io::Error::other("the dialling thread ended early"))??;
    stream.set_nonblocking(true)?;
    tokio::net::TcpStream::from_std(stream)
}

fn connect(namespace: Option<&str>, port: u16) -> io::Result<TcpStream> {
    if let Some(path) = namespace {
        setns(File::open(path)?, CloneFlags::CLONE_NEWNET)?;
    }
    let v4 = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let v6 = SocketAddr::new(IpAddr::V6(Ipv6Addr::LOCALHOST), port);
    TcpStream::connect_timeout(&v4, TIMEOUT).or_else(|e| TcpStream::connect_timeout(&v6, TIMEOUT).map_err(|_| e))
}
