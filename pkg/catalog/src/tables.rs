//! The schema table of the built-in types, compiled from `schema/*.schema` by the build script.

use std::borrow::Cow;

use knarr_api::schema::{
    FieldRow, ListKind, Node, NodeId, Print, Run, Scalar, Schema, Strategy, StructRow, Tables, Text,
};

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

/// Every built-in type.
pub static TABLES: Tables = Tables {
    text: Cow::Borrowed(include_str!(concat!(env!("OUT_DIR"), "/text.txt"))),
    nodes: Cow::Borrowed(&NODES),
    fields: Cow::Borrowed(&FIELDS),
    words: Cow::Borrowed(&WORDS),
};

/// Kinds that upstream registers in every group and version: they are found under whichever is asked for.
const EVERYWHERE: [&str; 7] =
    ["CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions", "WatchEvent"];

/// The schema of a kind: resources, their lists, and the virtual ones (reviews, options, `Scale`, `Status`).
pub fn kind(group: &str, version: &str, kind: &str) -> Option<Schema> {
    if EVERYWHERE.contains(&kind) {
        return find("", "v1", kind);
    }
    find(group, version, kind)
}

fn find(group: &str, version: &str, kind: &str) -> Option<Schema> {
    let name = |t: Text| &NAMES[t.at as usize..t.at as usize + usize::from(t.len)];
    let row = KINDS.binary_search_by(|(g, v, k, _)| (name(*g), name(*v), name(*k)).cmp(&(group, version, kind)));
    row.ok().map(|row| Schema::builtin(&TABLES, KINDS[row].3))
}

/// All kinds with their schemas: (group, version, kind), sorted.
pub fn kinds() -> impl ExactSizeIterator<Item = ((&'static str, &'static str, &'static str), Schema)> {
    let name = |t: Text| &NAMES[t.at as usize..t.at as usize + usize::from(t.len)];
    KINDS.iter().map(move |(g, v, k, id)| ((name(*g), name(*v), name(*k)), Schema::builtin(&TABLES, *id)))
}

/// A struct by its full upstream name: `io.k8s.api.core.v1.PodSpec`.
pub fn type_named(name: &str) -> Option<NodeId> {
    let found = TYPES.binary_search_by(|id| TABLES.ty(*id).name().cmp(name));
    found.ok().map(|i| TYPES[i])
}

const fn t(at: u32, len: u16) -> Text {
    Text { at, len }
}

const fn r(at: u32, len: u16) -> Run {
    Run { at, len }
}

const fn object(name: Text, fields: Run, atomic: bool, open: bool) -> Node {
    Node::Struct(StructRow { name, fields, atomic, open })
}

const fn list(item: NodeId, kind: ListKind, keys: Run, wrapped: bool) -> Node {
    Node::List { item, kind, keys, wrapped }
}

#[allow(clippy::too_many_arguments, reason = "one row of the generated table")]
const fn field(
    name: Text,
    node: NodeId,
    tag: u16,
    flags: u8,
    print: u8,
    strategy: Strategy,
    merge_key: Text,
    default: Text,
    enums: Run,
    format: Text,
) -> FieldRow {
    FieldRow {
        name,
        node,
        tag,
        pointer: flags & 1 != 0,
        inline: flags & 2 != 0,
        required: flags & 4 != 0,
        nullable: flags & 8 != 0,
        immutable: flags & 16 != 0,
        print: match print {
            0 => Print::Always,
            1 => Print::OmitEmpty,
            _ => Print::OmitZero,
        },
        strategy,
        merge_key,
        default,
        enums,
        format,
    }
}
