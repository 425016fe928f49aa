//! Strategic merge patch: a merge patch that knows the type.
//!
//! Lists the type calls mergeable are merged by their merge key (or as sets of scalars), and directives inside the patch
//! steer it: `$patch: replace|delete` on an object or list element, `$retainKeys` with the members that stay,
//! `$deleteFromPrimitiveList/x` with scalars to remove from `x`, `$setElementOrder/x` with the order `x` shall have.
//! Strategy and merge key are facts of their own: Service ports are merged by `port` here, but owned by port and
//! protocol in [`crate::apply`].

mod lists;

use std::collections::BTreeSet;

use super::{Error, go_words};
use crate::{
    Map, Str, Value,
    fields::Ranked,
    schema::{Field, Node, Strategy, Type},
};

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const SET_ORDER: &str = "$setElementOrder";

/// Merges `patch` into `doc`, an object of type `ty`.
///
/// # Errors
/// The patch is not an object, holds a malformed directive, or does not fit the type.
pub fn strategic(ty: Type<'_>, doc: &mut Value, patch: &Value) -> Result<(), Error> {
    let Value::Object(patch) = patch else { return Err(Error::Malformed("invalid JSON document".into())) };
    let original = match std::mem::take(doc) {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    *doc = objects(ty, original, patch.clone())?.into();
    Ok(())
}

fn bad_order() -> Error {
    Error::Malformed("invalid patch format of setElementOrder list".into())
}

fn bad_retain_keys() -> Error {
    Error::Malformed("invalid patch format of retainKeys".into())
}

fn no_merge_key(item: &Value, key: &str) -> Error {
    Error::Failed(format!("map: {} does not contain declared merge key: {key}", go_words(item)))
}

fn wrong_kind(expected: &str, got: &Value) -> Error {
    let got = match got {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int64",
        Value::Float(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    Error::Failed(format!("expected a {expected}, but received a {got}"))
}

const LIST: &str = "[]interface {}";
const OBJECT: &str = "map[string]interface {}";

/// What the type says about a member that both sides have as an object or a list.
fn lookup<'s>(ty: Type<'s>, name: &str) -> Result<Field<'s>, Error> {
    match ty.node() {
        Node::Struct(_) => ty.field(name).ok_or_else(|| {
            let short = ty.name().rsplit('.').next().unwrap_or_default();
            Error::Failed(format!("unable to find api field in struct {short} for the json field {name:?}"))
        }),
        node => Err(Error::Failed(format!(
            "merging an object in json but data type is not struct, instead is: {}",
            match node {
                Node::List { .. } => "slice",
                Node::Map { .. } => "map",
                _ => "struct",
            }
        ))),
    }
}

fn merges(field: Field<'_>) -> bool {
    matches!(field.row.strategy, Strategy::Merge | Strategy::MergeRetainKeys)
}

/// Merges a patch into an object.
fn objects(ty: Type<'_>, mut original: Map, mut patch: Map) -> Result<Map, Error> {
    if let Some(directive) = patch.remove(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => Ok(patch),
            Some("delete") => Ok(Map::new()),
            _ => {
                patch.insert(DIRECTIVE, directive.clone());
                Err(bad_directive(&directive, &patch.into()))
            }
        };
    }
    retain_keys(&mut original, &mut patch)?;
    ordered_lists(ty, &mut original, &mut patch)?;
    for (name, value) in patch {
        let (name, deletes) = match name.strip_prefix(DELETE_FROM) {
            Some(rest) => match rest.strip_prefix('/') {
                Some(list) => (Str::from(list), true),
                None => return Err(Error::Malformed("invalid patch format of primitive list".into())),
            },
            None => (name, false),
        };
        if value.is_null() {
            original.remove(&name);
            continue;
        }
        match (original.get_mut(&name), value) {
            (Some(there @ Value::Object(_)), Value::Object(value)) => {
                let field = lookup(ty, &name)?;
                if field.row.strategy == Strategy::Replace {
                    *there = value.into();
                } else if let Value::Object(had) = std::mem::take(there) {
                    *there = objects(field.ty(), had, value)?.into();
                }
            }
            (Some(Value::Array(there)), Value::Array(value)) => {
                let field = lookup(ty, &name)?;
                let had = std::mem::take(there);
                *there = if deletes {
                    let gone: BTreeSet<_> = value.iter().map(Ranked).collect();
                    had.into_iter().filter(|item| !gone.contains(&Ranked(item))).collect()
                } else {
                    lists::merge(field, had, value)?
                };
            }
            _ if deletes => {}
            (_, value) => match clean(value) {
                Some(value) => {
                    original.insert(name, value);
                }
                None => {
                    original.remove(&name);
                }
            },
        }
    }
    Ok(original)
}

fn bad_directive(directive: &Value, item: &Value) -> Error {
    Error::Failed(format!("unknown patch type: {} in map: {}", go_words(directive), go_words(item)))
}

/// `$retainKeys`: members of the object that it does not name go; the patch may not have others.
fn retain_keys(original: &mut Map, patch: &mut Map) -> Result<(), Error> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let keys = keys.as_array().ok_or_else(bad_retain_keys)?;
    let keys: BTreeSet<&str> = keys.iter().filter_map(Value::as_str).collect();
    let named = |name: &str| keys.contains(name);
    let stray = patch.iter().any(|(name, value)| {
        !value.is_null() && !name.starts_with(DELETE_FROM) && !name.starts_with(SET_ORDER) && !named(name)
    });
    if stray {
        return Err(bad_retain_keys());
    }
    original.retain(|name, _| named(name));
    Ok(())
}

/// `$setElementOrder/x`, together with the patch of `x`.
fn ordered_lists(ty: Type<'_>, original: &mut Map, patch: &mut Map) -> Result<(), Error> {
    let directives: Vec<Str> = patch.keys().filter(|k| k.starts_with(SET_ORDER)).map(Str::from).collect();
    for directive in directives {
        let order = match patch.remove(&directive) {
            Some(Value::Array(order)) => order,
            Some(other) => return Err(wrong_kind(LIST, &other)),
            None => continue,
        };
        let name = directive[SET_ORDER.len()..].strip_prefix('/').ok_or_else(bad_order)?;
        let list = |value: Option<Value>| match value {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(other) => Err(wrong_kind(LIST, &other)),
        };
        let theirs = list(original.get(name).cloned())?;
        let ours = list(patch.remove(name))?;
        let field = lookup(ty, name)?;
        if let Some(merged) = lists::ordered(field, theirs, ours, &order)? {
            original.insert(name, Value::Array(merged));
        }
    }
    Ok(())
}

/// A value of the patch that meets nothing to merge with: without nulls and directives. `None` if it is nothing but a
/// directive.
fn clean(value: Value) -> Option<Value> {
    Some(match value {
        Value::Object(map) => {
            if map.contains(DIRECTIVE) {
                return None;
            }
            let kept = map.into_iter().filter(|(name, value)| {
                !value.is_null()
                    && name != RETAIN_KEYS
                    && !name.starts_with(DELETE_FROM)
                    && !name.starts_with(SET_ORDER)
            });
            kept.filter_map(|(name, value)| clean(value).map(|v| (name, v))).collect::<Map>().into()
        }
        Value::Array(items) => Value::Array(items.into_iter().filter_map(clean).collect()),
        scalar => scalar,
    })
}

#[cfg(test)]
mod tests;
