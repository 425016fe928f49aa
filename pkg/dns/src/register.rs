//! The Service `kube-system/kube-dns` and this node's endpoint of it.
//!
//! The Service has no selector and `internalTrafficPolicy: Local`, so every proxy sends the pods of a node to the
//! endpoint of that node, and to nobody where there is none. The server keeps the Service ([`keep_service`]), every
//! node keeps one EndpointSlice ([`ensure_endpoints`]), which belongs to its Node and goes with it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use knarr_api::{Status, Str, Value, value};
use knarr_client::{Api, ApiExt, Cache, Selection, resources};
use knarr_daemon::{Backoff, Stop};
use tokio::sync::Notify;

/// Where the Service is.
pub const NAMESPACE: &str = "kube-system";
/// Its name.
pub const SERVICE: &str = "kube-dns";
/// Who writes both objects.
pub const MANAGER: &str = "knarr-dns";

/// Between two tries, and between two repairs.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
/// After so many failures a person is told: the first ones are a Node or a namespace that is about to be made.
const LOUD: u32 = 5;

/// Makes the Service what it should be. Idempotent.
///
/// # Errors
/// What the API says: the namespace is not there yet, or the Service exists with other addresses.
pub async fn ensure_service(api: &dyn Api, addresses: &[IpAddr]) -> Result<(), Status> {
    api.apply(&resources::SERVICES, NAMESPACE, SERVICE, MANAGER, service(addresses)).await.map(drop)
}

/// Makes this node's EndpointSlices, one per address family, what they should be. Idempotent.
///
/// # Errors
/// What the API says: the Node is not there yet.
pub async fn ensure_endpoints(api: &dyn Api, node: &str, addresses: &[IpAddr]) -> Result<(), Status> {
    let uid = api.get(&resources::NODES, "", node).await?.meta().uid.to_string();
    for address in addresses {
        let (name, slice) = (slice_name(node, *address), slice(node, &uid, *address));
        api.apply(&resources::ENDPOINT_SLICES, NAMESPACE, &name, MANAGER, slice).await?;
    }
    Ok(())
}

/// Keeps the Service until stopped: makes it, and makes it again when it is deleted.
///
/// # Errors
/// None: trouble is logged and tried again.
pub async fn keep_service(api: Arc<dyn Api>, addresses: Vec<IpAddr>, stop: Stop) -> Result<(), Status> {
    let wake = Arc::new(Notify::new());
    let mut only = Selection::all(&resources::SERVICES).fields(&format!("metadata.name={SERVICE}"));
    only.namespace = NAMESPACE.into();
    let woken = wake.clone();
    let cache = Cache::<()>::new();
    let watch = cache.clone().run(
        api.clone(),
        only,
        stop.clone(),
        |_| Some(()),
        move |change| {
            if change.new.is_none() {
                woken.notify_one();
            }
        },
    );
    let write = async {
        // Only what the watch has seen can be seen to go.
        tokio::select! {
            () = cache.synced() => keep(api, Kept::Service(addresses), wake, stop.clone()).await,
            () = stop.cancelled() => {}
        }
    };
    tokio::join!(watch, write).0
}

/// What is kept.
pub(crate) enum Kept {
    Service(Vec<IpAddr>),
    Endpoints { node: String, addresses: Vec<IpAddr> },
}

impl Kept {
    async fn ensure(&self, api: &dyn Api) -> Result<(), Status> {
        match self {
            Self::Service(addresses) => ensure_service(api, addresses).await,
            Self::Endpoints { node, addresses } => ensure_endpoints(api, node, addresses).await,
        }
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Service(_) => "Service",
            Self::Endpoints { .. } => "EndpointSlice",
        }
    }
}

/// Ensures at once and after every wake-up, never twice in quick succession.
pub(crate) async fn keep(api: Arc<dyn Api>, kept: Kept, wake: Arc<Notify>, stop: Stop) {
    let mut backoff = BACKOFF;
    loop {
        let done = kept.ensure(&*api).await;
        let pause = match &done {
            Ok(()) => {
                backoff.reset();
                backoff.clone().next_delay()
            }
            Err(e) => {
                if backoff.failures() == LOUD {
                    tracing::warn!(object = kept.word(), error = %e, "the cluster DNS is not registered");
                }
                backoff.next_delay()
            }
        };
        let wait = async {
            tokio::time::sleep(pause).await;
            if done.is_ok() {
                wake.notified().await;
            }
        };
        tokio::select! {
            () = wait => {}
            () = stop.cancelled() => return,
        }
    }
}

/// `kube-dns-<node>`, and another for the second address family.
pub(crate) fn slice_name(node: &str, address: IpAddr) -> String {
    match address {
        IpAddr::V4(_) => format!("{SERVICE}-{node}"),
        IpAddr::V6(_) => format!("{SERVICE}-{node}-ipv6"),
    }
}

fn service(addresses: &[IpAddr]) -> Value {
    let ips: Vec<Str> = addresses.iter().map(|ip| ip.to_string().into()).collect();
    let mut service = value!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": SERVICE,
            "namespace": NAMESPACE,
            "labels": {
                "k8s-app": SERVICE,
                "kubernetes.io/cluster-service": "true",
                "kubernetes.io/name": "CoreDNS",
            },
        },
        "spec": {
            "type": "ClusterIP",
            "clusterIP": ips.first().cloned().unwrap_or_default(),
            "clusterIPs": ips,
            "internalTrafficPolicy": "Local",
            "ports": [
                { "name": "dns", "protocol": "UDP", "port": 53, "targetPort": 53 },
                { "name": "dns-tcp", "protocol": "TCP", "port": 53, "targetPort": 53 },
            ],
        },
    });
    if addresses.len() > 1 {
        service.set(&["spec", "ipFamilyPolicy"], "RequireDualStack");
    }
    service
}

fn slice(node: &str, uid: &str, address: IpAddr) -> Value {
    value!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": slice_name(node, address),
            "namespace": NAMESPACE,
            "labels": {
                "kubernetes.io/service-name": SERVICE,
                "endpointslice.kubernetes.io/managed-by": MANAGER,
            },
            "ownerReferences": [
                { "apiVersion": "v1", "kind": "Node", "name": node, "uid": uid },
            ],
        },
        "addressType": if address.is_ipv4() { "IPv4" } else { "IPv6" },
        "endpoints": [{
            "addresses": [address.to_string()],
            "conditions": { "ready": true, "serving": true, "terminating": false },
            "nodeName": node,
        }],
        "ports": [
            { "name": "dns", "protocol": "UDP", "port": 53 },
            { "name": "dns-tcp", "protocol": "TCP", "port": 53 },
        ],
    })
}
