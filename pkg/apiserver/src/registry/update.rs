//! Changing objects: replacing them, and the second half of every other kind of change.

use knarr_api::{Object, Status, Value, validate};
use knarr_client::Request;
use knarr_store::Op;

use super::{
    Answer, Registry,
    document::{decode, draft, draft_of, encode, imagined, to_storage},
    entry::Target,
    metadata, ownership,
    rules::{keep, narrow, wants_something_else},
    write::{ATTEMPTS, Failure, Write, required_name},
};
use crate::{Caller, admission::Operation};

/// An object as it was read.
pub(super) struct Old {
    pub(super) object: Object,
    /// Its tree, of the storage face.
    pub(super) tree: Value,
}

impl Registry {
    /// PUT.
    pub(super) async fn replace(&self, caller: &Caller, target: &Target, request: Request) -> Result<Answer, Status> {
        let mut request = request;
        let mut body = request.body.take().ok_or_else(|| Status::bad_request("the request has no body"))?;
        let write = Write { caller, target, request: &request, now: self.now() };
        let name = required_name(&request)?;
        to_storage(target, &mut body);
        write.settle_place(&mut body, name)?;
        let named_revision = !body.str_at(&["metadata", "resourceVersion"]).is_empty();
        let uid = body.str_at(&["metadata", "uid"]).to_owned();
        if self.stored(&write, name).is_none() && target.entry.resource.create_on_update && target.sub.is_none() {
            return self.create_tree(&write, body, ownership::By::Update).await;
        }
        self.change(&write, name, |old| {
            same_uid(target, name, &uid, old)?;
            if !named_revision && !target.entry.resource.unconditional_update {
                return Err(unconditional(target, name));
            }
            Ok((body.clone(), ownership::By::Update))
        })
        .await
    }

    /// What the store has under a name.
    pub(super) fn stored(&self, write: &Write<'_>, name: &str) -> Option<Object> {
        self.storage.get(write.target.entry.collection, write.namespace(), name)
    }

    /// Reads, lets `compute` make the new tree (of the storage face), commits; again if someone else was faster,
    /// unless the new tree names the revision it was made for.
    pub(super) async fn change(
        &self,
        write: &Write<'_>,
        name: &str,
        mut compute: impl FnMut(&Old) -> Result<(Value, ownership::By), Status>,
    ) -> Result<Answer, Status> {
        let mut last = None;
        for _ in 0..ATTEMPTS {
            let object = self.stored(write, name).ok_or_else(|| write.target.not_found(name))?;
            let old = Old { tree: decode(&object)?, object };
            let (new, by) = compute(&old)?;
            match self.update_once(write, &old, new, by).await {
                Err(Failure::Raced(status)) => last = Some(status),
                other => return other.map_err(Status::from),
            }
        }
        Err(last.unwrap_or_else(|| write.target.stale(name)))
    }

    async fn update_once(
        &self,
        write: &Write<'_>,
        old: &Old,
        mut new: Value,
        by: ownership::By,
    ) -> Result<Answer, Failure> {
        let Write { target, .. } = *write;
        let resource = &target.entry.resource;
        let sub = target.sub_name();
        // A scale changes the object as its owner would.
        let hook_sub = if sub == "scale" { "" } else { sub };
        let name = old.object.name();
        let asked = new.str_at(&["metadata", "resourceVersion"]);
        if !asked.is_empty() && asked != old.tree.str_at(&["metadata", "resourceVersion"]) {
            return Err(target.stale(name).into());
        }
        write.settle_namespace(&mut new)?;
        metadata::set(&mut new, "resourceVersion", old.tree.at(&["metadata", "resourceVersion"]).cloned());
        resource.hooks.default(&mut new);
        metadata::carry_over(&mut new, &old.tree);
        narrow(sub, &mut new, &old.tree);

        ownership::updated(write, &old.tree, &mut new, by);

        let attributes = write.attributes(self, Operation::Update, name, Some(&old.tree));
        self.admission.mutate(&attributes, &mut new)?;
        resource.hooks.default(&mut new);

        for path in target.subresource().map_or(&resource.resets, |s| &s.resets) {
            keep(&mut new, &old.tree, path);
        }
        target.entry.special.prepare_update(&mut new, &old.tree, sub);
        resource.hooks.prepare_update(&mut new, &old.tree, hook_sub);
        if resource.generation && sub != "status" && wants_something_else(&new, &old.tree) {
            let generation = old.object.meta().generation + 1;
            metadata::set(&mut new, "generation", Some(generation.into()));
        }
        let allocation = if sub.is_empty() { self.allocate(write, &mut new, Some(old))? } else { Default::default() };

        let mut errors = write.check(&new);
        errors.extend(metadata::check_update(&new, &old.tree));
        errors.extend(validate::shape_update(target.entry.storage_face().schema.ty(), &old.tree, &new));
        if sub != "status" {
            errors.extend(resource.hooks.validate(&new));
        }
        errors.extend(resource.hooks.validate_update(&new, &old.tree, hook_sub));
        write.settle(&new, &errors)?;
        self.admission.validate(&attributes, Some(&new))?;
        let mut charged = self.charge(write, &new, Some(&old.tree)).await?;

        let entry = &target.entry;
        let ends = metadata::is_deleting(&old.tree)
            && new.list_at(&["metadata", "finalizers"]).is_empty()
            && metadata::grace(&old.tree).unwrap_or(0) == 0
            && entry.special.may_vanish(&new);
        let revision = old.object.revision();
        if write.dry_run() {
            return Ok(write.answer(imagined(entry, &new, revision), false, Some(&new))?);
        }
        if ends {
            let answer = write.answer(imagined(entry, &new, revision), false, Some(&new))?;
            self.vanish(write, old, Some(draft(entry, &new)?)).await?;
            return Ok(answer);
        }
        if ownership::only_times_differ(&new, &old.tree) {
            keep(&mut new, &old.tree, "metadata.managedFields");
        }
        // Canonical bytes settle what trees cannot: absent and empty print alike. No change, no revision.
        let json = encode(entry.storage_face(), &new);
        if json == *old.object.json() {
            return Ok(write.answer(old.object.clone(), false, Some(&new))?);
        }
        let draft = draft_of(entry, &new, json)?;
        let mut ops = vec![Op::Update { collection: entry.collection, expect: revision, draft }];
        ops.extend(allocation.ops(write, &new)?);
        ops.extend(charged.take_ops());
        let class = entry.special.class(Some(&new), Some(&old.tree));
        let objects = allocation.settle(self.commit(target, name, ops, class)).await?;
        let object = objects.into_iter().next().ok_or_else(|| Status::internal("the store answered no object"))?;
        Ok(write.answer(object, false, Some(&new))?)
    }
}

/// A body with a UID means that object and no later one of its name.
pub(super) fn same_uid(target: &Target, name: &str, uid: &str, old: &Old) -> Result<(), Status> {
    let have = &*old.object.meta().uid;
    if uid.is_empty() || uid == have {
        return Ok(());
    }
    let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {have}");
    Err(target.conflict(name, &why))
}

fn unconditional(target: &Target, name: &str) -> Status {
    let path = knarr_api::field::Path::new("metadata").child("resourceVersion");
    let error = knarr_api::field::Error::invalid(&path, 0, "must be specified for an update");
    Status::invalid(target.group(), target.plural(), name, &[error])
}
