//! The network between nodes: each node's pods can be reached from every other, under their own addresses.
//!
//! ```text
//! pod ─▶ veth ─▶ route 10.42.1.0/24 via 10.42.1.1 ─▶ knarr-vxlan: neighbour 10.42.1.1 is 0a:58:0a:2a:01:01
//!                                                      forwards 0a:58:0a:2a:01:01 to 192.0.2.2 ─▶ UDP ─▶ node b
//! ```
//!
//! Per other node there is one route, one neighbour and one forwarding entry, all permanent: nothing is asked, learnt
//! or flooded. Nodes are followed in the API; what the kernel has is read before each change, so whatever happened to
//! it meanwhile is mended ([`plan`]). While the server is away the kernel goes on with what it has.
//!
//! With `host-gw` the route leads to the other node itself. A node says in annotations of its Node which of both it
//! does; two nodes use the tunnel if both have it.

mod kernel;
mod model;
mod plan;
mod watch;

use std::{net::IpAddr, sync::Arc, time::Duration};

use ipnet::Ipv4Net;
use knarr_api::{Status, Value, value};
use knarr_client::{Api, ApiExt as _, Cache, Key, Selection, resources::NODES};
use knarr_daemon::{Backoff, Stop, Tasks};
use tokio::sync::Notify;

pub use self::model::Backend;
use self::{
    model::{ADDRESS, BACKEND, Mac, Peer, Tunnel, announcement},
    plan::{Local, Step, plan, want},
};
use crate::{
    Ipam, Uplink,
    link::{LinkError, Netlink},
};

/// After a change others are waited for: a start of a cluster changes many Nodes at once, and so do our own steps.
const SETTLE: Duration = Duration::from_millis(100);
/// How often the kernel is looked at, whatever it told.
const REPAIR: Duration = Duration::from_secs(300);
/// For telling the server how this node is reached.
const ANNOUNCE: Duration = Duration::from_secs(5);

/// What the overlay of a node needs to know.
#[derive(Clone, Debug)]
pub struct OverlayConfig {
    /// This node.
    pub node: String,
    /// Its address in the cluster.
    pub address: IpAddr,
    /// Addresses of its pods.
    pub pod_cidr: Ipv4Net,
    /// Addresses of all pods.
    pub cluster_cidr: Ipv4Net,
    /// How to reach other nodes.
    pub backend: Backend,
    /// The link to use, if not the one with the node's address.
    pub link: Option<String>,
}

/// The overlay of a node.
#[derive(Debug)]
pub struct Overlay {
    config: OverlayConfig,
    /// What the kernel can do of what was asked for.
    backend: Backend,
    uplink: Uplink,
}

/// The overlay cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum OverlayError {
    /// A link operation failed.
    #[error("join the network of the nodes")]
    Link(#[from] LinkError),
    /// The node's pods have other addresses now: everything of the pod network must be set up again.
    #[error("this node's pod addresses are now {0}")]
    Renumbered(Ipv4Net),
}

impl Overlay {
    /// Finds the way to the other nodes and what the kernel can do.
    ///
    /// # Errors
    /// See [`OverlayError::Link`].
    pub async fn prepare(config: OverlayConfig) -> Result<Self, OverlayError> {
        let (backend, uplink) = Netlink::with(async |n| {
            let uplink = Uplink::find(&n, config.link.as_deref(), config.address).await?;
            Ok((settle(&n, &config, &uplink).await?, uplink))
        })
        .await?;
        Ok(Self { config, backend, uplink })
    }

    /// The largest packet of a pod.
    pub fn mtu(&self) -> u32 {
        self.uplink.mtu.saturating_sub(self.backend.overhead())
    }

    /// The link that leads to the other nodes.
    pub fn uplink(&self) -> &Uplink {
        &self.uplink
    }

    /// Starts following the nodes. `nodes` may read all of them, `own` may change this node's.
    pub fn start(self, nodes: Arc<dyn Api>, own: Arc<dyn Api>, tasks: &Tasks) {
        let cache: Arc<Cache<Peer>> = Cache::new();
        let wake = Arc::new(Notify::new());
        let (follower, told) = (cache.clone(), wake.clone());
        tasks.spawn("overlay: nodes", |stop| {
            follower.run(nodes, Selection::all(&NODES), stop, Peer::project, move |change| {
                if change.old.map(|p| &**p) != change.new.map(|p| &**p) {
                    told.notify_one();
                }
            })
        });
        let told = wake.clone();
        tasks.spawn("overlay: kernel", |stop| watch::run(told, stop));
        let worker = Worker { overlay: self, cache, own };
        tasks.spawn("overlay: worker", |stop| async move { worker.run(&wake, stop).await });
    }

    /// Takes everything of the overlay off this host; nothing may be there.
    ///
    /// # Errors
    /// All that went wrong.
    pub async fn remove() -> Result<(), Vec<LinkError>> {
        let errors = Netlink::with(async |n| Ok(kernel::remove_all(&n).await.err().unwrap_or_default())).await;
        match errors {
            Ok(errors) if errors.is_empty() => Ok(()),
            Ok(errors) => Err(errors),
            Err(e) => Err(vec![e]),
        }
    }
}

/// The backend that this kernel can do. The tunnel is made at once: that is the only sure way to ask.
async fn settle(n: &Netlink, config: &OverlayConfig, uplink: &Uplink) -> Result<Backend, LinkError> {
    if config.backend != Backend::Vxlan || n.find(kernel::LINK).await?.is_some() {
        return Ok(config.backend);
    }
    let mac = Mac::of(Ipam::node_address(config.pod_cidr));
    let mtu = uplink.mtu.saturating_sub(Backend::Vxlan.overhead());
    match kernel::make(n, &Tunnel { mac, local: uplink.address, mtu }).await {
        Ok(_) => Ok(Backend::Vxlan),
        Err(e) if e.is_unsupported() => {
            tracing::warn!(
                "this kernel has no VXLAN (module vxlan): only pods of nodes on the network {} are reached, directly",
                uplink.net
            );
            Ok(Backend::HostGw)
        }
        Err(e) => Err(e),
    }
}

struct Worker {
    overlay: Overlay,
    cache: Arc<Cache<Peer>>,
    own: Arc<dyn Api>,
}

impl Worker {
    /// The one writer. Until all nodes are known nothing is changed: what the last process left keeps working.
    async fn run(&self, wake: &Notify, stop: Stop) -> Result<(), OverlayError> {
        tokio::select! {
            () = self.cache.synced() => {}
            () = stop.cancelled() => return Ok(()),
        }
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        let mut lost = Vec::new();
        loop {
            self.still_ours()?;
            if self.round(&mut lost).await {
                backoff.reset();
                tokio::select! {
                    () = wake.notified() => tokio::time::sleep(SETTLE).await,
                    () = tokio::time::sleep(REPAIR) => {}
                    () = stop.cancelled() => return Ok(()),
                }
            } else {
                // What failed may have changed something, and woken us by that.
                tokio::select! {
                    () = tokio::time::sleep(backoff.next_delay()) => {}
                    () = stop.cancelled() => return Ok(()),
                }
            }
        }
    }

    fn me(&self) -> Option<Arc<Peer>> {
        self.cache.get(&Key::new("", &self.overlay.config.node))
    }

    /// A Node that was deleted and made again may have got other addresses.
    fn still_ours(&self) -> Result<(), OverlayError> {
        match self.me().and_then(|me| me.pods) {
            Some(pods) if pods != self.overlay.config.pod_cidr => Err(OverlayError::Renumbered(pods)),
            _ => Ok(()),
        }
    }

    /// Mends what differs and tells what is news; says whether all of it worked.
    async fn round(&self, lost: &mut Vec<String>) -> bool {
        let uplink = match self.mend(lost).await {
            Ok(uplink) => uplink,
            Err(e) => {
                tracing::warn!(error = %knarr_daemon::chain(&e), "the network between nodes is not as it should be");
                return false;
            }
        };
        let told = self.announce(&uplink).await;
        if let Err(e) = &told {
            tracing::debug!(error = %e, "how this node is reached was not announced");
        }
        told.is_ok()
    }

    /// Reads the kernel, and changes what differs from what the nodes ask for. Every step is tried.
    async fn mend(&self, lost: &mut Vec<String>) -> Result<Uplink, LinkError> {
        let peers = self.cache.list();
        let (uplink, steps) = Netlink::with(async |n| {
            let local = self.local(&n).await?;
            let (want, unreachable) = want(&local, peers.iter().map(|p| &**p));
            if *lost != unreachable {
                unreachable.iter().for_each(|who| tracing::warn!("pods of a node cannot be reached: {who}"));
                *lost = unreachable;
            }
            let seen = kernel::observe(&n).await?;
            let steps = plan(&want, &seen.state, seen.foreign);
            let mut link = seen.link;
            let mut first = None;
            for step in &steps {
                if let Err(e) = kernel::take(&n, step, &mut link).await {
                    first.get_or_insert(e);
                }
            }
            first.map_or(Ok((local.uplink, steps)), Err)
        })
        .await?;
        let routes = steps.iter().filter(|s| matches!(s, Step::AddRoute(..) | Step::RemoveRoute(..))).count();
        if routes > 0 {
            tracing::info!(nodes = peers.len(), routes, backend = %self.overlay.backend, "routes to nodes changed");
        }
        Ok(uplink)
    }

    /// This node as it is now: addresses of the uplink may change.
    async fn local(&self, n: &Netlink) -> Result<Local, LinkError> {
        let OverlayConfig { node, address, pod_cidr, cluster_cidr, backend: _, link } = &self.overlay.config;
        Ok(Local {
            name: node.clone(),
            pods: *pod_cidr,
            cluster: *cluster_cidr,
            backend: self.overlay.backend,
            uplink: Uplink::find(n, link.as_deref(), *address).await?,
        })
    }

    /// Says in this node's Node how it is reached, if it says something else.
    async fn announce(&self, uplink: &Uplink) -> Result<(), Status> {
        let Some(me) = self.me() else { return Ok(()) };
        let config = &self.overlay.config;
        let (backend, address) = announcement(self.overlay.backend, uplink.address, config.address);
        if (me.backend, me.told) == (Some(backend), address) {
            return Ok(());
        }
        let address = address.map_or(Value::Null, |a| a.to_string().into());
        let body = value!({ "metadata": { "annotations": { BACKEND: backend.to_string(), ADDRESS: address } } });
        // A server that is away must not keep us from looking after the kernel.
        let told = tokio::time::timeout(ANNOUNCE, self.own.merge(&NODES, "", &config.node, "", body)).await;
        told.unwrap_or_else(|_| Err(Status::internal("no answer in time"))).map(drop)
    }
}
