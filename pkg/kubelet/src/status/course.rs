//! A status among those before and after it.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod, PodStatus};

use super::OWNED;
use crate::pod;

/// What the next status goes on from: the API's, with the times of what was computed `last`. Not everything that was
/// computed is written at once, and what was begun does not begin anew for that.
pub(crate) fn carried(mut api: PodStatus, last: &PodStatus) -> PodStatus {
    if api.start_time.is_none() {
        api.start_time.clone_from(&last.start_time);
    }
    let mut conditions = api.conditions.take().unwrap_or_default();
    conditions.retain(|c| !OWNED.contains(&c.type_.as_str()));
    conditions.extend(last.conditions.iter().flatten().filter(|c| OWNED.contains(&c.type_.as_str())).cloned());
    api.conditions = Some(conditions);
    api
}

/// Whether a status only says that the pod is about to start, and that nothing is wrong: whoever waits for the pod does
/// not wait for this.
pub(crate) fn is_under_way(pod: &Pod, status: &PodStatus) -> bool {
    let calm = |c: &ContainerStatus| {
        let waiting = c.state.as_ref().and_then(|s| s.waiting.as_ref()).and_then(|w| w.reason.as_deref());
        let fresh = c.last_state.as_ref().is_none_or(|last| *last == ContainerState::default());
        matches!(waiting, Some("ContainerCreating" | "PodInitializing")) && fresh
    };
    let lists = [&status.init_container_statuses, &status.container_statuses, &status.ephemeral_container_statuses];
    status.phase.as_deref() == Some("Pending")
        && status.reason.is_none()
        && !pod::is_deleting(pod)
        && lists.into_iter().flatten().flatten().all(calm)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::pod::testutil::pod;

    fn status(value: serde_json::Value) -> PodStatus {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn times_are_carried_and_what_others_wrote_stays() {
        let api = json!({"qosClass": "Burstable", "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:09Z"}]});
        let last = json!({"startTime": "2026-01-01T00:00:01Z", "conditions": [
            {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:02Z"},
            {"type": "theirs", "status": "True"}]});
        let want = json!({"qosClass": "Burstable", "startTime": "2026-01-01T00:00:01Z", "conditions": [
            {"type": "PodScheduled", "status": "True"},
            {"type": "Ready", "status": "False", "lastTransitionTime": "2026-01-01T00:00:02Z"}]});
        assert_eq!(carried(status(api), &status(last)), status(want));
        let written = status(json!({"startTime": "2026-01-01T00:00:05Z", "conditions": []}));
        assert_eq!(carried(written.clone(), &status(json!({"startTime": "2026-01-01T00:00:01Z"}))), written);
    }

    #[test]
    fn what_somebody_may_wait_for_is_not_under_way() {
        let waiting = |reason: &str| {
            json!({"name": "a", "ready": false, "restartCount": 0, "image": "", "imageID": "",
            "state": {"waiting": {"reason": reason}}})
        };
        let of = |phase: &str, list: serde_json::Value| status(json!({"phase": phase, "containerStatuses": list}));
        let (alive, deleted) =
            (pod(json!({})), pod(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}})));
        let creating = of("Pending", json!([waiting("ContainerCreating"), waiting("PodInitializing")]));
        assert!(is_under_way(&alive, &creating));
        let last = |state: serde_json::Value| {
            let mut waiting = waiting("ContainerCreating");
            waiting["lastState"] = state;
            of("Pending", json!([waiting]))
        };
        assert!(is_under_way(&alive, &last(json!({}))));
        assert!(!is_under_way(&alive, &last(json!({"terminated": {"exitCode": 1}}))));
        assert!(!is_under_way(&deleted, &creating));
        assert!(!is_under_way(&alive, &of("Pending", json!([waiting("ErrImagePull")]))));
        assert!(!is_under_way(&alive, &of("Running", json!([]))));
        let mut running = waiting("");
        running["state"] = json!({"running": {}});
        assert!(!is_under_way(&alive, &of("Pending", json!([running, waiting("PodInitializing")]))));
    }
}
