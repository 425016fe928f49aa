//! How field ownership sees a type: what is one field, and what has fields below it.

use super::Element;
use crate::{
    Value, json,
    schema::{ListKind, Node, Scalar, Type},
};

/// A type, or what stands in for one where the schema says nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape<'s> {
    /// A type of the schema.
    Typed(Type<'s>),
    /// No schema: objects have a field per member, all else is one field.
    Free,
}

/// What the algorithms do with a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Class<'s> {
    /// One field: scalars and everything atomic.
    Leaf,
    /// A list whose elements are fields: scalars by value, structs by keys.
    List(Type<'s>),
    /// Members by name.
    Struct(Type<'s>),
    /// Entries by key.
    Map(Shape<'s>),
}

impl<'s> Shape<'s> {
    /// The class of a value of this shape.
    pub(crate) fn class(self, value: &Value) -> Class<'s> {
        match self {
            Self::Free if matches!(value, Value::Object(_)) => Class::Map(Self::Free),
            Self::Free => Class::Leaf,
            Self::Typed(ty) => match ty.node() {
                Node::Scalar(Scalar::RawExtension | Scalar::FieldsV1) => Class::Map(Self::Free),
                Node::Scalar(_) | Node::List { kind: ListKind::Atomic, .. } | Node::Map { atomic: true, .. } => {
                    Class::Leaf
                }
                Node::List { .. } => Class::List(ty),
                Node::Map { .. } => Class::Map(ty.item().map_or(Self::Free, Shape::Typed)),
                Node::Struct(row) if row.atomic => Class::Leaf,
                Node::Struct(_) => Class::Struct(ty),
            },
        }
    }

    /// Whether a list or object of this shape is one field.
    pub(crate) fn is_atomic(self) -> bool {
        match self {
            Self::Free => false,
            Self::Typed(ty) => match ty.node() {
                Node::List { kind, .. } => kind == ListKind::Atomic,
                Node::Map { atomic, .. } => atomic,
                Node::Struct(row) => row.atomic,
                Node::Scalar(_) => false,
            },
        }
    }

    /// The shape one step below, and whether that step is a declared member of a struct.
    pub(crate) fn below(self, element: &Element) -> (Self, bool) {
        let Self::Typed(ty) = self else { return (Self::Free, false) };
        match (ty.node(), element) {
            (Node::Struct(_), Element::Field(name)) => member(ty, name),
            (Node::Map { .. } | Node::List { .. }, _) => (ty.item().map_or(Self::Free, Shape::Typed), false),
            _ => (Self::Free, false),
        }
    }
}

/// The shape of a struct's member, and whether it is declared.
pub(crate) fn member<'s>(ty: Type<'s>, name: &str) -> (Shape<'s>, bool) {
    ty.field(name).map_or((Shape::Free, false), |f| (Shape::Typed(f.ty()), true))
}

/// The step that names `item` of a list with fields for elements.
///
/// # Errors
/// The words of upstream's complaint about an element that cannot be named.
pub(crate) fn name_item(list: Type<'_>, item: &Value) -> Result<Element, String> {
    let keys = list.list_keys();
    if keys.len() == 0 {
        return match item {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".into()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".into()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".into()),
            scalar => Ok(Element::Value(scalar.clone())),
        };
    }
    let map = match item {
        Value::Object(map) => map,
        Value::Null => return Err("associative list with keys may not have a null element".into()),
        _ => return Err("associative list with keys may not have non-map elements".into()),
    };
    let mut found = Vec::with_capacity(keys.len());
    for key in keys.clone() {
        // A null key is one nobody gave: the object will have the default, and must be found by it the next time.
        let given = map.get(key).filter(|v| !v.is_null());
        let value = given.cloned().or_else(|| key_default(list, key));
        found.extend(value.map(|v| (key.into(), v)));
    }
    if found.is_empty() {
        let names = keys.map(|k| format!("{k:?}")).collect::<Vec<_>>().join(" ");
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{names}] \
             (and doesn't have default values for any key fields)"
        ));
    }
    Ok(Element::key(found))
}

fn key_default(list: Type<'_>, key: &str) -> Option<Value> {
    let text = list.item()?.field(key)?.default()?;
    match text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Some(Value::from(plain)),
        _ => json::parse(text.as_bytes(), &json::Limits::default()).ok().map(|parsed| parsed.value),
    }
}
