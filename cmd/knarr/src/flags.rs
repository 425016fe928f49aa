//! The flags, as data: one row each, shared by the command line, the configuration file, the environment and `help`.
//!
//! Names and meanings are k3s's, so that unit files, cloud-init snippets and habits carry over.

/// What `knarr --version` prints.
pub(crate) const VERSION: &str = knarr_apiserver::VERSION;

/// How a flag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arity {
    /// `--flag`, `--flag=false`
    Switch,
    /// `--flag value`
    Value,
    /// `--flag a --flag b,c`
    List,
}

/// What becomes of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is used.
    Used,
    /// It is accepted, does nothing, and one line says so.
    Ignored(&'static str),
    /// It is refused, with the reason.
    Refused(&'static str),
    /// It stands for another flag.
    Alias(&'static str),
}

/// One flag.
#[derive(Debug)]
pub(crate) struct Flag {
    /// Name without dashes.
    pub(crate) name: &'static str,
    /// One-letter form, or `\0`.
    pub(crate) short: char,
    /// How it is written.
    pub(crate) arity: Arity,
    /// Environment variable behind `KNARR_` and `K3S_`; empty for none.
    pub(crate) env: &'static str,
    /// Default as text.
    pub(crate) default: &'static str,
    /// What becomes of it.
    pub(crate) fate: Fate,
    /// One line for `help`.
    pub(crate) help: &'static str,
}

const fn flag(name: &'static str, arity: Arity, default: &'static str, help: &'static str) -> Flag {
    Flag { name, short: '\0', arity, env: "", default, fate: Fate::Used, help }
}

impl Flag {
    const fn short(mut self, short: char) -> Self {
        self.short = short;
        self
    }
    const fn env(mut self, env: &'static str) -> Self {
        self.env = env;
        self
    }
    const fn fate(mut self, fate: Fate) -> Self {
        self.fate = fate;
        self
    }
}

use Arity::{List, Switch, Value};

/// All flags, in the order `help` shows them.
pub(crate) const FLAGS: &[Flag] = &[
    flag("config", Value, "/etc/knarr/config.yaml", "configuration file; <file>.d/*.yaml are read after it")
        .short('c')
        .env("CONFIG_FILE"),
    flag("data-dir", Value, "/var/lib/knarr", "where knarr keeps its state").short('d').env("DATA_DIR"),
    flag("prefix", Value, "", "put every host path below this directory (several nodes on one kernel)").env("PREFIX"),
    flag("token", Value, "", "shared secret for joining").short('t').env("TOKEN"),
    flag("token-file", Value, "", "file with the shared secret").env("TOKEN_FILE"),
    flag("write-kubeconfig", Value, "/etc/knarr/knarr.yaml", "where the admin kubeconfig is written")
        .short('o')
        .env("KUBECONFIG_OUTPUT"),
    flag("write-kubeconfig-mode", Value, "0600", "its file mode").env("KUBECONFIG_MODE"),
    flag("bind-address", Value, "0.0.0.0", "address the API listens on"),
    flag("https-listen-port", Value, "6443", "port the API listens on"),
    flag("advertise-address", Value, "", "address of the API told to the cluster (default: the node's)"),
    flag("tls-san", List, "", "more names and addresses in the API's certificate"),
    flag("cluster-cidr", Value, "10.42.0.0/16", "pod addresses; a /24 for each node"),
    flag("service-cidr", Value, "10.43.0.0/16", "Service addresses"),
    flag("service-node-port-range", Value, "30000-32767", "NodePorts"),
    flag("cluster-dns", Value, "10.43.0.10", "address of the cluster DNS Service"),
    flag("cluster-domain", Value, "cluster.local", "DNS domain of the cluster"),
    flag("disable", List, "", "leave out: dns (coredns), ingress (traefik), proxy, scheduler, controllers"),
    flag("node-name", Value, "", "name of this node (default: the host's)").env("NODE_NAME"),
    flag("node-label", List, "", "labels set when the node registers first"),
    flag("node-taint", List, "", "taints set when the node registers first"),
    flag("node-ip", Value, "", "address of this node (default: of the default route)").short('i'),
    flag("node-external-ip", Value, "", "address of this node seen from outside"),
    flag("resolv-conf", Value, "/etc/resolv.conf", "upstream DNS servers").env("RESOLV_CONF"),
    flag("container-runtime-endpoint", Value, "", "use this running CRI socket instead of a private containerd"),
    flag("snapshotter", Value, "overlayfs", "containerd snapshotter"),
    flag("cgroup-root", Value, "", "parent cgroup of all pods"),
    flag("ingress-http-port", Value, "80", "port of the built-in ingress for HTTP; 0 for none"),
    flag("ingress-https-port", Value, "443", "port of the built-in ingress for HTTPS; 0 for none"),
    flag("kubelet-arg", List, "", "key=value for the node agent (max-pods, …)"),
    flag("debug", Switch, "false", "log more").env("DEBUG"),
    flag("v", Value, "0", "log level as Kubernetes programs have it").fate(Fate::Ignored("use --debug or KNARR_LOG")),
    flag("flannel-backend", Value, "vxlan", "network between nodes")
        .fate(Fate::Ignored("one node needs no network between nodes")),
    flag("egress-selector-mode", Value, "agent", "").fate(Fate::Ignored("knarr has one way to its nodes")),
    flag("disable-network-policy", Switch, "false", "").fate(Fate::Ignored("there is no policy engine yet")),
    flag("disable-helm-controller", Switch, "false", "").fate(Fate::Ignored("there is none")),
    flag("disable-cloud-controller", Switch, "false", "").fate(Fate::Ignored("there is none")),
    flag("prefer-bundled-bin", Switch, "false", "").fate(Fate::Ignored("knarr bundles no programs")),
    flag("cluster-init", Switch, "false", "").fate(Fate::Refused("several servers are not supported yet")),
    flag("datastore-endpoint", Value, "", "").fate(Fate::Refused("the store is SQLite; etcd comes later")),
    flag("docker", Switch, "false", "").fate(Fate::Refused("the runtime is containerd")),
    flag("rootless", Switch, "false", "").fate(Fate::Refused("knarr needs root")),
    flag("no-deploy", List, "", "").fate(Fate::Alias("disable")),
    flag("cluster-secret", Value, "", "").fate(Fate::Alias("token")),
];

/// Finds a flag by its name or letter.
pub(crate) fn find(name: &str) -> Option<&'static Flag> {
    let mut letters = name.chars();
    let letter = letters.next().filter(|_| letters.next().is_none());
    FLAGS.iter().find(|f| f.name == name || letter.is_some_and(|c| f.short == c))
}

/// The text of `knarr help`.
pub(crate) fn help() -> String {
    let mut out = format!(
        "knarr {VERSION} — Kubernetes in one static binary

usage: knarr server [flags]     run a control plane and a node
       knarr version            print the version
       knarr help               print this

flags (also as keys of the configuration file; some as KNARR_* variables):
"
    );
    for f in FLAGS.iter().filter(|f| f.fate == Fate::Used) {
        let short = if f.short == '\0' { "    ".to_owned() } else { format!("-{}, ", f.short) };
        let default = if f.default.is_empty() { String::new() } else { format!(" [{}]", f.default) };
        out.push_str(&format!("  {short}--{:<28} {}{default}\n", f.name, f.help));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_aliases_point_somewhere() {
        for (i, f) in FLAGS.iter().enumerate() {
            assert!(FLAGS[..i].iter().all(|g| g.name != f.name), "{} stands twice", f.name);
            if let Fate::Alias(of) = f.fate {
                assert_eq!(find(of).map(|t| t.fate), Some(Fate::Used), "{}", f.name);
            }
        }
        assert_eq!(find("d").map(|f| f.name), Some("data-dir"));
        assert!(find("nonsense").is_none());
    }
}
