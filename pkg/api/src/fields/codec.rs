//! `FieldsV1`: sets as JSON.
//!
//! The object tree keeps it as a plain tree ([`Set::from_value`], [`Set::to_value`]); protobuf and tests want its
//! bytes ([`Set::from_json`], [`Set::to_json`]), which stand in canonical order: numbers by size, so that port 80
//! comes before port 443, where the tree sorts by text.

use std::fmt::Write as _;

use compact_str::format_compact;

use super::{Element, Node, Set};
use crate::{Map, Str, Value, json};

/// Why a `FieldsV1` could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not JSON, or not an object where there must be one.
    #[error("{0}")]
    Json(String),
    /// A step that is too short or has no type.
    #[error("missing colon: {0}")]
    Colon(String),
    /// A step whose content does not fit its type.
    #[error("parsing key as path element: {step}: {why}")]
    Element {
        /// The step.
        step: String,
        /// What is wrong with it.
        why: String,
    },
}

/// How deep a set may be: deeper than any object that is accepted.
const DEPTH: usize = 256;

impl Set {
    /// Reads the tree form.
    ///
    /// # Errors
    /// A step is malformed, or something is not an object.
    pub fn from_value(value: &Value) -> Result<Self, Error> {
        read(value, DEPTH).map(|(set, _)| set)
    }

    /// The tree form.
    pub fn to_value(&self) -> Value {
        self.to_map(false).into()
    }

    fn to_map(&self, with_self: bool) -> Map {
        let mut map = Map::with_capacity(self.0.len() + usize::from(with_self));
        if with_self {
            map.insert(".", Value::object());
        }
        for node in &self.0 {
            map.insert(step(&node.element), node.below.to_map(node.member && !node.below.is_empty()));
        }
        map
    }

    /// Reads the JSON form.
    ///
    /// # Errors
    /// It is not JSON, or as [`Set::from_value`].
    pub fn from_json(json: &[u8]) -> Result<Self, Error> {
        let value = parse(json).map_err(|e| Error::Json(e.to_string()))?;
        if value.is_null() { Ok(Self::new()) } else { Self::from_value(&value) }
    }

    /// The canonical JSON form.
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.write(false, &mut out, &mut String::new());
        out
    }

    fn write(&self, with_self: bool, out: &mut String, step: &mut String) {
        out.push('{');
        if with_self {
            out.push_str("\".\":{}");
        }
        for (i, node) in self.0.iter().enumerate() {
            if with_self || i > 0 {
                out.push(',');
            }
            step.clear();
            write_element(&node.element, step);
            plain_json_string(step, out);
            out.push(':');
            node.below.write(node.member && !node.below.is_empty(), out, step);
        }
        out.push('}');
    }
}

fn parse(json: &[u8]) -> Result<Value, json::Error> {
    json::parse(json, &json::Limits::default()).map(|parsed| parsed.value)
}

/// The set in `value`, and whether it marks its own place as a member.
fn read(value: &Value, depth: usize) -> Result<(Set, bool), Error> {
    if depth == 0 {
        return Err(Error::Json("exceeded max depth".into()));
    }
    let map = match value {
        Value::Object(map) => map,
        Value::Null => return Ok((Set::new(), true)),
        other => return Err(Error::Json(format!("expect {{ or n, but found {}", other.type_name()))),
    };
    let mut nodes = Vec::with_capacity(map.len());
    let (mut member, mut sorted) = (false, true);
    for (step, inner) in map.iter() {
        if step == "." {
            member = true;
            continue;
        }
        let Some(element) = read_element(step)? else { continue };
        let (below, inside) = read(inner, depth - 1)?;
        let node = Node { element, member: inside || below.is_empty(), below };
        sorted &= nodes.last().is_none_or(|last: &Node| last.element < node.element);
        nodes.push(node);
    }
    if !sorted {
        nodes.sort_by(|a, b| a.element.cmp(&b.element));
        nodes.dedup_by(|later, kept| {
            let same = later.element == kept.element;
            if same {
                kept.member |= later.member;
                kept.below = std::mem::take(&mut kept.below).union(std::mem::take(&mut later.below));
            }
            same
        });
    }
    Ok((Set(nodes), member))
}

/// `None` for types of a later version, which are left out.
fn read_element(step: &str) -> Result<Option<Element>, Error> {
    let Some(&[kind, b':']) = step.as_bytes().first_chunk::<2>() else {
        return Err(Error::Colon(step.to_owned()));
    };
    let content = &step[2..];
    let wrong = |why: &dyn std::fmt::Display| Error::Element { step: step.to_owned(), why: why.to_string() };
    Ok(Some(match kind {
        b'f' => Element::field(content),
        b'k' => match parse(content.as_bytes()).map_err(|e| wrong(&e))? {
            Value::Object(keys) => Element::key(keys),
            other => return Err(wrong(&format_args!("expected an object, found {}", other.type_name()))),
        },
        b'v' => Element::Value(parse(content.as_bytes()).map_err(|e| wrong(&e))?),
        b'i' => Element::Index(content.parse().map_err(|e| wrong(&e))?),
        _ => return Ok(None),
    }))
}

/// The name of a step in both forms.
pub(super) fn step(element: &Element) -> Str {
    match element {
        Element::Field(name) => format_compact!("f:{name}"),
        other => {
            let mut out = String::new();
            write_element(other, &mut out);
            out.into()
        }
    }
}

fn write_element(element: &Element, out: &mut String) {
    match element {
        Element::Field(name) => {
            out.push_str("f:");
            out.push_str(name);
        }
        Element::Key(keys) => {
            out.push_str("k:{");
            for (i, (name, value)) in keys.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                plain_json_string(name, out);
                out.push(':');
                write_json(value, out);
            }
            out.push('}');
        }
        Element::Value(value) => {
            out.push_str("v:");
            write_json(value, out);
        }
        Element::Index(at) => {
            let _ = write!(out, "i:{at}");
        }
    }
}

fn plain_json_string(text: &str, out: &mut String) {
    if text.bytes().all(|b| b >= 0x20 && b != b'"' && b != b'\\') {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        write_json(&Value::from(text), out);
    }
}

/// Appends a value as JSON.
fn write_json(value: &Value, out: &mut String) {
    match value {
        Value::Int(n) => {
            let _ = write!(out, "{n}");
        }
        other => {
            let mut bytes = Vec::new();
            json::write(other, &mut bytes);
            out.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
}
