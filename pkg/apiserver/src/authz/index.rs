//! RBAC over an index in memory, kept current by informers.
//!
//! A request costs one look-up per subject it could be bound by (its user and its groups), for the cluster and for its
//! namespace. Aggregated ClusterRoles are resolved here, when any ClusterRole changes: what a role grants does not
//! depend on a controller having copied rules about.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use knarr_api::Object;
use knarr_client::{Api, Cache, Change, Key, Resource, Selection};
use knarr_daemon::Tasks;
use parking_lot::RwLock;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::{
    Authority, PolicyRule,
    objects::{Binding, Role, RoleRef, group_key, user_key},
};
use crate::{Attributes, Decision, User};

/// One subject of a binding.
#[derive(Clone, Debug)]
struct Grant {
    name: Key,
    binding: Arc<Binding>,
    subject: usize,
}

#[derive(Default)]
struct State {
    /// By namespace (empty: ClusterRoles) and name.
    roles: HashMap<Key, Arc<Role>>,
    /// Rules of aggregated ClusterRoles, in place of their own.
    aggregated: HashMap<String, Arc<[PolicyRule]>>,
    /// By the binding's namespace (empty: ClusterRoleBindings) and subject key.
    grants: HashMap<String, HashMap<String, Vec<Grant>>>,
}

/// See the module.
pub struct Rbac {
    state: RwLock<State>,
    synced: watch::Sender<u8>,
}

impl Default for Rbac {
    fn default() -> Self {
        Self { state: RwLock::default(), synced: watch::Sender::new(0) }
    }
}

impl Rbac {
    /// What the rules say.
    pub fn authorize(&self, user: &User, request: &Attributes<'_>) -> Decision {
        let state = self.state.read();
        let mut missing = Vec::new();
        for scope in scopes(request.namespace) {
            for grant in state.grants(user, scope) {
                match state.rules(&grant.binding.role_ref, scope) {
                    Some(rules) if rules.iter().any(|rule| rule.allows(request)) => {
                        return Decision::Allow(format!("RBAC: allowed by {}", grant.describe()));
                    }
                    Some(_) => {}
                    None => missing.push(not_found(&grant.binding.role_ref)),
                }
            }
        }
        missing.sort();
        missing.dedup();
        Decision::Deny(match missing.as_slice() {
            [] => String::new(),
            [one] => format!("RBAC: {one}"),
            many => format!("RBAC: [{}]", many.join(", ")),
        })
    }

    /// All rules that apply to a user, cluster-wide and in `namespace` if it is not empty.
    pub fn rules_for(&self, user: &User, namespace: &str) -> Vec<PolicyRule> {
        let state = self.state.read();
        let grants = scopes(namespace).flat_map(|scope| state.grants(user, scope).map(move |g| (scope, g)));
        grants.flat_map(|(scope, g)| state.rules(&g.binding.role_ref, scope).unwrap_or_default().to_vec()).collect()
    }

    /// The rules of a role; see [`crate::Authorizer::role`].
    pub fn role(&self, kind: &str, namespace: &str, name: &str) -> Option<Vec<PolicyRule>> {
        let reference = RoleRef { kind: kind.to_owned(), name: name.to_owned() };
        self.state.read().rules(&reference, namespace).map(<[PolicyRule]>::to_vec)
    }

    /// Whether the present state has been read once.
    pub fn is_synced(&self) -> bool {
        *self.synced.borrow() >= KINDS
    }

    /// Waits for [`Rbac::is_synced`].
    pub async fn synced(&self) {
        let _ = self.synced.subscribe().wait_for(|n| *n >= KINDS).await;
    }

    fn role_changed(&self, change: Change<'_, Role>) {
        let mut state = self.state.write();
        match change.new {
            Some(role) => state.roles.insert(change.key.clone(), role.clone()),
            None => state.roles.remove(change.key),
        };
        if change.key.namespace.is_empty() {
            state.aggregate();
        }
    }

    fn binding_changed(&self, change: Change<'_, Binding>) {
        let mut state = self.state.write();
        let scope = state.grants.entry(change.key.namespace.to_string()).or_default();
        if let Some(old) = change.old {
            for key in old.subjects.iter().filter_map(|s| s.key(&change.key.namespace)) {
                if let Some(grants) = scope.get_mut(&key) {
                    grants.retain(|g| g.name != *change.key);
                    if grants.is_empty() {
                        scope.remove(&key);
                    }
                }
            }
        }
        if let Some(new) = change.new {
            for (subject, key) in
                new.subjects.iter().enumerate().filter_map(|(i, s)| Some((i, s.key(&change.key.namespace)?)))
            {
                let grant = Grant { name: change.key.clone(), binding: new.clone(), subject };
                scope.entry(key).or_default().push(grant);
            }
        }
        if scope.is_empty() {
            state.grants.remove(change.key.namespace.as_str());
        }
    }
}

/// The cluster first, then the namespace.
fn scopes(namespace: &str) -> impl Iterator<Item = &str> {
    std::iter::once("").chain(Some(namespace).filter(|ns| !ns.is_empty()))
}

fn not_found(role: &RoleRef) -> String {
    let resource = if role.kind == "Role" { "role" } else { "clusterrole" };
    format!("{resource}.rbac.authorization.k8s.io {:?} not found", role.name)
}

impl State {
    fn grants(&self, user: &User, scope: &str) -> impl Iterator<Item = &Grant> {
        let subjects = self.grants.get(scope).into_iter();
        let keys: Vec<String> =
            std::iter::once(user_key(&user.name)).chain(user.groups.iter().map(|g| group_key(g))).collect();
        subjects.flat_map(move |s| keys.iter().filter_map(|k| s.get(k)).flatten().collect::<Vec<_>>())
    }

    fn rules(&self, role: &RoleRef, namespace: &str) -> Option<&[PolicyRule]> {
        let namespace = match role.kind.as_str() {
            "Role" => namespace,
            "ClusterRole" => "",
            _ => return None,
        };
        if namespace.is_empty()
            && let Some(rules) = self.aggregated.get(&role.name)
        {
            return Some(rules);
        }
        self.roles.get(&Key::new(namespace, &role.name)).map(|r| r.rules.as_slice())
    }

    fn aggregate(&mut self) {
        let named = self.roles.iter().filter(|(k, r)| k.namespace.is_empty() && r.aggregation_rule.is_some());
        let all: Vec<_> = named.map(|(key, _)| (key.name.to_string(), self.union(&key.name))).collect();
        self.aggregated = all.into_iter().collect();
    }

    /// The rules of every role that is selected, through other aggregated roles too, each role once.
    fn union(&self, name: &str) -> Arc<[PolicyRule]> {
        let (mut seen, mut todo): (Vec<&str>, Vec<&str>) = (Vec::new(), vec![name]);
        let mut rules: Vec<PolicyRule> = Vec::new();
        while let Some(name) = todo.pop() {
            let Some(role) = self.roles.get(&Key::new("", name)).filter(|_| !seen.contains(&name)) else { continue };
            seen.push(name);
            match &role.aggregation_rule {
                None => rules.extend(role.rules.iter().cloned()),
                Some(rule) => {
                    let cluster = self.roles.iter().filter(|(key, _)| key.namespace.is_empty());
                    let selected = cluster.filter(|(_, other)| {
                        rule.cluster_role_selectors.iter().any(|s| s.matches(other.metadata.labels.as_ref()))
                    });
                    let mut names: Vec<&str> = selected.map(|(key, _)| key.name.as_str()).collect();
                    names.sort_unstable();
                    todo.extend(names.into_iter().rev());
                }
            }
        }
        rules.into()
    }
}

impl Grant {
    fn describe(&self) -> String {
        let Self { name, binding, subject } = self;
        let who = binding.subjects[*subject].describe(&name.namespace);
        let (kind, binding_name): (_, Cow<'_, str>) = match name.namespace.as_str() {
            "" => ("ClusterRoleBinding", name.name.as_str().into()),
            ns => ("RoleBinding", format!("{}/{ns}", name.name).into()),
        };
        format!("{kind} {binding_name:?} of {} {:?} to {who}", binding.role_ref.kind, binding.role_ref.name)
    }
}

/// How many kinds the index is made of.
const KINDS: u8 = 4;

fn resource(plural: &'static str, kind: &'static str, namespaced: bool) -> Resource {
    Resource {
        group: "rbac.authorization.k8s.io".into(),
        version: "v1".into(),
        plural: plural.into(),
        kind: kind.into(),
        namespaced,
    }
}

/// Starts the informers of [`Authority::rbac`].
pub(super) fn follow(authority: &Arc<Authority>, api: &Arc<dyn Api>, tasks: &Tasks) {
    follow_kind(authority, api, tasks, resource("clusterroles", "ClusterRole", false), Rbac::role_changed);
    follow_kind(authority, api, tasks, resource("roles", "Role", true), Rbac::role_changed);
    follow_kind(
        authority,
        api,
        tasks,
        resource("clusterrolebindings", "ClusterRoleBinding", false),
        Rbac::binding_changed,
    );
    follow_kind(authority, api, tasks, resource("rolebindings", "RoleBinding", true), Rbac::binding_changed);
}

fn follow_kind<P: DeserializeOwned + Send + Sync + 'static>(
    authority: &Arc<Authority>,
    api: &Arc<dyn Api>,
    tasks: &Tasks,
    resource: Resource,
    changed: fn(&Rbac, Change<'_, P>),
) {
    let (authority, api) = (authority.clone(), api.clone());
    let name = format!("rbac {}", resource.plural);
    tasks.spawn(name, |stop| async move {
        let cache = Cache::<P>::new();
        let target = authority.clone();
        let run =
            cache.clone().run(api, Selection::all(&resource), stop, decode::<P>, move |c| changed(&target.rbac, c));
        let count = async {
            cache.synced().await;
            authority.rbac.synced.send_modify(|n| *n += 1);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            end = run => end,
            () = count => Ok(()),
        }
    });
}

/// An object that does not have its kind's shape grants nothing.
fn decode<P: DeserializeOwned>(object: &Object) -> Option<P> {
    serde_json::from_slice(object.json())
        .inspect_err(|e| tracing::warn!(name = object.name(), error = %e, "unreadable RBAC object"))
        .ok()
}

#[cfg(test)]
mod tests;
