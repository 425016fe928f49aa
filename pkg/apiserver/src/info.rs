//! What a request is about, from its method, path and query alone (upstream's `RequestInfo`).
//!
//! Authorization speaks in these words, so they are found before anything else is known: the resource need not exist,
//! and a path that names none is a *non-resource* request.

use http::Method;

use crate::{Attributes, uri::Query};

/// See the module doc.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Info {
    /// Whether the path names a resource.
    pub(crate) is_resource: bool,
    /// Verb in RBAC's words; the method in lower case for non-resource requests.
    pub(crate) verb: String,
    /// The decoded path.
    pub(crate) path: String,
    /// API group, empty for core.
    pub(crate) group: String,
    /// Version.
    pub(crate) version: String,
    /// Namespace, empty for none.
    pub(crate) namespace: String,
    /// Plural.
    pub(crate) resource: String,
    /// Subresource.
    pub(crate) subresource: String,
    /// Object named in the path, or by `fieldSelector=metadata.name=…` of a collection (see `by_selector`).
    pub(crate) name: String,
    /// `name` was found in the field selector: the request is still about a collection.
    pub(crate) by_selector: bool,
    /// The collection is watched through the old `/watch/` path.
    pub(crate) watch_path: bool,
    /// Field selector of a collection, as the client wrote it.
    pub(crate) field_selector: String,
    /// Segments after resource, name and subresource (paths of proxies).
    pub(crate) rest: Vec<String>,
}

impl Info {
    /// Reads a request. `path` is percent-decoded.
    ///
    /// # Errors
    /// `/api/v1/watch` alone names nothing.
    pub(crate) fn new(method: &Method, path: &str, query: &Query) -> Result<Self, String> {
        let mut info = Self { verb: method.as_str().to_ascii_lowercase(), path: path.to_owned(), ..Self::default() };
        let trimmed = path.trim_matches('/');
        let parts: Vec<&str> = if trimmed.is_empty() { Vec::new() } else { trimmed.split('/').collect() };
        let mut parts = match parts.as_slice() {
            ["api", rest @ ..] if rest.len() >= 2 => rest,
            ["apis", group, rest @ ..] if rest.len() >= 2 => {
                info.group = (*group).to_owned();
                rest
            }
            _ => return Ok(info),
        };
        info.is_resource = true;
        info.version = parts[0].to_owned();
        parts = &parts[1..];
        let special = matches!(parts[0], "watch" | "proxy");
        if special {
            if parts.len() < 2 {
                return Err(format!("unable to determine kind and namespace from url, {path}"));
            }
            info.verb = parts[0].to_owned();
            info.watch_path = info.verb == "watch";
            parts = &parts[1..];
        } else {
            info.verb = verb(method).to_owned();
        }
        if let ["namespaces", namespace, ..] = parts {
            info.namespace = (*namespace).to_owned();
            if parts.len() > 2 && !matches!(parts[2], "status" | "finalize") {
                parts = &parts[2..];
            }
        }
        info.resource = parts[0].to_owned();
        if let Some(name) = parts.get(1) {
            info.name = (*name).to_owned();
        }
        if info.verb == "proxy" {
            info.rest = parts.iter().skip(2).map(|p| (*p).to_owned()).collect();
        } else {
            info.subresource = parts.get(2).map(|p| (*p).to_owned()).unwrap_or_default();
            info.rest = parts.iter().skip(3).map(|p| (*p).to_owned()).collect();
        }
        if info.name.is_empty() {
            query.get("fieldSelector").unwrap_or_default().clone_into(&mut info.field_selector);
            match info.verb.as_str() {
                "get" => info.verb = if wants_watch(query) { "watch" } else { "list" }.to_owned(),
                "delete" => info.verb = "deletecollection".to_owned(),
                _ => {}
            }
            if matches!(info.verb.as_str(), "list" | "watch")
                && !special
                && let Some(name) = selected_name(&info.field_selector)
            {
                info.name = name;
                info.by_selector = true;
            }
        }
        Ok(info)
    }

    /// The name in the path.
    pub(crate) fn path_name(&self) -> &str {
        if self.by_selector { "" } else { &self.name }
    }

    /// What authorization is asked.
    pub(crate) fn attributes(&self) -> Attributes<'_> {
        if !self.is_resource {
            return Attributes { verb: &self.verb, path: &self.path, ..Attributes::default() };
        }
        Attributes {
            verb: &self.verb,
            group: &self.group,
            version: &self.version,
            resource: &self.resource,
            subresource: &self.subresource,
            namespace: &self.namespace,
            name: &self.name,
            path: "",
            field_selector: if self.watch_path { "" } else { &self.field_selector },
        }
    }
}

fn verb(method: &Method) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::GET | Method::HEAD => "get",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "",
    }
}

/// Go's lenient boolean of query parameters: anything but `false` and `0` is true, an empty value too.
pub(crate) fn truthy(value: &str) -> bool {
    !matches!(value.to_ascii_lowercase().as_str(), "false" | "0")
}

fn wants_watch(query: &Query) -> bool {
    query.get("watch").is_some_and(truthy)
}

/// The name that `metadata.name=x` asks for, if the selector does and x can stand in a path.
pub(crate) fn selected_name(selector: &str) -> Option<String> {
    let value = selector.split(',').find_map(|term| {
        let (key, value) = term.split_once('=')?;
        (key == "metadata.name").then(|| value.strip_prefix('=').unwrap_or(value))
    })?;
    let fits = !value.is_empty() && value != "." && value != ".." && !value.contains(['/', '%']);
    fits.then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn show(method: &str, uri: &str) -> String {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        match Info::new(&method.parse().unwrap(), path, &Query::parse(query)) {
            Err(e) => format!("{method} {uri}: error {e}"),
            Ok(i) if !i.is_resource => format!("{method} {uri}: {} {}", i.verb, i.path),
            Ok(i) => format!(
                "{method} {uri}: {} {}/{} ns={} {}{}{} name={}{} rest={}",
                i.verb,
                i.group,
                i.version,
                i.namespace,
                i.resource,
                if i.subresource.is_empty() { "" } else { "/" },
                i.subresource,
                i.name,
                if i.by_selector { "(selector)" } else { "" },
                i.rest.join("/"),
            ),
        }
    }

    #[track_caller]
    fn check(requests: &[(&str, &str)], expected: Expect) {
        let text: Vec<String> = requests.iter().map(|(m, u)| show(m, u)).collect();
        expected.assert_eq(&(text.join("\n") + "\n"));
    }

    #[test]
    fn requests_are_read_as_upstream_reads_them() {
        check(
            &[
                ("GET", "/"),
                ("GET", "/api/v1"),
                ("POST", "/apis/apps/v1"),
                ("GET", "/livez/etcd"),
                ("GET", "/api/v1/nodes"),
                ("HEAD", "/api/v1/nodes/n1"),
                ("GET", "/api/v1/namespaces"),
                ("GET", "/api/v1/namespaces/x"),
                ("PUT", "/api/v1/namespaces/x/finalize"),
                ("PATCH", "/api/v1/namespaces/x/status"),
                ("GET", "/api/v1/namespaces/x/pods"),
                ("GET", "/api/v1/namespaces/x/pods?watch"),
                ("GET", "/api/v1/pods?watch=1&fieldSelector=metadata.name%3Dy"),
                ("GET", "/api/v1/pods?watch=false"),
                ("DELETE", "/api/v1/namespaces/x/pods"),
                ("DELETE", "/api/v1/namespaces/x/pods/y"),
                ("GET", "/api/v1/namespaces/x/pods/y/log?follow=true"),
                ("GET", "/api/v1/namespaces/x/pods/y/proxy/a/b"),
                ("GET", "/api/v1/watch/pods"),
                ("GET", "/api/v1/watch/namespaces/x/pods/y"),
                ("GET", "/api/v1/watch"),
                ("GET", "/api/v1/proxy/namespaces/x/services/y/z"),
                ("POST", "/apis/apps/v1/namespaces/x/deployments"),
                ("OPTIONS", "/apis/apps/v1/deployments"),
            ],
            expect![[r#"
                GET /: get /
                GET /api/v1: get /api/v1
                POST /apis/apps/v1: post /apis/apps/v1
                GET /livez/etcd: get /livez/etcd
                GET /api/v1/nodes: list /v1 ns= nodes name= rest=
                HEAD /api/v1/nodes/n1: get /v1 ns= nodes name=n1 rest=
                GET /api/v1/namespaces: list /v1 ns= namespaces name= rest=
                GET /api/v1/namespaces/x: get /v1 ns=x namespaces name=x rest=
                PUT /api/v1/namespaces/x/finalize: update /v1 ns=x namespaces/finalize name=x rest=
                PATCH /api/v1/namespaces/x/status: patch /v1 ns=x namespaces/status name=x rest=
                GET /api/v1/namespaces/x/pods: list /v1 ns=x pods name= rest=
                GET /api/v1/namespaces/x/pods?watch: watch /v1 ns=x pods name= rest=
                GET /api/v1/pods?watch=1&fieldSelector=metadata.name%3Dy: watch /v1 ns= pods name=y(selector) rest=
                GET /api/v1/pods?watch=false: list /v1 ns= pods name= rest=
                DELETE /api/v1/namespaces/x/pods: deletecollection /v1 ns=x pods name= rest=
                DELETE /api/v1/namespaces/x/pods/y: delete /v1 ns=x pods name=y rest=
                GET /api/v1/namespaces/x/pods/y/log?follow=true: get /v1 ns=x pods/log name=y rest=
                GET /api/v1/namespaces/x/pods/y/proxy/a/b: get /v1 ns=x pods/proxy name=y rest=a/b
                GET /api/v1/watch/pods: watch /v1 ns= pods name= rest=
                GET /api/v1/watch/namespaces/x/pods/y: watch /v1 ns=x pods name=y rest=
                GET /api/v1/watch: error unable to determine kind and namespace from url, /api/v1/watch
                GET /api/v1/proxy/namespaces/x/services/y/z: proxy /v1 ns=x services name=y rest=z
                POST /apis/apps/v1/namespaces/x/deployments: create apps/v1 ns=x deployments name= rest=
                OPTIONS /apis/apps/v1/deployments:  apps/v1 ns= deployments name= rest=
            "#]],
        );
    }
}
