//! The node agent proper (the kubelet), and its end of the way from the API server.

use std::{path::Path, sync::Arc};

use anyhow::Context as _;
use knarr_client::Api;
use knarr_cri::Cri;
use knarr_daemon::{Stop, Tasks};
use knarr_kubelet::{Config as KubeletConfig, Kubelet, Taint};

use crate::{component, config::Config, server::ControlPlane};

/// Starts the kubelet as a component of its own.
pub(crate) async fn start(
    plane: &ControlPlane,
    config: &Config,
    api: &Arc<dyn Api>,
    socket: &Path,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    let streams = Arc::new(tokio::sync::Mutex::new(plane.dialer.accept_for(&config.node.name)));
    let (kubelet, api, socket) = (kubelet_config(config), api.clone(), socket.to_owned());
    kubelet.check().context("check the node's configuration")?;
    tasks.spawn("kubelet", move |stop| {
        component::keep("kubelet", stop, async move |tasks: &Tasks| {
            let stop = tasks.stop_token();
            let events = knarr_cri::events::subscribe(&socket, tasks);
            let agent = Kubelet::new(kubelet.clone(), api.clone(), Arc::new(Cri::new(&socket)), events, stop)?;
            let (server, streams) = (agent.server(), streams.clone());
            tasks.spawn("kubelet: streams", move |stop: Stop| async move {
                let mut streams = streams.lock().await;
                loop {
                    let io = tokio::select! {
                        io = streams.recv() => io,
                        () = stop.cancelled() => None,
                    };
                    let Some(io) = io else { return Ok::<(), std::convert::Infallible>(()) };
                    server.serve(io).await;
                }
            });
            agent.run(tasks);
            Ok::<(), knarr_kubelet::KubeletError>(())
        })
    });
    Ok(())
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
        hostname: crate::host::name().unwrap_or_else(|_| node.name.clone()),
        root: config.paths.kubelet.clone(),
        pod_logs: config.paths.pod_logs.clone(),
        container_logs: config.paths.container_logs.clone(),
        cgroup_root: node.cgroup_root.trim_matches('/').to_owned(),
        dns: vec![config.net.dns.into()],
        domain: config.net.domain.clone(),
        resolv_conf: node.resolv_conf.clone(),
        max_pods: node.max_pods,
        labels,
        taints: node.taints.iter().map(taint).collect(),
        ..KubeletConfig::new(&node.name, node.ip)
    }
}
