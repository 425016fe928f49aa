//! Tree → message.

use super::{
    Error, leaf, union,
    wire::{FIXED64, put_bytes, put_message, put_tag},
};
use crate::{
    Map, Value,
    schema::{Field, FieldRow, Node, Type},
};

/// Appends the message of a canonical tree. Kind and apiVersion are left to the [envelope](super::Envelope).
///
/// # Errors
/// The type is no struct, or a leaf is not in canonical form.
pub fn encode(ty: Type<'_>, value: &Value, out: &mut Vec<u8>) -> Result<(), Error> {
    match (ty.node(), value) {
        (Node::Struct(_), Value::Object(map)) => message(ty, map, out),
        _ => Err(Error::NotAMessage),
    }
}

fn message(ty: Type<'_>, map: &Map, out: &mut Vec<u8>) -> Result<(), Error> {
    let mut fields: Vec<Field<'_>> = ty.fields().filter(|f| f.row.tag != 0).collect();
    fields.sort_by_key(|f| f.row.tag);
    fields.into_iter().try_for_each(|field| member(ty, field, map, out))
}

fn member(owner: Type<'_>, field: Field<'_>, map: &Map, out: &mut Vec<u8>) -> Result<(), Error> {
    let FieldRow { tag, inline, pointer, .. } = *field.row;
    let ty = field.ty();
    if inline {
        return put_message(tag, out, |out| message(ty, map, out));
    }
    match map.get(field.name()) {
        None | Some(Value::Null) if pointer => Ok(()),
        None => absent(field, out),
        Some(value) if let Some(union) = union::of(owner, field.name()) => match (ty.node(), value) {
            (Node::Map { .. }, Value::Object(map)) => map.iter().try_for_each(|(key, value)| {
                put_message(tag, out, |out| {
                    put_bytes(1, key.as_bytes(), out);
                    union.put(2, key, owner, value, out)
                })
            }),
            _ => union.put(tag, field.name(), owner, value, out),
        },
        Some(value) => put(tag, field.name(), ty, value, out),
    }
}

/// A plain member that is not there: its zero value is written all the same. Lists, maps and bytes have none.
fn absent(field: Field<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    let (tag, ty) = (field.row.tag, field.ty());
    match ty.node() {
        Node::List { .. } | Node::Map { .. } => Ok(()),
        Node::Struct(_) => put_message(tag, out, |out| message(ty, &Map::new(), out)),
        Node::Scalar(scalar) => leaf::put_zero(tag, scalar, out),
    }
}

fn put(tag: u16, name: &str, ty: Type<'_>, value: &Value, out: &mut Vec<u8>) -> Result<(), Error> {
    let item = ty.item();
    match (ty.node(), value, item) {
        (Node::Scalar(scalar), ..) => leaf::put(tag, name, scalar, value, out),
        (Node::Struct(_), Value::Object(map), _) => put_message(tag, out, |out| message(ty, map, out)),
        (Node::Struct(_), Value::Null, _) => put_message(tag, out, |out| message(ty, &Map::new(), out)),
        (Node::List { wrapped: true, .. }, Value::Array(items), Some(item)) => {
            put_message(tag, out, |out| items.iter().try_for_each(|v| put(1, name, item, v, out)))
        }
        (Node::List { wrapped: true, .. }, Value::Null, _) => put_message(tag, out, |_| Ok(())),
        (Node::List { .. }, Value::Array(items), Some(item)) => {
            items.iter().try_for_each(|v| put(tag, name, item, v, out))
        }
        (Node::Map { .. }, Value::Object(map), Some(item)) => map.iter().try_for_each(|(key, value)| {
            put_message(tag, out, |out| {
                put_bytes(1, key.as_bytes(), out);
                put(2, name, item, value, out)
            })
        }),
        (Node::List { .. } | Node::Map { .. }, Value::Null, _) => Ok(()),
        (_, other, _) => {
            Err(Error::Leaf { field: name.into(), problem: format!("unexpected {}", other.type_name()).into() })
        }
    }
}

/// Tag and wire form of a double; the bytes follow.
pub(super) fn put_double(tag: u16, n: f64, out: &mut Vec<u8>) {
    put_tag(tag, FIXED64, out);
    out.extend_from_slice(&n.to_bits().to_le_bytes());
}
