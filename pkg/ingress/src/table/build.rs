//! Objects → table.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use knarr_client::Key;

use super::{Backend, Path, Problem, Route, Site, Table, backends::Backends};
use crate::{
    issue,
    objects::{ClassInfo, IngressInfo, PathKind, ServiceInfo, SliceInfo, TlsSpec, beside, serves},
    route::parent,
    tls::Certificate,
};

/// What the informers hold.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// All Ingresses.
    pub ingresses: Vec<Arc<IngressInfo>>,
    /// All IngressClasses.
    pub classes: Vec<ClassInfo>,
    /// All Services.
    pub services: Vec<Arc<ServiceInfo>>,
    /// All EndpointSlices of Services.
    pub slices: Vec<Arc<SliceInfo>>,
    /// All TLS Secrets.
    pub secrets: HashMap<Key, Arc<Certificate>>,
}

/// The table of a view. Of two Ingresses that claim the same, the older one has it.
pub fn build(view: &View) -> Table {
    let mut served: Vec<&IngressInfo> =
        view.ingresses.iter().map(|i| &**i).filter(|i| serves(i, &view.classes)).collect();
    served.sort_by(|a, b| (&a.created, &a.key).cmp(&(&b.created, &b.key)));
    let mut table = Table { served: served.iter().map(|i| i.key.clone()).collect(), ..Table::default() };
    let secured = certificates(view, &served, &mut table);
    let mut backends = Backends::new(&view.services, &view.slices);
    for ingress in &served {
        rules(ingress, &secured, &mut backends, &mut table);
    }
    for site in table.exact.values_mut().chain(table.wildcard.values_mut()).chain([&mut table.any]) {
        order(site);
    }
    table.problems.sort();
    table.problems.dedup();
    table
}

/// Fills the certificates; answers the hosts that have TLS.
fn certificates(view: &View, served: &[&IngressInfo], table: &mut Table) -> BTreeSet<String> {
    let mut secured = BTreeSet::new();
    for ingress in served {
        for tls in &ingress.tls {
            let own = own_certificate(view, ingress, tls, &mut table.problems);
            let hosts = ingress.tls_hosts(tls);
            if let (Some(own), true) = (&own, hosts.is_empty()) {
                table.certificates.default.get_or_insert_with(|| own.clone());
            }
            for host in hosts {
                secured.insert(host.to_owned());
                match &own {
                    Some(own) => table.certificates.insert(host, own.clone()),
                    None => drop(table.local.insert(host.to_owned())),
                }
            }
        }
    }
    // Another Ingress may have brought a certificate for the same host.
    table.local.retain(|host| match host.strip_prefix("*.") {
        Some(parent) => !table.certificates.wildcard.contains_key(parent),
        None => !table.certificates.exact.contains_key(host.as_str()),
    });
    let ours = |name: &str| {
        let secret = view.secrets.get(&Key::new(issue::NAMESPACE, name))?;
        secret.key.as_ref().ok().cloned()
    };
    for host in &table.local {
        if let Some(key) = issue::secret_name(host).and_then(|name| ours(&name)) {
            table.certificates.insert(host, key);
        }
    }
    if table.certificates.default.is_none() {
        table.certificates.default = ours(issue::DEFAULT);
    }
    secured
}

fn own_certificate(
    view: &View,
    ingress: &IngressInfo,
    tls: &TlsSpec,
    problems: &mut Vec<Problem>,
) -> Option<Arc<rustls::sign::CertifiedKey>> {
    let key = beside(&ingress.key, tls.secret.as_deref()?);
    let (reason, message) = match view.secrets.get(&key).map(|s| &s.key) {
        Some(Ok(certificate)) => return Some(certificate.clone()),
        Some(Err(why)) => ("SecretInvalid", format!("Secret {key}: {why}")),
        None => ("SecretNotFound", format!("Secret {key} of type kubernetes.io/tls does not exist")),
    };
    problems.push(Problem { ingress: ingress.key.clone(), reason, message });
    None
}

fn rules(ingress: &IngressInfo, secured: &BTreeSet<String>, backends: &mut Backends<'_>, table: &mut Table) {
    let default = ingress.default.as_ref().map(|to| backends.find(ingress, to, &mut table.problems));
    let everywhere = ingress.tls.iter().any(|tls| ingress.tls_hosts(tls).is_empty());
    let redirect = |host: Option<&str>| ingress.redirect && host.map_or(everywhere, |host| has_tls(host, secured));
    let route =
        |kind, path: &str, host, backend| Route { path: Path::new(kind, path), redirect: redirect(host), backend };
    let fall_back = |site: &mut Site, host, backend: &Arc<Backend>| {
        site.fallback.get_or_insert_with(|| route(PathKind::Prefix, "/", host, backend.clone()));
    };
    for rule in &ingress.rules {
        let host = rule.host.as_deref();
        let mut routes = Vec::new();
        for path in &rule.paths {
            let backend = backends.find(ingress, &path.backend, &mut table.problems);
            routes.push(route(path.kind, &path.path, host, backend));
        }
        let site = site(table, host);
        site.routes.extend(routes);
        if let Some(backend) = &default {
            fall_back(site, host, backend);
        }
    }
    if let Some(backend) = &default {
        fall_back(&mut table.any, None, backend);
    }
}

/// The site of a host as an Ingress writes it.
fn site<'t>(table: &'t mut Table, host: Option<&str>) -> &'t mut Site {
    let of = |map: &'t mut BTreeMap<Box<str>, Site>, key: &str| map.entry(key.into()).or_default();
    match host.map(|h| (h, h.strip_prefix("*."))) {
        None => &mut table.any,
        Some((_, Some(parent))) => of(&mut table.wildcard, parent),
        Some((host, None)) => of(&mut table.exact, host),
    }
}

fn has_tls(host: &str, secured: &BTreeSet<String>) -> bool {
    secured.contains(host) || parent(host).is_some_and(|parent| secured.contains(&format!("*.{parent}")))
}

/// Longest first, exact before prefix, older before younger; what can never be reached is left out.
fn order(site: &mut Site) {
    site.routes.sort_by(|a, b| {
        (b.path.text.len(), a.path.kind, &a.path.text).cmp(&(a.path.text.len(), b.path.kind, &b.path.text))
    });
    site.routes.dedup_by(|younger, older| younger.path == older.path);
}
