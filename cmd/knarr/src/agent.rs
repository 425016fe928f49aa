//! The agent: what runs on every node, put together.
//!
//! Everything here gets the API as a trait object: on another machine the same code runs over the network transport.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use async_trait::async_trait;
use ipnet::Ipv4Net;
use knarr_client::{Api, BoxIo, Cache, Selection, resources};
use knarr_cri::containerd::{
    Containerd, Settings,
    leftovers::{Kind, Needed, Remnant},
    may_lower_oom_score,
};
use knarr_daemon::{Stop, Tasks};
use knarr_network::{Attachments, Host, HostConfig, Overlay, OverlayConfig};
use knarr_proxy::{Proxy, Settings as ProxySettings};
use rustls::ServerConfig;
use serde::Deserialize;
use tokio::sync::{mpsc, watch};

use crate::{
    component,
    config::{Component, Config},
    edge,
    exit::Fatal,
    listeners::Listeners,
    preflight,
};

/// The service proxy's nft table.
pub(crate) const PROXY_TABLE: &str = "knarr-proxy";
/// The pod network's.
const NETWORK_TABLE: &str = "knarr-network";
/// How long the server is waited for where there is something to go on with.
const SERVER: Duration = Duration::from_secs(3);
/// The packet mark that asks for masquerading (the bit kube-proxy uses, so that firewalls that know it go on working).
const MASQUERADE: u32 = 0x4000;

/// The private containerd of a configuration.
pub(crate) fn containerd_settings(config: &Config) -> Settings {
    let agent = config.paths.data.join("agent");
    let (cni_bin, cni_conf) = cni_dirs(config);
    Settings {
        binary: preflight::find("containerd").unwrap_or_else(|| "containerd".into()),
        path: Vec::new(),
        root: agent.join("containerd"),
        run: config.paths.run.join("containerd"),
        cni_bin,
        cni_conf,
        registry_config: agent.join("etc/containerd/certs.d"),
        sandbox_image: knarr_cri::pause::image_name(),
        snapshotter: config.node.snapshotter.clone(),
        restrict_oom_score: !may_lower_oom_score(),
    }
}

/// Where the runtime looks for plugins and their configuration: ours is told, others look where all runtimes do.
fn cni_dirs(config: &Config) -> (PathBuf, PathBuf) {
    match &config.node.runtime_endpoint {
        Some(_) => ("/opt/cni/bin".into(), "/etc/cni/net.d".into()),
        None => (config.paths.run.join("cni/bin"), config.paths.run.join("cni/net.d")),
    }
}

fn ipam_dir(config: &Config) -> PathBuf {
    config.paths.data.join("agent/network")
}

/// Addresses of pods as things that a killed runtime may forget.
struct Addresses(Attachments);

#[async_trait]
impl Kind for Addresses {
    fn name(&self) -> &'static str {
        "addresses"
    }

    async fn list(&self) -> Vec<Remnant> {
        let attachments = self.0.clone();
        let owners = knarr_daemon::blocking(move || attachments.owners()).await.unwrap_or_else(|e| {
            tracing::warn!(error = %knarr_daemon::chain(&e), "pod addresses cannot be read");
            Default::default()
        });
        let remnant = |owner: String| {
            let sandbox = owner.split('/').next().unwrap_or_default().to_owned();
            Remnant { name: owner, needed: Needed::WhileListed(sandbox), settled: false }
        };
        owners.into_iter().map(remnant).collect()
    }

    async fn end(&self, owner: &str) -> Result<(), String> {
        self.0.detach(owner).await.map_err(|e| knarr_daemon::chain(&e))
    }
}

/// The pod network's part of the host; `overlay` is not known to who only takes it away.
fn network_config(config: &Config, pod_cidr: Ipv4Net, overlay: Option<&Overlay>) -> anyhow::Result<HostConfig> {
    let (cni_bin, cni_conf) = cni_dirs(config);
    Ok(HostConfig {
        binary: std::env::current_exe().context("find this program's file")?,
        cni_bin,
        cni_conf,
        ipam_dir: ipam_dir(config),
        pod_cidr,
        cluster_cidr: config.net.cluster_cidr,
        service_cidr: config.net.service_cidr,
        mtu: overlay.map_or(0, Overlay::mtu),
        uplink: overlay.map(|o| o.uplink().clone()),
        table: NETWORK_TABLE.to_owned(),
    })
}

/// The pod network an earlier process set up, as its CNI configuration tells.
pub(crate) fn known_network(config: &Config) -> Option<Host> {
    let pod_cidr = Host::known_range(&cni_dirs(config).1)?;
    Some(Host::known(network_config(config, pod_cidr, None).ok()?))
}

/// The cluster as each part of an agent sees it.
///
/// Beside a control plane every part is a user of its own, as upstream's are. An agent on another machine has one
/// certificate, its node's: keys for more users would lie in the same directory and protect nothing. What its parts
/// need beyond upstream's `system:node` is the default role `system:knarr:agent`.
#[derive(Clone)]
pub(crate) struct Apis {
    /// The node: kubelet, pod network.
    pub(crate) node: Arc<dyn Api>,
    /// Services, other nodes.
    pub(crate) proxy: Arc<dyn Api>,
    /// DNS.
    pub(crate) dns: Arc<dyn Api>,
    /// The ingress.
    pub(crate) ingress: Arc<dyn Api>,
}

impl Apis {
    /// One view for all parts.
    pub(crate) fn all(api: &Arc<dyn Api>) -> Self {
        Self { node: api.clone(), proxy: api.clone(), dns: api.clone(), ingress: api.clone() }
    }
}

/// Where the kubelet is asked.
pub(crate) struct Door {
    /// What its port shows, once it is there.
    pub(crate) tls: watch::Receiver<Option<Arc<ServerConfig>>>,
    /// Streams of an API server in this process.
    pub(crate) streams: Option<mpsc::Receiver<BoxIo>>,
}

/// Starts the agent.
pub(crate) async fn start(
    apis: &Apis,
    config: &Config,
    door: Door,
    listeners: &Listeners,
    tasks: &Tasks,
) -> Result<(), Fatal> {
    let port = crate::node::listen(config, listeners)?;
    let socket = runtime(config, tasks).await?;
    let network = {
        let (apis, config) = (apis.clone(), config.clone());
        move |stop| component::keep("network", stop, async move |tasks: &Tasks| network(&apis, &config, tasks).await)
    };
    tasks.spawn("network", network);
    crate::node::start(config, &apis.node, &socket, door, port, tasks).await?;
    if !config.disabled.contains(&Component::Proxy) {
        let settings =
            ProxySettings { table: PROXY_TABLE.to_owned(), cluster_cidr: config.net.cluster_cidr, mark: MASQUERADE };
        let proxy = knarr_proxy::Config { node: config.node.name.clone(), settings };
        let api = apis.proxy.clone();
        tasks.spawn("proxy", move |stop| {
            component::keep("proxy", stop, async move |tasks: &Tasks| {
                Proxy::new(proxy.clone(), Arc::new(knarr_nft::Command)).start(&api, tasks);
                Ok::<(), std::convert::Infallible>(())
            })
        });
    }
    if !config.disabled.contains(&Component::Ingress) {
        edge::start_ingress(&apis.ingress, config, listeners, tasks)?;
    }
    Ok(())
}

/// The container runtime's socket: a private containerd's, or the one named by the user.
async fn runtime(config: &Config, tasks: &Tasks) -> Result<PathBuf, Fatal> {
    if let Some(socket) = &config.node.runtime_endpoint {
        return Ok(socket.clone());
    }
    let settings = containerd_settings(config);
    crate::registries::install(&config.paths.registries, &settings.registry_config).await?;
    let snapshotter = settings.snapshotter.clone();
    let addresses = Addresses(Attachments::new(&ipam_dir(config)));
    let containerd = Containerd::start(settings, vec![Arc::new(addresses)], tasks)
        .await
        .map_err(|e| Fatal::host(format!("containerd does not start: {}", knarr_daemon::chain(&e)), "see its log"))?;
    let socket = containerd.socket().to_owned();
    let importer = knarr_cri::images::Importer::new(&socket, &snapshotter);
    importer.ensure_pause().await.context("bring the sandbox image in")?;
    let agent = config.paths.data.join("agent");
    tasks.spawn("images", move |stop| async move {
        tokio::select! {
            () = preload(&importer, &agent) => {}
            () = stop.cancelled() => {}
        }
        Ok::<(), std::convert::Infallible>(())
    });
    Ok(socket)
}

async fn preload(importer: &knarr_cri::images::Importer, agent: &Path) {
    let done = importer.preload(&agent.join("images"), &agent.join("images.json")).await;
    for failure in &done.failures {
        tracing::error!(file = %failure.file.display(), error = %knarr_daemon::chain(&failure.source), "image archive not imported");
    }
    if !done.imported.is_empty() {
        tracing::info!(archives = done.imported.len(), "image archives imported");
    }
}

#[derive(Deserialize)]
struct NodeObject {
    #[serde(default)]
    spec: NodeSpec,
}

#[derive(Deserialize, Default)]
struct NodeSpec {
    #[serde(rename = "podCIDR")]
    pod_cidr: Option<Ipv4Net>,
}

/// The pod network, once the node has addresses for pods; then DNS on its address.
async fn network(apis: &Apis, config: &Config, tasks: &Tasks) -> anyhow::Result<()> {
    let cidr = pod_cidr(&apis.node, config, tasks).await;
    let overlay = OverlayConfig {
        node: config.node.name.clone(),
        address: config.node.ip,
        pod_cidr: cidr,
        cluster_cidr: config.net.cluster_cidr,
        backend: config.net.backend,
        link: config.net.link.clone(),
    };
    let overlay = Overlay::prepare(overlay).await.map_err(|e| anyhow::anyhow!(knarr_daemon::chain(&e)))?;
    let host = Host::set_up(network_config(config, cidr, Some(&overlay))?, &knarr_nft::Command)
        .await
        .map_err(|e| anyhow::anyhow!(knarr_daemon::chain(&e)))?;
    tracing::info!(pods = %cidr, "the pod network is set up");
    overlay.start(apis.proxy.clone(), apis.node.clone(), tasks);
    if !config.disabled.contains(&Component::Dns) {
        edge::start_dns(&apis.dns, config, IpAddr::V4(host.address()), cidr, tasks).await?;
    }
    Ok(())
}

/// The addresses of this node's pods, as the cluster says; while the server is away, those it had before.
async fn pod_cidr(api: &Arc<dyn Api>, config: &Config, tasks: &Tasks) -> Ipv4Net {
    let nodes: Arc<Cache<Ipv4Net>> = Cache::new();
    let (found, mut answer) = watch::channel(None);
    let selection = Selection::all(&resources::NODES).fields(&format!("metadata.name={}", config.node.name));
    let project = |o: &knarr_api::Object| o.decode::<NodeObject>().ok()?.spec.pod_cidr;
    let (cache, api) = (nodes, api.clone());
    tasks.spawn("network: node", move |stop: Stop| {
        cache.run(api, selection, stop, project, move |change| {
            found.send_replace(change.new.map(|c| **c));
        })
    });
    let mut told = async || match answer.wait_for(Option::is_some).await.ok().and_then(|found| *found) {
        Some(cidr) => cidr,
        None => std::future::pending().await, // the informer was stopped, and so are we
    };
    match (tokio::time::timeout(SERVER, told()).await, Host::known_range(&cni_dirs(config).1)) {
        (Ok(cidr), _) | (Err(_), Some(cidr)) => cidr,
        (Err(_), None) => told().await,
    }
}
