//! The agent: what runs on every node, put together.
//!
//! Everything here gets the API as a trait object: on another machine the same code runs over the network transport.

use std::{
    net::IpAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use ipnet::Ipv4Net;
use knarr_client::{Api, Cache, Selection, resources};
use knarr_cri::containerd::{Containerd, Settings, may_lower_oom_score};
use knarr_daemon::{Stop, Tasks};
use knarr_network::{Host, HostConfig};
use knarr_proxy::{Proxy, Settings as ProxySettings};
use serde::Deserialize;

use crate::{
    component,
    config::{Component, Config},
    edge,
    exit::Fatal,
    preflight,
    server::ControlPlane,
};

/// The service proxy's nft table.
pub(crate) const PROXY_TABLE: &str = "knarr-proxy";
/// The pod network's.
const NETWORK_TABLE: &str = "knarr-network";
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

fn network_config(config: &Config, pod_cidr: Ipv4Net) -> anyhow::Result<HostConfig> {
    let (cni_bin, cni_conf) = cni_dirs(config);
    Ok(HostConfig {
        binary: std::env::current_exe().context("find this program's file")?,
        cni_bin,
        cni_conf,
        ipam_dir: config.paths.data.join("agent/network"),
        pod_cidr,
        cluster_cidr: config.net.cluster_cidr,
        service_cidr: config.net.service_cidr,
        mtu: 1500,
        table: NETWORK_TABLE.to_owned(),
    })
}

/// The pod network an earlier process set up, as its CNI configuration tells.
pub(crate) fn known_network(config: &Config) -> Option<Host> {
    #[derive(Deserialize)]
    struct List {
        plugins: Vec<knarr_network::cni::Conf>,
    }
    let text = std::fs::read(cni_dirs(config).1.join("10-knarr.conflist")).ok()?;
    let pod_cidr = serde_json::from_slice::<List>(&text).ok()?.plugins.first()?.pod_cidr;
    Some(Host::known(network_config(config, pod_cidr).ok()?))
}

/// Starts the agent beside a control plane.
pub(crate) async fn start(plane: &ControlPlane, config: &Config, tasks: &Tasks) -> Result<(), Fatal> {
    let node_user = format!("system:node:{}", config.node.name);
    let node_api = plane.api(&node_user, &["system:nodes"]);
    let socket = runtime(config, tasks).await?;
    let network = {
        let (api, config) = (node_api.clone(), config.clone());
        let plane = plane.clone();
        move |stop| {
            component::keep("network", stop, async move |tasks: &Tasks| network(&plane, &api, &config, tasks).await)
        }
    };
    tasks.spawn("network", network);
    crate::node::start(plane, config, &node_api, &socket, tasks).await?;
    if !config.disabled.contains(&Component::Proxy) {
        let settings =
            ProxySettings { table: PROXY_TABLE.to_owned(), cluster_cidr: config.net.cluster_cidr, mark: MASQUERADE };
        let proxy = knarr_proxy::Config { node: config.node.name.clone(), settings };
        let api = plane.api("system:kube-proxy", &[]);
        tasks.spawn("proxy", move |stop| {
            component::keep("proxy", stop, async move |tasks: &Tasks| {
                Proxy::new(proxy.clone(), Arc::new(knarr_nft::Command)).start(&api, tasks);
                Ok::<(), std::convert::Infallible>(())
            })
        });
    }
    if !config.disabled.contains(&Component::Ingress) {
        edge::start_ingress(plane, config, tasks)?;
    }
    Ok(())
}

/// The container runtime's socket: a private containerd's, or the one named by the user.
async fn runtime(config: &Config, tasks: &Tasks) -> Result<PathBuf, Fatal> {
    if let Some(socket) = &config.node.runtime_endpoint {
        return Ok(socket.clone());
    }
    let settings = containerd_settings(config);
    let snapshotter = settings.snapshotter.clone();
    let containerd = Containerd::start(settings, tasks)
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
async fn network(plane: &ControlPlane, api: &Arc<dyn Api>, config: &Config, tasks: &Tasks) -> anyhow::Result<()> {
    let cidr = pod_cidr(api, &config.node.name, tasks).await;
    let host = Host::set_up(network_config(config, cidr)?, &knarr_nft::Command)
        .await
        .map_err(|e| anyhow::anyhow!(knarr_daemon::chain(&e)))?;
    tracing::info!(pods = %cidr, "the pod network is set up");
    if !config.disabled.contains(&Component::Dns) {
        edge::start_dns(plane, config, IpAddr::V4(host.address()), cidr, tasks).await?;
    }
    Ok(())
}

async fn pod_cidr(api: &Arc<dyn Api>, node: &str, tasks: &Tasks) -> Ipv4Net {
    let nodes: Arc<Cache<Ipv4Net>> = Cache::new();
    let (found, mut answer) = tokio::sync::watch::channel(None);
    let selection = Selection::all(&resources::NODES).fields(&format!("metadata.name={node}"));
    let project = |o: &knarr_api::Object| o.decode::<NodeObject>().ok()?.spec.pod_cidr;
    let (cache, api) = (nodes, api.clone());
    tasks.spawn("network: node", move |stop: Stop| {
        cache.run(api, selection, stop, project, move |change| {
            found.send_replace(change.new.map(|c| **c));
        })
    });
    let found = answer.wait_for(Option::is_some).await.ok().and_then(|found| *found);
    match found {
        Some(cidr) => cidr,
        None => std::future::pending().await, // the informer was stopped, and so are we
    }
}
