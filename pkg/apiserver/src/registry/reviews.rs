//! Resources that are questions: access reviews, token reviews, "who am I". Nothing is stored.
//!
//! `bindings` stands among them: it is the old name of `pods/binding`.

use knarr_api::{
    Map, Status, Value,
    field::{Error, Path},
    value,
};
use knarr_client::{Request, Verb};

use super::{Answer, Body, Listing, Registry, Review, document::to_storage, entry::Target, metadata, write::Write};
use crate::{Attributes, Caller, Decision, User};

const AUTHORIZATION: &str = "authorization.k8s.io";

impl Registry {
    pub(super) async fn review(&self, caller: &Caller, target: &Target, request: Request) -> Result<Answer, Status> {
        let mut request = request;
        let body = request.body.take();
        let write = Write { caller, target, request: &request, now: self.now() };
        let plural = target.plural();
        if request.verb == Verb::List {
            return Ok(Answer::of(Body::List(Listing { revision: self.storage.revision(), ..Listing::default() })));
        }
        if request.verb != Verb::Create {
            return Err(target.not_found(&request.name));
        }
        let mut document = body.ok_or_else(|| Status::bad_request("the request has no body"))?;
        if plural == "bindings" {
            let name = metadata::name(&document).to_owned();
            return self.bind(&write, &name, &document).await;
        }
        to_storage(target, &mut document);
        let kind = target.entry.resource.kind.as_str();
        let status = match plural {
            "selfsubjectreviews" => value!({ "userInfo": user_info(&caller.user) }),
            "tokenreviews" => self.review_token(&document).await?,
            "selfsubjectaccessreviews" => self.review_access(kind, &caller.user, &document)?,
            "subjectaccessreviews" => self.review_access(kind, &subject(kind, &document)?, &document)?,
            "localsubjectaccessreviews" => {
                check_namespace(kind, &request.namespace, &document)?;
                self.review_access(kind, &subject(kind, &document)?, &document)?
            }
            "selfsubjectrulesreviews" => self.review_rules(&caller.user, &document),
            _ => return Err(target.not_allowed(request.verb)),
        };
        document.set(&["status"], status);
        Ok(Answer::made(Body::Document(document)))
    }

    async fn review_token(&self, document: &Value) -> Result<Value, Status> {
        let token = document.str_at(&["spec", "token"]);
        if token.is_empty() {
            return Err(Status::bad_request("token is required for TokenReview in authentication"));
        }
        let audiences: Vec<String> =
            document.list_at(&["spec", "audiences"]).iter().filter_map(Value::as_str).map(str::to_owned).collect();
        Ok(match self.reviewer.review(token, &audiences).await {
            Review::Authenticated(user, audiences) => {
                let mut status = value!({ "authenticated": true, "user": user_info(&user) });
                if !audiences.is_empty() {
                    status.set(&["audiences"], audiences);
                }
                status
            }
            Review::Refused(why) => {
                let mut status = value!({ "user": {} });
                if !why.is_empty() {
                    status.set(&["error"], why);
                }
                status
            }
        })
    }

    fn review_access(&self, kind: &str, user: &User, document: &Value) -> Result<Value, Status> {
        let spec = Path::new("spec");
        let of = |what: &str| document.at(&["spec", what]).filter(|v| !v.is_null());
        let (resource, other) = (of("resourceAttributes"), of("nonResourceAttributes"));
        let attributes = match (resource, other) {
            (Some(r), None) => Attributes {
                verb: r.str_at(&["verb"]),
                group: r.str_at(&["group"]),
                version: r.str_at(&["version"]),
                resource: r.str_at(&["resource"]),
                subresource: r.str_at(&["subresource"]),
                namespace: r.str_at(&["namespace"]),
                name: r.str_at(&["name"]),
                ..Attributes::default()
            },
            (None, Some(r)) => {
                Attributes { verb: r.str_at(&["verb"]), path: r.str_at(&["path"]), ..Attributes::default() }
            }
            (both, _) => {
                let (path, value, why) = if both.is_some() {
                    let why = "cannot be specified in combination with resourceAttributes";
                    (spec.child("nonResourceAttributes"), other.cloned(), why)
                } else {
                    let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
                    (spec.child("resourceAttributes"), None, why)
                };
                let error = Error::invalid(&path, value.unwrap_or_default(), why);
                return Err(Status::invalid(AUTHORIZATION, kind, "", &[error]));
            }
        };
        let (allowed, reason) = match self.authorizer.authorize(user, &attributes) {
            Decision::Allow(reason) => (true, reason),
            Decision::Deny(reason) => (false, reason),
        };
        let mut status = value!({ "allowed": allowed });
        if !reason.is_empty() {
            status.set(&["reason"], reason);
        }
        Ok(status)
    }

    /// The rules of a user in a namespace, as far as the authorizer can list them.
    fn review_rules(&self, user: &User, document: &Value) -> Value {
        let (rules, complete) = self.authorizer.rules_for(user, document.str_at(&["spec", "namespace"]));
        let (paths, resources): (Vec<_>, Vec<_>) = rules.iter().partition(|rule| !rule.urls.is_empty());
        let list = |texts: &[String]| Value::from(texts.to_vec());
        let resources: Vec<Value> = resources
            .into_iter()
            .map(|r| {
                let mut rule = value!({
                    "verbs": list(&r.verbs), "apiGroups": list(&r.groups), "resources": list(&r.resources),
                });
                if !r.names.is_empty() {
                    rule.set(&["resourceNames"], list(&r.names));
                }
                rule
            })
            .collect();
        let paths: Vec<Value> =
            paths.into_iter().map(|r| value!({ "verbs": list(&r.verbs), "nonResourceURLs": list(&r.urls) })).collect();
        let mut status = value!({ "resourceRules": resources, "nonResourceRules": paths, "incomplete": !complete });
        if !complete {
            status.set(&["evaluationError"], "not every authorizer lists its rules");
        }
        status
    }
}

/// The user a review asks about.
fn subject(kind: &str, document: &Value) -> Result<User, Status> {
    let spec = document.get("spec").cloned().unwrap_or_default();
    let texts =
        |v: &Value| v.as_array().unwrap_or_default().iter().filter_map(Value::as_str).map(str::to_owned).collect();
    let user = User {
        name: spec.str_at(&["user"]).to_owned(),
        uid: spec.str_at(&["uid"]).to_owned(),
        groups: spec.get("groups").map(texts).unwrap_or_default(),
        extra: spec
            .get("extra")
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(|m| m.iter())
            .map(|(k, v)| (k.to_lowercase(), texts(v)))
            .collect(),
    };
    if user.name.is_empty() && user.groups.is_empty() {
        let error =
            Error::invalid(&Path::new("spec").child("user"), "", "at least one of user or group must be specified");
        return Err(Status::invalid(AUTHORIZATION, kind, "", &[error]));
    }
    Ok(user)
}

fn check_namespace(kind: &str, namespace: &str, document: &Value) -> Result<(), Status> {
    let given = document.str_at(&["spec", "resourceAttributes", "namespace"]);
    if given == namespace {
        return Ok(());
    }
    let path = Path::new("spec").child("resourceAttributes").child("namespace");
    let error = Error::invalid(&path, given, "must match metadata.namespace");
    Err(Status::invalid(AUTHORIZATION, kind, "", &[error]))
}

/// `authentication.k8s.io/v1 UserInfo`.
fn user_info(user: &User) -> Value {
    let mut info = Value::object();
    for (key, text) in [("username", &user.name), ("uid", &user.uid)] {
        if !text.is_empty() {
            info.set(&[key], text.as_str());
        }
    }
    if !user.groups.is_empty() {
        info.set(&["groups"], user.groups.clone());
    }
    if !user.extra.is_empty() {
        info.set(&["extra"], user.extra.iter().map(|(k, v)| (k.as_str(), v.clone().into())).collect::<Map>());
    }
    info
}
