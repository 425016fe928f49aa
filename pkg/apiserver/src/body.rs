//! Request bodies: read with a bound, decoded by what they should be.

use bytes::Bytes;
use http::{Request as HttpRequest, header};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use knarr_api::{
    Reason, Status, Value,
    decode::{self, Validation},
    default,
    json::{Limits, Parsed},
    schema::Schema,
    yaml,
};
use knarr_client::{PatchKind, Request, Verb};
use knarr_daemon::burst;

use crate::{
    chain::Face,
    codec::{self, MAX_BODY},
    negotiate::{Format, body_format},
    params,
    reply::Body,
    resource::is_delete,
};

/// Reads a body whole.
///
/// # Errors
/// 413 beyond the bound, 400 if the connection breaks.
pub(crate) async fn read(body: Body) -> Result<Bytes, Status> {
    match Limited::new(body, MAX_BODY).collect().await {
        Ok(whole) => {
            let bytes = whole.to_bytes();
            burst::passed(bytes.len());
            Ok(bytes)
        }
        Err(e) if e.is::<LengthLimitError>() => {
            Err(Status::new(Reason::RequestEntityTooLarge, format!("Request entity too large: limit is {MAX_BODY}")))
        }
        Err(e) => Err(Status::bad_request(format!("read body: {e}"))),
    }
}

/// Reads and decodes what belongs to a request; answers warnings.
///
/// # Errors
/// 400, 413, 415: what is wrong with the body.
pub(crate) async fn read_into(
    face: &Face,
    request: &mut Request,
    http: HttpRequest<Body>,
) -> Result<Vec<String>, Status> {
    if matches!(request.verb, Verb::Get | Verb::List | Verb::Watch) {
        return Ok(Vec::new());
    }
    let media = http.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let bytes = read(http.into_body()).await?;
    match request.verb {
        verb if is_delete(verb) => {
            if !bytes.is_empty() {
                let tree = codec::decode(body_format(&media)?, &bytes, codec::builtin)?;
                params::delete_options(&mut request.options, &tree.value)?;
            }
            Ok(Vec::new())
        }
        Verb::Patch(kind) => {
            // Apply patches are YAML, of which JSON is a part.
            let format = if kind == PatchKind::Apply { Format::Yaml } else { Format::Json };
            let decoded = codec::decode(format, &bytes, codec::builtin)?;
            let warnings = duplicates(&decoded, &request.options.field_validation)?;
            request.body = Some(decoded.value);
            Ok(warnings)
        }
        _ => {
            let schema = face.registry.body_schema(request)?;
            let target = Wanted::of(face, request);
            let validation = validation(&request.options.field_validation);
            let (body, warnings) = object(body_format(&media)?, &bytes, &schema, &target, validation)?;
            request.body = Some(body);
            Ok(warnings)
        }
    }
}

/// Keys that stand twice in a patch: what is unknown there, only the registry can tell.
fn duplicates(parsed: &Parsed, word: &str) -> Result<Vec<String>, Status> {
    let lines = &parsed.duplicate_lines;
    let paths = parsed.duplicates.iter().map(|path| format!("duplicate field {path:?}"));
    let issues: Vec<String> = lines.iter().cloned().chain(paths).collect();
    match validation(word) {
        _ if issues.is_empty() => Ok(Vec::new()),
        Validation::Strict if !lines.is_empty() => Err(Status::bad_request(format!(
            "error strict decoding YAML: error converting YAML to JSON: {}",
            yaml::strict_error(lines)
        ))),
        Validation::Strict => Err(Status::bad_request(decode::Error::Strict(issues).to_string())),
        Validation::Warn => Ok(issues),
        Validation::Ignore => Ok(Vec::new()),
    }
}

fn validation(word: &str) -> Validation {
    match word {
        "Strict" => Validation::Strict,
        "Ignore" => Validation::Ignore,
        _ => Validation::Warn,
    }
}

/// The kind a body should be.
struct Wanted {
    api_version: String,
    kind: String,
}

impl Wanted {
    fn of(face: &Face, request: &Request) -> Self {
        let own = Self { api_version: request.resource.api_version(), kind: request.resource.kind.to_string() };
        let set = face.registry.resources();
        let r = &request.resource;
        let Some((entry, _)) = set.find(&r.group, &r.version, &r.plural) else { return own };
        let subresources = &entry.resource.subresources;
        match subresources.iter().find(|s| s.name == request.subresource && !s.kind.is_empty()) {
            Some(sub) if sub.group.is_empty() => {
                Self { api_version: sub.version.to_string(), kind: sub.kind.to_string() }
            }
            Some(sub) => Self { api_version: format!("{}/{}", sub.group, sub.version), kind: sub.kind.to_string() },
            None => own,
        }
    }

    /// 400 in upstream's words: what the document says it is, and why it cannot be that.
    fn refuse(&self, why: &str) -> Status {
        let Self { api_version, kind } = self;
        let (_, version) = codec::group_version(api_version);
        Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
    }
}

/// A canonical object with defaults.
fn object(
    format: Format,
    bytes: &[u8],
    schema: &Schema,
    wanted: &Wanted,
    validation: Validation,
) -> Result<(Value, Vec<String>), Status> {
    if bytes.is_empty() {
        let Wanted { kind, .. } = wanted;
        return Err(Status::bad_request(format!(
            "the object provided is unrecognized (must be of type {kind}): unexpected end of JSON input"
        )));
    }
    let limits = Limits { bytes: MAX_BODY, ..Limits::default() };
    let refuse = |e: decode::Error| wanted.refuse(&e.to_string());
    let (ty, decoded) = (
        schema.ty(),
        match format {
            Format::Json => decode::document(schema.ty(), bytes, &limits, validation).map_err(refuse)?,
            Format::Yaml | Format::Protobuf => {
                let own = |version: &str, kind: &str| match kind == wanted.kind && version == wanted.api_version {
                    true => Some(schema.clone()),
                    false => codec::builtin(version, kind),
                };
                let parsed = codec::decode(format, bytes, own)?;
                head(&parsed.value, wanted)?;
                decode::normalise(schema.ty(), parsed, validation).map_err(refuse)?
            }
        },
    );
    let mut value = decoded.value;
    head(&value, wanted)?;
    value.set(&["apiVersion"], wanted.api_version.as_str());
    value.set(&["kind"], wanted.kind.as_str());
    default::apply(ty, &mut value);
    Ok((value, decoded.warnings))
}

/// What a document says of itself must be what the path says; it may say nothing.
fn head(value: &Value, wanted: &Wanted) -> Result<(), Status> {
    let (version, kind) = (value.str_at(&["apiVersion"]), value.str_at(&["kind"]));
    if !version.is_empty() && version != wanted.api_version {
        return Err(Status::bad_request(format!(
            "the API version in the data ({version}) does not match the expected API version ({})",
            wanted.api_version
        )));
    }
    if !kind.is_empty() && kind != wanted.kind {
        let (_, version) = codec::group_version(&wanted.api_version);
        return Err(Status::bad_request(format!(
            "{kind} in version {version:?} cannot be handled as a {}: converting ({kind}) to ({}): unknown conversion",
            wanted.kind, wanted.kind
        )));
    }
    Ok(())
}
