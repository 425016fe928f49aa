//! The question every request is asked after authentication.

use knarr_api::{Reason, Status, status::Details};

use crate::{PolicyRule, User};

/// What is about to be done (`authorization.k8s.io/v1 SubjectAccessReviewSpec`). Empty strings: not given.
#[derive(Clone, Debug, Default)]
pub struct Attributes<'a> {
    /// Request verb in RBAC's words; for non-resource requests the HTTP method in lower case.
    pub verb: &'a str,
    /// API group.
    pub group: &'a str,
    /// Version.
    pub version: &'a str,
    /// Plural; empty for non-resource requests.
    pub resource: &'a str,
    /// Subresource.
    pub subresource: &'a str,
    /// Namespace.
    pub namespace: &'a str,
    /// Object name.
    pub name: &'a str,
    /// URL path of non-resource requests.
    pub path: &'a str,
    /// Field selector of list, watch and deletecollection, as the client wrote it: nodes may only list what is theirs.
    pub field_selector: &'a str,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes, and why.
    Allow(String),
    /// Nobody said yes; why, where there is something to tell.
    Deny(String),
}

/// Decides synchronously from what is in memory.
pub trait Authorizer: Send + Sync + 'static {
    /// May `user` do this?
    fn authorize(&self, user: &User, attributes: &Attributes<'_>) -> Decision;

    /// All rules that apply to `user` in `namespace` (empty: cluster-wide ones only), and whether that is all there is
    /// to say about the user (`SelfSubjectRulesReview`).
    fn rules_for(&self, _user: &User, _namespace: &str) -> (Vec<PolicyRule>, bool) {
        (Vec::new(), false)
    }

    /// The rules of a Role (in `namespace`) or ClusterRole; `None` where there is no such role.
    fn role(&self, _kind: &str, _namespace: &str, _name: &str) -> Option<Vec<PolicyRule>> {
        None
    }

    /// Whether `user` already holds all of `rules` in `namespace`, so that granting them is no escalation. The caller
    /// first asks [`Authorizer::authorize`] for the verbs `escalate` (roles) and `bind` (bindings), which excuse it.
    ///
    /// # Errors
    /// What is missing, in upstream's words.
    fn holds(&self, user: &User, namespace: &str, rules: &[PolicyRule]) -> Result<(), String> {
        let (own, _) = self.rules_for(user, namespace);
        crate::authz::confirm_no_escalation(user, &own, rules)
    }
}

impl Attributes<'_> {
    /// Whether this is about a resource (upstream: `IsResourceRequest`).
    pub fn is_resource(&self) -> bool {
        !self.resource.is_empty()
    }

    /// Why `user` may not, in upstream's words: `User "x" cannot list resource "pods" in API group "" …`.
    pub fn refusal(&self, user: &User) -> String {
        let Self { verb, group, resource, subresource, namespace, path, .. } = self;
        let who = &user.name;
        let text = if self.is_resource() {
            let slash = if subresource.is_empty() { "" } else { "/" };
            let scope = match *namespace {
                "" => "at the cluster scope".to_owned(),
                ns => format!("in the namespace {ns:?}"),
            };
            format!(
                "User {who:?} cannot {verb} resource \"{resource}{slash}{subresource}\" in API group {group:?} {scope}"
            )
        } else {
            format!("User {who:?} cannot {verb} path {path:?}")
        };
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
    }

    /// The 403 of a refused request.
    pub fn forbidden(&self, user: &User, why: &str) -> Status {
        let mut text = self.refusal(user);
        if !why.is_empty() {
            text = format!("{text}: {why}");
        }
        if !self.is_resource() {
            return Status::new(Reason::Forbidden, format!("forbidden: {text}")).with_details(Details::default());
        }
        Status::forbidden(self.group, self.resource, self.name, &text)
    }
}
