//! `components/schemas`: the types a document speaks of.

use std::collections::BTreeMap;

use knarr_api::{
    Map, Value,
    schema::{Field, ListKind, Node, Print, Scalar, Schema, Strategy, Type},
    value,
};
use knarr_catalog::Docs;

/// Types are collected as they are named, each once.
pub(super) struct Components<'d> {
    schemas: BTreeMap<String, Value>,
    docs: &'d Docs,
}

/// Types of `apimachinery` and kin that are leaves here and have a name in OpenAPI.
const TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Time";
const MICRO_TIME: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime";
const DURATION: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Duration";
const FIELDS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const RAW: &str = "io.k8s.apimachinery.pkg.runtime.RawExtension";
const JSON: &str = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON";

/// A reference to a component.
pub(super) fn reference(name: &str) -> Value {
    value!({ "$ref": (format!("#/components/schemas/{name}")) })
}

impl<'d> Components<'d> {
    /// No components yet; `docs` describes those to come.
    pub(super) fn new(docs: &'d Docs) -> Self {
        Self { schemas: BTreeMap::new(), docs }
    }

    /// The components in order of name.
    pub(super) fn finish(self) -> Value {
        Value::Object(self.schemas.into_iter().collect())
    }

    /// Adds a kind with its list, and answers their references.
    pub(super) fn kind(&mut self, schema: &Schema, group: &str, version: &str, kind: &str) -> (Value, Value) {
        let ty = schema.ty();
        let name = match ty.name() {
            "" => custom_name(group, version, kind),
            name => name.to_owned(),
        };
        self.root(ty, &name, group, version, kind);
        let list = format!("{name}List");
        if !self.schemas.contains_key(&list) {
            let meta = self.named("io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta");
            let document = value!({
                "type": "object",
                "required": ["items"],
                "properties": {
                    "apiVersion": { "type": "string" },
                    "items": { "type": "array", "items": (with_default(reference(&name), true)) },
                    "kind": { "type": "string" },
                    "metadata": (with_default(meta, true)),
                },
                "x-kubernetes-group-version-kind": [(gvk(group, version, &format!("{kind}List")))],
            });
            self.schemas.insert(list.clone(), document);
        }
        (reference(&name), reference(&list))
    }

    /// Adds a kind without list (the document of a subresource) and answers its reference.
    pub(super) fn document(&mut self, schema: &Schema, group: &str, version: &str, kind: &str) -> Value {
        let name = schema.ty().name().to_owned();
        self.root(schema.ty(), &name, group, version, kind);
        reference(&name)
    }

    /// A built-in type by its full name. What the tables do not have (`Patch`) is some object.
    pub(super) fn named(&mut self, name: &str) -> Value {
        match knarr_catalog::type_named(name) {
            Some(id) => self.add(knarr_catalog::TABLES.ty(id), name),
            None => drop(self.schemas.entry(name.to_owned()).or_insert_with(|| value!({ "type": "object" }))),
        }
        reference(name)
    }

    fn root(&mut self, ty: Type<'_>, name: &str, group: &str, version: &str, kind: &str) {
        self.add(ty, name);
        let Some(Value::Object(schema)) = self.schemas.get_mut(name) else { return };
        let kinds = schema.entry("x-kubernetes-group-version-kind");
        let this = gvk(group, version, kind);
        match kinds {
            Value::Array(all) if !all.contains(&this) => all.push(this),
            Value::Array(_) => {}
            other => *other = Value::Array(vec![this]),
        }
    }

    fn add(&mut self, ty: Type<'_>, name: &str) {
        if self.schemas.contains_key(name) {
            return;
        }
        // Types name each other in circles: the place is taken before the members are looked at.
        self.schemas.insert(name.to_owned(), Value::Null);
        let schema = self.object(ty);
        self.schemas.insert(name.to_owned(), schema);
    }

    fn object(&mut self, ty: Type<'_>) -> Value {
        let (mut properties, mut required) = (Map::new(), Vec::new());
        ty.each_field(&mut |field: Field<'_>| {
            let text = self.docs.of_field(ty.name(), field.name());
            properties.insert(field.name(), described(self.property(field), text));
            if field.row.required {
                required.push(field.name().to_owned());
            }
        });
        let mut schema = described(value!({ "type": "object" }), self.docs.of_type(ty.name()));
        if !properties.is_empty() {
            schema.set(&["properties"], properties);
        }
        required.sort();
        if !required.is_empty() {
            schema.set(&["required"], required);
        }
        let row = ty.as_struct();
        if row.is_some_and(|r| r.atomic) {
            schema.set(&["x-kubernetes-map-type"], "atomic");
        }
        if row.is_some_and(|r| r.open) {
            schema.set(&["x-kubernetes-preserve-unknown-fields"], true);
        }
        schema
    }

    fn property(&mut self, field: Field<'_>) -> Value {
        let mut schema = self.ty(field.ty());
        let by_value = !field.row.pointer && field.row.print != Print::OmitZero;
        if schema.get("$ref").is_some() {
            schema = with_default(schema, field.ty().as_struct().is_some() && by_value);
        }
        if let Some(default) = field.default().and_then(literal) {
            schema = annotate(schema);
            schema.set(&["default"], default);
        } else if field.row.required
            && by_value
            && let Some(zero) = zero(field.ty())
        {
            schema.set(&["default"], zero);
        }
        let enums: Vec<&str> = field.enums().collect();
        if !enums.is_empty() {
            schema.set(&["enum"], enums);
        }
        if !field.format().is_empty() {
            schema.set(&["format"], field.format());
        }
        if field.row.nullable {
            schema.set(&["nullable"], true);
        }
        let strategy = match field.row.strategy {
            Strategy::Default => "",
            Strategy::Merge => "merge",
            Strategy::Replace => "replace",
            Strategy::RetainKeys => "retainKeys",
            Strategy::MergeRetainKeys => "merge,retainKeys",
        };
        if !strategy.is_empty() {
            schema = annotate(schema);
            schema.set(&["x-kubernetes-patch-strategy"], strategy);
        }
        if let Some(key) = field.merge_key() {
            schema.set(&["x-kubernetes-patch-merge-key"], key);
        }
        schema
    }

    fn ty(&mut self, ty: Type<'_>) -> Value {
        match ty.node() {
            Node::Scalar(scalar) => self.scalar(scalar),
            Node::Struct(_) if ty.name().is_empty() => self.object(ty),
            Node::Struct(_) => {
                self.add(ty, ty.name());
                reference(ty.name())
            }
            Node::Map { atomic, .. } => {
                let value = self.item(ty);
                let mut schema = value!({ "type": "object", "additionalProperties": value });
                if atomic {
                    schema.set(&["x-kubernetes-map-type"], "atomic");
                }
                schema
            }
            Node::List { kind, .. } => {
                let items = self.item(ty);
                let mut schema = value!({ "type": "array", "items": items });
                schema.set(
                    &["x-kubernetes-list-type"],
                    match kind {
                        ListKind::Atomic => "atomic",
                        ListKind::Set => "set",
                        ListKind::Map => "map",
                    },
                );
                if kind == ListKind::Map {
                    schema.set(&["x-kubernetes-list-map-keys"], ty.list_keys().collect::<Vec<_>>());
                }
                schema
            }
        }
    }

    /// Elements have the default of their type, as upstream's generator gives them.
    fn item(&mut self, ty: Type<'_>) -> Value {
        let Some(item) = ty.item() else { return Value::object() };
        let mut schema = self.ty(item);
        if schema.get("$ref").is_some() {
            return with_default(schema, item.as_struct().is_some());
        }
        if let Some(zero) = zero(item) {
            schema.set(&["default"], zero);
        }
        schema
    }

    fn scalar(&mut self, scalar: Scalar) -> Value {
        let text = |format: &str| value!({ "type": "string", "format": format });
        let (name, schema) = match scalar {
            Scalar::Bool => return value!({ "type": "boolean" }),
            Scalar::Int32 => return value!({ "type": "integer", "format": "int32" }),
            Scalar::Int64 => return value!({ "type": "integer", "format": "int64" }),
            Scalar::Double => return value!({ "type": "number", "format": "double" }),
            Scalar::String => return value!({ "type": "string" }),
            Scalar::Bytes => return text("byte"),
            Scalar::Time => (TIME, text("date-time")),
            Scalar::MicroTime => (MICRO_TIME, text("date-time")),
            Scalar::Duration => (DURATION, value!({ "type": "string" })),
            Scalar::Quantity => (QUANTITY, value!({ "oneOf": [{ "type": "string" }, { "type": "number" }] })),
            Scalar::IntOrString => (
                INT_OR_STRING,
                value!({ "format": "int-or-string", "oneOf": [{ "type": "integer" }, { "type": "string" }] }),
            ),
            Scalar::RawExtension => (RAW, value!({ "type": "object" })),
            Scalar::FieldsV1 => (FIELDS, value!({ "type": "object" })),
            Scalar::Json => (JSON, Value::object()),
        };
        self.schemas.entry(name.to_owned()).or_insert(schema);
        reference(name)
    }
}

/// `{ group, version, kind }`
pub(super) fn gvk(group: &str, version: &str, kind: &str) -> Value {
    value!({ "group": group, "kind": kind, "version": version })
}

/// A reference that carries a default, if it should: siblings of `$ref` are ignored, so it moves into `allOf`.
fn with_default(schema: Value, by_value: bool) -> Value {
    if !by_value {
        return schema;
    }
    let mut schema = annotate(schema);
    schema.set(&["default"], Value::object());
    schema
}

/// With a description, if there is one.
fn described(schema: Value, text: &str) -> Value {
    if text.is_empty() {
        return schema;
    }
    let mut schema = annotate(schema);
    schema.set(&["description"], text);
    schema
}

/// Makes room for keywords beside a reference.
fn annotate(schema: Value) -> Value {
    match schema.get("$ref") {
        Some(_) => value!({ "allOf": (Value::Array(vec![schema])) }),
        None => schema,
    }
}

/// The zero value upstream names as the default of members that are never absent.
fn zero(ty: Type<'_>) -> Option<Value> {
    match ty.as_scalar()? {
        Scalar::Bool => Some(Value::Bool(false)),
        Scalar::Int32 | Scalar::Int64 | Scalar::Double => Some(Value::Int(0)),
        Scalar::String => Some(Value::from("")),
        _ => None,
    }
}

fn literal(text: &str) -> Option<Value> {
    serde_json::from_str::<Value>(text).ok()
}

/// `io.example.v1.Widget` for `Widget` of `example.io/v1`.
fn custom_name(group: &str, version: &str, kind: &str) -> String {
    let mut parts: Vec<&str> = group.split('.').collect();
    parts.reverse();
    format!("{}.{version}.{kind}", parts.join("."))
}
