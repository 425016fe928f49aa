//! `Impersonate-*`: acting as somebody else, if one may.

use std::{collections::BTreeMap, sync::Arc};

use http::HeaderMap;
use knarr_api::Status;

use crate::{Attributes, Authorizer, Decision, User, uri};

/// The user a request acts as: its own, or the one its headers name.
///
/// # Errors
/// 400 for groups without a user, 403 for what the real user may not become.
pub(crate) fn apply(authorizer: &dyn Authorizer, user: Arc<User>, headers: &HeaderMap) -> Result<Arc<User>, Status> {
    let Some(wanted) = wanted(headers)? else { return Ok(user) };
    let check = |group: &str, resource: &str, subresource: &str, namespace: &str, name: &str| {
        let attributes = Attributes {
            verb: "impersonate",
            group,
            version: "v1",
            resource,
            subresource,
            namespace,
            name,
            ..Attributes::default()
        };
        match authorizer.authorize(&user, &attributes) {
            Decision::Allow(_) => Ok(()),
            Decision::Deny(why) => Err(attributes.forbidden(&user, &why)),
        }
    };
    let account = wanted.name.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':'));
    match account {
        Some((namespace, name)) => check("", "serviceaccounts", "", namespace, name)?,
        None => check("", "users", "", "", &wanted.name)?,
    }
    for group in &wanted.groups {
        check("", "groups", "", "", group)?;
    }
    for (key, value) in wanted.extra.iter().flat_map(|(k, values)| values.iter().map(move |v| (k, v))) {
        check("authentication.k8s.io", "userextras", key, "", value)?;
    }
    if !wanted.uid.is_empty() {
        check("authentication.k8s.io", "uids", "", "", &wanted.uid)?;
    }
    let namespace = account.map(|(namespace, _)| namespace.to_owned());
    Ok(Arc::new(complete(wanted, namespace)))
}

/// The groups every user of a kind is in.
fn complete(mut user: User, namespace: Option<String>) -> User {
    if let Some(namespace) = namespace.filter(|_| user.groups.is_empty()) {
        user.groups = vec!["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")];
    }
    let group = if user.name == "system:anonymous" { "system:unauthenticated" } else { "system:authenticated" };
    if !user.is_in("system:authenticated") && !user.is_in(group) {
        user.groups.push(group.to_owned());
    }
    user
}

fn wanted(headers: &HeaderMap) -> Result<Option<User>, Status> {
    const EXTRA: &str = "impersonate-extra-";
    let one = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
    let all = |name: &str| headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).map(str::to_owned);
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for name in headers.keys().filter(|k| k.as_str().starts_with(EXTRA)) {
        let key = name.as_str()[EXTRA.len()..].to_owned();
        extra.insert(uri::decode(&key, false).unwrap_or(key), all(name.as_str()).collect());
    }
    let user = User {
        name: one("impersonate-user"),
        uid: one("impersonate-uid"),
        groups: all("impersonate-group").collect(),
        extra,
    };
    if user == User::default() {
        return Ok(None);
    }
    if user.name.is_empty() {
        return Err(Status::internal("requested groups, uid or extra for impersonation without impersonating a user"));
    }
    Ok(Some(user))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Only(&'static str);

    impl Authorizer for Only {
        fn authorize(&self, _: &User, a: &Attributes<'_>) -> Decision {
            let asked = format!("{}/{}/{}", a.resource, a.namespace, a.name);
            if self.0.split(' ').any(|allowed| allowed == asked) {
                Decision::Allow(String::new())
            } else {
                Decision::Deny(String::new())
            }
        }
    }

    fn run(allowed: &'static str, headers: &[(&'static str, &str)]) -> Result<String, u16> {
        let headers = headers.iter().map(|(k, v)| (http::HeaderName::from_static(k), v.parse().unwrap())).collect();
        let real = Arc::new(User::new("real", &[]));
        apply(&Only(allowed), real, &headers)
            .map(|u| format!("{} {}", u.name, u.groups.join(",")))
            .map_err(|e| e.code())
    }

    #[test]
    fn one_may_become_what_one_may() {
        let table = [
            ("", vec![], Ok("real ")),
            ("users//bob", vec![("impersonate-user", "bob")], Ok("bob system:authenticated")),
            ("", vec![("impersonate-user", "bob")], Err(403)),
            ("users//bob", vec![("impersonate-user", "bob"), ("impersonate-group", "g")], Err(403)),
            (
                "users//bob groups//g",
                vec![("impersonate-user", "bob"), ("impersonate-group", "g")],
                Ok("bob g,system:authenticated"),
            ),
            (
                "serviceaccounts/ns/sa",
                vec![("impersonate-user", "system:serviceaccount:ns:sa")],
                Ok("system:serviceaccount:ns:sa system:serviceaccounts,system:serviceaccounts:ns,system:authenticated"),
            ),
            (
                "users//system:anonymous",
                vec![("impersonate-user", "system:anonymous")],
                Ok("system:anonymous system:unauthenticated"),
            ),
            ("", vec![("impersonate-group", "g")], Err(500)),
        ];
        for (allowed, headers, want) in table {
            assert_eq!(run(allowed, &headers), want.map(str::to_owned), "{headers:?}");
        }
    }
}
