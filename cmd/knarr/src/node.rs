//! The node agent proper (the kubelet), and its end of the way from the API server.

use std::{
    net::{SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
};

use knarr_client::{Api, BoxIo};
use knarr_cri::Cri;
use knarr_daemon::{Stop, Tasks};
use knarr_kubelet::{Config as KubeletConfig, Guard, Kubelet, Taint};
use tokio::sync::mpsc;

use crate::{agent::Door, component, config::Config, exit::Fatal, listeners::Listeners};

/// The kubelet's port.
pub(crate) fn listen(config: &Config, listeners: &Listeners) -> Result<TcpListener, Fatal> {
    let at = SocketAddr::new(config.api.listen.ip(), config.node.port);
    listeners.listen("kubelet", at).map_err(|e| {
        Fatal::in_use(
            format!("the kubelet cannot listen on {at}: {e}"),
            "stop what uses it or set --kubelet-arg port=…",
        )
    })
}

/// Starts the kubelet as a component of its own. A restart of it goes on with the same port and streams.
pub(crate) async fn start(
    config: &Config,
    api: &Arc<dyn Api>,
    socket: &Path,
    door: Door,
    port: TcpListener,
    tasks: &Tasks,
) -> Result<(), Fatal> {
    let Door { tls, streams } = door;
    let streams = streams.map(|streams| Arc::new(tokio::sync::Mutex::new(streams)));
    let (mut kubelet, api, socket) = (kubelet_config(config), api.clone(), socket.to_owned());
    let unknown = kubelet.arguments(&config.node.arguments)?;
    if !unknown.is_empty() {
        tracing::warn!(?unknown, "arguments for the kubelet that mean nothing here");
    }
    let runtime = Cri::new(&socket).with_registries(crate::registries::read(&config.paths.registries)?);
    let name = config.node.name.clone();
    kubelet.check()?;
    tasks.spawn("kubelet", move |stop| {
        component::keep("kubelet", stop, async move |tasks: &Tasks| {
            let stop = tasks.stop_token();
            let events = knarr_cri::events::subscribe(&socket, tasks);
            let agent = Kubelet::new(kubelet.clone(), api.clone(), Arc::new(runtime.clone()), events, stop)?;
            if let Some(streams) = streams.clone() {
                let server = agent.server();
                tasks.spawn("kubelet: streams", move |stop| accept(streams, server, stop));
            }
            let (port, tls) = (again(&port)?, tls.clone());
            let (server, guard) = (agent.server(), Guard::new(api.clone(), &name));
            tasks.spawn("kubelet: port", |stop| server.listen(port, tls, guard, stop));
            agent.run(tasks);
            Ok::<(), anyhow::Error>(())
        })
    });
    Ok(())
}

/// The same port for another life of the component.
fn again(port: &TcpListener) -> std::io::Result<tokio::net::TcpListener> {
    let port = port.try_clone()?;
    port.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(port)
}

/// Hands on what an API server in this process asks.
async fn accept(
    streams: Arc<tokio::sync::Mutex<mpsc::Receiver<BoxIo>>>,
    server: knarr_kubelet::Server,
    stop: Stop,
) -> Result<(), std::convert::Infallible> {
    let mut streams = streams.lock().await;
    loop {
        let io = tokio::select! {
            io = streams.recv() => io,
            () = stop.cancelled() => None,
        };
        let Some(io) = io else { return Ok(()) };
        server.serve(io).await;
    }
}

fn kubelet_config(config: &Config) -> KubeletConfig {
    let node = &config.node;
    let mut labels: std::collections::BTreeMap<String, String> = node.labels.iter().cloned().collect();
    labels.entry("node.kubernetes.io/instance-type".to_owned()).or_insert_with(|| "knarr".to_owned());
    let taint = |(key, value, effect): &(String, String, String)| Taint {
        key: key.clone(),
        value: value.clone(),
        effect: effect.clone(),
    };
    KubeletConfig {
        external_ips: node.external_ip.into_iter().collect(),
        // The name a node is known by, also where its host has another: pods are spread by this label.
        hostname: node.name.clone(),
        root: config.paths.kubelet.clone(),
        pod_logs: config.paths.pod_logs.clone(),
        container_logs: config.paths.container_logs.clone(),
        cgroup_root: node.cgroup_root.trim_matches('/').to_owned(),
        dns: vec![config.net.dns.into()],
        domain: config.net.domain.clone(),
        resolv_conf: node.resolv_conf.clone(),
        max_pods: node.max_pods,
        port: node.port,
        labels,
        taints: node.taints.iter().map(taint).collect(),
        ..KubeletConfig::new(&node.name, node.ip)
    }
}
