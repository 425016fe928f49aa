//! Who owns the claims of a member, so that the garbage collector deletes them when the set's retention policy says so.
//! Pure.

use knarr_api::{Meta, Object, OwnerRef};
use knarr_client::{
    Key, Resource,
    resources::{PODS, STATEFUL_SETS},
};

use super::{member::Member, model::StatefulSet};

/// A PersistentVolumeClaim as the controller sees it.
#[derive(Debug, PartialEq)]
pub(super) struct Claim {
    pub(super) key: Key,
    pub(super) meta: Meta,
}

impl Claim {
    /// Projects a claim.
    #[expect(clippy::unnecessary_wraps, reason = "the shape of projections")]
    pub(super) fn project(object: &Object) -> Option<Self> {
        Some(Self { key: Key::of(object), meta: object.meta().clone() })
    }

    /// Whether it still belongs to an earlier pod of that name, with which it goes.
    pub(super) fn awaits_deletion_with(&self, pod: &str, uid: Option<&str>) -> bool {
        names(&self.meta, &PODS, pod).any(|o| Some(&*o.uid) != uid)
    }
}

/// A change of a claim's owners.
#[derive(Debug, PartialEq)]
pub(super) struct Owners {
    pub(super) claim: Key,
    pub(super) uid: String,
    pub(super) owners: Vec<OwnerRef>,
    /// Someone else controls the claim: the policy does not count for it, which someone should hear.
    pub(super) conflict: bool,
}

/// The owners `claim` should have instead of those it has.
pub(super) fn owners(set: &StatefulSet, member: &Member, claim: &Claim) -> Option<Owners> {
    let (set_uid, pod_uid) = (&*set.meta.uid, &*member.pod.meta.uid);
    let (set_name, pod_name) = (set.key.name.as_str(), member.pod.key.name.as_str());
    let of_set = |o: &OwnerRef| is(o, &STATEFUL_SETS, set_name);
    let of_pod = |o: &OwnerRef| is(o, &PODS, pod_name);
    let have = &claim.meta.owners;
    // What an earlier set or pod of these names left is for the garbage collector.
    if have.iter().any(|o| (of_set(o) && *o.uid != *set_uid) || (of_pod(o) && *o.uid != *pod_uid)) {
        return None;
    }
    let ours = |o: &&OwnerRef| of_set(o) || of_pod(o);
    let policy = set.retention;
    let conflict = (policy.delete_with_set || policy.delete_with_pod) && have.iter().any(|o| o.controller && !ours(&o));
    let scaled_away = !set.wants(member.ordinal);
    let by_pod = !conflict && policy.delete_with_pod && scaled_away;
    let by_set = !conflict && policy.delete_with_set && !by_pod;
    let right = have.iter().any(of_set) == by_set
        && have.iter().any(of_pod) == by_pod
        && have.iter().filter(ours).all(|o| o.controller);
    if right {
        return None;
    }
    let mut owners: Vec<OwnerRef> = have.iter().filter(|o| !ours(o)).cloned().collect();
    owners.extend(by_set.then(|| controller(&STATEFUL_SETS, set_name, set_uid)));
    owners.extend(by_pod.then(|| controller(&PODS, pod_name, pod_uid)));
    Some(Owners { claim: claim.key.clone(), uid: claim.meta.uid.to_string(), owners, conflict })
}

fn is(owner: &OwnerRef, r: &Resource, name: &str) -> bool {
    *owner.kind == *r.kind && *owner.api_version == *r.api_version() && *owner.name == *name
}

fn names<'a>(meta: &'a Meta, r: &'a Resource, name: &'a str) -> impl Iterator<Item = &'a OwnerRef> {
    meta.owners.iter().filter(move |o| is(o, r, name))
}

fn controller(r: &Resource, name: &str, uid: &str) -> OwnerRef {
    OwnerRef {
        api_version: r.api_version().into(),
        kind: r.kind.as_ref().into(),
        name: name.into(),
        uid: uid.into(),
        controller: true,
        block_owner_deletion: true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stateful_set::plan::tests::{member, set};

    fn owner(kind: &str, name: &str, uid: &str, controller: bool) -> serde_json::Value {
        let version = if kind == "StatefulSet" { "apps/v1" } else { "v1" };
        json!({"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": controller})
    }

    fn check(deleted: &str, scaled: &str, ordinal: u32, have: serde_json::Value, want: Option<&[&str]>) {
        let policy = json!({"persistentVolumeClaimRetentionPolicy": {"whenDeleted": deleted, "whenScaled": scaled}});
        let set = set(2, policy);
        let pod = member(ordinal, "r", "ready");
        let v = json!({"metadata": {"name": "c", "namespace": "n", "uid": "c", "ownerReferences": have}});
        let claim = Claim::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap();
        let got = owners(&set, &pod, &claim).map(|o| o.owners.iter().map(|o| o.kind.to_string()).collect::<Vec<_>>());
        let want = want.map(|kinds| kinds.iter().map(|k| (*k).to_owned()).collect::<Vec<_>>());
        assert_eq!(got, want, "{deleted} {scaled} {ordinal} {have}");
    }

    #[test]
    fn owners_follow_the_policy() {
        let by_set = || owner("StatefulSet", "web", "u", true);
        let by_pod = |n: u32| owner("Pod", &format!("web-{n}"), &format!("uid-{n}"), true);
        // Within the set's size (ordinal 1), and scaled away (ordinal 2).
        for (deleted, scaled, kept, away) in [
            ("Retain", "Retain", None, None),
            ("Delete", "Retain", Some("StatefulSet"), Some("StatefulSet")),
            ("Retain", "Delete", None, Some("Pod")),
            ("Delete", "Delete", Some("StatefulSet"), Some("Pod")),
        ] {
            for (ordinal, kind) in [(1, kept), (2, away)] {
                check(deleted, scaled, ordinal, json!([]), kind.as_ref().map(std::slice::from_ref));
                // The right owners stay, the wrong ones go.
                let (right, wrong) = match kind {
                    Some("StatefulSet") => (json!([by_set()]), json!([by_pod(ordinal)])),
                    Some(_) => (json!([by_pod(ordinal)]), json!([by_set()])),
                    None => (json!([]), json!([by_set()])),
                };
                check(deleted, scaled, ordinal, right, None);
                check(deleted, scaled, ordinal, wrong, Some(kind.as_slice()));
            }
        }
    }

    #[test]
    fn what_others_own_is_left_alone() {
        let stale = json!([owner("StatefulSet", "web", "earlier", true)]);
        check("Delete", "Delete", 1, stale, None);
        let other = owner("ConfigMap", "c", "x", true);
        check("Delete", "Delete", 1, json!([other]), None);
        check("Delete", "Delete", 1, json!([other, owner("StatefulSet", "web", "u", true)]), Some(&["ConfigMap"]));
        // An owner that does not control is made to.
        check("Delete", "Retain", 1, json!([owner("StatefulSet", "web", "u", false)]), Some(&["StatefulSet"]));
        // Without a policy nobody else's control matters.
        check("Retain", "Retain", 1, json!([other]), None);
    }
}
