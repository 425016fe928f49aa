//! What a request is on the wire: method, path, query, media type, body.

use bytes::Bytes;
use http::Method;
use knarr_api::{Value, json};

use crate::{Options, Propagation, Request, Verb};

/// A request in HTTP's words.
pub(super) struct Call {
    pub(super) method: Method,
    /// Path and query.
    pub(super) uri: String,
    pub(super) media: Option<&'static str>,
    pub(super) body: Bytes,
}

impl Call {
    pub(super) fn of(request: &Request) -> Self {
        let method = match request.verb {
            Verb::Get | Verb::List | Verb::Watch => Method::GET,
            Verb::Create => Method::POST,
            Verb::Update => Method::PUT,
            Verb::Patch(_) => Method::PATCH,
            Verb::Delete | Verb::DeleteCollection => Method::DELETE,
        };
        let (media, body) = match request.verb {
            Verb::Get | Verb::List | Verb::Watch => (None, None),
            Verb::Patch(kind) => (Some(kind.media_type()), request.body.as_ref().map(encode)),
            Verb::Delete | Verb::DeleteCollection => {
                (Some("application/json"), Some(encode(&delete_options(&request.options))))
            }
            Verb::Create | Verb::Update => (Some("application/json"), request.body.as_ref().map(encode)),
        };
        let query = query(request);
        let mark = if query.is_empty() { "" } else { "?" };
        let uri = format!("{}{mark}{}", path(request), query.join("&"));
        Self { method, uri, media, body: body.unwrap_or_default() }
    }
}

fn path(request: &Request) -> String {
    let Request { resource, namespace, name, subresource, verb, .. } = request;
    let namespace = if resource.namespaced { escape(namespace) } else { String::new() };
    let mut path = resource.path(&namespace);
    let collection = matches!(verb, Verb::List | Verb::Watch | Verb::DeleteCollection)
        || (*verb == Verb::Create && subresource.is_empty());
    if !collection {
        path.push_str(&format!("/{}", escape(name)));
    }
    if !subresource.is_empty() {
        path.push_str(&format!("/{subresource}"));
    }
    path
}

fn query(request: &Request) -> Vec<String> {
    let mut out = Vec::new();
    let mut put = |key: &str, value: &str| {
        if !value.is_empty() {
            out.push(format!("{key}={}", escape(value)));
        }
    };
    let flag = |on: bool| if on { "true" } else { "" };
    let number = |n: u64| if n == 0 { String::new() } else { n.to_string() };
    // In full: an option that comes later must not be forgotten here.
    let Options {
        label_selector,
        field_selector,
        resource_version,
        resource_version_match,
        limit,
        continue_token,
        allow_bookmarks,
        send_initial_events,
        timeout_seconds,
        dry_run,
        force,
        field_manager,
        field_validation,
        grace_period_seconds: _,
        propagation: _,
        precondition: _,
    } = &request.options;
    put("watch", flag(request.verb == Verb::Watch));
    put("labelSelector", label_selector);
    // A collection narrowed to one name is said in the selector, as the informers do it.
    put("fieldSelector", field_selector);
    put("resourceVersion", resource_version);
    put("resourceVersionMatch", resource_version_match);
    put("limit", &number(*limit));
    put("continue", continue_token);
    put("allowWatchBookmarks", flag(*allow_bookmarks));
    put("sendInitialEvents", send_initial_events.map_or("", |on| if on { "true" } else { "false" }));
    put("timeoutSeconds", &number(*timeout_seconds));
    put("dryRun", if *dry_run { "All" } else { "" });
    put("force", flag(*force));
    put("fieldManager", field_manager);
    put("fieldValidation", field_validation);
    out
}

fn delete_options(options: &Options) -> Value {
    let mut body = knarr_api::value!({ "kind": "DeleteOptions", "apiVersion": "v1" });
    if let Some(seconds) = options.grace_period_seconds {
        body.set(&["gracePeriodSeconds"], seconds);
    }
    if let Some(policy) = options.propagation {
        let word = match policy {
            Propagation::Orphan => "Orphan",
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
        };
        body.set(&["propagationPolicy"], word);
    }
    let wanted = &options.precondition;
    for (key, value) in [("uid", &wanted.uid), ("resourceVersion", &wanted.resource_version)] {
        if !value.is_empty() {
            body.set(&["preconditions", key], value.as_str());
        }
    }
    body
}

fn encode(tree: &Value) -> Bytes {
    let mut out = Vec::new();
    json::write(tree, &mut out);
    out.into()
}

/// Percent-encodes a path segment or a query value.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use knarr_api::value;

    use super::*;
    use crate::{PatchKind, resources};

    fn show(request: &Request) -> String {
        let call = Call::of(request);
        format!("{} {} {}", call.method, call.uri, String::from_utf8_lossy(&call.body)).trim_end().to_owned()
    }

    #[test]
    fn requests_on_the_wire() {
        let pods = |verb| Request::new(verb, &resources::PODS).namespace("n");
        let nodes = |verb| Request::new(verb, &resources::NODES);
        let body = value!({ "a": 1 });
        for (request, want) in [
            (pods(Verb::Get).name("p"), "GET /api/v1/namespaces/n/pods/p"),
            (Request::new(Verb::List, &resources::PODS), "GET /api/v1/pods"),
            (nodes(Verb::Get).name("a/b"), "GET /api/v1/nodes/a%2Fb"),
            (
                nodes(Verb::Watch).options(|o| {
                    o.field_selector = "metadata.name=x".into();
                    o.allow_bookmarks = true;
                    o.send_initial_events = Some(true);
                }),
                "GET /api/v1/nodes?watch=true&fieldSelector=metadata.name%3Dx&allowWatchBookmarks=true&sendInitialEvents=true",
            ),
            (pods(Verb::Create).name("p").body(body.clone()), "POST /api/v1/namespaces/n/pods {\"a\":1}"),
            (
                pods(Verb::Create).name("p").subresource("binding").body(body.clone()),
                "POST /api/v1/namespaces/n/pods/p/binding {\"a\":1}",
            ),
            (
                pods(Verb::Patch(PatchKind::Apply)).name("p").subresource("status").body(body).options(|o| {
                    o.force = true;
                    o.field_manager = "m".into();
                    o.dry_run = true;
                }),
                "PATCH /api/v1/namespaces/n/pods/p/status?dryRun=All&force=true&fieldManager=m {\"a\":1}",
            ),
            (
                pods(Verb::Delete).name("p").options(|o| {
                    o.grace_period_seconds = Some(0);
                    o.precondition.uid = "u".into();
                    o.propagation = Some(Propagation::Background);
                }),
                "DELETE /api/v1/namespaces/n/pods/p {\"apiVersion\":\"v1\",\"gracePeriodSeconds\":0,\
                 \"kind\":\"DeleteOptions\",\"preconditions\":{\"uid\":\"u\"},\"propagationPolicy\":\"Background\"}",
            ),
        ] {
            assert_eq!(show(&request), want);
        }
    }
}
