use expect_test::expect;
use serde_json::Value as Json;

use super::*;

fn document(form: Form) -> Vec<u8> {
    let resources = knarr_catalog::resources();
    build(&Catalogue::new(resources.iter()), form)
}

fn json() -> Json {
    serde_json::from_slice(&document(Form::Json)).unwrap()
}

/// The payloads of a field of a message, in order; numbers as their one byte.
fn all(mut message: &[u8], tag: u64) -> Vec<&[u8]> {
    fn varint(message: &mut &[u8]) -> u64 {
        let end = message.iter().position(|b| b & 0x80 == 0).unwrap() + 1;
        let (head, rest) = message.split_at(end);
        *message = rest;
        head.iter().rev().fold(0, |n, b| n << 7 | u64::from(b & 0x7f))
    }
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let length = match key & 7 {
            0 => message.iter().position(|b| b & 0x80 == 0).unwrap() + 1,
            1 => 8,
            2 => usize::try_from(varint(&mut message)).unwrap(),
            wire => panic!("wire type {wire}"),
        };
        let (payload, rest) = message.split_at(length);
        message = rest;
        if key >> 3 == tag {
            found.push(payload);
        }
    }
    found
}

/// Follows tags down, by the first of each.
#[track_caller]
fn down<'a>(message: &'a [u8], tags: &[u64]) -> &'a [u8] {
    tags.iter().fold(message, |m, tag| *all(m, *tag).first().unwrap_or_else(|| panic!("no field {tag}")))
}

/// The value of the entry with a name.
#[track_caller]
fn named<'a>(entries: &[&'a [u8]], name: &str) -> &'a [u8] {
    let entry = entries.iter().find(|e| text(e, &[1]) == name).unwrap_or_else(|| panic!("no {name}"));
    down(entry, &[2])
}

#[track_caller]
fn text<'a>(message: &'a [u8], tags: &[u64]) -> &'a str {
    std::str::from_utf8(down(message, tags)).unwrap()
}

#[test]
fn forms_by_accept() {
    for (accept, form) in [
        ("", Some(Form::Json)),
        ("*/*", Some(Form::Json)),
        ("application/json", Some(Form::Json)),
        ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf", Some(Form::Protobuf)),
        ("application/com.github.proto-openapi.spec.v2.v1.0+protobuf", Some(Form::Protobuf)),
        ("application/com.github.proto-openapi.spec.v2@v1.0+protobuf, application/json;q=0.5", Some(Form::Protobuf)),
        ("text/html", None),
    ] {
        assert_eq!(Form::asked(accept), form, "{accept}");
    }
}

#[test]
fn protobuf_of_a_patch() {
    let bytes = document(Form::Protobuf);
    assert_eq!((text(&bytes, &[1]), text(&bytes, &[2, 1])), ("2.0", "Kubernetes"));
    let paths = all(down(&bytes, &[8]), 2);
    let item = named(&paths, "/api/v1/namespaces/{name}");
    assert_eq!(text(item, &[9, 1, 2, 4, 4]), "name");
    let patch = down(item, &[8]);
    assert_eq!(text(patch, &[5]), "patchCoreV1Namespace");
    let parameters = all(patch, 8);
    assert_eq!(
        text(parameters[0], &[1, 1, 5, 1]),
        "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
        "the body comes first"
    );
    let queries: Vec<_> = parameters[1..].iter().map(|p| text(p, &[1, 2, 3, 4])).collect();
    assert_eq!(queries, ["dryRun", "fieldManager", "fieldValidation", "pretty", "force"]);
    let validation = down(parameters[3], &[1, 2, 3]);
    assert_eq!(
        (text(validation, &[2]), text(validation, &[6]), down(validation, &[20])),
        ("query", "string", &[1][..])
    );
    let extensions = all(patch, 13);
    assert_eq!(text(named(&extensions, "x-kubernetes-action"), &[2]), r#""patch""#);
    assert_eq!(
        text(named(&extensions, "x-kubernetes-group-version-kind"), &[2]),
        r#"{"group":"","kind":"Namespace","version":"v1"}"#
    );
    let answers = all(down(patch, &[9]), 1);
    assert_eq!(text(named(&answers, "200"), &[1, 2, 1, 1]), "#/definitions/io.k8s.api.core.v1.Namespace");
}

#[test]
fn protobuf_of_definitions() {
    let bytes = document(Form::Protobuf);
    let definitions = all(down(&bytes, &[9]), 1);
    let deployment = named(&definitions, "io.k8s.api.apps.v1.Deployment");
    assert_eq!(text(deployment, &[22, 1]), "object");
    let kinds = named(&all(deployment, 31), "x-kubernetes-group-version-kind");
    assert_eq!(text(kinds, &[2]), r#"[{"group":"apps","kind":"Deployment","version":"v1"}]"#);
    let properties = all(down(deployment, &[25]), 1);
    assert_eq!(text(named(&properties, "spec"), &[1]), "#/definitions/io.k8s.api.apps.v1.DeploymentSpec");

    let spec = named(&definitions, "io.k8s.api.core.v1.PodSpec");
    assert_eq!(text(spec, &[19]), "containers");
    let containers = named(&all(down(spec, &[25]), 1), "containers");
    assert_eq!(text(containers, &[23, 1, 1]), "#/definitions/io.k8s.api.core.v1.Container");
    assert_eq!(text(named(&all(containers, 31), "x-kubernetes-patch-merge-key"), &[2]), r#""name""#);
    let selector = named(&all(down(spec, &[25]), 1), "nodeSelector");
    assert_eq!(text(selector, &[21, 1, 22, 1]), "string");
}

#[test]
fn both_forms_have_the_same_entries() {
    let (bytes, json) = (document(Form::Protobuf), json());
    for (key, tag, inner) in [("paths", 8, 2), ("definitions", 9, 1)] {
        let mut names: Vec<_> = all(down(&bytes, &[tag]), inner).iter().map(|e| text(e, &[1])).collect();
        names.sort_unstable();
        let mut of_json: Vec<_> = json[key].as_object().unwrap().keys().map(String::as_str).collect();
        of_json.sort_unstable();
        assert_eq!(names, of_json, "{key}");
    }
}

#[test]
fn no_word_of_v3_is_left_and_references_lead_somewhere() {
    fn walk(json: &Json, definitions: &Json, members: bool) {
        match json {
            Json::Object(map) => {
                for (key, value) in map {
                    if !members {
                        let foreign = ["allOf", "oneOf", "nullable", "default", "requestBody", "content"];
                        assert!(!foreign.contains(&key.as_str()), "{key} in {json}");
                        if key == "$ref" {
                            let name = value.as_str().unwrap().strip_prefix("#/definitions/").unwrap();
                            assert!(definitions[name].is_object(), "{name}");
                        }
                    }
                    walk(value, definitions, !members && key == "properties");
                }
            }
            Json::Array(items) => items.iter().for_each(|item| walk(item, definitions, false)),
            _ => {}
        }
    }
    let json = json();
    walk(&json["paths"], &json["definitions"], true);
    walk(&json["definitions"], &json["definitions"], true);
}

#[test]
fn definitions_in_json() {
    let json = json();
    let definition = |name: &str| serde_json::to_string_pretty(&json["definitions"][name]).unwrap();
    expect![[r##"
        {
          "description": "How many pods are replaced at a time.",
          "properties": {
            "maxSurge": {
              "$ref": "#/definitions/io.k8s.apimachinery.pkg.util.intstr.IntOrString",
              "description": "How many pods there may be beyond the wanted number, as a number or a percentage rounded up; 25% when left out."
            },
            "maxUnavailable": {
              "$ref": "#/definitions/io.k8s.apimachinery.pkg.util.intstr.IntOrString",
              "description": "How many pods may be missing, as a number or a percentage rounded down; 25% when left out."
            }
          },
          "type": "object"
        }"##]]
    .assert_eq(&definition("io.k8s.api.apps.v1.RollingUpdateDeployment"));
    expect![[r#"
        {
          "format": "int-or-string",
          "type": "string"
        }"#]]
    .assert_eq(&definition("io.k8s.apimachinery.pkg.util.intstr.IntOrString"));
    expect![[r##"
        {
          "description": "How old pods are replaced by new ones.",
          "properties": {
            "rollingUpdate": {
              "$ref": "#/definitions/io.k8s.api.apps.v1.RollingUpdateDeployment",
              "description": "For RollingUpdate."
            },
            "type": {
              "description": "RollingUpdate, which is the default, or Recreate to end all old pods first.",
              "enum": [
                "Recreate",
                "RollingUpdate"
              ],
              "type": "string"
            }
          },
          "type": "object"
        }"##]]
    .assert_eq(&definition("io.k8s.api.apps.v1.DeploymentStrategy"));
}

#[test]
fn what_kubectl_cannot_follow_is_anything() {
    let lowered = lower::schema(value!({
        "type": "object",
        "properties": {
            "maybe": { "type": "string", "nullable": true },
            "open": { "type": "object", "x-kubernetes-preserve-unknown-fields": true, "properties": { "a": { "type": "string" } } },
        },
    }));
    assert_eq!(
        lowered,
        value!({ "type": "object", "properties": { "maybe": {}, "open": { "x-kubernetes-preserve-unknown-fields": true } } })
    );
}
