//! The pod's sandbox: its network, host name and the cgroup everything in it lives under.

use std::collections::HashMap;

use k8s_openapi::api::core::v1::Pod;
use knarr_cri::v1;

use super::{pod_resources, security};
use crate::{pod, sync::labels};

/// The pod's host name and, if it has one, its full name in the cluster.
pub(super) fn hostname(pod: &Pod, domain: &str) -> (String, Option<String>) {
    let spec = pod::spec(pod);
    if let Some(name) = spec.hostname_override.as_deref().filter(|n| !n.is_empty()) {
        return (name.to_owned(), None);
    }
    let given = spec.hostname.as_deref().filter(|n| !n.is_empty()).unwrap_or_else(|| pod::name(pod));
    let short = given.get(..63).unwrap_or(given).trim_end_matches(['-', '.']).to_owned();
    let subdomain = spec.subdomain.as_deref().filter(|s| !s.is_empty());
    let fqdn = subdomain.map(|s| format!("{short}.{s}.{}.svc.{domain}", pod::namespace(pod)));
    match fqdn {
        Some(fqdn) if spec.set_hostname_as_fqdn.unwrap_or(false) => (fqdn.clone(), Some(fqdn)),
        fqdn => (short, fqdn),
    }
}

/// The directory of the pod's logs under the log root.
pub(crate) fn log_directory(root: &str, pod: &Pod) -> String {
    format!("{root}/{}_{}_{}", pod::namespace(pod), pod::name(pod), pod::uid(pod))
}

/// Everything the runtime needs to make the sandbox.
pub(crate) fn sandbox_config(
    pod: &Pod,
    attempt: u32,
    dns: v1::DnsConfig,
    domain: &str,
    cgroup_parent: &str,
    log_root: &str,
    pause_profile: &str,
) -> v1::PodSandboxConfig {
    let spec = pod::spec(pod);
    let text = str::to_owned;
    let mut labels: HashMap<String, String> = pod.metadata.labels.clone().unwrap_or_default().into_iter().collect();
    labels.insert(text(labels::POD_NAME), text(pod::name(pod)));
    labels.insert(text(labels::POD_NAMESPACE), text(pod::namespace(pod)));
    labels.insert(text(labels::POD_UID), text(pod::uid(pod)));
    let sysctls = spec.security_context.as_ref().and_then(|s| s.sysctls.as_ref());
    let sysctls = sysctls.into_iter().flatten().map(|s| (s.name.clone(), s.value.clone())).collect();
    let ports = pod::parts(pod).into_iter().flat_map(|p| p.spec.ports.clone().unwrap_or_default());
    let port_mappings = ports
        .map(|p| v1::PortMapping {
            protocol: match p.protocol.as_deref() {
                Some("UDP") => v1::Protocol::Udp as i32,
                Some("SCTP") => v1::Protocol::Sctp as i32,
                _ => v1::Protocol::Tcp as i32,
            },
            container_port: p.container_port,
            host_port: p.host_port.unwrap_or(0),
            host_ip: p.host_ip.unwrap_or_default(),
        })
        .collect();
    v1::PodSandboxConfig {
        metadata: Some(v1::PodSandboxMetadata {
            name: text(pod::name(pod)),
            uid: text(pod::uid(pod)),
            namespace: text(pod::namespace(pod)),
            attempt,
        }),
        hostname: if pod::host_network(pod) { String::new() } else { hostname(pod, domain).0 },
        log_directory: log_directory(log_root, pod),
        dns_config: Some(dns),
        port_mappings,
        labels,
        annotations: pod.metadata.annotations.clone().unwrap_or_default().into_iter().collect(),
        linux: Some(v1::LinuxPodSandboxConfig {
            cgroup_parent: text(cgroup_parent),
            security_context: Some(security::sandbox(pod, pause_profile)),
            sysctls,
            overhead: None,
            resources: Some(pod_resources(pod)),
        }),
        windows: None,
    }
}
