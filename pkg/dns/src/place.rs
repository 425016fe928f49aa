//! What a name below the cluster domain stands for. Pure.
//!
//! Only what is here exists: NXDOMAIN and NODATA are told apart by it, whatever type is asked for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use knarr_client::Key;

use crate::{Address, Endpoint, Port, Protocol, Service, Zone};

/// What a name in the zone is.
pub(crate) enum Place<'a> {
    /// It does not exist.
    Nothing,
    /// It exists only for what is below it.
    Between,
    /// The domain itself.
    Apex,
    /// Where the version of the specification is told.
    Version,
    /// The name server's own name.
    Server,
    /// An ExternalName Service.
    Alias(&'a str),
    /// Any other Service.
    Service(Key, &'a Service),
    /// Endpoints of a Service that share a name.
    Endpoints(Vec<&'a Endpoint>),
    /// Ports of a Service, by protocol and name.
    Ports(Key, &'a Service, Protocol, Option<String>),
    /// A pod by its address.
    Pod(IpAddr),
}

/// The place of a name, given as its labels below the domain, the nearest to the domain first.
pub(crate) fn find<'a>(zone: &'a Zone, labels: &[String]) -> Place<'a> {
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    match labels[..] {
        [] => Place::Apex,
        ["dns-version"] => Place::Version,
        ["dns", "ns"] => Place::Server,
        ["svc" | "pod" | "dns"] => Place::Between,
        ["svc" | "pod", namespace] if zone.has_namespace(namespace) => Place::Between,
        ["pod", namespace, dashed] if zone.has_namespace(namespace) => pod(dashed).map_or(Place::Nothing, Place::Pod),
        ["svc", namespace, name, ref below @ ..] => {
            let key = Key::new(namespace, name);
            zone.service(&key).map_or(Place::Nothing, |service| in_service(zone, key, service, below))
        }
        _ => Place::Nothing,
    }
}

fn in_service<'a>(zone: &'a Zone, key: Key, service: &'a Service, below: &[&str]) -> Place<'a> {
    match (&service.address, below) {
        (Address::External(Some(name)), []) => Place::Alias(name),
        (Address::External(_), [_, ..]) => Place::Nothing,
        (_, []) => Place::Service(key, service),
        (_, [label, rest @ ..]) if let Some(protocol) = Protocol::of_label(label) => {
            let (all, port) = match rest {
                [] => (true, ""),
                [port] => (false, port.strip_prefix('_').unwrap_or_default()),
                _ => return Place::Nothing,
            };
            let fits = |p: &Port| p.protocol == protocol && !p.name.is_empty() && (all || p.name == port);
            let exists = service.ports.iter().any(fits) || zone.slices(&key).any(|s| s.ports.iter().any(fits));
            match (exists, all) {
                (false, _) => Place::Nothing,
                (true, true) => Place::Between,
                (true, false) => Place::Ports(key, service, protocol, Some(port.to_owned())),
            }
        }
        (_, [label]) => {
            let address = pod(label);
            let named = |e: &Endpoint| match &*e.hostname {
                "" => Some(e.address) == address,
                name => name == *label,
            };
            let endpoints: Vec<_> = zone.endpoints(&key).filter(|e| named(e)).collect();
            if endpoints.is_empty() { Place::Nothing } else { Place::Endpoints(endpoints) }
        }
        _ => Place::Nothing,
    }
}

/// `1-2-3-4` or `fd00--1`.
fn pod(dashed: &str) -> Option<IpAddr> {
    let v4 = dashed.replace('-', ".").parse::<Ipv4Addr>().map(IpAddr::V4);
    v4.or_else(|_| dashed.replace('-', ":").parse::<Ipv6Addr>().map(IpAddr::V6)).ok()
}
