//! Ingresses, their classes, NetworkPolicies.

use std::net::IpAddr;

use knarr_api::{
    Value,
    field::{Error, Errors},
    names,
};

use super::{
    common::{cidr, label_selector, port_or_name},
    service::points,
};
use crate::kinds::{spot::Spot, tree::is_empty};

/// An Ingress.
pub(in crate::kinds) fn ingress(object: &Value) -> Errors {
    const CLASS: &str = "kubernetes.io/ingress.class";
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    let (rules, fallback) = (spec.at("rules"), spec.at("defaultBackend"));
    if rules.is_empty() && !fallback.is_set() {
        out.push(spec.invalid_as(rules.value().clone(), "either `defaultBackend` or `rules` must be specified"));
    }
    if fallback.is_set() {
        backend(&fallback, &mut out);
    }
    for rule in rules.items() {
        host(&rule.at("host"), &mut out);
        let http = rule.at("http");
        if http.is_set() {
            let paths = http.at("paths");
            if paths.is_empty() {
                out.push(paths.required(""));
            }
            for path in paths.items() {
                http_path(&path, &mut out);
            }
        }
    }
    for tls in spec.at("tls").items() {
        for name in tls.at("hosts").items() {
            name.check_even_empty(host_rule(name.text()), &mut out);
        }
        tls.at("secretName").check(names::dns1123_subdomain, &mut out);
    }
    let class = spec.at("ingressClassName");
    if class.is_set() {
        class.check_even_empty(names::dns1123_subdomain, &mut out);
        let metadata = root.at("metadata");
        let annotation = metadata.at("annotations");
        let annotation = annotation.key(CLASS);
        let creating = is_empty(object, &["metadata", "resourceVersion"]);
        if creating && annotation.is_set() && annotation.text() != class.text() {
            // The path has its dots, as it always did.
            let path = knarr_api::field::Path::new("annotations").child(CLASS);
            let why = "must match `ingressClassName` when both are specified";
            out.push(Error::invalid(&path, annotation.text(), why));
        }
    }
    out
}

fn host_rule(host: &str) -> fn(&str) -> Vec<String> {
    if host.contains('*') { names::wildcard_dns1123_subdomain } else { names::dns1123_subdomain }
}

fn host(host: &Spot<'_, '_>, out: &mut Errors) {
    if host.is_empty() {
        return;
    }
    if host.text().parse::<IpAddr>().is_ok() {
        out.push(host.invalid("must be a DNS name, not an IP address"));
    }
    host.check(host_rule(host.text()), out);
}

fn http_path(entry: &Spot<'_, '_>, out: &mut Errors) {
    let (path, kind) = (entry.at("path"), entry.at("pathType"));
    let text = path.text();
    match kind.text() {
        "" => return out.push(kind.required("pathType must be specified")),
        "Exact" | "Prefix" => {
            if !text.starts_with('/') {
                out.push(path.invalid_as(text, "must be an absolute path"));
            }
            if !text.is_empty() {
                for bad in ["//", "/./", "/../", "%2f", "%2F"].into_iter().filter(|bad| text.contains(bad)) {
                    out.push(path.invalid(format!("must not contain '{bad}'")));
                }
                for bad in ["/..", "/."].into_iter().filter(|bad| text.ends_with(bad)) {
                    out.push(path.invalid(format!("cannot end with '{bad}'")));
                }
            }
        }
        "ImplementationSpecific" if !text.is_empty() && !text.starts_with('/') => {
            out.push(path.invalid("must be an absolute path"));
        }
        "ImplementationSpecific" => {}
        _ => out.push(kind.not_supported(&["Exact", "ImplementationSpecific", "Prefix"])),
    }
    backend(&entry.at("backend"), out);
}

/// Exactly one of a Service and another object.
fn backend(backend: &Spot<'_, '_>, out: &mut Errors) {
    let (service, resource) = (backend.at("service"), backend.at("resource"));
    match (service.is_set(), resource.is_set()) {
        (true, true) => return out.push(backend.invalid_as("", "cannot set both resource and service backends")),
        (false, false) => return out.push(backend.invalid_as("", "resource or service backend is required")),
        (false, true) => {
            resource.at("apiGroup").check(names::dns1123_subdomain, out);
            resource.at("kind").check(names::path_segment_name, out);
            resource.at("name").check(names::path_segment_name, out);
            return;
        }
        (true, false) => {}
    }
    service.at("name").check(names::dns1123_label, out);
    let port = service.at("port");
    let (name, number) = (port.at("name"), port.at("number"));
    match (name.is_empty(), number.int().unwrap_or(0)) {
        (true, 0) => out.push(backend.required("port name or number is required")),
        (false, 0) => name.check(names::port_name, out),
        (true, _) => super::common::port(&number, out),
        (false, _) => out.push(backend.invalid_as("", "cannot set both port name & port number")),
    }
}

/// Addresses of an Ingress.
pub(in crate::kinds) fn ingress_update(object: &Value, _old: &Value, sub: &str) -> Errors {
    let mut out = Errors::new();
    if sub == "status" {
        let root = Spot::root(object);
        points(&root.at("status").at("loadBalancer").at("ingress"), &mut out);
    }
    out
}

/// An IngressClass.
pub(in crate::kinds) fn ingress_class(object: &Value) -> Errors {
    const CONTROLLER: usize = 250;
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    let controller = spec.at("controller");
    if controller.text().len() > CONTROLLER {
        out.push(Error::too_long(&controller.path(), CONTROLLER));
    }
    if let Some(why) = domain_path(controller.text()) {
        out.push(match why {
            "" => controller.required(""),
            why => controller.invalid(why),
        });
    }
    let parameters = spec.at("parameters");
    if parameters.is_set() {
        parameters.at("apiGroup").check(names::dns1123_subdomain, &mut out);
        parameters.at("kind").check(names::path_segment_name, &mut out);
        parameters.at("name").check(names::path_segment_name, &mut out);
        let (scope, namespace) = (parameters.at("scope"), parameters.at("namespace"));
        match scope.text() {
            "Namespace" if !namespace.is_set() => {
                out.push(namespace.required("`parameters.scope` is set to 'Namespace'"));
            }
            "Namespace" => namespace.check_even_empty(names::dns1123_label, &mut out),
            "Cluster" if namespace.is_set() => {
                out.push(namespace.forbidden("`parameters.scope` is set to 'Cluster'"));
            }
            "Cluster" => {}
            _ => out.push(scope.not_supported(&["Cluster", "Namespace"])),
        }
    }
    out
}

/// Why a text is no `domain/path`; an empty complaint stands for an empty text.
fn domain_path(text: &str) -> Option<&'static str> {
    if text.is_empty() {
        return Some("");
    }
    match text.split_once('/') {
        Some((domain, path)) if !domain.is_empty() && !path.is_empty() => (!names::dns1123_subdomain(domain)
            .is_empty())
        .then_some("must be a domain-prefixed path (such as \"acme.io/foo\")"),
        _ => Some("must be a domain-prefixed path (such as \"acme.io/foo\")"),
    }
}

/// A class keeps its controller.
pub(in crate::kinds) fn ingress_class_update(object: &Value, old: &Value, _sub: &str) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    root.at("spec").at("controller").unchanged(old.at(&["spec", "controller"]).unwrap_or(&Value::Null), &mut out);
    out
}

/// A NetworkPolicy.
pub(in crate::kinds) fn network_policy(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    label_selector(&spec.at("podSelector"), &mut out);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for rule in spec.at(direction).items() {
            for port in rule.at("ports").items() {
                policy_port(&port, &mut out);
            }
            for item in rule.at(peers).items() {
                peer(&item, &mut out);
            }
        }
    }
    let types = spec.at("policyTypes");
    if types.len() > 2 {
        out.push(types.invalid("may not specify more than two policyTypes"));
        return out;
    }
    for kind in types.items().filter(|t| !matches!(t.text(), "Ingress" | "Egress")) {
        out.push(kind.not_supported(&["Ingress", "Egress"]));
    }
    out
}

fn policy_port(entry: &Spot<'_, '_>, out: &mut Errors) {
    let (port, end) = (entry.at("port"), entry.at("endPort"));
    if port.is_set() {
        port_or_name(&port, out);
    }
    let Some(last) = end.int() else { return };
    match port.value() {
        Value::Int(first) => {
            if last < *first {
                out.push(end.invalid_as(*first, "must be greater than or equal to `port`"));
            }
            super::common::port(&end, out);
        }
        Value::Null => out.push(end.invalid("may not be specified when `port` is not specified")),
        _ => out.push(end.invalid("may not be specified when `port` is non-numeric")),
    }
}

fn peer(peer: &Spot<'_, '_>, out: &mut Errors) {
    let mut selectors = 0;
    for key in ["podSelector", "namespaceSelector"] {
        let selector = peer.at(key);
        if selector.is_set() {
            selectors += 1;
            label_selector(&selector, out);
        }
    }
    let block = peer.at("ipBlock");
    if block.is_set() {
        let range = if block.text_at("cidr").is_empty() { None } else { cidr(&block.at("cidr"), out) };
        let except = block.at("except");
        for item in except.items() {
            let inner = cidr(&item, out);
            if let (Some(range), Some(inner)) = (range, inner)
                && !(range.contains(&inner) && range != inner)
            {
                out.push(item.invalid("must be a strict subset of `cidr`"));
            }
        }
        if selectors > 0 {
            out.push(peer.forbidden("may not specify both ipBlock and another peer"));
        }
    } else if selectors == 0 {
        out.push(peer.required("must specify a peer"));
    }
}
