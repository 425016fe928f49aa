//! Whether a configuration fits its type, in the words of upstream's `structured-merge-diff`.

use std::{collections::BTreeSet, fmt};

use crate::{
    Map, Value,
    fields::{Element, Path, shape::name_item},
    patch::go_words,
    schema::{ListKind, Node, Scalar, Type},
    trail::{MAX_PATHS, MAX_TEXT},
};

/// What is wrong with a configuration.
#[derive(Debug, Default)]
pub(super) struct Errors(Vec<String>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0[..] {
            [only] => f.write_str(only),
            many => write!(f, "errors:\n  {}", many.join("\n  ")),
        }
    }
}

/// Checks types, undeclared members, and the names of list elements.
pub(super) fn check(ty: Type<'_>, value: &Value) -> Result<(), Errors> {
    let mut walk = Walk { path: Vec::new(), errors: Errors::default() };
    walk.value(ty, value);
    if walk.errors.0.is_empty() { Ok(()) } else { Err(walk.errors) }
}

struct Walk {
    path: Vec<Element>,
    errors: Errors,
}

impl Walk {
    /// Past the bounds of a message errors are no longer told apart.
    fn error(&mut self, why: impl fmt::Display) {
        let Errors(told) = &self.errors;
        if told.len() >= MAX_PATHS || told.iter().map(String::len).sum::<usize>() >= MAX_TEXT {
            return;
        }
        let text = if self.path.is_empty() { why.to_string() } else { format!("{}: {why}", Path(&self.path)) };
        self.errors.0.push(text);
    }

    fn value(&mut self, ty: Type<'_>, value: &Value) {
        if value.is_null() {
            return;
        }
        match (ty.node(), value) {
            (Node::Scalar(scalar), value) => self.scalar(scalar, value),
            (Node::Struct(row), Value::Object(map)) => self.members(ty, row.open, map),
            (Node::Map { .. }, Value::Object(map)) => {
                let Some(inner) = ty.item() else { return };
                for (name, value) in map.iter() {
                    self.inside(Element::field(name), |walk| walk.value(inner, value));
                }
            }
            (Node::List { kind, .. }, Value::Array(items)) => self.items(ty, kind, items),
            (Node::Struct(_) | Node::Map { .. }, other) => {
                self.error(format!("expected map, got &{{{}}}", go_words(other)))
            }
            (Node::List { .. }, other) => self.error(format!("expected list, got &{{{}}}", go_words(other))),
        }
    }

    fn inside(&mut self, element: Element, visit: impl FnOnce(&mut Self)) {
        self.path.push(element);
        visit(self);
        self.path.pop();
    }

    fn members(&mut self, ty: Type<'_>, open: bool, map: &Map) {
        for (name, value) in map.iter() {
            match ty.field(name) {
                Some(field) => self.inside(Element::field(name), |walk| walk.value(field.ty(), value)),
                None if open => {}
                None => return self.inside(Element::field(name), |walk| walk.error("field not declared in schema")),
            }
        }
    }

    fn items(&mut self, list: Type<'_>, kind: ListKind, items: &[Value]) {
        let Some(inner) = list.item() else { return };
        let mut seen = BTreeSet::new();
        for (i, item) in items.iter().enumerate() {
            let name = if kind == ListKind::Atomic {
                Element::Index(i64::try_from(i).unwrap_or(i64::MAX))
            } else {
                match name_item(list, item) {
                    Ok(name) => name,
                    Err(why) => return self.error(format!("element {i}: {why}")),
                }
            };
            if kind != ListKind::Atomic && !seen.insert(name.clone()) {
                self.error(format!("duplicate entries for key {name}"));
            }
            self.inside(name, |walk| walk.value(inner, item));
        }
    }

    fn scalar(&mut self, scalar: Scalar, value: &Value) {
        let is_scalar = !matches!(value, Value::Array(_) | Value::Object(_));
        match scalar {
            Scalar::Bool if value.as_bool().is_none() => {
                self.error(format!("expected boolean, got &{{{}}}", go_words(value)));
            }
            Scalar::Int32 | Scalar::Int64 | Scalar::Double if value.as_f64().is_none() => {
                self.error(format!("expected numeric (int or float), got {}", go_type(value)));
            }
            Scalar::String | Scalar::Bytes if value.as_str().is_none() => {
                self.error(format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_words(value)));
            }
            Scalar::Quantity | Scalar::Time | Scalar::MicroTime | Scalar::Duration | Scalar::IntOrString
                if !is_scalar =>
            {
                self.error(format!("expected any scalar, got &{{{}}}", go_words(value)));
            }
            Scalar::RawExtension if !matches!(value, Value::Object(_)) => {
                self.error(format!("expected map, got &{{{}}}", go_words(value)));
            }
            _ => {}
        }
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int64",
        Value::Float(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}
