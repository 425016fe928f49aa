//! Checks a tree against its schema and makes it canonical, in place.

use super::{
    Decoded, Error, MAX_ISSUES, Validation, canon,
    scalar::{self, Refusal},
    words,
};
use crate::{
    Map, Value,
    json::Parsed,
    proto::union::{self, Union},
    schema::{Node, Type},
    trail::{Trail, note},
    yaml,
};

/// Brings a parsed document to canonical form (see the [module](super)).
///
/// Under [`Validation::Strict`] and [`Validation::Warn`] unknown members come first, sorted by path, then duplicates (those of
/// YAML before both);
/// [`super::document`] puts them in the order of the document.
///
/// # Errors
/// A value has another type than its member, or `Strict` found something.
pub fn normalise(ty: Type<'_>, parsed: impl Into<Parsed>, validation: Validation) -> Result<Decoded, Error> {
    let Parsed { mut value, duplicates, duplicate_lines } = parsed.into();
    let mut walk = Walk { unknown: Vec::new() };
    walk.node(ty, &mut value, &Trail::Root, None)?;
    let issues = |lines: Vec<String>| {
        let unknown = walk.unknown.iter().map(|path| format!("unknown field {path:?}"));
        let duplicates = duplicates.iter().map(|path| format!("duplicate field {path:?}"));
        lines.into_iter().chain(unknown).chain(duplicates).take(MAX_ISSUES).collect::<Vec<_>>()
    };
    let warnings = match validation {
        Validation::Ignore => Vec::new(),
        Validation::Warn => issues(duplicate_lines),
        Validation::Strict => match issues(yaml_error(&duplicate_lines)) {
            none if none.is_empty() => none,
            some => return Err(Error::Strict(some)),
        },
    };
    Ok(Decoded { value, warnings })
}

/// Strictness reports the lines of YAML as one error.
fn yaml_error(lines: &[String]) -> Vec<String> {
    if lines.is_empty() { Vec::new() } else { vec![yaml::strict_error(lines)] }
}

struct Walk {
    /// Paths of members the schema does not know.
    unknown: Vec<String>,
}

impl Walk {
    /// Makes a value canonical. `owner` is the struct whose member it is or stands in.
    fn node(
        &mut self,
        ty: Type<'_>,
        value: &mut Value,
        trail: &Trail<'_>,
        owner: Option<Type<'_>>,
    ) -> Result<(), Error> {
        if value.is_null() {
            *value = canon::zero(ty);
            return Ok(());
        }
        let item = ty.item();
        match (ty.node(), &mut *value) {
            (Node::Scalar(kind), value) => scalar::canonical(kind, value).map_err(|refusal| {
                Error::Type(match refusal {
                    Refusal::Words(words) => words.into(),
                    Refusal::Type(found) => words::mismatch(&found, ty, owner, trail).into(),
                })
            }),
            (Node::Struct(row), Value::Object(map)) => self.structure(ty, row.open, map, trail),
            (Node::List { .. }, Value::Array(items)) => {
                let Some(item) = item else { return Ok(()) };
                items.iter_mut().enumerate().try_for_each(|(n, v)| self.node(item, v, &Trail::Index(trail, n), owner))
            }
            (Node::Map { .. }, Value::Object(map)) => {
                let Some(item) = item else { return Ok(()) };
                map.iter_mut().try_for_each(|(key, v)| self.node(item, v, &Trail::Key(trail, key), owner))
            }
            (_, other) => Err(Error::Type(words::mismatch(other.type_name(), ty, owner, trail).into())),
        }
    }

    fn structure(&mut self, ty: Type<'_>, open: bool, map: &mut Map, trail: &Trail<'_>) -> Result<(), Error> {
        let mut done = Ok(());
        map.retain(|name, value| {
            if done.is_err() {
                return true;
            }
            let here = Trail::Field(trail, name);
            let Some(field) = ty.field(name) else {
                if !open {
                    note(&mut self.unknown, &here);
                }
                return open;
            };
            // A null pointer is absent, not zero.
            if !(value.is_null() && (field.row.pointer || field.row.nullable)) {
                done = self.node(field.ty(), value, &here, Some(ty));
                if let (Ok(()), Some(union)) = (&done, union::of(ty, name)) {
                    done = either(union, ty, field.ty(), value);
                }
            }
            canon::is_printed(field, value)
        });
        done?;
        canon::insert_missing(ty, map);
        Ok(())
    }
}

/// Makes a member canonical that is a schema (of type `owner`) or something else; `ty` is its own type, JSON or a map of
/// it. Upstream reads such members with decoders of their own, which pass over in silence what they do not know.
fn either(union: Union, owner: Type<'_>, ty: Type<'_>, value: &mut Value) -> Result<(), Error> {
    if let (Node::Map { .. }, Value::Object(map), Some(item)) = (ty.node(), &mut *value, ty.item()) {
        return map.iter_mut().try_for_each(|(_, inner)| either(union, owner, item, inner));
    }
    let mut walk = Walk { unknown: Vec::new() };
    match (union, &mut *value) {
        (_, schema @ Value::Object(_)) => walk.node(owner, schema, &Trail::Root, None),
        (Union::Bool, Value::Bool(_)) | (_, Value::Null) => Ok(()),
        (Union::Bool, _) => Err(Error::Type("boolean or JSON schema expected".into())),
        (Union::List, Value::Array(schemas)) => {
            schemas.iter_mut().try_for_each(|schema| walk.node(owner, schema, &Trail::Root, None))
        }
        (Union::Names, Value::Array(names)) => names.iter_mut().try_for_each(|name| match name {
            Value::String(_) => Ok(()),
            Value::Null => {
                *name = "".into();
                Ok(())
            }
            other => Err(Error::Type(
                format!("json: cannot unmarshal {} into Go value of type string", other.type_name()).into(),
            )),
        }),
        (Union::List | Union::Names, other) => {
            *other = Value::Null;
            Ok(())
        }
    }
}
