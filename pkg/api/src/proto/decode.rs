//! Message → canonical tree.

use super::{
    Error, leaf, union,
    wire::{Payload, Reader},
};
use crate::{
    Map, Str, Value,
    decode::canon,
    json::Limits,
    schema::{Field, Node, Type},
};

/// Reads a message into the canonical tree of its type. Fields the schema does not know are passed over.
///
/// # Errors
/// The bytes are no message of this type or exceed a limit.
pub fn decode(ty: Type<'_>, bytes: &[u8], limits: &Limits) -> Result<Value, Error> {
    if bytes.len() > limits.bytes {
        return Err(Error::TooLarge { limit: limits.bytes });
    }
    if ty.as_struct().is_none() {
        return Err(Error::NotAMessage);
    }
    message(ty, bytes, limits.depth).map(Value::Object)
}

pub(super) fn message(ty: Type<'_>, bytes: &[u8], depth: usize) -> Result<Map, Error> {
    let mut map = Raw::default();
    fields(ty, bytes, &mut map, depth)?;
    let mut map = map.finish();
    map.retain(|name, value| ty.field(name).is_none_or(|field| canon::is_printed(field, value)));
    canon::insert_missing(ty, &mut map);
    Ok(map)
}

/// Members as they come in. Lists grow under a cursor on the last member, so that a long list costs no search each.
#[derive(Default)]
struct Raw {
    entries: Vec<(Str, Value)>,
}

impl Raw {
    fn set(&mut self, name: &str, value: Value) {
        *self.slot(name) = value;
    }

    fn slot(&mut self, name: &str) -> &mut Value {
        let known = self.entries.iter().rposition(|(key, _)| key == name);
        let at = known.unwrap_or_else(|| {
            self.entries.push((Str::from(name), Value::Null));
            self.entries.len() - 1
        });
        &mut self.entries[at].1
    }

    fn finish(self) -> Map {
        Map::from_entries(self.entries, |_| {})
    }
}

/// Reads the fields of a message, those of inline members into the same map.
fn fields(ty: Type<'_>, bytes: &[u8], map: &mut Raw, depth: usize) -> Result<(), Error> {
    let depth = depth.checked_sub(1).ok_or(Error::TooDeep)?;
    let mut reader = Reader::new(bytes);
    let mut entries: Vec<(Field<'_>, Vec<(Str, Value)>)> = Vec::new();
    while let Some((tag, payload)) = reader.field()? {
        let Some(field) = ty.fields().find(|f| u64::from(f.row.tag) == tag && f.row.tag != 0) else { continue };
        let (name, inner) = (field.name(), field.ty());
        if field.row.inline {
            fields(inner, bytes_of(name, payload)?, map, depth)?;
            continue;
        }
        match inner.node() {
            Node::List { wrapped: false, .. } => {
                let Some(item) = inner.item() else { continue };
                let slot = map.slot(name);
                if slot.is_null() {
                    *slot = Value::Array(Vec::new());
                }
                if let Value::Array(items) = slot {
                    element(name, item, payload, items, depth)?;
                }
            }
            Node::Map { .. } => {
                let Some(item) = inner.item() else { continue };
                let entry = entry(name, bytes_of(name, payload)?, item, |payload| match union::of(ty, name) {
                    Some(union) => union.read(name, ty, bytes_of(name, payload)?, depth),
                    None => single(name, item, payload, depth),
                })?;
                match entries.iter_mut().find(|(f, _)| std::ptr::eq(f.row, field.row)) {
                    Some((_, list)) => list.push(entry),
                    None => entries.push((field, vec![entry])),
                }
            }
            _ => {
                let value = match union::of(ty, name) {
                    Some(union) => union.read(name, ty, bytes_of(name, payload)?, depth)?,
                    None => single(name, inner, payload, depth)?,
                };
                map.set(name, value);
            }
        }
    }
    // Maps are sorted once, at the end.
    for (field, list) in entries {
        map.set(field.name(), Value::Object(Map::from_entries(list, |_| {})));
    }
    Ok(())
}

fn element(name: &str, ty: Type<'_>, payload: Payload<'_>, items: &mut Vec<Value>, depth: usize) -> Result<(), Error> {
    if let (Some(scalar), Payload::Bytes(packed)) = (ty.as_scalar(), payload)
        && let Some(wire) = leaf::packable(scalar)
    {
        let mut reader = Reader::new(packed);
        while !reader.is_empty() {
            let payload = match wire {
                super::wire::FIXED64 => Payload::Fixed64(u64::from_le_bytes(reader.array()?)),
                _ => Payload::Varint(reader.varint()?),
            };
            items.push(leaf::read(name, scalar, payload, depth)?);
        }
        return Ok(());
    }
    items.push(single(name, ty, payload, depth)?);
    Ok(())
}

fn entry<'a>(
    name: &str,
    bytes: &'a [u8],
    ty: Type<'_>,
    read: impl Fn(Payload<'a>) -> Result<Value, Error>,
) -> Result<(Str, Value), Error> {
    let (mut key, mut value) = (Str::default(), None);
    let mut reader = Reader::new(bytes);
    while let Some((tag, payload)) = reader.field()? {
        match tag {
            1 => key = leaf::text(name, bytes_of(name, payload)?)?,
            2 => value = Some(read(payload)?),
            _ => {}
        }
    }
    Ok((key, value.unwrap_or_else(|| canon::zero(ty))))
}

fn single(name: &str, ty: Type<'_>, payload: Payload<'_>, depth: usize) -> Result<Value, Error> {
    match ty.node() {
        Node::Scalar(scalar) => leaf::read(name, scalar, payload, depth),
        Node::Struct(_) => message(ty, bytes_of(name, payload)?, depth).map(Value::Object),
        // A list or map inside a list or map: only wrapped lists can be that.
        Node::List { .. } | Node::Map { .. } => {
            let depth = depth.checked_sub(1).ok_or(Error::TooDeep)?;
            let Some(item) = ty.item() else { return Ok(Value::Null) };
            let mut items = Vec::new();
            let mut reader = Reader::new(bytes_of(name, payload)?);
            while let Some((tag, payload)) = reader.field()? {
                if tag == 1 {
                    element(name, item, payload, &mut items, depth)?;
                }
            }
            Ok(if items.is_empty() { Value::Null } else { Value::Array(items) })
        }
    }
}

fn bytes_of<'a>(name: &str, payload: Payload<'a>) -> Result<&'a [u8], Error> {
    match payload {
        Payload::Bytes(bytes) => Ok(bytes),
        other => Err(Error::WireType { wire: other.wire(), field: name.into() }),
    }
}
