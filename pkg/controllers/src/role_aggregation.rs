//! Writes the rules of aggregated ClusterRoles: those of all roles that they select.
//!
//! The authorizer resolves aggregation by itself and does not wait for this. It is for those who read the object:
//! `kubectl describe clusterrole admin`, and whoever copies its rules.

use std::sync::Arc;

use knarr_api::{Object, Reason, Status, Value, selector::Labels, value};
use knarr_client::{ApiExt as _, Cache, WorkQueue, resources};
use knarr_daemon::Tasks;

use crate::{Context, context::Again};

/// What is kept of a ClusterRole.
#[derive(Debug)]
struct Role {
    labels: Vec<(Box<str>, Box<str>)>,
    /// What it selects, if it is aggregated.
    selects: Option<Vec<Labels>>,
    rules: Vec<Value>,
}

impl Role {
    fn of(object: &Object) -> Option<Self> {
        let body: Value = object.decode().ok()?;
        let selectors = body.at(&["aggregationRule"]).filter(|rule| !rule.is_null()).map(|rule| {
            // One that cannot be read selects nothing; it was refused when it was written.
            rule.list_at(&["clusterRoleSelectors"]).iter().filter_map(|s| Labels::from_selector(Some(s)).ok()).collect()
        });
        Some(Self {
            labels: object.meta().labels.to_vec(),
            selects: selectors,
            rules: body.list_at(&["rules"]).to_vec(),
        })
    }
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue = WorkQueue::new();
    let roles: Arc<Cache<Role>> = Cache::new();
    let (wake, all) = (queue.clone(), roles.clone());
    // Any role may be selected by any other, also through a third: each change is a look at all that aggregate.
    cx.follow(tasks, "clusterrole-aggregation-controller", &resources::CLUSTER_ROLES, &roles, Role::of, move |_| {
        for (key, role) in all.entries() {
            if role.selects.is_some() {
                wake.add(key);
            }
        }
    });
    let (cx2, cache) = (cx.clone(), roles.clone());
    let ready = move || {
        let roles = roles.clone();
        async move { roles.synced().await }
    };
    cx.work(tasks, "clusterrole-aggregation-controller", 1, &queue, ready, move |key| {
        let (cx, roles) = (cx2.clone(), cache.clone());
        async move {
            let all = roles.entries();
            let all: Vec<(&str, &Role)> = all.iter().map(|(key, role)| (&*key.name, &**role)).collect();
            match plan(&key.name, &all) {
                Some(rules) => write(&cx, &key.name, rules).await,
                None => Ok(None),
            }
        }
    });
}

/// The rules that a role should have, if they are not the ones it has.
fn plan(name: &str, all: &[(&str, &Role)]) -> Option<Vec<Value>> {
    let (_, role) = all.iter().find(|(other, _)| *other == name)?;
    let selects = role.selects.as_ref()?;
    let mut selected: Vec<&(&str, &Role)> = all
        .iter()
        .filter(|(other, role)| *other != name && selects.iter().any(|selector| selector.matches(&role.labels)))
        .collect();
    selected.sort_unstable_by_key(|(other, _)| *other);
    let mut rules: Vec<Value> = Vec::new();
    for rule in selected.into_iter().flat_map(|(_, role)| &role.rules) {
        if !rules.contains(rule) {
            rules.push(rule.clone());
        }
    }
    (rules != role.rules).then_some(rules)
}

async fn write(cx: &Context, name: &str, rules: Vec<Value>) -> Result<Again, Status> {
    let body = value!({ "rules": Value::Array(rules) });
    match cx.api.merge(&resources::CLUSTER_ROLES, "", name, "", body).await {
        Err(e) if !e.is(Reason::NotFound) => Err(e),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(labels: &[&str], selects: Option<&str>, verbs: &[&str]) -> Role {
        Role {
            labels: labels.iter().map(|l| ((*l).into(), "true".into())).collect(),
            selects: selects.map(|label| vec![Labels::equal([(label, "true")])]),
            rules: verbs.iter().map(|&v| value!({ "verbs": [v] })).collect(),
        }
    }

    #[test]
    fn rules_are_those_of_the_selected_roles_in_the_order_of_their_names() {
        let verbs = |all: &[(&str, &Role)], name| -> Option<Vec<String>> {
            let rules = plan(name, all)?;
            Some(rules.iter().map(|r| r.list_at(&["verbs"])[0].as_str().unwrap().to_owned()).collect())
        };
        let (z, a) = (role(&["view"], None, &["get", "list"]), role(&["view"], None, &["watch", "get"]));
        let (view, admin) = (role(&["admin"], Some("view"), &[]), role(&["admin"], Some("admin"), &["old"]));
        let all = [("z", &z), ("a", &a), ("view", &view), ("admin", &admin)];
        assert_eq!(verbs(&all, "view"), Some(vec!["watch".into(), "get".into(), "list".into()]));
        // What another role aggregates counts once it is written there; its own rules never do.
        assert_eq!(verbs(&all, "admin"), Some(vec![]));
        assert_eq!(verbs(&all, "z"), None);
        assert_eq!(verbs(&all, "gone"), None);
        let done = role(&[], Some("view"), &["watch", "get", "list"]);
        assert_eq!(verbs(&[("z", &z), ("a", &a), ("done", &done)], "done"), None);
    }
}
