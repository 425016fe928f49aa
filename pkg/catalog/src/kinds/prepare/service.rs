//! Services: values that were given stay given, and go with the type that needed them.

use knarr_api::Value;

use crate::kinds::tree::{copy, each, int, is_empty, texts};

/// Before an update: takes over what the client left out, then drops what the new type has no use for, unless the
/// client changed it.
pub(in crate::kinds) fn update_service(service: &mut Value, old: &Value, sub: &str) {
    if !sub.is_empty() {
        return;
    }
    carry_over(service, old);
    let same = |path: &[&str]| service.at(path) == old.at(path);
    let mut drop = Vec::new();
    if has_address(old) && !has_address(service) {
        if same(&["spec", "clusterIP"]) && same(&["spec", "clusterIPs"]) {
            drop.extend(["clusterIP", "clusterIPs"]);
        }
        drop.extend(["ipFamilies", "ipFamilyPolicy"].into_iter().filter(|key| same(&["spec", key])));
    }
    if needs_health_check(old) && !needs_health_check(service) && same(&["spec", "healthCheckNodePort"]) {
        drop.push("healthCheckNodePort");
    }
    if is(old, "LoadBalancer") && !is(service, "LoadBalancer") {
        let keys = ["allocateLoadBalancerNodePorts", "loadBalancerClass"];
        drop.extend(keys.into_iter().filter(|key| same(&["spec", key])));
    }
    if is_external(old) && !is_external(service) && same(&["spec", "externalTrafficPolicy"]) {
        drop.push("externalTrafficPolicy");
    }
    for key in drop {
        service.remove(&["spec", key]);
    }
    if has_node_ports(old) && !has_node_ports(service) {
        drop_node_ports(service, old);
    }
    if !is(service, "LoadBalancer") {
        service.remove(&["status", "loadBalancer"]);
    }
}

fn carry_over(service: &mut Value, old: &Value) {
    if has_address(old) && has_address(service) && is_empty(service, &["spec", "clusterIP"]) {
        copy(old, service, &["spec", "clusterIP"]);
        if is_empty(service, &["spec", "clusterIPs"]) {
            copy(old, service, &["spec", "clusterIPs"]);
        }
    }
}

fn drop_node_ports(service: &mut Value, old: &Value) {
    let numbers = |s: &Value| -> Vec<i64> {
        s.list_at(&["spec", "ports"]).iter().filter_map(|p| int(p, &["nodePort"]).filter(|n| *n != 0)).collect()
    };
    let before = numbers(old);
    if numbers(service).iter().all(|n| before.contains(n)) {
        for port in each(service, &["spec", "ports"]) {
            port.remove(&["nodePort"]);
        }
    }
}

fn is(service: &Value, kind: &str) -> bool {
    service.str_at(&["spec", "type"]) == kind
}

fn has_address(service: &Value) -> bool {
    !is(service, "ExternalName")
}

/// Whether a Service has node ports.
pub(in crate::kinds) fn has_node_ports(service: &Value) -> bool {
    is(service, "NodePort") || is(service, "LoadBalancer")
}

/// Whether a Service is reached from outside.
pub(in crate::kinds) fn is_external(service: &Value) -> bool {
    has_node_ports(service) || is(service, "ClusterIP") && texts(service, &["spec", "externalIPs"]).next().is_some()
}

/// Whether a load balancer has to ask nodes about this Service.
pub(in crate::kinds) fn needs_health_check(service: &Value) -> bool {
    is(service, "LoadBalancer") && service.str_at(&["spec", "externalTrafficPolicy"]) == "Local"
}
