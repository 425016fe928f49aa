use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::*;
use crate::{json, testing};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Shape {
    Point,
    Circle(u16),
    Box { wide: f64, high: Option<i8> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Everything {
    yes: bool,
    small: u8,
    large: u64,
    letter: char,
    name: String,
    none: Option<i32>,
    some: Option<i32>,
    pair: (i64, String),
    shapes: Vec<Shape>,
    by_number: BTreeMap<i32, String>,
    rest: Value,
}

#[test]
fn rust_types_come_and_go() {
    let given = Everything {
        yes: true,
        small: 7,
        large: 1 << 40,
        letter: 'é',
        name: "n".into(),
        none: None,
        some: Some(-1),
        pair: (i64::MIN, "p".into()),
        shapes: vec![Shape::Point, Shape::Circle(3), Shape::Box { wide: 0.5, high: None }],
        by_number: BTreeMap::from([(-1, "a".into())]),
        rest: value!({ "x": [1, null] }),
    };
    let tree = to_value(&given).unwrap();
    let want = value!({
        "yes": true, "small": 7, "large": (1i64 << 40), "letter": "é", "name": "n", "none": null, "some": (-1),
        "pair": [(i64::MIN), "p"],
        "shapes": ["point", { "circle": 3 }, { "box": { "wide": 0.5, "high": null } }],
        "byNumber": { "-1": "a" }, "rest": { "x": [1, null] },
    });
    assert_eq!(tree, want);
    let mut text = Vec::new();
    json::write(&tree, &mut text);
    assert_eq!(serde_json::from_slice::<Everything>(&text).unwrap(), given);
    let simple: BTreeMap<String, Vec<Option<i64>>> = from_value(&value!({ "x": [1, null] })).unwrap();
    assert_eq!(simple["x"], [Some(1), None]);
    let shapes: Vec<Shape> = from_value(tree.get("shapes").unwrap()).unwrap();
    assert_eq!(shapes, given.shapes);
}

#[test]
fn typed_objects_come_and_go() {
    let tree = value!({ "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": "a", "creationTimestamp": "2024-01-01T00:00:00Z", "labels": { "k": "v" } },
        "spec": { "containers": [{ "name": "c", "ports": [{ "containerPort": 80 }],
            "livenessProbe": { "httpGet": { "port": "http" } } }] } });
    let pod: Pod = from_value(&tree).unwrap();
    assert_eq!(pod.metadata.name.as_deref(), Some("a"));
    assert_eq!(to_value(&pod).unwrap(), tree);
}

#[test]
fn what_does_not_fit_is_an_error() {
    assert!(from_value::<String>(&Value::Int(1)).is_err());
    assert!(from_value::<u8>(&Value::Int(256)).is_err());
    assert!(from_value::<Shape>(&value!({ "point": 1 })).is_err());
    assert!(from_value::<Shape>(&value!("circle")).is_err());
    assert!(to_value(&f64::NAN).is_err());
    assert!(to_value(&BTreeMap::from([(vec![1], 1)])).is_err());
    assert_eq!(to_value(&u64::MAX), Ok(Value::Float(u64::MAX as f64)));
}

#[test]
fn many_unsorted_entries_cost_one_sort() {
    // Insertion one by one would move some 10^10 entries.
    let entries = (0..200_000u32).rev().map(|n| (Str::from(format!("{n:06}")), Value::Int(n.into())));
    let map = Map::from_entries(entries.collect(), |key| panic!("{key} stands twice"));
    assert_eq!((map.len(), map.get("000007")), (200_000, Some(&Value::Int(7))));
}

proptest! {
    #[test]
    fn trees_survive_serde(tree in testing::any_value()) {
        prop_assert_eq!(to_value(&tree).unwrap(), tree.clone());
        prop_assert_eq!(from_value::<Value>(&tree).unwrap(), tree.clone());
        // Through a text: printed by another library, read by ours (which reads doubles exactly).
        let text = serde_json::to_vec(&tree).unwrap();
        prop_assert_eq!(json::parse(&text, &json::Limits::default()).unwrap().value, tree);
    }

    #[test]
    fn of_equal_keys_the_last_wins(entries in prop::collection::vec(("[a-d]", any::<i64>()), 0..12)) {
        let map: Map = entries.iter().map(|(k, v)| (k.as_str(), Value::Int(*v))).collect();
        let model: BTreeMap<&str, i64> = entries.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        prop_assert_eq!(map.iter().map(|(k, v)| (k, v.as_i64().unwrap())).collect::<Vec<_>>(),
            model.into_iter().collect::<Vec<_>>());
    }
}
