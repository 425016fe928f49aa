//! What to say about a DaemonSet: pure.

use knarr_api::{Value, value};

use super::{
    eligible::{Standing, standing},
    model::DaemonSetStatus,
    plan::World,
};
use crate::{context::Again, pod::until_available};

/// The new status, if it differs, and when it may differ by itself. While what was done for the set has not shown up
/// (`settled`) its generation does not count as observed.
pub(super) fn status(world: &World<'_>, collisions: i32, settled: bool) -> (Option<Value>, Again) {
    let set = world.set;
    let mut new = DaemonSetStatus {
        observed_generation: if settled { set.meta.generation } else { set.status.observed_generation },
        collision_count: (collisions > 0).then_some(collisions),
        ..DaemonSetStatus::default()
    };
    let by_node = world.by_node();
    for node in world.nodes {
        let oldest = by_node.get(&*node.meta.name).and_then(|pods| pods.first());
        if standing(set, node) != Standing::Runs {
            new.number_misscheduled += i32::from(oldest.is_some());
            continue;
        }
        new.desired_number_scheduled += 1;
        let Some(daemon) = oldest else { continue };
        new.current_number_scheduled += 1;
        new.number_ready += i32::from(daemon.is_ready());
        new.number_available += i32::from(world.is_available(daemon));
        new.updated_number_scheduled += i32::from(world.is_updated(daemon));
    }
    new.number_unavailable = new.desired_number_scheduled - new.number_available;
    let again = until_available(world.pods.iter().map(|d| &d.pod), set.min_ready_seconds, world.now);
    ((new != set.status).then(|| print(&new)), again)
}

fn print(s: &DaemonSetStatus) -> Value {
    let mut status = value!({
        "observedGeneration": s.observed_generation,
        "desiredNumberScheduled": s.desired_number_scheduled,
        "currentNumberScheduled": s.current_number_scheduled,
        "numberMisscheduled": s.number_misscheduled,
        "numberReady": s.number_ready,
        "updatedNumberScheduled": s.updated_number_scheduled,
        "numberAvailable": s.number_available,
        "numberUnavailable": s.number_unavailable,
    });
    if let Some(collisions) = s.collision_count {
        status.set(&["collisionCount"], collisions);
    }
    status
}

#[cfg(test)]
mod tests {
    use knarr_api::value::from_value;
    use serde_json::json;

    use super::*;
    use crate::daemon_set::plan::tests::{daemon, node, set, world};

    #[test]
    fn counters() {
        let mut s = set(json!({}));
        let nodes = [
            node("n1", &json!({}), &json!([])),
            node("n2", &json!({}), &json!([])),
            node("n3", &json!({}), &json!([])),
            node("n4", &json!({}), &json!([{"key": "k", "effect": "NoSchedule"}])),
        ];
        let pods =
            [daemon("a", "n1", "new", "ready"), daemon("b", "n2", "old", "unready"), daemon("d", "n4", "new", "ready")];
        let got: DaemonSetStatus = from_value(&status(&world(&s, &nodes, &pods), 0, true).0.unwrap()).unwrap();
        assert_eq!((got.desired_number_scheduled, got.current_number_scheduled, got.number_misscheduled), (3, 2, 1));
        assert_eq!((got.number_ready, got.number_available, got.number_unavailable), (1, 1, 2));
        assert_eq!((got.updated_number_scheduled, got.observed_generation), (1, 2));
        let early: DaemonSetStatus = from_value(&status(&world(&s, &nodes, &pods), 0, false).0.unwrap()).unwrap();
        assert_eq!(early.observed_generation, 0, "what is not settled is not observed");
        s.status = got;
        assert_eq!(status(&world(&s, &nodes, &pods), 0, true).0, None, "an unchanged status is not written");
    }
}
