//! The facts of a type, as data: what every generic algorithm reads.
//!
//! A schema is a graph of [`Node`]s held in [`Tables`]: plain arrays that refer to each other by index and to names
//! by offset into one text. Built-in kinds are a `static` of such arrays (no heap, no relocations: the pages stay
//! shared and clean); a CustomResourceDefinition compiles into an owned one. [`Type`] and [`Field`] are cheap
//! cursors for reading them.

pub mod builder;
pub mod text;

use std::borrow::Cow;

/// A piece of [`Tables::text`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Text {
    /// Byte offset.
    pub at: u32,
    /// Length in bytes.
    pub len: u16,
}

/// Index of a node in [`Tables::nodes`].
pub type NodeId = u32;

/// A run of entries in [`Tables::fields`] or [`Tables::words`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Run {
    /// Index of the first.
    pub at: u32,
    /// How many.
    pub len: u16,
}

/// The arrays of a schema.
#[derive(Debug, Clone)]
pub struct Tables {
    /// All names and literals, one after the other.
    pub text: Cow<'static, str>,
    /// Types.
    pub nodes: Cow<'static, [Node]>,
    /// Struct members, grouped by struct, in the order Go declares (and JSON prints) them.
    pub fields: Cow<'static, [FieldRow]>,
    /// Lists of words: map keys of lists, enum values.
    pub words: Cow<'static, [Text]>,
}

/// What a type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A leaf.
    Scalar(Scalar),
    /// An object with known members.
    Struct(StructRow),
    /// A list.
    List {
        /// Type of the elements.
        item: NodeId,
        /// How ownership and merging see the list (`x-kubernetes-list-type`).
        kind: ListKind,
        /// For `ListKind::Map`: the JSON names of the keys (`x-kubernetes-list-map-keys`). A key's default is the
        /// default of that field of the item.
        keys: Run,
        /// In protobuf the list is a message of its own with the elements under tag 1 (`ExtraValue`).
        wrapped: bool,
    },
    /// An object with arbitrary string keys.
    Map {
        /// Type of the values.
        value: NodeId,
        /// One owner for the whole (`x-kubernetes-map-type: atomic`).
        atomic: bool,
    },
}

/// Facts of a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StructRow {
    /// Full upstream name: `io.k8s.api.core.v1.PodSpec` (what OpenAPI calls it).
    pub name: Text,
    /// Its members.
    pub fields: Run,
    /// One owner for the whole (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    /// Unknown members are kept (`x-kubernetes-preserve-unknown-fields`; CRDs only).
    pub open: bool,
}

/// Leaf kinds. All but the first six are strings or trees in JSON with a protobuf message of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// Boolean.
    Bool,
    /// 32-bit integer.
    Int32,
    /// 64-bit integer.
    Int64,
    /// Double.
    Double,
    /// String.
    String,
    /// Bytes, base64 in JSON.
    Bytes,
    /// `resource.Quantity`.
    Quantity,
    /// `metav1.Time`: RFC 3339 to the second, `null` for zero.
    Time,
    /// `metav1.MicroTime`: RFC 3339 to the microsecond.
    MicroTime,
    /// `metav1.Duration`: Go's notation (`1m30s`).
    Duration,
    /// `intstr.IntOrString`.
    IntOrString,
    /// `runtime.RawExtension`: any object, kept as it is.
    RawExtension,
    /// Any JSON value (`apiextensions.JSON` and its kin).
    Json,
    /// `metav1.FieldsV1`.
    FieldsV1,
}

/// `x-kubernetes-list-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListKind {
    /// One owner for the whole list (also where nothing is said).
    Atomic,
    /// Scalars, each owned by itself.
    Set,
    /// Structs found by their keys.
    Map,
}

/// When a field is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Print {
    /// Always, zero value included (`"containers": null`).
    Always,
    /// Not when empty by Go's `omitempty`: false, 0, "", nil, empty list or map. A struct by value is never empty.
    OmitEmpty,
    /// Not when zero by Go's `omitzero`: as `OmitEmpty` for scalars, and structs whose every member is zero.
    OmitZero,
}

/// `patchStrategy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Nothing said: lists are replaced, maps merged.
    Default,
    /// Lists are merged (by [`FieldRow::merge_key`], or as sets of scalars).
    Merge,
    /// Replaced as a whole.
    Replace,
    /// Members not named by `$retainKeys` are removed.
    RetainKeys,
    /// Merged, with each element under `$retainKeys` (volumes).
    MergeRetainKeys,
}

/// Facts of a struct member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldRow {
    /// JSON name. For inline members: the Go name, used in no encoding.
    pub name: Text,
    /// Type.
    pub node: NodeId,
    /// Protobuf tag, 0 for none.
    pub tag: u16,
    /// Go pointer: absent and zero differ. (Lists and maps are never pointers; nil and empty print alike.)
    pub pointer: bool,
    /// When it is printed.
    pub print: Print,
    /// Its members stand flat among ours in JSON; in protobuf it is a message under `tag` (or, with tag 0, is left to
    /// the envelope: TypeMeta).
    pub inline: bool,
    /// Must be present (OpenAPI `required`).
    pub required: bool,
    /// `null` is kept as a value (CRDs only).
    pub nullable: bool,
    /// May not change after creation.
    pub immutable: bool,
    /// Strategic merge patch: strategy.
    pub strategy: Strategy,
    /// Strategic merge patch: merge key, empty for none.
    pub merge_key: Text,
    /// Static default as JSON text, empty for none.
    pub default: Text,
    /// Allowed values of a string, empty for any.
    pub enums: Run,
    /// OpenAPI format (`int32`, `date-time`, …) where it does not follow from the scalar; empty for none.
    pub format: Text,
}

impl Tables {
    /// The piece of text.
    pub fn text(&self, t: Text) -> &str {
        &self.text[t.at as usize..t.at as usize + t.len as usize]
    }

    /// A cursor on a node.
    pub fn ty(&self, id: NodeId) -> Type<'_> {
        Type { tables: self, id }
    }

    fn words(&self, run: Run) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.words[run.at as usize..run.at as usize + run.len as usize].iter().map(|w| self.text(*w))
    }
}

/// A cursor on a type.
#[derive(Clone, Copy, Debug)]
pub struct Type<'s> {
    tables: &'s Tables,
    /// Which node.
    pub id: NodeId,
}

impl PartialEq for Type<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id && std::ptr::eq(self.tables, other.tables)
    }
}

impl<'s> Type<'s> {
    /// The node itself.
    pub fn node(self) -> Node {
        self.tables.nodes[self.id as usize]
    }

    /// The struct row, if it is a struct.
    pub fn as_struct(self) -> Option<StructRow> {
        if let Node::Struct(row) = self.node() { Some(row) } else { None }
    }

    /// The scalar, if it is one.
    pub fn as_scalar(self) -> Option<Scalar> {
        if let Node::Scalar(s) = self.node() { Some(s) } else { None }
    }

    /// The element type of a list or the value type of a map.
    pub fn item(self) -> Option<Type<'s>> {
        match self.node() {
            Node::List { item: id, .. } | Node::Map { value: id, .. } => Some(self.tables.ty(id)),
            _ => None,
        }
    }

    /// The keys of a list of kind `Map`; empty for all others.
    pub fn list_keys(self) -> impl ExactSizeIterator<Item = &'s str> + Clone {
        let keys = if let Node::List { keys, .. } = self.node() { keys } else { Run::default() };
        self.tables.words(keys)
    }

    /// The full upstream name of a struct, `""` for all others.
    pub fn name(self) -> &'s str {
        self.as_struct().map_or("", |row| self.tables.text(row.name))
    }

    /// Members of a struct as declared: inline ones appear as themselves. None for other types.
    pub fn fields(self) -> impl ExactSizeIterator<Item = Field<'s>> + Clone {
        let run = self.as_struct().map_or(Run::default(), |row| row.fields);
        let tables = self.tables;
        (run.at..run.at + u32::from(run.len)).map(move |i| Field { tables, row: &tables.fields[i as usize] })
    }

    /// The member that JSON calls `name`, looking through inline members.
    pub fn field(self, name: &str) -> Option<Field<'s>> {
        self.fields().find_map(|f| match f.row.inline {
            false => (f.name() == name).then_some(f),
            true => f.ty().field(name),
        })
    }

    /// Members as JSON sees them, inline ones flattened, in print order.
    pub fn each_field(self, visit: &mut impl FnMut(Field<'s>)) {
        for f in self.fields() {
            if f.row.inline { f.ty().each_field(visit) } else { visit(f) }
        }
    }
}

/// A cursor on a struct member.
#[derive(Clone, Copy, Debug)]
pub struct Field<'s> {
    tables: &'s Tables,
    /// Its facts.
    pub row: &'s FieldRow,
}

impl<'s> Field<'s> {
    /// JSON name.
    pub fn name(self) -> &'s str {
        self.tables.text(self.row.name)
    }

    /// Type.
    pub fn ty(self) -> Type<'s> {
        self.tables.ty(self.row.node)
    }

    /// Static default as JSON text.
    pub fn default(self) -> Option<&'s str> {
        (self.row.default.len > 0).then(|| self.tables.text(self.row.default))
    }

    /// Strategic merge key.
    pub fn merge_key(self) -> Option<&'s str> {
        (self.row.merge_key.len > 0).then(|| self.tables.text(self.row.merge_key))
    }

    /// Allowed values; empty for any.
    pub fn enums(self) -> impl ExactSizeIterator<Item = &'s str> + Clone {
        self.tables.words(self.row.enums)
    }

    /// OpenAPI format.
    pub fn format(self) -> &'s str {
        self.tables.text(self.row.format)
    }
}

/// A type together with the tables it lives in: static for built-in kinds, shared for CustomResourceDefinitions.
#[derive(Clone, Debug)]
pub struct Schema {
    tables: Source,
    id: NodeId,
}

#[derive(Clone, Debug)]
enum Source {
    Static(&'static Tables),
    Owned(std::sync::Arc<Tables>),
}

impl Schema {
    /// A built-in type.
    pub const fn builtin(tables: &'static Tables, id: NodeId) -> Self {
        Self { tables: Source::Static(tables), id }
    }

    /// A compiled type.
    pub fn owned(tables: std::sync::Arc<Tables>, id: NodeId) -> Self {
        Self { tables: Source::Owned(tables), id }
    }

    /// A cursor on it.
    pub fn ty(&self) -> Type<'_> {
        match &self.tables {
            Source::Static(t) => t.ty(self.id),
            Source::Owned(t) => t.ty(self.id),
        }
    }
}
