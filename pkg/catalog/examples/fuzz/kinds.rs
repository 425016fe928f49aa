//! Which type an input is of: what its `kind` says, or a Pod.

use std::sync::OnceLock;

use knarr_api::{
    Value,
    schema::{Schema, text},
};
use knarr_catalog::{Resource, resources};
use knarr_fuzz::Random;

use crate::grow;

/// Every scalar kind and shape, a type within itself included.
const THING: &str = "package io.example.v1
version v1
struct TypeMeta
  kind - string omitempty
struct Meta
  name 1 string omitempty
  labels 2 {}string omitempty
  when 8 time omitzero
struct Thing kind
  TypeMeta - TypeMeta inline
  metadata 1 Meta omitempty
  spec 2 Spec omitempty
struct Inner
  key 1 string
  value 2 string omitempty
struct Spec
  Inner 1 Inner inline
  flag 2 bool omitempty
  count 3 *int32 omitempty default=1
  big 4 int64 omitempty
  ratio 5 double omitempty
  amount 6 quantity omitempty
  moment 7 microTime omitempty
  span 8 *duration omitempty
  port 9 intOrString omitempty
  raw 10 bytes omitempty
  ext 11 rawExtension omitempty
  any 12 *json omitempty
  list 13 []Inner
  words 14 [set]string omitempty
  numbers 15 []int64 omitempty
  limits 16 {}quantity omitempty
  extra 17 {}wrapped[]string omitempty
  nested 18 *Spec omitempty
";

/// All types: the made-up one first, then each face of each resource.
pub(crate) fn schemas() -> &'static [(String, String, Schema)] {
    static ALL: OnceLock<Vec<(String, String, Schema)>> = OnceLock::new();
    ALL.get_or_init(|| {
        let parsed = text::parse(&[("fuzz", THING)]).expect("the schema above is well-formed");
        let thing = parsed.schema("io.example.v1.Thing").expect("the schema above declares it");
        let mut all = vec![("v1".to_owned(), "Thing".to_owned(), thing)];
        for resource in table() {
            for face in &resource.faces {
                let version = if face.group.is_empty() {
                    face.version.to_string()
                } else {
                    format!("{}/{}", face.group, face.version)
                };
                all.push((version, resource.kind.to_string(), face.schema.clone()));
            }
        }
        all
    })
}

pub(crate) fn table() -> &'static [Resource] {
    static TABLE: OnceLock<Vec<Resource>> = OnceLock::new();
    TABLE.get_or_init(resources)
}

/// The type a document says it is of.
pub(crate) fn of(document: &Value) -> &'static Schema {
    let (version, kind) = (document.str_at(&["apiVersion"]), document.str_at(&["kind"]));
    let all = schemas();
    let found = |v: &str, k: &str| all.iter().find(|(version, kind, _)| version == v && kind == k);
    let row = found(version, kind).or_else(|| found("v1", "Pod")).unwrap_or(&all[0]);
    &row.2
}

/// The resource a document is stored as, if it says so under its storage version.
pub(crate) fn resource(document: &Value) -> Option<&'static Resource> {
    let (group, version) =
        document.str_at(&["apiVersion"]).rsplit_once('/').unwrap_or(("", document.str_at(&["apiVersion"])));
    let kind = document.str_at(&["kind"]);
    table().iter().find(|r| {
        let face = &r.faces[r.storage];
        r.kind == kind && face.group == group && face.version == version
    })
}

/// An object of some kind, one of the three everybody uses half of the time.
pub(crate) fn object(random: &mut Random) -> Value {
    let all = schemas();
    let kind = random.pick(&["Pod", "Deployment", "Service"]);
    let (version, kind, schema) = match random.one_in(2) {
        true => all.iter().find(|(_, k, _)| k == kind).unwrap_or(&all[0]),
        false => &all[random.below(all.len())],
    };
    let mut left = 8 + random.below(120);
    let mut object = grow::value(schema.ty(), random, &mut left);
    object.set(&["apiVersion"], version.as_str());
    object.set(&["kind"], kind.as_str());
    if random.one_in(2) {
        object.set(&["metadata", "name"], "a");
    }
    object
}
