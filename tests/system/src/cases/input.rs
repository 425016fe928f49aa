//! Bad input, sent as bytes: the Status is upstream's, and nothing is stored.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    http::Client,
    suite::{Case, Cx, Place::Shared, case},
    text::{equals, has},
};

pub const CASES: &[Case] = &[
    case("input/malformed", Shared(malformed)),
    case("input/too large and too deep", Shared(excessive)),
    case("input/unknown and doubled fields", Shared(strict)),
    case("input/invalid objects", Shared(invalid)),
    case("input/invalid updates", Shared(updates)),
    case("input/patches", Shared(patches)),
    case("input/requests", Shared(requests)),
];

const JSON: &str = "application/json";

/// One bad request and what must come back.
struct Row<'a> {
    what: &'a str,
    method: &'a str,
    path: &'a str,
    kind: &'a str,
    body: &'a [u8],
    code: u16,
    reason: &'a str,
    says: &'a [&'a str],
}

/// Paths of the table that begin with a resource are in the case's namespace.
fn full(ns: &str, path: &str) -> String {
    match path.strip_prefix("apps:") {
        Some(rest) => format!("/apis/apps/v1/namespaces/{ns}/{rest}"),
        None if path.starts_with('/') => path.to_owned(),
        None => format!("/api/v1/namespaces/{ns}/{path}"),
    }
}

fn check(cx: &Cx, rows: &[Row]) -> Result<()> {
    let api = cx.node.api()?;
    let before = state(&api, &cx.ns)?;
    for row in rows {
        let one = || -> Result<()> {
            let answer = api.request(row.method, &full(&cx.ns, row.path), row.kind, row.body)?;
            ensure!(answer.status == row.code, "{}: {}", answer.status, answer.text());
            let status = answer.json()?;
            equals(&status, "/kind", "Status")?;
            equals(&status, "/apiVersion", "v1")?;
            equals(&status, "/status", "Failure")?;
            equals(&status, "/code", row.code)?;
            let reason = if row.reason.is_empty() { Value::Null } else { row.reason.into() };
            equals(&status, "/reason", reason)?;
            let message = status["message"].as_str().context("a message")?;
            has(message, row.says)?;
            if message.contains(" is invalid: ") {
                // Each cause names its field.
                let causes = status["details"]["causes"].as_array().context("causes")?;
                ensure!(
                    !causes.is_empty() && causes.iter().all(|c| c["field"].is_string() && c["reason"].is_string()),
                    "{status:#}"
                );
            }
            Ok(())
        };
        one().with_context(|| row.what.to_owned())?;
        ensure!(state(&api, &cx.ns)? == before, "{} left something", row.what);
    }
    Ok(())
}

/// Names and versions of what the tables write.
fn state(api: &Client, ns: &str) -> Result<Vec<(Value, Value)>> {
    let mut all = Vec::new();
    for path in ["configmaps", "secrets", "services", "pods", "apps:deployments", "/api/v1/namespaces"] {
        let list = api.get(&full(ns, path))?.json()?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        // Namespaces of earlier cases go on going.
        let going = |v: &Value| v["metadata"]["deletionTimestamp"].is_string();
        all.extend(
            items
                .into_iter()
                .filter(|v| !going(v))
                .map(|v| (v["metadata"]["name"].clone(), v["metadata"]["uid"].clone())),
        );
    }
    Ok(all)
}

fn post<'a>(what: &'a str, path: &'a str, body: &'a str, code: u16, reason: &'a str, says: &'a [&'a str]) -> Row<'a> {
    Row { what, method: "POST", path, kind: JSON, body: body.as_bytes(), code, reason, says }
}

fn malformed(cx: &Cx) -> Result<()> {
    let typed = |kind, body| Row { kind, ..post("", "configmaps", body, 400, "BadRequest", &[]) };
    check(
        cx,
        &[
            post("no body", "configmaps", "", 400, "BadRequest", &[]),
            post(
                "half an object",
                "configmaps",
                r#"{"apiVersion":"v1","kind":"ConfigMap","#,
                400,
                "BadRequest",
                &["ConfigMap"],
            ),
            post("text", "configmaps", "hello", 400, "BadRequest", &[]),
            post("a list", "configmaps", "[]", 400, "BadRequest", &[]),
            post(
                "no kind",
                "configmaps",
                r#"{"metadata":{"name":"a"},"data":{"a":1}}"#,
                400,
                "BadRequest",
                &["cannot unmarshal number into Go struct field ConfigMap.data of type string"],
            ),
            post(
                "another kind",
                "configmaps",
                r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"}}"#,
                400,
                "BadRequest",
                &["Secret in version \"v1\" cannot be handled as a ConfigMap"],
            ),
            post(
                "another version",
                "configmaps",
                r#"{"apiVersion":"apps/v1","kind":"ConfigMap","metadata":{"name":"a"}}"#,
                400,
                "BadRequest",
                &["the API version in the data (apps/v1) does not match the expected API version (v1)"],
            ),
            post(
                "another namespace",
                "configmaps",
                r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"default"}}"#,
                400,
                "BadRequest",
                &["the namespace of the provided object does not match the namespace sent on the request"],
            ),
            post(
                "a number as text",
                "apps:deployments",
                r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"a"},"spec":{"replicas":"two"}}"#,
                400,
                "BadRequest",
                &[
                    "Deployment in version \"v1\" cannot be handled as a Deployment",
                    "cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
                ],
            ),
            post(
                "a bad quantity",
                "pods",
                r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"a","image":"a","resources":{"limits":{"cpu":"lots"}}}]}}"#,
                400,
                "BadRequest",
                &["quantities must match the regular expression"],
            ),
            post(
                "bad base64",
                "secrets",
                r#"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"a"},"data":{"a":"%%"}}"#,
                400,
                "BadRequest",
                &["illegal base64 data at input byte 0"],
            ),
            Row { what: "bad YAML", ..typed("application/yaml", "a: [b\n") },
            Row { what: "bad protobuf", ..typed("application/vnd.kubernetes.protobuf", "k8s\0\u{1}\u{2}\u{3}") },
            Row {
                what: "an unknown type of body",
                code: 415,
                reason: "UnsupportedMediaType",
                ..typed("text/csv", "a,b")
            },
        ],
    )
}

fn excessive(cx: &Cx) -> Result<()> {
    let deep = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a"}},"x":{}1{}}}"#,
        r#"{"a":"#.repeat(20_000),
        "}".repeat(20_000)
    );
    let large = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a"}},"data":{{"a":"{}"}}}}"#,
        "x".repeat(1_100_000)
    );
    let huge = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a"}},"data":{{"a":"{}"}}}}"#,
        "x".repeat(5_000_000)
    );
    let notes = format!(
        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a","annotations":{{"a":"{}"}}}}}}"#,
        "x".repeat(262_145)
    );
    check(
        cx,
        &[
            post("too deep", "configmaps", &deep, 400, "BadRequest", &[]),
            post(
                "a ConfigMap too large",
                "configmaps",
                &large,
                422,
                "Invalid",
                &["ConfigMap \"a\" is invalid", "Too long: may not be more than 1048576 bytes"],
            ),
            post("a body too large", "configmaps", &huge, 413, "RequestEntityTooLarge", &["limit is 3145728"]),
            post(
                "annotations too large",
                "configmaps",
                &notes,
                422,
                "Invalid",
                &["metadata.annotations: Too long: may not be more than 262144 bytes"],
            ),
        ],
    )
}

fn strict(cx: &Cx) -> Result<()> {
    let unknown = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"dat":{"a":"b"}}"#;
    let doubled = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"a":"b"},"data":{"c":"d"}}"#;
    let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\ndata: {c: d}\n";
    let strictly = "configmaps?fieldValidation=Strict";
    check(
        cx,
        &[
            post("unknown", strictly, unknown, 400, "BadRequest", &["strict decoding error: unknown field \"dat\""]),
            post("doubled", strictly, doubled, 400, "BadRequest", &["strict decoding error: duplicate field \"data\""]),
            Row {
                kind: "application/yaml",
                ..post("doubled in YAML", strictly, yaml, 400, "BadRequest", &["key \"data\" already set in map"])
            },
            post(
                "a wrong wish",
                "configmaps?fieldValidation=Maybe",
                unknown,
                422,
                "Invalid",
                &["fieldValidation: Unsupported value: \"Maybe\""],
            ),
        ],
    )?;
    // Without the wish it is taken, pruned, and (by default) a warning is given.
    let api = cx.node.api()?;
    let taken = api.request("POST", &full(&cx.ns, "configmaps"), JSON, unknown.as_bytes())?;
    ensure!(taken.status == 201 && !taken.text().contains("dat\""), "{}", taken.text());
    let warning = taken.headers.iter().find(|(n, _)| n == "warning").map(|(_, v)| v.as_str());
    has(warning.unwrap_or_default(), &["299", "unknown field"])
}

fn invalid(cx: &Cx) -> Result<()> {
    let deployment = |rest: &str| {
        format!(
            r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"a"}},"spec":{{"selector":{{"matchLabels":{{"app":"a"}}}},"template":{{"metadata":{{"labels":{{"app":"a"}}}},"spec":{{"containers":[{{"name":"a","image":"a"{rest}}}]}}}}}}}}"#
        )
    };
    let port = deployment(r#","ports":[{"containerPort":99999}]"#);
    let policy = deployment(r#","imagePullPolicy":"Sometimes""#);
    let mount = deployment(r#","volumeMounts":[{"name":"none","mountPath":"/x"}]"#);
    let requests = deployment(r#","resources":{"requests":{"cpu":"2"},"limits":{"cpu":"1"}}"#);
    let mismatch = deployment("").replace(r#""labels":{"app":"a"}"#, r#""labels":{"app":"b"}"#);
    let pod = |rest: &str| format!(r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"a"}},"spec":{{{rest}}}}}"#);
    let empty = pod(r#""containers":[]"#);
    let twins = pod(r#""containers":[{"name":"a","image":"a"},{"name":"a","image":"b"}]"#);
    let nameless = pod(r#""containers":[{"image":"a"}]"#);
    let restart = pod(r#""containers":[{"name":"a","image":"a"}],"restartPolicy":"Perhaps""#);
    check(
        cx,
        &[
            post(
                "a bad name",
                "configmaps",
                r#"{"metadata":{"name":"A_b"}}"#,
                422,
                "Invalid",
                &[
                    "ConfigMap \"A_b\" is invalid: metadata.name: Invalid value: \"A_b\": a lowercase RFC 1123 subdomain must consist of",
                ],
            ),
            post(
                "no name",
                "configmaps",
                r#"{"metadata":{}}"#,
                422,
                "Invalid",
                &["metadata.name: Required value: name or generateName is required"],
            ),
            post(
                "a bad label",
                "configmaps",
                r#"{"metadata":{"name":"a","labels":{"a b":"c"}}}"#,
                422,
                "Invalid",
                &["metadata.labels: Invalid value: \"a b\": name part must consist of"],
            ),
            post(
                "a bad key",
                "configmaps",
                r#"{"metadata":{"name":"a"},"data":{"a/b":"c"}}"#,
                422,
                "Invalid",
                &["data[a/b]: Invalid value: \"a/b\""],
            ),
            post(
                "a port out of range",
                "apps:deployments",
                &port,
                422,
                "Invalid",
                &[
                    "Deployment.apps \"a\" is invalid: spec.template.spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive",
                ],
            ),
            post(
                "an unknown policy",
                "apps:deployments",
                &policy,
                422,
                "Invalid",
                &[
                    "spec.template.spec.containers[0].imagePullPolicy: Unsupported value: \"Sometimes\": supported values: \"Always\", \"IfNotPresent\", \"Never\"",
                ],
            ),
            post(
                "a mount of nothing",
                "apps:deployments",
                &mount,
                422,
                "Invalid",
                &["spec.template.spec.containers[0].volumeMounts[0].name: Not found: \"none\""],
            ),
            post(
                "requests above limits",
                "apps:deployments",
                &requests,
                422,
                "Invalid",
                &["resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"],
            ),
            post(
                "a selector that misses",
                "apps:deployments",
                &mismatch,
                422,
                "Invalid",
                &[
                    "spec.template.metadata.labels: Invalid value: {\"app\":\"b\"}: `selector` does not match template `labels`",
                ],
            ),
            post(
                "no containers",
                "pods",
                &empty,
                422,
                "Invalid",
                &["Pod \"a\" is invalid: spec.containers: Required value"],
            ),
            post("two of a name", "pods", &twins, 422, "Invalid", &["spec.containers[1].name: Duplicate value: \"a\""]),
            post(
                "a container without name",
                "pods",
                &nameless,
                422,
                "Invalid",
                &["spec.containers[0].name: Required value"],
            ),
            post(
                "a restart policy",
                "pods",
                &restart,
                422,
                "Invalid",
                &[
                    "spec.restartPolicy: Unsupported value: \"Perhaps\": supported values: \"Always\", \"Never\", \"OnFailure\"",
                ],
            ),
            post(
                "a Service without ports",
                "services",
                r#"{"metadata":{"name":"a"},"spec":{"selector":{"a":"b"}}}"#,
                422,
                "Invalid",
                &["Service \"a\" is invalid: spec.ports: Required value"],
            ),
            post(
                "ports without names",
                "services",
                r#"{"metadata":{"name":"a"},"spec":{"ports":[{"port":1},{"port":2}]}}"#,
                422,
                "Invalid",
                &["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"],
            ),
            post(
                "a foreign address",
                "services",
                r#"{"metadata":{"name":"a"},"spec":{"clusterIP":"192.0.2.1","ports":[{"port":1}]}}"#,
                422,
                "Invalid",
                &["spec.clusterIPs: Invalid value: [\"192.0.2.1\"]: failed to allocate IP 192.0.2.1"],
            ),
            post(
                "a node port out of range",
                "services",
                r#"{"metadata":{"name":"a"},"spec":{"type":"NodePort","ports":[{"port":1,"nodePort":80}]}}"#,
                422,
                "Invalid",
                &["spec.ports[0].nodePort: Invalid value: 80: provided port is not in the valid range"],
            ),
            post(
                "a kind of Service",
                "services",
                r#"{"metadata":{"name":"a"},"spec":{"type":"Other","ports":[{"port":1}]}}"#,
                422,
                "Invalid",
                &["spec.type: Unsupported value: \"Other\""],
            ),
            post(
                "a pod of a missing account",
                "pods",
                &pod(r#""serviceAccountName":"none","containers":[{"name":"a","image":"a"}]"#),
                403,
                "Forbidden",
                &["pods \"a\" is forbidden: error looking up service account", "serviceaccount \"none\" not found"],
            ),
        ],
    )
}

fn updates(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap a --from-literal=a=1")?;
    k.ok("create configmap fixed")?;
    k.ok("patch configmap fixed -p '{\"immutable\":true}'")?;
    k.ok("create deployment web --image=web:1 --replicas=0")?;
    k.ok("create secret generic s --from-literal=a=1")?;
    k.ok("create service clusterip web --tcp=80:80")?;
    let put =
        |what, path, body, code, reason, says| Row { method: "PUT", ..post(what, path, body, code, reason, says) };
    let mut service = k.json("get service web")?;
    service["spec"]["clusterIP"] = "10.43.99.99".into();
    service["spec"]["clusterIPs"] = serde_json::json!(["10.43.99.99"]);
    let service = service.to_string();
    let mut deployment = k.json("get deployment web")?;
    deployment["spec"]["selector"]["matchLabels"]["app"] = "other".into();
    deployment["spec"]["template"]["metadata"]["labels"]["app"] = "other".into();
    let deployment = deployment.to_string();
    let stale = r#"{"metadata":{"name":"a","resourceVersion":"1"}}"#;
    check(
        cx,
        &[
            put(
                "a stale version",
                "configmaps/a",
                stale,
                409,
                "Conflict",
                &[
                    "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again",
                ],
            ),
            put(
                "another name",
                "configmaps/a",
                r#"{"metadata":{"name":"b"}}"#,
                400,
                "BadRequest",
                &["the name of the object (b) does not match the name on the URL (a)"],
            ),
            put(
                "nothing there",
                "configmaps/none",
                r#"{"metadata":{"name":"none","resourceVersion":"5"}}"#,
                404,
                "NotFound",
                &["configmaps \"none\" not found"],
            ),
            put(
                "another uid",
                "configmaps/a",
                r#"{"metadata":{"name":"a","uid":"x"}}"#,
                409,
                "Conflict",
                &["Precondition failed: UID in precondition: x"],
            ),
            put(
                "immutable data",
                "configmaps/fixed",
                r#"{"metadata":{"name":"fixed"},"immutable":true,"data":{"a":"b"}}"#,
                422,
                "Invalid",
                &["data: Forbidden: field is immutable when `immutable` is set"],
            ),
            put(
                "a Secret's type",
                "secrets/s",
                r#"{"metadata":{"name":"s"},"type":"other/type"}"#,
                422,
                "Invalid",
                &["type: Invalid value: \"other/type\": field is immutable"],
            ),
            put(
                "an address",
                "services/web",
                &service,
                422,
                "Invalid",
                &["spec.clusterIPs[0]: Invalid value: [\"10.43.99.99\"]: may not change once set"],
            ),
            put(
                "a selector",
                "apps:deployments/web",
                &deployment,
                422,
                "Invalid",
                &["spec.selector: Invalid value:", "field is immutable"],
            ),
            post(
                "it exists",
                "configmaps",
                r#"{"metadata":{"name":"a"}}"#,
                409,
                "AlreadyExists",
                &["configmaps \"a\" already exists"],
            ),
            post(
                "a version at creation",
                "configmaps",
                r#"{"metadata":{"name":"z","resourceVersion":"5"}}"#,
                500,
                "",
                &["resourceVersion should not be set on objects to be created"],
            ),
            Row {
                method: "DELETE",
                ..post(
                    "the wrong one",
                    "configmaps/a",
                    r#"{"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":"x"}}"#,
                    409,
                    "Conflict",
                    &["the UID in the precondition (x) does not match the UID in record"],
                )
            },
        ],
    )
}

fn patches(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap a --from-literal=a=1")?;
    let patch = |what, kind, body: &'static str, code, reason, says| Row {
        method: "PATCH",
        kind,
        ..post(what, "configmaps/a", body, code, reason, says)
    };
    let (json, merge) = ("application/json-patch+json", "application/merge-patch+json");
    let (strategic, apply) = ("application/strategic-merge-patch+json", "application/apply-patch+yaml");
    check(
        cx,
        &[
            patch("not JSON", merge, "{", 400, "BadRequest", &[]),
            patch("not a list", json, "{}", 400, "BadRequest", &[]),
            patch(
                "no such path",
                json,
                r#"[{"op":"remove","path":"/data/none"}]"#,
                422,
                "Invalid",
                &["the server rejected our request due to an error in our request"],
            ),
            patch(
                "a failed test",
                json,
                r#"[{"op":"test","path":"/data/a","value":"2"}]"#,
                422,
                "Invalid",
                &["the server rejected our request due to an error in our request"],
            ),
            patch("a wrong type", strategic, r#"{"data":{"a":1}}"#, 400, "BadRequest", &["ConfigMap"]),
            patch(
                "an unknown type of patch",
                JSON,
                "{}",
                415,
                "UnsupportedMediaType",
                &["application/json-patch+json"],
            ),
            patch(
                "an apply without a manager",
                apply,
                "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}",
                422,
                "Invalid",
                &["fieldManager: Required value: is required for apply patch"],
            ),
            Row {
                path: "configmaps/none",
                ..patch("nothing there", merge, "{}", 404, "NotFound", &["configmaps \"none\" not found"])
            },
            Row {
                path: "configmaps/a?fieldManager=x",
                ..patch(
                    "another name",
                    apply,
                    "{apiVersion: v1, kind: ConfigMap, metadata: {name: b}}",
                    400,
                    "BadRequest",
                    &["name"],
                )
            },
        ],
    )
    .context("the causes of a patch that does not apply are upstream's")
}

fn requests(cx: &Cx) -> Result<()> {
    let get =
        |what, path, code, reason, says| Row { method: "GET", kind: "", ..post(what, path, "", code, reason, says) };
    check(
        cx,
        &[
            get("an unknown path", "/nonsense", 404, "NotFound", &["the server could not find the requested resource"]),
            get(
                "an unknown group",
                "/apis/none.test/v1/things",
                404,
                "NotFound",
                &["the server could not find the requested resource"],
            ),
            get(
                "an unknown resource",
                "things",
                404,
                "NotFound",
                &["the server could not find the requested resource"],
            ),
            get("a bad selector", "configmaps?labelSelector=a%3D%3D%3D", 400, "BadRequest", &[]),
            get("a bad limit", "configmaps?limit=many", 400, "BadRequest", &[]),
            get(
                "a bad continue token",
                "configmaps?continue=nonsense&limit=1",
                400,
                "BadRequest",
                &["continue key is not valid"],
            ),
            get(
                "a version of the future",
                "configmaps?resourceVersion=99999999",
                504,
                "Timeout",
                &["Too large resource version"],
            ),
            get("a bad version", "configmaps?resourceVersion=x", 400, "BadRequest", &[]),
            get("a watch that is too old", "configmaps?watch=true&resourceVersion=x", 400, "BadRequest", &[]),
            Row {
                method: "BREW",
                ..get(
                    "a method",
                    "configmaps",
                    405,
                    "MethodNotAllowed",
                    &["the server does not allow this method on the requested resource"],
                )
            },
            Row {
                method: "PUT",
                kind: JSON,
                body: b"{}",
                ..get("a collection", "configmaps", 405, "MethodNotAllowed", &[])
            },
            post(
                "a namespace that is not there",
                "/api/v1/namespaces/none/configmaps",
                r#"{"metadata":{"name":"a"}}"#,
                404,
                "NotFound",
                &["namespaces \"none\" not found"],
            ),
            post(
                "bad dry run",
                "configmaps?dryRun=some",
                r#"{"metadata":{"name":"a"}}"#,
                422,
                "Invalid",
                &["dryRun: Unsupported value"],
            ),
        ],
    )
}
