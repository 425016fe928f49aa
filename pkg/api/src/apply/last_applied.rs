//! From `kubectl apply` to `kubectl apply --server-side`.
//!
//! Client-side apply left its configuration in an annotation. What that says and still is so was applied by the same
//! person, so it is no conflict when the same kubectl now applies on the server. As long as the annotation exists it is
//! kept equal to what is applied, so that going back works too.

use super::{Conflict, compare::compare};
use crate::{
    Value,
    fields::{Set, to_set},
    json,
    schema::Type,
};

/// The field manager this is done for.
pub(super) const MANAGER: &str = "kubectl";

const ANNOTATION: [&str; 3] = ["metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration"];

/// All annotations of an object together, keys and values.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// The conflicts that remain when what client-side apply set is not counted.
pub(super) fn excuse(ty: Type<'_>, api_version: &str, live: &Value, conflicts: Vec<Conflict>) -> Vec<Conflict> {
    match applied_and_unchanged(ty, api_version, live) {
        Some(ours) => conflicts.into_iter().filter(|c| !ours.has(&c.path)).collect(),
        None => conflicts,
    }
}

fn applied_and_unchanged(ty: Type<'_>, api_version: &str, live: &Value) -> Option<Set> {
    let text = live.at(&ANNOTATION)?.as_str()?;
    let applied = json::parse(text.as_bytes(), &json::Limits::default()).ok()?.value;
    if applied.str_at(&["apiVersion"]) != api_version {
        return None;
    }
    let change = compare(ty, &applied, live);
    Some(to_set(ty, &applied).difference(&change.modified).difference(&change.added).difference(&change.removed))
}

/// Brings the annotation, where there is one, in line with the configuration.
pub(super) fn refresh(object: &mut Value, config: &Value) {
    if object.str_at(&ANNOTATION).is_empty() {
        return;
    }
    let mut config = config.clone();
    config.remove(&ANNOTATION);
    let mut text = Vec::new();
    json::write(&config, &mut text);
    text.push(b'\n');
    object.set(&ANNOTATION, String::from_utf8_lossy(&text).as_ref());
    let size = |v: &Value| v.as_str().map_or(0, str::len);
    let total: usize = object
        .at(&ANNOTATION[..2])
        .and_then(Value::as_object)
        .map_or(0, |all| all.iter().map(|(k, v)| k.len() + size(v)).sum());
    if total > MAX_ANNOTATIONS {
        object.remove(&ANNOTATION);
    }
}
