//! What a cluster has before anybody asks for it.
//!
//! Run once the registry is up, before the server listens. Every step is idempotent: on the next start what is there
//! stays as it is, apart from the addresses of this API server.

use std::net::IpAddr;

use knarr_api::{Reason, Status, Value, value};
use knarr_client::{PatchKind, Request, Resource, Verb, resources};

use super::{Registry, allocate};
use crate::{Caller, User};

/// Who does it, in audit and `managedFields`.
const MANAGER: &str = "kube-apiserver";

/// Where this API server can be reached by pods.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its address on the network.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
}

/// Creates what is missing.
///
/// # Errors
/// The first step that failed.
pub async fn run(registry: &Registry, endpoint: &Endpoint) -> Result<(), Status> {
    for name in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        create(registry, &resources::NAMESPACES, "", value!({ "metadata": { "name": name } })).await?;
    }
    for (name, value, description) in [
        (
            "system-cluster-critical",
            2_000_000_000,
            "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
        ),
        (
            "system-node-critical",
            2_000_001_000,
            "Used for system critical pods that must not be moved from their current node.",
        ),
    ] {
        let class = value!({ "metadata": { "name": name }, "value": value, "description": description });
        create(registry, &resources::PRIORITY_CLASSES, "", class).await?;
    }
    let ranges: Vec<String> = registry.allocator.network.ranges.iter().map(|r| r.trunc().to_string()).collect();
    let cidr = value!({ "metadata": { "name": "kubernetes" }, "spec": { "cidrs": ranges } });
    create(registry, &service_cidrs(), "", cidr).await?;
    if let Some(primary) = registry.allocator.network.ranges.first() {
        let address = allocate::nth(primary, 0).to_string();
        create(registry, &resources::SERVICES, "default", service(&address, endpoint.port)).await?;
    }
    apply(registry, &resources::ENDPOINT_SLICES, slice(endpoint)).await?;
    apply(registry, &resources::ENDPOINTS, endpoints(endpoint)).await
}

fn service_cidrs() -> Resource {
    Resource {
        group: "networking.k8s.io".into(),
        version: "v1".into(),
        plural: "servicecidrs".into(),
        kind: "ServiceCIDR".into(),
        namespaced: false,
    }
}

fn caller() -> Caller {
    let user = User::new("system:apiserver", &["system:masters", "system:authenticated"]);
    Caller { user: user.into(), manager: MANAGER.into() }
}

async fn create(registry: &Registry, resource: &Resource, namespace: &str, body: Value) -> Result<(), Status> {
    let name = body.str_at(&["metadata", "name"]).to_owned();
    let there = Request::new(Verb::Get, resource).namespace(namespace).name(&name);
    if registry.execute(&caller(), there).await.is_ok() {
        return Ok(());
    }
    let mut request = Request::new(Verb::Create, resource).namespace(namespace).body(body);
    registry.intake(&mut request)?;
    match registry.execute(&caller(), request).await {
        Err(status) if !status.is(Reason::AlreadyExists) => Err(status),
        _ => Ok(()),
    }
}

async fn apply(registry: &Registry, resource: &Resource, body: Value) -> Result<(), Status> {
    let request = Request::new(Verb::Patch(PatchKind::Apply), resource).namespace("default").name("kubernetes");
    let request = request.body(body).options(|o| {
        o.force = true;
        o.field_manager = MANAGER.into();
    });
    registry.execute(&caller(), request).await.map(drop)
}

fn service(address: &str, port: u16) -> Value {
    value!({
        "metadata": { "name": "kubernetes", "labels": { "component": "apiserver", "provider": "kubernetes" } },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": address,
            "sessionAffinity": "None",
            "ports": [{ "name": "https", "port": 443, "protocol": "TCP", "targetPort": i64::from(port) }],
        },
    })
}

fn slice(endpoint: &Endpoint) -> Value {
    let addresses = vec![endpoint.address.to_string()];
    value!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": { "name": "kubernetes", "labels": { "kubernetes.io/service-name": "kubernetes" } },
        "addressType": if endpoint.address.is_ipv4() { "IPv4" } else { "IPv6" },
        "endpoints": [{ "addresses": addresses, "conditions": { "ready": true } }],
        "ports": [{ "name": "https", "port": i64::from(endpoint.port), "protocol": "TCP" }],
    })
}

fn endpoints(endpoint: &Endpoint) -> Value {
    value!({
        "apiVersion": "v1",
        "kind": "Endpoints",
        // The slice is written above; nobody need make another of this.
        "metadata": { "name": "kubernetes", "labels": { "endpointslice.kubernetes.io/skip-mirror": "true" } },
        "subsets": [{
            "addresses": [{ "ip": endpoint.address.to_string() }],
            "ports": [{ "name": "https", "port": i64::from(endpoint.port), "protocol": "TCP" }],
        }],
    })
}
