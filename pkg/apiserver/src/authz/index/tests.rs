use super::*;
use crate::Authorizer;

/// Feeds a document as an informer would.
fn put<P: DeserializeOwned>(rbac: &Rbac, namespace: &str, name: &str, json: &str, changed: fn(&Rbac, Change<'_, P>)) {
    let new = Arc::new(serde_json::from_str::<P>(json).unwrap());
    changed(rbac, Change { key: &Key::new(namespace, name), old: None, new: Some(&new) });
}

fn sample() -> Rbac {
    let rbac = Rbac::default();
    put(
        &rbac,
        "",
        "reader",
        r#"{"rules":[{"verbs":["get","list"],"apiGroups":[""],"resources":["pods"]}]}"#,
        Rbac::role_changed,
    );
    put(
        &rbac,
        "",
        "part",
        r#"{"metadata":{"labels":{"to":"all"}},"rules":[{"verbs":["get"],"apiGroups":["apps"],"resources":["*"]}]}"#,
        Rbac::role_changed,
    );
    put(
        &rbac,
        "",
        "all",
        r#"{"rules":null,"aggregationRule":{"clusterRoleSelectors":[{"matchLabels":{"to":"all"}}]}}"#,
        Rbac::role_changed,
    );
    put(
        &rbac,
        "",
        "whole",
        r#"{"aggregationRule":{"clusterRoleSelectors":[{"matchExpressions":[{"key":"to","operator":"Exists"}]}]}}"#,
        Rbac::role_changed,
    );
    put(&rbac, "a", "local", r#"{"rules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"]}]}"#, Rbac::role_changed);
    let bind = |ns: &str, name: &str, kind: &str, role: &str, subject: &str| {
        let json = format!(r#"{{"roleRef":{{"kind":"{kind}","name":"{role}"}},"subjects":[{subject}]}}"#);
        put(&rbac, ns, name, &json, Rbac::binding_changed);
    };
    bind("", "readers", "ClusterRole", "reader", r#"{"kind":"Group","name":"g"}"#);
    bind("", "wholes", "ClusterRole", "whole", r#"{"kind":"User","name":"w"}"#);
    bind("a", "local", "Role", "local", r#"{"kind":"ServiceAccount","name":"sa"},{"kind":"User","name":"u"}"#);
    bind("b", "gone", "Role", "nothing", r#"{"kind":"User","name":"u"}"#);
    rbac
}

#[test]
fn who_may_what() {
    let rbac = sample();
    let in_g = User::new("x", &["g"]);
    let sa = User::new("system:serviceaccount:a:sa", &[]);
    let (u, w) = (User::new("u", &[]), User::new("w", &[]));
    let table = [
        (&in_g, "get", "", "pods", "", true),
        (&in_g, "list", "", "pods", "z", true),
        (&in_g, "delete", "", "pods", "z", false),
        (&sa, "delete", "apps", "deployments", "a", true),
        (&sa, "delete", "apps", "deployments", "b", false),
        (&u, "get", "", "pods", "a", true),
        (&u, "get", "", "pods", "", false),
        (&w, "get", "apps", "deployments", "", true),
        (&w, "get", "batch", "jobs", "", false),
    ];
    for (user, verb, group, resource, namespace, want) in table {
        let request = Attributes { verb, group, resource, namespace, ..Attributes::default() };
        let got = matches!(rbac.authorize(user, &request), Decision::Allow(_));
        assert_eq!(got, want, "{} {verb} {resource} in {namespace:?}", user.name);
    }
}

#[test]
fn reasons_are_upstreams() {
    let rbac = sample();
    let request = Attributes { verb: "get", resource: "pods", namespace: "a", ..Attributes::default() };
    let why = |user: &User, request: &Attributes<'_>| match rbac.authorize(user, request) {
        Decision::Allow(why) | Decision::Deny(why) => why,
    };
    assert_eq!(
        why(&User::new("system:serviceaccount:a:sa", &[]), &request),
        r#"RBAC: allowed by RoleBinding "local/a" of Role "local" to ServiceAccount "sa/a""#
    );
    let request = Attributes { namespace: "b", ..request };
    assert_eq!(why(&User::new("u", &[]), &request), r#"RBAC: role.rbac.authorization.k8s.io "nothing" not found"#);
    assert_eq!(
        request.forbidden(&User::new("u", &[]), "").message(),
        r#"pods is forbidden: User "u" cannot get resource "pods" in API group "" in the namespace "b""#
    );
}

#[test]
fn a_removed_binding_grants_nothing() {
    let rbac = sample();
    let old = Arc::new(
        serde_json::from_str(
            r#"{"roleRef":{"kind":"ClusterRole","name":"reader"},"subjects":[{"kind":"Group","name":"g"}]}"#,
        )
        .unwrap(),
    );
    rbac.binding_changed(Change { key: &Key::new("", "readers"), old: Some(&old), new: None });
    let request = Attributes { verb: "get", resource: "pods", ..Attributes::default() };
    assert_eq!(rbac.authorize(&User::new("x", &["g"]), &request), Decision::Deny(String::new()));
}

#[test]
fn masters_may_everything_and_hold_everything() {
    let authority = Authority::new();
    let root = User::new("admin", &["system:masters"]);
    let request = Attributes { verb: "nuke", resource: "pods", ..Attributes::default() };
    assert!(matches!(authority.authorize(&root, &request), Decision::Allow(_)));
    let rule: PolicyRule =
        serde_json::from_value(serde_json::json!({"verbs": ["x"], "nonResourceURLs": ["/y"]})).unwrap();
    assert_eq!(authority.holds(&root, "", std::slice::from_ref(&rule)), Ok(()));
    assert!(authority.holds(&User::new("u", &[]), "", &[rule]).is_err());
}
