use crate::{
    Status,
    kinds::{deployment, text, tree},
    patch::strategic,
};

fn run(doc: &str, patch: &str) -> Result<String, crate::patch::Error> {
    let mut doc = tree(doc);
    strategic(deployment().ty(), &mut doc, &tree(patch)).map(|()| text(&doc))
}

/// A patch of a pod spec.
#[track_caller]
fn check(spec: &str, patch: &str, expected: &str) {
    let wrap = |spec: &str| format!(r#"{{"spec":{{"template":{{"spec":{spec}}}}}}}"#);
    let got = run(&wrap(spec), &wrap(patch)).unwrap_or_else(|e| e.to_string());
    let expected = if expected.starts_with('{') { text(&tree(&wrap(expected))) } else { expected.to_owned() };
    assert_eq!(got, expected, "\n{spec}\n{patch}");
}

#[test]
fn lists_of_objects_merge_by_key() {
    let two = r#"{"containers":[{"name":"a","image":"1"},{"name":"b","image":"2"}]}"#;
    check(
        two,
        r#"{"containers":[{"name":"b","image":"3"}]}"#,
        r#"{"containers":[{"name":"a","image":"1"},{"name":"b","image":"3"}]}"#,
    );
    // A new element goes before those the patch does not name.
    check(
        two,
        r#"{"containers":[{"name":"c"}]}"#,
        r#"{"containers":[{"name":"c"},{"name":"a","image":"1"},{"name":"b","image":"2"}]}"#,
    );
    check(two, r#"{"containers":[{"name":"a","$patch":"delete"}]}"#, r#"{"containers":[{"name":"b","image":"2"}]}"#);
    check(two, r#"{"containers":[{"$patch":"replace"},{"name":"z"}]}"#, r#"{"containers":[{"name":"z"}]}"#);
    check(
        two,
        r#"{"containers":[{"name":"a","image":null}]}"#,
        r#"{"containers":[{"name":"a"},{"name":"b","image":"2"}]}"#,
    );
    check(two, r#"{"containers":null}"#, "{}");
    check(two, r#"{"containers":[]}"#, two);
    check(
        "{}",
        r#"{"containers":[{"name":"a","env":[{"name":"x","$patch":"delete"}],"image":null}]}"#,
        r#"{"containers":[{"name":"a","env":[]}]}"#,
    );
    check(two, r#"{"containers":[{"image":"x"}]}"#, "map: map[image:x] does not contain declared merge key: name");
    check(
        two,
        r#"{"containers":[{"name":"a","$patch":"fry"}]}"#,
        "unknown patch type: fry in map: map[$patch:fry name:a]",
    );
    check(
        two,
        r#"{"containers":["a"]}"#,
        "list element types are not identical: [[map[image:1 name:a] map[image:2 name:b]] [a]]",
    );
}

#[test]
fn inner_lists_and_other_keys() {
    check(
        r#"{"containers":[{"name":"a","env":[{"name":"x","value":"1"}],"ports":[{"containerPort":80,"protocol":"TCP"}]}]}"#,
        r#"{"containers":[{"name":"a","env":[{"name":"y","value":"2"},{"name":"x","value":"3"}],"ports":[{"containerPort":80,"name":"w"}]}]}"#,
        r#"{"containers":[{"name":"a","env":[{"name":"y","value":"2"},{"name":"x","value":"3"}],"ports":[{"containerPort":80,"name":"w","protocol":"TCP"}]}]}"#,
    );
    // No strategy: replaced.
    check(r#"{"tolerations":[{"key":"a"}]}"#, r#"{"tolerations":[{"key":"b"}]}"#, r#"{"tolerations":[{"key":"b"}]}"#);
    check(r#"{"nodeSelector":{"a":"1"}}"#, r#"{"nodeSelector":{"b":"2"}}"#, r#"{"nodeSelector":{"a":"1","b":"2"}}"#);
    check(
        r#"{"nodeSelector":{"a":"1"}}"#,
        r#"{"nodeSelector":{"$patch":"replace","b":"2"}}"#,
        r#"{"nodeSelector":{"b":"2"}}"#,
    );
    check(r#"{"nodeSelector":{"a":"1"}}"#, r#"{"nodeSelector":{"$patch":"delete"}}"#, r#"{"nodeSelector":{}}"#);
}

#[test]
fn lists_of_scalars() {
    let meta = |patch: &str| run(r#"{"metadata":{"finalizers":["a","b","c"]}}"#, &format!(r#"{{"metadata":{patch}}}"#));
    let table = [
        (r#"{"finalizers":["b","d"]}"#, r#"["a","b","d","c"]"#),
        (r#"{"$deleteFromPrimitiveList/finalizers":["b","x"]}"#, r#"["a","c"]"#),
        (r#"{"$deleteFromPrimitiveList/finalizers":["b"],"finalizers":["d"]}"#, r#"["d","a","c"]"#),
        (r#"{"$setElementOrder/finalizers":["c","a","b"]}"#, r#"["c","a","b"]"#),
        (r#"{"$setElementOrder/finalizers":["d","c"],"finalizers":["d"]}"#, r#"["d","a","b","c"]"#),
    ];
    for (patch, expected) in table {
        assert_eq!(meta(patch).unwrap(), format!(r#"{{"metadata":{{"finalizers":{expected}}}}}"#), "{patch}");
    }
    let code = |patch: &str| Status::from(meta(patch).unwrap_err()).code();
    assert_eq!(code(r#"{"$deleteFromPrimitiveList":["b"]}"#), 400);
    assert_eq!(code(r#"{"$setElementOrder/finalizers":["a"],"finalizers":["z"]}"#), 500);
    assert_eq!(code(r#"{"finalizers":[["b"]]}"#), 500);
}

#[test]
fn element_order() {
    let abc = r#"{"containers":[{"name":"a"},{"name":"b"},{"name":"c"}]}"#;
    check(
        abc,
        r#"{"$setElementOrder/containers":[{"name":"c"},{"name":"b"},{"name":"a"}]}"#,
        r#"{"containers":[{"name":"c"},{"name":"b"},{"name":"a"}]}"#,
    );
    // What the order does not name keeps its place before what came after it.
    check(
        abc,
        r#"{"$setElementOrder/containers":[{"name":"c"},{"name":"a"}]}"#,
        r#"{"containers":[{"name":"b"},{"name":"c"},{"name":"a"}]}"#,
    );
    check(
        abc,
        r#"{"$setElementOrder/containers":[{"name":"d"},{"name":"a"},{"name":"c"}],"containers":[{"name":"d","image":"4"},{"name":"b","$patch":"delete"}]}"#,
        r#"{"containers":[{"name":"d","image":"4"},{"name":"a"},{"name":"c"}]}"#,
    );
    check(
        "{}",
        r#"{"$setElementOrder/containers":[{"name":"a"}],"containers":[{"name":"a","image":"1"}]}"#,
        r#"{"containers":[{"name":"a","image":"1"}]}"#,
    );
    check("{}", r#"{"$setElementOrder/containers":[{"name":"a"}]}"#, "{}");
    // A new element takes the place of a deleted one.
    check(
        r#"{"containers":[{"name":"a"},{"name":"b"},{"name":"x"}]}"#,
        r#"{"$setElementOrder/containers":[{"name":"b"},{"name":"c"}],"containers":[{"name":"c"},{"name":"a","$patch":"delete"}]}"#,
        r#"{"containers":[{"name":"b"},{"name":"x"},{"name":"c"}]}"#,
    );
    check(
        abc,
        r#"{"$setElementOrder/containers":[{"name":"b"},{"name":"a"}],"containers":[{"name":"a"},{"name":"b"}]}"#,
        "The order in patch list:\n[map[name:a] map[name:b]]\n doesn't match $setElementOrder list:\n[map[name:b] map[name:a]]\n",
    );
}

#[test]
fn retain_keys() {
    check(
        r#"{"volumes":[{"name":"v","emptyDir":{}}]}"#,
        r#"{"volumes":[{"name":"v","$retainKeys":["name","hostPath"],"hostPath":{"path":"/x"}}]}"#,
        r#"{"volumes":[{"name":"v","hostPath":{"path":"/x"}}]}"#,
    );
    check(
        r#"{"volumes":[{"name":"v","emptyDir":{}}]}"#,
        r#"{"volumes":[{"name":"v","$retainKeys":["name"],"hostPath":{"path":"/x"}}]}"#,
        "invalid patch format of retainKeys",
    );
    let doc = r#"{"spec":{"strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":1}}}}"#;
    assert_eq!(
        run(doc, r#"{"spec":{"strategy":{"$retainKeys":["type"],"type":"Recreate"}}}"#).unwrap(),
        r#"{"spec":{"strategy":{"type":"Recreate"}}}"#
    );
}

#[test]
fn the_type_must_know_what_is_merged() {
    let e = run(r#"{"spec":{"x":{"a":1}}}"#, r#"{"spec":{"x":{"a":2}}}"#).unwrap_err();
    assert_eq!(e.to_string(), r#"unable to find api field in struct DeploymentSpec for the json field "x""#);
    assert_eq!(run(r#"{"spec":{"x":1}}"#, r#"{"spec":{"x":{"a":2}}}"#).unwrap(), r#"{"spec":{"x":{"a":2}}}"#);
    assert!(run("{}", "[]").is_err());
}
