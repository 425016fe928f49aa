//! Certificates of the cluster's local CA, for hosts that bring none of their own.
//!
//! The server decides here which there must be and has them signed; they are kept as TLS Secrets beside all others,
//! one a host (so that no client learns of other hosts, and one more host does not touch the certificates of the
//! rest), and reach the nodes the way every Secret does. The CA's key never leaves the server. One Secret more is for
//! clients that name no host.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use knarr_api::{Value, value};

use crate::tls::Certificate;

/// Where the Secrets are.
pub const NAMESPACE: &str = "kube-system";
/// The Secret for clients that name no host; the others begin with this name.
pub const DEFAULT: &str = "knarr-ingress-local";
/// The label of the Secrets made here, and its value.
pub const LABEL: &str = "app.kubernetes.io/managed-by";
/// The value of [`LABEL`]; also the field manager.
pub const MANAGER: &str = "knarr-ingress";

/// The name in the default certificate, beside the nodes' addresses.
const DEFAULT_HOST: &str = "knarr-ingress.local";
/// A certificate is renewed so long before its end.
const RENEW: SignedDuration = SignedDuration::from_hours(30 * 24);
/// Hosts that get a certificate; beyond it the default one is shown. Keeps one Ingress from filling the store.
const MAX_HOSTS: usize = 1000;
/// Node addresses in the default certificate.
const MAX_ADDRESSES: usize = 100;

/// Signs server certificates; composition gives the cluster's CA.
pub trait Signer: Send + Sync + 'static {
    /// A certificate (with its chain) and its key, both PEM, for `hosts` (DNS names, wildcards, addresses).
    ///
    /// # Errors
    /// Why it could not be made.
    fn sign(&self, hosts: &[String]) -> Result<(String, String), knarr_daemon::Error>;
}

/// What is to be done to one Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make or replace the Secret with a certificate for these hosts.
    Issue {
        /// The Secret.
        name: String,
        /// What the certificate is for.
        hosts: Vec<String>,
    },
    /// Nobody needs it any more.
    Delete {
        /// The Secret.
        name: String,
    },
}

/// The Secret of a host as an Ingress writes it; `None` where the name would be too long.
pub fn secret_name(host: &str) -> Option<String> {
    let name = match host.strip_prefix("*.") {
        Some(parent) => format!("{DEFAULT}-wildcard.{parent}"),
        None => format!("{DEFAULT}.{host}"),
    };
    (name.len() <= 253).then_some(name)
}

/// What must change so that each of `hosts`, and the default for `addresses`, has a certificate that lasts.
///
/// `have` is the TLS Secrets of [`NAMESPACE`] by name. The second answer is when to look again.
pub fn plan(
    hosts: &BTreeSet<String>,
    addresses: &BTreeSet<IpAddr>,
    have: &BTreeMap<String, &Certificate>,
    now: Timestamp,
) -> (Vec<Step>, Option<Timestamp>) {
    let mut want: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let addresses = addresses.iter().take(MAX_ADDRESSES).map(ToString::to_string);
    want.insert(DEFAULT.to_owned(), [DEFAULT_HOST.to_owned()].into_iter().chain(addresses).collect());
    let named = hosts.iter().filter_map(|host| Some((secret_name(host)?, vec![host.clone()])));
    want.extend(named.take(MAX_HOSTS));

    let mut steps = Vec::new();
    let mut again: Option<Timestamp> = None;
    for (name, hosts) in &want {
        let renewal = have.get(name).and_then(|certificate| renewal(certificate, hosts));
        match renewal {
            Some(at) if at > now => again = Some(again.map_or(at, |first| first.min(at))),
            _ => steps.push(Step::Issue { name: name.clone(), hosts: hosts.clone() }),
        }
    }
    let idle = have.iter().filter(|(name, certificate)| certificate.managed && !want.contains_key(*name));
    steps.extend(idle.map(|(name, _)| Step::Delete { name: name.clone() }));
    (steps, again)
}

/// When a certificate is to be replaced; `None` if it is not the one wanted.
fn renewal(certificate: &Certificate, hosts: &[String]) -> Option<Timestamp> {
    let mut hosts = hosts.to_vec();
    hosts.sort();
    if certificate.key.is_err() || certificate.names != hosts {
        return None;
    }
    certificate.end?.checked_sub(RENEW).ok()
}

/// The Secret as it is applied.
pub(crate) fn secret(name: &str, cert: &str, key: &str) -> Value {
    let labels = value!({ "app.kubernetes.io/managed-by": MANAGER });
    value!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": { "name": name, "namespace": NAMESPACE, "labels": labels },
        "type": "kubernetes.io/tls",
        "data": { "tls.crt": STANDARD.encode(cert), "tls.key": STANDARD.encode(key) },
    })
}
