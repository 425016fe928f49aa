//! `metav1.Status` as an error: what every failing request answers.
//!
//! Constructors word messages as upstream's `k8s.io/apimachinery/pkg/api/errors` does, because people and programs
//! search for those words.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::field;

/// `metav1.StatusReason` with its HTTP code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// No reason given; the code says it all.
    Unknown,
    /// 400
    BadRequest,
    /// 401
    Unauthorized,
    /// 403
    Forbidden,
    /// 404
    NotFound,
    /// 405
    MethodNotAllowed,
    /// 406
    NotAcceptable,
    /// 409, the name is taken
    AlreadyExists,
    /// 409, changed meanwhile
    Conflict,
    /// 410, the resource version is too old
    Gone,
    /// 410, a watch or list is too old
    Expired,
    /// 413
    RequestEntityTooLarge,
    /// 415
    UnsupportedMediaType,
    /// 422
    Invalid,
    /// 429
    TooManyRequests,
    /// 500
    InternalError,
    /// 500, try again
    ServerTimeout,
    /// 503
    ServiceUnavailable,
    /// 504
    Timeout,
}

impl Reason {
    const ALL: [(Self, &'static str, u16); 19] = [
        (Self::Unknown, "", 500),
        (Self::BadRequest, "BadRequest", 400),
        (Self::Unauthorized, "Unauthorized", 401),
        (Self::Forbidden, "Forbidden", 403),
        (Self::NotFound, "NotFound", 404),
        (Self::MethodNotAllowed, "MethodNotAllowed", 405),
        (Self::NotAcceptable, "NotAcceptable", 406),
        (Self::AlreadyExists, "AlreadyExists", 409),
        (Self::Conflict, "Conflict", 409),
        (Self::Gone, "Gone", 410),
        (Self::Expired, "Expired", 410),
        (Self::RequestEntityTooLarge, "RequestEntityTooLarge", 413),
        (Self::UnsupportedMediaType, "UnsupportedMediaType", 415),
        (Self::Invalid, "Invalid", 422),
        (Self::TooManyRequests, "TooManyRequests", 429),
        (Self::InternalError, "InternalError", 500),
        (Self::ServerTimeout, "ServerTimeout", 500),
        (Self::ServiceUnavailable, "ServiceUnavailable", 503),
        (Self::Timeout, "Timeout", 504),
    ];

    fn row(self) -> (Self, &'static str, u16) {
        Self::ALL.into_iter().find(|(r, ..)| *r == self).expect("every reason has a row")
    }

    /// The word in `reason`.
    pub fn word(self) -> &'static str {
        self.row().1
    }

    /// The HTTP code.
    pub fn code(self) -> u16 {
        self.row().2
    }

    /// The reason a word names; `Unknown` for all others.
    pub fn of(word: &str) -> Self {
        Self::ALL.into_iter().find(|(_, w, _)| *w == word).map_or(Self::Unknown, |(r, ..)| r)
    }
}

/// A failed request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status(Box<Inner>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Inner {
    reason: Reason,
    code: u16,
    message: String,
    details: Option<Details>,
    continue_token: String,
}

/// `metav1.StatusDetails`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Details {
    /// Name of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// API group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// Resource (`pods`), or for validation errors the kind (`Pod`), as upstream does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// UID, where a precondition named one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Details per field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub causes: Vec<Cause>,
    /// When to try again, in seconds.
    #[serde(skip_serializing_if = "is_zero")]
    pub retry_after_seconds: i32,
}

/// `metav1.StatusCause`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Cause {
    /// A word for programs.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Words for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Field path.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(n: &i32) -> bool {
    *n == 0
}

impl Status {
    /// A failure with `reason`'s own code.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        let continue_token = String::new();
        Self(Box::new(Inner { reason, code: reason.code(), message: message.into(), details: None, continue_token }))
    }

    /// With another code.
    #[must_use]
    pub fn with_code(mut self, code: u16) -> Self {
        self.0.code = code;
        self
    }

    /// With details.
    #[must_use]
    pub fn with_details(mut self, details: Details) -> Self {
        self.0.details = Some(details);
        self
    }

    /// With `metadata.continue`: how to go on with a list that can no longer be consistent.
    #[must_use]
    pub fn with_continue(mut self, token: &str) -> Self {
        token.clone_into(&mut self.0.continue_token);
        self
    }

    /// With causes added to the details.
    #[must_use]
    pub fn with_causes(mut self, causes: impl IntoIterator<Item = Cause>) -> Self {
        self.0.details.get_or_insert_default().causes.extend(causes);
        self
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(Reason::BadRequest, message)
    }

    /// 500 with the error's whole chain.
    pub fn internal(message: impl fmt::Display) -> Self {
        Self::new(Reason::InternalError, format!("Internal error occurred: {message}"))
            .with_causes([Cause { message: message.to_string(), ..Cause::default() }])
    }

    /// 401.
    pub fn unauthorized() -> Self {
        Self::new(Reason::Unauthorized, "Unauthorized")
    }

    /// 404 for an object.
    pub fn not_found(group: &str, resource: &str, name: &str) -> Self {
        Self::about(Reason::NotFound, group, resource, name, |what| format!("{what} {name:?} not found"))
    }

    /// 409 for a name that is taken.
    pub fn already_exists(group: &str, resource: &str, name: &str) -> Self {
        Self::about(Reason::AlreadyExists, group, resource, name, |what| format!("{what} {name:?} already exists"))
    }

    /// 409 for a change that came too late or whose precondition failed.
    pub fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Self {
        Self::about(Reason::Conflict, group, resource, name, |what| {
            format!("Operation cannot be fulfilled on {what} {name:?}: {why}")
        })
    }

    /// 403 for an object (empty name: for the resource).
    pub fn forbidden(group: &str, resource: &str, name: &str, why: &str) -> Self {
        Self::about(Reason::Forbidden, group, resource, name, |what| match name {
            "" => format!("{what} is forbidden: {why}"),
            name => format!("{what} {name:?} is forbidden: {why}"),
        })
    }

    /// 422 with the field errors as causes.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: &[field::Error]) -> Self {
        let list = match errors {
            [] => String::new(),
            [one] => one.to_string(),
            many => format!("[{}]", many.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        };
        Self::about(Reason::Invalid, group, kind, name, |what| format!("{what} {name:?} is invalid: {list}"))
            .with_causes(errors.iter().map(|e| Cause {
                reason: e.kind.reason().to_owned(),
                message: e.body(),
                field: e.path.as_str().to_owned(),
            }))
    }

    /// 405.
    pub fn method_not_allowed(group: &str, resource: &str, verb: &str) -> Self {
        Self::about(Reason::MethodNotAllowed, group, resource, "", |what| {
            format!("{verb} is not supported on resources of kind {what:?}")
        })
    }

    /// 410: the history asked for is no longer kept.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::new(Reason::Expired, message)
    }

    fn about(reason: Reason, group: &str, resource: &str, name: &str, message: impl Fn(&str) -> String) -> Self {
        let what = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
        Self::new(reason, message(&what)).with_details(Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: resource.to_owned(),
            ..Details::default()
        })
    }

    /// The reason.
    pub fn reason(&self) -> Reason {
        self.0.reason
    }

    /// The HTTP code.
    pub fn code(&self) -> u16 {
        self.0.code
    }

    /// The message.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The details.
    pub fn details(&self) -> Option<&Details> {
        self.0.details.as_ref()
    }

    /// `metadata.continue`, empty for most.
    pub fn continue_token(&self) -> &str {
        &self.0.continue_token
    }

    /// Whether this reason was given.
    pub fn is(&self, reason: Reason) -> bool {
        self.0.reason == reason
    }

    /// The JSON document of the wire.
    pub fn to_json(&self) -> Vec<u8> {
        let Inner { reason, code, message, details, continue_token } = &*self.0;
        let wire = Wire {
            kind: "Status".into(),
            api_version: "v1".into(),
            metadata: ListMeta { continue_token: continue_token.clone() },
            status: "Failure".into(),
            message: message.clone(),
            reason: reason.word().to_owned(),
            details: details.clone(),
            code: *code,
        };
        serde_json::to_vec(&wire).expect("a status of strings and numbers always encodes")
    }

    /// Reads a Status document, or makes one of whatever else an HTTP error carried.
    pub fn from_response(code: u16, body: &[u8]) -> Self {
        match serde_json::from_slice::<Wire>(body) {
            Ok(w) if w.kind == "Status" => Self(Box::new(Inner {
                reason: Reason::of(&w.reason),
                code: if w.code == 0 { code } else { w.code },
                message: w.message,
                details: w.details,
                continue_token: w.metadata.continue_token,
            })),
            _ => Self::new(Reason::Unknown, String::from_utf8_lossy(&body[..body.len().min(1024)])).with_code(code),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Status {}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct ListMeta {
    #[serde(rename = "continue", skip_serializing_if = "String::is_empty")]
    continue_token: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    kind: String,
    api_version: String,
    #[serde(default)]
    metadata: ListMeta,
    #[serde(default)]
    status: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    details: Option<Details>,
    #[serde(default)]
    code: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_and_codes() {
        let table = [
            (Status::not_found("", "pods", "a"), 404, r#"pods "a" not found"#),
            (Status::already_exists("apps", "deployments", "a"), 409, r#"deployments.apps "a" already exists"#),
            (
                Status::conflict("", "pods", "a", "changed"),
                409,
                r#"Operation cannot be fulfilled on pods "a": changed"#,
            ),
            (Status::forbidden("", "pods", "", "no"), 403, "pods is forbidden: no"),
            (Status::unauthorized(), 401, "Unauthorized"),
        ];
        for (status, code, message) in table {
            assert_eq!((status.code(), status.message()), (code, message));
            assert_eq!(Status::from_response(code, &status.to_json()), status);
        }
    }

    #[test]
    fn anything_else_becomes_a_status_too() {
        let s = Status::from_response(502, b"bad gateway");
        assert_eq!((s.code(), s.message(), s.reason()), (502, "bad gateway", Reason::Unknown));
    }
}
