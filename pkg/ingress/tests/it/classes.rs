//! Which Ingresses are served.

use crate::tables::table;

const OURS: &str = "
---
kind: IngressClass
metadata: { name: knarr }
spec: { controller: knarr.io/ingress }";
const RENAMED: &str = "
---
kind: IngressClass
metadata: { name: edge }
spec: { controller: knarr.io/ingress }";
const DEFAULT: &str = "
---
kind: IngressClass
metadata: { name: knarr, annotations: { ingressclass.kubernetes.io/is-default-class: 'true' } }
spec: { controller: knarr.io/ingress }";
const OTHER: &str = "
---
kind: IngressClass
metadata: { name: nginx, annotations: { ingressclass.kubernetes.io/is-default-class: 'true' } }
spec: { controller: k8s.io/ingress-nginx }";
const STOLEN: &str = "
---
kind: IngressClass
metadata: { name: knarr }
spec: { controller: example.com/other }";

fn served(class: &str, annotation: &str, classes: &str) -> bool {
    let annotation =
        if annotation.is_empty() { String::new() } else { format!("kubernetes.io/ingress.class: {annotation}") };
    let class = if class.is_empty() { String::new() } else { format!("ingressClassName: {class}, ") };
    let manifest = format!(
        "kind: Ingress
metadata: {{ name: a, namespace: b, annotations: {{ {annotation} }} }}
spec: {{ {class} rules: [] }}{classes}"
    );
    !table(&manifest).served.is_empty()
}

#[test]
fn ingresses_are_chosen_by_class() {
    for (class, annotation, classes, expected) in [
        ("knarr", "", OURS, true),
        ("", "knarr", OURS, true),
        ("edge", "", RENAMED, true),
        ("knarr", "", "", true),
        ("knarr", "", STOLEN, false),
        ("nginx", "", OTHER, false),
        ("nginx", "knarr", "", false),
        ("", "nginx", "", false),
        ("", "", "", true),
        ("", "", OURS, false),
        ("", "", DEFAULT, true),
        ("", "", OTHER, false),
    ] {
        assert_eq!(served(class, annotation, classes), expected, "{class:?} {annotation:?} {classes}");
    }
    let both = format!("{OURS}{OTHER}");
    assert!(!served("", "", &both));
    assert!(served("knarr", "", &both));
}
