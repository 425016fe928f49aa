//! Schemas and trees for the tests of the codecs.

use proptest::prelude::*;

use crate::{
    Map, Str, Value,
    schema::{
        Node, Scalar, Schema, Type,
        text::{Parsed, parse},
    },
};

/// Every scalar kind and shape once.
const EVERYTHING: &str = r#"
package io.example.test.v1
version v1

struct TypeMeta
  kind        - string omitempty
  apiVersion  - string omitempty

struct Meta
  name              1 string      omitempty
  creationTimestamp 8 time        omitzero
  deletionTimestamp 9 *time       omitempty
  labels           11 {}string    omitempty

struct Everything kind
  TypeMeta  - TypeMeta        inline
  metadata  1 Meta            omitempty
  spec      2 Spec            omitempty
  status    3 Inner           omitzero

struct Shared
  image 1 string omitempty
  pull  2 *bool  omitempty

struct Spec
  Shared   1 Shared          inline
  flag     2 bool            omitempty
  count    3 *int32          omitempty default=1
  big      4 int64           omitempty
  ratio    5 double          omitempty
  name     6 string          default="unnamed"
  raw      7 bytes           omitempty
  amount   8 quantity        omitempty
  when     9 time            omitempty
  moment  10 microTime       omitempty
  span    11 *duration       omitempty
  port    12 intOrString     omitempty
  ext     13 rawExtension    omitempty
  any     14 *json           omitempty
  fields  15 *fieldsV1       omitempty
  list    16 []Inner
  words   17 [set]string     omitempty
  numbers 18 []int64         omitempty
  data    19 {}bytes         omitempty
  limits  20 {}quantity      omitempty
  extra   21 {}wrapped[]string omitempty
  nested  22 *Spec           omitempty
  always  23 bool
  map     24 {}Inner         omitempty

struct Inner
  key   1 string     required
  value 2 string     omitempty default="v"
  port  3 *intOrString omitempty

struct Pod kind
  TypeMeta  - TypeMeta    inline
  metadata  1 Meta        omitempty
  spec      2 PodSpec     omitempty

struct PodSpec
  containers 2 [by:name]Container merge(name)

struct Container
  name  1 string
  image 2 string omitempty

struct JSONSchemaProps
  type                  5 string           omitempty
  maximum               9 *double          omitempty
  items                24 *json            omitempty
  properties           29 {}JSONSchemaProps omitempty
  additionalProperties 30 *json            omitempty
  dependencies         32 {}json           omitempty
  additionalItems      33 *json            omitempty

struct Open open
  known 1 *string omitempty nullable
"#;

fn tables() -> Parsed {
    parse(&[("test.schema", EVERYTHING)]).expect("the test schema is well-formed")
}

/// The type of this short name.
pub(crate) fn schema(name: &str) -> Schema {
    tables().schema(&format!("io.example.test.v1.{name}")).expect("the test schema declares it")
}

/// Keys that occur in the test schema, and some that do not.
fn key() -> impl Strategy<Value = Str> {
    prop_oneof![
        prop::sample::select(vec![
            "spec", "metadata", "name", "labels", "flag", "count", "big", "ratio", "raw", "amount", "when", "moment",
            "span", "port", "ext", "any", "list", "words", "numbers", "data", "limits", "extra", "nested", "key",
            "value", "map", "image", "pull", "kind", "status",
        ])
        .prop_map(Str::from),
        "\\PC{0,6}".prop_map(Str::from),
    ]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-5i64..5).prop_map(Value::Int),
        // Integral doubles print as integers and would be read as such.
        any::<f64>().prop_filter("fraction", |n| n.is_finite() && n.fract() != 0.0).prop_map(Value::Float),
        "\\PC{0,30}".prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "1Gi",
            "1500m",
            "2024-01-01T00:00:00Z",
            "2024-01-01T00:00:00.000001Z",
            "90s",
            "AQ=="
        ])
        .prop_map(Value::from),
    ]
}

/// Any tree.
pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((key(), inner), 0..8).prop_map(|e| Value::Object(Map::from_iter(e))),
        ]
    })
}

/// Trees that fit a type, in any spelling.
pub(crate) fn fitting(name: &str) -> BoxedStrategy<Value> {
    let schema = schema(name);
    members(schema.ty(), 2)
}

fn fit(ty: Type<'_>, depth: usize) -> BoxedStrategy<Value> {
    let item = || fit(ty.item().expect("lists and maps have items"), depth);
    match ty.node() {
        Node::Struct(_) => members(ty, depth),
        Node::List { .. } => prop::collection::vec(item(), 0..3).prop_map(Value::Array).boxed(),
        Node::Map { .. } => prop::collection::vec(("[a-c]{1,2}", item()), 0..3)
            .prop_map(|entries| Value::Object(Map::from_iter(entries)))
            .boxed(),
        Node::Scalar(scalar) => one(scalar),
    }
}

fn members(ty: Type<'_>, depth: usize) -> BoxedStrategy<Value> {
    let mut all: Vec<BoxedStrategy<Option<(Str, Value)>>> = Vec::new();
    ty.each_field(&mut |field| {
        if depth == 0 && field.ty().as_struct().is_some() {
            return;
        }
        let name = Str::from(field.name());
        let one = prop::option::of(fit(field.ty(), depth.saturating_sub(1)).prop_map(move |v| (name.clone(), v)));
        all.push(one.boxed());
    });
    all.prop_map(|members| Value::Object(members.into_iter().flatten().collect())).boxed()
}

fn one(scalar: Scalar) -> BoxedStrategy<Value> {
    let text = |samples: &'static [&'static str]| prop::sample::select(samples).prop_map(Value::from).boxed();
    match scalar {
        Scalar::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Scalar::Int32 => any::<i32>().prop_map(Value::from).boxed(),
        Scalar::Int64 => any::<i64>().prop_map(Value::Int).boxed(),
        Scalar::Double => prop_oneof![any::<i64>().prop_map(|n| n as f64), any::<f64>()]
            .prop_filter("finite", |n| n.is_finite())
            .prop_map(Value::Float)
            .boxed(),
        Scalar::String => "\\PC{0,200}".prop_map(Value::from).boxed(),
        Scalar::Bytes => text(&["", "AQ==", "AAECAwQF"]),
        Scalar::Quantity => text(&["0", "1", "1500m", "0.5", "1Gi", "1.500", "1e3", "12345678901Ki"]),
        Scalar::Time => text(&["2024-01-01T01:00:00Z", "1901-01-01T01:00:00.5+02:00", "0001-01-01T00:00:00Z"]),
        Scalar::MicroTime => text(&["2024-01-01T01:00:00.000001Z", "1901-01-01T01:00:00.500000+02:00"]),
        Scalar::Duration => text(&["0s", "90m", "-1.5h", "17ns"]),
        Scalar::IntOrString => {
            prop_oneof![any::<i32>().prop_map(Value::from), "[a-z%0-9]{0,9}".prop_map(Value::from)].boxed()
        }
        Scalar::RawExtension | Scalar::Json | Scalar::FieldsV1 => any_value().boxed(),
    }
}

/// A tree without what protobuf cannot tell apart: an empty list or map is none.
pub(crate) fn without_empty(ty: Type<'_>, value: &Value) -> Value {
    match (ty.node(), value) {
        (Node::List { .. }, Value::Array(items)) if items.is_empty() => Value::Null,
        (Node::Map { .. }, Value::Object(map)) if map.is_empty() => Value::Null,
        (Node::List { .. }, Value::Array(items)) => {
            let item = ty.item().expect("lists have items");
            Value::Array(items.iter().map(|v| without_empty(item, v)).collect())
        }
        (Node::Map { .. }, Value::Object(map)) => {
            let item = ty.item().expect("maps have items");
            Value::Object(map.iter().map(|(k, v)| (k, without_empty(item, v))).collect())
        }
        (Node::Struct(_), Value::Object(map)) => Value::Object(
            map.iter().map(|(k, v)| (k, ty.field(k).map_or(v.clone(), |f| without_empty(f.ty(), v)))).collect(),
        ),
        _ => value.clone(),
    }
}
