//! Objects from a line of YAML, taken through the steps of a write, for tests of all topics.

use std::sync::LazyLock;

use jiff::Timestamp;
use knarr_api::{
    Value,
    decode::{self, Validation},
    default,
    field::Errors,
    json::{self, Limits},
    validate, yaml,
};

use crate::Resource;

static RESOURCES: LazyLock<Vec<Resource>> = LazyLock::new(crate::resources);

/// A built-in resource.
#[track_caller]
pub(super) fn resource(group: &str, plural: &str) -> &'static Resource {
    let found = RESOURCES.iter().find(|r| r.plural == plural && r.faces[r.storage].group == group);
    found.unwrap_or_else(|| panic!("no resource {plural} in {group:?}"))
}

/// A tree from YAML.
#[track_caller]
pub(super) fn tree(text: &str) -> Value {
    yaml::parse(text.as_bytes(), &Limits::default()).unwrap_or_else(|e| panic!("{text}: {e}")).value
}

/// A tree as JSON.
pub(super) fn text(value: &Value) -> String {
    let mut out = Vec::new();
    json::write(value, &mut out);
    String::from_utf8(out).unwrap()
}

/// Puts the members of `over` into `base`.
pub(super) fn merge(base: &mut Value, over: Value) {
    let Value::Object(map) = over else { panic!("a map of members") };
    for (key, value) in map {
        base.set(&[&key], value);
    }
}

/// Decodes an object and gives it its defaults.
#[track_caller]
pub(super) fn defaulted(resource: &Resource, object: Value) -> Value {
    let ty = resource.faces[resource.storage].schema.ty();
    let parsed = json::Parsed { value: object.clone(), ..Default::default() };
    let decoded = decode::normalise(ty, parsed, Validation::Strict);
    let mut object = decoded.unwrap_or_else(|e| panic!("{}: {e:?}", text(&object))).value;
    default::apply(ty, &mut object);
    resource.hooks.default(&mut object);
    let again = json::Parsed { value: object.clone(), ..Default::default() };
    let again = decode::normalise(ty, again, Validation::Strict).expect("defaults keep an object of its kind").value;
    assert_eq!(again, object, "defaults keep a tree canonical");
    object
}

/// An object as it is when it is validated on creation.
#[track_caller]
pub(super) fn created(resource: &Resource, object: Value) -> Value {
    let mut object = defaulted(resource, object);
    resource.hooks.prepare_create(&mut object);
    object
}

/// The messages of a validation, one a line.
pub(super) fn messages(errors: &Errors) -> String {
    errors.iter().map(|error| format!("    {error}\n")).collect()
}

/// What creating an object is answered with.
#[track_caller]
pub(super) fn create(resource: &Resource, object: Value) -> String {
    let object = created(resource, object);
    let mut errors = validate::shape(resource.faces[resource.storage].schema.ty(), &object);
    errors.extend(resource.hooks.validate(&object));
    messages(&errors)
}

/// What an update through `sub` is answered with.
#[track_caller]
pub(super) fn update(resource: &Resource, old: &Value, new: Value, sub: &str) -> String {
    let mut new = defaulted(resource, new);
    new.set(&["metadata", "resourceVersion"], "1");
    resource.hooks.prepare_update(&mut new, old, sub);
    let mut errors = Errors::new();
    if sub != "status" {
        errors.extend(resource.hooks.validate(&new));
    }
    errors.extend(resource.hooks.validate_update(&new, old, sub));
    messages(&errors)
}

/// Half an hour past noon on the first day of 2026.
pub(super) fn now() -> Timestamp {
    "2026-01-01T12:30:00Z".parse().unwrap()
}
