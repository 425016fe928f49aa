//! The checked, complete configuration. Only this goes inwards.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use ipnet::Ipv4Net;
use knarr_pki::JoinToken;

use crate::{
    exit::Fatal,
    input::{CONTROLLERS, Input, SIGNING},
    join::Join,
};

/// How long a certificate is good for, if nobody says otherwise.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
/// Certificates begin five minutes before they are signed, and are renewed after four fifths of their life.
const SHORTEST: Duration = Duration::from_secs(120);

/// What `knarr server` runs with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Config {
    /// Where everything lies on the host.
    pub(crate) paths: Paths,
    /// The API.
    pub(crate) api: Api,
    /// The cluster's network.
    pub(crate) net: Net,
    /// This node.
    pub(crate) node: Node,
    /// The ingress.
    pub(crate) ingress: Ingress,
    /// Components that are left out.
    pub(crate) disabled: Vec<Component>,
    /// The join secret, if the user chose one.
    pub(crate) token: Option<String>,
    /// The agents' own secret, if the user chose one.
    pub(crate) agent_token: Option<String>,
    /// Loopback port of an agent's way to the API.
    pub(crate) balancer_port: u16,
    /// Longest life of certificates that the controllers sign.
    pub(crate) signing: Duration,
    /// More logs.
    pub(crate) debug: bool,
}

/// Host paths, all derived from one prefix so that several nodes can live on one kernel.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Paths {
    /// What all of them lie below, if not the root.
    pub(crate) prefix: Option<PathBuf>,
    /// `/etc/knarr`
    pub(crate) etc: PathBuf,
    /// `/var/lib/knarr` (`--data-dir`)
    pub(crate) data: PathBuf,
    /// `/run/knarr`: sockets, kept short.
    pub(crate) run: PathBuf,
    /// `/var/lib/kubelet`
    pub(crate) kubelet: PathBuf,
    /// `/var/log/pods`
    pub(crate) pod_logs: PathBuf,
    /// `/var/log/containers`
    pub(crate) container_logs: PathBuf,
    /// `/etc/knarr/registries.yaml`
    pub(crate) registries: PathBuf,
    /// Admin kubeconfig.
    pub(crate) kubeconfig: PathBuf,
    /// Its mode.
    pub(crate) kubeconfig_mode: u32,
}

/// The API server's face.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Api {
    /// Where it listens.
    pub(crate) listen: SocketAddr,
    /// The address told to the cluster.
    pub(crate) advertise: IpAddr,
    /// More names in its certificate.
    pub(crate) sans: Vec<String>,
}

/// The cluster's network.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Net {
    /// Pods.
    pub(crate) cluster_cidr: Ipv4Net,
    /// Services.
    pub(crate) service_cidr: Ipv4Net,
    /// NodePorts.
    pub(crate) node_ports: std::ops::RangeInclusive<u16>,
    /// The DNS Service.
    pub(crate) dns: Ipv4Addr,
    /// The DNS domain.
    pub(crate) domain: String,
    /// How nodes reach each other's pods.
    pub(crate) backend: knarr_network::Backend,
    /// The link to other nodes, if not the one with the node's address.
    pub(crate) link: Option<String>,
}

/// This node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    /// Name, lower case.
    pub(crate) name: String,
    /// Its address.
    pub(crate) ip: IpAddr,
    /// Its address from outside.
    pub(crate) external_ip: Option<IpAddr>,
    /// Labels at registration.
    pub(crate) labels: Vec<(String, String)>,
    /// Taints at registration: key, value, effect.
    pub(crate) taints: Vec<(String, String, String)>,
    /// Most pods.
    pub(crate) max_pods: u32,
    /// The kubelet's port.
    pub(crate) port: u16,
    /// `--kubelet-arg`, as given.
    pub(crate) arguments: Vec<String>,
    /// Parent cgroup of pods, `/` for the root.
    pub(crate) cgroup_root: String,
    /// A runtime that is not ours.
    pub(crate) runtime_endpoint: Option<PathBuf>,
    /// containerd's snapshotter.
    pub(crate) snapshotter: String,
    /// Upstream DNS servers.
    pub(crate) resolv_conf: PathBuf,
}

/// The built-in ingress.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Ingress {
    /// HTTP port, 0 for none.
    pub(crate) http: u16,
    /// HTTPS port, 0 for none.
    pub(crate) https: u16,
}

/// What can be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Component {
    Dns,
    Ingress,
    Proxy,
    Scheduler,
    Controllers,
    Agent,
    /// `metrics.k8s.io`.
    Metrics,
}

/// Checks what the user wrote against the host.
pub(crate) fn check(input: &Input) -> Result<Config, Fatal> {
    Check { input }.config()
}

/// What `knarr agent` needs beside it.
pub(crate) fn join(input: &Input) -> Result<Join, Fatal> {
    Check { input }.join()
}

struct Check<'a> {
    input: &'a Input,
}

impl Check<'_> {
    fn wrong(&self, flag: &str, why: impl std::fmt::Display) -> Fatal {
        Fatal::usage(format!("--{flag} {:?}: {why}", self.input.one(flag)), "correct the flag")
    }

    fn parse<T: std::str::FromStr>(&self, flag: &str, what: &str) -> Result<T, Fatal> {
        self.input.one(flag).parse().map_err(|_| self.wrong(flag, format!("this is not {what}")))
    }

    fn optional<T: std::str::FromStr>(&self, flag: &str, what: &str) -> Result<Option<T>, Fatal> {
        if self.input.one(flag).is_empty() { Ok(None) } else { self.parse(flag, what).map(Some) }
    }

    fn config(&self) -> Result<Config, Fatal> {
        let node = self.node()?;
        Ok(Config {
            paths: self.paths()?,
            api: Api {
                listen: SocketAddr::new(
                    self.parse("bind-address", "an address")?,
                    self.parse("https-listen-port", "a port")?,
                ),
                advertise: self.optional("advertise-address", "an address")?.unwrap_or(node.ip),
                sans: self.input.all("tls-san").to_vec(),
            },
            net: self.net()?,
            node,
            ingress: Ingress {
                http: self.parse("ingress-http-port", "a port")?,
                https: self.parse("ingress-https-port", "a port")?,
            },
            disabled: self.disabled()?,
            token: self.token("token")?.map(|t| t.secret),
            agent_token: self.token("agent-token")?.map(|t| t.secret),
            balancer_port: self.parse("lb-server-port", "a port")?,
            signing: self.signing()?,
            debug: self.input.on("debug"),
        })
    }

    fn signing(&self) -> Result<Duration, Fatal> {
        let told = self.input.all(CONTROLLERS).iter().filter_map(|text| text.strip_prefix(SIGNING)).next_back();
        let Some(text) = told else { return Ok(YEAR) };
        let life = text.parse::<jiff::SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok());
        let life = life.ok_or_else(|| self.wrong(CONTROLLERS, "this is not a duration like 8760h"))?;
        if life < SHORTEST {
            return Err(self.wrong(CONTROLLERS, "nodes renew their certificates in time from two minutes on"));
        }
        Ok(life)
    }

    fn paths(&self) -> Result<Paths, Fatal> {
        let prefix = Path::new(self.input.one("prefix"));
        if !prefix.as_os_str().is_empty() && !prefix.is_absolute() {
            return Err(self.wrong("prefix", "it must be an absolute path"));
        }
        let under = |path: &str| match prefix.as_os_str().is_empty() {
            true => PathBuf::from(path),
            false => prefix.join(path.trim_start_matches('/')),
        };
        let mode = u32::from_str_radix(self.input.one("write-kubeconfig-mode"), 8)
            .map_err(|_| self.wrong("write-kubeconfig-mode", "this is not an octal mode"))?;
        let run = under("/run/knarr");
        // The longest socket below: <run>/containerd/containerd.sock.ttrpc; the kernel takes 107 bytes.
        if run.as_os_str().len() > 70 {
            return Err(self.wrong("prefix", "sockets below it would have names longer than the kernel takes"));
        }
        Ok(Paths {
            prefix: (!prefix.as_os_str().is_empty()).then(|| prefix.to_owned()),
            etc: under("/etc/knarr"),
            data: under(self.input.one("data-dir")),
            run,
            kubelet: under("/var/lib/kubelet"),
            pod_logs: under("/var/log/pods"),
            container_logs: under("/var/log/containers"),
            registries: under(self.input.one("private-registry")),
            kubeconfig: under(self.input.one("write-kubeconfig")),
            kubeconfig_mode: mode,
        })
    }

    fn net(&self) -> Result<Net, Fatal> {
        let cluster: Ipv4Net = self.parse("cluster-cidr", "an IPv4 network")?;
        let service: Ipv4Net = self.parse("service-cidr", "an IPv4 network")?;
        if cluster.prefix_len() > 24 {
            return Err(self.wrong("cluster-cidr", "each node needs a /24 of it"));
        }
        if cluster.contains(&service.network()) || service.contains(&cluster.network()) {
            return Err(self.wrong("service-cidr", "it overlaps --cluster-cidr"));
        }
        let dns: Ipv4Addr = self.parse("cluster-dns", "an IPv4 address")?;
        if !service.contains(&dns) {
            return Err(self.wrong("cluster-dns", "it is not inside --service-cidr"));
        }
        let range = self.input.one("service-node-port-range").split_once('-');
        let ports = range.and_then(|(a, b)| Some(a.parse::<u16>().ok()?..=b.parse::<u16>().ok()?));
        let node_ports = ports
            .filter(|r| *r.start() > 0 && !r.is_empty())
            .ok_or_else(|| self.wrong("service-node-port-range", "this is not a range like 30000-32767"))?;
        Ok(Net {
            cluster_cidr: cluster,
            service_cidr: service,
            node_ports,
            dns,
            domain: self.input.one("cluster-domain").to_owned(),
            backend: self.parse("flannel-backend", "one of vxlan, host-gw, none")?,
            link: Some(self.input.one("flannel-iface")).filter(|l| !l.is_empty()).map(str::to_owned),
        })
    }

    fn node(&self) -> Result<Node, Fatal> {
        let name = match self.input.one("node-name") {
            "" => crate::host::name()?,
            name => name.to_owned(),
        }
        .to_lowercase();
        if !knarr_api::names::dns1123_subdomain(&name).is_empty() {
            return Err(Fatal::usage(format!("{name:?} cannot be a node's name"), "set --node-name to a DNS name"));
        }
        let ip = match self.optional("node-ip", "an address")? {
            Some(ip) => ip,
            None => crate::host::address(),
        };
        let pair = |flag: &str, text: &str| {
            let (key, value) = text.split_once('=').ok_or_else(|| self.wrong(flag, "this is not key=value"))?;
            Ok::<_, Fatal>((key.to_owned(), value.to_owned()))
        };
        let mut labels = Vec::new();
        for text in self.input.all("node-label") {
            labels.push(pair("node-label", text)?);
        }
        let mut taints = Vec::new();
        for text in self.input.all("node-taint") {
            let (head, effect) =
                text.rsplit_once(':').ok_or_else(|| self.wrong("node-taint", "this is not key=value:Effect"))?;
            if !["NoSchedule", "PreferNoSchedule", "NoExecute"].contains(&effect) {
                return Err(self.wrong("node-taint", "the effect is none of NoSchedule, PreferNoSchedule, NoExecute"));
            }
            let (key, value) = head.split_once('=').unwrap_or((head, ""));
            taints.push((key.to_owned(), value.to_owned(), effect.to_owned()));
        }
        let (mut max_pods, mut port) = (110, 10250);
        for text in self.input.all("kubelet-arg") {
            match text.split_once('=').unwrap_or((text, "")) {
                ("max-pods", n) => {
                    max_pods = n.parse().map_err(|_| self.wrong("kubelet-arg", "max-pods is not a number"))?;
                }
                ("port", n) => port = n.parse().map_err(|_| self.wrong("kubelet-arg", "port is not a port"))?,
                _ => {}
            }
        }
        let endpoint = self.input.one("container-runtime-endpoint");
        let endpoint = endpoint.strip_prefix("unix://").unwrap_or(endpoint);
        Ok(Node {
            name,
            ip,
            external_ip: self.optional("node-external-ip", "an address")?,
            labels,
            taints,
            max_pods,
            port,
            arguments: self.input.all("kubelet-arg").to_vec(),
            cgroup_root: format!("/{}", self.input.one("cgroup-root").trim_matches('/')),
            runtime_endpoint: (!endpoint.is_empty()).then(|| endpoint.into()),
            snapshotter: self.input.one("snapshotter").to_owned(),
            resolv_conf: self.input.one("resolv-conf").into(),
        })
    }

    fn disabled(&self) -> Result<Vec<Component>, Fatal> {
        let mut out = Vec::new();
        for name in self.input.all("disable") {
            out.push(match name.as_str() {
                "dns" | "coredns" => Component::Dns,
                "ingress" | "traefik" => Component::Ingress,
                "proxy" | "kube-proxy" => Component::Proxy,
                "scheduler" => Component::Scheduler,
                "controllers" => Component::Controllers,
                "agent" => Component::Agent,
                "metrics-server" => Component::Metrics,
                "servicelb" | "local-storage" | "runtimes" => continue,
                _ => {
                    return Err(Fatal::usage(
                        format!("--disable {name:?}: there is no such component"),
                        "run `knarr help`",
                    ));
                }
            });
        }
        Ok(out)
    }

    fn token(&self, flag: &str) -> Result<Option<JoinToken>, Fatal> {
        let file = self.input.one(&format!("{flag}-file"));
        let text = match (self.input.one(flag), file) {
            ("", "") => return Ok(None),
            ("", file) => std::fs::read_to_string(file)
                .map_err(|e| Fatal::usage(format!("cannot read --{flag}-file {file}: {e}"), "mend the file"))?,
            (token, _) => token.to_owned(),
        };
        let token = text.parse();
        token.map(Some).map_err(|e| Fatal::usage(format!("the token is wrong: {e}"), format!("correct --{flag}")))
    }

    fn join(&self) -> Result<Join, Fatal> {
        if self.input.one("server").is_empty() {
            return Err(Fatal::usage("an agent needs a server to join", "set --server https://host:6443"));
        }
        let server = self.input.one("server").parse().map_err(|why: &str| self.wrong("server", why))?;
        let mend = "set --token to what node-token on the server holds, or to a new one of `knarr token create`";
        let token = self.token("token")?.ok_or_else(|| Fatal::usage("an agent needs a token to join", mend))?;
        Ok(Join { server, token })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input;

    fn config(args: &[&str]) -> Result<Config, String> {
        let base = ["--config", "/dev/null", "--node-name", "n1", "--node-ip", "192.0.2.1"];
        let args = base.iter().chain(args).map(std::ffi::OsString::from);
        input::read(args).and_then(|i| check(&i)).map_err(|e| e.to_string())
    }

    #[test]
    fn everything_derives_from_the_prefix() {
        let c = config(&["--prefix", "/tmp/a"]).unwrap();
        assert_eq!(c.paths.data, Path::new("/tmp/a/var/lib/knarr"));
        assert_eq!(c.paths.run, Path::new("/tmp/a/run/knarr"));
        assert_eq!(c.paths.kubeconfig, Path::new("/tmp/a/etc/knarr/knarr.yaml"));
        assert_eq!(config(&[]).unwrap().paths.kubelet, Path::new("/var/lib/kubelet"));
    }

    #[test]
    fn values_are_checked() {
        let bad: &[(&[&str], &str)] = &[
            (&["--cluster-cidr", "10.0.0.0"], "IPv4 network"),
            (&["--cluster-cidr", "10.0.0.0/25"], "/24"),
            (&["--service-cidr", "10.42.1.0/24"], "overlaps"),
            (&["--cluster-dns", "1.2.3.4"], "not inside"),
            (&["--service-node-port-range", "9-8"], "range"),
            (&["--https-listen-port", "x"], "port"),
            (&["--node-name", "a_b"], "node's name"),
            (&["--node-taint", "a=b"], "key=value:Effect"),
            (&["--kube-controller-manager-arg", "cluster-signing-duration=x"], "a duration like 8760h"),
            (&["--kube-controller-manager-arg", "cluster-signing-duration=1m59s"], "two minutes"),
            (&["--disable", "moon"], "no such component"),
            (&["--write-kubeconfig-mode", "9"], "octal"),
            (&["--prefix", "relative"], "absolute"),
            (&["--token", "K10x"], "token is wrong"),
            (&["--flannel-backend", "wireguard-native"], "vxlan, host-gw"),
        ];
        for (args, why) in bad {
            let e = config(args).unwrap_err();
            assert!(e.contains(why), "{args:?}: {e}");
        }
        let c = config(&["--node-taint", "a=b:NoExecute", "--node-label", "x=y", "--disable", "traefik,servicelb"])
            .unwrap();
        assert_eq!(c.node.taints, [("a".into(), "b".into(), "NoExecute".into())]);
        assert_eq!(c.disabled, [Component::Ingress]);
    }

    #[test]
    fn an_agent_needs_a_server_and_a_token() {
        let join = |args: &[&str]| {
            let args = ["--config", "/dev/null"].iter().chain(args).map(std::ffi::OsString::from);
            input::read(args).and_then(|i| join(&i)).map_err(|e| e.to_string())
        };
        let hash = "a".repeat(64);
        let good = join(&["-s", "https://10.0.0.1", "-t", &format!("K10{hash}::server:x")]).unwrap();
        assert_eq!((good.server.to_string().as_str(), good.token.ca_hash), ("https://10.0.0.1:6443", Some(hash)));
        for (args, why) in [
            (&["-t", "x"][..], "--server"),
            (&["-s", "https://a"], "--token"),
            (&["-s", "http://a", "-t", "x"], "https://"),
            (&["-s", "https://a", "-t", "K10"], "token is wrong"),
        ] {
            let e = join(args).unwrap_err();
            assert!(e.contains(why), "{args:?}: {e}");
        }
    }
}
