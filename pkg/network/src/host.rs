//! What a node needs once for its pods.

use std::{
    fs,
    io::{self, Write as _},
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use ipnet::Ipv4Net;
use knarr_nft::{Nft, NftError};
use serde::Deserialize;

use crate::{
    Ipam, Uplink,
    cni::{Conf, LOOPBACK},
    link::{LinkError, Netlink},
};

/// Where the plugin is and what it is told.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// This binary: the plugin is a link to it.
    pub binary: PathBuf,
    /// Directory of plugins, given to the runtime.
    pub cni_bin: PathBuf,
    /// Directory of network configurations, given to the runtime.
    pub cni_conf: PathBuf,
    /// Where addresses are kept.
    pub ipam_dir: PathBuf,
    /// Addresses of this node's pods.
    pub pod_cidr: Ipv4Net,
    /// Addresses of all pods: between them nothing is masqueraded.
    pub cluster_cidr: Ipv4Net,
    /// Service addresses: routed to `lo`, so that the node's own programs reach them without a default route; the
    /// service proxy translates before a packet would be delivered there.
    pub service_cidr: Ipv4Net,
    /// Largest packet.
    pub mtu: u32,
    /// The link that leads to other nodes, beside those of default routes.
    pub uplink: Option<Uplink>,
    /// Name of our nft table.
    pub table: String,
}

/// The pod network's part of a host.
#[derive(Debug)]
pub struct Host {
    config: HostConfig,
}

/// The host could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file operation failed.
    #[error("{step} {}", path.display())]
    File {
        /// What was tried.
        step: &'static str,
        /// Where.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A link operation failed.
    #[error("set up the node's address")]
    Link(#[from] LinkError),
    /// The masquerading table was refused.
    #[error("set up masquerading")]
    Nft(#[from] NftError),
}

impl Host {
    /// Sets the host up; everything may be there already.
    ///
    /// # Errors
    /// See [`HostError`].
    pub async fn set_up(config: HostConfig, nft: &dyn Nft) -> Result<Self, HostError> {
        let file = |step, path: &PathBuf| {
            let path = path.clone();
            move |source| HostError::File { step, path, source }
        };
        fs::create_dir_all(&config.cni_bin).map_err(file("create", &config.cni_bin))?;
        fs::create_dir_all(&config.ipam_dir).map_err(file("create", &config.ipam_dir))?;
        fs::create_dir_all(&config.cni_conf).map_err(file("create", &config.cni_conf))?;
        for name in [PLUGIN, LOOPBACK] {
            let plugin = config.cni_bin.join(name);
            let _ = fs::remove_file(&plugin);
            std::os::unix::fs::symlink(&config.binary, &plugin).map_err(file("link", &plugin))?;
        }
        let conf = config.conflist();
        let before = Self::known_range(&config.cni_conf);
        write_whole(&conf, &conflist(&config)).map_err(file("write", &conf))?;

        let ours = Ipam::node_address(config.pod_cidr);
        let uplinks = Netlink::with(async |n| {
            let lo = n.get("lo").await?.index;
            n.up(lo).await?;
            n.add_address(lo, ours).await?;
            n.add_local_route(config.service_cidr, lo, ours).await?;
            if let Some(old) = before.map(Ipam::node_address).filter(|old| *old != ours) {
                n.remove_address(lo, old).await?;
            }
            let mut uplinks = n.uplinks().await?;
            uplinks.extend(config.uplink.as_ref().map(|u| u.index));
            Ok(uplinks)
        })
        .await?;
        // Answers to pods come in through the uplinks; the switch belongs to the link, not to the host.
        for path in uplinks.into_iter().filter_map(link_name).map(|name| forwarding(&name)) {
            if fs::read_to_string(&path).is_ok_and(|now| now.trim() == "0") {
                let ledger = config.ledger();
                let noted = fs::OpenOptions::new().create(true).append(true).open(&ledger);
                noted.and_then(|mut f| writeln!(f, "{}", path.display())).map_err(file("note in", &ledger))?;
                fs::write(&path, "1").map_err(file("let the uplink forward:", &path))?;
            }
        }
        nft.apply(&masquerade(&config)).await?;
        Ok(Self { config })
    }

    /// The node's own address in its pod range.
    pub fn address(&self) -> Ipv4Addr {
        Ipam::node_address(self.config.pod_cidr)
    }

    /// The addresses of this node's pods as an earlier process set them up.
    pub fn known_range(cni_conf: &Path) -> Option<Ipv4Net> {
        #[derive(Deserialize)]
        struct List {
            plugins: Vec<Conf>,
        }
        let text = fs::read(cni_conf.join(CONFLIST)).ok()?;
        Some(serde_json::from_slice::<List>(&text).ok()?.plugins.first()?.pod_cidr)
    }

    /// The set-up of an earlier process, for taking it away.
    pub fn known(config: HostConfig) -> Self {
        Self { config }
    }

    /// Takes away what [`Host::set_up`] made, going on after failures.
    ///
    /// # Errors
    /// All of them.
    pub async fn tear_down(&self, nft: &dyn Nft) -> Result<(), Vec<HostError>> {
        let mut errors = Vec::new();
        let table = &self.config.table;
        errors
            .extend(nft.apply(&format!("table inet {table}\ndelete table inet {table}\n")).await.err().map(Into::into));
        let ours = self.address();
        let gone = Netlink::with(async |n| {
            let lo = n.get("lo").await?.index;
            n.remove_route(self.config.service_cidr, lo).await?;
            n.remove_address(lo, ours).await
        })
        .await;
        errors.extend(gone.err().map(Into::into));
        // Switches that were off before us are off after us.
        for path in fs::read_to_string(self.config.ledger()).unwrap_or_default().lines() {
            let _ = fs::write(path, "0"); // the link may be gone
        }
        for path in [self.config.ledger(), self.config.cni_bin.join(PLUGIN), self.config.conflist()] {
            match fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    errors.push(HostError::File { step: "remove", path, source });
                }
                _ => {}
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

impl HostConfig {
    fn conflist(&self) -> PathBuf {
        self.cni_conf.join(CONFLIST)
    }

    /// Where switches of others that we turned on are noted.
    fn ledger(&self) -> PathBuf {
        self.ipam_dir.join("turned-on")
    }
}

fn forwarding(link: &str) -> PathBuf {
    PathBuf::from(format!("/proc/sys/net/ipv4/conf/{link}/forwarding"))
}

const PLUGIN: &str = "knarr-cni";
const CONFLIST: &str = "10-knarr.conflist";

/// Writes a file whose directory others watch: they see the old text or the new one, and nothing if both are the same. The
/// new one is begun beside it, under a name that no runtime reads, and renamed there: containerd heeds what is renamed in
/// the directory, not what is moved into it.
fn write_whole(path: &Path, text: &str) -> io::Result<()> {
    if fs::read_to_string(path).is_ok_and(|now| now == text) {
        return Ok(());
    }
    let beside = path.with_extension("new");
    fs::write(&beside, text)?;
    fs::rename(beside, path)
}

fn link_name(index: u32) -> Option<String> {
    nix::net::if_::if_indextoname(index).ok()?.into_string().ok()
}

fn conflist(config: &HostConfig) -> String {
    let conf = Conf {
        cni_version: "1.0.0".to_owned(),
        name: String::new(),
        kind: PLUGIN.to_owned(),
        pod_cidr: config.pod_cidr,
        ipam_dir: config.ipam_dir.clone(),
        mtu: config.mtu,
        valid: Vec::new(),
    };
    serde_json::json!({ "cniVersion": "1.0.0", "name": "knarr", "plugins": [conf] }).to_string()
}

/// What pods send out of the cluster leaves under the node's address.
fn masquerade(config: &HostConfig) -> String {
    let HostConfig { table, pod_cidr, cluster_cidr, .. } = config;
    format!(
        "table inet {table}
delete table inet {table}
table inet {table} {{
\tchain postrouting {{
\t\ttype nat hook postrouting priority srcnat; policy accept;
\t\tip saddr {pod_cidr} ip daddr != {cluster_cidr} oifname != \"lo\" masquerade
\t}}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> HostConfig {
        HostConfig {
            binary: "/usr/local/bin/knarr".into(),
            cni_bin: "/run/knarr/cni/bin".into(),
            cni_conf: "/run/knarr/cni/net.d".into(),
            ipam_dir: "/var/lib/knarr/agent/ips".into(),
            pod_cidr: "10.42.0.0/24".parse().unwrap(),
            cluster_cidr: "10.42.0.0/16".parse().unwrap(),
            service_cidr: "10.43.0.0/16".parse().unwrap(),
            mtu: 1500,
            uplink: None,
            table: "knarr-network".to_owned(),
        }
    }

    #[test]
    fn only_what_leaves_the_cluster_is_masqueraded() {
        expect_test::expect![[r#"
            table inet knarr-network
            delete table inet knarr-network
            table inet knarr-network {
            	chain postrouting {
            		type nat hook postrouting priority srcnat; policy accept;
            		ip saddr 10.42.0.0/24 ip daddr != 10.42.0.0/16 oifname != "lo" masquerade
            	}
            }
        "#]]
        .assert_eq(&masquerade(&config()));
    }

    #[test]
    fn the_runtime_reads_our_configuration() {
        let list: serde_json::Value = serde_json::from_str(&conflist(&config())).unwrap();
        assert_eq!(list["plugins"][0]["type"], PLUGIN);
        let conf: Conf = serde_json::from_value(list["plugins"][0].clone()).unwrap();
        assert_eq!(conf.pod_cidr, config().pod_cidr);
    }
}
