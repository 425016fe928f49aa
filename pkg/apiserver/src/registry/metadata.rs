//! `ObjectMeta` in trees: reading it, the fields the server decides, and its validation.

use knarr_api::{
    Meta, OwnerRef, Value, apply,
    field::{Error, Errors, Path},
    names,
};

/// `metadata.annotations` may hold that many bytes, keys and values together.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// The metadata the store keeps beside an object. `revision` is left 0: the store assigns it.
pub(super) fn read(object: &Value) -> Meta {
    let text = |key| Box::from(object.str_at(&["metadata", key]));
    let pairs = |key| object.at(&["metadata", key]).and_then(Value::as_object);
    Meta {
        namespace: text("namespace"),
        name: text("name"),
        uid: text("uid"),
        revision: 0,
        generation: object.at(&["metadata", "generation"]).and_then(Value::as_i64).unwrap_or(0),
        labels: pairs("labels")
            .into_iter()
            .flat_map(|m| m.iter())
            .map(|(k, v)| (Box::from(k), Box::from(v.as_str().unwrap_or_default())))
            .collect(),
        owners: object.list_at(&["metadata", "ownerReferences"]).iter().map(owner).collect(),
        finalizers: object
            .list_at(&["metadata", "finalizers"])
            .iter()
            .filter_map(Value::as_str)
            .map(Box::from)
            .collect(),
        created: text("creationTimestamp"),
        deleted: object.at(&["metadata", "deletionTimestamp"]).and_then(Value::as_str).map(Box::from),
    }
}

fn owner(o: &Value) -> OwnerRef {
    let text = |key| Box::from(o.str_at(&[key]));
    let flag = |key| o.get(key).and_then(Value::as_bool).unwrap_or(false);
    OwnerRef {
        api_version: text("apiVersion"),
        kind: text("kind"),
        name: text("name"),
        uid: text("uid"),
        controller: flag("controller"),
        block_owner_deletion: flag("blockOwnerDeletion"),
    }
}

/// The name of the object in a tree.
pub(super) fn name(object: &Value) -> &str {
    object.str_at(&["metadata", "name"])
}

/// Whether someone has asked for the object's deletion.
pub(super) fn is_deleting(object: &Value) -> bool {
    !object.str_at(&["metadata", "deletionTimestamp"]).is_empty()
}

/// `metadata.deletionGracePeriodSeconds`.
pub(super) fn grace(object: &Value) -> Option<i64> {
    object.at(&["metadata", "deletionGracePeriodSeconds"]).and_then(Value::as_i64)
}

/// Keeps what an update cannot change; what it may not even name differently is left for [`check_update`].
pub(super) fn carry_over(object: &mut Value, old: &Value) {
    let of_old = |key: &str| old.at(&["metadata", key]).cloned();
    set(object, "generation", of_old("generation"));
    if object.str_at(&["metadata", "uid"]).is_empty() {
        set(object, "uid", of_old("uid"));
    }
    set(object, "creationTimestamp", of_old("creationTimestamp"));
    if let Some(deleted) = of_old("deletionTimestamp") {
        set(object, "deletionTimestamp", Some(deleted));
    }
    if let (Some(grace), None) = (of_old("deletionGracePeriodSeconds"), grace(object)) {
        set(object, "deletionGracePeriodSeconds", Some(grace));
    }
}

/// Sets or removes a member of `metadata`.
pub(super) fn set(object: &mut Value, key: &str, value: Option<Value>) {
    match value {
        Some(value) => object.set(&["metadata", key], value),
        None => drop(object.remove(&["metadata", key])),
    }
}

/// Checks metadata of any object. `check_name` is the kind's rule.
pub(super) fn check(object: &Value, namespaced: bool, check_name: &dyn Fn(&str) -> Vec<String>) -> Errors {
    let at = Path::new("metadata");
    let mut errors = Errors::new();
    let generate = object.str_at(&["metadata", "generateName"]);
    if !generate.is_empty() {
        let whole = names::without_trailing_dash(generate);
        let path = at.child("generateName");
        errors.extend(check_name(&whole).into_iter().map(|m| Error::invalid(&path, generate, m)));
    }
    let path = at.child("name");
    match name(object) {
        "" => errors.push(Error::required(&path, "name or generateName is required")),
        name => {
            let messages = check_name(name).into_iter().chain(names::path_segment_name(name));
            errors.extend(messages.map(|m| Error::invalid(&path, name, m)));
        }
    }
    let path = at.child("namespace");
    match (namespaced, object.str_at(&["metadata", "namespace"])) {
        (true, "") => errors.push(Error::required(&path, "")),
        (true, ns) => errors.extend(names::dns1123_label(ns).into_iter().map(|m| Error::invalid(&path, ns, m))),
        (false, "") => {}
        (false, _) => errors.push(Error::forbidden(&path, "not allowed on this type")),
    }
    if let Some(n @ ..0) = object.at(&["metadata", "generation"]).and_then(Value::as_i64) {
        errors.push(Error::invalid(&at.child("generation"), n, "must be greater than or equal to 0"));
    }
    check_labels(object, &at.child("labels"), &mut errors);
    check_annotations(object, &at.child("annotations"), &mut errors);
    check_owners(object, &at.child("ownerReferences"), &mut errors);
    check_finalizers(object, &at.child("finalizers"), &mut errors);
    if let Some(entries) = object.at(&["metadata", "managedFields"]) {
        errors.extend(apply::validate(entries, &at.child("managedFields")));
    }
    errors
}

fn check_labels(object: &Value, path: &Path, errors: &mut Errors) {
    for (key, value) in entries(object, "labels") {
        errors.extend(names::qualified_name(key).into_iter().map(|m| Error::invalid(path, key, m)));
        errors.extend(names::label_value(value).into_iter().map(|m| Error::invalid(path, value, m)));
    }
}

fn check_annotations(object: &Value, path: &Path, errors: &mut Errors) {
    let mut size = 0;
    for (key, value) in entries(object, "annotations") {
        size += key.len() + value.len();
        let messages = names::qualified_name(&key.to_lowercase());
        errors.extend(messages.into_iter().map(|m| Error::invalid(path, key, m)));
    }
    if size > MAX_ANNOTATIONS {
        errors.push(Error::too_long(path, MAX_ANNOTATIONS));
    }
}

fn entries<'v>(object: &'v Value, key: &str) -> impl Iterator<Item = (&'v str, &'v str)> {
    let map = object.at(&["metadata", key]).and_then(Value::as_object);
    map.into_iter().flat_map(|m| m.iter()).map(|(k, v)| (k, v.as_str().unwrap_or_default()))
}

fn check_owners(object: &Value, path: &Path, errors: &mut Errors) {
    let mut controller: Option<String> = None;
    let owners = object.list_at(&["metadata", "ownerReferences"]);
    for owner in owners {
        let version = owner.str_at(&["apiVersion"]);
        if version.is_empty() || version.ends_with('/') {
            errors.push(Error::invalid(&path.child("apiVersion"), version, "version must not be empty"));
        }
        for key in ["kind", "name", "uid"] {
            if owner.str_at(&[key]).is_empty() {
                errors.push(Error::invalid(&path.child(key), "", "must not be empty"));
            }
        }
        if (version, owner.str_at(&["kind"])) == ("v1", "Event") {
            errors.push(Error::invalid(path, owner.clone(), "/v1, Kind=Event is disallowed from being an owner"));
        }
        if owner.get("controller").and_then(Value::as_bool) == Some(true) {
            let this = format!("{}/{}", owner.str_at(&["kind"]), owner.str_at(&["name"]));
            match &controller {
                Some(first) => {
                    let why = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                    );
                    errors.push(Error::invalid(path, owners.to_vec(), why));
                }
                None => controller = Some(this),
            }
        }
    }
}

fn check_finalizers(object: &Value, path: &Path, errors: &mut Errors) {
    let finalizers = object.list_at(&["metadata", "finalizers"]);
    for finalizer in finalizers.iter().filter_map(Value::as_str) {
        errors.extend(names::qualified_name(finalizer).into_iter().map(|m| Error::invalid(path, finalizer, m)));
    }
    let has = |wanted: &str| finalizers.iter().any(|f| f.as_str() == Some(wanted));
    if has("orphan") && has("foregroundDeletion") {
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(Error::invalid(path, finalizers.to_vec(), why));
    }
}

/// Checks what an update did to metadata. The resource version was settled before.
pub(super) fn check_update(object: &Value, old: &Value) -> Errors {
    let at = Path::new("metadata");
    let mut errors = Errors::new();
    if is_deleting(old) {
        let before: Vec<_> = old.list_at(&["metadata", "finalizers"]).iter().filter_map(Value::as_str).collect();
        let mut extra: Vec<_> = object.list_at(&["metadata", "finalizers"]).iter().filter_map(Value::as_str).collect();
        extra.retain(|f| !before.contains(f));
        extra.sort_unstable();
        if !extra.is_empty() {
            let list = extra.iter().map(|f| format!("{f:?}")).collect::<Vec<_>>().join(", ");
            let why = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{list}}}"
            );
            errors.push(Error::forbidden(&at.child("finalizers"), why));
        }
    }
    for key in ["name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let (now, before) = (object.at(&["metadata", key]), old.at(&["metadata", key]));
        let absent = |v: Option<&Value>| v.is_none_or(|v| v.is_null() || v.as_str() == Some(""));
        if now != before && !(absent(now) && absent(before)) {
            errors.push(Error::invalid(&at.child(key), now.cloned().unwrap_or_default(), "field is immutable"));
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use knarr_api::value;

    use super::*;

    #[track_caller]
    fn check(object: Value, old: Option<Value>, expected: Expect) {
        let errors = match &old {
            None => super::check(&object, true, &|name| names::dns1123_subdomain(name)),
            Some(old) => check_update(&object, old),
        };
        let text: Vec<_> = errors.iter().map(ToString::to_string).collect();
        expected.assert_eq(&text.join("\n"));
    }

    #[test]
    fn a_good_object() {
        check(value!({ "metadata": { "name": "a", "namespace": "b", "labels": { "a/b": "c" } } }), None, expect![""]);
    }

    #[test]
    fn what_is_missing() {
        check(
            value!({}),
            None,
            expect![[r#"
            metadata.name: Required value: name or generateName is required
            metadata.namespace: Required value"#]],
        );
    }

    #[test]
    fn finalizers_of_a_dying_object() {
        let old = value!({ "metadata": { "name": "a", "deletionTimestamp": "t", "finalizers": ["x/y"] } });
        let new = value!({ "metadata": { "name": "b", "deletionTimestamp": "t", "finalizers": ["x/z", "x/y"] } });
        check(
            new,
            Some(old),
            expect![[r#"
            metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"x/z"}
            metadata.name: Invalid value: "b": field is immutable"#]],
        );
    }

    #[test]
    fn two_controllers() {
        let owner =
            |name: &str| value!({ "apiVersion": "v1", "kind": "Pod", "name": name, "uid": "u", "controller": true });
        let o = value!({ "metadata": { "name": "a", "namespace": "b" } });
        let mut o = o;
        o.set(&["metadata", "ownerReferences"], vec![owner("x"), owner("y")]);
        let errors = super::check(&o, true, &|_| Vec::new());
        assert!(errors[0].detail.ends_with("in references for Pod/x and Pod/y"), "{errors:?}");
    }
}
