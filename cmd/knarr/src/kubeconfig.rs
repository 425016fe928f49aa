//! The kubeconfig of an agent: for looking at the cluster as the node, through its balancer.

use std::net::SocketAddr;

use anyhow::Context as _;

use crate::{config::Config, credentials};

/// Writes `<data-dir>/agent/kubelet.kubeconfig`. It names files, because certificates are renewed.
pub(crate) fn write(config: &Config, server: SocketAddr) -> anyhow::Result<()> {
    let dir = config.paths.data.join("agent");
    let file = |name: &str| dir.join(name).display().to_string();
    let text = format!(
        "apiVersion: v1
clusters:
- cluster:
    certificate-authority: {}
    server: https://{server}
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
users:
- name: default
  user:
    client-certificate: {}
    client-key: {}
",
        file("server-ca.crt"),
        file("client-kubelet.crt"),
        file("client-kubelet.key"),
    );
    credentials::write(&dir.join("kubelet.kubeconfig"), &text, 0o600).context("write the node's kubeconfig")
}
