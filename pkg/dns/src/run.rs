//! The ring: informers tell the zone, sockets ask it.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::Arc,
};

use hickory_proto::ProtoError;
use ipnet::IpNet;
use knarr_api::Status;
use knarr_client::{Api, Cache, Change, Selection, resources};
use knarr_daemon::Tasks;
use parking_lot::RwLock;
use tokio::sync::Notify;

use crate::{
    BindError, Service, Slice, Sockets, Zone,
    access::Access,
    forward::{Forward, Patience},
    handler::Handler,
    register, upstreams,
};

/// What the DNS of a node needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// The cluster domain: `cluster.local`.
    pub domain: String,
    /// Where to listen: port 53 of the node's pod gateway addresses. They must exist by [`Dns::start`].
    pub listen: Vec<SocketAddr>,
    /// Who may ask besides loopback and the node's own addresses: the pod networks.
    pub allow: Vec<IpNet>,
    /// The cluster DNS addresses. They lead back here, so they are never asked.
    pub service: Vec<IpAddr>,
    /// Whose name servers get the other questions: `/etc/resolv.conf`.
    pub resolv_conf: PathBuf,
    /// This node, whose endpoint of the Service is kept; empty to keep none.
    pub node: String,
}

/// Why the DNS does not start.
#[derive(Debug, thiserror::Error)]
pub enum DnsError {
    /// The configuration is wrong.
    #[error("{domain:?} is not a domain name")]
    Domain {
        /// The text.
        domain: String,
        /// What is wrong with it.
        #[source]
        source: ProtoError,
    },
    /// The address is not there (yet), or taken: try again when that changes.
    #[error(transparent)]
    Bind(#[from] BindError),
}

/// The DNS of a node.
///
/// Its `api` must be allowed to list and watch Services, EndpointSlices and namespaces, to read its Node and to apply
/// EndpointSlices in `kube-system`.
pub struct Dns {
    config: Config,
    api: Arc<dyn Api>,
    zone: Arc<RwLock<Zone>>,
    services: Arc<Cache<Service>>,
    slices: Arc<Cache<Slice>>,
    namespaces: Arc<Cache<()>>,
}

impl Dns {
    /// A DNS; [`Dns::start`] sets it going.
    ///
    /// # Errors
    /// The domain is none.
    pub fn new(config: Config, api: Arc<dyn Api>) -> Result<Arc<Self>, DnsError> {
        let domain = || config.domain.clone();
        let zone = Zone::new(&config.domain).map_err(|source| DnsError::Domain { domain: domain(), source })?;
        let zone = Arc::new(RwLock::new(zone));
        Ok(Arc::new(Self { config, api, zone, services: Cache::new(), slices: Cache::new(), namespaces: Cache::new() }))
    }

    /// Binds the sockets and starts everything.
    ///
    /// # Errors
    /// An address could not be bound; nothing was started.
    pub async fn start(self: &Arc<Self>, tasks: &Tasks) -> Result<(), DnsError> {
        let sockets = Sockets::bind(&self.config.listen).await?;
        self.start_on(sockets, tasks);
        Ok(())
    }

    /// Starts everything on sockets that are bound already.
    pub fn start_on(self: &Arc<Self>, sockets: Sockets, tasks: &Tasks) {
        let Config { domain: _, listen, allow, service, resolv_conf, node } = &self.config;
        let own: Vec<IpAddr> = listen.iter().map(SocketAddr::ip).chain(service.iter().copied()).collect();
        let settings = upstreams::Settings::new(resolv_conf.clone(), own);
        let forward = Forward::new(settings, Patience::default());
        let me = self.clone();
        let ready = move || me.is_ready();
        sockets.serve(&Arc::new(Handler::new(self.zone.clone(), ready, Access::new(allow.clone()), forward)), tasks);
        let missing = Arc::new(Notify::new());
        self.follow(&missing, tasks);
        if !node.is_empty() {
            let (me, api) = (self.clone(), self.api.clone());
            let kept = register::Kept::Endpoints { node: node.clone(), addresses: self.addresses().collect() };
            tasks.spawn("dns: endpoint", |stop| async move {
                // Nobody is sent here before we know, and only what the watch has seen can be seen to go.
                tokio::select! {
                    () = me.ready() => register::keep(api, kept, missing, stop.clone()).await,
                    () = stop.cancelled() => {}
                }
                Ok::<(), Status>(())
            });
        }
    }

    /// Whether the cluster is known, and its names are answered.
    pub fn is_ready(&self) -> bool {
        self.services.is_synced() && self.slices.is_synced() && self.namespaces.is_synced()
    }

    /// Waits for that.
    pub async fn ready(&self) {
        tokio::join!(self.services.synced(), self.slices.synced(), self.namespaces.synced());
    }

    /// The three informers. `missing` is told when an own slice is.
    fn follow(self: &Arc<Self>, missing: &Arc<Notify>, tasks: &Tasks) {
        let (zone, cache, api) = (self.zone.clone(), self.services.clone(), self.api.clone());
        tasks.spawn("dns: services", |stop| {
            let all = Selection::all(&resources::SERVICES);
            cache.run(api, all, stop, Service::project, move |Change { key, old, new }| {
                if old != new {
                    zone.write().set_service(key, new.cloned());
                }
            })
        });
        let (zone, cache, api) = (self.zone.clone(), self.slices.clone(), self.api.clone());
        let missing = missing.clone();
        let own: Vec<String> = self.addresses().map(|ip| register::slice_name(&self.config.node, ip)).collect();
        tasks.spawn("dns: endpoints", |stop| {
            let all = Selection::all(&resources::ENDPOINT_SLICES);
            cache.run(api, all, stop, Slice::project, move |Change { key, old, new }| {
                if old != new {
                    zone.write().set_slice(key, old.map(|old| &**old), new);
                }
                let is_own = key.namespace == register::NAMESPACE && own.iter().any(|name| key.name == *name);
                if is_own && new.is_none() {
                    missing.notify_one();
                }
            })
        });
        let (zone, cache, api) = (self.zone.clone(), self.namespaces.clone(), self.api.clone());
        tasks.spawn("dns: namespaces", |stop| {
            let all = Selection::all(&resources::NAMESPACES);
            let project = |_: &knarr_api::Object| Some(());
            cache.run(api, all, stop, project, move |Change { key, new, .. }| {
                zone.write().set_namespace(&key.name, new.is_some());
            })
        });
    }

    fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.config.listen.iter().map(SocketAddr::ip)
    }
}
