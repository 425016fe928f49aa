//! Requests that end on a node or behind a Service: logs, exec, attach, port-forward, proxies.
//!
//! The request is checked against the pod, then passed on over [`knarr_client::NodeDialer`]: what comes back is
//! streamed through, and after a protocol upgrade bytes are copied both ways until either side ends. The agent speaks
//! all stream protocols itself.

mod kubelet;
mod pass;
mod pod;
mod service;
mod socket;

use std::sync::Arc;

use http::{Request, Uri};
use knarr_api::{Object, Status};
use knarr_client::{Request as ApiRequest, Resource, Verb};

use crate::{
    chain::{Ask, Face},
    info::Info,
    registry::Body as Document,
    reply::{Body, Reply},
};

/// Whether a request is one of these.
pub(crate) fn is_stream(info: &Info) -> bool {
    info.group.is_empty()
        && info.version == "v1"
        && !info.name.is_empty()
        && matches!(
            (info.resource.as_str(), info.subresource.as_str()),
            ("pods", "log" | "exec" | "attach" | "portforward" | "proxy") | ("nodes" | "services", "proxy")
        )
}

pub(crate) async fn answer(face: &Arc<Face>, ask: &Ask, request: Request<Body>) -> Result<Reply, Status> {
    match (ask.info.resource.as_str(), ask.info.subresource.as_str()) {
        ("pods", "log") => kubelet::log(face, ask, request).await,
        ("pods", "exec" | "attach") => kubelet::process(face, ask, request).await,
        ("pods", "portforward") => kubelet::port_forward(face, ask, request).await,
        ("pods", _) => service::pod(face, ask, request).await,
        ("nodes", _) => service::node(face, ask, request).await,
        _ => service::service(face, ask, request).await,
    }
}

/// Reads an object for the caller.
async fn get(face: &Face, ask: &Ask, resource: &Resource, name: &str) -> Result<Object, Status> {
    let namespace = if resource.namespaced { ask.info.namespace.as_str() } else { "" };
    let request = ApiRequest::new(Verb::Get, resource).namespace(namespace).name(name);
    match face.registry.execute(&ask.caller, request).await?.body {
        Document::Object(object) => Ok(object),
        _ => Err(Status::internal("the answer is not an object")),
    }
}

/// `[scheme:]name[:port]`
fn split_name(text: &str) -> Option<(&str, &str, &str)> {
    let parts: Vec<&str> = text.split(':').collect();
    match parts.as_slice() {
        [name] => Some(("", *name, "")),
        [name, port] => Some(("", *name, *port)),
        [scheme @ ("http" | "https" | ""), name, port] => Some((*scheme, *name, *port)),
        _ => None,
    }
}

/// The path behind `/proxy` and the query, as the client wrote them.
fn proxied(uri: &Uri, info: &Info) -> String {
    let raw = uri.path();
    let parts = raw.trim_matches('/').split('/').count();
    let skip = parts.saturating_sub(info.rest.len());
    let mut path = raw;
    for _ in 0..=skip {
        path = path.split_once('/').map_or("", |(_, rest)| rest);
    }
    match uri.query() {
        Some(query) => format!("/{path}?{query}"),
        None => format!("/{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::uri::Query;

    #[test]
    fn proxied_paths() {
        let of = |uri: &str| {
            let uri: Uri = uri.parse().unwrap();
            let info = Info::new(&http::Method::GET, uri.path(), &Query::default()).unwrap();
            proxied(&uri, &info)
        };
        assert_eq!(of("/api/v1/namespaces/x/services/y/proxy/a/b?c=d"), "/a/b?c=d");
        assert_eq!(of("/api/v1/namespaces/x/services/y/proxy/a/"), "/a/");
        assert_eq!(of("/api/v1/namespaces/x/services/y/proxy/"), "/");
        assert_eq!(of("/api/v1/namespaces/x/services/y/proxy"), "/");
        assert_eq!(of("/api/v1/nodes/n/proxy/pods/"), "/pods/");
    }

    #[test]
    fn names_with_scheme_and_port() {
        for (text, want) in [
            ("a", Some(("", "a", ""))),
            ("a:80", Some(("", "a", "80"))),
            ("https:a:web", Some(("https", "a", "web"))),
            ("http:a:", Some(("http", "a", ""))),
            (":a:1", Some(("", "a", "1"))),
            ("ftp:a:1", None),
            ("a:b:c:d", None),
        ] {
            assert_eq!(split_name(text), want, "{text}");
        }
    }
}
