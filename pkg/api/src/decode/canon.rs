//! Which members upstream prints: the rules of Go's `omitempty` and `omitzero`, written once for all decoders.

use crate::{
    Map, Value,
    schema::{Field, Node, Print, Scalar, Type},
};

/// The zero value of a type, as upstream prints it.
pub(crate) fn zero(ty: Type<'_>) -> Value {
    match ty.node() {
        Node::Scalar(scalar) => match scalar {
            Scalar::Bool => Value::Bool(false),
            Scalar::Int32 | Scalar::Int64 | Scalar::Double | Scalar::IntOrString => Value::Int(0),
            Scalar::String => Value::from(""),
            Scalar::Quantity => Value::from("0"),
            Scalar::Duration => Value::from("0s"),
            Scalar::Bytes
            | Scalar::Time
            | Scalar::MicroTime
            | Scalar::RawExtension
            | Scalar::Json
            | Scalar::FieldsV1 => Value::Null,
        },
        Node::List { .. } | Node::Map { .. } => Value::Null,
        Node::Struct(_) => {
            let mut map = Map::new();
            insert_missing(ty, &mut map);
            Value::Object(map)
        }
    }
}

/// Inserts the members that upstream prints even though nobody gave them.
pub(crate) fn insert_missing(ty: Type<'_>, map: &mut Map) {
    ty.each_field(&mut |field| {
        if printed_when_absent(field) && !map.contains(field.name()) {
            map.insert(field.name(), if field.row.pointer { Value::Null } else { zero(field.ty()) });
        }
    });
}

fn printed_when_absent(field: Field<'_>) -> bool {
    match field.row.print {
        Print::Always => true,
        Print::OmitEmpty => !field.row.pointer && is_go_struct(field.ty()),
        Print::OmitZero => false,
    }
}

/// Whether upstream prints a member that has this canonical value.
pub(crate) fn is_printed(field: Field<'_>, value: &Value) -> bool {
    let row = field.row;
    if row.pointer {
        return !value.is_null() || row.nullable || row.print == Print::Always;
    }
    match row.print {
        Print::Always => true,
        Print::OmitEmpty => row.nullable && value.is_null() || is_go_struct(field.ty()) || !is_empty(value),
        Print::OmitZero => *value != zero(field.ty()) && !is_empty_list(value),
    }
}

/// What Go holds as a struct is never empty to `omitempty`.
fn is_go_struct(ty: Type<'_>) -> bool {
    match ty.node() {
        Node::Struct(_) => true,
        Node::List { .. } | Node::Map { .. } => false,
        Node::Scalar(scalar) => match scalar {
            Scalar::Bool | Scalar::Int32 | Scalar::Int64 | Scalar::Double | Scalar::String | Scalar::Bytes => false,
            Scalar::Quantity
            | Scalar::Time
            | Scalar::MicroTime
            | Scalar::Duration
            | Scalar::IntOrString
            | Scalar::RawExtension
            | Scalar::Json
            | Scalar::FieldsV1 => true,
        },
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(v) => !v,
        Value::Int(v) => *v == 0,
        Value::Float(v) => *v == 0.0,
        Value::String(v) => v.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

fn is_empty_list(value: &Value) -> bool {
    matches!(value, Value::Array(items) if items.is_empty())
}
