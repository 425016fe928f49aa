//! `scale`: an object seen as a number of replicas.

use knarr_api::{
    Object, Status, Value,
    decode::Validation,
    field::{Error, Path},
    selector::Labels,
    value,
};
use knarr_client::Verb;

use crate::registry::{
    Answer, Body, Registry,
    document::decode,
    entry::Target,
    intake, metadata, ownership,
    patch::patched,
    update::Old,
    write::{Write, required_name},
};

impl Registry {
    pub(super) async fn scale(&self, write: &Write<'_>) -> Result<Answer, Status> {
        let name = required_name(write.request)?;
        let target = write.target;
        if write.request.verb == Verb::Get {
            let object = self.stored(write, name).ok_or_else(|| target.not_found(name))?;
            return Ok(Answer::of(Body::Document(document(&object, &decode(&object)?))));
        }
        let body = super::body(write.request)?;
        // A patch changes the scale document, so the strategic one has its type, not the object's.
        let answer = self
            .change(write, name, |old: &Old| {
                let mut scale = document(&old.object, &old.tree);
                match write.request.verb {
                    Verb::Patch(kind) => patch_scale(kind, target, &mut scale, body)?,
                    _ => scale = body.clone(),
                }
                let mut scale = canonical(scale)?;
                write.settle_place(&mut scale, name)?;
                let replicas = scale.at(&["spec", "replicas"]).and_then(Value::as_i64).unwrap_or(0);
                if replicas < 0 {
                    let path = Path::new("spec").child("replicas");
                    let error = Error::invalid(&path, replicas, "must be greater than or equal to 0");
                    return Err(Status::invalid("autoscaling", "Scale", name, &[error]));
                }
                let mut new = old.tree.clone();
                let revision = scale.at(&["metadata", "resourceVersion"]).cloned();
                metadata::set(&mut new, "resourceVersion", revision.filter(|r| r.as_str() != Some("")));
                new.set(&["spec", "replicas"], replicas);
                Ok((new, ownership::By::Update))
            })
            .await?;
        let Body::Object(object) = answer.body else { return Ok(answer) };
        let body = Body::Document(document(&object, &decode(&object)?));
        Ok(Answer { body, created: false, warnings: answer.warnings })
    }
}

/// A scale whose members have their types: a patch may have made anything of it.
fn canonical(scale: Value) -> Result<Value, Status> {
    let schema = knarr_catalog::kind("autoscaling", "v1", "Scale")
        .ok_or_else(|| Status::internal("the catalog has no Scale"))?;
    let (scale, _) = intake::canonical(&schema, scale, Validation::Ignore)
        .map_err(|e| Status::bad_request(format!("Scale in version \"v1\" cannot be handled as a Scale: {e}")))?;
    Ok(scale)
}

fn patch_scale(kind: knarr_client::PatchKind, target: &Target, scale: &mut Value, patch: &Value) -> Result<(), Status> {
    use knarr_client::PatchKind::{Merge, Strategic};
    // Scale has no lists: strategic merge and merge are the same to it.
    patched(if kind == Strategic { Merge } else { kind }, target, scale, patch)
}

/// The scale document of an object.
fn document(object: &Object, tree: &Value) -> Value {
    let number = |path: &[&str]| tree.at(path).and_then(Value::as_i64);
    let meta = object.meta();
    let mut scale = value!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {
            "name": object.name(),
            "uid": &*meta.uid,
            "resourceVersion": object.revision().to_string(),
            "creationTimestamp": &*meta.created,
        },
        "spec": {},
        "status": { "replicas": number(&["status", "replicas"]).unwrap_or(0) },
    });
    if !object.namespace().is_empty() {
        metadata::set(&mut scale, "namespace", Some(object.namespace().into()));
    }
    if let Some(replicas) = number(&["spec", "replicas"]).filter(|n| *n != 0) {
        scale.set(&["spec", "replicas"], replicas);
    }
    let selector = selector(tree.at(&["spec", "selector"]));
    if !selector.is_empty() {
        scale.set(&["status", "selector"], selector);
    }
    scale
}

/// A selector in query notation: replication controllers have plain maps, all others structured ones.
fn selector(value: Option<&Value>) -> String {
    let Some(map) = value.and_then(Value::as_object) else { return String::new() };
    if map.contains("matchLabels") || map.contains("matchExpressions") {
        return Labels::from_selector(value).map(|labels| labels.to_string()).unwrap_or_default();
    }
    let pairs = map.iter().map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()));
    pairs.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors() {
        assert_eq!(selector(Some(&value!({ "b": "2", "a": "1" }))), "a=1,b=2");
        let structured =
            value!({ "matchLabels": { "a": "1" }, "matchExpressions": [{ "key": "b", "operator": "Exists" }] });
        assert_eq!(selector(Some(&structured)), "a=1,b");
        assert_eq!(selector(None), "");
    }
}
