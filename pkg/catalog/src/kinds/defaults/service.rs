//! Services.

use knarr_api::Value;

use crate::kinds::tree::{each, fill, fill_text, inner, int, is_empty};

/// Three hours.
const AFFINITY_SECONDS: i64 = 10_800;

/// A Service. Addresses, families and node ports are given by the registry.
pub(in crate::kinds) fn service(service: &mut Value) {
    let Some(spec) = inner(service, &["spec"]) else { return };
    match spec.str_at(&["sessionAffinity"]) {
        "None" => drop(spec.remove(&["sessionAffinityConfig"])),
        "ClientIP" if int(spec, &["sessionAffinityConfig", "clientIP", "timeoutSeconds"]).is_none() => {
            spec.set(&["sessionAffinityConfig", "clientIP", "timeoutSeconds"], AFFINITY_SECONDS);
        }
        _ => {}
    }
    for port in each(spec, &["ports"]) {
        let unset = match port.get("targetPort") {
            None | Some(Value::Null | Value::Int(0)) => true,
            Some(Value::String(name)) => name.is_empty(),
            Some(_) => false,
        };
        if unset && let Some(number) = int(port, &["port"]) {
            port.set(&["targetPort"], number);
        }
    }
    let kind = spec.str_at(&["type"]).to_owned();
    let external = matches!(kind.as_str(), "NodePort" | "LoadBalancer")
        || kind == "ClusterIP" && !is_empty(spec, &["externalIPs"]);
    if external {
        fill_text(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(kind.as_str(), "ClusterIP" | "NodePort" | "LoadBalancer") {
        fill(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        fill(spec, "allocateLoadBalancerNodePorts", true);
        for ingress in each(service, &["status", "loadBalancer", "ingress"]) {
            if !ingress.str_at(&["ip"]).is_empty() {
                fill(ingress, "ipMode", "VIP");
            }
        }
    }
}
