use crate::{
    Status,
    kinds::{text, tree},
    patch::json_patch,
};

#[track_caller]
fn check(doc: &str, patch: &str, expected: &str) {
    let mut doc = tree(doc);
    let got = json_patch(&mut doc, &tree(patch)).map_or_else(|e| e.to_string(), |()| text(&doc));
    assert_eq!(got, expected, "{patch}");
}

#[test]
fn operations() {
    let table = [
        (r#"{"a":1}"#, r#"[{"op":"add","path":"/b","value":2}]"#, r#"{"a":1,"b":2}"#),
        (
            r#"{"a":[1]}"#,
            r#"[{"op":"add","path":"/a/-","value":2},{"op":"add","path":"/a/0","value":0}]"#,
            r#"{"a":[0,1,2]}"#,
        ),
        (r#"{"a":[1,2]}"#, r#"[{"op":"add","path":"/a/-1","value":3}]"#, r#"{"a":[1,2,3]}"#),
        (r#"{"a":1}"#, r#"[{"op":"remove","path":"/a"}]"#, "{}"),
        (r#"{"a":[1,2]}"#, r#"[{"op":"remove","path":"/a/-1"}]"#, r#"{"a":[1]}"#),
        (r#"{"a":1}"#, r#"[{"op":"replace","path":"/a","value":{"b":null}}]"#, r#"{"a":{"b":null}}"#),
        (r#"{"a":1}"#, r#"[{"op":"replace","path":"/b","value":2}]"#, r#"{"a":1,"b":2}"#),
        (r#"{"a":1}"#, r#"[{"op":"replace","path":"","value":{}}]"#, "{}"),
        (r#"{"a":{"b":1},"c":{}}"#, r#"[{"op":"move","from":"/a/b","path":"/c/d"}]"#, r#"{"a":{},"c":{"d":1}}"#),
        (r#"{"a":{"b":1}}"#, r#"[{"op":"copy","from":"/a","path":"/a/c"}]"#, r#"{"a":{"b":1,"c":{"b":1}}}"#),
        (r#"{"a/b":{"~":1}}"#, r#"[{"op":"test","path":"/a~1b/~0","value":1}]"#, r#"{"a/b":{"~":1}}"#),
        (
            r#"{"a":null}"#,
            r#"[{"op":"test","path":"/a","value":null},{"op":"test","path":"/b","value":null}]"#,
            r#"{"a":null}"#,
        ),
        (r#"{"a":1}"#, r#"[{"op":"test","path":"","value":{"a":1}}]"#, r#"{"a":1}"#),
    ];
    for (doc, patch, expected) in table {
        check(doc, patch, expected);
    }
}

#[test]
fn failures() {
    let table = [
        (
            r#"[{"op":"add","path":"/x/y","value":2}]"#,
            r#"add operation does not apply: doc is missing path: "/x/y": missing value"#,
        ),
        (
            r#"[{"op":"remove","path":"/x"}]"#,
            "error in remove for path: '/x': Unable to remove nonexistent key: x: missing value",
        ),
        (
            r#"[{"op":"remove","path":"/l/7"}]"#,
            "error in remove for path: '/l/7': Unable to access invalid index: 7: invalid index referenced",
        ),
        (
            r#"[{"op":"replace","path":"/l/7","value":1}]"#,
            "replace operation does not apply: doc is missing key: /l/7: missing value",
        ),
        (
            r#"[{"op":"add","path":"/l/x","value":1}]"#,
            r#"error in add for path: '/l/x': value was not a proper array index: 'x': strconv.Atoi: parsing "x": invalid syntax"#,
        ),
        (r#"[{"op":"test","path":"/a","value":2}]"#, "testing value /a failed: test failed"),
        (
            r#"[{"op":"move","from":"/x","path":"/a"}]"#,
            "error in move for path: 'x': Unable to remove nonexistent key: x: missing value",
        ),
        (r#"[{"op":"grow","path":"/a"}]"#, "Unexpected kind: grow"),
        (r#"[{"op":"add","value":1}]"#, "add operation failed to decode path: missing value"),
        (r#"{"a":1}"#, "json: cannot unmarshal object into Go value of type jsonpatch.Patch"),
        ("[1]", "json: cannot unmarshal number into Go value of type jsonpatch.Operation"),
    ];
    for (patch, expected) in table {
        check(r#"{"a":1,"l":[0]}"#, patch, expected);
    }
}

#[test]
fn codes_and_bounds() {
    let code = |patch: &str| {
        Status::from(json_patch(&mut tree(r#"{"a":{"b":"0123456789"}}"#), &tree(patch)).unwrap_err()).code()
    };
    assert_eq!(code("{}"), 400);
    assert_eq!(code(r#"[{"op":"remove","path":"/x"}]"#), 422);
    let many = |n: usize, op: &str| format!("[{}]", vec![op; n].join(","));
    assert_eq!(code(&many(10_001, r#"{"op":"add","path":"/x","value":1}"#)), 413);
    // Doubles with every step: refused long before it is large.
    let bomb: Vec<String> = (0..64).map(|i| format!(r#"{{"op":"copy","from":"/a","path":"/a/c{i}"}}"#)).collect();
    assert_eq!(code(&format!("[{}]", bomb.join(","))), 422);
    // One level deeper with every step.
    let well = r#"{"op":"copy","from":"/a","path":"/a/c"}"#;
    assert_eq!(code(&many(300, well)), 422);
}

#[test]
fn work_is_bounded() {
    let run = |doc: &str, operation: &str| {
        let patch = format!("[{}]", vec![operation; 10_000].join(","));
        json_patch(&mut tree(doc), &tree(&patch)).map_err(|e| e.to_string())
    };
    let long = format!(r#"{{"l":[{}1]}}"#, "0,".repeat(100_000));
    let push = |at: &str| format!(r#"{{"op":"add","path":"/l/{at}","value":1}}"#);
    assert_eq!(run(&long, &push("-")), Ok(()));
    let refused = Err("the operations together take too much work".to_owned());
    assert_eq!(run(&long, &push("0")), refused);
    // A deep place in a deep document: to know how deep it has become, all of it has to be looked at.
    let deep = format!("{}1{}", r#"{"a":"#.repeat(250), "}".repeat(250));
    let both = format!(r#"{{"a":{deep},"x":1,{}}}"#, &long[1..long.len() - 1]);
    let there = "/a".repeat(100);
    assert_eq!(run(&both, &format!(r#"{{"op":"copy","from":"/x","path":"{there}/x"}}"#)), refused);
}
