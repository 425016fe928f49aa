use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::{json::encode, testing, value};

fn print(ty: Type<'_>, value: &Value) -> String {
    let mut out = Vec::new();
    encode(ty, value, &mut out);
    String::from_utf8(out).unwrap()
}

fn read(ty: Type<'_>, text: &str, validation: Validation) -> Result<Decoded, Error> {
    document(ty, text.as_bytes(), &Limits::default(), validation)
}

/// What the API would print for a document, or why it refuses it.
#[track_caller]
fn check(name: &str, text: &str, expected: Expect) {
    let schema = testing::schema(name);
    let told = match read(schema.ty(), text, Validation::Warn) {
        Ok(Decoded { value, warnings }) => [print(schema.ty(), &value)].into_iter().chain(warnings).collect(),
        Err(e) => vec![e.to_string()],
    };
    expected.assert_eq(&told.join("\n"));
}

#[test]
fn prints_what_upstream_prints_for_nothing() {
    check("Pod", "{}", expect![[r#"{"metadata":{},"spec":{"containers":null}}"#]]);
    check(
        "Everything",
        "{}",
        expect![[
            r#"{"metadata":{},"spec":{"name":"","amount":"0","when":null,"moment":null,"port":0,"ext":null,"list":null,"always":false}}"#
        ]],
    );
}

#[test]
fn null_is_absent_or_zero() {
    check(
        "Pod",
        r#"{"metadata":null,"spec":{"containers":[null]}}"#,
        expect![[r#"{"metadata":{},"spec":{"containers":[{"name":""}]}}"#]],
    );
    check(
        "Pod",
        r#"{"metadata":{"labels":{"a":null},"deletionTimestamp":null,"creationTimestamp":null},"spec":{"containers":[]}}"#,
        expect![[r#"{"metadata":{"labels":{"a":""}},"spec":{"containers":[]}}"#]],
    );
    check("Open", r#"{"known":null,"other":null}"#, expect![[r#"{"known":null,"other":null}"#]]);
}

#[test]
fn members_that_are_a_schema_or_something_else() {
    check(
        "JSONSchemaProps",
        r#"{"items":[{"type":"a","none":1},null],"additionalItems":true,"additionalProperties":{"none":1,"type":"b"},
        "dependencies":{"a":["x",null],"b":{"items":{"type":"c","type2":1}},"c":7}}"#,
        expect![[
            r#"{"items":[{"type":"a"},{}],"additionalProperties":{"type":"b"},"dependencies":{"a":["x",""],"b":{"items":{"type":"c"}},"c":null},"additionalItems":true}"#
        ]],
    );
    check("JSONSchemaProps", r#"{"items":"a"}"#, expect!["{}"]);
    check("JSONSchemaProps", r#"{"additionalItems":1}"#, expect!["boolean or JSON schema expected"]);
    check(
        "JSONSchemaProps",
        r#"{"items":{"type":1}}"#,
        expect!["json: cannot unmarshal number into Go struct field JSONSchemaProps.type of type string"],
    );
}

#[test]
fn zero_values_go_and_pointers_stay() {
    check(
        "Spec",
        r#"{"image":"","pull":false,"flag":false,"count":0,"big":0,"words":[],"data":{},"any":0,"always":true,"span":"0s"}"#,
        expect![[
            r#"{"pull":false,"count":0,"name":"","amount":"0","when":null,"moment":null,"span":"0s","port":0,"ext":null,"any":0,"list":null,"always":true}"#
        ]],
    );
}

#[test]
fn scalars_get_their_canonical_spelling() {
    check(
        "Spec",
        r#"{"amount":0.5,"when":"2024-01-01T01:00:00.7+01:00","moment":"2024-01-01T00:00:00.000001Z","span":"90s",
            "raw":"AQ\n==","ratio":2.0,"port":"http","limits":{"memory":"1024Mi","cpu":"0.1"},"list":[]}"#,
        expect![[
            r#"{"ratio":2,"name":"","raw":"AQ==","amount":"500m","when":"2024-01-01T00:00:00Z","moment":"2024-01-01T00:00:00.000001Z","span":"1m30s","port":"http","ext":null,"list":[],"limits":{"cpu":"100m","memory":"1Gi"},"always":false}"#
        ]],
    );
}

#[test]
fn unknown_and_duplicate_members_in_document_order() {
    let text = r#"{"zzz":1,"spec":{"containers":[{"name":"a","name":"b","Image":"x"}],"foo":{"bar":1}},"metadata":{"labels":{"x":"1","x":"2"}}}"#;
    check(
        "Pod",
        text,
        expect![[r#"
            {"metadata":{"labels":{"x":"2"}},"spec":{"containers":[{"name":"b"}]}}
            unknown field "zzz"
            duplicate field "spec.containers[0].name"
            unknown field "spec.containers[0].Image"
            unknown field "spec.foo"
            duplicate field "metadata.labels.x""#]],
    );
    let schema = testing::schema("Pod");
    let strict = read(schema.ty(), r#"{"spec":{"foo":1,"containers":[],"containers":[]}}"#, Validation::Strict);
    assert_eq!(
        strict.unwrap_err().to_string(),
        r#"strict decoding error: unknown field "spec.foo", duplicate field "spec.containers""#
    );
    assert!(read(schema.ty(), text, Validation::Ignore).unwrap().warnings.is_empty());
}

#[test]
fn duplicate_lines_of_yaml_are_one_error_and_many_warnings() {
    let schema = testing::schema("Pod");
    let text = "zzz: 1\nmetadata: {labels: {x: a, x: b}}\nspec: {}\nspec: {}\n";
    let parsed = crate::yaml::parse(text.as_bytes(), &Limits::default()).unwrap();
    let read = |validation| normalise(schema.ty(), parsed.clone(), validation);
    expect![[r#"
        strict decoding error: yaml: unmarshal errors:
          line 2: key "x" already set in map
          line 4: key "spec" already set in map, unknown field "zzz""#]]
    .assert_eq(&read(Validation::Strict).unwrap_err().to_string());
    let warnings =
        ["line 2: key \"x\" already set in map", "line 4: key \"spec\" already set in map", "unknown field \"zzz\""];
    assert_eq!(read(Validation::Warn).unwrap().warnings, warnings);
    assert!(read(Validation::Ignore).unwrap().warnings.is_empty());
}

#[test]
fn wrong_types_are_worded_as_go_words_them() {
    check("Pod", "[]", expect!["json: cannot unmarshal array into Go value of type v1.Pod"]);
    check(
        "Pod",
        r#"{"metadata":{"name":1}}"#,
        expect!["json: cannot unmarshal number into Go struct field Meta.metadata.name of type string"],
    );
    check(
        "Pod",
        r#"{"spec":{"containers":{}}}"#,
        expect!["json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"],
    );
    check(
        "Pod",
        r#"{"spec":{"containers":[{"image":true}]}}"#,
        expect!["json: cannot unmarshal bool into Go struct field Container.spec.containers.image of type string"],
    );
    check(
        "Pod",
        r#"{"metadata":{"labels":{"a":1}}}"#,
        expect!["json: cannot unmarshal number into Go struct field Meta.metadata.labels of type string"],
    );
    check(
        "Spec",
        r#"{"count":3000000000}"#,
        expect!["json: cannot unmarshal number 3000000000 into Go struct field Spec.count of type int32"],
    );
    check(
        "Spec",
        r#"{"amount":"x"}"#,
        expect!["quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"],
    );
    check("Spec", r#"{"port":true}"#, expect!["json: cannot unmarshal bool into Go value of type int32"]);
    check("Spec", r#"{"when":1}"#, expect!["json: cannot unmarshal number into Go value of type string"]);
    check("Spec", r#"{"raw":"*"}"#, expect!["illegal base64 data at input byte 0"]);
    check("Spec", r#"{"span":"1"}"#, expect![[r#"time: missing unit in duration "1""#]]);
}

#[test]
fn pruning_leaves_types_alone() {
    let schema = testing::schema("Pod");
    let mut pod = value!({ "spec": { "containers": [{ "name": 1, "x": 1 }], "y": 1 }, "z": 1 });
    assert_eq!(prune(schema.ty(), &mut pod), ["spec.containers[0].x", "spec.y", "z"]);
    assert_eq!(pod, value!({ "spec": { "containers": [{ "name": 1 }] } }));
}

#[test]
fn the_deepest_document_fits_a_threads_stack() {
    let schema = testing::schema("Spec");
    let levels = Limits::default().depth - 1;
    let text = format!("{}{}{}", "{\"nested\":".repeat(levels), "{}", "}".repeat(levels));
    let tree = read(schema.ty(), &text, Validation::Strict).unwrap().value;
    print(schema.ty(), &tree);
    let mut message = Vec::new();
    crate::proto::encode(schema.ty(), &tree, &mut message).unwrap();
    let limits = Limits { depth: 3 * Limits::default().depth, bytes: message.len() };
    assert_eq!(crate::proto::decode(schema.ty(), &message, &limits), Ok(tree));
}

proptest! {
    #[test]
    fn canonical_form_is_stable(value in testing::any_value()) {
        let schema = testing::schema("Everything");
        let ty = schema.ty();
        let Ok(once) = normalise(ty, value!({ "spec": value.clone(), "status": value }), Validation::Ignore) else {
            return Ok(());
        };
        let text = print(ty, &once.value);
        let again = read(ty, &text, Validation::Strict);
        prop_assert_eq!(&again.as_ref().map(|d| &d.value), &Ok(&once.value), "{}", text);
    }
}
