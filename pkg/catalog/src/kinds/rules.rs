//! Hooks made of plain functions: a kind is a row that names those it has.

use knarr_api::{Value, field::Errors};

use crate::Hooks;

/// The functions of a kind.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    name: fn(&str) -> Vec<String>,
    default: fn(&mut Value),
    create: fn(&mut Value),
    update: fn(&mut Value, &Value, &str),
    validate: fn(&Value) -> Errors,
    validate_update: fn(&Value, &Value, &str) -> Errors,
    warnings: fn(&Value) -> Vec<String>,
    grace: fn(&Value, Option<i64>) -> i64,
}

impl Rules {
    /// A kind whose names are checked by `name` and that has nothing else.
    pub(super) const fn named(name: fn(&str) -> Vec<String>) -> Self {
        Self {
            name,
            default: |_| {},
            create: |_| {},
            update: |_, _, _| {},
            validate: |_| Vec::new(),
            validate_update: |_, _, _| Vec::new(),
            warnings: |_| Vec::new(),
            grace: |_, _| 0,
        }
    }

    /// Defaults across fields.
    pub(super) const fn default(self, default: fn(&mut Value)) -> Self {
        Self { default, ..self }
    }

    /// Before creation.
    pub(super) const fn create(self, create: fn(&mut Value)) -> Self {
        Self { create, ..self }
    }

    /// Before an update.
    pub(super) const fn update(self, update: fn(&mut Value, &Value, &str)) -> Self {
        Self { update, ..self }
    }

    /// Validation of an object on its own.
    pub(super) const fn validate(self, validate: fn(&Value) -> Errors) -> Self {
        Self { validate, ..self }
    }

    /// Validation against the old state.
    pub(super) const fn validate_update(self, validate_update: fn(&Value, &Value, &str) -> Errors) -> Self {
        Self { validate_update, ..self }
    }

    /// `Warning` headers.
    pub(super) const fn warnings(self, warnings: fn(&Value) -> Vec<String>) -> Self {
        Self { warnings, ..self }
    }

    /// The grace period of a deletion.
    pub(super) const fn grace(self, grace: fn(&Value, Option<i64>) -> i64) -> Self {
        Self { grace, ..self }
    }
}

impl Hooks for Rules {
    fn default(&self, object: &mut Value) {
        (self.default)(object);
    }

    fn prepare_create(&self, object: &mut Value) {
        (self.create)(object);
    }

    fn prepare_update(&self, object: &mut Value, old: &Value, sub: &str) {
        (self.update)(object, old, sub);
    }

    fn validate(&self, object: &Value) -> Errors {
        (self.validate)(object)
    }

    fn validate_update(&self, object: &Value, old: &Value, sub: &str) -> Errors {
        (self.validate_update)(object, old, sub)
    }

    fn warnings(&self, object: &Value) -> Vec<String> {
        (self.warnings)(object)
    }

    fn check_name(&self, name: &str) -> Vec<String> {
        (self.name)(name)
    }

    fn grace_period(&self, object: &Value, wanted: Option<i64>) -> i64 {
        (self.grace)(object, wanted)
    }
}
