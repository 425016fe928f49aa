//! From the API server to nodes and Services.
//!
//! The agent of this process is reached over an in-memory pipe: it accepts streams as it would accept connections, and
//! trusts them because nobody else can make one. Agents elsewhere are reached at their Node's address, where both sides
//! show certificates: the agent's must be for its node's *name*, because a node says by itself what its address is.
//! Services are reached at a ready endpoint's address.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use knarr_client::{Api, ApiExt as _, BoxIo, NodeDialer, Request, Verb, resources};
use rustls::{ClientConfig, pki_types::ServerName};
use serde::Deserialize;
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
};
use tokio_rustls::TlsConnector;

/// Streams that wait to be accepted by the agent.
const WAITING: usize = 64;
/// Bytes in flight in each direction of a pipe.
const PIPE: usize = 64 << 10;

/// For TCP and TLS to an agent.
const CONNECT: Duration = Duration::from_secs(10);

/// See the module.
pub(crate) struct Dialer {
    agent: OnceLock<(String, mpsc::Sender<BoxIo>)>,
    api: OnceLock<Arc<dyn Api>>,
    tls: watch::Receiver<Arc<ClientConfig>>,
}

impl Dialer {
    /// A dialer that knows nobody yet. `tls` is what the API server shows to agents, and whom it believes.
    pub(crate) fn new(tls: watch::Receiver<Arc<ClientConfig>>) -> Arc<Self> {
        Arc::new(Self { agent: OnceLock::new(), api: OnceLock::new(), tls })
    }

    /// Where Services are looked up.
    pub(crate) fn follow(&self, api: Arc<dyn Api>) {
        let _ = self.api.set(api);
    }

    /// The streams for the agent of `node`.
    pub(crate) fn accept_for(&self, node: &str) -> mpsc::Receiver<BoxIo> {
        let (tx, rx) = mpsc::channel(WAITING);
        let _ = self.agent.set((node.to_owned(), tx));
        rx
    }
}

impl Dialer {
    async fn dial_remote(&self, name: &str) -> io::Result<BoxIo> {
        let api = self.api.get().ok_or(io::ErrorKind::NotFound)?;
        let node = api.get(&resources::NODES, "", name).await;
        let node = node.map_err(|e| io::Error::new(io::ErrorKind::NotFound, e.to_string()))?;
        let node: Node = node.decode().map_err(io::Error::other)?;
        let at = node.place().ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("node {name} has not told its address yet"))
        })?;
        let shown = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let connect = async {
            let stream = TcpStream::connect(at).await?;
            stream.set_nodelay(true)?;
            let tls = self.tls.borrow().clone();
            TlsConnector::from(tls).connect(shown, stream).await
        };
        let refused = |e: io::Error| io::Error::new(e.kind(), format!("dial tcp {at}: {e}"));
        match tokio::time::timeout(CONNECT, connect).await {
            Ok(stream) => Ok(Box::new(stream.map_err(refused)?)),
            Err(_) => Err(refused(io::ErrorKind::TimedOut.into())),
        }
    }
}

#[async_trait]
impl NodeDialer for Dialer {
    async fn dial(&self, node: &str) -> io::Result<BoxIo> {
        let Some((_, agent)) = self.agent.get().filter(|(name, _)| name == node) else {
            return self.dial_remote(node).await;
        };
        let (ours, theirs) = tokio::io::duplex(PIPE);
        agent.send(Box::new(theirs)).await.map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        Ok(Box::new(ours))
    }

    async fn dial_service(&self, namespace: &str, name: &str, port: &str) -> io::Result<BoxIo> {
        let api = self.api.get().ok_or(io::ErrorKind::NotFound)?;
        let refused = |e: &dyn std::fmt::Display| io::Error::new(io::ErrorKind::NotFound, e.to_string());
        let service = api.get(&resources::SERVICES, namespace, name).await.map_err(|e| refused(&e))?;
        let service: Service = service.decode().map_err(|e| refused(&e))?;
        let wanted = service.port(port).ok_or_else(|| refused(&format!("service {name:?} has no port {port:?}")))?;
        let request = Request::new(Verb::List, &resources::ENDPOINT_SLICES)
            .namespace(namespace)
            .options(|o| o.label_selector = format!("kubernetes.io/service-name={name}").into());
        let slices = api.call(request).await.and_then(knarr_client::Reply::into_list).map_err(|e| refused(&e))?;
        let slices = slices.items.iter().filter_map(|o| o.decode::<Slice>().ok());
        let Some(at) = slices.flat_map(|s| s.ready(wanted)).next() else {
            let text = format!("no endpoints available for service {name:?}");
            return Err(io::Error::new(io::ErrorKind::ConnectionRefused, text));
        };
        Ok(Box::new(TcpStream::connect(at).await?))
    }
}

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct NodeStatus {
    addresses: Option<Vec<NodeAddress>>,
    daemon_endpoints: DaemonEndpoints,
}

#[derive(Deserialize)]
struct NodeAddress {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct DaemonEndpoints {
    kubelet_endpoint: KubeletEndpoint,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct KubeletEndpoint {
    #[serde(rename = "Port")]
    port: u16,
}

impl Node {
    /// Where its kubelet is: on the internal address.
    fn place(&self) -> Option<SocketAddr> {
        let addresses = self.status.addresses.iter().flatten().filter(|a| a.kind == "InternalIP");
        let ip = addresses.filter_map(|a| a.address.parse().ok()).next()?;
        let port = self.status.daemon_endpoints.kubelet_endpoint.port;
        Some(SocketAddr::new(ip, if port == 0 { 10250 } else { port }))
    }
}

#[derive(Deserialize)]
struct Service {
    spec: ServiceSpec,
}

#[derive(Deserialize)]
struct ServiceSpec {
    #[serde(default)]
    ports: Vec<Port>,
}

#[derive(Deserialize)]
struct Port {
    #[serde(default)]
    name: String,
    port: u16,
}

impl Service {
    /// The name of a port given by name or number; an empty text means the only port.
    fn port(&self, text: &str) -> Option<&str> {
        let ports = &self.spec.ports;
        let found = match text {
            "" => ports.first().filter(|_| ports.len() == 1),
            text => ports.iter().find(|p| p.name == text || p.port.to_string() == text),
        };
        found.map(|p| p.name.as_str())
    }
}

#[derive(Deserialize)]
struct Slice {
    #[serde(default)]
    endpoints: Option<Vec<Endpoint>>,
    #[serde(default)]
    ports: Option<Vec<SlicePort>>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(default)]
    addresses: Vec<std::net::IpAddr>,
    #[serde(default)]
    conditions: Conditions,
}

#[derive(Deserialize, Default)]
struct Conditions {
    ready: Option<bool>,
}

#[derive(Deserialize)]
struct SlicePort {
    name: Option<String>,
    port: Option<u16>,
}

impl Slice {
    fn ready(self, port: &str) -> Vec<SocketAddr> {
        let ports = self.ports.unwrap_or_default();
        let number = ports.iter().find(|p| p.name.as_deref().unwrap_or_default() == port).and_then(|p| p.port);
        let Some(number) = number else { return Vec::new() };
        let ready = self.endpoints.unwrap_or_default().into_iter().filter(|e| e.conditions.ready.unwrap_or(true));
        ready.filter_map(|e| e.addresses.first().map(|ip| SocketAddr::new(*ip, number))).collect()
    }
}
