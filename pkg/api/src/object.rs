//! An object at rest: decoded metadata beside its canonical JSON.
//!
//! This is the one copy of an object the server keeps, what a watch delivers in-process and what the network client
//! makes of a response. It is immutable and shared: cloning clones a pointer. The body is the canonical JSON of the
//! *storage* version, `metadata.resourceVersion` included, so serving it under that version is a copy of bytes, and
//! a component decodes just the projection it needs: `object.decode::<PodInfo>()`.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;

/// A shared, immutable object.
#[derive(Clone, Debug)]
pub struct Object(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    meta: Meta,
    json: Bytes,
}

/// The part of `ObjectMeta` that the machinery reads without decoding the body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// `metadata.namespace`, empty for cluster-scoped objects.
    pub namespace: Box<str>,
    /// `metadata.name`.
    pub name: Box<str>,
    /// `metadata.uid`.
    pub uid: Box<str>,
    /// `metadata.resourceVersion` as the number it is in this project.
    pub revision: u64,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.labels`, sorted by key.
    pub labels: Box<[(Box<str>, Box<str>)]>,
    /// `metadata.ownerReferences`.
    pub owners: Box<[OwnerRef]>,
    /// `metadata.finalizers`.
    pub finalizers: Box<[Box<str>]>,
    /// `metadata.creationTimestamp`, RFC 3339.
    pub created: Box<str>,
    /// `metadata.deletionTimestamp`, RFC 3339; `None` while nobody has asked for deletion.
    pub deleted: Option<Box<str>>,
}

/// One `metadata.ownerReferences` entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnerRef {
    /// `apiVersion`.
    pub api_version: Box<str>,
    /// `kind`.
    pub kind: Box<str>,
    /// `name`.
    pub name: Box<str>,
    /// `uid`.
    pub uid: Box<str>,
    /// `controller`.
    pub controller: bool,
    /// `blockOwnerDeletion`.
    pub block_owner_deletion: bool,
}

impl Object {
    /// Joins metadata and the body it was read from.
    pub fn new(meta: Meta, json: Bytes) -> Self {
        Self(Arc::new(Inner { meta, json }))
    }

    /// Reads the metadata out of a JSON body.
    ///
    /// # Errors
    /// The body is not a JSON object with Kubernetes metadata, or its resourceVersion is not a number.
    pub fn from_json(json: Bytes) -> Result<Self, serde_json::Error> {
        let meta = serde_json::from_slice::<wire::Envelope<'_>>(&json)?.metadata.try_into()?;
        Ok(Self::new(meta, json))
    }

    /// Decoded metadata.
    pub fn meta(&self) -> &Meta {
        &self.0.meta
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        &self.0.meta.name
    }

    /// `metadata.namespace`, empty for cluster-scoped objects.
    pub fn namespace(&self) -> &str {
        &self.0.meta.namespace
    }

    /// `metadata.resourceVersion`.
    pub fn revision(&self) -> u64 {
        self.0.meta.revision
    }

    /// Canonical JSON of the storage version (from the network: of the version asked for).
    pub fn json(&self) -> &Bytes {
        &self.0.json
    }

    /// Decodes a projection: any type that picks the fields it needs.
    ///
    /// # Errors
    /// The body does not have the shape `T` asks for.
    pub fn decode<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0.json)
    }

    /// Whether both are the same copy in memory (not merely equal).
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Meta {
    /// The value of a label.
    pub fn label(&self, key: &str) -> Option<&str> {
        let at = self.labels.binary_search_by(|(k, _)| (**k).cmp(key)).ok()?;
        Some(&self.labels[at].1)
    }

    /// The owner that manages this object.
    pub fn controller(&self) -> Option<&OwnerRef> {
        self.owners.iter().find(|o| o.controller)
    }
}

/// The JSON shape of metadata.
mod wire {
    use std::{borrow::Cow, collections::BTreeMap};

    use serde::{Deserialize, de::Error as _};

    #[derive(Deserialize)]
    pub(super) struct Envelope<'a> {
        #[serde(borrow)]
        pub(super) metadata: Metadata<'a>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    pub(super) struct Metadata<'a> {
        #[serde(default, borrow)]
        namespace: Cow<'a, str>,
        #[serde(default, borrow)]
        name: Cow<'a, str>,
        #[serde(default, borrow)]
        uid: Cow<'a, str>,
        #[serde(default, borrow)]
        resource_version: Cow<'a, str>,
        #[serde(default)]
        generation: i64,
        labels: Option<BTreeMap<Box<str>, Box<str>>>,
        owner_references: Option<Vec<Owner>>,
        finalizers: Option<Vec<Box<str>>>,
        creation_timestamp: Option<Box<str>>,
        deletion_timestamp: Option<Box<str>>,
    }

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Owner {
        api_version: Box<str>,
        kind: Box<str>,
        name: Box<str>,
        uid: Box<str>,
        #[serde(default)]
        controller: Option<bool>,
        #[serde(default)]
        block_owner_deletion: Option<bool>,
    }

    impl TryFrom<Metadata<'_>> for super::Meta {
        type Error = serde_json::Error;
        fn try_from(m: Metadata<'_>) -> Result<Self, Self::Error> {
            let revision = match &*m.resource_version {
                "" => 0,
                text => text.parse().map_err(|_| Self::Error::custom("metadata.resourceVersion is not a number"))?,
            };
            Ok(Self {
                namespace: m.namespace.into(),
                name: m.name.into(),
                uid: m.uid.into(),
                revision,
                generation: m.generation,
                labels: m.labels.into_iter().flatten().collect(),
                owners: m.owner_references.into_iter().flatten().map(Into::into).collect(),
                finalizers: m.finalizers.unwrap_or_default().into(),
                created: m.creation_timestamp.unwrap_or_default(),
                deleted: m.deletion_timestamp,
            })
        }
    }

    impl From<Owner> for super::OwnerRef {
        fn from(o: Owner) -> Self {
            Self {
                api_version: o.api_version,
                kind: o.kind,
                name: o.name,
                uid: o.uid,
                controller: o.controller.unwrap_or(false),
                block_owner_deletion: o.block_owner_deletion.unwrap_or(false),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_metadata_and_projection_from_the_body() {
        let json = br#"{"metadata":{"name":"a","namespace":"b","resourceVersion":"7","labels":{"z":"1","k":"v"},
            "ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"r","uid":"u","controller":true}]},
            "spec":{"nodeName":"n1"}}"#;
        let o = Object::from_json(Bytes::from_static(json)).unwrap();
        assert_eq!((o.name(), o.namespace(), o.revision()), ("a", "b", 7));
        assert_eq!(o.meta().label("k"), Some("v"));
        assert_eq!(o.meta().label("y"), None);
        assert_eq!(&*o.meta().controller().unwrap().kind, "ReplicaSet");
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Spec {
            node_name: String,
        }
        #[derive(Deserialize)]
        struct P {
            spec: Spec,
        }
        assert_eq!(o.decode::<P>().unwrap().spec.node_name, "n1");
    }

    #[test]
    fn refuses_a_body_without_metadata() {
        assert!(Object::from_json(Bytes::from_static(b"{}")).is_err());
        assert!(Object::from_json(Bytes::from_static(br#"{"metadata":{"resourceVersion":"x"}}"#)).is_err());
    }
}
