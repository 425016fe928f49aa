//! What a budget allows: pure.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};

use super::model::{Bound, Budget, BudgetStatus, Pod};
use crate::{
    conditions::{Condition, put},
    context::Again,
    steps::scaled,
};

/// A pod whose eviction was allowed and that is not seen going after so long is not going.
pub(super) const PATIENCE: SignedDuration = SignedDuration::from_mins(2);

/// The status of a budget over its pods, of which there should be `scale` (where the bound needs to know), and when
/// to look again.
pub(super) fn status(budget: &Budget, pods: &[Arc<Pod>], scale: i32, now: Timestamp) -> (BudgetStatus, Again) {
    let (expected, desired) = match &budget.bound {
        Bound::Nothing => (0, 0),
        Bound::Unavailable(value) => (scale, scale - scaled(value, scale, true)),
        Bound::Available(value) if value.is_string() => (scale, scaled(value, scale, true)),
        Bound::Available(value) => (i32::try_from(pods.len()).unwrap_or(i32::MAX), scaled(value, 0, true)),
    };
    let desired = desired.max(0);
    let (disrupted, again) = disrupted(budget, pods, now);
    let healthy = |p: &&Arc<Pod>| p.ready && p.meta.deleted.is_none() && !disrupted.contains_key(&*p.meta.name);
    let current = i32::try_from(pods.iter().filter(healthy).count()).unwrap_or(i32::MAX);
    // Without pods there is nothing to be generous with: the first ones may be about to appear.
    let allowed = if expected > 0 { (current - desired).max(0) } else { 0 };
    let mut status = BudgetStatus {
        observed_generation: budget.meta.generation,
        expected_pods: expected,
        current_healthy: current,
        desired_healthy: desired,
        disruptions_allowed: allowed,
        disrupted_pods: disrupted,
        conditions: budget.status.conditions.clone(),
    };
    match allowed {
        0 => status.say(false, "InsufficientPods", "", now),
        _ => status.say(true, "SufficientPods", "", now),
    }
    (status, again)
}

/// The status of a budget that could not be reckoned: nothing is allowed until it can.
pub(super) fn failed(budget: &Budget, why: &str, now: Timestamp) -> BudgetStatus {
    let mut status = BudgetStatus { disruptions_allowed: 0, ..budget.status.clone() };
    status.say(false, "SyncFailed", why, now);
    status
}

/// Pods that are expected to go soon: allowed to be evicted, still there, and not for too long.
fn disrupted(budget: &Budget, pods: &[Arc<Pod>], now: Timestamp) -> (BTreeMap<Box<str>, Timestamp>, Again) {
    let mut out = BTreeMap::new();
    let mut again: Again = None;
    for pod in pods.iter().filter(|p| p.meta.deleted.is_none()) {
        let Some(at) = budget.status.disrupted_pods.get(&*pod.meta.name) else { continue };
        let left = PATIENCE - now.duration_since(*at);
        if let Ok(left) = Duration::try_from(left).map(|left| left + Duration::from_secs(1)) {
            out.insert(pod.meta.name.clone(), *at);
            again = Some(again.map_or(left, |a| a.min(left)));
        }
    }
    (out, again)
}

impl BudgetStatus {
    fn say(&mut self, on: bool, reason: &str, message: &str, now: Timestamp) {
        let new = Condition::new("DisruptionAllowed", on, reason, message).since(&self.conditions, now);
        put(&mut self.conditions, Condition { observed_generation: self.observed_generation, ..new });
    }
}

#[cfg(test)]
mod tests {
    use knarr_api::{Object, value};
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T00:10:00Z".parse().unwrap()
    }

    fn budget(spec: serde_json::Value, status: serde_json::Value) -> Budget {
        let v = json!({"metadata": {"name": "b", "namespace": "n", "generation": 3}, "spec": spec, "status": status});
        Budget::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap()
    }

    /// `r` is ready, `u` is not, `d` is ready and being deleted.
    fn pods(text: &str) -> Vec<Arc<Pod>> {
        let one = |(i, c): (usize, char)| {
            let mut v = json!({"metadata": {"name": format!("p{i}"), "namespace": "n", "labels": {"app": "a"}},
                "status": {"conditions": [{"type": "Ready", "status": if c == 'u' { "False" } else { "True" }}]}});
            if c == 'd' {
                v["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
            }
            Arc::new(Pod::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap())
        };
        text.chars().enumerate().map(one).collect()
    }

    #[test]
    fn what_is_allowed() {
        for (spec, have, scale, expected, desired, healthy, allowed) in [
            (json!({"minAvailable": 3}), "", 0, 0, 3, 0, 0),
            (json!({"minAvailable": 0}), "", 0, 0, 0, 0, 0),
            (json!({"minAvailable": 3}), "rrr", 0, 3, 3, 3, 0),
            (json!({"minAvailable": 3}), "rrrr", 0, 4, 3, 4, 1),
            (json!({"minAvailable": 3}), "rru", 0, 3, 3, 2, 0),
            (json!({"minAvailable": 1}), "rd", 0, 2, 1, 1, 0),
            (json!({"minAvailable": "28%"}), "rrrr", 10, 10, 3, 4, 1),
            (json!({"minAvailable": "67%"}), "rr", 3, 3, 3, 2, 0),
            (json!({"maxUnavailable": 1}), "rrr", 3, 3, 2, 3, 1),
            (json!({"maxUnavailable": 1}), "rru", 3, 3, 2, 2, 0),
            (json!({"maxUnavailable": 5}), "rr", 2, 2, 0, 2, 2),
            (json!({"maxUnavailable": "30%"}), "rrrrrrr", 10, 10, 7, 7, 0),
            (json!({"maxUnavailable": "30%"}), "rrrrrrrr", 10, 10, 7, 8, 1),
            (json!({"maxUnavailable": 0}), "rr", 2, 2, 2, 2, 0),
            (json!({}), "rr", 0, 0, 0, 2, 0),
        ] {
            let (s, again) = status(&budget(spec.clone(), json!({})), &pods(have), scale, now());
            let got = (s.expected_pods, s.desired_healthy, s.current_healthy, s.disruptions_allowed);
            assert_eq!(got, (expected, desired, healthy, allowed), "{spec} over {have}");
            assert_eq!((s.observed_generation, again), (3, None));
            let want = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
            assert_eq!((&*s.conditions[0].status, &*s.conditions[0].reason), want);
        }
    }

    #[test]
    fn a_pod_that_is_about_to_go_is_not_healthy() {
        let told = json!({"disruptedPods": {"p0": "2026-01-01T00:09:00Z", "p1": "2026-01-01T00:07:00Z",
            "p2": "2026-01-01T00:09:00Z", "gone": "2026-01-01T00:09:00Z"}});
        let b = budget(json!({"minAvailable": 1}), told);
        let (s, again) = status(&b, &pods("rrdr"), 0, now());
        // The first is going, the second never went, the third is seen going.
        assert_eq!(s.disrupted_pods.keys().map(|k| &**k).collect::<Vec<_>>(), ["p0"]);
        assert_eq!((s.current_healthy, s.disruptions_allowed), (2, 1));
        assert_eq!(again, Some(Duration::from_secs(61)));
        let printed = s.print(&b.status);
        assert_eq!(printed.at(&["disruptedPods", "gone"]), Some(&value!(null)));
        assert_eq!(printed.str_at(&["disruptedPods", "p0"]), "2026-01-01T00:09:00Z");
    }

    #[test]
    fn trouble_allows_nothing() {
        let mut b = budget(json!({"maxUnavailable": 1}), json!({}));
        b.status = status(&b, &pods("rr"), 2, now()).0;
        let s = failed(&b, "found no controllers for pod \"p0\"", now());
        assert_eq!((s.disruptions_allowed, &*s.conditions[0].reason), (0, "SyncFailed"));
        assert_eq!(s.current_healthy, 2, "what was known stays");
        b.status = s;
        let later = "2026-01-01T00:20:00Z".parse().unwrap();
        let healed = status(&b, &pods("rr"), 2, later).0;
        assert_eq!(healed.conditions[0].last_transition_time, Some(later));
        b.status = healed.clone();
        assert_eq!(status(&b, &pods("rr"), 2, now()).0, healed, "nothing new, nothing to write");
    }

    #[test]
    fn an_absent_selector_is_about_no_pod() {
        let all = pods("r");
        assert!(!budget(json!({}), json!({})).selects(&all[0]));
        assert!(budget(json!({"selector": {}}), json!({})).selects(&all[0]));
        assert!(!budget(json!({"selector": {"matchLabels": {"app": "b"}}}), json!({})).selects(&all[0]));
    }
}
