//! From a tree somebody made to a tree the registry works on.
//!
//! Bodies over HTTP are decoded, normalised and defaulted in one go by the face that read the bytes; it asks
//! [`Registry::body_schema`] what they are. Callers in this process hand over trees: [`Registry::intake`] does the same
//! to those, so that both enter the registry alike.

use knarr_api::{
    Status, Value,
    decode::{self, Validation},
    default, json,
    schema::Schema,
};
use knarr_client::{Request, Verb};

use super::{
    Registry,
    entry::{Target, api_version},
};

impl Registry {
    /// The type of the body of a create or update.
    ///
    /// # Errors
    /// The resource or subresource is not served.
    pub fn body_schema(&self, request: &Request) -> Result<Schema, Status> {
        Ok(expected(&self.resources().target(request)?).2)
    }

    /// Makes the body of a create or update canonical: `apiVersion` and `kind` filled in, members checked against the
    /// schema, defaults added. Patches are left as they are. Answers warnings.
    ///
    /// # Errors
    /// The body is not an object of its type.
    pub fn intake(&self, request: &mut Request) -> Result<Vec<String>, Status> {
        if !matches!(request.verb, Verb::Create | Verb::Update) {
            return Ok(Vec::new());
        }
        let target = self.resources().target(request)?;
        let Some(mut body) = request.body.take() else { return Ok(Vec::new()) };
        let (api_version, kind, schema) = expected(&target);
        head(&mut body, &api_version, &kind)?;
        let (body, warnings) =
            canonical(&schema, body, validation(&request.options.field_validation)).map_err(|e| {
                let version = &target.served().version;
                Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {e}"))
            })?;
        request.body = Some(body);
        Ok(warnings)
    }
}

/// What unknown and duplicate members lead to. Upstream's default is to warn.
pub(super) fn validation(word: &str) -> Validation {
    match word {
        "Strict" => Validation::Strict,
        "Ignore" => Validation::Ignore,
        _ => Validation::Warn,
    }
}

/// Normalised and with static defaults.
pub(super) fn canonical(
    schema: &Schema,
    tree: Value,
    validation: Validation,
) -> Result<(Value, Vec<String>), decode::Error> {
    let decoded = decode::normalise(schema.ty(), json::Parsed::from(tree), validation)?;
    let mut tree = decoded.value;
    default::apply(schema.ty(), &mut tree);
    Ok((tree, decoded.warnings))
}

/// apiVersion, kind and schema of the document a request carries.
fn expected(target: &Target) -> (String, String, Schema) {
    if let Some(sub) = target.subresource().filter(|s| !s.kind.is_empty())
        && let Some(schema) = knarr_catalog::kind(&sub.group, &sub.version, &sub.kind)
    {
        let version =
            if sub.group.is_empty() { sub.version.to_string() } else { format!("{}/{}", sub.group, sub.version) };
        return (version, sub.kind.to_string(), schema);
    }
    let face = target.served();
    (api_version(face), target.entry.resource.kind.to_string(), face.schema.clone())
}

fn head(body: &mut Value, api_version: &str, kind: &str) -> Result<(), Status> {
    for (key, wanted) in [("apiVersion", api_version), ("kind", kind)] {
        match body.str_at(&[key]) {
            "" => body.set(&[key], wanted),
            given if given == wanted => {}
            given if key == "apiVersion" => {
                return Err(Status::bad_request(format!(
                    "the API version in the data ({given}) does not match the expected API version ({wanted})"
                )));
            }
            given => {
                return Err(Status::bad_request(format!("the kind in the data ({given}) does not match {wanted}")));
            }
        }
    }
    Ok(())
}
