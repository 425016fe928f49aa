//! What the facts of a type alone say about an object: members that must be there, values that are not among the
//! allowed ones, members that may not change.
//!
//! This is the floor below the hand-written validation of built-in kinds, so it refuses only what upstream refuses for
//! all of them. "Required" in OpenAPI means no more than "always printed" for numbers, lists and structs, therefore only
//! texts count; `status` is written by controllers and upstream hardly looks at it, therefore it is left out. Numbers
//! out of range and malformed times never get this far: decoding refuses them.

use crate::{
    Map, Value,
    field::{Error, Errors, Path},
    schema::{Field, Node, Scalar, Type},
};

/// Checks an object against the facts of its type.
pub fn shape(ty: Type<'_>, object: &Value) -> Errors {
    let mut walk = Walk::default();
    if let Value::Object(map) = object {
        walk.members(ty, map, true);
    }
    walk.errors
}

/// Checks that no immutable member differs between `old` and `new`.
pub fn shape_update(ty: Type<'_>, old: &Value, new: &Value) -> Errors {
    let mut walk = Walk::default();
    walk.unchanged(ty, old, new);
    walk.errors
}

/// A step of the path to where the walk is; the path is only spelled out for errors.
enum Step<'a> {
    Name(&'a str),
    Key(&'a str),
    Index(usize),
}

#[derive(Default)]
struct Walk<'a> {
    path: Vec<Step<'a>>,
    errors: Errors,
}

impl<'a> Walk<'a> {
    fn here(&self) -> Path {
        self.path.iter().fold(Path::root(), |path, step| match step {
            Step::Name(name) => path.child(name),
            Step::Key(key) => path.key(key),
            Step::Index(at) => path.index(*at),
        })
    }

    fn inside(&mut self, step: Step<'a>, visit: impl FnOnce(&mut Self)) {
        self.path.push(step);
        visit(self);
        self.path.pop();
    }

    fn members(&mut self, ty: Type<'a>, map: &'a Map, root: bool) {
        ty.each_field(&mut |field| {
            if !(root && field.name() == "status") {
                self.inside(Step::Name(field.name()), |walk| walk.member(field, map.get(field.name())));
            }
        });
    }

    fn member(&mut self, field: Field<'a>, value: Option<&'a Value>) {
        if let Node::Scalar(scalar) = field.ty().node() {
            let text = value.and_then(Value::as_str).unwrap_or_default();
            if text.is_empty() && scalar == Scalar::String && field.row.required && !field.row.pointer {
                self.errors.push(Error::required(&self.here(), ""));
            } else if !text.is_empty() && field.enums().len() > 0 && !field.enums().any(|allowed| allowed == text) {
                self.errors.push(Error::not_supported(&self.here(), text, field.enums()));
            }
        } else if let Some(value) = value {
            self.value(field.ty(), value);
        }
    }

    fn value(&mut self, ty: Type<'a>, value: &'a Value) {
        match (ty.node(), value) {
            (Node::Struct(_), Value::Object(map)) => self.members(ty, map, false),
            (Node::List { .. }, Value::Array(items)) => {
                for (at, item) in items.iter().enumerate() {
                    self.inside(Step::Index(at), |walk| ty.item().into_iter().for_each(|ty| walk.value(ty, item)));
                }
            }
            (Node::Map { .. }, Value::Object(map)) => {
                for (key, item) in map.iter() {
                    self.inside(Step::Key(key), |walk| ty.item().into_iter().for_each(|ty| walk.value(ty, item)));
                }
            }
            _ => {}
        }
    }

    fn unchanged(&mut self, ty: Type<'a>, old: &'a Value, new: &'a Value) {
        ty.each_field(&mut |field| {
            let (old, new) = (old.get(field.name()), new.get(field.name()));
            let [o, n] = [old, new].map(|v| v.unwrap_or(&Value::Null));
            if o == n {
                return;
            }
            self.inside(Step::Name(field.name()), |walk| {
                if field.row.immutable {
                    walk.errors.push(Error::invalid(&walk.here(), n.clone(), "field is immutable"));
                } else if matches!(field.ty().node(), Node::Struct(_)) {
                    walk.unchanged(field.ty(), o, n);
                }
            });
        });
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::{
        schema::{Schema, text},
        value,
    };

    fn thing() -> Schema {
        let file = r#"
package io.example.v1
version v1

struct Thing kind
  name    1 string      required
  mode    2 string      omitempty enum(Fast,Slow)
  count   3 int32       required
  items   4 []Item      required
  parts   5 {}Item      omitempty
  fixed   6 string      omitempty immutable
  inner   7 Item        omitempty
  status  8 Item        omitempty

struct Item
  key     1 string      required
  fixed   2 *int32      omitempty immutable
"#;
        text::parse(&[("thing", file)]).unwrap().schema("io.example.v1.Thing").unwrap()
    }

    #[track_caller]
    fn check(errors: Errors, expected: Expect) {
        expected.assert_eq(&errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn required_texts_and_allowed_values() {
        let schema = thing();
        check(
            shape(
                schema.ty(),
                &value!({"mode": "Medium", "items": [{"key": "a"}, {}], "parts": {"p": {"key": ""}}, "inner": {"key": "k"},
                    "status": {}}),
            ),
            expect![[r#"
                name: Required value
                mode: Unsupported value: "Medium": supported values: "Fast", "Slow"
                items[1].key: Required value
                parts[p].key: Required value"#]],
        );
        check(shape(schema.ty(), &value!({"name": "n", "mode": "Fast"})), expect![""]);
    }

    #[test]
    fn immutable_members() {
        let schema = thing();
        let old = value!({"name": "n", "fixed": "a", "inner": {"key": "k", "fixed": 1i64}});
        let new = value!({"name": "m", "fixed": "b", "inner": {"key": "k"}});
        check(
            shape_update(schema.ty(), &old, &new),
            expect![[r#"
                fixed: Invalid value: "b": field is immutable
                inner.fixed: Invalid value: null: field is immutable"#]],
        );
        check(shape_update(schema.ty(), &old, &old), expect![""]);
    }
}
