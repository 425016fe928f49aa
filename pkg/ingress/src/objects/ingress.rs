//! Ingresses.

use std::collections::BTreeMap;

use knarr_api::Object;
use knarr_client::{Key, events::ObjectRef, resources};
use serde::Deserialize;

/// An Ingress as far as routing is concerned. Hosts are in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngressInfo {
    /// Which.
    pub key: Key,
    /// Its UID.
    pub uid: String,
    /// When it was made: the older of two that claim the same wins.
    pub created: String,
    /// `spec.ingressClassName`, or the annotation that was before it.
    pub class: Option<String>,
    /// Whether plain HTTP is sent to HTTPS where there is TLS.
    pub redirect: bool,
    /// `spec.defaultBackend`.
    pub default: Option<BackendRef>,
    /// `spec.rules`.
    pub rules: Vec<RuleSpec>,
    /// `spec.tls`.
    pub tls: Vec<TlsSpec>,
    /// The addresses `status` publishes.
    pub published: Vec<String>,
}

/// One rule: a host (none: all) and its paths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSpec {
    /// `app.example.com`, `*.example.com` or none.
    pub host: Option<String>,
    /// Its paths; a rule without paths leads to the default backend.
    pub paths: Vec<PathSpec>,
}

/// One path of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathSpec {
    /// The path.
    pub path: String,
    /// How it is compared.
    pub kind: PathKind,
    /// Where it leads.
    pub backend: BackendRef,
}

/// How a path is compared. `ImplementationSpecific` is `Prefix` here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathKind {
    /// Letter by letter.
    Exact,
    /// Element by element.
    Prefix,
}

/// What an Ingress names as its backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BackendRef {
    /// A port of a Service.
    Service {
        /// The Service, in the Ingress's namespace.
        name: String,
        /// The port.
        port: PortRef,
    },
    /// Another resource, by kind and name: nothing we can serve.
    Resource(String),
}

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortRef {
    /// By number.
    Number(u16),
    /// By name.
    Name(String),
}

/// Hosts with a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSpec {
    /// The hosts; none: all of the Ingress.
    pub hosts: Vec<String>,
    /// The Secret, in the Ingress's namespace.
    pub secret: Option<String>,
}

impl std::fmt::Display for PortRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

#[derive(Deserialize)]
struct Document {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    ingress_class_name: Option<String>,
    default_backend: Option<Backend>,
    rules: Option<Vec<Rule>>,
    tls: Option<Vec<Tls>>,
}

#[derive(Deserialize)]
struct Backend {
    service: Option<ServiceRef>,
    resource: Option<Resource>,
}

#[derive(Deserialize)]
struct ServiceRef {
    name: String,
    #[serde(default)]
    port: Port,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Port {
    name: String,
    number: u16,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Resource {
    kind: String,
    name: String,
}

#[derive(Deserialize)]
struct Rule {
    #[serde(default)]
    host: String,
    http: Option<Http>,
}

#[derive(Deserialize)]
struct Http {
    #[serde(default)]
    paths: Vec<HttpPath>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HttpPath {
    #[serde(default)]
    path: String,
    #[serde(default)]
    path_type: String,
    backend: Backend,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Tls {
    #[serde(default)]
    hosts: Option<Vec<String>>,
    #[serde(default)]
    secret_name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    load_balancer: LoadBalancer,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct LoadBalancer {
    ingress: Vec<Address>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Address {
    ip: String,
    hostname: String,
}

impl IngressInfo {
    /// Projects an object.
    pub fn project(object: &Object) -> Option<Self> {
        let Document { metadata, spec, status } = object.decode().ok()?;
        let annotations = metadata.annotations.unwrap_or_default();
        let told = |key: &str| annotations.get(key).map(String::as_str);
        let redirect = told("knarr.io/ssl-redirect").or_else(|| told("nginx.ingress.kubernetes.io/ssl-redirect"));
        Some(Self {
            key: Key::of(object),
            uid: object.meta().uid.to_string(),
            created: object.meta().created.to_string(),
            class: spec.ingress_class_name.or_else(|| told("kubernetes.io/ingress.class").map(str::to_owned)),
            redirect: redirect != Some("false"),
            default: spec.default_backend.map(BackendRef::from),
            rules: spec.rules.unwrap_or_default().into_iter().map(RuleSpec::from).collect(),
            tls: spec.tls.unwrap_or_default().into_iter().map(TlsSpec::from).collect(),
            published: status
                .load_balancer
                .ingress
                .into_iter()
                .map(|a| if a.ip.is_empty() { a.hostname } else { a.ip })
                .collect(),
        })
    }

    /// What Events are about.
    pub fn reference(&self) -> ObjectRef {
        ObjectRef {
            api_version: resources::INGRESSES.api_version(),
            kind: resources::INGRESSES.kind.to_string(),
            namespace: self.key.namespace.to_string(),
            name: self.key.name.to_string(),
            uid: self.uid.clone(),
            field_path: String::new(),
        }
    }

    /// The hosts a TLS entry is for: its own, or those of the rules where it names none.
    pub(crate) fn tls_hosts<'a>(&'a self, tls: &'a TlsSpec) -> Vec<&'a str> {
        if tls.hosts.is_empty() {
            self.rules.iter().filter_map(|r| r.host.as_deref()).collect()
        } else {
            tls.hosts.iter().map(String::as_str).collect()
        }
    }
}

impl From<Backend> for BackendRef {
    fn from(backend: Backend) -> Self {
        match backend.service {
            Some(ServiceRef { name, port }) if port.name.is_empty() => {
                Self::Service { name, port: PortRef::Number(port.number) }
            }
            Some(ServiceRef { name, port }) => Self::Service { name, port: PortRef::Name(port.name) },
            None => {
                let Resource { kind, name } = backend.resource.unwrap_or_default();
                Self::Resource(format!("{kind} {name}"))
            }
        }
    }
}

impl From<Rule> for RuleSpec {
    fn from(rule: Rule) -> Self {
        let paths = rule.http.map(|h| h.paths).unwrap_or_default();
        let paths = paths.into_iter().map(|p| PathSpec {
            kind: if p.path_type == "Exact" { PathKind::Exact } else { PathKind::Prefix },
            path: if p.path.is_empty() { "/".to_owned() } else { p.path },
            backend: p.backend.into(),
        });
        Self { host: (!rule.host.is_empty()).then(|| rule.host.to_ascii_lowercase()), paths: paths.collect() }
    }
}

impl From<Tls> for TlsSpec {
    fn from(tls: Tls) -> Self {
        let hosts = tls.hosts.unwrap_or_default();
        Self {
            hosts: hosts.iter().map(|h| h.to_ascii_lowercase()).collect(),
            secret: (!tls.secret_name.is_empty()).then_some(tls.secret_name),
        }
    }
}
