use expect_test::expect;

use super::check;

const RBAC: &str = "rbac.authorization.k8s.io";

#[test]
fn roles() {
    let cases = [
        "rules: [{}]",
        "rules: [{verbs: [get], resources: [pods]}]",
        "rules: [{verbs: [get], apiGroups: ['']}]",
        "rules: [{verbs: [get], nonResourceURLs: [/x]}]",
        "rules: [{verbs: [get], nonResourceURLs: [/x], apiGroups: [''], resources: [pods]}]",
    ];
    check(
        (RBAC, "roles"),
        "{metadata: {name: 'a:b'}, rules: []}",
        &[],
        &cases,
        expect![[r#"
        rules: [{}]
            rules[0].verbs: Required value: verbs must contain at least one value
            rules[0].apiGroups: Required value: resource rules must supply at least one api group
            rules[0].resources: Required value: resource rules must supply at least one resource
        rules: [{verbs: [get], resources: [pods]}]
            rules[0].apiGroups: Required value: resource rules must supply at least one api group
        rules: [{verbs: [get], apiGroups: ['']}]
            rules[0].resources: Required value: resource rules must supply at least one resource
        rules: [{verbs: [get], nonResourceURLs: [/x]}]
            rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs
        rules: [{verbs: [get], nonResourceURLs: [/x], apiGroups: [''], resources: [pods]}]
            rules[0].nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs
            rules[0].nonResourceURLs: Invalid value: ["/x"]: rules cannot apply to both regular resources and non-resource URLs
    "#]],
    );
    check(
        (RBAC, "clusterroles"),
        "{metadata: {name: r}, rules: []}",
        &[],
        &[cases[3], "aggregationRule: {}"],
        expect![[r#"
        rules: [{verbs: [get], nonResourceURLs: [/x]}]
        aggregationRule: {}
            aggregationRule.clusterRoleSelectors: Required value: at least one clusterRoleSelector required if aggregationRule is non-nil
    "#]],
    );
}

#[test]
fn bindings() {
    let cases = [
        "roleRef: {kind: Role, name: r}",
        "roleRef: {kind: Deployment, name: r}",
        "roleRef: {kind: ClusterRole, name: a/b}",
        "roleRef: {kind: ClusterRole, name: r, apiGroup: x}",
        "subjects: [{kind: User, name: u}, {kind: Group, name: g}]",
        "subjects: [{kind: ServiceAccount, name: A}]",
        "subjects: [{kind: ServiceAccount, name: a, apiGroup: x, namespace: n1}]",
        "subjects: [{kind: Robot, name: r}, {kind: User}]",
        "subjects: [{kind: User, name: u, apiGroup: x}]",
    ];
    let base = "{metadata: {name: b}, roleRef: {kind: ClusterRole, name: r}}";
    check(
        (RBAC, "rolebindings"),
        base,
        &[],
        &cases,
        expect![[r#"
        roleRef: {kind: Role, name: r}
        roleRef: {kind: Deployment, name: r}
            roleRef.kind: Unsupported value: "Deployment": supported values: "ClusterRole", "Role"
        roleRef: {kind: ClusterRole, name: a/b}
            roleRef.name: Invalid value: "a/b": may not contain '/'
        roleRef: {kind: ClusterRole, name: r, apiGroup: x}
            roleRef.apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io"
        subjects: [{kind: User, name: u}, {kind: Group, name: g}]
        subjects: [{kind: ServiceAccount, name: A}]
            subjects[0].name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
        subjects: [{kind: ServiceAccount, name: a, apiGroup: x, namespace: n1}]
            subjects[0].apiGroup: Unsupported value: "x": supported values: ""
        subjects: [{kind: Robot, name: r}, {kind: User}]
            subjects[1].name: Required value
            subjects[0].kind: Unsupported value: "Robot": supported values: "Group", "ServiceAccount", "User"
        subjects: [{kind: User, name: u, apiGroup: x}]
            subjects[0].apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io"
    "#]],
    );
    check(
        (RBAC, "clusterrolebindings"),
        base,
        &[],
        &cases[..6],
        expect![[r#"
        roleRef: {kind: Role, name: r}
            roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"
        roleRef: {kind: Deployment, name: r}
            roleRef.kind: Unsupported value: "Deployment": supported values: "ClusterRole"
        roleRef: {kind: ClusterRole, name: a/b}
            roleRef.name: Invalid value: "a/b": may not contain '/'
        roleRef: {kind: ClusterRole, name: r, apiGroup: x}
            roleRef.apiGroup: Unsupported value: "x": supported values: "rbac.authorization.k8s.io"
        subjects: [{kind: User, name: u}, {kind: Group, name: g}]
        subjects: [{kind: ServiceAccount, name: A}]
            subjects[0].name: Invalid value: "A": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')
            subjects[0].namespace: Required value
    "#]],
    );
}
