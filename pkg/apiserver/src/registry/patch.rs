//! The four patches: each makes a whole new object of the stored one, and the rest is an update.

use knarr_api::{Status, Value, field, json, patch};
use knarr_client::{PatchKind, Request};

use super::{
    Answer, Registry,
    document::{to_face, to_storage},
    entry::{Target, api_version},
    intake::{canonical, validation},
    metadata, ownership,
    update::same_uid,
    write::{Write, required_name},
};
use crate::Caller;

impl Registry {
    pub(super) async fn patch(
        &self,
        caller: &Caller,
        target: &Target,
        kind: PatchKind,
        request: Request,
    ) -> Result<Answer, Status> {
        let mut request = request;
        let document = request.body.take().ok_or_else(|| Status::bad_request("the request has no body"))?;
        check_options(kind, &request)?;
        let write = Write { caller, target, request: &request, now: self.now() };
        let name = required_name(&request)?;
        if kind == PatchKind::Apply {
            return self.apply(&write, name, document).await;
        }
        let mut warnings = Vec::new();
        let mut answer = self
            .change(&write, name, |old| {
                let mut tree = old.tree.clone();
                to_face(target, &mut tree);
                patched(kind, target, &mut tree, &document)?;
                let (mut tree, noted) =
                    canonical(&target.served().schema, tree, validation(&request.options.field_validation))
                        .map_err(|e| unfit(&document, &e))?;
                warnings = noted;
                to_storage(target, &mut tree);
                write.settle_place(&mut tree, name)?;
                Ok((tree, ownership::By::Update))
            })
            .await?;
        answer.warnings.splice(0..0, warnings);
        Ok(answer)
    }

    async fn apply(&self, write: &Write<'_>, name: &str, mut config: Value) -> Result<Answer, Status> {
        let target = write.target;
        if metadata::name(&config).is_empty() {
            metadata::set(&mut config, "name", Some(name.into()));
        }
        for (key, wanted) in
            [("apiVersion", api_version(target.served())), ("kind", target.entry.resource.kind.to_string())]
        {
            if config.str_at(&[key]).is_empty() {
                config.set(&[key], wanted);
            }
        }
        let uid = config.str_at(&["metadata", "uid"]).to_owned();
        let config = config;
        if self.stored(write, name).is_none() && target.sub.is_none() {
            if !uid.is_empty() {
                let why =
                    format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
                return Err(target.conflict(name, &why));
            }
            let new = ownership::applied(write, None, &config)?;
            let mut new = self.defaulted(target, new)?;
            write.settle_place(&mut new, name)?;
            return self.create_tree(write, new, ownership::By::Apply).await;
        }
        self.change(write, name, |old| {
            let new = ownership::applied(write, Some(&old.tree), &config)?;
            let mut new = self.defaulted(target, new)?;
            write.settle_place(&mut new, name)?;
            same_uid(target, name, &uid, old)?;
            Ok((new, ownership::By::Apply))
        })
        .await
    }

    /// A merged tree made canonical again, through the face its new members came by.
    fn defaulted(&self, target: &Target, mut tree: Value) -> Result<Value, Status> {
        to_face(target, &mut tree);
        let (mut tree, _) = canonical(&target.served().schema, tree, knarr_api::decode::Validation::Ignore)
            .map_err(|e| Status::bad_request(e.to_string()))?;
        to_storage(target, &mut tree);
        Ok(tree)
    }
}

pub(super) fn patched(kind: PatchKind, target: &Target, tree: &mut Value, document: &Value) -> Result<(), Status> {
    match kind {
        PatchKind::Json => patch::json_patch(tree, document)?,
        PatchKind::Merge | PatchKind::Apply => patch::merge(tree, document)?,
        PatchKind::Strategic => patch::strategic(target.served().schema.ty(), tree, document)?,
    }
    Ok(())
}

/// 422 for a patch that makes something of the object which is none.
fn unfit(document: &Value, error: &knarr_api::decode::Error) -> Status {
    let mut text = Vec::new();
    json::write(document, &mut text);
    let text = String::from_utf8_lossy(&text).into_owned();
    Status::invalid("", "", "", &[field::Error::invalid(&field::Path::new("patch"), text, error.to_string())])
}

fn check_options(kind: PatchKind, request: &Request) -> Result<(), Status> {
    use field::{Error, Path};
    let mut errors = Vec::new();
    if kind == PatchKind::Apply {
        if request.options.field_manager.is_empty() {
            errors.push(Error::required(&Path::new("fieldManager"), "is required for apply patch"));
        }
    } else if request.options.force {
        errors.push(Error::forbidden(&Path::new("force"), "may not be specified for non-apply patch"));
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid("meta.k8s.io", "PatchOptions", "", &errors)) }
}
