//! `pods/eviction`: a delete that asks the pod's disruption budgets first.
//!
//! A pod that is not ready, has ended, or is going anyway disrupts nothing. For all others each eviction takes one from
//! `status.disruptionsAllowed` of the budget, in the same way the disruption controller gives it back.

use knarr_api::{
    Object, Reason, Status, Value,
    selector::Labels,
    status::{Cause, Details},
};
use knarr_client::Propagation;
use knarr_store::{Class, Op};

use crate::{
    admission::Operation,
    registry::{
        Answer, Body, Registry,
        document::{decode, draft},
        entry::Target,
        metadata,
        write::{Failure, Write, required_name},
    },
};

impl Registry {
    pub(super) async fn evict(&self, write: &Write<'_>, eviction: &Value) -> Result<Answer, Status> {
        let name = required_name(write.request)?;
        let given = metadata::name(eviction);
        if !given.is_empty() && given != name {
            return Err(Status::bad_request("name in URL does not match name in Eviction object"));
        }
        let object = self.stored(write, name).ok_or_else(|| Status::not_found("", "pods", name))?;
        let pod = decode(&object)?;
        let mut document = eviction.clone();
        self.admission.mutate(&write.attributes(self, Operation::Create, name, Some(&pod)), &mut document)?;

        let mut request = write.request.clone();
        let options = eviction.get("deleteOptions").cloned().unwrap_or_default();
        let text = |path: &[&str]| options.str_at(path).into();
        request.subresource = Default::default();
        request.body = None;
        request.options.grace_period_seconds = options.get("gracePeriodSeconds").and_then(Value::as_i64);
        request.options.precondition.uid = text(&["preconditions", "uid"]);
        request.options.precondition.resource_version = text(&["preconditions", "resourceVersion"]);
        request.options.dry_run |= options.list_at(&["dryRun"]).iter().any(|d| d.as_str() == Some("All"));
        request.options.propagation = match options.str_at(&["propagationPolicy"]) {
            "Orphan" => Some(Propagation::Orphan),
            "Background" => Some(Propagation::Background),
            "Foreground" => Some(Propagation::Foreground),
            _ => None,
        };
        if disrupts(&pod) {
            self.take_disruption(write, &object, request.options.dry_run).await?;
        }
        let target = Target { sub: None, ..write.target.clone() };
        self.delete(write.caller, &target, &request).await?;
        Ok(Answer::made(Body::Success(Details::default())))
    }

    /// Takes one allowed disruption from the budget of a pod, or refuses.
    async fn take_disruption(&self, write: &Write<'_>, pod: &Object, dry_run: bool) -> Result<(), Status> {
        let resources = self.resources();
        let Some(entry) = resources.named("policy", "poddisruptionbudgets") else { return Ok(()) };
        for _ in 0..super::super::write::ATTEMPTS {
            let mut found = Vec::new();
            for object in self.storage.all(entry.collection) {
                if object.namespace() == pod.namespace() {
                    let budget = decode(&object)?;
                    // An empty selector selects every pod here, an absent one none.
                    let selector = Labels::from_selector(budget.at(&["spec", "selector"]));
                    if selector.is_ok_and(|s| s.matches(&pod.meta().labels)) {
                        found.push((object, budget));
                    }
                }
            }
            let (object, mut budget) = match found.len() {
                0 => return Ok(()),
                1 => found.remove(0),
                _ => {
                    let why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
                    return Err(Status::internal(why));
                }
            };
            check_budget(&object, &budget)?;
            if dry_run {
                return Ok(());
            }
            let left = allowed(&budget) - 1;
            budget.set(&["status", "disruptionsAllowed"], left);
            budget.set(&["status", "disruptedPods", pod.name()], write.time());
            let op =
                Op::Update { collection: entry.collection, expect: object.revision(), draft: draft(entry, &budget)? };
            match self.commit(write.target, object.name(), vec![op], Class::Durable).await {
                Err(Failure::Raced(_)) => {}
                other => return other.map(drop).map_err(Status::from),
            }
        }
        let why = "too many changes to the disruption budget of this pod at once";
        Err(Status::new(Reason::TooManyRequests, why)
            .with_details(Details { retry_after_seconds: 1, ..Details::default() }))
    }
}

fn allowed(budget: &Value) -> i64 {
    budget.at(&["status", "disruptionsAllowed"]).and_then(Value::as_i64).unwrap_or(0)
}

fn check_budget(object: &Object, budget: &Value) -> Result<(), Status> {
    let refuse = |message: String, seconds: i32| {
        Err(Status::new(Reason::TooManyRequests, "Cannot evict pod as it would violate the pod's disruption budget.")
            .with_details(Details { retry_after_seconds: seconds, ..Details::default() })
            .with_causes([Cause { reason: "DisruptionBudget".to_owned(), message, field: String::new() }]))
    };
    let name = object.name();
    let observed = budget.at(&["status", "observedGeneration"]).and_then(Value::as_i64).unwrap_or(0);
    if observed < object.meta().generation {
        return refuse(format!("The disruption budget {name} is still being processed by the server."), 10);
    }
    if allowed(budget) <= 0 {
        let number = |key| budget.at(&["status", key]).and_then(Value::as_i64).unwrap_or(0);
        let (wanted, healthy) = (number("desiredHealthy"), number("currentHealthy"));
        return refuse(
            format!("The disruption budget {name} needs {wanted} healthy pods and has {healthy} currently"),
            0,
        );
    }
    Ok(())
}

/// Whether the pod serves anyone who would notice.
fn disrupts(pod: &Value) -> bool {
    let ended = matches!(pod.str_at(&["status", "phase"]), "Succeeded" | "Failed" | "Pending");
    !ended && !metadata::is_deleting(pod)
}

#[cfg(test)]
mod tests {
    use knarr_api::value;

    use super::*;

    #[test]
    fn who_disrupts() {
        assert!(disrupts(&value!({ "status": { "phase": "Running" } })));
        assert!(!disrupts(&value!({ "status": { "phase": "Pending" } })));
        assert!(!disrupts(&value!({ "metadata": { "deletionTimestamp": "t" }, "status": { "phase": "Running" } })));
    }
}
