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
    flag("server", Value, "", "the server to join: https://host:6443 (agent only)").short('s').env("URL"),
    flag("token", Value, "", "shared secret for joining").short('t').env("TOKEN"),
    flag("token-file", Value, "", "file with the shared secret").env("TOKEN_FILE"),
    flag("agent-token", Value, "", "another secret for agents (server only)").env("AGENT_TOKEN"),
    flag("agent-token-file", Value, "", "file with the agents' secret").env("AGENT_TOKEN_FILE"),
    flag("lb-server-port", Value, "6444", "loopback port of the agent's way to the API").env("LB_SERVER_PORT"),
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
    flag(
        "disable",
        List,
        "",
        "leave out: dns (coredns), ingress (traefik), metrics-server, proxy, scheduler, controllers",
    ),
    flag("node-name", Value, "", "name of this node (default: the host's)").env("NODE_NAME"),
    flag("node-label", List, "", "labels set when the node registers first"),
    flag("node-taint", List, "", "taints set when the node registers first"),
    flag("node-ip", Value, "", "address of this node (default: of the default route)").short('i'),
    flag("node-external-ip", Value, "", "address of this node seen from outside"),
    flag("resolv-conf", Value, "/etc/resolv.conf", "upstream DNS servers").env("RESOLV_CONF"),
    flag("container-runtime-endpoint", Value, "", "use this running CRI socket instead of a private containerd"),
    flag("private-registry", Value, "/etc/knarr/registries.yaml", "mirrors of and credentials for registries"),
    flag("snapshotter", Value, "overlayfs", "containerd snapshotter"),
    flag("cgroup-root", Value, "", "parent cgroup of all pods"),
    flag("ingress-http-port", Value, "80", "port of the built-in ingress for HTTP; 0 for none"),
    flag("ingress-https-port", Value, "443", "port of the built-in ingress for HTTPS; 0 for none"),
    flag("kubelet-arg", List, "", "key=value for the node agent (max-pods, port, …)"),
    flag("kube-controller-manager-arg", List, "", "key=value for the controllers (cluster-signing-duration)"),
    flag("debug", Switch, "false", "log more").env("DEBUG"),
    flag("v", Value, "0", "log level as Kubernetes programs have it").fate(Fate::Ignored("use --debug or KNARR_LOG")),
    flag("flannel-backend", Value, "vxlan", "network between nodes: vxlan, host-gw (all on one network) or none"),
    flag("flannel-iface", Value, "", "link to the other nodes (default: the one with the node's address)"),
    flag("disable-apiserver-lb", Switch, "false", "").fate(Fate::Ignored("the balancer costs nothing")),
    flag("node-internal-dns", List, "", "").fate(Fate::Ignored("nodes are reached by address")),
    flag("node-external-dns", List, "", "").fate(Fate::Ignored("nodes are reached by address")),
    flag("protect-kernel-defaults", Switch, "false", "").fate(Fate::Ignored("knarr changes no kernel default")),
    flag("selinux", Switch, "false", "").env("SELINUX").fate(Fate::Ignored("containerd decides by itself")),
    flag("kube-proxy-arg", List, "", "").fate(Fate::Ignored("the proxy has no such settings")),
    flag("kube-apiserver-arg", List, "", "").fate(Fate::Ignored("the API server has no such settings")),
    flag("kube-scheduler-arg", List, "", "").fate(Fate::Ignored("the scheduler has no such settings")),
    flag("enable-pprof", Switch, "false", "").fate(Fate::Ignored("there is none")),
    flag("vpn-auth", Value, "", "").fate(Fate::Refused("there is no VPN integration")),
    flag("vpn-auth-file", Value, "", "").fate(Fate::Refused("there is no VPN integration")),
    flag("with-node-id", Switch, "false", "").fate(Fate::Refused("give every machine a --node-name of its own")),
    flag("default-runtime", Value, "", "").fate(Fate::Ignored("the runtime is runc")),
    flag("pause-image", Value, "", "").fate(Fate::Ignored("knarr brings its own")),
    flag("image-service-endpoint", Value, "", "").fate(Fate::Ignored("images are the runtime's")),
    flag("nonroot-devices", Switch, "false", "").fate(Fate::Ignored("devices are as containerd has them")),
    flag("image-credential-provider-bin-dir", Value, "", "").fate(Fate::Ignored("there are no such providers")),
    flag("image-credential-provider-config", Value, "", "").fate(Fate::Ignored("there are no such providers")),
    flag("flannel-conf", Value, "", "").fate(Fate::Ignored("the network needs no file")),
    flag("flannel-cni-conf", Value, "", "").fate(Fate::Ignored("the network needs no file")),
    flag("vmodule", Value, "", "").fate(Fate::Ignored("use KNARR_LOG")),
    flag("log", Value, "", "").short('l').fate(Fate::Ignored("logs go to standard error")),
    flag("alsologtostderr", Switch, "false", "").fate(Fate::Ignored("logs go to standard error")),
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
    flag("no-flannel", Switch, "false", "").fate(Fate::Refused("write --flannel-backend=none")),
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
       knarr agent [flags]      run a node of a cluster: --server https://host:6443 --token …
       knarr token …            make, list and remove tokens for joining (knarr token help)
       knarr uninstall [flags]  remove everything knarr made on this host
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
