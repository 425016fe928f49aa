//! An object about to be stored: complete but for its revision.

use bytes::Bytes;
use knarr_api::{Meta, Object};

use crate::splice::{self, DraftError, Place};

/// An object without its revision, which the store gives it at commit.
#[derive(Clone, Debug)]
pub struct Draft {
    meta: Meta,
    json: Bytes,
    place: Place,
    node: Option<Box<str>>,
}

impl Draft {
    /// Joins metadata and the canonical JSON of the storage version it belongs to.
    ///
    /// `meta.revision` is ignored. A `metadata.resourceVersion` in the body is replaced, wherever it stands; a body
    /// without one gets it where `ObjectMeta` prints it, after `uid`. Bodies with sorted keys (custom resources)
    /// should therefore hold any value there.
    ///
    /// # Errors
    /// The body is not a JSON object with `metadata`.
    pub fn new(meta: Meta, json: Bytes) -> Result<Self, DraftError> {
        let place = splice::find(&json)?;
        Ok(Self { meta, json, place, node: None })
    }

    /// An object as it is, to be stored again.
    ///
    /// # Errors
    /// The body is not a JSON object with `metadata`.
    pub fn of(object: &Object) -> Result<Self, DraftError> {
        Self::new(object.meta().clone(), object.json().clone())
    }

    /// The node that watchers select this object by (`spec.nodeName` of pods); empty is none.
    #[must_use]
    pub fn node(mut self, node: &str) -> Self {
        self.node = (!node.is_empty()).then(|| node.into());
        self
    }

    /// The metadata.
    pub fn meta(&self) -> &Meta {
        &self.meta
    }

    pub(crate) fn node_term(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// The object at `revision`, its body allocated in its exact size.
    pub(crate) fn seal(self, revision: u64) -> Object {
        let Self { mut meta, json, place: Place { span, lead, trail }, node: _ } = self;
        let number = revision.to_string();
        let parts = [
            &json[..span.start],
            lead.as_bytes(),
            b"\"",
            number.as_bytes(),
            b"\"",
            trail.as_bytes(),
            &json[span.end..],
        ];
        meta.revision = revision;
        Object::new(meta, parts.concat().into())
    }
}

/// The same object carrying another revision: what an event shows of an object that left a selection.
///
/// # Errors
/// The body is not a JSON object with `metadata`.
pub fn restamp(object: &Object, revision: u64) -> Result<Object, DraftError> {
    Ok(Draft::of(object)?.seal(revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_draft_has_its_revision_in_both_places() {
        let json = Bytes::from_static(br#"{"metadata":{"name":"a","uid":"u","generation":2}}"#);
        let meta = Object::from_json(json.clone()).unwrap().meta().clone();
        let object = Draft::new(meta, json).unwrap().seal(42);
        assert_eq!(object.revision(), 42);
        assert_eq!(&**object.json(), br#"{"metadata":{"name":"a","uid":"u","resourceVersion":"42","generation":2}}"#);
        let later = restamp(&object, 1000).unwrap();
        assert_eq!(later.meta(), Object::from_json(later.json().clone()).unwrap().meta());
        assert_eq!(later.revision(), 1000);
    }
}
