//! Answers as bytes.
//!
//! Stored objects are JSON already, so the JSON of an object is its bytes and the JSON of a list is a heading and the
//! items' bytes, sent in pieces: a list of 6 MB costs a few pointers and one piece at a time. Only protobuf and tables
//! make trees, one object at a time.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use knarr_api::{Object, Status, Value, schema::Type};
use knarr_catalog::{Face, Resource};
use parking_lot::Mutex;
use serde_json::value::RawValue;

use crate::{
    codec,
    negotiate::{Format, Meta, View},
    registry::Listing,
};

/// Pieces of a streamed list are about this big.
const PIECE: usize = 64 * 1024;

/// The face an answer is given under.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a> {
    /// The resource.
    pub(crate) resource: &'a Resource,
    /// The face.
    pub(crate) face: &'a Face,
}

impl Shape<'_> {
    /// `apps/v1`
    pub(crate) fn api_version(&self) -> String {
        let Face { group, version, .. } = self.face;
        if group.is_empty() { version.to_string() } else { format!("{group}/{version}") }
    }

    fn ty(&self) -> Type<'_> {
        self.face.schema.ty()
    }
}

/// The bytes of one object, whole or its metadata only.
pub(crate) fn object(shape: Shape<'_>, format: Format, view: View, object: &Object) -> Result<Bytes, Status> {
    match (view, format) {
        (View::Partial(meta) | View::PartialList(meta), _) => partial(shape, format, meta, object),
        (_, Format::Json | Format::Yaml) => Ok(object.json().clone()),
        (_, Format::Protobuf) => RECENT.encode(shape, object),
    }
}

/// Metadata of an object as `PartialObjectMetadata`.
fn partial(shape: Shape<'_>, format: Format, meta: Meta, object: &Object) -> Result<Bytes, Status> {
    let metadata = metadata(object)?;
    let version = meta.api_version();
    if format != Format::Protobuf {
        let document =
            format!(r#"{{"kind":"PartialObjectMetadata","apiVersion":"{version}","metadata":{}}}"#, metadata.get());
        return Ok(document.into());
    }
    let mut out = Vec::new();
    knarr_api::proto::Envelope::seal_with(version, "PartialObjectMetadata", &mut out, |out| {
        partial_message(shape, metadata, out)
    })?;
    Ok(out.into())
}

/// `PartialObjectMetadata` has the metadata under tag 1, as every kind has.
fn partial_message(shape: Shape<'_>, metadata: &RawValue, out: &mut Vec<u8>) -> Result<(), Status> {
    let ty = shape.ty().field("metadata").map(|f| f.ty()).ok_or_else(|| Status::internal("a kind without metadata"))?;
    let mut message = Vec::new();
    let tree = codec::from_json(metadata.get().as_bytes())?;
    knarr_api::proto::encode(ty, &tree, &mut message).map_err(Status::internal)?;
    put_field(1, &message, out);
    Ok(())
}

/// The raw metadata of an object.
pub(crate) fn metadata(object: &Object) -> Result<&RawValue, Status> {
    #[derive(serde::Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        metadata: &'a RawValue,
    }
    serde_json::from_slice::<Envelope<'_>>(object.json()).map(|e| e.metadata).map_err(Status::internal)
}

/// The pieces of a list.
pub(crate) fn list(shape: Shape<'_>, format: Format, view: View, list: &Listing) -> Result<Vec<Bytes>, Status> {
    let (api_version, kind) = match view {
        View::Partial(meta) | View::PartialList(meta) => {
            (meta.api_version().to_owned(), "PartialObjectMetadataList".to_owned())
        }
        _ => (shape.api_version(), format!("{}List", shape.resource.kind)),
    };
    let view = if let View::PartialList(meta) = view { View::Partial(meta) } else { view };
    match format {
        Format::Protobuf => proto_list(shape, view, &api_version, &kind, list),
        Format::Json | Format::Yaml => json_list(shape, view, &api_version, &kind, list),
    }
}

/// `ListMeta` as JSON.
pub(crate) fn list_meta(list: &Listing) -> String {
    let mut out = format!(r#"{{"resourceVersion":"{}""#, list.revision);
    if !list.continue_token.is_empty() {
        out.push_str(&format!(r#","continue":"{}""#, list.continue_token));
        if let Some(n) = list.remaining {
            out.push_str(&format!(r#","remainingItemCount":{n}"#));
        }
    }
    out.push('}');
    out
}

fn json_list(shape: Shape<'_>, view: View, version: &str, kind: &str, list: &Listing) -> Result<Vec<Bytes>, Status> {
    let mut pieces = Pieces::default();
    let meta = list_meta(list);
    pieces.put(format!(r#"{{"kind":"{kind}","apiVersion":"{version}","metadata":{meta},"items":["#).as_bytes());
    for (i, item) in list.items.iter().enumerate() {
        if i > 0 {
            pieces.put(b",");
        }
        match view {
            View::Whole | View::Table(_) => pieces.lend(item.json()),
            _ => pieces.put(&object(shape, Format::Json, view, item)?),
        }
    }
    pieces.put(b"]}\n");
    Ok(pieces.done())
}

fn proto_list(shape: Shape<'_>, view: View, version: &str, kind: &str, list: &Listing) -> Result<Vec<Bytes>, Status> {
    let mut raw = Vec::new();
    let mut meta = Vec::new();
    put_field(2, list.revision.to_string().as_bytes(), &mut meta);
    put_field(3, list.continue_token.as_bytes(), &mut meta);
    if let Some(n) = list.remaining.filter(|_| !list.continue_token.is_empty()) {
        meta.push(4 << 3);
        put_varint(n, &mut meta);
    }
    put_field(1, &meta, &mut raw);
    let mut message = Vec::new();
    for item in &list.items {
        message.clear();
        if view == View::Whole {
            let tree = codec::from_json(item.json())?;
            knarr_api::proto::encode(shape.ty(), &tree, &mut message).map_err(Status::internal)?;
        } else {
            partial_message(shape, metadata(item)?, &mut message)?;
        }
        put_field(2, &message, &mut raw);
    }
    let mut out = Vec::with_capacity(raw.len() + 64);
    knarr_api::proto::Envelope { api_version: version, kind, raw: &raw, ..Default::default() }.seal(&mut out);
    Ok(vec![out.into()])
}

/// A protobuf field of bytes.
pub(crate) fn put_field(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag << 3 | 2);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn put_varint(mut n: u64, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// Small things copied together, big ones lent.
#[derive(Default)]
struct Pieces {
    done: Vec<Bytes>,
    open: BytesMut,
}

impl Pieces {
    fn put(&mut self, bytes: &[u8]) {
        self.open.extend_from_slice(bytes);
        if self.open.len() >= PIECE {
            self.done.push(self.open.split().freeze());
        }
    }

    /// Copying an object of a few KB into a piece is cheaper than a frame of its own; a big one is passed on as it is.
    fn lend(&mut self, bytes: &Bytes) {
        if bytes.len() < PIECE / 4 {
            return self.put(bytes);
        }
        if !self.open.is_empty() {
            self.done.push(self.open.split().freeze());
        }
        self.done.push(bytes.clone());
    }

    fn done(mut self) -> Vec<Bytes> {
        if !self.open.is_empty() {
            self.done.push(self.open.freeze());
        }
        self.done
    }
}

/// Any document that is no stored object.
pub(crate) fn document(format: Format, value: &Value) -> Result<Vec<u8>, Status> {
    if format == Format::Protobuf {
        let (version, kind) = (value.str_at(&["apiVersion"]), value.str_at(&["kind"]));
        let schema =
            codec::builtin(version, kind).ok_or_else(|| Status::internal(format!("no schema of {version} {kind}")))?;
        return codec::to_protobuf(schema.ty(), value);
    }
    Ok(codec::to_json(value))
}

/// The protobuf of the objects encoded last, so that many watchers of one event share one encoding.
static RECENT: Recent = Recent(Mutex::new(VecDeque::new()));

struct Recent(Mutex<VecDeque<(Object, Bytes)>>);

/// As many objects as a burst of events has; bigger ones are not worth holding.
const RECENT_OBJECTS: usize = 32;
const RECENT_BYTES: usize = 32 * 1024;

impl Recent {
    fn encode(&self, shape: Shape<'_>, object: &Object) -> Result<Bytes, Status> {
        if let Some((_, bytes)) = self.0.lock().iter().rev().find(|(o, _)| o.same(object)) {
            return Ok(bytes.clone());
        }
        let bytes = Bytes::from(codec::to_protobuf(shape.ty(), &codec::from_json(object.json())?)?);
        if bytes.len() <= RECENT_BYTES {
            let mut recent = self.0.lock();
            recent.push_back((object.clone(), bytes.clone()));
            if recent.len() > RECENT_OBJECTS {
                recent.pop_front();
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_copy_small_things_and_lend_big_ones() {
        let big = Bytes::from(vec![b'x'; PIECE]);
        let mut pieces = Pieces::default();
        pieces.put(b"a");
        pieces.lend(&Bytes::from_static(b"b"));
        pieces.lend(&big);
        pieces.put(b"c");
        let done = pieces.done();
        assert_eq!(done.iter().map(Bytes::len).collect::<Vec<_>>(), [2, PIECE, 1]);
        assert_eq!(done[1].as_ptr(), big.as_ptr(), "lent, not copied");
    }

    #[test]
    fn varints() {
        for (n, want) in [(0u64, &[0u8][..]), (127, &[127]), (128, &[0x80, 1]), (300, &[0xac, 2])] {
            let mut out = Vec::new();
            put_varint(n, &mut out);
            assert_eq!(out, want);
        }
    }
}
