//! OpenAPI documents, generated from the schema tables.
//!
//! `/openapi/v3` lists a document per group and version with a hash in its URL; clients keep documents for as long as
//! the hash stands. Documents are built when they are asked for and not kept: a client asks once per hash, and a few
//! milliseconds of work are cheaper than megabytes held. Only the hashes stay.
//!
//! `/openapi/v2` says the same in one document of the older form; see [`v2`].

mod components;
mod paths;
mod v2;

use std::{collections::BTreeMap, sync::Arc};

use knarr_api::{Value, value};
use knarr_catalog::Docs;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

pub(crate) use self::v2::Form;
use crate::{
    codec,
    discovery::{Catalogue, Version},
    registry::ResourceSet,
};

/// The documents of whatever is served.
#[derive(Default)]
pub(crate) struct OpenApi {
    /// The set the hashes were made of: while it is the same, so are they.
    hashes: Mutex<Option<(Arc<ResourceSet>, Hashes)>>,
}

/// By path of the document.
type Hashes = BTreeMap<String, String>;

impl OpenApi {
    /// The index.
    pub(crate) fn index(&self, set: &Arc<ResourceSet>) -> Vec<u8> {
        let mut paths = Value::object();
        for (path, hash) in self.hashes(set) {
            let url = format!("/openapi/v3/{path}?hash={hash}");
            paths.set(&[&path], value!({ "serverRelativeURL": url }));
        }
        codec::to_json(&value!({ "paths": paths }))
    }

    /// The document under `path` (`api/v1`, `apis/apps/v1`) and its hash.
    pub(crate) fn document(&self, set: &Arc<ResourceSet>, path: &str) -> Option<(Vec<u8>, String)> {
        let catalogue = Catalogue::new(set.iter());
        let (group, version) = match path.split('/').collect::<Vec<_>>().as_slice() {
            ["api", version] => ("", *version),
            ["apis", group, version] => (*group, *version),
            _ => return None,
        };
        let document = build(group, catalogue.version(group, version)?, &Docs::unpack());
        let hash = self.hashes(set).remove(path)?;
        Some((document, hash))
    }

    /// The whole as Swagger 2.0.
    pub(crate) fn swagger(set: &Arc<ResourceSet>, form: Form) -> Vec<u8> {
        v2::build(&Catalogue::new(set.iter()), form)
    }

    /// What tells two documents of [`OpenApi::swagger`] apart. They are made of what v3 says, so its hashes tell,
    /// and a client that has the document costs no second making of it.
    pub(crate) fn swagger_hash(&self, set: &Arc<ResourceSet>, form: Form) -> String {
        let mut text = format!("{} {}", crate::VERSION, form.media_type());
        for (path, of_document) in self.hashes(set) {
            text.extend([" ", &path, " ", &of_document]);
        }
        hash(text.as_bytes())
    }

    fn hashes(&self, set: &Arc<ResourceSet>) -> Hashes {
        if let Some((of, hashes)) = &*self.hashes.lock()
            && Arc::ptr_eq(of, set)
        {
            return hashes.clone();
        }
        let (mut hashes, docs) = (BTreeMap::new(), Docs::unpack());
        for group in &Catalogue::new(set.iter()).groups {
            for version in &group.versions {
                hashes.insert(path(group.name, version.name), hash(&build(group.name, version, &docs)));
            }
        }
        *self.hashes.lock() = Some((set.clone(), hashes.clone()));
        hashes
    }
}

fn path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

fn hash(document: &[u8]) -> String {
    Sha256::digest(document).iter().map(|b| format!("{b:02X}")).collect()
}

/// One document.
fn build(group: &str, version: &Version<'_>, docs: &Docs) -> Vec<u8> {
    let mut components = components::Components::new(docs);
    let mut paths = Value::object();
    for resource in &version.resources {
        paths::add(&mut paths, &mut components, group, version.name, resource);
    }
    let document = value!({
        "openapi": "3.0.0",
        "info": { "title": "Kubernetes", "version": (crate::VERSION) },
        "paths": paths,
        "components": {
            "schemas": (components.finish()),
            "securitySchemes": {
                "BearerToken": { "type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header" },
            },
        },
    });
    codec::to_json(&document)
}

#[cfg(test)]
mod tests;
