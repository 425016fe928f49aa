//! A pod's resolver configuration.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::Pod;
use knarr_cri::v1;

use crate::pod;

/// Kubernetes' limits on search lists.
const MAX_SEARCHES: usize = 32;
const MAX_SEARCH_CHARS: usize = 2048;
const MAX_NAMESERVERS: usize = 3;

/// A parsed `resolv.conf`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResolvConf {
    /// `nameserver` lines.
    pub servers: Vec<String>,
    /// The last `search` line.
    pub searches: Vec<String>,
    /// The last `options` line.
    pub options: Vec<String>,
}

impl ResolvConf {
    /// Reads the file's text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut out = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace().map(str::to_owned);
            match words.next().as_deref() {
                Some("nameserver") => out.servers.extend(words.next()),
                Some("search") => out.searches = words.map(|w| w.trim_end_matches('.').to_owned()).collect(),
                Some("options") => out.options = words.collect(),
                _ => {}
            }
        }
        out.searches.retain(|s| !s.is_empty());
        out
    }
}

/// What the sandbox's `/etc/resolv.conf` is to say, by `dnsPolicy` and `dnsConfig`.
pub(crate) fn dns_config(pod: &Pod, dns: &[IpAddr], domain: &str, host: &ResolvConf) -> v1::DnsConfig {
    let spec = pod::spec(pod);
    let cluster = match spec.dns_policy.as_deref() {
        Some("None") => None,
        Some("Default") => Some(false),
        Some("ClusterFirstWithHostNet") => Some(true),
        _ => Some(!pod::host_network(pod)),
    };
    let mut out = match cluster {
        None => ResolvConf::default(),
        Some(true) if !dns.is_empty() => {
            let namespace = pod::namespace(pod);
            let mut searches = vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.to_owned()];
            searches.extend(host.searches.iter().cloned());
            ResolvConf {
                servers: dns.iter().map(ToString::to_string).collect(),
                searches,
                options: vec!["ndots:5".to_owned()],
            }
        }
        Some(_) => host.clone(),
    };
    if let Some(own) = &spec.dns_config {
        out.servers.extend(own.nameservers.iter().flatten().cloned());
        out.searches.extend(own.searches.iter().flatten().cloned());
        for option in own.options.iter().flatten() {
            let Some(name) = &option.name else { continue };
            out.options.retain(|o| o.split(':').next() != Some(name));
            out.options.push(match &option.value {
                Some(value) => format!("{name}:{value}"),
                None => name.clone(),
            });
        }
    }
    unique(&mut out.servers);
    unique(&mut out.searches);
    out.servers.truncate(MAX_NAMESERVERS);
    out.searches.truncate(MAX_SEARCHES);
    while out.searches.join(" ").len() > MAX_SEARCH_CHARS {
        out.searches.pop();
    }
    v1::DnsConfig { servers: out.servers, searches: out.searches, options: out.options }
}

fn unique(list: &mut Vec<String>) {
    let mut seen = std::collections::BTreeSet::new();
    list.retain(|item| seen.insert(item.clone()));
}
