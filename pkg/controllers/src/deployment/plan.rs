//! What to do next for a Deployment: pure.

use std::sync::Arc;

use super::{
    model::{Deployment, ReplicaSet},
    scale::proportional,
};

/// One change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Make the ReplicaSet of the present template.
    Create { replicas: i32, revision: i64 },
    /// Change a ReplicaSet's size.
    Scale { name: String, from: i32, to: i32 },
    /// Note on a ReplicaSet what size the Deployment has.
    Annotate { name: String },
    /// The newest ReplicaSet gets the Deployment's annotations (its change cause, for `rollout history`).
    Inherit { name: String },
    /// A ReplicaSet became the newest revision.
    Revision { name: String, revision: i64 },
    /// The Deployment shows the newest revision.
    OwnRevision { revision: i64 },
    /// A ReplicaSet beyond the history limit goes.
    Delete { name: String, uid: String },
}

/// The ReplicaSet of the present template: the oldest, should there be several.
pub(super) fn newest<'a>(d: &Deployment, sets: &'a [Arc<ReplicaSet>]) -> Option<&'a Arc<ReplicaSet>> {
    sets.iter().find(|s| s.template == d.template)
}

/// The next steps; the informers' answer to them asks again.
pub(super) fn plan(d: &Deployment, sets: &[Arc<ReplicaSet>]) -> Vec<Step> {
    let new = newest(d, sets);
    let old: Vec<&Arc<ReplicaSet>> = sets.iter().filter(|s| new.is_none_or(|n| n.key != s.key)).collect();
    let mut steps = Vec::new();
    let top = old.iter().map(|s| s.revision).max().unwrap_or(0);
    match new {
        Some(n) if !d.paused && n.revision <= top => {
            steps.push(Step::Revision { name: n.key.name.to_string(), revision: top + 1 });
            steps.push(Step::OwnRevision { revision: top + 1 });
        }
        Some(n) => {
            if !n.has_inherited(d) {
                steps.push(Step::Inherit { name: n.key.name.to_string() });
            }
            if d.revision != n.revision && n.revision > 0 {
                steps.push(Step::OwnRevision { revision: n.revision });
            }
        }
        None => {}
    }
    if d.paused || is_scaling(d, sets) {
        steps.extend(proportional(d, new, &old));
    } else if d.recreates() {
        steps.extend(recreate(d, new, &old, top));
    } else {
        steps.extend(roll(d, new, &old, top));
    }
    if !d.paused {
        steps.extend(clean(d, new, &old));
    }
    steps
}

/// The Deployment's size was changed since its ReplicaSets were scaled last.
fn is_scaling(d: &Deployment, sets: &[Arc<ReplicaSet>]) -> bool {
    sets.iter().any(|s| s.replicas > 0 && s.desired.is_some_and(|desired| desired != d.replicas))
}

fn scale(set: &ReplicaSet, to: i32) -> Option<Step> {
    (set.replicas != to).then(|| Step::Scale { name: set.key.name.to_string(), from: set.replicas, to })
}

fn recreate(d: &Deployment, new: Option<&Arc<ReplicaSet>>, old: &[&Arc<ReplicaSet>], top: i64) -> Vec<Step> {
    let down: Vec<Step> = old.iter().filter_map(|s| scale(s, 0)).collect();
    if !down.is_empty() {
        return down;
    }
    // Old pods are waited for until the last of them has ended.
    let still = |s: &&Arc<ReplicaSet>| s.status.replicas > 0 || s.status.terminating_replicas.unwrap_or(0) > 0;
    if old.iter().any(|s| still(s) || s.status.observed_generation < s.meta.generation) {
        return Vec::new();
    }
    match new {
        Some(n) => scale(n, d.replicas).into_iter().collect(),
        None => create(d.replicas, top),
    }
}

fn create(replicas: i32, top: i64) -> Vec<Step> {
    vec![Step::Create { replicas, revision: top + 1 }, Step::OwnRevision { revision: top + 1 }]
}

fn roll(d: &Deployment, new: Option<&Arc<ReplicaSet>>, old: &[&Arc<ReplicaSet>], top: i64) -> Vec<Step> {
    let total: i32 = old.iter().map(|s| s.replicas).sum::<i32>() + new.map_or(0, |n| n.replicas);
    let room = (d.replicas + d.surge() - total).max(0);
    let Some(n) = new else { return create(room.min(d.replicas), top) };
    if n.replicas > d.replicas {
        return scale(n, d.replicas).into_iter().collect();
    }
    if n.replicas < d.replicas && room > 0 {
        return scale(n, n.replicas + room.min(d.replicas - n.replicas)).into_iter().collect();
    }
    shrink(d, n, old, total)
}

/// Takes from the old ReplicaSets what availability allows: first pods that are not available anyway, oldest set first.
fn shrink(d: &Deployment, new: &ReplicaSet, old: &[&Arc<ReplicaSet>], total: i32) -> Vec<Step> {
    let least = d.replicas - d.unavailable();
    let new_missing = new.replicas - new.status.available_replicas;
    let mut spare = total - least - new_missing;
    if spare <= 0 {
        return Vec::new();
    }
    let mut size: Vec<i32> = old.iter().map(|s| s.replicas).collect();
    for (set, size) in old.iter().zip(&mut size) {
        let unhealthy = (set.replicas - set.status.available_replicas).clamp(0, spare);
        *size -= unhealthy;
        spare -= unhealthy;
    }
    let available: i32 =
        old.iter().map(|s| s.status.available_replicas.min(s.replicas)).sum::<i32>() + new.status.available_replicas;
    let mut spare = (available - least).max(0);
    for (set, size) in old.iter().zip(&mut size) {
        let healthy = (*size).min(set.status.available_replicas).clamp(0, spare);
        *size -= healthy;
        spare -= healthy;
    }
    old.iter().zip(size).filter_map(|(set, size)| scale(set, size)).collect()
}

/// Empty old ReplicaSets beyond the limit, oldest revision first, once the rollout is complete.
fn clean(d: &Deployment, new: Option<&Arc<ReplicaSet>>, old: &[&Arc<ReplicaSet>]) -> Vec<Step> {
    let complete = new.is_some_and(|n| n.status.available_replicas >= d.replicas)
        && d.status.updated_replicas == d.replicas
        && d.status.replicas == d.replicas
        && d.status.observed_generation >= d.meta.generation;
    if !complete {
        return Vec::new();
    }
    let empty = |s: &&&Arc<ReplicaSet>| {
        s.replicas == 0
            && s.status.replicas == 0
            && s.meta.deleted.is_none()
            && s.status.observed_generation >= s.meta.generation
    };
    let mut gone: Vec<_> = old.iter().filter(empty).collect();
    gone.sort_by_key(|s| s.revision);
    let surplus = gone.len().saturating_sub(d.history_limit);
    gone[..surplus].iter().map(|s| Step::Delete { name: s.key.name.to_string(), uid: s.meta.uid.to_string() }).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use knarr_api::Object;
    use serde_json::json;

    use super::*;

    pub(crate) fn deployment(replicas: i32, image: &str, strategy: serde_json::Value) -> Deployment {
        let v = json!({"metadata": {"name": "d", "namespace": "n", "uid": "u", "generation": 1,
            "annotations": {"deployment.kubernetes.io/revision": "1"}},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}}, "strategy": strategy,
                "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"image": image}]}}}});
        Deployment::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap()
    }

    pub(crate) fn set(name: &str, image: &str, revision: i64, replicas: i32, available: i32) -> Arc<ReplicaSet> {
        let v = json!({"metadata": {"name": name, "namespace": "n", "uid": name, "annotations":
                {"deployment.kubernetes.io/revision": revision.to_string()}},
            "spec": {"replicas": replicas, "template": {"metadata": {"labels": {"app": "a", "pod-template-hash": name}},
                "spec": {"containers": [{"image": image}]}}},
            "status": {"replicas": replicas, "readyReplicas": available, "availableReplicas": available}});
        Arc::new(ReplicaSet::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap())
    }

    fn rolling(surge: i32, unavailable: i32) -> serde_json::Value {
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}})
    }

    fn scales(steps: &[Step]) -> Vec<(&str, i32)> {
        steps
            .iter()
            .filter_map(|s| if let Step::Scale { name, to, .. } = s { Some((name.as_str(), *to)) } else { None })
            .collect()
    }

    #[test]
    fn a_new_deployment_gets_its_first_set() {
        let d = deployment(3, "v1", rolling(1, 0));
        assert_eq!(plan(&d, &[])[0], Step::Create { replicas: 3, revision: 1 });
    }

    #[test]
    fn a_rolling_update_keeps_its_bounds_to_the_end() {
        // Simulated: each round the plan is applied and all pods of a set become available.
        for (surge, unavailable) in [(1, 0), (0, 1), (2, 1), (3, 3)] {
            let d = deployment(3, "v2", rolling(surge, unavailable));
            let (mut old, mut new): (i32, Option<i32>) = (3, None);
            let mut rounds = 0;
            while (old, new) != (0, Some(3)) {
                rounds += 1;
                assert!(rounds < 20, "stuck at {old} {new:?} with {surge}/{unavailable}");
                let mut sets = vec![set("old", "v1", 1, old, old)];
                sets.extend(new.map(|n| set("new", "v2", 2, n, n)));
                for step in plan(&d, &sets) {
                    match step {
                        Step::Create { replicas, .. } => new = Some(replicas),
                        Step::Scale { name, to, .. } if name == "old" => old = to,
                        Step::Scale { to, .. } => new = Some(to),
                        _ => {}
                    }
                }
                let total = old + new.unwrap_or(0);
                assert!(total <= 3 + surge, "{total} pods with a surge of {surge}");
                assert!(total >= 3 - unavailable, "{total} pods with {unavailable} unavailable");
            }
        }
    }

    #[test]
    fn nothing_is_taken_while_new_pods_are_not_available() {
        let d = deployment(3, "v2", rolling(1, 0));
        let sets = [set("old", "v1", 1, 3, 3), set("new", "v2", 2, 1, 0)];
        assert_eq!(scales(&plan(&d, &sets)), []);
        let broken = [set("old", "v1", 1, 3, 2), set("new", "v2", 2, 1, 0)];
        assert_eq!(scales(&plan(&d, &broken)), [], "an unhealthy old pod is no spare one with maxUnavailable 0");
    }

    #[test]
    fn a_rollback_takes_the_old_set_up_again_as_newest_revision() {
        let d = deployment(2, "v1", rolling(1, 0));
        let sets = [set("first", "v1", 1, 0, 0), set("second", "v2", 2, 2, 2)];
        let steps = plan(&d, &sets);
        assert_eq!(steps[0], Step::Revision { name: "first".into(), revision: 3 });
        assert_eq!(scales(&steps), [("first", 1)]);
    }

    #[test]
    fn the_newest_set_inherits_annotations_that_come_later() {
        let mut d = deployment(1, "v1", rolling(1, 0));
        let sets = [set("first", "v1", 1, 1, 1)];
        assert_eq!(plan(&d, &sets), []);
        d.inherited.insert("kubernetes.io/change-cause".into(), "because".into());
        assert_eq!(plan(&d, &sets), [Step::Inherit { name: "first".into() }]);
    }

    #[test]
    fn recreate_waits_for_the_last_old_pod() {
        let d = deployment(2, "v2", json!({"type": "Recreate"}));
        assert_eq!(scales(&plan(&d, &[set("old", "v1", 1, 2, 2)])), [("old", 0)]);
        assert!(matches!(plan(&d, &[set("old", "v1", 1, 0, 0)])[..], [Step::Create { replicas: 2, .. }, _]));
    }

    #[test]
    fn a_paused_deployment_makes_nothing_new() {
        let mut d = deployment(2, "v2", rolling(1, 0));
        d.paused = true;
        assert_eq!(scales(&plan(&d, &[set("old", "v1", 1, 2, 2)])), []);
    }
}
