use serde_json::json;

use super::*;
use crate::Meta;

fn node(name: &str, labels: &[(&str, &str)]) -> Meta {
    let labels = labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    Meta { name: name.into(), labels, ..Meta::default() }
}

/// Facts of upstream's tests of node selectors: terms, and whether node `n` with `a=1` and `zone=z` matches.
#[test]
fn terms_of_node_selectors() {
    let on = |key: &str, operator: &str, values: &[&str]| json!({"key": key, "operator": operator, "values": values});
    let labels = |terms: &[serde_json::Value]| json!({"matchExpressions": terms});
    let fields = |terms: &[serde_json::Value]| json!({"matchFields": terms});
    let table = [
        (json!([]), false),
        (json!([{}]), false),
        (json!([labels(&[on("a", "In", &["1", "2"])])]), true),
        (json!([labels(&[on("a", "In", &["2"])])]), false),
        (json!([labels(&[on("a", "In", &["2"])]), labels(&[on("zone", "Exists", &[])])]), true),
        (json!([labels(&[on("a", "Exists", &[]), on("b", "Exists", &[])])]), false),
        (json!([labels(&[on("a", "NotIn", &["2"]), on("b", "NotIn", &["2"])])]), true),
        (json!([labels(&[on("b", "DoesNotExist", &[])])]), true),
        (json!([labels(&[on("a", "Gt", &["0"])])]), true),
        (json!([labels(&[on("a", "Lt", &["1"])])]), false),
        (json!([labels(&[on("zone", "Gt", &["0"])])]), false),
        // What cannot be understood matches nothing, other terms still count.
        (json!([labels(&[on("a", "Gt", &["x"])])]), false),
        (json!([labels(&[on("a", "In", &["not a label!"])]), labels(&[on("a", "Exists", &[])])]), true),
        (json!([labels(&[on("a", "Like", &["1"])])]), false),
        (json!([fields(&[on("metadata.name", "In", &["n"])])]), true),
        (json!([fields(&[on("metadata.name", "In", &["m"])])]), false),
        (json!([fields(&[on("metadata.name", "NotIn", &["m"])])]), true),
        (json!([fields(&[on("metadata.name", "In", &["n", "m"])])]), false),
        (json!([fields(&[on("metadata.uid", "In", &["n"])])]), false),
        (
            json!([{"matchFields": [on("metadata.name", "In", &["n"])], "matchExpressions": [on("a", "In", &["2"])]}]),
            false,
        ),
    ];
    let node = node("n", &[("a", "1"), ("zone", "z")]);
    for (terms, want) in table {
        let selector: NodeSelector = serde_json::from_value(json!({ "nodeSelectorTerms": terms })).unwrap();
        assert_eq!(selector.matches(&node), want, "{terms}");
    }
}

#[test]
fn preferences_add_up() {
    let affinity: NodeAffinity = serde_json::from_value(json!({"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 3, "preference": {"matchExpressions": [{"key": "a", "operator": "Exists"}]}},
        {"weight": 5, "preference": {"matchExpressions": [{"key": "b", "operator": "Exists"}]}},
        {"weight": 7, "preference": {}},
        {"weight": 11, "preference": {"matchExpressions": [{"key": "c", "operator": "DoesNotExist"}]}},
    ]}))
    .unwrap();
    assert!(affinity.allows(&node("n", &[])));
    assert_eq!(affinity.preference(&node("n", &[("a", "1")])), 14);
}

#[test]
fn selectors_that_name_nodes() {
    let of = |terms: serde_json::Value| -> NodeSelector {
        serde_json::from_value(json!({ "nodeSelectorTerms": terms })).unwrap()
    };
    let named = |name: &str| json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]});
    assert_eq!(of(json!([named("a"), named("b")])).names(), Some(vec!["a", "b"]));
    assert_eq!(of(json!([named("a"), {}])).names(), Some(vec!["a"]));
    assert_eq!(of(json!([named("a"), {"matchExpressions": [{"key": "k", "operator": "Exists"}]}])).names(), None);
}

#[test]
fn tolerations_cover_taints() {
    let taint = |v| -> Taint { serde_json::from_value(v).unwrap() };
    let toleration = |v| -> Toleration { serde_json::from_value(v).unwrap() };
    let t = taint(json!({"key": "k", "value": "v", "effect": "NoSchedule"}));
    for (v, want) in [
        (json!({"key": "k", "operator": "Exists", "effect": "NoSchedule"}), true),
        (json!({"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}), true),
        (json!({"key": "k", "value": "v"}), true),
        (json!({"key": "k", "value": "w"}), false),
        (json!({"key": "l", "operator": "Exists"}), false),
        (json!({"operator": "Exists"}), true),
        (json!({"operator": "Exists", "effect": "NoExecute"}), false),
        (json!({"key": "k", "operator": "Gt", "value": "1"}), false),
    ] {
        assert_eq!(toleration(v.clone()).covers(&t), want, "{v}");
    }
    let soft = taint(json!({"key": "s", "effect": "PreferNoSchedule"}));
    let all = [soft, t.clone()];
    assert_eq!(untolerated(&all, &[], Effect::is_hard), Some(&t));
    assert_eq!(untolerated(&all, &[toleration(json!({"key": "k", "operator": "Exists"}))], Effect::is_hard), None);
    assert_eq!(taint(json!({"key": "k", "effect": "New"})).effect, Effect::Unknown);
}
