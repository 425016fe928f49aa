//! Between stored bytes and trees, between faces and the storage face.
//!
//! The tree every rule works on is the one of the *storage* face. A body comes in under the face of the request and
//! is converted once; an answer goes out under the face of the request, for most resources the stored bytes
//! themselves.

use bytes::Bytes;
use knarr_api::{Object, Status, Value, json};
use knarr_catalog::{Convert, Face};
use knarr_store::Draft;

use super::{
    entry::{Entry, Target, api_version},
    metadata,
};

/// The tree of a stored object.
pub(super) fn decode(object: &Object) -> Result<Value, Status> {
    object.decode().map_err(|e| Status::internal(format!("stored object {}: {e}", object.name())))
}

/// From the face a request used.
pub(super) fn to_storage(target: &Target, tree: &mut Value) {
    if let Convert::Functions { to_storage, .. } = target.served().convert {
        to_storage(tree);
    }
    head(&target.entry, target.entry.storage_face(), tree);
}

/// To the face a request used.
pub(super) fn to_face(target: &Target, tree: &mut Value) {
    if let Convert::Functions { from_storage, .. } = target.served().convert {
        from_storage(tree);
    }
    head(&target.entry, target.served(), tree);
}

fn head(entry: &Entry, face: &Face, tree: &mut Value) {
    tree.set(&["apiVersion"], api_version(face));
    tree.set(&["kind"], entry.resource.kind.clone());
}

/// Canonical JSON under a face.
pub(super) fn encode(face: &Face, tree: &Value) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    json::encode(face.schema.ty(), tree, &mut out);
    out.into()
}

/// What the store is given. Pods carry their node beside the body: watches of one node are indexed by it.
pub(super) fn draft(entry: &Entry, tree: &Value) -> Result<Draft, Status> {
    draft_of(entry, tree, encode(entry.storage_face(), tree))
}

/// The same for a tree that is already encoded.
pub(super) fn draft_of(entry: &Entry, tree: &Value, json: Bytes) -> Result<Draft, Status> {
    let draft = Draft::new(metadata::read(tree), json).map_err(Status::internal)?;
    Ok(if entry.is("", "pods") { draft.node(tree.str_at(&["spec", "nodeName"])) } else { draft })
}

/// The object a dry run would have stored, under the storage face.
pub(super) fn imagined(entry: &Entry, tree: &Value, revision: u64) -> Object {
    let meta = knarr_api::Meta { revision, ..metadata::read(tree) };
    Object::new(meta, encode(entry.storage_face(), tree))
}

/// A stored object under the face asked for.
pub(super) fn present(target: &Target, object: Object) -> Result<Object, Status> {
    let entry = &target.entry;
    if target.face == entry.resource.storage {
        return Ok(object);
    }
    if let (Convert::Identity, Some(json)) = (&target.served().convert, behead(target, &object)) {
        return Ok(Object::new(object.meta().clone(), json));
    }
    let mut tree = decode(&object)?;
    to_face(target, &mut tree);
    Ok(Object::new(object.meta().clone(), encode(target.served(), &tree)))
}

/// The same body under another `apiVersion`, where canonical JSON begins with it: a copy of bytes.
fn behead(target: &Target, object: &Object) -> Option<Bytes> {
    let heads = &target.entry.heads;
    let rest = object.json().strip_prefix(heads[target.entry.resource.storage].as_bytes())?;
    Some([heads[target.face].as_bytes(), rest].concat().into())
}
