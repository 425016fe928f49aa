//! Which objects of a collection a list or watch wants.

use std::fmt;

use knarr_api::{
    Object, Status, Str, Value,
    schema::{Scalar, Schema},
    selector::{FieldRequirement, Fields, Labels},
};
use knarr_client::Options;
use knarr_store::Scope;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::entry::Entry;

/// Parsed selectors.
pub(super) struct Selection {
    labels: Labels,
    terms: Vec<Term>,
}

struct Term {
    field: Field,
    equal: bool,
    value: Str,
}

enum Field {
    Name,
    Namespace,
    /// A path into the stored body, and what an absent value is there.
    Path(Vec<Str>, &'static str),
}

impl Selection {
    pub(super) fn parse(entry: &Entry, options: &Options) -> Result<Self, Status> {
        let labels = Labels::parse(&options.label_selector).map_err(|e| Status::bad_request(e.to_string()))?;
        let fields = Fields::parse(&options.field_selector).map_err(|e| Status::bad_request(e.to_string()))?;
        let term =
            |r: &FieldRequirement| Ok(Term { field: field(entry, &r.field)?, equal: r.equal, value: r.value.clone() });
        let terms = fields.requirements().iter().map(term).collect::<Result<_, Status>>()?;
        Ok(Self { labels, terms })
    }

    pub(super) fn is_all(&self) -> bool {
        self.labels.is_everything() && self.terms.is_empty()
    }

    pub(super) fn matches(&self, object: &Object) -> bool {
        self.labels.matches(&object.meta().labels) && self.terms.iter().all(|term| term.matches(object))
    }

    /// The name a selector asks for: such a list reads one object.
    pub(super) fn name(&self) -> Option<&str> {
        self.terms.iter().find(|t| t.equal && matches!(t.field, Field::Name)).map(|t| t.value.as_str())
    }

    /// The narrowest part of a collection that holds all of the selection.
    pub(super) fn scope(&self, entry: &Entry, namespace: &str, name: &str) -> Scope {
        let some = |text: &str| (!text.is_empty()).then(|| Box::from(text));
        let on_node = |t: &&Term| {
            t.equal
                && matches!(&t.field, Field::Path(path, _) if path.len() == 2 && path[0] == "spec" && path[1] == "nodeName")
        };
        let node = self.terms.iter().find(on_node).map(|t| t.value.as_str());
        Scope {
            namespace: some(namespace),
            name: some(name).or_else(|| self.name().and_then(some)),
            node: node.filter(|_| entry.is("", "pods")).and_then(some),
        }
    }
}

fn field(entry: &Entry, label: &str) -> Result<Field, Status> {
    match label {
        "metadata.name" => return Ok(Field::Name),
        "metadata.namespace" => return Ok(Field::Namespace),
        _ => {}
    }
    let selectable = &entry.resource.selectable;
    if let Some((_, path)) = selectable.iter().find(|(l, _)| l == label) {
        let path: Vec<Str> = path.split('.').map(Str::from).collect();
        let absent = absent(&entry.storage_face().schema, &path);
        return Ok(Field::Path(path, absent));
    }
    Err(Status::bad_request(if selectable.is_empty() {
        format!("{label:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    } else {
        format!("field label not supported: {label}")
    }))
}

/// How Go prints the zero of the type at a path.
fn absent(schema: &Schema, path: &[Str]) -> &'static str {
    let mut ty = schema.ty();
    for key in path {
        match ty.field(key) {
            Some(field) => ty = field.ty(),
            None => return "",
        }
    }
    match ty.as_scalar() {
        Some(Scalar::Bool) => "false",
        Some(Scalar::Int32 | Scalar::Int64 | Scalar::Double) => "0",
        _ => "",
    }
}

impl Term {
    fn matches(&self, object: &Object) -> bool {
        let is = match &self.field {
            Field::Name => object.name() == self.value,
            Field::Namespace => object.namespace() == self.value,
            Field::Path(path, absent) => match pick(object.json(), path) {
                None | Some(Value::Null) => *absent == self.value,
                Some(Value::String(text)) => text == self.value,
                Some(Value::Bool(b)) => self.value == if b { "true" } else { "false" },
                Some(Value::Int(n)) => self.value.parse() == Ok(n),
                Some(_) => false,
            },
        };
        is == self.equal
    }
}

/// The value at a path of a JSON body; everything beside the path is skipped, nothing is built.
fn pick(json: &[u8], path: &[Str]) -> Option<Value> {
    Pick(path).deserialize(&mut serde_json::Deserializer::from_slice(json)).ok()?
}

struct Pick<'p>(&'p [Str]);

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        if self.0.is_empty() {
            return serde::Deserialize::deserialize(input).map(Some);
        }
        input.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let (key, rest) = self.0.split_first().expect("an empty path is no map");
        let mut found = None;
        while let Some(name) = entries.next_key::<std::borrow::Cow<'de, str>>()? {
            if *name == **key {
                found = entries.next_value_seed(Pick(rest))?;
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_without_building() {
        let json = br#"{"a":[{"b":1}],"spec":{"x":{},"nodeName":"n","y":2},"z":null}"#;
        let at = |path: &[&str]| pick(json, &path.iter().map(|p| Str::from(*p)).collect::<Vec<_>>());
        assert_eq!(at(&["spec", "nodeName"]), Some(Value::from("n")));
        assert_eq!(at(&["spec", "y"]), Some(Value::Int(2)));
        assert_eq!(at(&["spec", "w"]), None);
        assert_eq!(at(&["z", "w"]), None);
    }
}
