//! A container's environment.

use std::{collections::BTreeMap, net::IpAddr};

use k8s_openapi::api::core::v1::{Container, EnvVarSource, Pod};

use super::{Data, Machine, Sources, SpecError, downward, expand};
use crate::pod;

/// What a pod may learn of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Service {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Cluster address.
    pub ip: String,
    /// Ports in order; never empty.
    pub ports: Vec<ServicePort>,
}

/// One port of a [`Service`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ServicePort {
    /// Name, may be empty.
    pub name: String,
    /// Number.
    pub port: i32,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: String,
}

/// The variables of `container`, in the order upstream sets them: its own as declared, then those of whole ConfigMaps
/// and Secrets, then those of Services that nothing overrides.
///
/// # Errors
/// Something that is referred to is missing.
pub(crate) fn environment(
    pod: &Pod,
    container: &Container,
    sources: &Sources,
    services: &[Service],
    ips: &[String],
    host_ips: &[String],
    machine: &Machine,
) -> Result<Vec<(String, String)>, SpecError> {
    let links = service_variables(pod, services);
    let mut set: BTreeMap<String, String> = BTreeMap::new();
    for from in container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        let data = if let Some(r) = &from.config_map_ref {
            sources.config_map(&r.name, r.optional.unwrap_or(false))?
        } else if let Some(r) = &from.secret_ref {
            sources.secret(&r.name, r.optional.unwrap_or(false))?
        } else {
            None
        };
        for (key, value) in data.into_iter().flat_map(|d| &d.entries) {
            set.insert(format!("{prefix}{key}"), text(value));
        }
    }
    let mut out: Vec<(String, String)> = Vec::new();
    for var in container.env.iter().flatten() {
        let value = match (var.value.as_deref().unwrap_or_default(), &var.value_from) {
            ("", None) => String::new(),
            ("", Some(from)) => {
                let found = source(pod, container, from, sources, ips, host_ips, machine)?;
                let Some(value) = found else { continue };
                value
            }
            (value, _) => expand(value, |name| set.get(name).or_else(|| links.get(name)).cloned()),
        };
        set.insert(var.name.clone(), value.clone());
        match out.iter_mut().find(|(name, _)| *name == var.name) {
            Some((_, old)) => *old = value,
            None => out.push((var.name.clone(), value)),
        }
    }
    let declared: Vec<String> = out.iter().map(|(name, _)| name.clone()).collect();
    let whole = set.iter().filter(|(name, _)| !declared.contains(name));
    out.extend(whole.map(|(name, value)| (name.clone(), value.clone())));
    out.extend(links.into_iter().filter(|(name, _)| !set.contains_key(name)));
    Ok(out)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn source(
    pod: &Pod,
    container: &Container,
    from: &EnvVarSource,
    sources: &Sources,
    ips: &[String],
    host_ips: &[String],
    machine: &Machine,
) -> Result<Option<String>, SpecError> {
    if let Some(r) = &from.field_ref {
        return downward::field(pod, &r.field_path, ips, host_ips).map(Some);
    }
    if let Some(r) = &from.resource_field_ref {
        let other = r.container_name.as_deref().filter(|n| !n.is_empty()).and_then(|n| pod::part(pod, n));
        let container = other.as_ref().map_or(container, |p| &p.spec);
        return downward::resource(container, r, machine).map(Some);
    }
    if let Some(r) = &from.config_map_key_ref {
        let optional = r.optional.unwrap_or(false);
        return key(sources.config_map(&r.name, optional)?, &r.key, optional, || {
            format!("couldn't find key {} in ConfigMap {}/{}", r.key, pod::namespace(pod), r.name)
        });
    }
    if let Some(r) = &from.secret_key_ref {
        let optional = r.optional.unwrap_or(false);
        return key(sources.secret(&r.name, optional)?, &r.key, optional, || {
            format!("couldn't find key {} in Secret {}/{}", r.key, pod::namespace(pod), r.name)
        });
    }
    Err(SpecError("environment files are not supported".to_owned()))
}

fn key(
    data: Option<&std::sync::Arc<Data>>,
    key: &str,
    optional: bool,
    missing: impl Fn() -> String,
) -> Result<Option<String>, SpecError> {
    match data.and_then(|d| d.entries.get(key)) {
        Some(value) => Ok(Some(text(value))),
        None if optional => Ok(None),
        None => Err(SpecError(missing())),
    }
}

/// `kubernetes` always; those of the pod's namespace unless it wants no links. Its own `kubernetes` wins.
fn service_variables(pod: &Pod, services: &[Service]) -> BTreeMap<String, String> {
    let links = pod::spec(pod).enable_service_links.unwrap_or(true);
    let mut out = BTreeMap::new();
    let of = |namespace: &str, service: &Service| service.namespace == namespace;
    let master = services.iter().filter(|s| of("default", s) && s.name == "kubernetes");
    let own = services.iter().filter(|s| links && of(pod::namespace(pod), s));
    for service in master.chain(own) {
        variables(service, &mut out);
    }
    out
}

fn variables(service: &Service, out: &mut BTreeMap<String, String>) {
    let upper = |name: &str| name.replace('-', "_").to_uppercase();
    let prefix = upper(&service.name);
    let ip = &service.ip;
    let host = if matches!(ip.parse(), Ok(IpAddr::V6(_))) { format!("[{ip}]") } else { ip.clone() };
    out.insert(format!("{prefix}_SERVICE_HOST"), ip.clone());
    for (i, port) in service.ports.iter().enumerate() {
        let (number, protocol) = (port.port, port.protocol.to_lowercase());
        let url = format!("{protocol}://{host}:{number}");
        if i == 0 {
            out.insert(format!("{prefix}_SERVICE_PORT"), number.to_string());
            out.insert(format!("{prefix}_PORT"), url.clone());
        }
        if !port.name.is_empty() {
            out.insert(format!("{prefix}_SERVICE_PORT_{}", upper(&port.name)), number.to_string());
        }
        let stem = format!("{prefix}_PORT_{number}_{}", port.protocol.to_uppercase());
        out.insert(stem.clone(), url);
        out.insert(format!("{stem}_PROTO"), protocol);
        out.insert(format!("{stem}_PORT"), number.to_string());
        out.insert(format!("{stem}_ADDR"), ip.clone());
    }
}
