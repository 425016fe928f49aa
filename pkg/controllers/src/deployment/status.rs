//! The status of a Deployment and its two conditions: pure.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use knarr_api::{Value, value};

use super::{
    model::{Deployment, DeploymentStatus, ReplicaSet},
    plan::newest,
};
use crate::{
    conditions::{self, Condition, find},
    context::Again,
};

/// The new status, if it differs, and when it may differ by itself (the progress deadline).
pub(super) fn status(
    d: &Deployment,
    sets: &[Arc<ReplicaSet>],
    failure: Option<&str>,
    now: Timestamp,
) -> (Option<Value>, Again) {
    let new = newest(d, sets);
    let sum = |f: fn(&ReplicaSet) -> i32| sets.iter().map(|s| f(s)).sum::<i32>();
    let available = sum(|s| s.status.available_replicas);
    let total = sum(|s| s.replicas);
    let mut next = DeploymentStatus {
        observed_generation: d.meta.generation,
        replicas: sum(|s| s.status.replicas),
        updated_replicas: new.map_or(0, |n| n.status.replicas),
        ready_replicas: sum(|s| s.status.ready_replicas),
        available_replicas: available,
        unavailable_replicas: (total.max(d.replicas) - available).max(0),
        terminating_replicas: Some(sum(|s| s.status.terminating_replicas.unwrap_or(0))),
        collision_count: d.status.collision_count,
        conditions: Vec::new(),
    };
    next.conditions.push(availability(d, available));
    let (progress, again) = progress(d, new, &next, failure, now);
    next.conditions.extend(progress);
    let own = || failure.map(|message| Condition::new("ReplicaFailure", true, "FailedCreate", message.to_owned()));
    next.conditions.extend(replica_failure(new, sets).or_else(own));
    next.conditions = next.conditions.into_iter().map(|c| dated(c, &d.status.conditions, now)).collect();
    if next == d.status { (None, again) } else { (Some(print(&next)), again) }
}

/// What hinders a ReplicaSet, the newest first, is told of the Deployment.
fn replica_failure(new: Option<&Arc<ReplicaSet>>, sets: &[Arc<ReplicaSet>]) -> Option<Condition> {
    let found = new.into_iter().chain(sets).find_map(|s| find(&s.status.conditions, "ReplicaFailure"))?;
    Some(Condition { last_update_time: None, last_transition_time: None, ..found.clone() })
}

/// A condition with its times: the update time changes with anything said.
fn dated(mut c: Condition, old: &[Condition], now: Timestamp) -> Condition {
    let same = find(old, &c.kind).filter(|o| o.agrees(&c));
    c.last_update_time =
        c.last_update_time.or(same.and_then(|o| o.last_update_time)).or(Some(conditions::to_the_second(now)));
    c.since(old, now)
}

fn availability(d: &Deployment, available: i32) -> Condition {
    if available >= d.replicas - d.unavailable() {
        let text = "Deployment has minimum availability.".to_owned();
        Condition::new("Available", true, "MinimumReplicasAvailable", text)
    } else {
        let text = "Deployment does not have minimum availability.".to_owned();
        Condition::new("Available", false, "MinimumReplicasUnavailable", text)
    }
}

/// Whether the rollout moves, is done, or is stuck.
fn progress(
    d: &Deployment,
    new: Option<&Arc<ReplicaSet>>,
    next: &DeploymentStatus,
    failure: Option<&str>,
    now: Timestamp,
) -> (Option<Condition>, Again) {
    let told = find(&d.status.conditions, "Progressing");
    let Some(deadline) = d.deadline else { return (None, None) };
    let what = match new {
        Some(n) => format!("ReplicaSet \"{}\"", n.key.name),
        None => format!("Deployment \"{}\"", d.key.name),
    };
    if d.paused {
        let text = "Deployment is paused".to_owned();
        return (
            Some(Condition {
                status: "Unknown".into(),
                ..Condition::new("Progressing", true, "DeploymentPaused", text)
            }),
            None,
        );
    }
    let complete = next.updated_replicas == d.replicas
        && next.replicas == d.replicas
        && next.available_replicas == d.replicas
        && next.observed_generation >= d.meta.generation;
    if complete && new.is_some() {
        let text = format!("{what} has successfully progressed.");
        return (Some(Condition::new("Progressing", true, "NewReplicaSetAvailable", text)), None);
    }
    let (Some(told), Some(n)) = (told, new) else {
        if failure.is_some() && new.is_none() {
            let text = failure.unwrap_or_default().to_owned();
            return (Some(Condition::new("Progressing", false, "ReplicaSetCreateError", text)), None);
        }
        let text = match new {
            Some(n) => format!("Found new replica set \"{}\"", n.key.name),
            None => format!("Created new replica set for {what}"),
        };
        let reason = if new.is_some() { "FoundNewReplicaSet" } else { "NewReplicaSetCreated" };
        return (Some(Condition::new("Progressing", true, reason, text)), wait(deadline));
    };
    let old = &d.status;
    let moved = next.updated_replicas > old.updated_replicas
        || next.replicas - next.updated_replicas < old.replicas - old.updated_replicas
        || next.ready_replicas > old.ready_replicas
        || next.available_replicas > old.available_replicas
        || old.observed_generation < d.meta.generation && &*told.reason != "ProgressDeadlineExceeded";
    let text = format!("ReplicaSet \"{}\" is progressing.", n.key.name);
    if moved || &*told.status == "Unknown" {
        let now = conditions::to_the_second(now);
        let c = Condition::new("Progressing", true, "ReplicaSetUpdated", text);
        return (Some(Condition { last_update_time: Some(now), ..c }), wait(deadline));
    }
    let since = told.last_update_time.unwrap_or(now);
    let left = i64::from(deadline) - now.duration_since(since).as_secs();
    if &*told.reason == "ProgressDeadlineExceeded" || (left <= 0 && &*told.reason != "NewReplicaSetAvailable") {
        let text = format!("ReplicaSet \"{}\" has timed out progressing.", n.key.name);
        return (Some(Condition::new("Progressing", false, "ProgressDeadlineExceeded", text)), None);
    }
    if &*told.reason == "NewReplicaSetAvailable" && told.message.contains(n.key.name.as_str()) {
        // Complete once, pods lost since: that is not the rollout's failure.
        return (Some(Condition::new("Progressing", true, &told.reason, told.message.clone())), None);
    }
    let kept = if &*told.reason == "NewReplicaSetAvailable" { "ReplicaSetUpdated" } else { &*told.reason };
    let text = if *kept == *told.reason { told.message.to_string() } else { text };
    (Some(Condition::new("Progressing", true, kept, text)), wait(i32::try_from(left.max(1)).unwrap_or(deadline)))
}

fn wait(seconds: i32) -> Again {
    Some(Duration::from_secs(u64::from(seconds.max(0).unsigned_abs()) + 1))
}

fn print(s: &DeploymentStatus) -> Value {
    value!({
        "observedGeneration": s.observed_generation,
        "replicas": s.replicas,
        "updatedReplicas": s.updated_replicas,
        "readyReplicas": s.ready_replicas,
        "availableReplicas": s.available_replicas,
        "unavailableReplicas": s.unavailable_replicas,
        "terminatingReplicas": s.terminating_replicas.unwrap_or(0),
        "conditions": conditions::print(&s.conditions),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::deployment::plan::tests::{deployment, set};

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// Applies the status and returns it, with the reason of the progress condition.
    fn step(d: &mut Deployment, sets: &[Arc<ReplicaSet>], now: &str) -> String {
        if let (Some(status), _) = status(d, sets, None, at(now)) {
            d.status = value::from_value(&status).unwrap();
        }
        find(&d.status.conditions, "Progressing").unwrap().reason.to_string()
    }

    #[test]
    fn the_story_of_a_rollout() {
        let mut d = deployment(1, "v1", json!({}));
        assert_eq!(step(&mut d, &[], "2026-01-01T00:00:00Z"), "NewReplicaSetCreated");
        let waiting = [set("s", "v1", 1, 1, 0)];
        assert_eq!(step(&mut d, &waiting, "2026-01-01T00:00:01Z"), "ReplicaSetUpdated");
        assert_eq!(step(&mut d, &waiting, "2026-01-01T00:05:00Z"), "ReplicaSetUpdated");
        assert_eq!(step(&mut d, &waiting, "2026-01-01T00:11:00Z"), "ProgressDeadlineExceeded");
        assert_eq!(step(&mut d, &[set("s", "v1", 1, 1, 1)], "2026-01-01T00:12:00Z"), "NewReplicaSetAvailable");
        assert_eq!(step(&mut d, &waiting, "2026-01-01T02:00:00Z"), "NewReplicaSetAvailable");
    }

    #[test]
    fn a_set_that_cannot_make_pods_is_told() {
        let mut d = deployment(1, "v1", json!({}));
        let mut broken = (*set("s", "v1", 1, 1, 0)).clone();
        broken.status.conditions = vec![Condition::new("ReplicaFailure", true, "FailedCreate", "forbidden")];
        step(&mut d, &[Arc::new(broken)], "2026-01-01T00:00:00Z");
        let told = find(&d.status.conditions, "ReplicaFailure").unwrap();
        assert_eq!((&*told.status, &*told.reason, &*told.message), ("True", "FailedCreate", "forbidden"));
        step(&mut d, &[set("s", "v1", 1, 1, 0)], "2026-01-01T00:00:01Z");
        assert!(find(&d.status.conditions, "ReplicaFailure").is_none());
    }

    #[test]
    fn an_unchanged_status_is_not_written() {
        let mut d = deployment(1, "v1", json!({}));
        let sets = [set("s", "v1", 1, 1, 1)];
        step(&mut d, &sets, "2026-01-01T00:00:00Z");
        assert!(status(&d, &sets, None, at("2026-01-01T00:09:00Z")).0.is_none());
    }
}
