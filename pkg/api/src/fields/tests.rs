use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::{Element, Path, Set, to_set};
use crate::{
    Str, Value,
    kinds::{deployment, tree},
};

#[track_caller]
fn check_set(object: &str, expected: Expect) {
    expected.assert_eq(&to_set(deployment().ty(), &tree(object)).to_json());
}

#[test]
fn fields_of_an_object() {
    check_set(
        r#"{"apiVersion":"v1","kind":"Deployment","metadata":{"labels":{"a":"b"},"annotations":{},"finalizers":["x","y"],
            "ownerReferences":[{"uid":"u","name":"n"}]},
          "spec":{"replicas":1,"selector":{"matchLabels":{"a":"b"}},"strategy":null,"extension":{"x":{"y":[1]},"z":1},
            "free":{"x":1},"template":{"spec":{"nodeSelector":{"a":"b"},"tolerations":[{"key":"k"}],
            "containers":[{"name":"c","args":["1"],"ports":[{"containerPort":443},{"containerPort":80,"protocol":"UDP"}]}]}}}}"#,
        expect![[
            r#"{"f:apiVersion":{},"f:kind":{},"f:metadata":{"f:annotations":{},"f:finalizers":{"v:\"x\"":{},"v:\"y\"":{}},"f:labels":{"f:a":{}},"f:ownerReferences":{"k:{\"uid\":\"u\"}":{}}},"f:spec":{"f:extension":{"f:x":{".":{},"f:y":{}},"f:z":{}},"f:free":{},"f:replicas":{},"f:selector":{},"f:strategy":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:args":{},"f:name":{},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"UDP\"}":{".":{},"f:containerPort":{},"f:protocol":{}},"k:{\"containerPort\":443,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{}}}}},"f:nodeSelector":{},"f:tolerations":{}}}}}"#
        ]],
    );
}

#[test]
fn elements_under_one_name_are_one_field() {
    check_set(
        r#"{"metadata":{"finalizers":["x","x"]},"spec":{"template":{"spec":{"containers":[{"name":"c","image":"1"},{"name":"c","image":"2"}]}}}}"#,
        expect![[
            r#"{"f:metadata":{"f:finalizers":{"v:\"x\"":{}}},"f:spec":{"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{}}}}}}"#
        ]],
    );
}

fn set(json: &str) -> Set {
    Set::from_json(json.as_bytes()).unwrap()
}

#[test]
fn arithmetic() {
    let a = set(r#"{"f:a":{".":{},"f:b":{},"f:c":{"v:1":{}}},"f:d":{}}"#);
    let b = set(r#"{"f:a":{"f:b":{}},"f:e":{}}"#);
    let table = [
        (a.clone().union(b.clone()), r#"{"f:a":{".":{},"f:b":{},"f:c":{"v:1":{}}},"f:d":{},"f:e":{}}"#),
        (a.intersection(&b), r#"{"f:a":{"f:b":{}}}"#),
        (a.clone().difference(&b), r#"{"f:a":{".":{},"f:c":{"v:1":{}}},"f:d":{}}"#),
        (b.clone().difference(&a), r#"{"f:e":{}}"#),
        (a.clone().difference(&set(r#"{"f:a":{}}"#)), r#"{"f:a":{"f:b":{},"f:c":{"v:1":{}}},"f:d":{}}"#),
        (a.clone().without(&set(r#"{"f:a":{}}"#)), r#"{"f:d":{}}"#),
        (a.leaves(), r#"{"f:a":{"f:b":{},"f:c":{"v:1":{}}},"f:d":{}}"#),
    ];
    for (got, expected) in table {
        assert_eq!(got.to_json(), expected);
        assert_eq!(got, set(expected));
    }
    assert_eq!(a.len(), 4);
    let path = [Element::field("a"), Element::field("c"), Element::Value(1i64.into())];
    assert!(a.has(&path) && !a.has(&path[..2]) && a.has(&path[..1]) && !a.has(&[]));
    assert_eq!(Path(&path).to_string(), ".a.c[=1]");
    assert!(a.with_prefix(&Element::field("a")).is_some() && a.with_prefix(&Element::field("d")).is_none());
}

#[test]
fn canonical_order_and_foreign_input() {
    let table = [
        (
            r#"{"k:{\"p\":443}":{},"k:{\"p\":80}":{},"f:z":{},"f:a":{}}"#,
            r#"{"f:a":{},"f:z":{},"k:{\"p\":80}":{},"k:{\"p\":443}":{}}"#,
        ),
        (
            r#"{"i:10":{},"i:2":{},"v:true":{},"v:\"a\"":{},"v:3":{}}"#,
            r#"{"v:3":{},"v:\"a\"":{},"v:true":{},"i:2":{},"i:10":{}}"#,
        ),
        (r#"{"k:{\"b\":1,\"a\":\"x\"}":{"f:q":{}}}"#, r#"{"k:{\"a\":\"x\",\"b\":1}":{"f:q":{}}}"#),
        (r#"{"f:a":{".":{}},"x:later":{},"f:b":{"x:later":{}}}"#, r#"{"f:a":{},"f:b":{}}"#),
        (r#"{"v:1":{},"v:1.0":{"f:a":{}}}"#, r#"{"v:1":{".":{},"f:a":{}}}"#),
        ("null", "{}"),
    ];
    for (given, expected) in table {
        assert_eq!(set(given).to_json(), expected, "{given}");
    }
    for bad in [
        "",
        "[]",
        r#"{"f":{}}"#,
        r#"{"a":{}}"#,
        r#"{"v:":{}}"#,
        r#"{"k:1":{}}"#,
        r#"{"i:x":{}}"#,
        r#"{"f:a":1}"#,
        r#"{"v:1 2":{}}"#,
    ] {
        assert!(Set::from_json(bad.as_bytes()).is_err(), "{bad}");
    }
}

#[test]
fn a_type_that_became_atomic_folds_its_fields() {
    let mut s = set(r#"{"f:spec":{"f:selector":{"f:matchLabels":{"f:a":{}}},"f:replicas":{}}}"#);
    assert!(s.reconcile(deployment().ty()));
    assert_eq!(s.to_json(), r#"{"f:spec":{"f:replicas":{},"f:selector":{}}}"#);
    assert!(!s.reconcile(deployment().ty()));
}

fn any_element() -> impl Strategy<Value = Element> {
    let scalar = || {
        prop_oneof![
            any::<i64>().prop_map(Value::Int),
            any::<bool>().prop_map(Value::Bool),
            (-1e6..1e6f64).prop_map(Value::Float),
            "\\PC{0,6}".prop_map(Value::from),
        ]
    };
    prop_oneof![
        4 => "\\PC{0,8}".prop_map(|s| Element::field(&s)),
        2 => prop::collection::btree_map("[a-z\"<é]{1,4}", scalar(), 1..3)
            .prop_map(|m| Element::key(m.into_iter().map(|(k, v)| (Str::from(k), v)))),
        2 => scalar().prop_map(Element::Value),
        1 => any::<i64>().prop_map(Element::Index),
    ]
}

fn any_set() -> impl Strategy<Value = Set> {
    prop::collection::vec(prop::collection::vec(any_element(), 1..4), 0..8).prop_map(|paths| {
        let mut set = Set::new();
        paths.iter().for_each(|p| set.insert(p));
        set
    })
}

proptest! {
    #[test]
    fn both_encodings_round_trip(set in any_set()) {
        prop_assert_eq!(&Set::from_json(set.to_json().as_bytes()).unwrap(), &set);
        prop_assert_eq!(&Set::from_value(&set.to_value()).unwrap(), &set);
    }

    #[test]
    fn laws(a in any_set(), b in any_set()) {
        let both = a.clone().union(b.clone());
        prop_assert_eq!(&both, &b.clone().union(a.clone()));
        prop_assert_eq!(both.clone().difference(&b).union(b.clone()), both.clone());
        prop_assert_eq!(a.clone().difference(&b).union(a.intersection(&b)), a.clone());
        prop_assert_eq!(both.intersection(&a), a.clone());
        let mut n = 0;
        both.each(&mut |path| { n += 1; assert!(both.has(path)); });
        prop_assert_eq!(n, both.len());
    }
}
