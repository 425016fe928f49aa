//! The size of anything that has one: through its `scale` subresource, whatever its kind.

use knarr_api::{Object, Status, value};
use knarr_client::{ApiExt as _, Request, Resource, Verb};
use serde::Deserialize;

use super::model::Target;
use crate::Context;

/// A target's `scale`.
#[derive(Debug)]
pub(super) struct Scale {
    pub(super) resource: Resource,
    pub(super) replicas: i32,
    /// Its pods, in query notation.
    pub(super) selector: Box<str>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    spec: Spec,
    status: State,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec {
    replicas: i32,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct State {
    selector: Box<str>,
}

impl Scale {
    /// Reads the size of `target`.
    pub(super) async fn of(cx: &Context, namespace: &str, target: &Target) -> Result<Self, String> {
        let group = target.api_version.rsplit_once('/').map_or("", |(group, _)| group);
        let known = cx.config.resources.iter().find(|r| *r.group == *group && *r.kind == *target.kind);
        let resource =
            known.ok_or_else(|| format!("no matches for kind {:?} in group {group:?}", target.kind))?.clone();
        let request = Request::new(Verb::Get, &resource).namespace(namespace).name(&target.name).subresource("scale");
        let read = async { cx.api.call(request).await?.into_object() };
        let object: Object = read.await.map_err(|e: Status| e.message().to_owned())?;
        let wire: Wire = object.decode().map_err(|e| e.to_string())?;
        Ok(Self { resource, replicas: wire.spec.replicas, selector: wire.status.selector })
    }

    /// Changes the size.
    pub(super) async fn set(&self, cx: &Context, ns: &str, target: &Target, replicas: i32) -> Result<(), Status> {
        let body = value!({ "spec": { "replicas": replicas } });
        cx.api.merge(&self.resource, ns, &target.name, "scale", body).await.map(drop)
    }
}
