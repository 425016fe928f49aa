//! Requests about objects: decoding, encoding, refusals.

use expect_test::expect;

use crate::world::{Row, World};

const MAPS: &str = "POST /api/v1/namespaces/default/configmaps";
const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn a_life_in_json_and_yaml() {
    let world = World::new().await;
    let made = world.ask(MAPS, &[JSON], r#"{"metadata":{"name":"a"},"data":{"k":"v"}}"#).await;
    assert_eq!((made.code, made.header("content-type")), (201, "application/json"));
    let yaml = "metadata:\n  name: b\ndata:\n  k: w\n";
    assert_eq!(world.ask(MAPS, &[("content-type", "application/yaml")], yaml).await.code, 201);
    let list = world.ask("GET /api/v1/namespaces/default/configmaps?limit=1", &[], "").await.json();
    assert_eq!((&list["kind"], &list["apiVersion"]), (&"ConfigMapList".into(), &"v1".into()));
    assert_eq!(list["items"][0]["data"]["k"], "v");
    assert_eq!(list["metadata"]["remainingItemCount"], 1);
    let next = list["metadata"]["continue"].as_str().unwrap();
    let rest = format!("GET /api/v1/namespaces/default/configmaps?limit=1&continue={next}");
    assert_eq!(world.ask(&rest, &[], "").await.json()["items"][0]["metadata"]["name"], "b");
    let gone = world.ask("DELETE /api/v1/namespaces/default/configmaps/a", &[], "").await.json();
    assert_eq!(
        (&gone["kind"], &gone["status"], &gone["details"]["name"]),
        (&"Status".into(), &"Success".into(), &"a".into())
    );
}

#[tokio::test]
async fn refusals() {
    let world = World::new().await;
    world.make(MAPS, r#"{"metadata":{"name":"a"}}"#).await;
    let big = format!(r#"{{"data":{{"x":"{}"}}}}"#, "y".repeat(3 << 20));
    let patch = |media| [("content-type", media)];
    let table: &[Row<'_>] = &[
        (MAPS, &[JSON], "{"),
        (MAPS, &[JSON], ""),
        (MAPS, &[JSON], r#"{"metadata":{"name":"b"},"data":{"k":1}}"#),
        (MAPS, &[JSON], r#"{"kind":"Secret","metadata":{"name":"b"}}"#),
        (MAPS, &[JSON], r#"{"apiVersion":"v2","metadata":{"name":"b"}}"#),
        (MAPS, &[JSON], r#"{"metadata":{"name":"a"}}"#),
        (MAPS, &[JSON], &big),
        (MAPS, &[("content-type", "text/plain")], "x"),
        (MAPS, &[("content-type", "application/vnd.kubernetes.protobuf")], "x"),
        (
            "POST /api/v1/namespaces/default/configmaps?fieldValidation=Strict",
            &[JSON],
            r#"{"metadata":{"name":"b"},"x":1,"data":{"k":"1","k":"2"}}"#,
        ),
        ("PATCH /api/v1/namespaces/default/configmaps/a", &patch("application/json"), "{}"),
        ("GET /api/v1/namespaces/default/configmaps/a", &[("accept", "text/html")], ""),
        ("GET /api/v1/namespaces/default/configmaps?limit=x", &[], ""),
        ("GET /api/v1/namespaces/default/nones", &[], ""),
        ("GET /api/v1/namespaces/default/nodes", &[], ""),
        ("GET /api/v1/configmaps/a", &[], ""),
        ("POST /api/v1/configmaps", &[JSON], r#"{"metadata":{"name":"b"}}"#),
        ("POST /api/v1/namespaces/default/configmaps/a", &[JSON], "{}"),
        ("PUT /api/v1/namespaces/default/configmaps", &[JSON], "{}"),
        ("OPTIONS /api/v1/configmaps", &[], ""),
        ("DELETE /api/v1/namespaces/default/configmaps/a", &[JSON], r#"{"kind":"Pod"}"#),
    ];
    let mut text = String::new();
    for (line, headers, body) in table {
        let answer = world.ask(line, headers, body).await;
        let body = &body[..body.len().min(40)];
        text.push_str(&format!("{line} {body}\n  {}\n", answer.refusal()));
    }
    expect![[r#"
        POST /api/v1/namespaces/default/configmaps {
          400 ConfigMap in version "v1" cannot be handled as a ConfigMap: unexpected end of JSON input
        POST /api/v1/namespaces/default/configmaps 
          400 the object provided is unrecognized (must be of type ConfigMap): unexpected end of JSON input
        POST /api/v1/namespaces/default/configmaps {"metadata":{"name":"b"},"data":{"k":1}}
          400 ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string
        POST /api/v1/namespaces/default/configmaps {"kind":"Secret","metadata":{"name":"b"}
          400 Secret in version "v1" cannot be handled as a ConfigMap: converting (Secret) to (ConfigMap): unknown conversion
        POST /api/v1/namespaces/default/configmaps {"apiVersion":"v2","metadata":{"name":"b
          400 the API version in the data (v2) does not match the expected API version (v1)
        POST /api/v1/namespaces/default/configmaps {"metadata":{"name":"a"}}
          409 configmaps "a" already exists
        POST /api/v1/namespaces/default/configmaps {"data":{"x":"yyyyyyyyyyyyyyyyyyyyyyyyyy
          413 Request entity too large: limit is 3145728
        POST /api/v1/namespaces/default/configmaps x
          415 the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf
        POST /api/v1/namespaces/default/configmaps x
          400 provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]
        POST /api/v1/namespaces/default/configmaps?fieldValidation=Strict {"metadata":{"name":"b"},"x":1,"data":{"
          400 ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "x", duplicate field "data.k"
        PATCH /api/v1/namespaces/default/configmaps/a {}
          415 the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml
        GET /api/v1/namespaces/default/configmaps/a 
          406 only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf
        GET /api/v1/namespaces/default/configmaps?limit=x 
          400 strconv.ParseInt: parsing "x": invalid syntax
        GET /api/v1/namespaces/default/nones 
          404 the server could not find the requested resource
        GET /api/v1/namespaces/default/nodes 
          404 the server could not find the requested resource
        GET /api/v1/configmaps/a 
          404 the server could not find the requested resource
        POST /api/v1/configmaps {"metadata":{"name":"b"}}
          405 the server does not allow this method on the requested resource
        POST /api/v1/namespaces/default/configmaps/a {}
          405 the server does not allow this method on the requested resource
        PUT /api/v1/namespaces/default/configmaps {}
          405 the server does not allow this method on the requested resource
        OPTIONS /api/v1/configmaps 
          405 the server does not allow this method on the requested resource
        DELETE /api/v1/namespaces/default/configmaps/a {"kind":"Pod"}
          400 decoded object cannot be converted to DeleteOptions: it is a Pod
    "#]].assert_eq(&text);
}

#[tokio::test]
async fn unknown_fields_are_warned_of() {
    let world = World::new().await;
    let body = r#"{"metadata":{"name":"b"},"x":1,"data":{"k":"1","k":"2"}}"#;
    let answer = world.ask(MAPS, &[JSON], body).await;
    let warnings: Vec<_> = answer.headers.get_all("warning").iter().map(|v| v.to_str().unwrap()).collect();
    assert_eq!(answer.code, 201);
    assert_eq!(warnings, [r#"299 - "unknown field \"x\"""#, r#"299 - "duplicate field \"data.k\"""#]);
}

#[tokio::test]
async fn yaml_tells_of_doubled_keys_by_line() {
    let world = World::new().await;
    let text = "metadata: {name: c}\ndata: {a: b}\ndata: {c: d}\nx: 1\n";
    let yaml = [("content-type", "application/yaml")];
    let strict = world.ask(&format!("{MAPS}?fieldValidation=Strict"), &yaml, text).await;
    expect![[r#"
        400 ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: yaml: unmarshal errors:
          line 3: key "data" already set in map, unknown field "x""#]]
    .assert_eq(&strict.refusal());
    let made = world.ask(MAPS, &yaml, text).await;
    let warnings: Vec<_> = made.headers.get_all("warning").iter().map(|v| v.to_str().unwrap()).collect();
    assert_eq!(made.code, 201);
    assert_eq!(warnings, [r#"299 - "line 3: key \"data\" already set in map""#, r#"299 - "unknown field \"x\"""#]);

    let apply = "PATCH /api/v1/namespaces/default/configmaps/d?fieldManager=m";
    let media = [("content-type", "application/apply-patch+yaml")];
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: d}\ndata: {a: b, a: c}\n";
    let strict = world.ask(&format!("{apply}&fieldValidation=Strict"), &media, text).await;
    expect![[r#"
        400 error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:
          line 4: key "a" already set in map"#]]
    .assert_eq(&strict.refusal());
    let made = world.ask(apply, &media, text).await;
    assert_eq!((made.code, made.header("warning")), (201, r#"299 - "line 4: key \"a\" already set in map""#));
}

#[tokio::test]
async fn views() {
    let world = World::new().await;
    world.make(MAPS, r#"{"metadata":{"name":"a","labels":{"x":"y"}},"data":{"k":"v"}}"#).await;
    let get = |line: &'static str, accept: &'static str| {
        let world = &world;
        async move { world.ask(line, &[("accept", accept)], "").await }
    };
    const ONE: &str = "GET /api/v1/namespaces/default/configmaps/a";
    const ALL: &str = "GET /api/v1/namespaces/default/configmaps";
    let partial = get(ONE, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1").await.json();
    assert_eq!((&partial["kind"], &partial["metadata"]["labels"]["x"]), (&"PartialObjectMetadata".into(), &"y".into()));
    assert!(partial.get("data").is_none());
    let list = get(ALL, "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1").await.json();
    assert_eq!(
        (&list["kind"], &list["items"][0]["metadata"]["name"]),
        (&"PartialObjectMetadataList".into(), &"a".into())
    );
    let refused = get(ALL, "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1").await;
    assert_eq!(refused.code, 406);

    const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
    let table = get(ALL, TABLE).await.json();
    assert_eq!((&table["kind"], &table["apiVersion"]), (&"Table".into(), &"meta.k8s.io/v1".into()));
    assert_eq!(table["columnDefinitions"][0]["name"], "Name");
    assert_eq!(table["rows"][0]["cells"][0], "a");
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let whole = get("GET /api/v1/namespaces/default/configmaps/a?includeObject=Object", TABLE).await.json();
    assert_eq!(whole["rows"][0]["object"]["data"]["k"], "v");
    let none = get("GET /api/v1/namespaces/default/configmaps?includeObject=None", TABLE).await.json();
    assert!(none["rows"][0]["object"].is_null());
}

#[tokio::test]
async fn protobuf_both_ways() {
    let world = World::new().await;
    // A ConfigMap `p` with data k=v, as a client encodes it: the envelope, then the message.
    let message: &[u8] = b"\x0a\x03\x0a\x01p\x12\x06\x0a\x01k\x12\x01v";
    let mut body = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12".to_vec();
    body.push(u8::try_from(message.len()).unwrap());
    body.extend_from_slice(message);
    let body = String::from_utf8(body).unwrap();
    const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
    let made = world.ask(MAPS, &[("content-type", PROTOBUF), ("accept", PROTOBUF)], &body).await;
    assert_eq!((made.code, made.header("content-type")), (201, PROTOBUF), "{}", made.text());
    assert!(made.body.starts_with(b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap"));
    let read = world.ask("GET /api/v1/namespaces/default/configmaps/p", &[], "").await.json();
    assert_eq!(read["data"]["k"], "v");
    let list = world.ask("GET /api/v1/namespaces/default/configmaps", &[("accept", PROTOBUF)], "").await;
    assert!(list.body.starts_with(b"k8s\0\x0a\x13\x0a\x02v1\x12\x0dConfigMapList"));
    let refused = world.ask("GET /api/v1/namespaces/default/configmaps/none", &[("accept", PROTOBUF)], "").await;
    assert_eq!((refused.code, refused.header("content-type")), (404, PROTOBUF));
    assert!(refused.body.starts_with(b"k8s\0\x0a\x0c\x0a\x02v1\x12\x06Status"));
}
