//! Deleting objects: at once, after a grace period, or once the last finalizer is gone.
//!
//! ```text
//!             ┌─ grace period ──▶ marked, its node ends it ──▶ deleted again with grace 0 ─┐
//!   delete ───┼─ finalizers ────▶ marked, controllers take them off one by one ────────────┼─▶ gone
//!             └─ neither ──────────────────────────────────────────────────────────────────┘
//! ```
//!
//! Namespaces take the middle way with finalizers of their own (`spec.finalizers`).

use knarr_api::{Object, Status, Value, status::Details};
use knarr_client::{Propagation, Request};
use knarr_store::{Draft, Op};

use super::{
    Answer, Body, Registry,
    document::{decode, draft, imagined},
    entry::Target,
    metadata,
    rules::{Special, answers_deleted, default_propagation, equal},
    update::Old,
    write::{ATTEMPTS, Failure, Write, required_name, rfc3339},
};
use crate::{Caller, admission::Operation};

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// What a delete comes to.
enum Step {
    /// Nothing: it is under way, and this request does not hurry it.
    Pending,
    /// The object is marked and stays.
    Mark(Value),
    /// The object goes; its last state, where that says more than the stored one.
    Remove(Option<Value>),
}

impl Registry {
    pub(super) async fn delete(&self, caller: &Caller, target: &Target, request: &Request) -> Result<Answer, Status> {
        let write = Write { caller, target, request, now: self.now() };
        let name = required_name(request)?;
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let object = self.stored(&write, name).ok_or_else(|| target.not_found(name))?;
            let old = Old { tree: decode(&object)?, object };
            match self.delete_once(&write, &old).await {
                Err(Failure::Raced(status)) => last = Some(status),
                Err(Failure::Refused(status)) => return Err(status),
                Ok(mut answer) => {
                    answer.warnings.extend(orphaning(&write));
                    return Ok(answer);
                }
            }
        }
        Err(last.unwrap_or_else(|| target.stale(name)))
    }

    async fn delete_once(&self, write: &Write<'_>, old: &Old) -> Result<Answer, Failure> {
        let Write { target, .. } = *write;
        let entry = &target.entry;
        let name = old.object.name();
        check_preconditions(write, &old.object)?;
        self.admission.validate(&write.attributes(self, Operation::Delete, name, Some(&old.tree)), None)?;
        match plan(write, &old.tree) {
            Step::Pending => Ok(ended(write, old.object.clone())?),
            Step::Mark(marked) if equal(Some(&marked), Some(&old.tree)) => {
                Ok(write.answer(old.object.clone(), false, None)?)
            }
            Step::Mark(marked) => {
                let revision = old.object.revision();
                if write.dry_run() {
                    return Ok(write.answer(imagined(entry, &marked, revision), false, None)?);
                }
                let draft = draft(entry, &marked)?;
                let op = Op::Update { collection: entry.collection, expect: revision, draft };
                let class = entry.special.class(None, None);
                let objects = self.commit(target, name, vec![op], class).await?;
                let object =
                    objects.into_iter().next().ok_or_else(|| Status::internal("the store answered no object"))?;
                Ok(write.answer(object, false, None)?)
            }
            Step::Remove(last) => {
                if write.dry_run() {
                    return Ok(ended(write, old.object.clone())?);
                }
                let last = last.map(|tree| draft(entry, &tree)).transpose()?;
                let object = self.vanish(write, old, last).await?;
                Ok(ended(write, object)?)
            }
        }
    }

    /// Removes an object and all that was allocated for it.
    pub(super) async fn vanish(&self, write: &Write<'_>, old: &Old, last: Option<Draft>) -> Result<Object, Failure> {
        let entry = &write.target.entry;
        let mut ops = vec![Op::Delete {
            collection: entry.collection,
            namespace: old.object.namespace().into(),
            name: old.object.name().into(),
            expect: Some(old.object.revision()),
            last,
        }];
        let release = self.release(entry, &old.tree);
        ops.extend(release.ops(write, &old.tree)?);
        let class = entry.special.class(None, None);
        let objects = release.settle(self.commit(write.target, old.object.name(), ops, class)).await?;
        Ok(objects.into_iter().next().unwrap_or_else(|| old.object.clone()))
    }

    pub(super) async fn delete_collection(
        &self,
        caller: &Caller,
        target: &Target,
        request: &Request,
    ) -> Result<Answer, Status> {
        let listing = self.listing(target, request)?;
        for object in &listing.items {
            let mut one = request.clone();
            one.namespace = object.namespace().into();
            one.name = object.name().into();
            one.options.resource_version = Default::default();
            match self.delete(caller, target, &one).await {
                Err(status) if !status.is(knarr_api::Reason::NotFound) => return Err(status),
                _ => {}
            }
        }
        Ok(Answer::of(Body::List(listing)))
    }
}

/// Upstream keeps the pods of a job whose deletion says nothing about them, and says so.
fn orphaning(write: &Write<'_>) -> Option<String> {
    let silent = write.request.options.propagation.is_none() && write.target.entry.is("batch", "jobs");
    silent.then(|| {
        "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or \
         set propagationPolicy=Orphan to suppress this warning"
            .to_owned()
    })
}

pub(super) fn check_preconditions(write: &Write<'_>, object: &Object) -> Result<(), Status> {
    let Write { target, request, .. } = *write;
    let wanted = &request.options.precondition;
    let (uid, revision) = (&*object.meta().uid, object.revision().to_string());
    let conflict = |why: String| {
        // Upstream names the kind here, not the resource.
        Err(Status::conflict(target.group(), &target.entry.resource.kind, object.name(), &why))
    };
    if !wanted.uid.is_empty() && wanted.uid != uid {
        return conflict(format!(
            "the UID in the precondition ({}) does not match the UID in record ({uid}). The object might have been \
             deleted and then recreated",
            wanted.uid
        ));
    }
    if !wanted.resource_version.is_empty() && wanted.resource_version != revision {
        return conflict(format!(
            "the ResourceVersion in the precondition ({}) does not match the ResourceVersion in record ({revision}). The \
             object might have been modified",
            wanted.resource_version
        ));
    }
    Ok(())
}

/// What a delete comes to, given the object. Pure.
fn plan(write: &Write<'_>, old: &Value) -> Step {
    let entry = &write.target.entry;
    let asked = write.request.options.grace_period_seconds.map(|s| if s < 0 { 1 } else { s });
    let deleting = metadata::is_deleting(old);

    if entry.special == Special::Namespace {
        if !deleting {
            let mut marked = with_finalizers(old, finalizers(write, old));
            metadata::set(&mut marked, "deletionTimestamp", Some(write.time().into()));
            marked.set(&["status", "phase"], "Terminating");
            return Step::Mark(marked);
        }
        if !entry.special.may_vanish(old) {
            return Step::Mark(old.clone());
        }
    }

    if entry.resource.graceful {
        if deleting && let Some(left @ 1..) = metadata::grace(old) {
            return match asked {
                Some(wanted) if wanted < left => hurried(write, old, left, wanted),
                _ => Step::Pending,
            };
        }
        if !deleting {
            let period = entry.resource.hooks.grace_period(old, asked);
            let marked = marked(old, write, period);
            if period > 0 {
                return Step::Mark(with_finalizers(&marked, finalizers(write, old)));
            }
            if finalizers(write, old).is_empty() {
                return Step::Remove(Some(marked));
            }
        }
    }

    let finalizers = finalizers(write, old);
    if finalizers.is_empty() {
        return Step::Remove(None);
    }
    let mut marked = with_finalizers(old, finalizers);
    if !deleting && let Some(n @ 1..) = marked.at(&["metadata", "generation"]).and_then(Value::as_i64) {
        metadata::set(&mut marked, "generation", Some((n + 1).into()));
    }
    let now = write.time();
    let set = old.str_at(&["metadata", "deletionTimestamp"]);
    if !deleting || set > now.as_str() {
        metadata::set(&mut marked, "deletionTimestamp", Some(now.into()));
    }
    metadata::set(&mut marked, "deletionGracePeriodSeconds", Some(Value::Int(0)));
    Step::Mark(marked)
}

/// A shorter grace period than the one that runs.
fn hurried(write: &Write<'_>, old: &Value, left: i64, wanted: i64) -> Step {
    let set: Option<jiff::Timestamp> = old.str_at(&["metadata", "deletionTimestamp"]).parse().ok();
    let shift = jiff::SignedDuration::from_secs(wanted.saturating_sub(left));
    let moved = set.and_then(|t| t.checked_add(shift).ok()).unwrap_or(write.now);
    let (at, period) = if moved < write.now { (write.now, wanted.min(1)) } else { (moved, wanted) };
    let finalizers = finalizers(write, old);
    let goes = period == 0 && finalizers.is_empty();
    let mut marked = with_finalizers(old, finalizers);
    metadata::set(&mut marked, "deletionTimestamp", Some(rfc3339(at).into()));
    metadata::set(&mut marked, "deletionGracePeriodSeconds", Some(period.into()));
    if goes { Step::Remove(Some(marked)) } else { Step::Mark(marked) }
}

/// The object with its end announced for the first time.
fn marked(old: &Value, write: &Write<'_>, grace: i64) -> Value {
    let mut tree = old.clone();
    let end = write.now.checked_add(jiff::SignedDuration::from_secs(grace)).unwrap_or(write.now);
    metadata::set(&mut tree, "deletionTimestamp", Some(rfc3339(end).into()));
    metadata::set(&mut tree, "deletionGracePeriodSeconds", Some(grace.into()));
    if let Some(n @ 1..) = tree.at(&["metadata", "generation"]).and_then(Value::as_i64) {
        metadata::set(&mut tree, "generation", Some((n + 1).into()));
    }
    tree
}

/// The finalizers the object has from now on: its own, and the garbage collector's as the request wants them.
fn finalizers(write: &Write<'_>, old: &Value) -> Vec<Value> {
    let have = old.list_at(&["metadata", "finalizers"]);
    let has = |wanted: &str| have.iter().any(|f| f.as_str() == Some(wanted));
    let Some(default) = default_propagation(&write.target.entry) else { return have.to_vec() };
    let default = if write.target.entry.special == Special::Namespace { Propagation::Background } else { default };
    let propagation = write.request.options.propagation.unwrap_or_else(|| {
        if has(ORPHAN) {
            Propagation::Orphan
        } else if has(FOREGROUND) {
            Propagation::Foreground
        } else {
            default
        }
    });
    let own = have.iter().filter(|f| !matches!(f.as_str(), Some(ORPHAN | FOREGROUND))).cloned();
    let ours = match propagation {
        Propagation::Orphan => Some(ORPHAN.into()),
        Propagation::Foreground => Some(FOREGROUND.into()),
        Propagation::Background => None,
    };
    own.chain(ours).collect()
}

fn with_finalizers(old: &Value, finalizers: Vec<Value>) -> Value {
    let mut tree = old.clone();
    metadata::set(&mut tree, "finalizers", (!finalizers.is_empty()).then_some(Value::Array(finalizers)));
    tree
}

/// The answer to a delete that took effect, or that another one already had.
fn ended(write: &Write<'_>, object: Object) -> Result<Answer, Status> {
    let target = write.target;
    if answers_deleted(&target.entry) {
        return write.answer(object, false, None);
    }
    Ok(Answer::of(Body::Success(Details {
        name: object.name().to_owned(),
        group: target.group().to_owned(),
        kind: target.plural().to_owned(),
        uid: object.meta().uid.to_string(),
        ..Details::default()
    })))
}
