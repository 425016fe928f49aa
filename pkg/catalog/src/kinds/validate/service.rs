//! Services.

use std::collections::HashSet;

use knarr_api::{
    Value,
    field::{Error, Errors, Path},
    names,
};

use super::common::{cidr, endpoint_ip, ip, labels, port, port_or_name};
use crate::kinds::{
    prepare::{is_external, needs_health_check},
    same::equal,
    spot::Spot,
};

/// A Service.
pub(in crate::kinds) fn service(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    let kind = spec.text_at("type");
    let addresses = spec.at("clusterIPs");
    let headless = addresses.len() == 1 && addresses.index(0).text() == "None";
    let ports_at = spec.at("ports");
    if ports_at.is_empty() && !headless && kind != "ExternalName" {
        out.push(ports_at.required(""));
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            out.push(addresses.index(0).invalid(format!("may not be set to 'None' for {kind} services")));
        }
        "ExternalName" => external_name(&spec, &mut out),
        _ => {}
    }
    ports(&ports_at, kind, &mut out);
    labels(&spec.at("selector"), &mut out);
    affinity(&spec, &mut out);
    if kind != "ExternalName" {
        families(&spec, &mut out);
    }
    for address in spec.at("externalIPs").items() {
        endpoint_ip(&address, &mut out);
    }
    balancer(&spec, kind, &mut out);
    policies(&spec, object, &mut out);
    out
}

fn external_name(spec: &Spot<'_, '_>, out: &mut Errors) {
    for key in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        let spot = spec.at(key);
        if !spot.is_empty() {
            out.push(spot.forbidden("may not be set for ExternalName services"));
        }
    }
    let name = spec.at("externalName");
    match name.text().strip_suffix('.').unwrap_or(name.text()) {
        "" => out.push(name.required("")),
        host => out.extend(names::dns1123_subdomain(host).into_iter().map(|m| name.invalid_as(host, m))),
    }
}

fn ports(ports: &Spot<'_, '_>, kind: &str, out: &mut Errors) {
    let mut names_seen = HashSet::new();
    for item in ports.items() {
        let name = item.at("name");
        if name.is_empty() {
            if ports.len() > 1 {
                out.push(name.required(""));
            }
        } else {
            name.check(names::dns1123_label, out);
            if !names_seen.insert(name.text()) {
                out.push(name.duplicate());
            }
        }
        port(&item.at("port"), out);
        port_or_name(&item.at("targetPort"), out);
        let protocol = item.at("appProtocol");
        if protocol.is_set() {
            protocol.check_even_empty(names::qualified_name, out);
        }
    }
    let (mut nodes, mut numbers) = (HashSet::new(), HashSet::new());
    for item in ports.items() {
        let (protocol, node) = (item.text_at("protocol"), item.at("nodePort"));
        if let Some(number) = node.int().filter(|n| *n != 0) {
            if kind == "ClusterIP" {
                out.push(node.forbidden("may not be used when `type` is 'ClusterIP'"));
            }
            if !nodes.insert((protocol, number)) {
                out.push(node.duplicate());
            }
        }
    }
    for item in ports.items() {
        let number = item.at("port").int().unwrap_or(0);
        let protocol = item.text_at("protocol");
        if !numbers.insert((protocol, number)) {
            out.push(item.duplicate_as(knarr_api::value!({ "port": number, "protocol": protocol })));
        }
    }
}

fn affinity(spec: &Spot<'_, '_>, out: &mut Errors) {
    const WHEN: &str = "when session affinity type is ClientIP";
    let config = spec.at("sessionAffinityConfig");
    match spec.text_at("sessionAffinity") {
        "ClientIP" => {
            let client = config.at("clientIP");
            let timeout = client.at("timeoutSeconds");
            match timeout.int() {
                _ if !config.is_set() => out.push(config.required(WHEN)),
                _ if !client.is_set() => out.push(client.required(WHEN)),
                None => out.push(timeout.required(WHEN)),
                Some(n) if !(1..=86_400).contains(&n) => {
                    out.push(timeout.invalid("must be greater than 0 and less than 86400"));
                }
                Some(_) => {}
            }
        }
        "None" if config.is_set() => {
            out.push(config.forbidden("must not be set when session affinity is None"));
        }
        _ => {}
    }
}

/// Cluster addresses and their families say the same.
fn families(spec: &Spot<'_, '_>, out: &mut Errors) {
    let (first, all, families) = (spec.text_at("clusterIP"), spec.at("clusterIPs"), spec.at("ipFamilies"));
    if first.is_empty() {
        if !all.is_empty() {
            out.push(all.invalid("must be empty when `clusterIP` is not specified"));
        }
    } else if all.is_empty() {
        out.push(all.required(""));
    } else if all.index(0).text() != first {
        out.push(all.invalid("first value must match `clusterIP`"));
    }
    let mut seen = HashSet::new();
    for family in families.items() {
        if !matches!(family.text(), "IPv4" | "IPv6") {
            out.push(family.not_supported(&["IPv4", "IPv6"]));
        }
        if !seen.insert(family.text()) {
            out.push(family.duplicate());
        }
    }
    let mut parsed = Vec::new();
    for (i, address) in all.items().enumerate() {
        match address.text() {
            "None" if i == 0 && all.len() == 1 => {}
            "None" => out.push(all.invalid("'None' must be the first and only value")),
            _ => parsed.extend(ip(&address, out)),
        }
    }
    if all.len() > 2 {
        out.push(all.invalid("may only hold up to 2 values"));
    } else if parsed.len() == 2 && parsed[0].is_ipv4() == parsed[1].is_ipv4() {
        out.push(all.invalid("may specify no more than one IP for each IP family"));
    }
    for (i, address) in parsed.iter().enumerate() {
        let wanted = families.index(i);
        let is = if address.is_ipv4() { "IPv4" } else { "IPv6" };
        if matches!(wanted.text(), "IPv4" | "IPv6") && wanted.text() != is {
            let why = format!("expected an {} value as indicated by `ipFamilies[{i}]`", wanted.text());
            out.push(all.index(i).invalid(why));
        }
    }
}

fn balancer(spec: &Spot<'_, '_>, kind: &str, out: &mut Errors) {
    const ONLY: &str = "may only be used when `type` is 'LoadBalancer'";
    let ranges = spec.at("loadBalancerSourceRanges");
    if !ranges.is_empty() {
        // The path begins with a capital letter, as it always did.
        let path = Path::new("spec").child("LoadBalancerSourceRanges");
        if kind != "LoadBalancer" {
            out.push(Error::forbidden(&path, ONLY));
        }
        for (i, range) in ranges.items().enumerate() {
            let mut errors = Errors::new();
            cidr(&range, &mut errors);
            out.extend(errors.into_iter().map(|e| Error { path: path.index(i), ..e }));
        }
    }
    for key in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
        let spot = spec.at(key);
        if spot.is_set() && kind != "LoadBalancer" {
            out.push(spot.forbidden(ONLY));
        }
    }
    let class = spec.at("loadBalancerClass");
    if class.is_set() && kind == "LoadBalancer" {
        class.check_even_empty(names::qualified_name, out);
    }
}

fn policies(spec: &Spot<'_, '_>, object: &Value, out: &mut Errors) {
    let external = spec.at("externalTrafficPolicy");
    match (is_external(object), external.is_empty()) {
        (false, false) => out.push(external.invalid("may only be set for externally-accessible services")),
        (true, true) => out.push(external.required("")),
        _ => {}
    }
    let check = spec.at("healthCheckNodePort");
    match (needs_health_check(object), check.int().unwrap_or(0)) {
        (false, 1..) => {
            let why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
            out.push(check.invalid(why));
        }
        (true, 1..) => port(&check, out),
        _ => {}
    }
    let internal = spec.at("internalTrafficPolicy");
    if !internal.is_set() && matches!(spec.text_at("type"), "ClusterIP" | "NodePort" | "LoadBalancer") {
        out.push(internal.required(""));
    }
    let distribution = spec.at("trafficDistribution");
    let known = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    if distribution.is_set() && !known.contains(&distribution.text()) {
        out.push(distribution.not_supported(&known));
    }
}

/// What was given to a Service stays given.
pub(in crate::kinds) fn service_update(object: &Value, old: &Value, sub: &str) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    if sub == "status" {
        let status = root.at("status");
        load_balancer(&status.at("loadBalancer"), object, &mut out);
        return out;
    }
    let spec = root.at("spec");
    let was = |key| old.at(&["spec", key]).unwrap_or(&Value::Null);
    let has_addresses = |service: &Value| service.str_at(&["spec", "type"]) != "ExternalName";
    if has_addresses(object) && has_addresses(old) {
        for key in ["clusterIPs", "ipFamilies"] {
            let (now, before) = (spec.at(key), was(key).as_array().unwrap_or_default());
            if before.is_empty() {
                continue;
            }
            if now.is_empty() {
                let what = if key == "clusterIPs" { "clusterIP" } else { "ipFamily" };
                let why = format!("primary {what} can not be unset");
                out.push(now.index(0).invalid_as(now.value().clone(), why));
                continue;
            }
            for (i, before) in before.iter().enumerate().take(now.len()) {
                if now.index(i).value() != before {
                    out.push(now.index(i).invalid_as(now.value().clone(), "may not change once set"));
                }
            }
            if now.len() < before.len() && spec.text_at("ipFamilyPolicy") != "SingleStack" {
                let what = if key == "clusterIPs" { "clusterIP" } else { "ipFamily" };
                let why = format!("must be set to 'SingleStack' when releasing the secondary {what}");
                out.push(spec.at("ipFamilyPolicy").invalid(why));
            }
        }
    }
    let is_balancer = |service: &Value| service.str_at(&["spec", "type"]) == "LoadBalancer";
    let class = spec.at("loadBalancerClass");
    if is_balancer(object) && is_balancer(old) && !equal(Some(class.value()), Some(was("loadBalancerClass"))) {
        out.push(class.invalid("may not change once set"));
    }
    let check = spec.at("healthCheckNodePort");
    if needs_health_check(object) && needs_health_check(old) && check.value() != was("healthCheckNodePort") {
        out.push(check.forbidden("field is immutable"));
    }
    out
}

/// Addresses a load balancer was given.
fn load_balancer(status: &Spot<'_, '_>, object: &Value, out: &mut Errors) {
    let ingress = status.at("ingress");
    if object.str_at(&["spec", "type"]) != "LoadBalancer" && !ingress.is_empty() {
        out.push(ingress.forbidden("may only be used when `spec.type` is 'LoadBalancer'"));
        return;
    }
    points(&ingress, out);
    for point in ingress.items() {
        let mode = point.at("ipMode");
        if !point.text_at("ip").is_empty() && !mode.is_set() {
            out.push(mode.required("must be specified when `ip` is set"));
        } else if point.text_at("ip").is_empty() && mode.is_set() {
            out.push(mode.forbidden("may not be specified when `ip` is not set"));
        } else if !matches!(mode.text(), "" | "VIP" | "Proxy") {
            out.push(mode.not_supported(&["Proxy", "VIP"]));
        }
    }
}

/// Addresses and names of ingress points.
pub(super) fn points(ingress: &Spot<'_, '_>, out: &mut Errors) {
    for point in ingress.items() {
        let (address, host) = (point.at("ip"), point.at("hostname"));
        if !address.is_empty() {
            ip(&address, out);
        }
        host.check(names::dns1123_subdomain, out);
        if host.text().parse::<std::net::IpAddr>().is_ok() {
            out.push(host.invalid("must be a DNS name, not an IP address"));
        }
    }
}
