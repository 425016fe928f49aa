//! What to say about a StatefulSet: pure.

use std::sync::Arc;

use jiff::Timestamp;
use knarr_api::{Value, value};

use super::{
    member::Member,
    model::{StatefulSet, StatefulSetStatus, Update},
};
use crate::{context::Again, pod::until_available};

/// The new status, if it differs, and when it may differ by itself. `current` and `update` are names of revisions.
pub(super) fn status(
    set: &StatefulSet,
    members: &[Arc<Member>],
    (current, update): (&str, &str),
    collisions: i32,
    now: Timestamp,
) -> (Option<Value>, Again) {
    let count =
        |test: &dyn Fn(&Member) -> bool| i32::try_from(members.iter().filter(|m| test(m)).count()).unwrap_or(i32::MAX);
    let of = |revision: &str| count(&|m| !m.is_terminating() && m.revision() == revision);
    let mut new = StatefulSetStatus {
        observed_generation: set.meta.generation,
        replicas: count(&|_| true),
        ready_replicas: count(&Member::is_ready),
        available_replicas: count(&|m| m.is_ready() && m.pod.is_available(set.min_ready_seconds, now)),
        current_replicas: of(current),
        updated_replicas: of(update),
        current_revision: current.to_owned(),
        update_revision: update.to_owned(),
        collision_count: Some(collisions),
    };
    // An update is over when every member is of the new revision and ready.
    let size = i32::try_from(set.replicas).unwrap_or(i32::MAX);
    let all = [new.updated_replicas, new.ready_replicas, new.replicas];
    if matches!(set.update, Update::Rolling { .. }) && all == [size; 3] {
        new.current_revision.clone_from(&new.update_revision);
        new.current_replicas = new.updated_replicas;
    }
    let again = until_available(members.iter().map(|m| &m.pod), set.min_ready_seconds, now);
    ((new != set.status).then(|| print(&new)), again)
}

fn print(s: &StatefulSetStatus) -> Value {
    value!({
        "observedGeneration": s.observed_generation,
        "replicas": s.replicas,
        "readyReplicas": s.ready_replicas,
        "availableReplicas": s.available_replicas,
        "currentReplicas": s.current_replicas,
        "updatedReplicas": s.updated_replicas,
        "currentRevision": s.current_revision.as_str(),
        "updateRevision": s.update_revision.as_str(),
        "collisionCount": s.collision_count.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use knarr_api::value::from_value;
    use serde_json::json;

    use super::*;
    use crate::stateful_set::plan::tests::{member, set};

    fn said(set: &StatefulSet, members: &[Arc<Member>]) -> StatefulSetStatus {
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        from_value(&status(set, members, ("old", "new"), 0, now).0.unwrap()).unwrap()
    }

    #[test]
    fn counters() {
        let s = set(4, json!({}));
        let members = [
            member(0, "old", "ready"),
            member(1, "old", "unready"),
            member(2, "new", "pending"),
            member(3, "new", "terminating"),
        ];
        let got = said(&s, &members);
        assert_eq!((got.replicas, got.ready_replicas, got.available_replicas), (4, 2, 2));
        assert_eq!((got.current_replicas, got.updated_replicas), (2, 1));
        assert_eq!((&*got.current_revision, &*got.update_revision), ("old", "new"));
    }

    #[test]
    fn an_update_ends_when_all_are_new_and_ready() {
        let mut s = set(2, json!({}));
        let done = [member(0, "new", "ready"), member(1, "new", "ready")];
        let got = said(&s, &done);
        assert_eq!((&*got.current_revision, got.current_replicas), ("new", 2));
        assert_eq!(&*said(&s, &[member(0, "new", "ready"), member(1, "new", "unready")]).current_revision, "old");
        let on_delete = set(2, json!({"updateStrategy": {"type": "OnDelete"}}));
        assert_eq!(&*said(&on_delete, &done).current_revision, "old");
        s.status = got;
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        assert_eq!(status(&s, &done, ("new", "new"), 0, now).0, None, "an unchanged status is not written");
    }

    #[test]
    fn availability_takes_its_time() {
        let s = set(1, json!({"minReadySeconds": 60}));
        let now = "2026-01-01T00:01:30Z".parse().unwrap();
        let (status, again) = status(&s, &[member(0, "new", "ready")], ("new", "new"), 0, now);
        assert_eq!(status.unwrap().get("availableReplicas"), Some(&Value::Int(0)));
        assert_eq!(again, Some(std::time::Duration::from_secs(30)));
    }
}
