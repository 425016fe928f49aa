//! `pods/eviction`: a delete that asks the pod's disruption budgets first.
//!
//! A pod that has not begun, has ended, or is going anyway disrupts nothing. For all others each eviction takes one
//! from `status.disruptionsAllowed` of the budget; the disruption controller reckons that number anew.

mod budget;

use knarr_api::{Object, Reason, Status, Value, status::Details, value};
use knarr_client::{Propagation, Request};
use knarr_store::{Class, Op};

use crate::{
    admission::Operation,
    registry::{
        Answer, Body, Registry,
        delete::check_preconditions,
        document::{decode, draft},
        entry::Target,
        metadata,
        write::{ATTEMPTS, Failure, Write, required_name},
    },
};
use budget::{Answered, ask};

impl Registry {
    pub(super) async fn evict(&self, write: &Write<'_>, eviction: &Value) -> Result<Answer, Status> {
        let name = required_name(write.request)?;
        let given = metadata::name(eviction);
        if !given.is_empty() && given != name {
            return Err(Status::bad_request("name in URL does not match name in Eviction object"));
        }
        let read = || self.stored(write, name).ok_or_else(|| Status::not_found("", "pods", name));
        let mut document = eviction.clone();
        let old = decode(&read()?)?;
        self.admission.mutate(&write.attributes(self, Operation::Create, name, Some(&old)), &mut document)?;
        let request = deletion(write.request, eviction);
        let pinned = !request.options.precondition.resource_version.is_empty();
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let object = read()?;
            let pod = decode(&object)?;
            // What a pod may be evicted for can be over in a moment: then it is this very pod or none.
            let (as_read, budget) = match guarded(&pod) {
                true => match self.take_disruption(write, &object, &pod, request.options.dry_run).await? {
                    Permit::Granted => (false, None),
                    Permit::Unhealthy(budget) => (true, Some(budget)),
                },
                false => (pod.str_at(&["status", "phase"]) == "Pending" && !metadata::is_deleting(&pod), None),
            };
            let mut request = request.clone();
            if as_read && !pinned {
                request.options.precondition.resource_version = object.revision().to_string().into();
            }
            match (self.remove_evicted(write, request).await, budget) {
                (Err(e), Some(budget)) if e.is(Reason::Conflict) && !pinned => return Err(budget::in_work(&budget)),
                (Err(e), None) if e.is(Reason::Conflict) && as_read && !pinned => last = Some(e),
                (result, _) => return result.map(|()| Answer::made(Body::Success(Details::default()))),
            }
        }
        Err(last.unwrap_or_else(|| write.target.stale(name)))
    }

    /// Takes one allowed disruption from the budget of a pod, or refuses.
    async fn take_disruption(
        &self,
        write: &Write<'_>,
        pod: &Object,
        tree: &Value,
        dry_run: bool,
    ) -> Result<Permit, Status> {
        let resources = self.resources();
        let Some(entry) = resources.named("policy", "poddisruptionbudgets") else { return Ok(Permit::Granted) };
        for _ in 0..ATTEMPTS {
            let all = self.storage.all(entry.collection);
            let found = budget::of_pod(all.iter().filter(|b| b.namespace() == pod.namespace()), pod)?;
            let Some((object, budget)) = found else { return Ok(Permit::Granted) };
            let name = object.name();
            let less = match ask(object, budget, tree, &write.time())? {
                Answered::Unhealthy => return Ok(Permit::Unhealthy(name.to_owned())),
                Answered::Less(_) if dry_run => return Ok(Permit::Granted),
                Answered::Less(budget) => budget,
            };
            let op =
                Op::Update { collection: entry.collection, expect: object.revision(), draft: draft(entry, &less)? };
            match self.commit(write.target, name, vec![op], Class::Durable).await {
                Err(Failure::Raced(_)) => {}
                other => return other.map(|_| Permit::Granted).map_err(Status::from),
            }
        }
        let why = "couldn't update PodDisruptionBudget of this pod due to conflicts";
        Err(Status::new(Reason::Timeout, why).with_details(Details { retry_after_seconds: 10, ..Details::default() }))
    }

    /// Says in the pod why it goes, and deletes it.
    async fn remove_evicted(&self, write: &Write<'_>, mut request: Request) -> Result<(), Status> {
        let target = Target { sub: None, ..write.target.clone() };
        if !request.options.dry_run {
            let revision = self.mark_evicted(write, &target, &request).await?;
            let pinned = &mut request.options.precondition.resource_version;
            if !pinned.is_empty() {
                *pinned = revision.to_string().into();
            }
        }
        self.delete(write.caller, &target, &request).await.map(drop)
    }

    /// The revision of the pod with the condition.
    async fn mark_evicted(&self, write: &Write<'_>, target: &Target, request: &Request) -> Result<u64, Status> {
        let name = &request.name;
        for _ in 0..ATTEMPTS {
            let object = self.stored(write, name).ok_or_else(|| Status::not_found("", "pods", name))?;
            check_preconditions(&Write { caller: write.caller, target, request, now: write.now }, &object)?;
            let mut pod = decode(&object)?;
            if !mark(&mut pod, &write.time()) {
                return Ok(object.revision());
            }
            let entry = &target.entry;
            let op = Op::Update { collection: entry.collection, expect: object.revision(), draft: draft(entry, &pod)? };
            match self.commit(target, name, vec![op], entry.special.class(None, None)).await {
                Ok(objects) => return Ok(objects.first().map_or(0, Object::revision)),
                Err(Failure::Raced(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Err(target.stale(name))
    }
}

/// How a guarded pod may go.
enum Permit {
    /// Nothing is in the way.
    Granted,
    /// It counts for nothing in the budget of that name, as long as it stays as it is.
    Unhealthy(String),
}

/// The delete that an eviction is in the end.
fn deletion(request: &Request, eviction: &Value) -> Request {
    let mut request = request.clone();
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
    request
}

/// Whether the pod's end may be a disruption at all.
fn guarded(pod: &Value) -> bool {
    let idle = matches!(pod.str_at(&["status", "phase"]), "Succeeded" | "Failed" | "Pending");
    !idle && !metadata::is_deleting(pod)
}

/// Says in a pod that it is evicted; whether that is news.
fn mark(pod: &mut Value, now: &str) -> bool {
    const KIND: &str = "DisruptionTarget";
    const REASON: &str = "EvictionByEvictionAPI";
    let mut conditions = pod.list_at(&["status", "conditions"]).to_vec();
    let at = conditions.iter().position(|c| c.str_at(&["type"]) == KIND);
    let holds = |c: &Value| c.str_at(&["status"]) == "True";
    let (since, told) = match at.map(|at| conditions.remove(at)).filter(holds) {
        Some(c) => (c.str_at(&["lastTransitionTime"]).to_owned(), c.str_at(&["reason"]) == REASON),
        None => (now.to_owned(), false),
    };
    if told {
        return false;
    }
    conditions.push(value!({
        "type": KIND,
        "status": "True",
        "reason": REASON,
        "message": "Eviction API: evicting",
        "lastProbeTime": null,
        "lastTransitionTime": since,
    }));
    pod.set(&["status", "conditions"], conditions);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_guarded() {
        assert!(guarded(&value!({ "status": { "phase": "Running" } })));
        assert!(!guarded(&value!({ "status": { "phase": "Pending" } })));
        assert!(!guarded(&value!({ "metadata": { "deletionTimestamp": "t" }, "status": { "phase": "Running" } })));
    }

    #[test]
    fn the_mark_is_set_once() {
        let ready = value!({ "type": "Ready", "status": "True" });
        let mut pod = value!({ "status": { "conditions": [ready] } });
        assert!(mark(&mut pod, "now"));
        assert_eq!(pod.list_at(&["status", "conditions"]).len(), 2);
        assert!(!mark(&mut pod, "later"));
        let condition = &pod.list_at(&["status", "conditions"])[1];
        assert_eq!(
            (condition.str_at(&["reason"]), condition.str_at(&["lastTransitionTime"])),
            ("EvictionByEvictionAPI", "now")
        );
    }
}
