//! A ControllerRevision as controllers see it.

use knarr_api::{Meta, Object};
use knarr_client::Key;
use serde::Deserialize;

use super::HASH_LABEL;
use crate::{claims::Dependent, steps::fingerprint};

/// One revision. The template itself is read when a pod is made from it.
#[derive(Debug, PartialEq)]
pub(crate) struct Revision {
    pub(crate) key: Key,
    pub(crate) meta: Meta,
    /// `revision`.
    pub(crate) number: i64,
    /// Fingerprint of the template.
    pub(crate) template: Box<str>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    revision: i64,
    data: Data,
}

#[derive(Deserialize)]
struct Data {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    template: serde_json::Value,
}

impl Dependent for Revision {
    fn key(&self) -> &Key {
        &self.key
    }

    fn meta(&self) -> &Meta {
        &self.meta
    }
}

impl Revision {
    /// Projects a ControllerRevision.
    pub(crate) fn project(object: &Object) -> Option<Self> {
        let wire: Wire = object.decode().ok()?;
        Some(Self {
            key: Key::of(object),
            meta: object.meta().clone(),
            number: wire.revision,
            template: fingerprint(&plain(wire.data.spec.template)).into(),
        })
    }

    /// The value of the label that its pods carry where it is a hash; a revision of unknown make is its own hash.
    pub(crate) fn hash(&self) -> &str {
        self.meta.label(HASH_LABEL).unwrap_or(&self.key.name)
    }

    /// Revisions are ordered by number, then by age.
    pub(super) fn order(&self) -> (i64, &str, &str) {
        (self.number, &self.meta.created, &self.key.name)
    }
}

/// The pod template in a revision's patch.
pub(super) fn template(object: &Object) -> Option<serde_json::Value> {
    let wire: Wire = object.decode().ok()?;
    Some(plain(wire.data.spec.template))
}

/// A template without the directive that makes it a patch.
fn plain(mut template: serde_json::Value) -> serde_json::Value {
    if let Some(map) = template.as_object_mut() {
        map.remove("$patch");
    }
    template
}
