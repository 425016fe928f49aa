//! Bad input, sent as bytes: the Status is upstream's, and nothing is stored. The tables are the text files beside this
//! one: what it is, the request, its body, then code and reason, then parts of the message.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    http::Client,
    suite::{Case, Cx, Place::Shared, case},
    text::{equals, has},
};

pub const CASES: &[Case] = &[
    case("input/malformed", Shared(|cx| check(cx, &rows(include_str!("malformed.txt"))?))),
    case("input/too large and too deep", Shared(excessive)),
    case("input/unknown and doubled fields", Shared(strict)),
    case("input/invalid objects", Shared(|cx| check(cx, &rows(include_str!("invalid.txt"))?))),
    case("input/invalid updates", Shared(updates)),
    case("input/patches", Shared(patches)),
    case("input/requests", Shared(|cx| check(cx, &rows(include_str!("requests.txt"))?))),
];

/// One bad request and what must come back.
struct Row {
    what: String,
    method: String,
    path: String,
    kind: String,
    body: String,
    code: u16,
    reason: Option<String>,
    says: Vec<String>,
}

/// The rows of a table.
fn rows(text: &str) -> Result<Vec<Row>> {
    text.split("== ")
        .filter(|part| !part.trim().is_empty())
        .map(|part| row(part).with_context(|| part.to_owned()))
        .collect()
}

fn row(text: &str) -> Result<Row> {
    let mut lines = text.lines();
    let what = lines.next().context("what it is")?.to_owned();
    let mut request = lines.next().context("a request")?.split(' ').map(str::to_owned);
    let mut next = || request.next().context("method, path and type of body");
    let (method, path, kind) = (next()?, next()?, next()?);
    // A request without a body has no type of it.
    let kind = if kind == "-" { String::new() } else { kind };
    let mut body = Vec::new();
    let (code, reason) = loop {
        let line = lines.next().context("a code")?;
        let (code, reason) = line.split_once(' ').unwrap_or((line, ""));
        match code.parse::<u16>() {
            Ok(code) => break (code, (!reason.is_empty()).then(|| reason.to_owned())),
            Err(_) => body.push(line),
        }
    };
    let says = lines.filter(|line| !line.is_empty()).map(str::to_owned).collect();
    Ok(Row { what, method, path, kind, body: body.join("\n"), code, reason, says })
}

/// A row whose body is computed.
fn long(what: &str, request: (&str, &str), body: String, code: u16, reason: &str, says: &[&str]) -> Row {
    Row {
        what: what.to_owned(),
        method: request.0.to_owned(),
        path: request.1.to_owned(),
        kind: "application/json".to_owned(),
        body,
        code,
        reason: Some(reason.to_owned()),
        says: says.iter().map(|s| (*s).to_owned()).collect(),
    }
}

/// Paths of the tables that begin with a resource are in the case's namespace.
fn full(ns: &str, path: &str) -> String {
    match path.strip_prefix("apps:") {
        Some(rest) => format!("/apis/apps/v1/namespaces/{ns}/{rest}"),
        None if path.starts_with('/') => path.to_owned(),
        None => format!("/api/v1/namespaces/{ns}/{path}"),
    }
}

fn check(cx: &Cx, rows: &[Row]) -> Result<()> {
    ensure!(!rows.is_empty(), "an empty table");
    let api = cx.node.api()?;
    let before = state(&api, &cx.ns)?;
    for row in rows {
        answer(&api, &cx.ns, row).with_context(|| row.what.clone())?;
        ensure!(state(&api, &cx.ns)? == before, "{} left something", row.what);
    }
    Ok(())
}

fn answer(api: &Client, ns: &str, row: &Row) -> Result<()> {
    let answer = api.request(&row.method, &full(ns, &row.path), &row.kind, row.body.as_bytes())?;
    ensure!(answer.status == row.code, "{}: {}", answer.status, answer.text());
    let status = answer.json()?;
    equals(&status, "/kind", "Status")?;
    equals(&status, "/apiVersion", "v1")?;
    equals(&status, "/status", "Failure")?;
    equals(&status, "/code", row.code)?;
    equals(&status, "/reason", row.reason.clone())?;
    let message = status["message"].as_str().context("a message")?;
    has(message, &row.says.iter().map(String::as_str).collect::<Vec<_>>())?;
    if message.contains(" is invalid: ") {
        // Each cause names its field.
        let causes = status["details"]["causes"].as_array().context("causes")?;
        let named = |cause: &Value| cause["field"].is_string() && cause["reason"].is_string();
        ensure!(!causes.is_empty() && causes.iter().all(named), "{status:#}");
    }
    Ok(())
}

/// Names and versions of what the tables write.
fn state(api: &Client, ns: &str) -> Result<Vec<(Value, Value)>> {
    let mut all = Vec::new();
    for path in ["configmaps", "secrets", "services", "pods", "apps:deployments"] {
        let list = api.get(&full(ns, path))?.json()?;
        let items = list["items"].as_array().cloned().unwrap_or_default();
        let id = |v: Value| (v["metadata"]["name"].clone(), v["metadata"]["uid"].clone());
        // What users write has its own counter; the status of a Deployment moves by itself.
        let data = |v: &Value| (v["data"].clone(), v["metadata"]["generation"].clone());
        all.extend(items.iter().map(data));
        all.extend(items.into_iter().map(id));
    }
    Ok(all)
}

fn excessive(cx: &Cx) -> Result<()> {
    let object = |meta: &str, rest: &str| {
        format!(r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"a"{meta}}}{rest}}}"#)
    };
    let deep = object("", &format!(r#","x":{}1{}"#, r#"{"a":"#.repeat(20_000), "}".repeat(20_000)));
    let data = |n: usize| object("", &format!(r#","data":{{"a":"{}"}}"#, "x".repeat(n)));
    let notes = object(&format!(r#","annotations":{{"a":"{}"}}"#, "x".repeat(262_145)), "");
    let to = ("POST", "configmaps");
    let large = &["ConfigMap \"a\" is invalid", "Too long: may not be more than 1048576 bytes"];
    check(
        cx,
        &[
            long("too deep", to, deep, 400, "BadRequest", &[]),
            long("a ConfigMap too large", to, data(1_100_000), 422, "Invalid", large),
            long("a body too large", to, data(5_000_000), 413, "RequestEntityTooLarge", &["limit is 3145728"]),
            long(
                "annotations too large",
                to,
                notes,
                422,
                "Invalid",
                &["metadata.annotations: Too long: may not be more than 262144 bytes"],
            ),
        ],
    )
}

fn strict(cx: &Cx) -> Result<()> {
    check(cx, &rows(include_str!("strict.txt"))?)?;
    // Without the wish it is taken, pruned, and (by default) a warning is given.
    let api = cx.node.api()?;
    let unknown = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"dat":{"a":"b"}}"#;
    let taken = api.request("POST", &full(&cx.ns, "configmaps"), "application/json", unknown.as_bytes())?;
    ensure!(taken.status == 201 && !taken.text().contains("dat\""), "{}", taken.text());
    let warning = taken.headers.iter().find(|(n, _)| n == "warning").map(|(_, v)| v.as_str());
    has(warning.unwrap_or_default(), &["299", "unknown field"])
}

fn updates(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.ok("create configmap a --from-literal=a=1")?;
    k.ok("create configmap fixed")?;
    k.ok("patch configmap fixed -p '{\"immutable\":true}'")?;
    k.ok("create deployment web --image=web:1 --replicas=0")?;
    k.ok("create secret generic s --from-literal=a=1")?;
    k.ok("create service clusterip web --tcp=80:80")?;
    let mut service = k.json("get service web")?;
    service["spec"]["clusterIP"] = "10.43.99.99".into();
    service["spec"]["clusterIPs"] = serde_json::json!(["10.43.99.99"]);
    let mut deployment = k.json("get deployment web")?;
    deployment["metadata"]["resourceVersion"] = Value::Null;
    deployment["spec"]["selector"]["matchLabels"]["app"] = "other".into();
    deployment["spec"]["template"]["metadata"]["labels"]["app"] = "other".into();
    let fixed = &["spec.clusterIPs[0]: Invalid value: [\"10.43.99.99\"]: may not change once set"];
    let selector = &["spec.selector: Invalid value:", "field is immutable"];
    check(cx, &rows(include_str!("updates.txt"))?)?;
    check(
        cx,
        &[
            long("an address", ("PUT", "services/web"), service.to_string(), 422, "Invalid", fixed),
            long("a selector", ("PUT", "apps:deployments/web"), deployment.to_string(), 422, "Invalid", selector),
        ],
    )
}

fn patches(cx: &Cx) -> Result<()> {
    cx.kubectl.ok("create configmap a --from-literal=a=1")?;
    check(cx, &rows(include_str!("patches.txt"))?)
}
