//! IP families of a Service: which it wants, which it gets.

use std::net::IpAddr;

use ipnet::IpNet;
use knarr_api::{
    Value,
    field::{Error, Errors, Path},
};

use super::ServiceNetwork;

fn family(address: &IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

fn other(family: &str) -> &'static str {
    if family == "IPv4" { "IPv6" } else { "IPv4" }
}

/// The range of a family.
pub(super) fn range(network: &ServiceNetwork, wanted: &str) -> Option<IpNet> {
    network.ranges.iter().find(|r| family(&r.network()) == wanted).copied()
}

fn has_address(service: &Value) -> bool {
    matches!(service.str_at(&["spec", "type"]), "ClusterIP" | "NodePort" | "LoadBalancer" | "")
}

/// Keeps what the server once gave and a client left out, and makes `clusterIP` and `clusterIPs` say the same.
pub(super) fn carry_over(service: &mut Value, old: Option<&Value>) {
    let ip = |s: &Value| s.str_at(&["spec", "clusterIP"]).to_owned();
    let ips = |s: &Value| s.list_at(&["spec", "clusterIPs"]).to_vec();
    if let Some(old) = old.filter(|old| has_address(old) && has_address(service)) {
        if ip(service).is_empty() {
            service.set(&["spec", "clusterIP"], ip(old));
        }
        if ips(service).is_empty() && ip(service) == ip(old) {
            service.set(&["spec", "clusterIPs"], ips(old));
        }
        // One of the two fields was changed, by a client that knows only that one.
        if ip(service) != ip(old) && ips(service) == ips(old) && !ip(old).is_empty() {
            let mut all = ips(service);
            if let Some(first) = all.first_mut() {
                *first = ip(service).into();
            }
            service.set(&["spec", "clusterIPs"], all);
        }
        for key in ["ipFamilies", "ipFamilyPolicy"] {
            if service.at(&["spec", key]).is_none()
                && let Some(value) = old.at(&["spec", key])
            {
                service.set(&["spec", key], value.clone());
            }
        }
        node_ports(service, old);
    }
    let (first, all) = (ip(service), ips(service));
    if all.is_empty() && !first.is_empty() {
        service.set(&["spec", "clusterIPs"], vec![first]);
    } else if let Some(head) = all.first().and_then(Value::as_str).filter(|_| first.is_empty()) {
        let head = head.to_owned();
        service.set(&["spec", "clusterIP"], head);
    }
}

/// A port that was given a node port keeps it when an update does not name it.
fn node_ports(service: &mut Value, old: &Value) {
    let exposed = |s: &Value| matches!(s.str_at(&["spec", "type"]), "NodePort" | "LoadBalancer");
    if !exposed(service) || !exposed(old) {
        return;
    }
    let key = |p: &Value| (p.get("port").cloned(), p.str_at(&["protocol"]).to_owned());
    let before = old.list_at(&["spec", "ports"]);
    let mut ports = service.list_at(&["spec", "ports"]).to_vec();
    for port in &mut ports {
        let named = port.get("nodePort").and_then(Value::as_i64).unwrap_or(0) > 0;
        let same = before.iter().find(|p| key(p) == key(port)).and_then(|p| p.get("nodePort"));
        if let Some(number) = same.filter(|_| !named) {
            port.set(&["nodePort"], number.clone());
        }
    }
    service.set(&["spec", "ports"], ports);
    if service.at(&["spec", "healthCheckNodePort"]).is_none()
        && service.str_at(&["spec", "externalTrafficPolicy"]) == "Local"
        && service.str_at(&["spec", "type"]) == "LoadBalancer"
        && let Some(number) = old.at(&["spec", "healthCheckNodePort"])
    {
        service.set(&["spec", "healthCheckNodePort"], number.clone());
    }
}

/// Settles `ipFamilyPolicy` and `ipFamilies`. `Ok(false)`: the Service is not well-formed enough to go on.
pub(super) fn settle(service: &mut Value, old: Option<&Value>, network: &ServiceNetwork) -> Result<bool, Errors> {
    let spec = Path::new("spec");
    if service.str_at(&["spec", "type"]) == "ExternalName" {
        return Ok(true);
    }
    let ips: Vec<String> =
        service.list_at(&["spec", "clusterIPs"]).iter().map(|ip| ip.as_str().unwrap_or_default().to_owned()).collect();
    if ips.iter().any(|ip| !matches!(ip.as_str(), "" | "None") && ip.parse::<IpAddr>().is_err()) {
        return Ok(false);
    }
    let headless = service.str_at(&["spec", "clusterIP"]) == "None";
    let selectorless = service.at(&["spec", "selector"]).and_then(Value::as_object).is_none_or(|m| m.is_empty());
    if service.str_at(&["spec", "ipFamilyPolicy"]).is_empty() {
        let policy = if headless && selectorless { "RequireDualStack" } else { "SingleStack" };
        service.set(&["spec", "ipFamilyPolicy"], policy);
    }
    let policy = service.str_at(&["spec", "ipFamilyPolicy"]).to_owned();
    let mut families: Vec<String> =
        service.list_at(&["spec", "ipFamilies"]).iter().map(|f| f.as_str().unwrap_or_default().to_owned()).collect();
    let mut ips = ips;
    let mut errors = Errors::new();
    let single = policy == "SingleStack";

    if let (Some(old), true) = (old, single) {
        // Going back to one family: what was not touched loses its second half.
        if service.at(&["spec", "clusterIPs"]) == old.at(&["spec", "clusterIPs"]) && ips.len() > 1 {
            ips.truncate(1);
        }
        if service.at(&["spec", "ipFamilies"]) == old.at(&["spec", "ipFamilies"]) && families.len() > 1 {
            families.truncate(1);
        }
    }
    let primary = |s: &Value| s.list_at(&["spec", "clusterIPs"]).first().and_then(Value::as_str).map(str::to_owned);
    if let Some(before) = old.filter(|old| has_address(old)).and_then(primary).filter(|ip| !ip.is_empty())
        && primary(service).is_some_and(|now| now != before)
    {
        let all: Vec<Value> = ips.iter().map(|ip| Value::from(ip.as_str())).collect();
        let why = "may not change once set";
        return Err(vec![Error::invalid(&spec.child("clusterIPs").index(0), all, why)]);
    }
    let shown = |why: &str| Error::invalid(&spec.child("ipFamilyPolicy"), policy.as_str(), why);
    if single && ips.len() == 2 {
        errors.push(shown("must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified"));
    }
    if single && families.len() == 2 {
        errors.push(shown("must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"));
    }
    for (i, ip) in ips.iter().enumerate() {
        let Ok(address) = ip.parse::<IpAddr>() else { break };
        if i < families.len() {
            continue;
        }
        let family = family(&address);
        if range(network, family).is_none() {
            let all: Vec<Value> = ips.iter().map(|ip| Value::from(ip.as_str())).collect();
            let why = format!("{family} is not configured on this cluster");
            errors.push(Error::invalid(&spec.child("clusterIPs").index(i), all, why));
        } else {
            families.push(family.to_owned());
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let default = network.ranges.first().map_or("IPv4", |r| family(&r.network()));
    if headless && selectorless {
        if families.is_empty() {
            families.push(default.to_owned());
        }
        if families.len() < 2 && !single {
            families.push(other(&families[0]).to_owned());
        }
    } else {
        if policy == "RequireDualStack" && network.ranges.len() < 2 {
            errors.push(shown("this cluster is not configured for dual-stack services"));
        }
        for (i, family) in families.iter().enumerate() {
            if range(network, family).is_none() {
                let path = spec.child("ipFamilies").index(i);
                errors.push(Error::invalid(&path, family.as_str(), "not configured on this cluster"));
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if families.is_empty() {
            families.push(default.to_owned());
        }
        if !single && families.len() == 1 && network.ranges.len() == 2 {
            families.push(other(&families[0]).to_owned());
        }
    }
    service.set(&["spec", "ipFamilies"], families);
    if !ips.is_empty() {
        service.set(&["spec", "clusterIPs"], ips);
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use knarr_api::{json, value};

    use super::*;

    #[track_caller]
    fn check(mut service: Value, old: Option<Value>, ranges: &[&str], expected: Expect) {
        let ranges = ranges.iter().map(|r| r.parse().unwrap()).collect();
        let network = ServiceNetwork { ranges, ..ServiceNetwork::default() };
        carry_over(&mut service, old.as_ref());
        let text = match settle(&mut service, old.as_ref(), &network) {
            Ok(_) => {
                let mut out = Vec::new();
                json::write(&service, &mut out);
                String::from_utf8(out).unwrap()
            }
            Err(errors) => errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn defaults() {
        let one = ["10.43.0.0/16"];
        check(
            value!({ "spec": { "selector": { "a": "b" } } }),
            None,
            &one,
            expect![[r#"{"spec":{"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","selector":{"a":"b"}}}"#]],
        );
        check(
            value!({ "spec": { "clusterIP": "None" } }),
            None,
            &one,
            expect![[
                r#"{"spec":{"clusterIP":"None","clusterIPs":["None"],"ipFamilies":["IPv4","IPv6"],"ipFamilyPolicy":"RequireDualStack"}}"#
            ]],
        );
        check(
            value!({ "spec": { "ipFamilyPolicy": "PreferDualStack" } }),
            None,
            &["10.43.0.0/16", "fd00::/112"],
            expect![[r#"{"spec":{"ipFamilies":["IPv4","IPv6"],"ipFamilyPolicy":"PreferDualStack"}}"#]],
        );
    }

    #[test]
    fn what_the_cluster_has_not() {
        let one = ["10.43.0.0/16"];
        check(
            value!({ "spec": { "ipFamilyPolicy": "RequireDualStack" } }),
            None,
            &one,
            expect![[
                r#"spec.ipFamilyPolicy: Invalid value: "RequireDualStack": this cluster is not configured for dual-stack services"#
            ]],
        );
        check(
            value!({ "spec": { "ipFamilies": ["IPv6"] } }),
            None,
            &one,
            expect![[r#"spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster"#]],
        );
        check(
            value!({ "spec": { "clusterIP": "fd00::1" } }),
            None,
            &one,
            expect![[r#"spec.clusterIPs[0]: Invalid value: ["fd00::1"]: IPv6 is not configured on this cluster"#]],
        );
    }

    #[test]
    fn an_update_that_leaves_things_out() {
        let old = value!({ "spec": {
            "clusterIP": "10.43.0.9", "clusterIPs": ["10.43.0.9"], "ipFamilies": ["IPv4"], "type": "NodePort",
            "ipFamilyPolicy": "SingleStack", "ports": [{ "port": 1, "protocol": "TCP", "nodePort": 30001 }],
        } });
        let new = value!({ "spec": { "type": "NodePort", "ports": [{ "port": 1, "protocol": "TCP" }] } });
        check(
            new,
            Some(old),
            &["10.43.0.0/16"],
            expect![[
                r#"{"spec":{"clusterIP":"10.43.0.9","clusterIPs":["10.43.0.9"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","ports":[{"nodePort":30001,"port":1,"protocol":"TCP"}],"type":"NodePort"}}"#
            ]],
        );
    }
}
