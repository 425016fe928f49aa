//! Proxies: `nodes/proxy`, `services/proxy`, `pods/proxy`.

use std::{sync::Arc, time::Duration};

use http::Request;
use knarr_api::{Reason, Status};
use knarr_client::{BoxIo, resources};
use tokio::net::TcpStream;

use super::{get, pass, pod::Pod, proxied, split_name};
use crate::{
    chain::{Ask, Face},
    reply::{Body, Reply},
};

/// For the connection to a pod.
const CONNECT: Duration = Duration::from_secs(10);

/// The parts of a proxied name. Backends are spoken to in plain HTTP.
fn parts(ask: &Ask) -> Result<(&str, &str), Status> {
    let what = ask.info.resource.trim_end_matches('s');
    match split_name(&ask.info.name) {
        None => Err(Status::bad_request(format!("invalid {what} request {:?}", ask.info.name))),
        Some(("https", ..)) => Err(Status::bad_request("proxying to an https backend is not supported")),
        Some((_, name, port)) => Ok((name, port)),
    }
}

async fn pass_on(face: &Arc<Face>, ask: &Ask, io: BoxIo, request: Request<Body>, host: &str) -> Result<Reply, Status> {
    let path = proxied(request.uri(), &ask.info);
    pass::through(face, io, request, &path, host).await
}

pub(super) async fn node(face: &Arc<Face>, ask: &Ask, request: Request<Body>) -> Result<Reply, Status> {
    let (name, _) = parts(ask)?;
    get(face, ask, &resources::NODES, name).await?;
    let io = face.nodes.dial(name).await.map_err(|e| pass::unreachable(&e))?;
    pass_on(face, ask, io, request, name).await
}

pub(super) async fn service(face: &Arc<Face>, ask: &Ask, request: Request<Body>) -> Result<Reply, Status> {
    #[derive(serde::Deserialize)]
    struct Service {
        spec: Spec,
    }
    #[derive(serde::Deserialize)]
    struct Spec {
        ports: Option<Vec<Port>>,
    }
    #[derive(serde::Deserialize)]
    struct Port {
        port: u16,
    }
    let (name, port) = parts(ask)?;
    let object = get(face, ask, &resources::SERVICES, name).await?;
    let mut port = port.to_owned();
    if port.is_empty() {
        let service: Service = object.decode().map_err(Status::internal)?;
        port = service.spec.ports.iter().flatten().map(|p| p.port.to_string()).next().unwrap_or_default();
    }
    let io = face.nodes.dial_service(&ask.info.namespace, name, &port).await.map_err(|e| {
        let why = match e.kind() {
            std::io::ErrorKind::ConnectionRefused => format!("no endpoints available for service {:?}", ask.info.name),
            std::io::ErrorKind::NotFound => format!("no service port {port:?} found for service {name:?}"),
            _ => format!("error trying to reach service: {e}"),
        };
        Status::new(Reason::ServiceUnavailable, why)
    })?;
    pass_on(face, ask, io, request, &format!("{name}:{port}")).await
}

pub(super) async fn pod(face: &Arc<Face>, ask: &Ask, request: Request<Body>) -> Result<Reply, Status> {
    let (name, port) = parts(ask)?;
    let pod = Pod::of(&get(face, ask, &resources::PODS, name).await?)?;
    let address: std::net::IpAddr = pod.status.ip.parse().map_err(|_| Status::bad_request("address not allowed"))?;
    if address.is_loopback() || address.is_multicast() || address.is_unspecified() || is_link_local(address) {
        return Err(Status::bad_request("address not allowed"));
    }
    let port = match port {
        "" => pod.first_port().unwrap_or(80),
        port => port.parse().map_err(|_| Status::bad_request(format!("invalid pod request {:?}", ask.info.name)))?,
    };
    let connect = tokio::time::timeout(CONNECT, TcpStream::connect((address, port))).await;
    let stream = connect.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()));
    let stream = stream.map_err(|e| {
        Status::new(
            Reason::ServiceUnavailable,
            format!("error trying to reach service: dial tcp {address}:{port}: {e}"),
        )
    })?;
    pass_on(face, ask, Box::new(stream), request, &std::net::SocketAddr::new(address, port).to_string()).await
}

fn is_link_local(address: std::net::IpAddr) -> bool {
    match address {
        std::net::IpAddr::V4(v4) => v4.is_link_local(),
        std::net::IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}
