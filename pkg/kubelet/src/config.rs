//! What the agent must know about its node: complete and checked before anything starts.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    path::{Path, PathBuf},
};

use crate::pressure::{Thresholds, ThresholdsError};

/// The configuration. Make it with [`Config::new`], change fields, [`Config::check`] it.
#[derive(Clone, Debug)]
pub struct Config {
    /// The Node's name.
    pub node: String,
    /// Addresses pods and others reach the node at; the first is the primary one.
    pub node_ips: Vec<IpAddr>,
    /// Addresses from outside, if any.
    pub external_ips: Vec<IpAddr>,
    /// The host's name where it is not the Node's.
    pub hostname: String,
    /// Pod directories: `/var/lib/kubelet`.
    pub root: PathBuf,
    /// Pod logs: `/var/log/pods`.
    pub pod_logs: PathBuf,
    /// Links to them by container: `/var/log/containers`.
    pub container_logs: PathBuf,
    /// The cgroup hierarchy's mount point: `/sys/fs/cgroup`.
    pub cgroup_mount: PathBuf,
    /// Under which cgroup `/kubepods` lies; empty for the root.
    pub cgroup_root: String,
    /// What pods with `dnsPolicy: ClusterFirst` ask.
    pub dns: Vec<IpAddr>,
    /// The cluster's domain: `cluster.local`.
    pub domain: String,
    /// The resolver configuration pods with `dnsPolicy: Default` inherit.
    pub resolv_conf: PathBuf,
    /// Most pods on this node.
    pub max_pods: u32,
    /// Port of the kubelet API as the Node tells it.
    pub port: u16,
    /// Labels of the Node at registration.
    pub labels: BTreeMap<String, String>,
    /// Taints of the Node at registration.
    pub taints: Vec<Taint>,
    /// Whether the Node object is made if it is not there.
    pub register: bool,
    /// `spec.providerID`.
    pub provider_id: String,
    /// `kubeletVersion` of the Node.
    pub version: String,
    /// What the node keeps for itself, by resource.
    pub reserved: BTreeMap<String, String>,
    /// Largest size of a container's log file, bytes.
    pub log_size: u64,
    /// Files kept of a container's log.
    pub log_files: u32,
    /// Disk use (percent) above which unused images are removed, and down to which.
    pub image_gc: (u8, u8),
    /// Images pulled at once.
    pub parallel_pulls: u16,
    /// When there is too little memory or disk.
    pub thresholds: Thresholds,
}

/// A taint of the Node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Key.
    pub key: String,
    /// Value, may be empty.
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

impl std::str::FromStr for Taint {
    type Err = ConfigError;

    /// `key=value:effect`, `key:effect`.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let bad = || ConfigError::Taint { text: text.to_owned() };
        let (left, effect) = text.rsplit_once(':').ok_or_else(bad)?;
        let (key, value) = left.split_once('=').unwrap_or((left, ""));
        if key.is_empty() || !matches!(effect, "NoSchedule" | "PreferNoSchedule" | "NoExecute") {
            return Err(bad());
        }
        Ok(Self { key: key.to_owned(), value: value.to_owned(), effect: effect.to_owned() })
    }
}

/// A configuration that cannot work.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No node name, or one the API would refuse.
    #[error("node name {name:?} is not a DNS name in lower case")]
    Name {
        /// The name.
        name: String,
    },
    /// No address.
    #[error("the node has no address")]
    NoAddress,
    /// A taint that does not parse.
    #[error("taint {text:?} is not key=value:effect")]
    Taint {
        /// The text.
        text: String,
    },
    /// A path that must be absolute.
    #[error("{name} path {} is not absolute", path.display())]
    Relative {
        /// Which.
        name: &'static str,
        /// The path.
        path: PathBuf,
    },
    /// A number out of range.
    #[error("{name} is out of range")]
    Range {
        /// Which.
        name: &'static str,
    },
    /// An argument with a value it cannot have.
    #[error("{name}: {value:?} is not {wanted}")]
    Argument {
        /// Which.
        name: String,
        /// What was given.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// A line below which something is too little.
    #[error(transparent)]
    Thresholds(#[from] ThresholdsError),
}

impl Config {
    /// The usual places and numbers for a node.
    pub fn new(node: &str, node_ip: IpAddr) -> Self {
        Self {
            node: node.to_owned(),
            node_ips: vec![node_ip],
            external_ips: Vec::new(),
            hostname: node.to_owned(),
            root: "/var/lib/kubelet".into(),
            pod_logs: "/var/log/pods".into(),
            container_logs: "/var/log/containers".into(),
            cgroup_mount: "/sys/fs/cgroup".into(),
            cgroup_root: String::new(),
            dns: Vec::new(),
            domain: "cluster.local".to_owned(),
            resolv_conf: "/etc/resolv.conf".into(),
            max_pods: 110,
            port: 10250,
            labels: BTreeMap::new(),
            taints: Vec::new(),
            register: true,
            provider_id: String::new(),
            version: "v1.36.2+knarr1".to_owned(),
            reserved: BTreeMap::new(),
            log_size: 10 << 20,
            log_files: 5,
            image_gc: (85, 80),
            parallel_pulls: 8,
            thresholds: Thresholds::default(),
        }
    }

    /// Checks what would only fail later.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn check(&self) -> Result<(), ConfigError> {
        let Self { node, node_ips, root, pod_logs, container_logs, cgroup_mount, .. } = self;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
        if node.is_empty() || node.len() > 253 || !node.chars().all(plain) {
            return Err(ConfigError::Name { name: node.clone() });
        }
        if node_ips.is_empty() {
            return Err(ConfigError::NoAddress);
        }
        let paths: [(&'static str, &Path); 4] =
            [("root", root), ("pod log", pod_logs), ("container log", container_logs), ("cgroup", cgroup_mount)];
        if let Some((name, path)) = paths.into_iter().find(|(_, p)| !p.is_absolute()) {
            return Err(ConfigError::Relative { name, path: path.to_owned() });
        }
        if self.max_pods == 0 {
            return Err(ConfigError::Range { name: "max pods" });
        }
        if self.log_files < 2 {
            return Err(ConfigError::Range { name: "log files" });
        }
        let (high, low) = self.image_gc;
        if high > 100 || low > high {
            return Err(ConfigError::Range { name: "image collection threshold" });
        }
        if self.parallel_pulls == 0 {
            return Err(ConfigError::Range { name: "number of parallel pulls" });
        }
        self.thresholds.check()?;
        Ok(())
    }

    /// The directory of one pod.
    pub fn pod_dir(&self, uid: &str) -> PathBuf {
        self.root.join("pods").join(uid)
    }

    /// The file system in memory that volumes lie in which must not reach a disk.
    pub(crate) fn memory_dir(&self) -> PathBuf {
        self.root.join("memory")
    }

    /// The seccomp profile of pause processes.
    pub(crate) fn pause_profile(&self) -> PathBuf {
        self.root.join("pause-seccomp.json")
    }

    /// The primary address.
    pub fn node_ip(&self) -> String {
        self.node_ips.first().map(ToString::to_string).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_work_is_refused() {
        let good = Config::new("node-1", IpAddr::from([10, 0, 0, 1]));
        assert!(good.check().is_ok());
        let bad = |change: fn(&mut Config)| {
            let mut c = good.clone();
            change(&mut c);
            c.check().unwrap_err().to_string()
        };
        assert_eq!(bad(|c| c.node = "Node".into()), r#"node name "Node" is not a DNS name in lower case"#);
        assert_eq!(bad(|c| c.node_ips.clear()), "the node has no address");
        assert_eq!(bad(|c| c.root = "x".into()), "root path x is not absolute");
        assert_eq!(bad(|c| c.max_pods = 0), "max pods is out of range");
    }

    #[test]
    fn taints_parse() {
        let t: Taint = "a/b=c:NoSchedule".parse().unwrap();
        assert_eq!((t.key.as_str(), t.value.as_str(), t.effect.as_str()), ("a/b", "c", "NoSchedule"));
        assert!("a=b".parse::<Taint>().is_err() && "a=b:Never".parse::<Taint>().is_err());
    }
}
