//! Tables: what `kubectl get` prints, computed here so that clients need not know every kind.

use jiff::Timestamp;
use knarr_api::{Object, Status, Value, json, value};
use knarr_catalog::Convert;

use crate::{
    codec, encode,
    encode::Shape,
    negotiate::{Format, Meta, View},
    registry::Listing,
    uri::Query,
};

/// What of the object stands in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Include {
    None,
    Metadata,
    Object,
}

impl Include {
    /// `includeObject` of the query.
    pub(crate) fn of(query: &Query) -> Result<Self, Status> {
        match query.get("includeObject").unwrap_or_default() {
            "" | "Metadata" => Ok(Self::Metadata),
            "None" => Ok(Self::None),
            "Object" => Ok(Self::Object),
            other => Err(Status::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be 'Metadata', 'Object', 'None', or empty"
            ))),
        }
    }
}

/// A table being written.
pub(crate) struct Writer<'a> {
    pub(crate) shape: Shape<'a>,
    pub(crate) meta: Meta,
    pub(crate) include: Include,
    pub(crate) now: Timestamp,
}

impl Writer<'_> {
    /// The table of one object.
    pub(crate) fn object(&self, object: &Object, headings: bool) -> Result<Vec<u8>, Status> {
        let meta = format!(r#"{{"resourceVersion":"{}"}}"#, object.revision());
        let mut out = self.begin(&meta, headings);
        self.row(object, &mut out)?;
        out.extend_from_slice(b"]}");
        Ok(out)
    }

    /// The table of a list, in pieces of some rows.
    pub(crate) fn list(&self, list: &Listing) -> Result<Vec<bytes::Bytes>, Status> {
        let mut pieces = Vec::new();
        let mut out = self.begin(&encode::list_meta(list), true);
        for (i, object) in list.items.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            self.row(object, &mut out)?;
            if out.len() > 64 * 1024 {
                pieces.push(std::mem::take(&mut out).into());
            }
        }
        out.extend_from_slice(b"]}\n");
        pieces.push(out.into());
        Ok(pieces)
    }

    fn begin(&self, list_meta: &str, headings: bool) -> Vec<u8> {
        let version = self.meta.api_version();
        let mut out =
            format!(r#"{{"kind":"Table","apiVersion":"{version}","metadata":{list_meta},"columnDefinitions":"#)
                .into_bytes();
        let headings = if headings { self.headings() } else { Value::Null };
        json::write(&headings, &mut out);
        out.extend_from_slice(br#","rows":["#);
        out
    }

    fn headings(&self) -> Value {
        let columns = &self.shape.resource.columns;
        if columns.is_empty() {
            return value!([
                { "name": "Name", "type": "string", "format": "name", "description": "", "priority": 0 },
                { "name": "Created At", "type": "date", "format": "", "description": "", "priority": 0 },
            ]);
        }
        let heading = |c: &knarr_catalog::Column| {
            value!({
                "name": c.name.clone(),
                "type": c.kind.clone(),
                "format": c.format.clone(),
                "description": c.description.clone(),
                "priority": c.priority,
            })
        };
        Value::Array(columns.iter().map(heading).collect())
    }

    fn row(&self, object: &Object, out: &mut Vec<u8>) -> Result<(), Status> {
        let mut tree = codec::from_json(object.json())?;
        // Cells are told of the storage version, whatever face was asked for.
        if let Convert::Functions { to_storage, .. } = self.shape.face.convert {
            to_storage(&mut tree);
        }
        let columns = &self.shape.resource.columns;
        let cells = match columns.is_empty() {
            true => vec![Value::from(object.name()), Value::from(&*object.meta().created)],
            false => columns.iter().map(|c| (c.cell)(&tree, self.now)).collect(),
        };
        out.extend_from_slice(br#"{"cells":"#);
        json::write(&Value::Array(cells), out);
        out.extend_from_slice(br#","object":"#);
        match self.include {
            Include::None => out.extend_from_slice(b"null"),
            Include::Object => out.extend_from_slice(object.json()),
            Include::Metadata => {
                out.extend_from_slice(&encode::object(self.shape, Format::Json, View::Partial(self.meta), object)?);
            }
        }
        out.push(b'}');
        Ok(())
    }
}
