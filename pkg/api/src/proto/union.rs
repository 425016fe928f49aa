//! Members that are one of two things in JSON and a message of both on the wire.
//!
//! Only the schemas inside a CustomResourceDefinition have such members. To the table they are plain JSON; here, where
//! the wire form shows the difference, and in [`crate::decode`] the few of them are known by name.

use super::{
    Error, decode, encode, leaf,
    wire::{Payload, Reader, put_bytes, put_message, put_number},
};
use crate::{Value, schema::Type};

/// Which two things.
#[derive(Clone, Copy)]
pub(crate) enum Union {
    /// A schema or a list of them.
    List,
    /// A schema or whether anything goes.
    Bool,
    /// A schema or a list of names.
    Names,
}

/// The union that a member of `owner` (a schema, then) is.
pub(crate) fn of(owner: Type<'_>, field: &str) -> Option<Union> {
    if !owner.name().ends_with(".JSONSchemaProps") {
        return None;
    }
    match field {
        "items" => Some(Union::List),
        "additionalItems" | "additionalProperties" => Some(Union::Bool),
        "dependencies" => Some(Union::Names),
        _ => None,
    }
}

impl Union {
    /// Writes it under a tag.
    pub(super) fn put(
        self,
        tag: u16,
        name: &str,
        owner: Type<'_>,
        value: &Value,
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        put_message(tag, out, |out| match (self, value) {
            (_, Value::Null) => Ok(()),
            (Self::Bool, Value::Bool(allows)) => {
                put_number(1, u64::from(*allows), out);
                Ok(())
            }
            (Self::Bool, schema @ Value::Object(_)) => {
                put_number(1, 1, out);
                put_message(2, out, |out| encode(owner, schema, out))
            }
            (Self::List | Self::Names, schema @ Value::Object(_)) => {
                put_message(1, out, |out| encode(owner, schema, out))
            }
            (Self::List, Value::Array(schemas)) => {
                schemas.iter().try_for_each(|schema| put_message(2, out, |out| encode(owner, schema, out)))
            }
            (Self::Names, Value::Array(names)) => names.iter().try_for_each(|item| {
                put_bytes(2, item.as_str().ok_or_else(|| misfit(name, item))?.as_bytes(), out);
                Ok(())
            }),
            (_, other) => Err(misfit(name, other)),
        })
    }

    /// Reads it.
    pub(super) fn read(self, name: &str, owner: Type<'_>, bytes: &[u8], depth: usize) -> Result<Value, Error> {
        let (mut allows, mut schema, mut items) = (false, None, Vec::new());
        let mut reader = Reader::new(bytes);
        while let Some((tag, payload)) = reader.field()? {
            match (self, tag, payload) {
                (Self::Bool, 1, Payload::Varint(n)) => allows = n != 0,
                (Self::Bool, 2, Payload::Bytes(b)) | (Self::List | Self::Names, 1, Payload::Bytes(b)) => {
                    schema = Some(Value::Object(decode::message(owner, b, depth)?));
                }
                (Self::List, 2, Payload::Bytes(b)) => {
                    items.push(Value::Object(decode::message(owner, b, depth)?));
                }
                (Self::Names, 2, Payload::Bytes(b)) => items.push(leaf::text(name, b)?.into()),
                (_, 1 | 2, other) => return Err(Error::WireType { wire: other.wire(), field: name.into() }),
                _ => {}
            }
        }
        Ok(match (self, schema) {
            (Self::Bool, None) => Value::Bool(allows),
            (_, _) if !items.is_empty() => Value::Array(items),
            (_, schema) => schema.unwrap_or_default(),
        })
    }
}

fn misfit(name: &str, value: &Value) -> Error {
    Error::Leaf { field: name.into(), problem: format!("unexpected {}", value.type_name()).into() }
}
