//! What a disruption budget says about an eviction: pure.

use knarr_api::{
    Object, Reason, Status, Value,
    selector::Labels,
    status::{Cause, Details},
    value,
};

use crate::registry::document::decode;

/// More evictions than this that the controller has not confirmed are too many.
const UNCONFIRMED: usize = 2000;

/// The answer of a budget that does not refuse.
#[derive(Debug, PartialEq)]
pub(super) enum Answered {
    /// The pod counts for nothing as it is: nothing is taken.
    Unhealthy,
    /// The budget with one disruption less.
    Less(Value),
}

/// The one budget that is about a pod. An empty selector is about every pod, an absent one about none.
pub(super) fn of_pod<'a>(
    budgets: impl Iterator<Item = &'a Object>,
    pod: &Object,
) -> Result<Option<(&'a Object, Value)>, Status> {
    let mut found = None;
    for object in budgets {
        let budget = decode(object)?;
        let selector = Labels::from_selector(budget.at(&["spec", "selector"]));
        if selector.is_ok_and(|s| s.matches(&pod.meta().labels)) && found.replace((object, budget)).is_some() {
            let why =
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
            return Err(Status::new(Reason::Unknown, why));
        }
    }
    Ok(found)
}

/// Asks a budget about a pod.
pub(super) fn ask(object: &Object, mut budget: Value, pod: &Value, now: &str) -> Result<Answered, Status> {
    let name = object.name();
    let number = |key| budget.at(&["status", key]).and_then(Value::as_i64).unwrap_or(0);
    let (healthy, desired, allowed) =
        (number("currentHealthy"), number("desiredHealthy"), number("disruptionsAllowed"));
    let ready = |c: &Value| c.str_at(&["type"]) == "Ready" && c.str_at(&["status"]) == "True";
    if !pod.list_at(&["status", "conditions"]).iter().any(ready) {
        let always = budget.str_at(&["spec", "unhealthyPodEvictionPolicy"]) == "AlwaysAllow";
        if always || (healthy >= desired && desired > 0) {
            return Ok(Answered::Unhealthy);
        }
    }
    if number("observedGeneration") < object.meta().generation {
        return Err(in_work(name));
    }
    if allowed < 0 {
        return Err(Status::forbidden("policy", "poddisruptionbudget", name, "pdb disruptions allowed is negative"));
    }
    let unconfirmed = budget.at(&["status", "disruptedPods"]).and_then(Value::as_object).map_or(0, |map| map.len());
    if unconfirmed > UNCONFIRMED {
        let why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
        return Err(Status::forbidden("policy", "poddisruptionbudget", name, why));
    }
    if allowed == 0 {
        return Err(refusal(0, reason(name, &budget, healthy, desired)));
    }
    budget.set(&["status", "disruptionsAllowed"], allowed - 1);
    budget.set(&["status", "disruptedPods", pod.str_at(&["metadata", "name"])], now);
    if allowed == 1 {
        exhausted(&mut budget, now);
    }
    Ok(Answered::Less(budget))
}

/// Why nothing is allowed.
fn reason(name: &str, budget: &Value, healthy: i64, desired: i64) -> String {
    let conditions = budget.list_at(&["status", "conditions"]);
    let told =
        conditions.iter().find(|c| c.str_at(&["type"]) == "DisruptionAllowed" && c.str_at(&["status"]) == "False");
    let (why, message) = told.map_or(("", ""), |c| (c.str_at(&["reason"]), c.str_at(&["message"])));
    let not_now = format!("The disruption budget {name} does not allow evicting pods currently");
    match message {
        // Numbers of a failed round are not to be trusted.
        text if why == "SyncFailed" && !text.is_empty() => format!("{not_now} because it failed sync: {text}"),
        _ if healthy <= desired => {
            format!("The disruption budget {name} needs {desired} healthy pods and has {healthy} currently")
        }
        "" => not_now,
        text => format!("{not_now} ({why}): {text}"),
    }
}

/// The condition of a budget that has nothing left.
fn exhausted(budget: &mut Value, now: &str) {
    let generation = budget.at(&["status", "observedGeneration"]).cloned().unwrap_or_default();
    let mut conditions = budget.list_at(&["status", "conditions"]).to_vec();
    conditions.retain(|c| c.str_at(&["type"]) != "DisruptionAllowed");
    conditions.push(value!({
        "type": "DisruptionAllowed",
        "status": "False",
        "reason": "InsufficientPods",
        "message": "",
        "observedGeneration": generation,
        "lastTransitionTime": now,
    }));
    budget.set(&["status", "conditions"], conditions);
}

/// Refuses while the numbers of a budget are not those of its present state.
pub(super) fn in_work(name: &str) -> Status {
    refusal(10, format!("The disruption budget {name} is still being processed by the server."))
}

fn refusal(seconds: i32, message: String) -> Status {
    Status::new(Reason::TooManyRequests, "Cannot evict pod as it would violate the pod's disruption budget.")
        .with_details(Details { retry_after_seconds: seconds, ..Details::default() })
        .with_causes([Cause { reason: "DisruptionBudget".to_owned(), message, field: String::new() }])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn asked(spec: serde_json::Value, status: serde_json::Value, ready: bool) -> Result<Answered, Status> {
        let v = json!({"metadata": {"name": "b", "namespace": "n", "generation": 2}, "spec": spec, "status": status});
        let object = Object::from_json(v.to_string().into()).unwrap();
        let state = if ready { "True" } else { "False" };
        let pod =
            value!({ "metadata": { "name": "p" }, "status": { "conditions": [{ "type": "Ready", "status": state }] } });
        ask(&object, value::to_value(&v).unwrap(), &pod, "now")
    }

    fn said(result: &Result<Answered, Status>) -> String {
        match result {
            Ok(Answered::Unhealthy) => "unhealthy".to_owned(),
            Ok(Answered::Less(b)) => format!("{:?} left", b.at(&["status", "disruptionsAllowed"]).unwrap()),
            Err(e) => e.details().and_then(|d| d.causes.first()).map_or(e.message(), |c| c.message.as_str()).to_owned(),
        }
    }

    #[test]
    fn answers() {
        let status = |allowed: i64, healthy: i64, desired: i64| json!({"observedGeneration": 2, "disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": desired});
        let mut failed = status(0, 0, 0);
        failed["conditions"] =
            json!([{"type": "DisruptionAllowed", "status": "False", "reason": "SyncFailed", "message": "m"}]);
        let mut odd = status(0, 3, 2);
        odd["conditions"] = json!([{"type": "DisruptionAllowed", "status": "False", "reason": "R", "message": "m"}]);
        let always = json!({"unhealthyPodEvictionPolicy": "AlwaysAllow"});
        for (spec, status, ready, want) in [
            (json!({}), status(2, 5, 3), true, "Int(1) left"),
            (json!({}), status(0, 3, 3), true, "The disruption budget b needs 3 healthy pods and has 3 currently"),
            (
                json!({}),
                json!({"observedGeneration": 1, "disruptionsAllowed": 9}),
                true,
                "The disruption budget b is still being processed by the server.",
            ),
            (
                json!({}),
                failed,
                true,
                "The disruption budget b does not allow evicting pods currently because it failed sync: m",
            ),
            (json!({}), odd, true, "The disruption budget b does not allow evicting pods currently (R): m"),
            (
                json!({}),
                status(-1, 0, 0),
                true,
                "poddisruptionbudget.policy \"b\" is forbidden: pdb disruptions allowed is negative",
            ),
            // A pod that is not ready takes nothing, while enough others are.
            (json!({}), status(0, 3, 3), false, "unhealthy"),
            (json!({}), status(0, 2, 3), false, "The disruption budget b needs 3 healthy pods and has 2 currently"),
            (json!({}), status(1, 2, 3), false, "Int(0) left"),
            (always.clone(), status(0, 0, 3), false, "unhealthy"),
            (always, status(0, 3, 3), true, "The disruption budget b needs 3 healthy pods and has 3 currently"),
        ] {
            assert_eq!(said(&asked(spec, status, ready)), want);
        }
    }

    #[test]
    fn the_last_one_is_told_in_a_condition() {
        let status = json!({"observedGeneration": 2, "disruptionsAllowed": 1, "conditions":
            [{"type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods"}]});
        let Ok(Answered::Less(budget)) = asked(json!({}), status, true) else { panic!("one was left") };
        assert_eq!(budget.list_at(&["status", "conditions"])[0].str_at(&["reason"]), "InsufficientPods");
        assert_eq!(budget.str_at(&["status", "disruptedPods", "p"]), "now");
    }
}
