//! Which certificate a client is shown.
//!
//! Certificates are parsed once, when their Secret changes ([`Certificate::project`]), and put in order by the table
//! ([`Certificates`]); a handshake only looks up. There is one *source* today, Secrets: whoever gets certificates from
//! elsewhere (ACME) writes them as Secrets too and needs nothing here. A new table is a new answer for the next
//! handshake; nothing restarts.

use std::{collections::BTreeMap, fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use knarr_api::Object;
use knarr_pki::pem;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, ring},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use serde::Deserialize;

use crate::{live::Live, route::parent};

/// A `kubernetes.io/tls` Secret, parsed.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// What is shown and signed with; or why it is not usable.
    pub key: Result<Arc<CertifiedKey>, String>,
    /// When it ends.
    pub end: Option<Timestamp>,
    /// The names it is for, sorted.
    pub names: Vec<String>,
    /// Whether the Secret carries the label of those this component makes.
    pub managed: bool,
}

impl Certificate {
    /// Projects a Secret; `None` for those of other types.
    pub fn project(object: &Object) -> Option<Self> {
        #[derive(Deserialize)]
        struct Secret {
            #[serde(rename = "type", default)]
            kind: String,
            #[serde(default)]
            data: Option<BTreeMap<String, String>>,
        }
        let secret: Secret = object.decode().ok()?;
        if secret.kind != "kubernetes.io/tls" {
            return None;
        }
        let data = secret.data.unwrap_or_default();
        let field = |name: &str| {
            let text = data.get(name).ok_or_else(|| format!("{name} is missing"))?;
            STANDARD.decode(text).map_err(|e| format!("{name} is not base64: {e}"))
        };
        let managed = object.meta().label(crate::issue::LABEL) == Some(crate::issue::MANAGER);
        Some(match (field("tls.crt"), field("tls.key")) {
            (Ok(cert), Ok(key)) => Self { managed, ..Self::parse(&cert, &key) },
            (Err(why), _) | (_, Err(why)) => Self { key: Err(why), end: None, names: Vec::new(), managed },
        })
    }

    /// Reads PEM.
    pub fn parse(cert: &[u8], key: &[u8]) -> Self {
        let known = std::str::from_utf8(cert).ok().and_then(|pem| knarr_pki::expiry(pem).ok());
        let (end, mut names) = known.map_or((None, Vec::new()), |(end, names)| (Some(end), names));
        names.sort();
        Self { key: certified(cert, key).map(Arc::new), end, names, managed: false }
    }
}

fn certified(cert: &[u8], key: &[u8]) -> Result<CertifiedKey, String> {
    let chain = pem::certificates(cert, "tls.crt").map_err(|e| e.to_string())?;
    let key = pem::key(key, "tls.key").map_err(|e| e.to_string())?;
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|e| format!("certificate and key: {e}"))
}

/// The certificates of a table by host.
#[derive(Clone, Default)]
pub struct Certificates {
    pub(crate) exact: BTreeMap<Box<str>, Arc<CertifiedKey>>,
    /// By what follows `*.`.
    pub(crate) wildcard: BTreeMap<Box<str>, Arc<CertifiedKey>>,
    /// For clients that name no host, or one nobody has a certificate for.
    pub(crate) default: Option<Arc<CertifiedKey>>,
}

impl Certificates {
    /// The certificate for a host: exact before wildcard before default.
    pub fn find(&self, host: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let host = host.map(str::to_ascii_lowercase);
        let named = host.as_deref().and_then(|host| {
            self.exact.get(host).or_else(|| parent(host).and_then(|parent| self.wildcard.get(parent)))
        });
        named.or(self.default.as_ref())
    }

    /// Sets the certificate of a host as an Ingress writes it, unless it has one.
    pub(crate) fn insert(&mut self, host: &str, key: Arc<CertifiedKey>) {
        match host.strip_prefix("*.") {
            Some(parent) => self.wildcard.entry(parent.into()).or_insert(key),
            None => self.exact.entry(host.into()).or_insert(key),
        };
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wildcard = self.wildcard.keys().map(|h| format!("*.{h}"));
        let exact = self.exact.keys().map(ToString::to_string);
        f.debug_set().entries(exact.chain(wildcard)).finish()
    }
}

/// Answers handshakes from the present table.
#[derive(Debug)]
struct Resolver(Arc<Live>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.table().certificates.find(hello.server_name()).cloned()
    }
}

/// The TLS configuration of the listener: made once, answers change with the table.
///
/// # Errors
/// The crypto provider lacks what TLS 1.2 and 1.3 ask for.
pub(crate) fn config(live: Arc<Live>) -> Result<ServerConfig, rustls::Error> {
    let provider: Arc<CryptoProvider> = Arc::new(ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Resolver(live)));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
