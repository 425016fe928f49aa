//! Options from the query string and from the body of a delete.

use knarr_api::{Status, Value, field};
use knarr_client::{Options, PatchKind, Precondition, Propagation, Verb};

use crate::{info::truthy, uri::Query};

/// The options of a request, from its query.
///
/// # Errors
/// 400 for what is no number, 422 for an unknown `dryRun` or `fieldValidation`.
pub(crate) fn options(verb: Verb, query: &Query) -> Result<Options, Status> {
    let text = |key: &str| query.get(key).unwrap_or_default().into();
    let flag = |key: &str| query.get(key).is_some_and(truthy);
    let mut options = Options {
        label_selector: text("labelSelector"),
        field_selector: text("fieldSelector"),
        resource_version: text("resourceVersion"),
        resource_version_match: text("resourceVersionMatch"),
        limit: number(query, "limit")?.unwrap_or(0).try_into().unwrap_or(0),
        continue_token: text("continue"),
        allow_bookmarks: flag("allowWatchBookmarks"),
        send_initial_events: query.get("sendInitialEvents").map(truthy),
        timeout_seconds: number(query, "timeoutSeconds")?.unwrap_or(0).try_into().unwrap_or(0),
        dry_run: dry_run(kind(verb), query.all("dryRun"))?,
        force: flag("force"),
        field_manager: text("fieldManager"),
        field_validation: field_validation(kind(verb), query.get("fieldValidation").unwrap_or_default())?.into(),
        ..Options::default()
    };
    if matches!(verb, Verb::Delete | Verb::DeleteCollection) {
        options.grace_period_seconds = number(query, "gracePeriodSeconds")?;
        options.propagation = propagation(query.get("propagationPolicy"), query.get("orphanDependents").map(truthy))?;
    }
    Ok(options)
}

fn kind(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "CreateOptions",
        Verb::Update => "UpdateOptions",
        Verb::Patch(PatchKind::Apply | PatchKind::Json | PatchKind::Merge | PatchKind::Strategic) => "PatchOptions",
        Verb::Delete | Verb::DeleteCollection => "DeleteOptions",
        Verb::Get | Verb::List | Verb::Watch => "ListOptions",
    }
}

fn number(query: &Query, key: &str) -> Result<Option<i64>, Status> {
    let Some(text) = query.get(key).filter(|t| !t.is_empty()) else { return Ok(None) };
    let parsed =
        text.parse().map_err(|_| Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")));
    parsed.map(Some)
}

fn dry_run<'a>(kind: &str, values: impl Iterator<Item = &'a str>) -> Result<bool, Status> {
    let values: Vec<&str> = values.filter(|v| !v.is_empty()).collect();
    if values.iter().any(|v| *v != "All") {
        let given = Value::from(values);
        let error = field::Error::not_supported(&field::Path::new("dryRun"), given, ["All"]);
        return Err(Status::invalid("meta.k8s.io", kind, "", &[error]));
    }
    Ok(!values.is_empty())
}

fn field_validation<'a>(kind: &str, wish: &'a str) -> Result<&'a str, Status> {
    const KNOWN: [&str; 4] = ["", "Ignore", "Strict", "Warn"];
    if KNOWN.contains(&wish) {
        return Ok(wish);
    }
    let error = field::Error::not_supported(&field::Path::new("fieldValidation"), wish, KNOWN);
    Err(Status::invalid("meta.k8s.io", kind, "", &[error]))
}

fn propagation(policy: Option<&str>, orphan: Option<bool>) -> Result<Option<Propagation>, Status> {
    let path = field::Path::new("propagationPolicy");
    let invalid = |error| Err(Status::invalid("meta.k8s.io", "DeleteOptions", "", &[error]));
    match (policy.filter(|p| !p.is_empty()), orphan) {
        (Some(policy), Some(_)) => {
            invalid(field::Error::invalid(&path, policy, "orphanDependents and deletionPropagation cannot be both set"))
        }
        (Some("Orphan"), None) | (None, Some(true)) => Ok(Some(Propagation::Orphan)),
        (Some("Background"), None) | (None, Some(false)) => Ok(Some(Propagation::Background)),
        (Some("Foreground"), None) => Ok(Some(Propagation::Foreground)),
        (None, None) => Ok(None),
        (Some(other), None) => {
            invalid(field::Error::not_supported(&path, other, ["Background", "Foreground", "Orphan", "nil"]))
        }
    }
}

/// Lays a `DeleteOptions` document over the options: where there is a body, it alone counts.
///
/// # Errors
/// 400 for a document of another kind or shape, 422 for unknown values.
pub(crate) fn delete_options(options: &mut Options, body: &Value) -> Result<(), Status> {
    let kind = body.str_at(&["kind"]);
    if !matches!(kind, "" | "DeleteOptions") {
        return Err(Status::bad_request(format!(
            "decoded object cannot be converted to DeleteOptions: it is a {kind}"
        )));
    }
    let wrong = |name: &str| Status::bad_request(format!("DeleteOptions.{name} has the wrong type"));
    options.grace_period_seconds = match body.get("gracePeriodSeconds").filter(|v| !v.is_null()) {
        None => None,
        Some(v) => Some(v.as_i64().ok_or_else(|| wrong("gracePeriodSeconds"))?),
    };
    let orphan = body.get("orphanDependents").and_then(Value::as_bool);
    options.propagation = propagation(body.get("propagationPolicy").and_then(Value::as_str), orphan)?;
    options.dry_run = dry_run("DeleteOptions", body.list_at(&["dryRun"]).iter().filter_map(Value::as_str))?;
    let part = |name: &str| body.str_at(&["preconditions", name]).into();
    options.precondition = Precondition { uid: part("uid"), resource_version: part("resourceVersion") };
    Ok(())
}

#[cfg(test)]
mod tests {
    use knarr_api::value;

    use super::*;

    #[test]
    fn queries() {
        let read = |verb, query: &str| options(verb, &Query::parse(query));
        let o = read(Verb::List, "limit=500&labelSelector=a%3Db&resourceVersion=0&timeoutSeconds=7").unwrap();
        assert_eq!(
            (o.limit, o.label_selector.as_str(), o.resource_version.as_str(), o.timeout_seconds),
            (500, "a=b", "0", 7)
        );
        let o = read(Verb::Watch, "sendInitialEvents=true&allowWatchBookmarks").unwrap();
        assert_eq!((o.send_initial_events, o.allow_bookmarks), (Some(true), true));
        assert!(read(Verb::Create, "dryRun=All").unwrap().dry_run);
        assert_eq!(
            read(Verb::Create, "dryRun=x").unwrap_err().message(),
            r#"CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["x"]: supported values: "All""#
        );
        assert_eq!(
            read(Verb::List, "limit=x").unwrap_err().message(),
            r#"strconv.ParseInt: parsing "x": invalid syntax"#
        );
        assert_eq!(read(Verb::Delete, "propagationPolicy=Orphan").unwrap().propagation, Some(Propagation::Orphan));
    }

    #[test]
    fn delete_bodies() {
        let mut o = Options { dry_run: true, ..Options::default() };
        let body = value!({ "kind": "DeleteOptions", "gracePeriodSeconds": 3i64, "propagationPolicy": "Foreground", "preconditions": { "uid": "u" } });
        delete_options(&mut o, &body).unwrap();
        assert_eq!(
            (o.grace_period_seconds, o.propagation, o.precondition.uid.as_str(), o.dry_run),
            (Some(3), Some(Propagation::Foreground), "u", false)
        );
        assert_eq!(delete_options(&mut o, &value!({ "kind": "Pod" })).unwrap_err().code(), 400);
        assert_eq!(delete_options(&mut o, &value!({ "propagationPolicy": "x" })).unwrap_err().code(), 422);
    }
}
