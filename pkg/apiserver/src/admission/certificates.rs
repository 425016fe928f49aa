//! CertificateRequests: what a CertificateSigningRequest may ask for, and who may answer it.
//!
//! Upstream has three plugins for it and a strategy: the request must be one that can be read, administrators' own group
//! cannot be asked for, approving needs the verb `approve` on the signer, signing the verb `sign`, and what was decided
//! stays decided.

use std::sync::Arc;

use knarr_api::{
    Status, Value,
    field::{Error, Path},
};
use knarr_pki::CertificateRequest;

use super::{Attributes, Operation, Plugin};
use crate::{Attributes as Question, Authorizer, Decision};

const GROUP: &str = "certificates.k8s.io";
const KIND: &str = "CertificateSigningRequest";
const CLIENT_SIGNER: &str = "kubernetes.io/kube-apiserver-client";
const LEGACY_SIGNER: &str = "kubernetes.io/legacy-unknown";
const SHORTEST: i64 = 600;

/// Conditions that, once there, stay.
const LASTING: [&str; 3] = ["Approved", "Denied", "Failed"];

const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// See the module.
pub struct CertificateRequests {
    authorizer: Arc<dyn Authorizer>,
}

impl CertificateRequests {
    /// Asks `authorizer` who may approve and sign.
    pub fn new(authorizer: Arc<dyn Authorizer>) -> Self {
        Self { authorizer }
    }

    /// Whether the caller may answer requests for a signer, by its name or by all names of its domain.
    fn may(&self, a: &Attributes<'_>, verb: &str, signer: &str) -> bool {
        let domain = signer.split_once('/').map(|(domain, _)| format!("{domain}/*"));
        std::iter::once(signer.to_owned()).chain(domain).any(|name| {
            let question =
                Question { verb, group: GROUP, version: "*", resource: "signers", name: &name, ..Question::default() };
            matches!(self.authorizer.authorize(&a.caller.user, &question), Decision::Allow(_))
        })
    }

    fn answered(&self, a: &Attributes<'_>, old: &Value, new: &Value) -> Result<(), Status> {
        let signer = old.str_at(&["spec", "signerName"]);
        let changed = |key: &str| old.at(&["status", key]) != new.at(&["status", key]);
        let (verb, concerned) = match a.target.sub_name() {
            "approval" => ("approve", true),
            "status" => ("sign", changed("certificate") || changed("conditions")),
            _ => return Ok(()),
        };
        if concerned && !self.may(a, verb, signer) {
            return Err(a.forbid(&format!("user not permitted to {verb} requests with signerName {signer:?}")));
        }
        settled(a, old, new, verb == "approve")
    }
}

impl Plugin for CertificateRequests {
    fn name(&self) -> &'static str {
        "CertificateRequests"
    }

    fn validate(&self, a: &Attributes<'_>, object: Option<&Value>) -> Result<(), Status> {
        let Some(object) = object.filter(|_| a.about(GROUP, "certificatesigningrequests")) else { return Ok(()) };
        match (a.operation, a.old) {
            (Operation::Create, _) => asked(a, object),
            (Operation::Update, Some(old)) => self.answered(a, old, object),
            _ => Ok(()),
        }
    }
}

fn asked(a: &Attributes<'_>, object: &Value) -> Result<(), Status> {
    let spec = Path::new("spec");
    let mut errors = Vec::new();
    let text = object.str_at(&["spec", "request"]);
    let request = decode(text).and_then(|pem| CertificateRequest::parse(&pem).map_err(|e| e.to_string()));
    if let Err(why) = &request {
        errors.push(Error::invalid(&spec.child("request"), text, why.as_str()));
    }
    let usages: Vec<&str> = object.list_at(&["spec", "usages"]).iter().filter_map(Value::as_str).collect();
    if usages.is_empty() {
        errors.push(Error::required(&spec.child("usages"), ""));
    }
    for (i, usage) in usages.iter().enumerate() {
        let path = spec.child("usages").index(i);
        if !USAGES.contains(usage) {
            errors.push(Error::not_supported(&path, *usage, USAGES));
        } else if usages[..i].contains(usage) {
            errors.push(Error::duplicate(&path, *usage));
        }
    }
    let signer = object.str_at(&["spec", "signerName"]);
    let named = signer.split_once('/').is_some_and(|(domain, name)| domain.contains('.') && !name.is_empty());
    if signer == LEGACY_SIGNER {
        let why = "the legacy signerName is not allowed via this API version";
        errors.push(Error::invalid(&spec.child("signerName"), signer, why));
    } else if !named {
        let why = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
        errors.push(Error::invalid(&spec.child("signerName"), signer, why));
    }
    if let Some(seconds) = object.at(&["spec", "expirationSeconds"]).and_then(Value::as_i64).filter(|s| *s < SHORTEST) {
        let why = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.push(Error::invalid(&spec.child("expirationSeconds"), seconds, why));
    }
    if !errors.is_empty() {
        return Err(Status::invalid(GROUP, KIND, a.name, &errors));
    }
    if signer == CLIENT_SIGNER && request.is_ok_and(|r| r.groups.iter().any(|g| g == "system:masters")) {
        return Err(a.forbid(&format!("use of {signer} signer with system:masters group is not allowed")));
    }
    Ok(())
}

fn decode(text: &str) -> Result<Vec<u8>, String> {
    use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
    BASE64.decode(text).map_err(|e| e.to_string())
}

/// Conditions that were decided stay; only the approval changes who decided; nobody both approves and denies; a
/// certificate that was issued is not exchanged.
fn settled(a: &Attributes<'_>, old: &Value, new: &Value, approval: bool) -> Result<(), Status> {
    let at = Path::new("status").child("conditions");
    let of = |object: &Value, kind: &str| {
        let all = object.list_at(&["status", "conditions"]).iter();
        all.filter(|c| c.str_at(&["type"]) == kind).cloned().collect::<Vec<_>>()
    };
    let mut errors = Vec::new();
    for kind in LASTING {
        let (before, after) = (of(old, kind), of(new, kind));
        if after.len() < before.len() {
            errors.push(Error::forbidden(&at, format!("updates may not remove a condition of type {kind:?}")));
        } else if !approval && kind != "Failed" && before != after {
            errors.push(Error::forbidden(&at, format!("updates may not modify a condition of type {kind:?}")));
        }
    }
    if !of(new, "Approved").is_empty() && !of(new, "Denied").is_empty() {
        errors.push(Error::invalid(&at, "Denied", "Approved and Denied conditions are mutually exclusive"));
    }
    let issued = old.str_at(&["status", "certificate"]);
    if !issued.is_empty() && issued != new.str_at(&["status", "certificate"]) {
        let path = Path::new("status").child("certificate");
        errors.push(Error::forbidden(&path, "updates may not modify existing certificate content"));
    }
    if errors.is_empty() { Ok(()) } else { Err(Status::invalid(GROUP, KIND, a.name, &errors)) }
}
