//! What informers keep of Services and EndpointSlices.

use std::{borrow::Cow, net::IpAddr};

use knarr_api::{Object, Str};
use serde::Deserialize;

/// A Service as far as names are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What its name leads to.
    pub address: Address,
    /// Its ports.
    pub ports: Box<[Port]>,
}

/// What the name of a Service leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// Its cluster IPs.
    Cluster(Box<[IpAddr]>),
    /// Its ready endpoints.
    Headless,
    /// Another name. `None` where the text is no name one could lead to.
    External(Option<Box<str>>),
}

/// A port with a name, or without (empty).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// Its name.
    pub name: Str,
    /// Its protocol.
    pub protocol: Protocol,
    /// Its number.
    pub number: u16,
}

/// The protocols Services have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Protocol {
    Tcp,
    Udp,
    Sctp,
}

/// An EndpointSlice as far as names are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The Service it belongs to.
    pub service: Str,
    /// Its ports.
    pub ports: Box<[Port]>,
    /// The ready ones. `publishNotReadyAddresses` is already in Kubernetes' `ready`.
    pub endpoints: Box<[Endpoint]>,
}

/// One address behind a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The address.
    pub address: IpAddr,
    /// The name it was given; empty for most.
    pub hostname: Box<str>,
}

impl Protocol {
    /// From Kubernetes' word; absent means TCP.
    fn parse(word: Option<&str>) -> Self {
        match word {
            Some("UDP") => Self::Udp,
            Some("SCTP") => Self::Sctp,
            _ => Self::Tcp,
        }
    }

    /// From the label of a service name (RFC 2782).
    pub(crate) fn of_label(label: &str) -> Option<Self> {
        match label {
            "_tcp" => Some(Self::Tcp),
            "_udp" => Some(Self::Udp),
            "_sctp" => Some(Self::Sctp),
            _ => None,
        }
    }
}

impl Endpoint {
    /// The label under the Service's name: the name it was given, else its address with dashes.
    pub fn label(&self) -> Cow<'_, str> {
        match (&*self.hostname, self.address) {
            ("", IpAddr::V4(ip)) => Cow::Owned(ip.to_string().replace('.', "-")),
            ("", IpAddr::V6(ip)) => Cow::Owned(ip.to_string().replace(':', "-")),
            (name, _) => Cow::Borrowed(name),
        }
    }
}

#[derive(Deserialize)]
struct ServiceObject<'a> {
    #[serde(borrow)]
    spec: ServiceSpec<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ServiceSpec<'a> {
    #[serde(rename = "type", default, borrow)]
    kind: Cow<'a, str>,
    #[serde(rename = "clusterIPs", default)]
    cluster_ips: Vec<Cow<'a, str>>,
    #[serde(rename = "clusterIP", default, borrow)]
    cluster_ip: Cow<'a, str>,
    #[serde(default, borrow)]
    external_name: Cow<'a, str>,
    #[serde(default, borrow)]
    ports: Vec<PortObject<'a>>,
}

#[derive(Deserialize)]
struct PortObject<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    protocol: Option<Cow<'a, str>>,
    port: Option<u16>,
}

impl Service {
    /// Projects an object; `None` only for what is no Service.
    pub fn project(object: &Object) -> Option<Self> {
        let ServiceObject { spec } = object.decode().ok()?;
        let mut ips = spec.cluster_ips;
        if ips.is_empty() {
            ips.push(spec.cluster_ip);
        }
        let address = if spec.kind == "ExternalName" {
            let name = spec.external_name.trim_end_matches('.').to_ascii_lowercase();
            // An address is no name, though validation lets it through.
            Address::External((!name.is_empty() && name.parse::<IpAddr>().is_err()).then(|| name.into()))
        } else if ips.iter().any(|ip| ip == "None") {
            Address::Headless
        } else {
            Address::Cluster(ips.iter().filter_map(|ip| ip.parse().ok()).collect())
        };
        Some(Self { address, ports: ports(spec.ports) })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SliceObject<'a> {
    #[serde(borrow)]
    address_type: Cow<'a, str>,
    #[serde(default, borrow)]
    endpoints: Option<Vec<EndpointObject<'a>>>,
    #[serde(default, borrow)]
    ports: Option<Vec<PortObject<'a>>>,
}

#[derive(Deserialize)]
struct EndpointObject<'a> {
    #[serde(default)]
    addresses: Vec<Cow<'a, str>>,
    #[serde(default)]
    conditions: Conditions,
    #[serde(borrow)]
    hostname: Option<Cow<'a, str>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Conditions {
    ready: Option<bool>,
}

impl Slice {
    /// Projects an object; `None` for slices that belong to no Service or hold no addresses.
    pub fn project(object: &Object) -> Option<Self> {
        let service = object.meta().label("kubernetes.io/service-name")?.into();
        let slice: SliceObject<'_> = object.decode().ok()?;
        if slice.address_type == "FQDN" {
            return None;
        }
        let ready = slice.endpoints.unwrap_or_default().into_iter().filter(|e| e.conditions.ready.unwrap_or(true));
        let endpoints = ready.flat_map(|e| {
            let hostname = e.hostname.unwrap_or_default();
            let ips: Vec<IpAddr> = e.addresses.iter().filter_map(|ip| ip.parse().ok()).collect();
            ips.into_iter().map(move |address| Endpoint { address, hostname: (*hostname).into() })
        });
        Some(Self { service, endpoints: endpoints.collect(), ports: ports(slice.ports.unwrap_or_default()) })
    }
}

fn ports(ports: Vec<PortObject<'_>>) -> Box<[Port]> {
    let port = |p: PortObject<'_>| {
        let (name, protocol) = (p.name.unwrap_or_default(), Protocol::parse(p.protocol.as_deref()));
        Some(Port { name: (*name).into(), protocol, number: p.port? })
    };
    ports.into_iter().filter_map(port).collect()
}
