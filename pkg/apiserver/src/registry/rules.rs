//! What is special about a few kinds and needs no store: tables and small functions, nothing else.

pub(super) use knarr_api::same::equal;
use knarr_api::{Map, Value, value};
use knarr_client::Propagation;
use knarr_store::Class;

use super::{entry::Entry, metadata};
use crate::User;

/// Kinds the registry knows by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    /// Nothing special.
    None,
    /// Goes in two steps, with finalizers of its own.
    Namespace,
    /// Has addresses and ports allocated.
    Service,
    /// Informs: its writes may be forgotten by a power cut.
    Event,
    /// Is renewed all the time.
    Lease,
    /// Says who asked.
    Request,
}

impl Special {
    pub(super) fn of(group: &str, plural: &str) -> Self {
        match (group, plural) {
            ("", "namespaces") => Self::Namespace,
            ("", "services") => Self::Service,
            ("" | "events.k8s.io", "events") => Self::Event,
            ("coordination.k8s.io", "leases") => Self::Lease,
            ("certificates.k8s.io", "certificatesigningrequests") => Self::Request,
            _ => Self::None,
        }
    }

    /// Fields the server decides beside those of the kind's hooks.
    pub(super) fn prepare_create(self, object: &mut Value, user: &User) {
        if self == Self::Request {
            object.set(&["spec", "username"], user.name.as_str());
            object.set(&["spec", "uid"], user.uid.as_str());
            object.set(&["spec", "groups"], user.groups.iter().map(String::as_str).collect::<Vec<_>>());
            let extra =
                user.extra.iter().map(|(k, v)| (k.as_str(), v.iter().map(String::as_str).collect::<Vec<_>>().into()));
            object.set(&["spec", "extra"], extra.collect::<Map>());
        }
        if self == Self::Namespace {
            let name = metadata::name(object).to_owned();
            object.set(&["metadata", "labels", "kubernetes.io/metadata.name"], name);
            object.set(&["status", "phase"], "Active");
            let finalizers = object.list_at(&["spec", "finalizers"]);
            if !finalizers.iter().any(|f| f.as_str() == Some("kubernetes")) {
                let all = [finalizers, &[Value::from("kubernetes")]].concat();
                object.set(&["spec", "finalizers"], all);
            }
        }
    }

    /// See `prepare_create`.
    pub(super) fn prepare_update(self, object: &mut Value, old: &Value, sub: &str) {
        if self == Self::Namespace {
            let name = metadata::name(old).to_owned();
            object.set(&["metadata", "labels", "kubernetes.io/metadata.name"], name);
            if sub != "finalize" {
                keep(object, old, "spec.finalizers");
            }
        }
    }

    /// Whether nothing of the object's own holds it back once its deletion was asked for.
    pub(super) fn may_vanish(self, object: &Value) -> bool {
        self != Self::Namespace || object.list_at(&["spec", "finalizers"]).is_empty()
    }

    /// What an acknowledged write promises. `old` is `None` for creates and deletes.
    pub(super) fn class(self, new: Option<&Value>, old: Option<&Value>) -> Class {
        match (self, new, old) {
            (Self::Event, ..) => Class::Relaxed,
            (Self::Lease, Some(new), Some(old)) if only_renewed(new, old) => Class::Relaxed,
            _ => Class::Durable,
        }
    }
}

fn only_renewed(new: &Value, old: &Value) -> bool {
    let strip = |lease: &Value| {
        let mut lease = lease.clone();
        lease.remove(&["spec", "renewTime"]);
        lease.remove(&["metadata", "managedFields"]);
        lease.remove(&["metadata", "resourceVersion"]);
        lease
    };
    equal(Some(&strip(new)), Some(&strip(old)))
}

/// Gives the field at a dotted path its old value back. Bookkeeping of this write is not part of `metadata`.
pub(super) fn keep(object: &mut Value, old: &Value, path: &str) {
    if path == "metadata" {
        let managed = object.remove(&["metadata", "managedFields"]);
        object.set(&["metadata"], old.get("metadata").cloned().unwrap_or_default());
        return metadata::set(object, "managedFields", managed);
    }
    let path: Vec<&str> = path.split('.').collect();
    match old.at(&path) {
        Some(value) => object.set(&path, value.clone()),
        None => drop(object.remove(&path)),
    }
}

/// Narrows a write through a subresource to what that subresource is for: the rest comes from the old object.
///
/// Subresources not named here are narrowed by their reset fields alone (`status`).
pub(super) fn narrow(sub: &str, new: &mut Value, old: &Value) {
    let only: &[&[&str]] = match sub {
        "finalize" => &[&["spec", "finalizers"]],
        "ephemeralcontainers" => &[&["spec", "ephemeralContainers"]],
        "approval" => &[&["status", "conditions"]],
        "resize" => &[],
        _ => return,
    };
    let mut narrowed = old.clone();
    for path in only {
        match new.at(path) {
            Some(value) => narrowed.set(path, value.clone()),
            None => drop(narrowed.remove(path)),
        }
    }
    if sub == "resize" {
        take_resources(&mut narrowed, new);
    }
    for key in ["managedFields", "resourceVersion"] {
        metadata::set(&mut narrowed, key, new.at(&["metadata", key]).cloned());
    }
    *new = narrowed;
}

/// Of the containers both pods have, the resources as the new one wants them.
fn take_resources(pod: &mut Value, new: &Value) {
    for list in ["containers", "initContainers"] {
        let Some(containers) = pod.at_mut(&["spec", list]).and_then(Value::as_array_mut) else { continue };
        for container in containers {
            let name = container.str_at(&["name"]).to_owned();
            let wanted = new.list_at(&["spec", list]).iter().find(|c| c.str_at(&["name"]) == name);
            for key in ["resources", "resizePolicy"] {
                if let Some(value) = wanted.and_then(|c| c.get(key)) {
                    container.set(&[key], value.clone());
                }
            }
        }
    }
}

/// Whether the counter of wanted states goes up: something besides metadata and status differs.
pub(super) fn wants_something_else(new: &Value, old: &Value) -> bool {
    let (Some(new), Some(old)) = (new.as_object(), old.as_object()) else { return true };
    let relevant = |key: &&str| !matches!(*key, "metadata" | "status" | "apiVersion" | "kind");
    new.keys().chain(old.keys()).filter(relevant).any(|key| !equal(new.get(key), old.get(key)))
}

/// What becomes of the dependents of a kind when a delete does not say (upstream's default garbage collection
/// policies): `None` where dependents are none of its business.
pub(super) fn default_propagation(entry: &Entry) -> Option<Propagation> {
    match (entry.group(), entry.resource.plural.as_str()) {
        ("", "events") | ("events.k8s.io", "events") => None,
        ("", "replicationcontrollers") | ("batch", "jobs") => Some(Propagation::Orphan),
        _ => Some(Propagation::Background),
    }
}

/// Whether a delete answers the object rather than a Status.
pub(super) fn answers_deleted(entry: &Entry) -> bool {
    match entry.group() {
        "" => matches!(
            &*entry.resource.plural,
            "pods"
                | "services"
                | "serviceaccounts"
                | "persistentvolumes"
                | "persistentvolumeclaims"
                | "podtemplates"
                | "resourcequotas"
                | "namespaces"
        ),
        "storage.k8s.io" => matches!(
            &*entry.resource.plural,
            "csidrivers" | "csinodes" | "storageclasses" | "volumeattachments" | "volumeattributesclasses"
        ),
        "resource.k8s.io" => true,
        _ => false,
    }
}

/// The condition a pod carries once it has a node.
pub(super) fn scheduled(now: &str) -> Value {
    value!({ "type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_ignores_emptiness() {
        let a = value!({ "spec": { "a": [], "b": {}, "c": null, "d": 1 } });
        assert!(equal(Some(&a), Some(&value!({ "spec": { "d": 1 } }))));
        assert!(!equal(Some(&a), Some(&value!({ "spec": { "d": 2 } }))));
        assert!(!equal(Some(&value!({ "a": false })), Some(&value!({}))));
        assert!(wants_something_else(&value!({ "data": { "a": "b" } }), &value!({})));
        assert!(!wants_something_else(&value!({ "status": 1, "metadata": 2, "spec": {} }), &value!({})));
    }

    #[test]
    fn a_lease_that_is_only_renewed() {
        let lease = |time: &str, holder: &str| value!({ "spec": { "renewTime": time, "holderIdentity": holder } });
        let class = |new, old| Special::Lease.class(Some(&new), Some(&old));
        assert_eq!(class(lease("2", "a"), lease("1", "a")), Class::Relaxed);
        assert_eq!(class(lease("2", "b"), lease("1", "a")), Class::Durable);
    }

    #[test]
    fn a_resize_changes_resources_alone() {
        let old = value!({ "spec": { "containers": [{ "name": "a", "image": "i" }, { "name": "b", "image": "i" }] } });
        let mut new = value!({ "spec": { "containers": [{ "name": "b", "image": "j", "resources": { "x": 1 } }] } });
        narrow("resize", &mut new, &old);
        let containers =
            value!([{ "name": "a", "image": "i" }, { "name": "b", "image": "i", "resources": { "x": 1 } }]);
        assert_eq!(new.at(&["spec", "containers"]), Some(&containers));
    }

    #[test]
    fn a_subresource_writes_what_it_is_for() {
        let old = value!({ "metadata": { "name": "a" }, "spec": { "x": 1 } });
        let mut new = value!({ "metadata": { "name": "a" }, "spec": { "x": 2, "ephemeralContainers": [] } });
        narrow("ephemeralcontainers", &mut new, &old);
        assert_eq!(new, value!({ "metadata": { "name": "a" }, "spec": { "x": 1, "ephemeralContainers": [] } }));
    }
}
