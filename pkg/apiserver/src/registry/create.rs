//! Creating objects.

use knarr_api::{Reason, Status, Value, status::Details};
use knarr_client::Request;
use knarr_store::Op;

use super::{
    Answer, Registry,
    document::{draft, imagined, to_storage},
    entry::Target,
    metadata, ownership, random,
    rules::Special,
    write::{ATTEMPTS, Failure, Write},
};
use crate::{Caller, admission::Operation};

impl Registry {
    pub(super) async fn create(&self, caller: &Caller, target: &Target, request: Request) -> Result<Answer, Status> {
        let mut request = request;
        let body = request.body.take().ok_or_else(|| Status::bad_request("the request has no body"))?;
        let write = Write { caller, target, request: &request, now: self.now() };
        let mut body = body;
        to_storage(target, &mut body);
        self.create_tree(&write, body, ownership::By::Update).await
    }

    /// Creates the object of a tree of the storage face. A generated name that is taken is generated again.
    pub(super) async fn create_tree(
        &self,
        write: &Write<'_>,
        mut body: Value,
        by: ownership::By,
    ) -> Result<Answer, Status> {
        write.settle_namespace(&mut body)?;
        if write.target.entry.resource.namespaced && write.namespace().is_empty() {
            return Err(Status::bad_request("an empty namespace may not be set during creation"));
        }
        let base = body.str_at(&["metadata", "generateName"]).to_owned();
        let generated = metadata::name(&body).is_empty() && !base.is_empty();
        // Only these may need a second attempt; all others spare the copy.
        let again = generated || write.target.entry.special == Special::Service || self.has_quotas(write);
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let mut new = if again { body.clone() } else { std::mem::take(&mut body) };
            if generated {
                metadata::set(&mut new, "name", Some(random::name(&base).into()));
            }
            match self.create_once(write, new, by).await {
                Err(Failure::Refused(status)) if generated && status.is(Reason::AlreadyExists) => last = Some(status),
                Err(Failure::Raced(status)) if again => last = Some(status),
                other => return other.map_err(Status::from),
            }
        }
        let status = last.expect("an attempt that was neither answered nor refused left its status");
        Err(if generated && status.is(Reason::AlreadyExists) { ungenerated(write.target, &status) } else { status })
    }

    async fn create_once(&self, write: &Write<'_>, mut new: Value, by: ownership::By) -> Result<Answer, Failure> {
        let Write { target, .. } = *write;
        let resource = &target.entry.resource;
        if !new.str_at(&["metadata", "resourceVersion"]).is_empty() {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Status::new(Reason::Unknown, message).into());
        }
        for key in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"] {
            metadata::set(&mut new, key, None);
        }
        metadata::set(&mut new, "uid", Some(random::uid().into()));
        metadata::set(&mut new, "creationTimestamp", Some(write.time().into()));
        resource.hooks.default(&mut new);

        ownership::created(write, &mut new, by)?;

        let name = metadata::name(&new).to_owned();
        self.admission.mutate(&write.attributes(self, Operation::Create, &name, None), &mut new)?;
        resource.hooks.default(&mut new);

        // What only *updates* through the main resource cannot change is what creating it is for.
        for path in resource.resets.iter().filter(|path| *path != "spec") {
            new.remove(&path.split('.').collect::<Vec<_>>());
        }
        target.entry.special.prepare_create(&mut new, &write.caller.user);
        resource.hooks.prepare_create(&mut new);
        metadata::set(&mut new, "generation", resource.generation.then_some(Value::Int(1)));
        let allocation = self.allocate(write, &mut new, None)?;

        let mut errors = write.check(&new);
        errors.extend(resource.hooks.validate(&new));
        write.settle(&new, &errors)?;
        self.admission.validate(&write.attributes(self, Operation::Create, &name, None), Some(&new))?;
        let mut charged = self.charge(write, &new, None).await?;

        if write.dry_run() {
            let revision_of_nothing = 0;
            return Ok(write.answer(imagined(&target.entry, &new, revision_of_nothing), true, Some(&new))?);
        }
        let mut ops = vec![Op::Create { collection: target.entry.collection, draft: draft(&target.entry, &new)? }];
        ops.extend(allocation.ops(write, &new)?);
        ops.extend(charged.take_ops());
        let class = target.entry.special.class(Some(&new), None);
        let objects = allocation.settle(self.commit(target, &name, ops, class)).await?;
        let object = objects.into_iter().next().ok_or_else(|| Status::internal("the store answered no object"))?;
        Ok(write.answer(object, true, Some(&new))?)
    }
}

/// All the names that were tried are taken.
fn ungenerated(target: &Target, last: &Status) -> Status {
    let name = last.details().map(|d| d.name.clone()).unwrap_or_default();
    let group = target.group();
    let what = if group.is_empty() { target.plural().to_owned() } else { format!("{}.{group}", target.plural()) };
    let message =
        format!("{what} {name:?} already exists, the server was not able to generate a unique name for the object");
    Status::new(Reason::AlreadyExists, message).with_details(Details {
        name,
        group: group.to_owned(),
        kind: target.plural().to_owned(),
        retry_after_seconds: 1,
        ..Details::default()
    })
}
