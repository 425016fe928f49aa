//! The `/etc/hosts` of a pod's containers.

use k8s_openapi::api::core::v1::Pod;

use super::sandbox::hostname;
use crate::pod;

/// The file's text. `host` is the node's own file, for pods on its network.
pub(crate) fn hosts_file(pod: &Pod, ips: &[String], domain: &str, host: &str) -> String {
    let mut out = if pod::host_network(pod) {
        format!("# Kubernetes-managed hosts file (host network).\n{host}")
    } else {
        let (name, fqdn) = hostname(pod, domain);
        let mut out = String::from(
            "# Kubernetes-managed hosts file.\n\
             127.0.0.1\tlocalhost\n\
             ::1\tlocalhost ip6-localhost ip6-loopback\n\
             fe00::0\tip6-localnet\n\
             fe00::0\tip6-mcastprefix\n\
             fe00::1\tip6-allnodes\n\
             fe00::2\tip6-allrouters\n",
        );
        for ip in ips {
            match &fqdn {
                Some(fqdn) => out.push_str(&format!("{ip}\t{fqdn}\t{name}\n")),
                None => out.push_str(&format!("{ip}\t{name}\n")),
            }
        }
        out
    };
    let aliases = pod::spec(pod).host_aliases.as_deref().unwrap_or_default();
    if !aliases.is_empty() {
        out.push_str("\n# Entries added by HostAliases.\n");
        for alias in aliases {
            let names = alias.hostnames.clone().unwrap_or_default();
            out.push_str(&format!("{}\t{}\n", alias.ip, names.join("\t")));
        }
    }
    out
}
