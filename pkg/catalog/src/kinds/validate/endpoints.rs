//! Endpoints and EndpointSlices.

use std::collections::HashSet;

use knarr_api::{
    Value,
    field::{Error, Errors},
    names,
};

use super::common::{endpoint_ip, port};
use crate::kinds::spot::Spot;

/// Endpoints.
pub(in crate::kinds) fn endpoints(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    for subset in root.at("subsets").items() {
        let lists = [subset.at("addresses"), subset.at("notReadyAddresses")];
        if lists.iter().all(Spot::is_empty) {
            out.push(subset.required("must specify `addresses` or `notReadyAddresses`"));
        }
        for list in &lists {
            for address in list.items() {
                endpoint_ip(&address.at("ip"), &mut out);
                address.at("hostname").check(names::dns1123_label, &mut out);
                address.at("nodeName").check(names::dns1123_subdomain, &mut out);
            }
        }
        let ports = subset.at("ports");
        for item in ports.items() {
            let name = item.at("name");
            if name.is_empty() && ports.len() > 1 {
                out.push(name.required(""));
            }
            name.check(names::dns1123_label, &mut out);
            port(&item.at("port"), &mut out);
            item.at("appProtocol").check(names::qualified_name, &mut out);
        }
    }
    out
}

const ENDPOINTS: usize = 1000;
const ADDRESSES: usize = 100;
const PORTS: usize = 100;
const HINTS: usize = 8;

fn at_most(spot: &Spot<'_, '_>, max: usize, out: &mut Errors) {
    if spot.len() > max {
        out.push(Error::too_many(&spot.path(), spot.len(), max));
    }
}

/// An EndpointSlice.
pub(in crate::kinds) fn slice(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let kind = root.text_at("addressType");
    if !matches!(kind, "" | "IPv4" | "IPv6" | "FQDN") {
        out.push(root.at("addressType").not_supported(&["FQDN", "IPv4", "IPv6"]));
    }
    let all = root.at("endpoints");
    if all.len() > ENDPOINTS {
        at_most(&all, ENDPOINTS, &mut out);
        return out;
    }
    for endpoint in all.items() {
        let addresses = endpoint.at("addresses");
        if addresses.is_empty() {
            out.push(addresses.required("must contain at least 1 address"));
        }
        at_most(&addresses, ADDRESSES, &mut out);
        for item in addresses.items() {
            address(&item, kind, &mut out);
        }
        endpoint.at("nodeName").check(names::dns1123_subdomain, &mut out);
        let host = endpoint.at("hostname");
        if host.is_set() {
            host.check_even_empty(names::dns1123_label, &mut out);
        }
        let hints = endpoint.at("hints");
        for (list, rule) in
            [("forZones", names::label_value as fn(&str) -> Vec<String>), ("forNodes", names::dns1123_subdomain)]
        {
            let list = hints.at(list);
            at_most(&list, HINTS, &mut out);
            let mut seen = HashSet::new();
            for hint in list.items() {
                let name = hint.at("name");
                if !seen.insert(name.text()) {
                    out.push(name.duplicate());
                }
                name.check(rule, &mut out);
            }
        }
    }
    slice_ports(&root.at("ports"), &mut out);
    out
}

fn address(item: &Spot<'_, '_>, kind: &str, out: &mut Errors) {
    match kind {
        "IPv4" | "IPv6" => {
            let before = out.len();
            endpoint_ip(item, out);
            if out.len() == before && item.text().contains(':') != (kind == "IPv6") {
                out.push(item.invalid(format!("must be an {kind} address")));
            }
        }
        "FQDN" => item.check_even_empty(names::dns1123_subdomain, out),
        _ => {}
    }
}

fn slice_ports(ports: &Spot<'_, '_>, out: &mut Errors) {
    if ports.len() > PORTS {
        return at_most(ports, PORTS, out);
    }
    let mut seen = HashSet::new();
    for item in ports.items() {
        let name = item.at("name");
        name.check(names::dns1123_label, out);
        if !seen.insert(name.text()) {
            out.push(name.duplicate_as(name.text()));
        }
        item.at("appProtocol").check(names::qualified_name, out);
    }
}

/// A slice keeps its kind of addresses.
pub(in crate::kinds) fn slice_update(object: &Value, old: &Value, _sub: &str) -> Errors {
    let mut out = Errors::new();
    Spot::root(object).at("addressType").unchanged(old.get("addressType").unwrap_or(&Value::Null), &mut out);
    out
}
