//! Swagger as gnostic's protobuf messages: what field each keyword goes to, and one writer that follows the tables.
//!
//! Numbers are those of the package `openapi.v2`. Keywords the tables do not have are not written.

use knarr_api::Value;

use super::wire;
use crate::codec;

/// A message: its keywords with their fields.
struct Message {
    fields: &'static [(&'static str, u16, Kind)],
    /// The field of `x-…` keywords.
    extensions: u16,
}

/// How a keyword's value is written.
enum Kind {
    Text,
    /// A list of texts; one text is a list of one.
    Texts,
    Flag,
    Integer,
    Double,
    /// List of arbitrary values as YAML.
    Anys,
    One(&'static Message),
    /// A message that has but this field.
    In(u16, &'static Kind),
    /// A list, its items each as this.
    Each(&'static Kind),
    /// A map, written as list of messages with name and value.
    Named(&'static Kind),
    /// A parameter, by the place it is in.
    Parameter,
}

use Kind::{Anys, Double, Each, Flag, In, Integer, Named, One, Parameter, Text, Texts};

static DOCUMENT: Message = Message {
    fields: &[
        ("swagger", 1, Text),
        ("info", 2, One(&INFO)),
        ("security", 12, Each(&In(1, &Named(&In(1, &Texts))))),
        // A security scheme is a choice; the one in use here is the key (2).
        ("securityDefinitions", 13, In(1, &Named(&In(2, &One(&API_KEY))))),
    ],
    extensions: 16,
};
const PATHS: u16 = 8;
const DEFINITIONS: u16 = 9;

static INFO: Message = Message { fields: &[("title", 1, Text), ("version", 2, Text)], extensions: 7 };

static API_KEY: Message = Message {
    fields: &[("type", 1, Text), ("name", 2, Text), ("in", 3, Text), ("description", 4, Text)],
    extensions: 5,
};

static PATH: Message = Message {
    fields: &[
        ("get", 2, One(&OPERATION)),
        ("put", 3, One(&OPERATION)),
        ("post", 4, One(&OPERATION)),
        ("delete", 5, One(&OPERATION)),
        ("options", 6, One(&OPERATION)),
        ("head", 7, One(&OPERATION)),
        ("patch", 8, One(&OPERATION)),
        ("parameters", 9, Each(&Parameter)),
    ],
    extensions: 10,
};

static OPERATION: Message = Message {
    fields: &[
        ("tags", 1, Texts),
        ("description", 3, Text),
        ("operationId", 5, Text),
        ("produces", 6, Texts),
        ("consumes", 7, Texts),
        ("parameters", 8, Each(&Parameter)),
        ("responses", 9, In(1, &Named(&In(1, &One(&RESPONSE))))),
        ("schemes", 10, Texts),
        ("deprecated", 11, Flag),
    ],
    extensions: 13,
};

static RESPONSE: Message =
    Message { fields: &[("description", 1, Text), ("schema", 2, In(1, &One(&SCHEMA)))], extensions: 5 };

// A parameter is wrapped thrice: parameter or reference (1), body (1) or not (2), and then by place.
static IN_BODY: Kind = In(1, &In(1, &One(&BODY)));
static IN_QUERY: Kind = In(1, &In(2, &In(3, &One(&QUERY))));
static IN_PATH: Kind = In(1, &In(2, &In(4, &One(&SEGMENT))));

static BODY: Message = Message {
    fields: &[
        ("description", 1, Text),
        ("name", 2, Text),
        ("in", 3, Text),
        ("required", 4, Flag),
        ("schema", 5, One(&SCHEMA)),
    ],
    extensions: 6,
};

static QUERY: Message = Message {
    fields: &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 6, Text),
        ("format", 7, Text),
        ("uniqueItems", 20, Flag),
    ],
    extensions: 23,
};

static SEGMENT: Message = Message {
    fields: &[
        ("required", 1, Flag),
        ("in", 2, Text),
        ("description", 3, Text),
        ("name", 4, Text),
        ("type", 5, Text),
        ("format", 6, Text),
        ("uniqueItems", 19, Flag),
    ],
    extensions: 22,
};

static SCHEMA: Message = Message {
    fields: &[
        ("$ref", 1, Text),
        ("format", 2, Text),
        ("title", 3, Text),
        ("description", 4, Text),
        ("multipleOf", 6, Double),
        ("maximum", 7, Double),
        ("exclusiveMaximum", 8, Flag),
        ("minimum", 9, Double),
        ("exclusiveMinimum", 10, Flag),
        ("maxLength", 11, Integer),
        ("minLength", 12, Integer),
        ("pattern", 13, Text),
        ("maxItems", 14, Integer),
        ("minItems", 15, Integer),
        ("uniqueItems", 16, Flag),
        ("maxProperties", 17, Integer),
        ("minProperties", 18, Integer),
        ("required", 19, Texts),
        ("enum", 20, Anys),
        ("additionalProperties", 21, In(1, &One(&SCHEMA))),
        ("type", 22, In(1, &Texts)),
        ("items", 23, In(1, &One(&SCHEMA))),
        ("properties", 25, In(1, &Named(&One(&SCHEMA)))),
    ],
    extensions: 31,
};

/// What stands at the top of a document.
pub(super) fn document(head: &Value, out: &mut Vec<u8>) {
    fields(&DOCUMENT, head, out);
}

/// The paths, which `body` writes each by [`path`].
pub(super) fn paths(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    wire::message(PATHS, out, body);
}

pub(super) fn path(name: &str, item: &Value, out: &mut Vec<u8>) {
    named(2, name, &One(&PATH), item, out);
}

/// The definitions, which `body` writes each by [`definition`].
pub(super) fn definitions(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    wire::message(DEFINITIONS, out, body);
}

pub(super) fn definition(name: &str, schema: &Value, out: &mut Vec<u8>) {
    named(1, name, &One(&SCHEMA), schema, out);
}

fn fields(message: &Message, of: &Value, out: &mut Vec<u8>) {
    for (keyword, tag, kind) in message.fields {
        if let Some(value) = of.get(keyword) {
            field(*tag, kind, value, out);
        }
    }
    let keywords = of.as_object().into_iter().flat_map(|o| o.iter());
    for (keyword, value) in keywords.filter(|(k, _)| k.starts_with("x-")) {
        wire::message(message.extensions, out, |out| {
            wire::bytes(1, keyword.as_bytes(), out);
            any(2, value, out);
        });
    }
}

fn field(tag: u16, kind: &Kind, value: &Value, out: &mut Vec<u8>) {
    let items = value.as_array().unwrap_or(std::slice::from_ref(value));
    match kind {
        Text => wire::bytes(tag, value.as_str().unwrap_or_default().as_bytes(), out),
        Texts => items.iter().for_each(|text| field(tag, &Text, text, out)),
        Flag => wire::number(tag, u64::from(value.as_bool().unwrap_or_default()), out),
        Integer => wire::number(tag, value.as_i64().unwrap_or_default() as u64, out),
        Double => wire::double(tag, value.as_f64().unwrap_or_default(), out),
        Anys => items.iter().for_each(|one| any(tag, one, out)),
        One(message) => wire::message(tag, out, |out| fields(message, value, out)),
        In(inner, kind) => wire::message(tag, out, |out| field(*inner, kind, value, out)),
        Each(kind) => items.iter().for_each(|one| field(tag, kind, one, out)),
        Named(kind) => {
            let entries = value.as_object().into_iter().flat_map(|o| o.iter());
            entries.for_each(|(name, value)| named(tag, name, kind, value, out));
        }
        Parameter => {
            let place = match value.str_at(&["in"]) {
                "body" => &IN_BODY,
                "path" => &IN_PATH,
                _ => &IN_QUERY,
            };
            field(tag, place, value, out);
        }
    }
}

fn named(tag: u16, name: &str, kind: &Kind, value: &Value, out: &mut Vec<u8>) {
    wire::message(tag, out, |out| {
        wire::bytes(1, name.as_bytes(), out);
        field(2, kind, value, out);
    });
}

/// An arbitrary value travels as YAML, of which JSON is a part.
fn any(tag: u16, value: &Value, out: &mut Vec<u8>) {
    wire::message(tag, out, |out| wire::bytes(2, &codec::to_json(value), out));
}
