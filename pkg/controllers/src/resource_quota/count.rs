//! Small pure pieces: when a quota must be counted, what no longer costs, and how amounts are written.

use jiff::{SignedDuration, Timestamp};
use knarr_api::{
    Map, Object, Str, Value,
    demand::ResourceList,
    quota::{Charge, Quota},
};
use knarr_client::Resource;
use serde::Deserialize;

/// Whether its limits are not in force as they are wanted, or a limit has no count.
pub(super) fn is_stale(quota: &Quota) -> bool {
    let counted = |name: &Str| quota.used.as_ref().is_some_and(|used| used.contains_key(name));
    quota.hard.as_ref() != Some(&quota.wanted) || !quota.wanted.keys().all(counted)
}

/// When a pod that ought to be gone stops costing: its node is lost, and its user is not to pay for that.
pub(super) fn lapses(r: &Resource, object: &Object) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Pod {
        metadata: Metadata,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        deletion_grace_period_seconds: Option<i64>,
    }
    let deleted = object.meta().deleted.as_deref().filter(|_| r.group.is_empty() && r.plural == "pods")?;
    let grace = object.decode::<Pod>().ok()?.metadata.deletion_grace_period_seconds?;
    deleted.parse::<Timestamp>().ok()?.checked_add(SignedDuration::from_secs(grace)).ok()
}

/// Only the object itself still counts.
pub(super) fn lapse(charge: &mut Charge) {
    charge.usage.retain(|name, _| name.starts_with("count/"));
}

/// A merge patch that makes a list of amounts of another one.
pub(super) fn amounts(want: &ResourceList, have: Option<&ResourceList>) -> Value {
    let gone = have.into_iter().flatten().filter(|(name, _)| !want.contains_key(*name));
    let gone = gone.map(|(name, _)| (name.clone(), Value::Null));
    let kept = want.iter().map(|(name, amount)| (name.clone(), Value::from(Str::from(*amount))));
    Value::Object(kept.chain(gone).collect::<Map>())
}

#[cfg(test)]
mod tests {
    use knarr_api::value;
    use serde_json::json;

    use super::*;

    fn quota(status: serde_json::Value) -> Quota {
        let q = json!({"metadata": {"name": "q"}, "spec": {"hard": {"pods": "2"}}, "status": status});
        serde_json::from_value(q).unwrap()
    }

    #[test]
    fn when_to_count() {
        for (status, want) in [
            (json!({}), true),
            (json!({"hard": {"pods": "1"}, "used": {"pods": "0"}}), true),
            (json!({"hard": {"pods": "2"}, "used": {}}), true),
            (json!({"hard": {"pods": "2"}, "used": {"pods": "0"}}), false),
        ] {
            assert_eq!(is_stale(&quota(status.clone())), want, "{status}");
        }
    }

    #[test]
    fn what_ought_to_be_gone() {
        let pod = |metadata: serde_json::Value| {
            let json = json!({ "metadata": metadata }).to_string();
            Object::from_json(json.into_bytes().into()).unwrap()
        };
        let pods = knarr_client::resources::PODS;
        let at = "2026-01-02T03:04:05Z";
        let gone = pod(json!({"name": "p", "deletionTimestamp": at, "deletionGracePeriodSeconds": 30}));
        assert_eq!(lapses(&pods, &gone).map(|t| t.to_string()).as_deref(), Some("2026-01-02T03:04:35Z"));
        assert_eq!(lapses(&pods, &pod(json!({"name": "p"}))), None);
        assert_eq!(lapses(&knarr_client::resources::SECRETS, &gone), None);
    }

    #[test]
    fn amounts_are_patched() {
        let list = |v: serde_json::Value| serde_json::from_value::<ResourceList>(v).unwrap();
        let patch = amounts(&list(json!({"a": "1"})), Some(&list(json!({"a": "2", "b": "3"}))));
        assert_eq!(patch, value!({ "a": "1", "b": null }));
    }
}
