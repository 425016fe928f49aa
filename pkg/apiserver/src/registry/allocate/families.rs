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
    if service.str_at(&["spec", "type"]) == "ExternalName" {
        return Ok(true);
    }
    let mut settling = Settling::new(service, network);
    if settling.ips.iter().any(|ip| !matches!(ip.as_str(), "" | "None") && ip.parse::<IpAddr>().is_err()) {
        return Ok(false);
    }
    if let Some(old) = old {
        settling.compare(service, old)?;
    }
    let mut errors = settling.too_many();
    errors.extend(settling.follow_addresses());
    none(errors)?;
    settling.complete()?;
    let Settling { policy, families, ips, .. } = settling;
    service.set(&["spec", "ipFamilyPolicy"], policy);
    service.set(&["spec", "ipFamilies"], families);
    if !ips.is_empty() {
        service.set(&["spec", "clusterIPs"], ips);
    }
    Ok(true)
}

/// What a Service asks for, on the way to what it gets.
struct Settling<'n> {
    network: &'n ServiceNetwork,
    policy: String,
    families: Vec<String>,
    ips: Vec<String>,
    /// Without an address and without pods of its own: nothing here depends on what the cluster has.
    free: bool,
}

impl<'n> Settling<'n> {
    fn new(service: &Value, network: &'n ServiceNetwork) -> Self {
        let headless = service.str_at(&["spec", "clusterIP"]) == "None";
        let selectorless = service.at(&["spec", "selector"]).and_then(Value::as_object).is_none_or(|m| m.is_empty());
        let free = headless && selectorless;
        let policy = match service.str_at(&["spec", "ipFamilyPolicy"]) {
            "" if free => "RequireDualStack",
            "" => "SingleStack",
            asked => asked,
        };
        let texts = |key| {
            let list = service.list_at(&["spec", key]).iter();
            list.map(|text| text.as_str().unwrap_or_default().to_owned()).collect()
        };
        Self { network, policy: policy.to_owned(), families: texts("ipFamilies"), ips: texts("clusterIPs"), free }
    }

    fn single(&self) -> bool {
        self.policy == "SingleStack"
    }

    /// Going back to one family: what was not touched loses its second half. The first address stays for ever.
    fn compare(&mut self, service: &Value, old: &Value) -> Result<(), Errors> {
        let untouched = |key| service.at(&["spec", key]) == old.at(&["spec", key]);
        if self.single() && untouched("clusterIPs") {
            self.ips.truncate(1);
        }
        if self.single() && untouched("ipFamilies") {
            self.families.truncate(1);
        }
        let primary = |s: &Value| s.list_at(&["spec", "clusterIPs"]).first().and_then(Value::as_str).map(str::to_owned);
        let before = primary(old).filter(|ip| !ip.is_empty() && has_address(old));
        match (before, primary(service)) {
            (Some(before), Some(now)) if before != now => Err(vec![self.address(0, "may not change once set")]),
            _ => Ok(()),
        }
    }

    fn too_many(&self) -> Errors {
        let two = [(self.ips.len(), "cluster IPs"), (self.families.len(), "IP families")];
        let several = two.into_iter().filter(|(n, _)| self.single() && *n == 2);
        let told = several.map(|(_, what)| {
            let why = format!("must be 'RequireDualStack' or 'PreferDualStack' when multiple {what} are specified");
            Error::invalid(&Path::new("spec").child("ipFamilyPolicy"), self.policy.as_str(), why)
        });
        told.collect()
    }

    /// An address that was asked for says its family.
    fn follow_addresses(&mut self) -> Errors {
        let mut errors = Errors::new();
        let addresses: Vec<IpAddr> = self.ips.iter().map_while(|ip| ip.parse().ok()).collect();
        for (i, address) in addresses.iter().enumerate().skip(self.families.len()) {
            let family = family(address);
            match range(self.network, family) {
                Some(_) => self.families.push(family.to_owned()),
                None => errors.push(self.address(i, &format!("{family} is not configured on this cluster"))),
            }
        }
        errors
    }

    /// What was left open is the cluster's to choose, as far as it has it.
    fn complete(&mut self) -> Result<(), Errors> {
        if !self.free {
            self.is_possible()?;
        }
        if self.families.is_empty() {
            let first = self.network.ranges.first();
            self.families.push(first.map_or("IPv4", |r| family(&r.network())).to_owned());
        }
        if self.families.len() == 1 && !self.single() && (self.free || self.network.ranges.len() == 2) {
            self.families.push(other(&self.families[0]).to_owned());
        }
        Ok(())
    }

    fn is_possible(&self) -> Result<(), Errors> {
        let spec = Path::new("spec");
        let mut errors = Errors::new();
        if self.policy == "RequireDualStack" && self.network.ranges.len() < 2 {
            let why = "this cluster is not configured for dual-stack services";
            errors.push(Error::invalid(&spec.child("ipFamilyPolicy"), self.policy.as_str(), why));
        }
        for (i, family) in self.families.iter().enumerate() {
            if range(self.network, family).is_none() {
                let path = spec.child("ipFamilies").index(i);
                errors.push(Error::invalid(&path, family.as_str(), "not configured on this cluster"));
            }
        }
        none(errors)
    }

    fn address(&self, index: usize, why: &str) -> Error {
        let all: Vec<Value> = self.ips.iter().map(|ip| Value::from(ip.as_str())).collect();
        Error::invalid(&Path::new("spec").child("clusterIPs").index(index), all, why)
    }
}

/// Whether nothing was wrong.
fn none(errors: Errors) -> Result<(), Errors> {
    if errors.is_empty() { Ok(()) } else { Err(errors) }
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

    #[test]
    fn one_family_and_two() {
        let both = ["10.43.0.0/16", "fd00::/112"];
        let ips = ["10.43.0.9", "fd00::9"].map(Value::from).to_vec();
        let mut dual = value!({ "spec": { "clusterIP": "10.43.0.9", "ipFamilyPolicy": "PreferDualStack" } });
        dual.set(&["spec", "clusterIPs"], ips);
        dual.set(&["spec", "ipFamilies"], ["IPv4", "IPv6"].map(Value::from).to_vec());
        let mut back = dual.clone();
        back.set(&["spec", "ipFamilyPolicy"], "SingleStack");
        check(
            back.clone(),
            Some(dual.clone()),
            &both,
            expect![[
                r#"{"spec":{"clusterIP":"10.43.0.9","clusterIPs":["10.43.0.9"],"ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack"}}"#
            ]],
        );
        check(
            back,
            None,
            &both,
            expect![[r#"
                spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple cluster IPs are specified
                spec.ipFamilyPolicy: Invalid value: "SingleStack": must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"#]],
        );
        let moved = value!({ "spec": { "clusterIP": "10.43.0.8", "clusterIPs": ["10.43.0.8", "fd00::9"] } });
        check(
            moved,
            Some(dual),
            &both,
            expect![[r#"spec.clusterIPs[0]: Invalid value: ["10.43.0.8","fd00::9"]: may not change once set"#]],
        );
    }
}
