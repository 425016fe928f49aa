//! Services and EndpointSlices.

use std::net::IpAddr;

use knarr_api::Object;
use knarr_client::Key;
use serde::Deserialize;

/// A Service as far as routing is concerned: the addresses come from its slices, not from its cluster IP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceInfo {
    /// Which.
    pub key: Key,
    /// Whether it is only a name for something outside. Such names are not followed: they would let an Ingress reach
    /// whatever the node reaches.
    pub external_name: bool,
    /// Its TCP ports.
    pub ports: Vec<ServicePort>,
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name; empty if it is the only one.
    pub name: Box<str>,
    /// Its number.
    pub number: u16,
    /// Whether its pods speak HTTP/2 without TLS (`appProtocol: kubernetes.io/h2c`).
    pub h2c: bool,
}

/// An EndpointSlice as far as routing is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceInfo {
    /// The Service it belongs to.
    pub service: Key,
    /// TCP ports by name.
    pub ports: Vec<(Box<str>, u16)>,
    /// The endpoints.
    pub endpoints: Vec<SliceEndpoint>,
}

/// An endpoint of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceEndpoint {
    /// The pod's address.
    pub address: IpAddr,
    /// Wants requests.
    pub ready: bool,
    /// Would answer requests.
    pub serving: bool,
    /// Is on its way out.
    pub terminating: bool,
}

impl ServiceInfo {
    /// Projects an object.
    pub fn project(object: &Object) -> Option<Self> {
        #[derive(Deserialize)]
        struct Service {
            #[serde(default)]
            spec: Spec,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Spec {
            r#type: String,
            ports: Option<Vec<Port>>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Port {
            #[serde(default)]
            name: Box<str>,
            protocol: Option<String>,
            port: u16,
            app_protocol: Option<String>,
        }
        let Service { spec } = object.decode().ok()?;
        let ports = spec.ports.unwrap_or_default().into_iter();
        let ports = ports.filter(|p| is_tcp(p.protocol.as_deref())).map(|p| ServicePort {
            name: p.name,
            number: p.port,
            h2c: p.app_protocol.as_deref() == Some("kubernetes.io/h2c"),
        });
        Some(Self { key: Key::of(object), external_name: spec.r#type == "ExternalName", ports: ports.collect() })
    }
}

impl SliceInfo {
    /// Projects an object; `None` for slices that belong to no Service or hold no addresses.
    pub fn project(object: &Object) -> Option<Self> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Slice {
            #[serde(default)]
            endpoints: Option<Vec<Endpoint>>,
            #[serde(default)]
            ports: Option<Vec<Port>>,
        }
        #[derive(Deserialize)]
        struct Endpoint {
            #[serde(default)]
            addresses: Vec<String>,
            #[serde(default)]
            conditions: Option<Conditions>,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Conditions {
            ready: Option<bool>,
            serving: Option<bool>,
            terminating: Option<bool>,
        }
        #[derive(Deserialize)]
        struct Port {
            name: Option<Box<str>>,
            protocol: Option<String>,
            port: Option<u16>,
        }
        let service = object.meta().label("kubernetes.io/service-name")?;
        let service = Key::new(object.namespace(), service);
        let Slice { endpoints, ports } = object.decode().ok()?;
        let ports = ports.unwrap_or_default().into_iter().filter(|p| is_tcp(p.protocol.as_deref()));
        let endpoints = endpoints.unwrap_or_default().into_iter().filter_map(|e| {
            let conditions = e.conditions.unwrap_or_default();
            let ready = conditions.ready.unwrap_or(true);
            Some(SliceEndpoint {
                address: e.addresses.first()?.parse().ok()?,
                ready,
                serving: conditions.serving.unwrap_or(ready),
                terminating: conditions.terminating.unwrap_or(false),
            })
        });
        Some(Self {
            service,
            ports: ports.filter_map(|p| Some((p.name.unwrap_or_default(), p.port?))).collect(),
            endpoints: endpoints.collect(),
        })
    }
}

fn is_tcp(protocol: Option<&str>) -> bool {
    matches!(protocol, None | Some("" | "TCP"))
}
