//! The settings of a cluster that its nodes need: told by the server, kept by each node.

use std::{net::Ipv4Addr, path::Path};

use anyhow::Context as _;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::config::{Config, Net};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Cluster {
    /// Addresses of pods.
    cluster_cidr: Ipv4Net,
    /// Addresses of Services.
    service_cidr: Ipv4Net,
    /// NodePorts.
    node_ports: (u16, u16),
    /// The DNS Service.
    cluster_dns: Ipv4Addr,
    /// The DNS domain.
    cluster_domain: String,
    /// The network between nodes.
    backend: String,
    /// Who signs what clients show, PEM.
    pub(crate) client_ca: String,
}

/// Its file.
const FILE: &str = "cluster.json";

impl Cluster {
    /// What a server tells.
    pub(crate) fn of(config: &Config, client_ca: &str) -> Self {
        let Net { cluster_cidr, service_cidr, node_ports, dns, domain, backend, link: _ } = &config.net;
        Self {
            cluster_cidr: *cluster_cidr,
            service_cidr: *service_cidr,
            node_ports: (*node_ports.start(), *node_ports.end()),
            cluster_dns: *dns,
            cluster_domain: domain.clone(),
            backend: backend.to_string(),
            client_ca: client_ca.to_owned(),
        }
    }

    /// The network as the cluster has it; the link is this machine's own affair.
    pub(crate) fn net(&self, own: &Net) -> anyhow::Result<Net> {
        let backend = self.backend.parse();
        Ok(Net {
            cluster_cidr: self.cluster_cidr,
            service_cidr: self.service_cidr,
            node_ports: self.node_ports.0..=self.node_ports.1,
            dns: self.cluster_dns,
            domain: self.cluster_domain.clone(),
            backend: backend.map_err(|_| anyhow::anyhow!("this knarr does not know the backend {:?}", self.backend))?,
            link: own.link.clone(),
        })
    }

    /// What was kept.
    pub(super) fn load(dir: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(dir.join(FILE)).ok()?).ok()
    }

    /// Keeps it.
    pub(super) fn store(&self, dir: &Path) -> anyhow::Result<()> {
        let text = serde_json::to_string_pretty(self).context("write the cluster's settings")?;
        crate::credentials::write(&dir.join(FILE), &text, 0o600).context("keep the cluster's settings")
    }
}
