//! RBAC rules: what they allow and whether one set covers another (upstream's `evaluation_helpers`,
//! `policy_comparator`).

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{Attributes, User};

/// `rbac.authorization.k8s.io/v1 PolicyRule`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PolicyRule {
    /// Verbs, `*` for all.
    #[serde(deserialize_with = "nullable")]
    pub verbs: Vec<String>,
    /// API groups, `*` for all.
    #[serde(rename = "apiGroups", skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub groups: Vec<String>,
    /// `resource`, `resource/subresource`, `*/subresource`, `*`.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub resources: Vec<String>,
    /// Object names; none means all.
    #[serde(rename = "resourceNames", skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub names: Vec<String>,
    /// URL paths, a trailing `*` matches the rest.
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub urls: Vec<String>,
}

/// Go reads `null` as an empty list.
pub(super) fn nullable<'d, D: Deserializer<'d>, T: Deserialize<'d>>(input: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

fn has(set: &[String], word: &str) -> bool {
    set.iter().any(|w| w == word)
}

fn has_or_all(set: &[String], word: &str) -> bool {
    set.iter().any(|w| w == "*" || w == word)
}

fn url_covers(rule: &str, url: &str) -> bool {
    rule == url || (rule.ends_with('*') && url.starts_with(rule.trim_end_matches('*')))
}

impl PolicyRule {
    /// Whether the rule allows the request.
    pub fn allows(&self, request: &Attributes<'_>) -> bool {
        if !has_or_all(&self.verbs, request.verb) {
            return false;
        }
        if !request.is_resource() {
            return self.urls.iter().any(|rule| url_covers(rule, request.path));
        }
        has_or_all(&self.groups, request.group)
            && self.resources.iter().any(|rule| resource_matches(rule, request.resource, request.subresource))
            && (self.names.is_empty() || has(&self.names, request.name))
    }

    /// Whether this covers `atom`, which has at most one word of each sort.
    fn covers(&self, atom: &Self) -> bool {
        atom.verbs.iter().all(|v| has_or_all(&self.verbs, v))
            && atom.groups.iter().all(|g| has_or_all(&self.groups, g))
            && atom.resources.iter().all(|r| {
                let (resource, sub) = r.split_once('/').unwrap_or((r, ""));
                self.resources.iter().any(|rule| resource_matches(rule, resource, sub))
            })
            && (self.names.is_empty() || (!atom.names.is_empty() && atom.names.iter().all(|n| has(&self.names, n))))
            && atom.urls.iter().all(|url| self.urls.iter().any(|rule| url_covers(rule, url)))
    }

    /// The same in rules of at most one word of each sort.
    fn atoms(&self) -> Vec<Self> {
        let one = |word: &String| vec![word.clone()];
        let names: Vec<Vec<String>> =
            if self.names.is_empty() { vec![Vec::new()] } else { self.names.iter().map(one).collect() };
        let mut atoms = Vec::new();
        for verb in &self.verbs {
            for (group, resource) in self.groups.iter().flat_map(|g| self.resources.iter().map(move |r| (g, r))) {
                atoms.extend(names.iter().map(|names| Self {
                    verbs: one(verb),
                    groups: one(group),
                    resources: one(resource),
                    names: names.clone(),
                    urls: Vec::new(),
                }));
            }
            atoms.extend(self.urls.iter().map(|u| Self { verbs: one(verb), urls: one(u), ..Self::default() }));
        }
        atoms
    }

    /// Upstream's compact notation in escalation errors.
    fn compact(&self) -> String {
        let parts = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.urls),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        let parts = parts.into_iter().filter(|(_, words)| !words.is_empty());
        let parts: Vec<String> = parts.map(|(name, words)| format!("{name}:{}", go_list(words))).collect();
        format!("{{{}}}", parts.join(", "))
    }
}

fn resource_matches(rule: &str, resource: &str, subresource: &str) -> bool {
    match rule.split_once('/') {
        None => rule == "*" || (subresource.is_empty() && rule == resource),
        Some((_, sub)) if subresource.is_empty() || sub != subresource => false,
        Some((left, _)) => left == "*" || left == resource,
    }
}

/// `["a" "b"]`, as Go prints a list of strings with `%q`.
fn go_list(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|w| format!("{w:?}")).collect::<Vec<_>>().join(" "))
}

/// Checks that `own` covers all of `wanted`.
///
/// # Errors
/// What is missing, in upstream's words.
pub(crate) fn confirm_no_escalation(user: &User, own: &[PolicyRule], wanted: &[PolicyRule]) -> Result<(), String> {
    let missing: Vec<PolicyRule> =
        wanted.iter().flat_map(PolicyRule::atoms).filter(|atom| !own.iter().any(|rule| rule.covers(atom))).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let lines: BTreeSet<String> = merge_verbs(missing).iter().map(PolicyRule::compact).collect();
    let lines: Vec<String> = lines.into_iter().collect();
    Err(format!(
        "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        user.name,
        go_list(&user.groups),
        lines.join("\n")
    ))
}

/// Atoms that differ in nothing but the verb, in one rule each.
fn merge_verbs(atoms: Vec<PolicyRule>) -> Vec<PolicyRule> {
    let mut merged: Vec<PolicyRule> = Vec::new();
    for atom in atoms {
        let same = |r: &&mut PolicyRule| {
            (&r.groups, &r.resources, &r.names, &r.urls) == (&atom.groups, &atom.resources, &atom.names, &atom.urls)
        };
        match merged.iter_mut().find(same).filter(|_| atom.urls.is_empty()) {
            Some(rule) => {
                rule.verbs.extend(atom.verbs.into_iter().filter(|v| !rule.verbs.contains(v)).collect::<Vec<_>>())
            }
            None => merged.push(atom),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> PolicyRule {
        let words =
            |w: &str| -> Vec<String> { w.split(',').map(|w| if w == "core" { "" } else { w }.to_owned()).collect() };
        let cols: Vec<&str> = text.split(' ').collect();
        match cols.as_slice() {
            [verbs, "url", urls] => PolicyRule { verbs: words(verbs), urls: words(urls), ..PolicyRule::default() },
            [verbs, groups, resources, names @ ..] => PolicyRule {
                verbs: words(verbs),
                groups: words(groups),
                resources: words(resources),
                names: names.iter().flat_map(|n| words(n)).collect(),
                urls: Vec::new(),
            },
            _ => panic!("{text}"),
        }
    }

    #[test]
    fn rules_match_as_upstream_matches() {
        let ask = |text: &'static str| {
            let cols: Vec<&str> = text.split(' ').collect();
            let [verb, group, resource, rest @ ..] = cols.as_slice() else { panic!() };
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            let name = rest.first().copied().unwrap_or_default();
            if *group == "url" {
                return Attributes { verb, path: cols[2], ..Attributes::default() };
            }
            let group = if *group == "core" { "" } else { group };
            Attributes { verb, group, resource, subresource, name, ..Attributes::default() }
        };
        let table = [
            ("get core pods", "get core pods", true),
            ("get core pods", "get core pods/log", false),
            ("get core pods/log", "get core pods/log", true),
            ("get core */scale", "get core pods/scale", true),
            ("get core */scale", "get core pods", false),
            ("* * *", "delete apps deployments/status", true),
            ("* * *", "get url x", false),
            ("get apps *", "get core pods", false),
            ("get core secrets a,b", "get core secrets b", true),
            ("get core secrets a,b", "list core secrets", false),
            ("list core secrets a", "list core secrets", false),
            ("get url /healthz/*", "get url /healthz/etcd", true),
            ("get url /healthz/*", "get url /healthz", false),
            ("get url *", "get url /x", true),
            ("get url /x", "post url /x", false),
        ];
        for (have, want, expected) in table {
            assert_eq!(rule(have).allows(&ask(want)), expected, "{have} / {want}");
        }
    }

    #[test]
    fn escalation_is_named_in_compact_rules() {
        let user = User::new("u", &["g"]);
        let own = [rule("get,list core pods"), rule("* apps */scale"), rule("get url /a/*")];
        let ok = ["get core pods", "list,get core pods x", "update apps deployments/scale", "get url /a/b"];
        for text in ok {
            assert_eq!(confirm_no_escalation(&user, &own, &[rule(text)]), Ok(()), "{text}");
        }
        let error = confirm_no_escalation(&user, &own, &[rule("get,watch,delete core pods,secrets")]).unwrap_err();
        expect_test::expect![[r#"
            user "u" (groups=["g"]) is attempting to grant RBAC permissions not currently held:
            {APIGroups:[""], Resources:["pods"], Verbs:["watch" "delete"]}
            {APIGroups:[""], Resources:["secrets"], Verbs:["get" "watch" "delete"]}"#]]
        .assert_eq(&error);
    }
}
