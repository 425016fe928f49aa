//! Dropping what a schema does not know, without judging the rest.

use crate::{
    Value,
    schema::{Node, Type},
    trail::{Trail, note},
};

/// Removes members the schema does not know and gives their paths (at most a hundred of them).
///
/// For custom resources, whose wrong types are the business of validation: values that do not fit are left alone.
pub fn prune(ty: Type<'_>, value: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    node(ty, value, &Trail::Root, &mut unknown);
    unknown
}

fn node(ty: Type<'_>, value: &mut Value, trail: &Trail<'_>, unknown: &mut Vec<String>) {
    match (ty.node(), value) {
        (Node::Struct(row), Value::Object(map)) => map.retain(|name, value| {
            let here = Trail::Field(trail, name);
            match ty.field(name) {
                Some(field) => node(field.ty(), value, &here, unknown),
                None if row.open => {}
                None => {
                    note(unknown, &here);
                    return false;
                }
            }
            true
        }),
        (Node::List { .. }, Value::Array(items)) => {
            let Some(item) = ty.item() else { return };
            for (n, value) in items.iter_mut().enumerate() {
                node(item, value, &Trail::Index(trail, n), unknown);
            }
        }
        (Node::Map { .. }, Value::Object(map)) => {
            let Some(item) = ty.item() else { return };
            for (key, value) in map.iter_mut() {
                node(item, value, &Trail::Key(trail, key), unknown);
            }
        }
        _ => {}
    }
}
