//! The agent's endpoints: `/containerLogs`, `/exec`, `/attach`, `/portForward`.

use std::sync::Arc;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use knarr_api::{Reason, Status};
use knarr_client::resources;

use super::{get, pass, pod::Pod, socket};
use crate::{
    Attributes, Decision,
    chain::{Ask, Face},
    info::truthy,
    reply::{self, Body, BodyError, Reply},
    uri::{self, Query},
};

/// Of an error's text, this much is passed on.
const ERROR_TEXT: usize = 2048;

/// A log as a plain body, or as a WebSocket where the client asks for one.
pub(super) async fn log(face: &Arc<Face>, ask: &Ask, request: Request<Body>) -> Result<Reply, Status> {
    let reply = plain_log(face, ask).await?;
    if !pass::is_upgrade(request.headers()) {
        return Ok(reply);
    }
    socket::upgraded(face, request, reply.into_body())
}

async fn plain_log(face: &Arc<Face>, ask: &Ask) -> Result<Reply, Status> {
    let pod = Pod::of(&get(face, ask, &resources::PODS, &ask.info.name).await?)?;
    let query = log_query(&ask.query, &pod.metadata.name)?;
    let container = pod.container(ask.query.get("container").unwrap_or_default())?;
    if pod.spec.node_name.is_empty() {
        return Ok(reply::reply(204, "text/plain", reply::full("")));
    }
    let path = format!("/containerLogs/{}/{}/{container}{query}", pod.metadata.namespace, pod.metadata.name);
    let io = face.nodes.dial(&pod.spec.node_name).await.map_err(|e| pass::unreachable(&e))?;
    let request = Request::get(path).header("host", pod.spec.node_name.as_str()).body(reply::full(""));
    let response = pass::send(face, io, request.map_err(Status::internal)?).await?;
    if !response.status().is_success() {
        return Err(refused(response, &pod.metadata.name).await);
    }
    let body = response.into_body().map_err(BodyError::new).boxed_unsync();
    Ok(reply::reply(200, "text/plain", body))
}

/// The parameters of `PodLogOptions` the agent knows, checked.
fn log_query(query: &Query, pod: &str) -> Result<String, Status> {
    let mut out = Vec::new();
    for flag in ["follow", "previous", "timestamps"] {
        if query.get(flag).is_some_and(truthy) {
            out.push(format!("{flag}=true"));
        }
    }
    for (number, least) in [("sinceSeconds", 1), ("tailLines", 0), ("limitBytes", 1)] {
        let Some(text) = query.get(number) else { continue };
        let value: i64 = text
            .parse()
            .map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))?;
        if value < least {
            let path = knarr_api::field::Path::new(number);
            let why = format!("must be greater than or equal to {least}");
            let error = knarr_api::field::Error::invalid(&path, value, why);
            return Err(Status::invalid("", "PodLogOptions", pod, &[error]));
        }
        out.push(format!("{number}={value}"));
    }
    for text in ["sinceTime", "stream"] {
        if let Some(value) = query.get(text).filter(|v| !v.is_empty()) {
            out.push(format!("{text}={}", uri::encode(value)));
        }
    }
    Ok(if out.is_empty() { String::new() } else { format!("?{}", out.join("&")) })
}

/// What the agent refused, as upstream tells it.
async fn refused(response: Response<Incoming>, pod: &str) -> Status {
    let code = response.status().as_u16();
    let text = match Limited::new(response.into_body(), ERROR_TEXT).collect().await {
        Ok(whole) => String::from_utf8_lossy(&whole.to_bytes()).trim_end().to_owned(),
        Err(_) => String::new(),
    };
    match code {
        400 => Status::bad_request(text),
        500 => Status::internal(text),
        404 => {
            Status::new(Reason::NotFound, format!("the server could not find the requested resource ( pods/log {pod})"))
        }
        code => Status::new(Reason::Unknown, text).with_code(code),
    }
}

/// `exec` and `attach`.
pub(super) async fn process(face: &Arc<Face>, ask: &Ask, request: Request<Body>) -> Result<Reply, Status> {
    may_create(face, ask)?;
    let pod = Pod::of(&get(face, ask, &resources::PODS, &ask.info.name).await?)?;
    let exec = ask.info.subresource == "exec";
    let container = pod.container(ask.query.get("container").unwrap_or_default())?;
    if exec && matches!(pod.status.phase.as_str(), "Succeeded" | "Failed") {
        let phase = &pod.status.phase;
        return Err(Status::bad_request(format!(
            "cannot exec into a container in a completed pod; current phase is {phase}"
        )));
    }
    let mut query = Vec::new();
    for (ours, theirs) in [("stdin", "input"), ("stdout", "output"), ("stderr", "error"), ("tty", "tty")] {
        if ask.query.get(ours).is_some_and(truthy) {
            query.push(format!("{theirs}=1"));
        }
    }
    if exec {
        query.extend(ask.query.all("command").map(|word| format!("command={}", uri::encode(word))));
    }
    let (root, query) = (&ask.info.subresource, query.join("&"));
    let path = format!("/{root}/{}/{}/{container}?{query}", pod.metadata.namespace, pod.metadata.name);
    stream(face, &pod, request, &path).await
}

pub(super) async fn port_forward(face: &Arc<Face>, ask: &Ask, request: Request<Body>) -> Result<Reply, Status> {
    may_create(face, ask)?;
    let pod = Pod::of(&get(face, ask, &resources::PODS, &ask.info.name).await?)?;
    let ports: Vec<String> = ask.query.all("ports").map(|p| format!("port={}", uri::encode(p))).collect();
    let path = format!("/portForward/{}/{}?{}", pod.metadata.namespace, pod.metadata.name, ports.join("&"));
    stream(face, &pod, request, &path).await
}

async fn stream(face: &Arc<Face>, pod: &Pod, request: Request<Body>, path: &str) -> Result<Reply, Status> {
    let node = pod.node()?;
    if !pass::is_upgrade(request.headers()) {
        return Err(Status::bad_request("Upgrade request required"));
    }
    let io = face.nodes.dial(node).await.map_err(|e| pass::unreachable(&e))?;
    pass::through(face, io, request, path, node).await
}

/// A GET that upgrades acts like a POST, so reading pods alone must not be enough for it.
fn may_create(face: &Face, ask: &Ask) -> Result<(), Status> {
    let attributes = Attributes { verb: "create", ..ask.info.attributes() };
    match face.authorizer.authorize(&ask.caller.user, &attributes) {
        Decision::Allow(_) => Ok(()),
        Decision::Deny(why) => Err(attributes.forbidden(&ask.caller.user, &why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_options() {
        let of = |query: &str| log_query(&Query::parse(query), "p").map_err(|e| e.message().to_owned());
        assert_eq!(of(""), Ok(String::new()));
        assert_eq!(
            of("follow=true&tailLines=5&container=x&timestamps=false"),
            Ok("?follow=true&tailLines=5".to_owned())
        );
        assert_eq!(of("sinceTime=2026-01-01T00:00:00Z"), Ok("?sinceTime=2026-01-01T00%3A00%3A00Z".to_owned()));
        assert_eq!(of("tailLines=x"), Err(r#"strconv.ParseInt: parsing "x": invalid syntax"#.to_owned()));
        assert_eq!(
            of("tailLines=-1"),
            Err(r#"PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0"#
                .to_owned())
        );
    }
}
