//! A CertificateSigningRequest as the controller keeps it.

use std::time::Duration;

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use knarr_api::{Object, Value};
use knarr_pki::CertificateRequest;
use serde::Deserialize;

/// See the module.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) uid: String,
    pub(super) version: String,
    pub(super) created: String,
    pub(super) parsed: Result<CertificateRequest, String>,
    spec: Spec,
    status: State,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    request: String,
    signer_name: String,
    usages: Vec<String>,
    username: String,
    groups: Option<Vec<String>>,
    expiration_seconds: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct State {
    certificate: Option<String>,
    conditions: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct Wire {
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: State,
}

/// Text as the API carries bytes.
pub(super) fn encode(text: &str) -> String {
    BASE64.encode(text)
}

impl Wanted {
    pub(super) fn of(object: &Object) -> Option<Self> {
        let Wire { mut spec, status } = object.decode().ok()?;
        let pem = BASE64.decode(std::mem::take(&mut spec.request)).map_err(|e| e.to_string());
        Some(Self {
            uid: object.meta().uid.to_string(),
            version: object.revision().to_string(),
            created: object.meta().created.to_string(),
            parsed: pem.and_then(|pem| CertificateRequest::parse(&pem).map_err(|e| e.to_string())),
            spec,
            status,
        })
    }

    pub(super) fn signer(&self) -> &str {
        &self.spec.signer_name
    }

    pub(super) fn usages(&self) -> &[String] {
        &self.spec.usages
    }

    pub(super) fn user(&self) -> &str {
        &self.spec.username
    }

    pub(super) fn groups(&self) -> &[String] {
        self.spec.groups.as_deref().unwrap_or_default()
    }

    pub(super) fn lifetime(&self) -> Option<Duration> {
        self.spec.expiration_seconds.map(|s| Duration::from_secs(s.into()))
    }

    pub(super) fn conditions(&self) -> &[Value] {
        self.status.conditions.as_deref().unwrap_or_default()
    }

    pub(super) fn certificate(&self) -> Option<String> {
        let text = self.status.certificate.as_ref()?;
        String::from_utf8(BASE64.decode(text).ok()?).ok()
    }

    pub(super) fn subject(&self) -> &str {
        self.parsed.as_ref().map_or("", |p| &p.name)
    }

    /// The node it is about, if it is about one.
    pub(super) fn node(&self) -> Option<&str> {
        self.subject().strip_prefix("system:node:").filter(|n| !n.is_empty())
    }

    fn has(&self, kind: &str) -> bool {
        self.conditions().iter().any(|c| c.str_at(&["type"]) == kind)
    }

    pub(super) fn is_approved(&self) -> bool {
        self.has("Approved") && !self.has("Denied")
    }

    /// Approved or denied.
    pub(super) fn is_decided(&self) -> bool {
        self.has("Approved") || self.has("Denied")
    }

    pub(super) fn is_failed(&self) -> bool {
        self.has("Failed")
    }

    pub(super) fn is_issued(&self) -> bool {
        self.status.certificate.as_ref().is_some_and(|c| !c.is_empty())
    }
}
