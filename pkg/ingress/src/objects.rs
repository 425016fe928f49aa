//! What informers keep of Ingresses and of what they name. Pure.

use std::net::IpAddr;

use knarr_api::Object;
use knarr_client::Key;
use serde::Deserialize;

mod backend;
mod ingress;

pub use backend::{ServiceInfo, ServicePort, SliceEndpoint, SliceInfo};
pub use ingress::{BackendRef, IngressInfo, PathKind, PathSpec, PortRef, RuleSpec, TlsSpec};

/// `spec.controller` of the classes that are ours.
pub const CONTROLLER: &str = "knarr.io/ingress";

/// An IngressClass as far as the choice of Ingresses is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassInfo {
    /// Its name.
    pub name: String,
    /// Whether its controller is [`CONTROLLER`].
    pub ours: bool,
    /// Whether Ingresses without a class belong to it.
    pub default: bool,
}

/// A Node as far as the published addresses are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its name.
    pub name: String,
    /// Whether it says of itself that it works.
    pub ready: bool,
    /// Its external address, or the internal one where there is no external one.
    pub address: Option<IpAddr>,
}

impl ClassInfo {
    /// Projects an object.
    pub fn project(object: &Object) -> Option<Self> {
        #[derive(Deserialize)]
        struct Class {
            metadata: Metadata,
            #[serde(default)]
            spec: Spec,
        }
        #[derive(Deserialize)]
        struct Metadata {
            #[serde(default)]
            annotations: Option<Annotations>,
        }
        #[derive(Deserialize, Default)]
        struct Annotations {
            #[serde(rename = "ingressclass.kubernetes.io/is-default-class")]
            default: Option<String>,
        }
        #[derive(Deserialize, Default)]
        struct Spec {
            #[serde(default)]
            controller: String,
        }
        let Class { metadata, spec } = object.decode().ok()?;
        let default = metadata.annotations.unwrap_or_default().default;
        Some(Self {
            name: object.name().to_owned(),
            ours: spec.controller == CONTROLLER,
            default: default.as_deref() == Some("true"),
        })
    }
}

impl NodeInfo {
    /// Projects an object.
    pub fn project(object: &Object) -> Option<Self> {
        #[derive(Deserialize)]
        struct Node {
            #[serde(default)]
            status: Status,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Status {
            addresses: Vec<Address>,
            conditions: Vec<Condition>,
        }
        #[derive(Deserialize)]
        struct Address {
            #[serde(rename = "type")]
            kind: String,
            address: String,
        }
        #[derive(Deserialize)]
        struct Condition {
            #[serde(rename = "type")]
            kind: String,
            status: String,
        }
        let Node { status } = object.decode().ok()?;
        let of = |kind: &str| {
            let mut all = status.addresses.iter().filter(|a| a.kind == kind);
            all.find_map(|a| a.address.parse().ok())
        };
        Some(Self {
            name: object.name().to_owned(),
            ready: status.conditions.iter().any(|c| c.kind == "Ready" && c.status == "True"),
            address: of("ExternalIP").or_else(|| of("InternalIP")),
        })
    }
}

/// Which of the Ingresses are ours to serve.
///
/// A class is ours by its controller; the name `knarr` also while nobody has made the object. An Ingress that names no
/// class is ours when one of our classes is the default, or when the cluster has no classes at all.
pub fn serves(ingress: &IngressInfo, classes: &[ClassInfo]) -> bool {
    match &ingress.class {
        Some(name) => match classes.iter().find(|c| c.name == *name) {
            Some(class) => class.ours,
            None => name == crate::CLASS,
        },
        None => classes.is_empty() || classes.iter().any(|c| c.ours && c.default),
    }
}

/// The key of another object in the same namespace.
pub(crate) fn beside(key: &Key, name: &str) -> Key {
    Key::new(&key.namespace, name)
}
