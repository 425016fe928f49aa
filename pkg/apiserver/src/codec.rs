//! From request bodies to trees, from trees and stored bytes to protobuf.

use knarr_api::{
    Reason, Status, Value,
    json::{self, Limits, Parsed},
    proto::{self, Envelope},
    schema::{Schema, Type},
    yaml,
};

use crate::negotiate::Format;

/// The largest body, as upstream.
pub(crate) const MAX_BODY: usize = 3 * 1024 * 1024;

fn limits() -> Limits {
    Limits { bytes: MAX_BODY, ..Limits::default() }
}

/// Reads a body. `schema` finds the type of a protobuf message by its `apiVersion` and `kind`.
pub(crate) fn decode(
    format: Format,
    body: &[u8],
    schema: impl Fn(&str, &str) -> Option<Schema>,
) -> Result<Parsed, Status> {
    match format {
        Format::Json => json::parse(body, &limits()).map_err(refuse),
        Format::Yaml => yaml::parse(body, &limits()).map_err(refuse),
        Format::Protobuf => protobuf(body, schema).map(Parsed::from),
    }
}

fn refuse(error: json::Error) -> Status {
    match error {
        json::Error::TooLarge { .. } => Status::new(Reason::RequestEntityTooLarge, error.to_string()),
        other => Status::bad_request(other.to_string()),
    }
}

fn protobuf(body: &[u8], schema: impl Fn(&str, &str) -> Option<Schema>) -> Result<Value, Status> {
    let envelope = Envelope::open(body).map_err(|e| Status::bad_request(e.to_string()))?;
    let (version, kind) = (envelope.api_version, envelope.kind);
    let schema = schema(version, kind).ok_or_else(|| {
        Status::bad_request(format!("no kind {kind:?} is registered for version {version:?} in scheme"))
    })?;
    let decoded = proto::decode(schema.ty(), envelope.raw, &limits());
    let mut value = decoded.map_err(|e| Status::bad_request(e.to_string()))?;
    value.set(&["apiVersion"], version);
    value.set(&["kind"], kind);
    Ok(value)
}

/// Splits `apps/v1`.
pub(crate) fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// The JSON of a tree.
pub(crate) fn to_json(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    json::write(value, &mut out);
    out
}

/// The tree of JSON this server wrote itself.
pub(crate) fn from_json(bytes: &[u8]) -> Result<Value, Status> {
    let unlimited = Limits { bytes: usize::MAX, ..Limits::default() };
    json::parse(bytes, &unlimited).map(|p| p.value).map_err(|e| Status::internal(format!("decode object: {e}")))
}

/// The protobuf envelope of a tree that has `apiVersion` and `kind`.
pub(crate) fn to_protobuf(ty: Type<'_>, value: &Value) -> Result<Vec<u8>, Status> {
    let mut out = Vec::new();
    Envelope::seal_with(value.str_at(&["apiVersion"]), value.str_at(&["kind"]), &mut out, |out| {
        proto::encode(ty, value, out)
    })
    .map_err(|e| Status::internal(format!("encode object: {e}")))?;
    Ok(out)
}

/// The schema of a built-in kind.
pub(crate) fn builtin(api_version: &str, kind: &str) -> Option<Schema> {
    let (group, version) = group_version(api_version);
    let group = if group == "meta.k8s.io" && kind == "DeleteOptions" { "" } else { group };
    knarr_catalog::kind(group, version, kind)
}
