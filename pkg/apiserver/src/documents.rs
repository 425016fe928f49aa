//! Paths that name no resource: discovery, OpenAPI, health, version, keys, metrics.

use std::sync::Arc;

use http::{HeaderValue, Request, header};
use knarr_api::Status;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::{
    VERSION,
    authn::oidc,
    chain::{Ask, Face, not_found},
    discovery::{self, AggregatedVersion, Catalogue},
    negotiate,
    openapi::{Form, OpenApi},
    reply::{self, Body, Reply},
};

pub(crate) async fn answer(face: &Arc<Face>, ask: &Ask, request: Request<Body>) -> Result<Reply, Status> {
    let parts: Vec<&str> = ask.info.path.trim_matches('/').split('/').collect();
    let set = || face.registry.resources();
    let found = match parts.as_slice() {
        ["livez" | "readyz" | "healthz", ..] => face.health.answer(&ask.info.path, &ask.query),
        ["ping"] => Some(reply::text(200, "pong")),
        ["cacerts"] => Some(reply::text(200, face.ca.clone())),
        ["version"] => Some(reply::json(version())),
        ["metrics"] => Some(reply::reply(200, "text/plain; version=0.0.4", reply::full(face.metrics.text()))),
        [""] => Some(reply::json(roots(&Catalogue::new(set().iter())))),
        ["api"] => Some(discovery(face, ask, &request, true)),
        ["apis"] => Some(discovery(face, ask, &request, false)),
        ["api", version] => discovery::resource_list(&Catalogue::new(set().iter()), "", version).map(reply::json),
        ["apis", group] => discovery::api_group(&Catalogue::new(set().iter()), group).map(reply::json),
        ["apis", group, version] => {
            discovery::resource_list(&Catalogue::new(set().iter()), group, version).map(reply::json)
        }
        ["openapi", "v2"] => Some(swagger(face, ask, &request)),
        ["openapi", "v3"] => Some(reply::json(face.openapi.index(&set()))),
        ["openapi", "v3", rest @ ..] => openapi(face, ask, &request, &rest.join("/")),
        [".well-known", "openid-configuration"] => {
            Some(public(reply::json(oidc::configuration(face.authenticator.accounts()))))
        }
        ["openid", "v1", "jwks"] => {
            let keys = oidc::key_set(face.authenticator.accounts());
            Some(public(reply::reply(200, "application/jwk-set+json", reply::full(keys))))
        }
        _ => None,
    };
    if let Some(reply) = found {
        return Ok(reply);
    }
    face.routes.answer(&ask.caller.user, request).await.map_err(|_| not_found())
}

fn public(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    reply
}

/// The plain document, or the aggregated one if a clause before plain JSON asks for it.
fn discovery(face: &Arc<Face>, ask: &Ask, request: &Request<Body>, core: bool) -> Reply {
    let set = face.registry.resources();
    let catalogue = Catalogue::new(set.iter());
    let plain = || match core {
        true => discovery::api_versions(&catalogue, &face.address),
        false => discovery::group_list(&catalogue),
    };
    for clause in negotiate::clauses(&ask.accept).iter().filter(|c| c.covers("application/json")) {
        match clause.target() {
            None => break,
            Some(target) => {
                if let Some(version) = AggregatedVersion::asked(target) {
                    let document = discovery::aggregated(&catalogue, core, version);
                    let tag = Sha256::digest(&document).iter().map(|b| format!("{b:02X}")).collect::<String>();
                    return vary(tagged(request, &tag, &version.media_type(), || document));
                }
            }
        }
    }
    vary(reply::json(plain()))
}

fn vary(mut reply: Reply) -> Reply {
    reply.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    reply
}

/// A document with an `ETag`, or 304 if the client has it.
fn tagged(request: &Request<Body>, tag: &str, media_type: &str, document: impl FnOnce() -> Vec<u8>) -> Reply {
    let tag = format!("\"{tag}\"");
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let mut reply = match known.split(',').any(|k| k.trim().trim_start_matches("W/") == tag) {
        true => reply::reply(304, media_type, reply::full("")),
        false => reply::reply(200, media_type, reply::full(document())),
    };
    if let Ok(value) = HeaderValue::from_str(&tag) {
        reply.headers_mut().insert(header::ETAG, value);
    }
    reply
}

/// The document of OpenAPI v2, in the form the client likes best.
fn swagger(face: &Arc<Face>, ask: &Ask, request: &Request<Body>) -> Reply {
    let Some(form) = Form::asked(&ask.accept) else {
        return reply::text(406, "only application/json and the protobuf of OpenAPI v2 are served");
    };
    let set = face.registry.resources();
    let hash = face.openapi.swagger_hash(&set, form);
    vary(tagged(request, &hash, form.media_type(), || OpenApi::swagger(&set, form)))
}

/// A document of OpenAPI v3. With the right hash in the URL it may be kept for ever; with a wrong one the client is
/// sent to the right URL.
fn openapi(face: &Arc<Face>, ask: &Ask, request: &Request<Body>, path: &str) -> Option<Reply> {
    let accepted =
        ask.accept.is_empty() || negotiate::clauses(&ask.accept).iter().any(|c| c.covers("application/json"));
    if !accepted {
        return Some(reply::text(406, "only application/json is served"));
    }
    let set = face.registry.resources();
    let (document, hash) = face.openapi.document(&set, path)?;
    match ask.query.get("hash") {
        Some(given) if given != hash => {
            let mut moved = reply::reply(301, "application/json", reply::full(""));
            let url = format!("/openapi/v3/{path}?hash={hash}");
            moved.headers_mut().insert(header::LOCATION, HeaderValue::from_str(&url).ok()?);
            Some(moved)
        }
        given => {
            let mut reply = tagged(request, &hash, "application/json", || document);
            if given.is_some() {
                let for_ever = HeaderValue::from_static("public, immutable");
                reply.headers_mut().insert(header::CACHE_CONTROL, for_ever);
            }
            Some(reply)
        }
    }
}

fn version() -> Vec<u8> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Version<'a> {
        major: &'a str,
        minor: &'a str,
        emulation_major: &'a str,
        emulation_minor: &'a str,
        min_compatibility_major: &'a str,
        min_compatibility_minor: &'a str,
        git_version: &'a str,
        git_commit: &'a str,
        git_tree_state: &'a str,
        build_date: &'a str,
        go_version: &'a str,
        compiler: &'a str,
        platform: String,
    }
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let version = Version {
        major: "1",
        minor: "36",
        emulation_major: "1",
        emulation_minor: "36",
        min_compatibility_major: "1",
        min_compatibility_minor: "35",
        git_version: VERSION,
        git_commit: "",
        git_tree_state: "clean",
        build_date: "1970-01-01T00:00:00Z",
        go_version: "",
        compiler: "rustc",
        platform: format!("{}/{arch}", std::env::consts::OS),
    };
    serde_json::to_vec_pretty(&version).expect("strings always encode")
}

/// The list of paths at `/`.
fn roots(catalogue: &Catalogue<'_>) -> Vec<u8> {
    let mut paths: Vec<String> = ["/.well-known/openid-configuration", "/api", "/apis"].map(str::to_owned).into();
    for group in &catalogue.groups {
        let root = if group.name.is_empty() { "/api".to_owned() } else { format!("/apis/{}", group.name) };
        paths.extend(group.versions.iter().map(|v| format!("{root}/{}", v.name)));
        paths.push(root);
    }
    let more =
        ["/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/openid/v1/jwks", "/readyz", "/version"];
    paths.extend(more.map(str::to_owned));
    paths.sort();
    paths.dedup();
    serde_json::to_vec(&serde_json::json!({ "paths": paths })).expect("strings always encode")
}
