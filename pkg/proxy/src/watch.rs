//! What informers keep of Services and EndpointSlices, and how a model is made of it. Pure.

use std::{collections::BTreeMap, net::Ipv4Addr, sync::Arc};

use knarr_api::Object;
use knarr_client::Key;
use serde::Deserialize;

use crate::model::{Affinity, Endpoint, Model, PortKey, Protocol, ServicePort};

/// A Service as far as the dataplane is concerned.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Service {
    addresses: Vec<Ipv4Addr>,
    ports: Vec<Port>,
    affinity: Option<Affinity>,
    internal_local: bool,
    external_local: bool,
}

#[derive(Debug, PartialEq, Eq)]
struct Port {
    name: String,
    protocol: Protocol,
    port: u16,
    node_port: Option<u16>,
}

/// An EndpointSlice as far as the dataplane is concerned.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Slice {
    /// The Service it belongs to.
    pub(crate) service: String,
    ports: Vec<(String, Protocol, u16)>,
    endpoints: Vec<SliceEndpoint>,
}

#[derive(Debug, PartialEq, Eq)]
struct SliceEndpoint {
    address: Ipv4Addr,
    node: Option<Box<str>>,
    ready: bool,
    serving: bool,
    terminating: bool,
}

#[derive(Deserialize)]
struct ServiceObject {
    spec: ServiceSpec,
    #[serde(default)]
    status: ServiceStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceSpec {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(rename = "clusterIPs", default)]
    cluster_ips: Vec<String>,
    #[serde(rename = "clusterIP", default)]
    cluster_ip: String,
    #[serde(rename = "externalIPs", default)]
    external_ips: Vec<String>,
    #[serde(default)]
    ports: Vec<ServicePortSpec>,
    #[serde(default)]
    session_affinity: String,
    session_affinity_config: Option<AffinityConfig>,
    internal_traffic_policy: Option<String>,
    external_traffic_policy: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServicePortSpec {
    #[serde(default)]
    name: String,
    protocol: Option<String>,
    port: u16,
    node_port: Option<u16>,
}

#[derive(Deserialize)]
struct AffinityConfig {
    #[serde(rename = "clientIP")]
    client_ip: Option<ClientIp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientIp {
    timeout_seconds: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ServiceStatus {
    load_balancer: LoadBalancer,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LoadBalancer {
    ingress: Vec<LoadBalancerIngress>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LoadBalancerIngress {
    ip: Option<String>,
    ip_mode: Option<String>,
}

impl Service {
    /// Projects an object; `None` for Services the dataplane does not carry (headless, ExternalName).
    pub(crate) fn project(object: &Object) -> Option<Self> {
        let ServiceObject { spec, status } = object.decode().ok()?;
        let mut ips = spec.cluster_ips;
        if ips.is_empty() {
            ips.push(spec.cluster_ip);
        }
        if spec.kind == "ExternalName" || ips.iter().any(|ip| ip == "None") {
            return None;
        }
        ips.extend(spec.external_ips);
        let balanced = status.load_balancer.ingress.into_iter();
        ips.extend(balanced.filter(|i| i.ip_mode.as_deref() != Some("Proxy")).filter_map(|i| i.ip));
        let affinity = (spec.session_affinity == "ClientIP").then(|| {
            let timeout = spec.session_affinity_config.and_then(|c| c.client_ip).and_then(|c| c.timeout_seconds);
            Affinity { timeout: timeout.unwrap_or(10_800) }
        });
        Some(Self {
            addresses: ips.iter().filter_map(|ip| ip.parse().ok()).collect(),
            ports: spec
                .ports
                .into_iter()
                .map(|p| Port {
                    name: p.name,
                    protocol: Protocol::parse(p.protocol.as_deref()),
                    port: p.port,
                    node_port: p.node_port.filter(|p| *p > 0),
                })
                .collect(),
            affinity,
            internal_local: spec.internal_traffic_policy.as_deref() == Some("Local"),
            external_local: spec.external_traffic_policy.as_deref() == Some("Local"),
        })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SliceObject {
    address_type: String,
    #[serde(default)]
    endpoints: Option<Vec<EndpointObject>>,
    #[serde(default)]
    ports: Option<Vec<EndpointPort>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EndpointObject {
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    conditions: Conditions,
    node_name: Option<Box<str>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
    serving: Option<bool>,
    terminating: Option<bool>,
}

#[derive(Deserialize)]
struct EndpointPort {
    name: Option<String>,
    protocol: Option<String>,
    port: Option<u16>,
}

impl Slice {
    /// Projects an object; `None` for slices that belong to no Service or hold no IPv4 addresses.
    pub(crate) fn project(object: &Object) -> Option<Self> {
        let service = object.meta().label("kubernetes.io/service-name")?.to_owned();
        let slice: SliceObject = object.decode().ok()?;
        if slice.address_type != "IPv4" {
            return None;
        }
        let ports = slice.ports.unwrap_or_default().into_iter();
        let endpoints = slice.endpoints.unwrap_or_default().into_iter();
        Some(Self {
            service,
            ports: ports
                .filter_map(|p| Some((p.name.unwrap_or_default(), Protocol::parse(p.protocol.as_deref()), p.port?)))
                .collect(),
            endpoints: endpoints
                .filter_map(|e| {
                    let ready = e.conditions.ready.unwrap_or(true);
                    Some(SliceEndpoint {
                        address: e.addresses.first()?.parse().ok()?,
                        node: e.node_name,
                        ready,
                        serving: e.conditions.serving.unwrap_or(ready),
                        terminating: e.conditions.terminating.unwrap_or(false),
                    })
                })
                .collect(),
        })
    }
}

/// The model of what the informers hold, seen from `node`.
pub(crate) fn model(node: &str, services: &[(Key, Arc<Service>)], slices: &[(Key, Arc<Slice>)]) -> Model {
    let mut by_service: BTreeMap<(&str, &str), Vec<&Slice>> = BTreeMap::new();
    for (key, slice) in slices {
        by_service.entry((key.namespace.as_str(), slice.service.as_str())).or_default().push(slice);
    }
    let mut model = Model::default();
    for (key, service) in services {
        let slices = by_service.get(&(key.namespace.as_str(), key.name.as_str())).map_or(&[][..], Vec::as_slice);
        for port in &service.ports {
            let endpoints = endpoints(node, &port.name, port.protocol, slices);
            let key = PortKey { service: key.clone(), port: port.name.clone(), protocol: port.protocol };
            model.ports.insert(
                key,
                ServicePort {
                    addresses: service.addresses.clone(),
                    port: port.port,
                    node_port: port.node_port,
                    affinity: service.affinity,
                    internal_local: service.internal_local,
                    external_local: service.external_local,
                    endpoints,
                },
            );
        }
    }
    model
}

/// Ready endpoints; where there are none, those that still serve while terminating (KEP-1669).
fn endpoints(node: &str, port: &str, protocol: Protocol, slices: &[&Slice]) -> Vec<Endpoint> {
    let collect = |wanted: fn(&SliceEndpoint) -> bool| {
        let mut out = Vec::new();
        for slice in slices {
            let number = slice.ports.iter().find(|(n, p, _)| n == port && *p == protocol).map(|(.., number)| *number);
            let Some(number) = number else { continue };
            for e in slice.endpoints.iter().filter(|e| wanted(e)) {
                let local = e.node.as_deref() == Some(node);
                out.push(Endpoint { address: e.address, port: number, local });
            }
        }
        out.sort();
        out.dedup();
        out
    };
    let ready = collect(|e| e.ready);
    if ready.is_empty() { collect(|e| e.serving && e.terminating) } else { ready }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn service(json: &str) -> (Key, Arc<Service>) {
        let object = Object::from_json(json.to_owned().into()).unwrap();
        (Key::of(&object), Arc::new(Service::project(&object).unwrap()))
    }

    pub(crate) fn slice(json: &str) -> (Key, Arc<Slice>) {
        let object = Object::from_json(json.to_owned().into()).unwrap();
        (Key::of(&object), Arc::new(Slice::project(&object).unwrap()))
    }

    pub(crate) const WEB: &str = r#"{"metadata":{"name":"web","namespace":"default"},"spec":{"type":"NodePort",
        "clusterIP":"10.43.0.7","clusterIPs":["10.43.0.7"],"ports":[{"name":"http","port":80,"nodePort":30080}]}}"#;

    pub(crate) fn web_slice(endpoints: &str) -> (Key, Arc<Slice>) {
        slice(&format!(
            r#"{{"metadata":{{"name":"web-1","namespace":"default","labels":{{"kubernetes.io/service-name":"web"}}}},
            "addressType":"IPv4","ports":[{{"name":"http","port":8080}}],"endpoints":[{endpoints}]}}"#
        ))
    }

    #[test]
    fn terminating_endpoints_serve_only_when_alone() {
        let ending = r#"{"addresses":["10.42.0.3"],"conditions":{"ready":false,"serving":true,"terminating":true}}"#;
        let ready = r#"{"addresses":["10.42.0.4"],"nodeName":"n1"}"#;
        let of = |endpoints: &str| {
            let model = model("n1", &[service(WEB)], &[web_slice(endpoints)]);
            let port = model.ports.values().next().unwrap();
            port.endpoints.iter().map(|e| (e.address.to_string(), e.local)).collect::<Vec<_>>()
        };
        assert_eq!(of(&format!("{ending},{ready}")), [("10.42.0.4".to_owned(), true)]);
        assert_eq!(of(ending), [("10.42.0.3".to_owned(), false)]);
        assert_eq!(of(""), []);
    }

    #[test]
    fn headless_and_external_names_are_not_carried() {
        for spec in [r#"{"clusterIP":"None"}"#, r#"{"type":"ExternalName","externalName":"x"}"#] {
            let json = format!(r#"{{"metadata":{{"name":"a","namespace":"b"}},"spec":{spec}}}"#);
            assert!(Service::project(&Object::from_json(json.into()).unwrap()).is_none());
        }
    }
}
