//! What a resource is, built-in or custom: the registry's only input.

use std::sync::Arc;

use jiff::Timestamp;
use knarr_api::{Str, Value, field, schema::Schema};

use crate::convert::Rename;

/// A resource: one storage identity, served under one or more faces.
#[derive(Clone)]
pub struct Resource {
    /// Faces in order of preference; all convert from and to the face at `storage`.
    pub faces: Vec<Face>,
    /// Index of the face whose encoding is stored.
    pub storage: usize,
    /// Plural name, the same in all faces.
    pub plural: Str,
    /// Singular name.
    pub singular: Str,
    /// Kind, the same in all faces.
    pub kind: Str,
    /// Short names.
    pub short_names: Vec<Str>,
    /// Categories (`all`).
    pub categories: Vec<Str>,
    /// Whether objects live in namespaces.
    pub namespaced: bool,
    /// Whether objects are stored. Those that are not are asked and answered (reviews, bindings) or computed for every
    /// answer (metrics, component statuses).
    pub stored: bool,
    /// Verbs of the object itself.
    pub verbs: Verbs,
    /// Subresources.
    pub subresources: Vec<Subresource>,
    /// Fields a write through the main resource cannot change: dotted paths (`status`). They keep the old value on
    /// update, are dropped on create, and are never owned through it (upstream's `GetResetFields`).
    pub resets: Vec<Str>,
    /// `metadata.generation` counts changes of everything but metadata and status.
    pub generation: bool,
    /// PUT of a name that does not exist creates it (upstream's `AllowCreateOnUpdate`).
    pub create_on_update: bool,
    /// PUT without resourceVersion is allowed (upstream's `AllowUnconditionalUpdate`).
    pub unconditional_update: bool,
    /// Deleted gracefully: a delete with a grace period marks first (pods).
    pub graceful: bool,
    /// Field selectors beside `metadata.name` and `metadata.namespace`: label in the query → dotted path (the same
    /// unless renamed), absent printing as `""`.
    pub selectable: Vec<(Str, Str)>,
    /// `kubectl get` columns after NAME … AGE rules of the kind: all columns, in order.
    pub columns: Vec<Column>,
    /// What facts cannot say.
    pub hooks: Arc<dyn Hooks>,
}

/// One served (group, version) of a resource.
#[derive(Clone)]
pub struct Face {
    /// API group, empty for core.
    pub group: Str,
    /// Version.
    pub version: Str,
    /// Schema under this face.
    pub schema: Schema,
    /// Conversion from and to the storage face.
    pub convert: Convert,
}

/// How a face differs from the storage face.
#[derive(Clone)]
pub enum Convert {
    /// Only `apiVersion` differs, or nothing.
    Identity,
    /// Two pure functions on trees.
    Functions {
        /// From the storage version to this face.
        from_storage: fn(&mut Value),
        /// From this face to the storage version.
        to_storage: fn(&mut Value),
        /// Members that have another place here, for field sets.
        fields: &'static [Rename],
    },
}

/// A subresource such as `status`, `scale`, `binding`.
#[derive(Clone)]
pub struct Subresource {
    /// Its name.
    pub name: Str,
    /// Group, version, kind of its document; empty kind: the resource's own.
    pub group: Str,
    /// See `group`.
    pub version: Str,
    /// See `group`.
    pub kind: Str,
    /// Its verbs.
    pub verbs: Verbs,
    /// As [`Resource::resets`], for writes through this subresource (status: `spec`, …). `metadata` stands for what a
    /// status write keeps of it: everything but `resourceVersion` and `managedFields`.
    pub resets: Vec<Str>,
}

/// A set of request verbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verbs(pub u8);

impl Verbs {
    /// `create`
    pub const CREATE: Self = Self(1);
    /// `delete`
    pub const DELETE: Self = Self(2);
    /// `deletecollection`
    pub const DELETE_COLLECTION: Self = Self(4);
    /// `get`
    pub const GET: Self = Self(8);
    /// `list`
    pub const LIST: Self = Self(16);
    /// `patch`
    pub const PATCH: Self = Self(32);
    /// `update`
    pub const UPDATE: Self = Self(64);
    /// `watch`
    pub const WATCH: Self = Self(128);
    /// All eight.
    pub const ALL: Self = Self(255);
    /// get, patch, update: an object behind a subresource.
    pub const STATUS: Self = Self(8 | 32 | 64);

    const WORDS: [&'static str; 8] =
        ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

    /// Whether all of `other` is in here.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The words in alphabetical order, as discovery prints them.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        Self::WORDS.into_iter().enumerate().filter(move |(i, _)| self.0 & (1 << i) != 0).map(|(_, w)| w)
    }
}

/// Prints the cell of an object at a time (ages).
pub type Cell = Arc<dyn Fn(&Value, Timestamp) -> Value + Send + Sync>;

/// A `kubectl get` column.
#[derive(Clone)]
pub struct Column {
    /// Header.
    pub name: Str,
    /// OpenAPI type of the cells.
    pub kind: Str,
    /// OpenAPI format (`name` for the name column).
    pub format: Str,
    /// 0: always shown, 1: with `-o wide`.
    pub priority: i32,
    /// What it shows.
    pub description: Str,
    /// Its cells.
    pub cell: Cell,
}

/// What facts cannot say about a kind. Trees are of the storage face; all functions are pure.
///
/// Order in a write: static defaults, [`Hooks::default`], (admission, defaults again,) resets,
/// [`Hooks::prepare_create`] or [`Hooks::prepare_update`], shape validation, [`Hooks::validate`] (and
/// [`Hooks::validate_update`]).
pub trait Hooks: Send + Sync {
    /// Defaults that depend on other fields.
    fn default(&self, _object: &mut Value) {}
    /// Before creation: fields the server decides.
    fn prepare_create(&self, _object: &mut Value) {}
    /// Before an update: fields the server decides. `sub` is empty for the main resource.
    fn prepare_update(&self, _object: &mut Value, _old: &Value, _sub: &str) {}
    /// Semantic validation, with upstream's wording. Metadata is validated by the registry.
    fn validate(&self, _object: &Value) -> field::Errors {
        Vec::new()
    }
    /// Validation against the old state. The registry calls `validate` too, except through `status`, where the hook
    /// decides alone. `sub` is empty for the main resource.
    fn validate_update(&self, _object: &Value, _old: &Value, _sub: &str) -> field::Errors {
        Vec::new()
    }
    /// `Warning` headers for a create or update.
    fn warnings(&self, _object: &Value) -> Vec<String> {
        Vec::new()
    }
    /// How `metadata.name` is checked: a function of `knarr_api::names`.
    fn check_name(&self, name: &str) -> Vec<String>;
    /// For graceful resources: the grace period in seconds for a delete that asked for `wanted`.
    fn grace_period(&self, _object: &Value, _wanted: Option<i64>) -> i64 {
        0
    }
}

/// Hooks of a kind that needs none: names are DNS subdomains.
pub struct NoHooks;

impl Hooks for NoHooks {
    fn check_name(&self, _name: &str) -> Vec<String> {
        Vec::new()
    }
}
