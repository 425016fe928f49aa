//! Which requests are approved without a person, and which are signed by whom. Pure.

use std::{collections::BTreeSet, sync::Arc};

use knarr_api::Object;
use serde::Deserialize;

use super::{claim::Claim, request::Wanted};

pub(super) const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
pub(super) const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
pub(super) const KUBELET_SERVING: &str = "kubernetes.io/kubelet-serving";
pub(super) const LEGACY: &str = "kubernetes.io/legacy-unknown";

const NODES: &str = "system:nodes";

/// What is known of a Node: the names it may be called by.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) addresses: BTreeSet<String>,
}

impl Machine {
    pub(super) fn of(object: &Object) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            status: State,
        }
        #[derive(Deserialize, Default)]
        struct State {
            #[serde(default)]
            addresses: Option<Vec<Address>>,
        }
        #[derive(Deserialize)]
        struct Address {
            address: String,
        }
        let wire: Wire = object.decode().ok()?;
        let addresses = wire.status.addresses.unwrap_or_default().into_iter().map(|a| a.address);
        let own = std::iter::once(object.name().to_owned());
        Some(Self { addresses: addresses.chain(own).collect() })
    }
}

/// What else is known about the node of a request.
#[derive(Default)]
pub(super) struct Facts {
    pub(super) node: Option<Arc<Machine>>,
    pub(super) claim: Option<Arc<Claim>>,
}

/// What becomes of a request that nobody decided.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is approved, if its permission is there.
    Approve(Approval),
    /// It waits: for a person, or for facts.
    Wait,
}

/// The kinds of requests that need no person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Approval {
    /// A node renews its own.
    Own,
    /// A machine becomes a node.
    First,
    /// What a node shows at its port.
    Serving,
}

impl Approval {
    /// The subresource of requests one must be allowed to create.
    pub(super) fn permission(self) -> Option<&'static str> {
        match self {
            Self::Own => Some("selfnodeclient"),
            Self::First => Some("nodeclient"),
            Self::Serving => None,
        }
    }

    pub(super) fn message(self) -> &'static str {
        match self {
            Self::Own => "Auto approving self kubelet client certificate after SubjectAccessReview.",
            Self::First => "Auto approving kubelet client certificate after SubjectAccessReview.",
            Self::Serving => "Auto approving kubelet serving certificate for the names and addresses of its Node.",
        }
    }
}

/// Judges a request.
pub(super) fn judge(request: &Wanted, facts: &Facts) -> Verdict {
    let Ok(parsed) = &request.parsed else { return Verdict::Wait };
    let own = request.user() == parsed.name;
    match request.signer() {
        KUBELET_CLIENT if kubelet_client(request).is_err() => Verdict::Wait,
        KUBELET_CLIENT if own => Verdict::Approve(Approval::Own),
        KUBELET_CLIENT => match &facts.claim {
            Some(claim) if claim.key_hash == parsed.key_hash => Verdict::Approve(Approval::First),
            _ => Verdict::Wait,
        },
        KUBELET_SERVING if own && request.groups().iter().any(|g| g == NODES) && kubelet_serving(request).is_ok() => {
            let Some(node) = &facts.node else { return Verdict::Wait };
            let names = parsed.dns.iter().cloned().chain(parsed.ips.iter().map(ToString::to_string));
            match names.into_iter().all(|name| node.addresses.contains(&name)) {
                true => Verdict::Approve(Approval::Serving),
                false => Verdict::Wait,
            }
        }
        _ => Verdict::Wait,
    }
}

/// Which authority signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Authority {
    Client,
    Server,
}

/// Who signs a request; `None` for signers that are not ours, an error for a request its signer cannot sign.
pub(super) fn signer(request: &Wanted) -> Option<Result<Authority, &'static str>> {
    match request.signer() {
        CLIENT => Some(client(request).map(|()| Authority::Client)),
        KUBELET_CLIENT => Some(kubelet_client(request).map(|()| Authority::Client)),
        KUBELET_SERVING => Some(kubelet_serving(request).map(|()| Authority::Server)),
        LEGACY => Some(Ok(Authority::Client)),
        _ => None,
    }
}

fn client(request: &Wanted) -> Result<(), &'static str> {
    const ALLOWED: [&str; 3] = ["digital signature", "key encipherment", "client auth"];
    let usages = request.usages();
    if !usages.iter().all(|u| ALLOWED.contains(&u.as_str())) {
        return Err("invalid usage for client certificate");
    }
    match usages.iter().any(|u| u == "client auth") {
        true => Ok(()),
        false => Err("missing required usage for client certificate: client auth"),
    }
}

/// Usages are these two, with or without the one that RSA keys need.
fn usages_are(request: &Wanted, purpose: &str) -> bool {
    let have: BTreeSet<&str> = request.usages().iter().map(String::as_str).collect();
    let least = BTreeSet::from(["digital signature", purpose]);
    let most = BTreeSet::from(["digital signature", "key encipherment", purpose]);
    have == least || have == most
}

fn of_a_node(request: &Wanted) -> Result<&knarr_pki::CertificateRequest, &'static str> {
    let parsed = request.parsed.as_ref().map_err(|_| "the request cannot be read")?;
    if parsed.groups != [NODES] {
        return Err("subject organization is not system:nodes");
    }
    if !parsed.name.starts_with("system:node:") {
        return Err("subject common name does not begin with system:node:");
    }
    if !parsed.emails.is_empty() {
        return Err("Email subjectAltNames are not allowed");
    }
    if !parsed.uris.is_empty() {
        return Err("URI subjectAltNames are not allowed");
    }
    Ok(parsed)
}

fn kubelet_client(request: &Wanted) -> Result<(), &'static str> {
    let parsed = of_a_node(request)?;
    match () {
        () if !parsed.dns.is_empty() => Err("DNS subjectAltNames are not allowed"),
        () if !parsed.ips.is_empty() => Err("IP subjectAltNames are not allowed"),
        () if !usages_are(request, "client auth") => {
            Err("usages did not match [client auth digital signature key encipherment]")
        }
        () => Ok(()),
    }
}

fn kubelet_serving(request: &Wanted) -> Result<(), &'static str> {
    let parsed = of_a_node(request)?;
    match () {
        () if parsed.dns.is_empty() && parsed.ips.is_empty() => Err("DNS or IP subjectAltName is required"),
        () if !usages_are(request, "server auth") => {
            Err("usages did not match [digital signature key encipherment server auth]")
        }
        () => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use knarr_pki::{Leaf, NewRequest};
    use serde_json::json;

    use super::*;

    /// A request for a subject and names, by a user, and the hash of its key.
    fn request(
        signer: &str,
        subject: &str,
        groups: &[&str],
        names: &[&str],
        usages: &[&str],
        user: &str,
    ) -> (Wanted, String) {
        let groups: Vec<String> = groups.iter().map(|g| (*g).to_owned()).collect();
        let made = NewRequest::make(&Leaf { groups, ..Leaf::server(subject, names.iter().copied()) }).unwrap();
        let object = json!({
            "metadata": { "name": "r", "resourceVersion": "1" },
            "spec": {
                "request": super::super::request::encode(&made.pem),
                "signerName": signer,
                "usages": usages,
                "username": user,
                "groups": ["system:nodes", "system:authenticated"],
            },
        });
        let object = Object::from_json(object.to_string().into()).unwrap();
        (Wanted::of(&object).unwrap(), made.key_hash)
    }

    const NODE: &str = "system:node:n";
    const USE: [&str; 2] = ["digital signature", "client auth"];
    const SERVE: [&str; 2] = ["digital signature", "server auth"];

    #[test]
    fn first_certificates_need_the_name() {
        let (wanted, hash) = request(KUBELET_CLIENT, NODE, &[NODES], &[], &USE, "system:bootstrap:abcdef");
        let with = |key_hash: &str| Facts {
            claim: Some(Arc::new(Claim { node: "n".into(), key_hash: key_hash.into() })),
            node: None,
        };
        assert_eq!(judge(&wanted, &Facts::default()), Verdict::Wait);
        assert_eq!(judge(&wanted, &with("another key")), Verdict::Wait);
        assert_eq!(judge(&wanted, &with(&hash)), Verdict::Approve(Approval::First));
        let (renewal, _) = request(KUBELET_CLIENT, NODE, &[NODES], &[], &USE, NODE);
        assert_eq!(judge(&renewal, &Facts::default()), Verdict::Approve(Approval::Own));
        let (other, _) = request(KUBELET_CLIENT, NODE, &[NODES], &[], &USE, "system:node:other");
        assert_eq!(judge(&other, &Facts::default()), Verdict::Wait, "another node's");
    }

    #[test]
    fn serving_certificates_are_for_the_names_of_the_node() {
        let node = Machine { addresses: ["n", "10.0.0.7"].map(String::from).into() };
        let facts = Facts { node: Some(Arc::new(node)), claim: None };
        for (names, user, want) in [
            (&["n", "10.0.0.7"][..], NODE, true),
            (&["n"], NODE, true),
            (&["n", "10.0.0.8"], NODE, false),
            (&["kubernetes"], NODE, false),
            (&["n"], "system:node:other", false),
        ] {
            let (wanted, _) = request(KUBELET_SERVING, NODE, &[NODES], names, &SERVE, user);
            assert_eq!(judge(&wanted, &facts) == Verdict::Approve(Approval::Serving), want, "{names:?} {user}");
            assert_eq!(judge(&wanted, &Facts::default()), Verdict::Wait, "a node that is not there yet");
        }
    }

    #[test]
    fn signers_sign_what_upstreams_sign() {
        for (signer_name, subject, groups, names, usages, want) in [
            (CLIENT, "jane", &["a"][..], &[][..], &USE[..], Some(Ok(Authority::Client))),
            (CLIENT, "jane", &[], &[], &SERVE, Some(Err("invalid usage for client certificate"))),
            (KUBELET_CLIENT, NODE, &[NODES], &[], &USE, Some(Ok(Authority::Client))),
            (KUBELET_CLIENT, NODE, &[NODES], &["n"], &USE, Some(Err("DNS subjectAltNames are not allowed"))),
            (
                KUBELET_CLIENT,
                NODE,
                &[NODES, "system:masters"],
                &[],
                &USE,
                Some(Err("subject organization is not system:nodes")),
            ),
            (
                KUBELET_CLIENT,
                "jane",
                &[NODES],
                &[],
                &USE,
                Some(Err("subject common name does not begin with system:node:")),
            ),
            (KUBELET_SERVING, NODE, &[NODES], &["n"], &SERVE, Some(Ok(Authority::Server))),
            (KUBELET_SERVING, NODE, &[NODES], &[], &SERVE, Some(Err("DNS or IP subjectAltName is required"))),
            ("example.com/x", "jane", &[], &[], &USE, None),
        ] {
            let (wanted, _) = request(signer_name, subject, groups, names, usages, "u");
            assert_eq!(signer(&wanted), want, "{signer_name} {subject} {groups:?}");
        }
    }
}
