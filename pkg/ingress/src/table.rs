//! The routing table: what the cluster's Ingresses come to. Pure.

mod backends;
mod build;
mod show;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
};

use knarr_client::Key;

pub use build::{View, build};

use crate::{objects::PathKind, tls::Certificates};

/// Everything that answering a request or a handshake takes.
#[derive(Debug, Default)]
pub struct Table {
    /// By host.
    pub(crate) exact: BTreeMap<Box<str>, Site>,
    /// By what follows `*.`.
    pub(crate) wildcard: BTreeMap<Box<str>, Site>,
    /// Rules without host, and the default backend of the cluster.
    pub(crate) any: Site,
    /// Certificates by host.
    pub certificates: Certificates,
    /// The Ingresses served, oldest first.
    pub served: Vec<Key>,
    /// Hosts with TLS whose Ingress brings no valid certificate: the local CA's are shown.
    pub local: BTreeSet<String>,
    /// What is wrong with which Ingress.
    pub problems: Vec<Problem>,
}

/// The rules of one host.
#[derive(Debug, Default)]
pub(crate) struct Site {
    /// In order of precedence.
    pub(crate) routes: Vec<Route>,
    /// The default backend.
    pub(crate) fallback: Option<Route>,
}

/// A path and where it leads.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) path: Path,
    /// Whether plain HTTP is sent to HTTPS.
    pub(crate) redirect: bool,
    pub(crate) backend: Arc<Backend>,
}

/// A path to compare with. The text of a prefix has no slash at its end (that of `/` is empty).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Path {
    pub(crate) kind: PathKind,
    pub(crate) text: Box<str>,
}

/// Where requests go.
#[derive(Debug, PartialEq, Eq)]
pub struct Backend {
    /// `namespace/service:port`, for logs.
    pub name: String,
    /// Whether the pods speak HTTP/2 without TLS.
    pub h2c: bool,
    /// The pods, sorted. None: every request is answered 503.
    pub endpoints: Vec<SocketAddr>,
}

/// Something wrong with an Ingress that its owner should hear of.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Problem {
    /// The Ingress.
    pub ingress: Key,
    /// The Event's reason.
    pub reason: &'static str,
    /// The Event's message.
    pub message: String,
}

impl Path {
    pub(crate) fn new(kind: PathKind, path: &str) -> Self {
        let text = match kind {
            PathKind::Exact => path,
            PathKind::Prefix => path.trim_end_matches('/'),
        };
        Self { kind, text: text.into() }
    }

    /// Prefixes are compared element by element.
    pub(crate) fn matches(&self, path: &str) -> bool {
        match self.kind {
            PathKind::Exact => *self.text == *path,
            PathKind::Prefix => {
                path.strip_prefix(&*self.text).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

impl Table {
    /// Every endpoint that a route leads to.
    pub(crate) fn endpoints(&self) -> BTreeSet<SocketAddr> {
        let sites = self.exact.values().chain(self.wildcard.values()).chain([&self.any]);
        let routes = sites.flat_map(|site| site.routes.iter().chain(&site.fallback));
        routes.flat_map(|route| route.backend.endpoints.iter().copied()).collect()
    }
}
