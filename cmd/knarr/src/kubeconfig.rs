//! The kubeconfig of an agent: for looking at the cluster as the node, through its balancer.

use std::net::SocketAddr;

use anyhow::Context as _;
use knarr_pki::kubeconfig_of_files;

use crate::{config::Config, credentials};

/// Writes `<data-dir>/agent/kubelet.kubeconfig`. It names files, because certificates are renewed.
pub(crate) fn write(config: &Config, server: SocketAddr) -> anyhow::Result<()> {
    let dir = config.paths.data.join("agent");
    let file = |name: &str| dir.join(name).display().to_string();
    let [ca, cert, key] = ["server-ca.crt", "client-kubelet.crt", "client-kubelet.key"].map(file);
    let text = kubeconfig_of_files(&format!("https://{server}"), &ca, &cert, &key);
    credentials::write(&dir.join("kubelet.kubeconfig"), &text, 0o600).context("write the node's kubeconfig")
}
