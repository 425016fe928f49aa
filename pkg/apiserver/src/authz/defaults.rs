//! The policy every cluster starts with: upstream's bootstrap roles and bindings, in a notation of our own.
//!
//! One line per role or binding, its rules indented below it:
//!
//! ```text
//! clusterrole NAME [into X]... [from X]...       into: labelled aggregate-to-X; from: the union of those labelled so
//! role NAMESPACE/NAME
//!   VERBS GROUPS RESOURCES [NAMES]               lists by comma; the core group is written core
//!   VERBS url PATHS
//! clusterbinding NAME KIND:ROLE [SUBJECT]...     subjects: user:NAME, group:NAME, sa:NAMESPACE/NAME
//! binding NAMESPACE/NAME KIND:ROLE [SUBJECT]...
//! ```
//!
//! [`ensure`] brings a cluster up to it at each start: what is missing is made, what lacks a rule or subject gets it,
//! what an administrator added stays, and objects whose annotation `rbac.authorization.kubernetes.io/autoupdate` is
//! `"false"` are left alone. Where nothing is missing, nothing is written.

use std::collections::BTreeMap;

use knarr_api::{Reason, Status, Value};
use knarr_client::{Api, ApiExt, Resource};
use serde::{Deserialize, Serialize};

use super::rules::{PolicyRule, nullable};

const TEXTS: [&str; 4] = [
    include_str!("policy/roles.txt"),
    include_str!("policy/controllers.txt"),
    include_str!("policy/bindings.txt"),
    include_str!("policy/knarr.txt"),
];

const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const GROUP: &str = "rbac.authorization.k8s.io";

/// One object of the default policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Item {
    resource: Resource,
    namespace: String,
    name: String,
    body: Body,
}

/// The wire form of all four kinds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Body {
    metadata: Metadata,
    #[serde(skip_serializing_if = "Option::is_none")]
    aggregation_rule: Option<Aggregation>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    rules: Vec<PolicyRule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role_ref: Option<Subject>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    subjects: Vec<Subject>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Metadata {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Aggregation {
    #[serde(deserialize_with = "nullable")]
    cluster_role_selectors: Vec<Selector>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    match_labels: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Subject {
    #[serde(skip_serializing_if = "String::is_empty")]
    api_group: String,
    kind: String,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    namespace: String,
}

/// The whole default policy.
pub(super) fn items() -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let lines = TEXTS.iter().flat_map(|text| text.lines()).filter(|l| !l.is_empty() && !l.starts_with('#'));
    for line in lines {
        match line.strip_prefix("  ") {
            Some(rule) => items.last_mut().expect("a rule follows its role").body.rules.push(parse_rule(rule)),
            None => items.push(parse_head(line)),
        }
    }
    items
}

/// The rules of `system:node`, which the Node authorizer grants to nodes by itself.
pub(super) fn node_rules() -> Vec<PolicyRule> {
    items().into_iter().find(|i| i.name == "system:node").map(|i| i.body.rules).unwrap_or_default()
}

fn list(words: &str) -> Vec<String> {
    words.split(',').map(|w| if w == "core" { "" } else { w }.to_owned()).collect()
}

fn parse_rule(line: &str) -> PolicyRule {
    let mut words = line.split(' ').map(list);
    let mut next = || words.next().unwrap_or_default();
    let (verbs, groups, resources, names) = (next(), next(), next(), next());
    match groups.as_slice() {
        [one] if one == "url" => PolicyRule { verbs, urls: resources, ..PolicyRule::default() },
        _ => PolicyRule { verbs, groups, resources, names, urls: Vec::new() },
    }
}

fn parse_head(line: &str) -> Item {
    let words: Vec<&str> = line.split(' ').collect();
    let (sort, full, rest) = (words[0], words[1], &words[2..]);
    let (plural, kind, namespaced) = match sort {
        "clusterrole" => ("clusterroles", "ClusterRole", false),
        "role" => ("roles", "Role", true),
        "clusterbinding" => ("clusterrolebindings", "ClusterRoleBinding", false),
        _ => ("rolebindings", "RoleBinding", true),
    };
    let (namespace, name) = if namespaced { full.split_once('/').unwrap_or(("", full)) } else { ("", full) };
    let mut labels = BTreeMap::from([("kubernetes.io/bootstrapping".to_owned(), "rbac-defaults".to_owned())]);
    let mut body = Body::default();
    if sort.ends_with("binding") {
        body.role_ref = rest.first().map(|role| parse_role(role));
        body.subjects = rest.iter().skip(1).map(|s| parse_subject(s)).collect();
    } else {
        for pair in rest.chunks_exact(2) {
            let label = (format!("{GROUP}/aggregate-to-{}", pair[1]), "true".to_owned());
            if pair[0] == "into" {
                labels.extend([label]);
            } else {
                let rule = body.aggregation_rule.get_or_insert_default();
                rule.cluster_role_selectors.push(Selector { match_labels: BTreeMap::from([label]) });
            }
        }
    }
    body.metadata = Metadata {
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        labels: Some(labels),
        annotations: Some(BTreeMap::from([(AUTO_UPDATE.to_owned(), "true".to_owned())])),
    };
    let resource =
        Resource { group: GROUP.into(), version: "v1".into(), plural: plural.into(), kind: kind.into(), namespaced };
    Item { resource, namespace: namespace.to_owned(), name: name.to_owned(), body }
}

fn parse_role(text: &str) -> Subject {
    let (kind, name) = text.split_once(':').unwrap_or(("", text));
    let kind = if kind == "clusterrole" { "ClusterRole" } else { "Role" };
    Subject { api_group: GROUP.to_owned(), kind: kind.to_owned(), name: name.to_owned(), namespace: String::new() }
}

fn parse_subject(text: &str) -> Subject {
    let (sort, name) = text.split_once(':').unwrap_or(("", text));
    if sort == "sa" {
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        return Subject {
            api_group: String::new(),
            kind: "ServiceAccount".to_owned(),
            name: name.to_owned(),
            namespace: namespace.to_owned(),
        };
    }
    let kind = if sort == "user" { "User" } else { "Group" };
    Subject { api_group: GROUP.to_owned(), kind: kind.to_owned(), name: name.to_owned(), namespace: String::new() }
}

/// What `have` becomes so that nothing of `want` is missing; `None` where it is not.
fn missing(have: &Body, want: &Body) -> Option<Body> {
    if have.metadata.annotations.iter().flatten().any(|(k, v)| k == AUTO_UPDATE && v == "false") {
        return None;
    }
    let mut next = have.clone();
    for (to, from) in [
        (&mut next.metadata.labels, &want.metadata.labels),
        (&mut next.metadata.annotations, &want.metadata.annotations),
    ] {
        to.get_or_insert_default().extend(from.clone().unwrap_or_default());
    }
    // Whoever aggregates owns the rules of an aggregated role.
    if want.aggregation_rule.is_some() {
        next.aggregation_rule.clone_from(&want.aggregation_rule);
    } else {
        next.rules.extend(want.rules.iter().filter(|r| !have.rules.contains(r)).cloned());
    }
    next.subjects.extend(want.subjects.iter().filter(|s| !have.subjects.contains(s)).cloned());
    (next != *have).then_some(next)
}

/// Brings the cluster up to the default policy: one list per kind, and writes only for what is missing. `api` must be
/// a caller in `system:masters`; the namespaces `kube-system` and `kube-public` must exist.
///
/// # Errors
/// The first refused request.
pub async fn ensure(api: &dyn Api) -> Result<(), Status> {
    let items = items();
    let mut have: BTreeMap<(String, String, String), Body> = BTreeMap::new();
    for (plural, resource) in items.iter().map(|i| (&i.resource.plural, &i.resource)).collect::<BTreeMap<_, _>>() {
        for object in api.list(resource, "").await?.items {
            let key = (plural.to_string(), object.namespace().to_owned(), object.name().to_owned());
            have.insert(key, object.decode().map_err(Status::internal)?);
        }
    }
    for item in items {
        let key = (item.resource.plural.to_string(), item.namespace.clone(), item.name.clone());
        match have.get(&key) {
            None => match api.create(&item.resource, &item.namespace, tree(&item.body)).await {
                Err(e) if !e.is(Reason::AlreadyExists) => return Err(e),
                _ => {}
            },
            // roleRef cannot change: the binding is made anew, as upstream does.
            Some(old) if old.role_ref != item.body.role_ref => {
                api.delete(&item.resource, &item.namespace, &item.name, "").await?;
                api.create(&item.resource, &item.namespace, tree(&item.body)).await?;
            }
            Some(old) => {
                if let Some(next) = missing(old, &item.body) {
                    api.merge(&item.resource, &item.namespace, &item.name, "", tree(&next)).await?;
                }
            }
        }
    }
    Ok(())
}

fn tree(body: &Body) -> Value {
    knarr_api::value::to_value(body).expect("strings in lists and maps always make a tree")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_binding_names_a_role_that_is_there() {
        let items = items();
        assert_eq!(items.iter().filter(|i| i.resource.kind == "ClusterRole").count(), 75);
        for item in items.iter().filter(|i| i.body.role_ref.is_some()) {
            let role = item.body.role_ref.as_ref().unwrap();
            let found = items.iter().any(|i| i.resource.kind == role.kind && i.name == role.name);
            assert!(found, "{} → {}", item.name, role.name);
        }
        for item in &items {
            assert!(!item.name.is_empty() && item.resource.namespaced != item.namespace.is_empty(), "{item:?}");
            assert!(
                item.body.rules.iter().all(|r| !r.verbs.is_empty() && (r.urls.is_empty() != r.resources.is_empty()))
            );
        }
    }

    #[test]
    fn the_notation() {
        let item = items().into_iter().find(|i| i.name == "edit").unwrap();
        let expected = expect_test::expect![[r#"
            {
              "metadata": {
                "name": "edit",
                "labels": {
                  "kubernetes.io/bootstrapping": "rbac-defaults",
                  "rbac.authorization.k8s.io/aggregate-to-admin": "true"
                },
                "annotations": {
                  "rbac.authorization.kubernetes.io/autoupdate": "true"
                }
              },
              "aggregationRule": {
                "clusterRoleSelectors": [
                  {
                    "matchLabels": {
                      "rbac.authorization.k8s.io/aggregate-to-edit": "true"
                    }
                  }
                ]
              }
            }"#]];
        expected.assert_eq(&serde_json::to_string_pretty(&item.body).unwrap());
    }

    #[test]
    fn only_what_is_missing_is_written() {
        let want =
            items().into_iter().find(|i| i.name == "system:basic-user" && !i.body.rules.is_empty()).unwrap().body;
        assert_eq!(missing(&want, &want), None);
        let mut have = want.clone();
        have.rules[0].verbs = vec!["other".to_owned()];
        let next = missing(&have, &want).unwrap();
        assert_eq!(next.rules.len(), want.rules.len() + 1, "the administrator's rule stays");
        have.metadata.annotations.get_or_insert_default().insert(AUTO_UPDATE.to_owned(), "false".to_owned());
        assert_eq!(missing(&have, &want), None);
    }
}
