//! Services and what routes to them.

use std::collections::BTreeSet;

use knarr_api::Value;

use super::{age, cell, name, named, text, text_or, wide, words};
use crate::{
    Column,
    kinds::tree::{int, texts},
};

pub(super) fn columns(plural: &str) -> Vec<Column> {
    match plural {
        "services" => vec![
            name(),
            text("Type", &["spec", "type"]),
            cell("Cluster-IP", |s| words::or_none(texts(s, &["spec", "clusterIPs"]).next().unwrap_or_default())),
            cell("External-IP", external_ip),
            cell("Port(s)", |s| words::or_none(&service_ports(s))),
            age(),
            wide(cell("Selector", |s| words::labels(s, &["spec", "selector"]))),
        ],
        "endpoints" => vec![name(), cell("Endpoints", endpoints), age()],
        "endpointslices" => vec![
            name(),
            text("AddressType", &["addressType"]),
            cell("Ports", slice_ports),
            cell("Endpoints", |slice| {
                let endpoints = slice.list_at(&["endpoints"]).iter();
                some(endpoints.flat_map(|e| texts(e, &["addresses"])).map(str::to_owned).collect())
            }),
            age(),
        ],
        "ingresses" => vec![
            name(),
            text_or("Class", &["spec", "ingressClassName"], words::NONE),
            cell("Hosts", hosts),
            cell("Address", balancer),
            cell("Ports", |i| if words::len(i, &["spec", "tls"]) > 0 { "80, 443" } else { "80" }.to_owned()),
            age(),
        ],
        "ingressclasses" => vec![
            named(|class| default_marked(class, &["ingressclass.kubernetes.io/is-default-class"])),
            text("Controller", &["spec", "controller"]),
            cell("Parameters", parameters),
            age(),
        ],
        "networkpolicies" => {
            vec![name(), cell("Pod-Selector", |p| words::selector(p, &["spec", "podSelector"])), age()]
        }
        "servicecidrs" => vec![name(), cell("CIDRs", |c| words::joined(texts(c, &["spec", "cidrs"]))), age()],
        "ipaddresses" => vec![name(), cell("ParentRef", parent)],
        _ => Vec::new(),
    }
}

/// The name, marked if one of the annotations makes the object the default of its kind.
pub(super) fn default_marked(object: &Value, annotations: &[&str]) -> String {
    let name = object.str_at(&["metadata", "name"]);
    let is_default = annotations.iter().any(|a| object.str_at(&["metadata", "annotations", a]) == "true");
    if is_default { format!("{name} (default)") } else { name.to_owned() }
}

/// Addresses of a load balancer, sorted.
fn balancer(object: &Value) -> String {
    let ingress = object.list_at(&["status", "loadBalancer", "ingress"]).iter();
    let addresses: BTreeSet<&str> = ingress
        .filter_map(|i| [i.str_at(&["ip"]), i.str_at(&["hostname"])].into_iter().find(|a| !a.is_empty()))
        .collect();
    words::joined(addresses)
}

fn external_ip(service: &Value) -> String {
    let external = words::joined(texts(service, &["spec", "externalIPs"]));
    match service.str_at(&["spec", "type"]) {
        "ClusterIP" | "NodePort" => words::or_none(&external),
        "LoadBalancer" => match (balancer(service), external) {
            (given, external) if given.is_empty() && external.is_empty() => "<pending>".to_owned(),
            (given, external) => {
                words::joined([given.as_str(), external.as_str()].into_iter().filter(|a| !a.is_empty()))
            }
        },
        "ExternalName" => service.str_at(&["spec", "externalName"]).to_owned(),
        _ => "<unknown>".to_owned(),
    }
}

fn service_ports(service: &Value) -> String {
    let port = |port: &Value| {
        let number = |key| int(port, &[key]).unwrap_or(0);
        let protocol = port.str_at(&["protocol"]);
        match number("nodePort") {
            0 => format!("{}/{protocol}", number("port")),
            node => format!("{}:{node}/{protocol}", number("port")),
        }
    };
    service.list_at(&["spec", "ports"]).iter().map(port).collect::<Vec<_>>().join(",")
}

fn endpoints(endpoints: &Value) -> String {
    let subsets = endpoints.list_at(&["subsets"]);
    if subsets.is_empty() {
        return words::NONE.to_owned();
    }
    let mut all = Vec::new();
    for subset in subsets {
        let ips = || words::each(subset, &["addresses"], "ip");
        let ports = subset.list_at(&["ports"]);
        if ports.is_empty() {
            all.extend(ips().map(str::to_owned));
        }
        for port in ports {
            let port = int(port, &["port"]).unwrap_or(0);
            all.extend(
                ips().map(|ip| if ip.contains(':') { format!("[{ip}]:{port}") } else { format!("{ip}:{port}") }),
            );
        }
    }
    words::first_few(all, 3, ",")
}

fn some(all: Vec<String>) -> String {
    match words::first_few(all, 3, ",") {
        text if text.is_empty() => "<unset>".to_owned(),
        text => text,
    }
}

fn slice_ports(slice: &Value) -> String {
    let port = |p: &Value| words::scalar(p, &["port"]).or(words::scalar(p, &["name"])).unwrap_or("*".to_owned());
    some(slice.list_at(&["ports"]).iter().map(port).collect())
}

/// The first three rules that name a host; the rest is counted in rules.
fn hosts(ingress: &Value) -> String {
    let rules = ingress.list_at(&["spec", "rules"]);
    let mut hosts = Vec::new();
    let mut more = false;
    for rule in rules {
        more |= hosts.len() == 3;
        let host = rule.str_at(&["host"]);
        if !more && !host.is_empty() {
            hosts.push(host);
        }
    }
    let shown = words::joined(hosts);
    match (shown.is_empty(), more) {
        (true, _) => "*".to_owned(),
        (_, true) => format!("{shown} + {} more...", rules.len() - 3),
        (_, false) => shown,
    }
}

fn parameters(class: &Value) -> String {
    let Some(parameters) = class.at(&["spec", "parameters"]).filter(|p| !p.is_null()) else {
        return words::NONE.to_owned();
    };
    let kind = parameters.str_at(&["kind"]);
    let name = parameters.str_at(&["name"]);
    match parameters.get("apiGroup").and_then(Value::as_str) {
        Some(group) => format!("{kind}.{group}/{name}"),
        None => format!("{kind}/{name}"),
    }
}

fn parent(address: &Value) -> String {
    let Some(parent) = address.at(&["spec", "parentRef"]).filter(|p| !p.is_null()) else {
        return words::NONE.to_owned();
    };
    let part = |key| parent.str_at(&[key]);
    let resource = match part("group") {
        "" => part("resource").to_lowercase(),
        group => format!("{}.{group}", part("resource")).to_lowercase(),
    };
    let path = [resource.as_str(), part("namespace"), part("name")];
    path.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join("/")
}
