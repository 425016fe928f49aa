//! `serviceaccounts/token`: a signed token for an account, bound to what it is used by.

use jiff::Timestamp;
use knarr_api::{
    Object, Status, Value,
    field::{Error, Path},
};

use crate::{
    admission::Operation,
    registry::{
        Answer, Body, Registry, TokenRequest,
        document::decode,
        metadata,
        write::{Write, required_name, rfc3339},
    },
};

const GROUP: &str = "authentication.k8s.io";
/// Ten minutes: less would keep everybody busy with renewing.
const MIN_SECONDS: i64 = 600;
/// 2^32 seconds, upstream's bound.
const MAX_SECONDS: i64 = 1 << 32;
const HOUR: i64 = 3600;

impl Registry {
    pub(super) fn token(&self, write: &Write<'_>, body: &Value) -> Result<Answer, Status> {
        let name = required_name(write.request)?;
        let account = self.stored(write, name).ok_or_else(|| write.target.not_found(name))?;
        let mut document = body.clone();
        settle(&mut document, &account, write)?;
        self.admission.mutate(&write.attributes(self, Operation::Create, name, None), &mut document)?;
        let seconds = document.at(&["spec", "expirationSeconds"]).and_then(Value::as_i64).unwrap_or(HOUR);
        check(seconds)?;
        let (bound, node) = self.bound(write, &document, name)?;
        let audiences = document.list_at(&["spec", "audiences"]).iter().filter_map(Value::as_str);
        let request = TokenRequest {
            namespace: account.namespace().to_owned(),
            name: account.name().to_owned(),
            uid: account.meta().uid.to_string(),
            audiences: audiences.map(str::to_owned).collect(),
            expiration_seconds: seconds,
            bound,
            node,
        };
        self.admission.validate(&write.attributes(self, Operation::Create, name, None), Some(&document))?;
        let now: Timestamp = write.now;
        let grant = self.issuer.issue(&request, now)?;
        document.set(&["spec", "audiences"], grant.audiences);
        document.set(&["spec", "expirationSeconds"], seconds);
        document.set(&["status", "token"], grant.token);
        document.set(&["status", "expirationTimestamp"], rfc3339(grant.expires));
        Ok(Answer::made(Body::Document(document)))
    }

    /// What the token is bound to, and the node of a bound pod.
    #[expect(clippy::type_complexity, reason = "two of the request's fields, named there")]
    fn bound(
        &self,
        write: &Write<'_>,
        document: &Value,
        account: &str,
    ) -> Result<(Option<(String, String, String)>, Option<(String, String)>), Status> {
        let reference = document.at(&["spec", "boundObjectRef"]).filter(|r| !r.str_at(&["kind"]).is_empty());
        let Some(reference) = reference else { return Ok((None, None)) };
        let (kind, name, uid) = (reference.str_at(&["kind"]), reference.str_at(&["name"]), reference.str_at(&["uid"]));
        let namespace = write.request.namespace.as_str();
        let (plural, namespace) = match (reference.str_at(&["apiVersion"]), kind) {
            ("v1" | "", "Pod") => ("pods", namespace),
            ("v1" | "", "Secret") => ("secrets", namespace),
            ("v1" | "", "Node") => ("nodes", ""),
            (version, kind) => {
                let (group, version) = version.split_once('/').unwrap_or(("", version));
                let why = format!("cannot bind token to object of type {group}/{version}, Kind={kind}");
                return Err(Status::bad_request(why));
            }
        };
        let find =
            |plural: &str, namespace: &str, name: &str| crate::admission::View::get(self, "", plural, namespace, name);
        let object = find(plural, namespace, name).ok_or_else(|| Status::not_found("", plural, name))?;
        let mut node = None;
        if kind == "Pod" {
            let pod = decode(&object)?;
            if pod.str_at(&["spec", "serviceAccountName"]) != account {
                return Err(Status::bad_request(format!(
                    "cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name."
                )));
            }
            let name = pod.str_at(&["spec", "nodeName"]);
            if !name.is_empty() {
                let uid = find("nodes", "", name).map(|n| n.meta().uid.to_string()).unwrap_or_default();
                node = Some((name.to_owned(), uid));
            }
        }
        let have = object.meta().uid.to_string();
        if !uid.is_empty() && uid != have {
            let why = format!(
                "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have \
                 been deleted and then recreated"
            );
            return Err(Status::conflict("", kind, name, &why));
        }
        Ok((Some((kind.to_owned(), name.to_owned(), have)), node))
    }
}

/// The metadata of a token request is its account's.
fn settle(document: &mut Value, account: &Object, write: &Write<'_>) -> Result<(), Status> {
    let at = Path::new("metadata");
    for (key, wanted) in [("name", account.name()), ("namespace", account.namespace())] {
        let given = document.str_at(&["metadata", key]).to_owned();
        if !given.is_empty() && given != wanted {
            let why = format!("must match the service account {key} if specified");
            let error = Error::invalid(&at.child(key), given, why);
            return Err(Status::invalid(GROUP, "TokenRequest", account.name(), &[error]));
        }
        metadata::set(document, key, Some(wanted.into()));
    }
    let (given, have) = (document.str_at(&["metadata", "uid"]), &*account.meta().uid);
    if !given.is_empty() && given != have {
        let why =
            format!("the UID in the token request ({given}) does not match the UID of the service account ({have})");
        return Err(Status::conflict(GROUP, "TokenRequest", account.name(), &why));
    }
    metadata::set(document, "creationTimestamp", Some(write.time().into()));
    document.set(&["apiVersion"], "authentication.k8s.io/v1");
    document.set(&["kind"], "TokenRequest");
    document.remove(&["status"]);
    Ok(())
}

fn check(seconds: i64) -> Result<(), Status> {
    let why = if seconds < MIN_SECONDS {
        "may not specify a duration less than 10 minutes"
    } else if seconds > MAX_SECONDS {
        "may not specify a duration larger than 2^32 seconds"
    } else {
        return Ok(());
    };
    let error = Error::invalid(&Path::new("spec").child("expirationSeconds"), seconds, why);
    Err(Status::invalid(GROUP, "TokenRequest", "", &[error]))
}
