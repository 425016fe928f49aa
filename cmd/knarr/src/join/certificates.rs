//! The certificates of a node: asked for, kept, renewed before they end.

use std::{net::IpAddr, sync::Arc, time::Duration};

use anyhow::Context as _;
use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use knarr_api::{Object, Reason, Status, Value, value};
use knarr_client::{
    Api, ApiExt as _, Event, Request, Verb, remote::tls, resources::CERTIFICATE_SIGNING_REQUESTS as REQUESTS,
};
use knarr_daemon::{Backoff, Stop, clock};
use knarr_pki::{Identity, Leaf, NewRequest, Vault, expiry};
use rustls::{ClientConfig, ServerConfig};
use serde::Deserialize;
use tokio::sync::watch;

use super::{CLIENT, SERVING};

/// How long a request may go unanswered before another one is made.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// What a certificate is for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// Being the node.
    Client,
    /// The kubelet's port.
    Serving,
}

impl Purpose {
    fn signer(self) -> &'static str {
        match self {
            Self::Client => "kubernetes.io/kube-apiserver-client-kubelet",
            Self::Serving => "kubernetes.io/kubelet-serving",
        }
    }

    fn usage(self) -> &'static str {
        match self {
            Self::Client => "client auth",
            Self::Serving => "server auth",
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    status: State,
}

#[derive(Deserialize, Default)]
struct State {
    certificate: Option<String>,
    conditions: Option<Vec<Value>>,
}

/// Asks for a certificate and waits for it.
///
/// # Errors
/// `Forbidden` if the request was denied or cannot be signed, `Timeout` if nobody decided.
pub(super) async fn obtain(api: &dyn Api, request: &NewRequest, purpose: Purpose) -> Result<String, Status> {
    let body = value!({
        "metadata": { "generateName": "csr-" },
        "spec": {
            "request": BASE64.encode(&request.pem),
            "signerName": purpose.signer(),
            "usages": ["digital signature", purpose.usage()],
        },
    });
    let made = api.create(&REQUESTS, "", body).await?;
    let answered = tokio::time::timeout(PATIENCE, answer(api, &made)).await;
    answered.unwrap_or_else(|_| Err(Status::new(Reason::Timeout, format!("request {} was not decided", made.name()))))
}

async fn answer(api: &dyn Api, made: &Object) -> Result<String, Status> {
    let mut from = made.revision();
    loop {
        let request = Request::new(Verb::Watch, &REQUESTS).options(|o| {
            o.field_selector = format!("metadata.name={}", made.name()).into();
            o.resource_version = from.to_string().into();
            o.allow_bookmarks = true;
        });
        let mut events = api.watch(request).await?;
        while let Some(event) = events.next().await {
            match event? {
                Event::Added(object) | Event::Modified(object) => {
                    from = object.revision();
                    if let Some(decided) = decided(&object) {
                        return decided;
                    }
                }
                Event::Deleted(_) => return Err(Status::new(Reason::Timeout, "the certificate request was deleted")),
                Event::Bookmark { revision, .. } => from = revision,
            }
        }
    }
}

fn decided(object: &Object) -> Option<Result<String, Status>> {
    let state = object.decode::<Answer>().ok()?.status;
    if let Some(text) = state.certificate.filter(|t| !t.is_empty()) {
        let pem = BASE64.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        return Some(pem.ok_or_else(|| Status::internal("the certificate is not text")));
    }
    let bad = state.conditions.unwrap_or_default();
    let bad = bad.iter().find(|c| matches!(c.str_at(&["type"]), "Denied" | "Failed"))?;
    let why = format!("the certificate request was not granted: {}", bad.str_at(&["message"]));
    Some(Err(Status::new(Reason::Forbidden, why)))
}

/// What keeps a node's certificates.
#[derive(Clone)]
pub(super) struct Keeper {
    pub(super) api: Arc<dyn Api>,
    pub(super) vault: Vault,
    pub(super) node: String,
    pub(super) addresses: Vec<IpAddr>,
    pub(super) ca: String,
    pub(super) client_ca: String,
}

impl Keeper {
    /// Renews the client certificate until stopped.
    pub(super) async fn keep_client(
        self,
        renew: &watch::Sender<Arc<ClientConfig>>,
        stop: &Stop,
    ) -> Result<(), knarr_daemon::Error> {
        loop {
            let have = self.vault.load(CLIENT)?;
            self.wait_until_due(have.as_ref(), stop).await;
            let leaf = Leaf::client(&format!("system:node:{}", self.node), &["system:nodes"]);
            let Some(identity) = self.renewed(CLIENT, &leaf, Purpose::Client, stop).await else { return Ok(()) };
            renew.send_replace(tls::config(&self.ca, Some((&identity.cert, &identity.key)))?);
            tracing::info!("the node's client certificate was renewed");
        }
    }

    /// Gets and renews what the kubelet's port shows until stopped.
    pub(super) async fn keep_serving(
        self,
        show: &watch::Sender<Option<Arc<ServerConfig>>>,
        stop: &Stop,
    ) -> Result<(), knarr_daemon::Error> {
        let names: Vec<String> =
            std::iter::once(self.node.clone()).chain(self.addresses.iter().map(ToString::to_string)).collect();
        loop {
            let have = self.vault.load(SERVING)?.filter(|i| {
                expiry(&i.cert).is_ok_and(|(end, has)| end > Timestamp::now() && names.iter().all(|n| has.contains(n)))
            });
            if let Some(config) = have.as_ref().and_then(|i| serving_config(i, &self.client_ca).ok()) {
                show.send_replace(Some(config));
                self.wait_until_due(have.as_ref(), stop).await;
            }
            let leaf = Leaf {
                groups: vec!["system:nodes".to_owned()],
                ..Leaf::server(&format!("system:node:{}", self.node), names.iter().cloned())
            };
            let Some(identity) = self.renewed(SERVING, &leaf, Purpose::Serving, stop).await else { return Ok(()) };
            show.send_replace(Some(serving_config(&identity, &self.client_ca)?));
            tracing::info!("the kubelet's port has a new certificate");
        }
    }

    async fn wait_until_due(&self, have: Option<&Identity>, stop: &Stop) {
        let Some(identity) = have else { return };
        clock::wait(stop, || due(&identity.cert, Timestamp::now())).await;
    }

    /// A new certificate, kept. Tries until it gets one; `None` when stopped.
    async fn renewed(&self, name: &str, leaf: &Leaf, purpose: Purpose, stop: &Stop) -> Option<Identity> {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(300));
        loop {
            let attempt = async {
                let request = NewRequest::make(leaf).context("make a key")?;
                let cert = obtain(&*self.api, &request, purpose).await?;
                let identity = Identity { cert, key: request.key };
                self.vault.store(name, &identity)?;
                Ok::<_, anyhow::Error>(identity)
            };
            let done = tokio::select! {
                done = attempt => done,
                () = stop.cancelled() => return None,
            };
            match done {
                Ok(identity) => return Some(identity),
                Err(e) => tracing::warn!(certificate = name, error = format!("{e:#}"), "not renewed; trying again"),
            }
            tokio::select! {
                () = tokio::time::sleep(backoff.next_delay()) => {}
                () = stop.cancelled() => return None,
            }
        }
    }
}

/// How long until a certificate is to be renewed: four fifths of its life, or what is left of them.
fn due(pem: &str, now: Timestamp) -> Duration {
    let Ok((begin, end)) = knarr_pki::validity(pem) else { return Duration::ZERO };
    let life = end.duration_since(begin);
    let at = begin + SignedDuration::from_secs(life.as_secs() / 5 * 4);
    Duration::try_from(at.duration_since(now)).unwrap_or_default()
}

/// What the kubelet's port shows, and whose clients' certificates it believes.
pub(crate) fn serving_config(identity: &Identity, client_ca: &str) -> anyhow::Result<Arc<ServerConfig>> {
    let material = knarr_apiserver::TlsMaterial {
        chain: identity.cert.clone(),
        key: identity.key.clone(),
        client_ca: client_ca.to_owned(),
    };
    let mut config = Arc::unwrap_or_clone(material.server_config().context("use the kubelet's certificate")?);
    config.alpn_protocols = vec![b"http/1.1".to_vec()]; // streams are upgraded connections
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_renewed_before_they_end() {
        let begin: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let (ca, _) = knarr_pki::Ca::create("ca", begin).unwrap();
        let made = NewRequest::make(&Leaf::client("a", &[])).unwrap();
        let request = knarr_pki::CertificateRequest::parse(made.pem.as_bytes()).unwrap();
        let end = begin + SignedDuration::from_hours(10);
        let cert = ca.sign(&request, &knarr_pki::Terms { usages: vec!["client auth".into()], begin, end }).unwrap();
        assert_eq!(due(&cert, begin), Duration::from_secs(8 * 3600));
        assert_eq!(due(&cert, end), Duration::ZERO);
        assert_eq!(due("nonsense", begin), Duration::ZERO);
    }

    #[test]
    fn answers_of_the_approver() {
        let of = |status: serde_json::Value| {
            let json = serde_json::json!({ "metadata": { "name": "csr-1" }, "status": status }).to_string();
            decided(&Object::from_json(json.into()).unwrap()).map(|d| d.map_err(|e| e.code()))
        };
        assert_eq!(of(serde_json::json!({})), None);
        assert_eq!(of(serde_json::json!({ "conditions": [{ "type": "Approved" }] })), None);
        assert_eq!(
            of(serde_json::json!({ "certificate": "eA==", "conditions": [{ "type": "Approved" }] })),
            Some(Ok("x".into()))
        );
        assert_eq!(of(serde_json::json!({ "conditions": [{ "type": "Denied", "message": "no" }] })), Some(Err(403)));
    }
}
