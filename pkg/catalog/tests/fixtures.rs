//! Upstream's own example of every kind, through every codec.
//!
//! The Kubernetes source tree holds an object of each kind with all fields set, as JSON, YAML and protobuf
//! (`staging/src/k8s.io/api/testdata/HEAD`). They are the judge of the schema table: names, order, tags, wire kinds,
//! inline members and what is printed when. `KNARR_FIXTURES` names a directory with them.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use knarr_api::{
    Value,
    decode::{self, Validation},
    json::{self, Limits, Parsed},
    proto::{self, Envelope},
    schema::Schema,
    yaml,
};

/// One fixture: its path without extension, and what its name says.
struct Fixture {
    stem: PathBuf,
    group: String,
    version: String,
    kind: String,
}

#[test]
#[ignore = "needs upstream fixtures in KNARR_FIXTURES"]
fn every_codec_gives_upstream_bytes() {
    let directory = env::var("KNARR_FIXTURES").expect("KNARR_FIXTURES names a directory");
    let fixtures = list(Path::new(&directory));
    assert!(!fixtures.is_empty(), "no fixture of a stable version in {directory}");
    let mut failures = Vec::new();
    for fixture in &fixtures {
        if let Err(problem) = check(fixture) {
            failures.push(format!("{}/{} {}: {problem}", fixture.group, fixture.version, fixture.kind));
        }
    }
    assert!(failures.is_empty(), "{} of {} failed:\n{}", failures.len(), fixtures.len(), failures.join("\n"));
    println!("{} kinds passed", fixtures.len());
}

/// The fixtures of stable versions: files named `group.version.Kind.json`.
fn list(directory: &Path) -> Vec<Fixture> {
    let entries = fs::read_dir(directory).expect("KNARR_FIXTURES can be read");
    let paths = entries.map(|e| e.expect("KNARR_FIXTURES can be listed").path());
    let mut fixtures: Vec<Fixture> = paths.filter_map(fixture).collect();
    fixtures.sort_by(|a, b| a.stem.cmp(&b.stem));
    fixtures
}

fn fixture(path: PathBuf) -> Option<Fixture> {
    let stem = path.file_name()?.to_str()?.strip_suffix(".json")?;
    let (rest, kind) = stem.rsplit_once('.')?;
    let (group, version) = rest.rsplit_once('.')?;
    let group = if group == "core" { "" } else { group };
    version.strip_prefix('v')?.parse::<u32>().ok()?;
    let [group, version, kind] = [group, version, kind].map(str::to_owned);
    Some(Fixture { stem: path.with_extension(""), group, version, kind })
}

fn check(fixture: &Fixture) -> Result<(), String> {
    let schema = knarr_catalog::kind(&fixture.group, &fixture.version, &fixture.kind).ok_or("not in the table")?;
    let read = |extension: &str| {
        let path = format!("{}.{extension}", fixture.stem.display());
        fs::read(&path).map_err(|e| format!("{path}: {e}"))
    };
    let (text, yaml_text, binary) = (read("json")?, read("yaml")?, read("pb")?);
    let limits = Limits::default();

    let parsed = json::parse(&text, &limits).map_err(|e| e.to_string())?;
    let original = parsed.value.clone();
    let tree = canonical(&schema, parsed)?;
    same("normalised JSON", &tree, &original)?;
    let mut printed = Vec::new();
    json::encode(schema.ty(), &tree, &mut printed);
    same_text("printed JSON", &String::from_utf8_lossy(&printed), &compact(&String::from_utf8_lossy(&text)))?;

    let from_yaml = yaml::parse(&yaml_text, &limits).map_err(|e| e.to_string())?;
    same("YAML", &canonical(&schema, from_yaml)?, &tree)?;

    let envelope = Envelope::open(&binary).map_err(|e| e.to_string())?;
    let mut from_binary = proto::decode(schema.ty(), envelope.raw, &limits).map_err(|e| e.to_string())?;
    // Kind and version travel in the envelope. (A WatchEvent has none.)
    for (name, text) in [("kind", envelope.kind), ("apiVersion", envelope.api_version)] {
        if schema.ty().field(name).is_some() {
            from_binary.set(&[name], text);
        }
    }
    same("protobuf", &from_binary, &tree)?;
    let mut sealed = Vec::new();
    Envelope::seal_with(envelope.api_version, envelope.kind, &mut sealed, |out| proto::encode(schema.ty(), &tree, out))
        .map_err(|e| e.to_string())?;
    let differ = sealed.iter().zip(&binary).position(|(a, b)| a != b);
    match (sealed.len() == binary.len(), differ) {
        (true, None) => Ok(()),
        (_, at) => {
            let at = at.unwrap_or(sealed.len().min(binary.len()));
            let near = String::from_utf8_lossy(&binary[at.saturating_sub(40)..binary.len().min(at + 20)]).into_owned();
            Err(format!("protobuf differs at byte {at} of {}, upstream near: {near:?}", binary.len()))
        }
    }
}

fn canonical(schema: &Schema, parsed: Parsed) -> Result<Value, String> {
    let decoded = decode::normalise(schema.ty(), parsed, Validation::Strict).map_err(|e| e.to_string())?;
    Ok(decoded.value)
}

fn same(what: &str, got: &Value, want: &Value) -> Result<(), String> {
    difference(got, want, String::new()).map_or(Ok(()), |at| Err(format!("{what}: {at}")))
}

/// Where two trees differ first.
fn difference(got: &Value, want: &Value, path: String) -> Option<String> {
    match (got, want) {
        (Value::Object(a), Value::Object(b)) => {
            let missing = b.keys().find(|k| !a.contains(k)).map(|k| format!("{path}.{k} missing"));
            let extra = || a.keys().find(|k| !b.contains(k)).map(|k| format!("{path}.{k} = {:?} added", a.get(k)));
            let deeper = || a.iter().find_map(|(k, v)| b.get(k).and_then(|w| difference(v, w, format!("{path}.{k}"))));
            missing.or_else(extra).or_else(deeper)
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (v, w))| difference(v, w, format!("{path}[{i}]")))
        }
        (a, b) if a == b => None,
        (a, b) => Some(format!("{path}: {a:?}, upstream {b:?}")),
    }
}

fn same_text(what: &str, got: &str, want: &str) -> Result<(), String> {
    match got.bytes().zip(want.bytes()).position(|(a, b)| a != b) {
        None if got.len() == want.len() => Ok(()),
        at => {
            let at = at.unwrap_or(got.len().min(want.len()));
            let near = |text: &str| text[at.saturating_sub(60)..text.len().min(at + 40)].to_owned();
            Err(format!("{what}: {}, upstream {}", near(got), near(want)))
        }
    }
}

/// JSON without the white space outside strings.
fn compact(text: &str) -> String {
    let (mut out, mut quoted, mut escaped) = (String::new(), false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = quoted,
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => continue,
            _ => {}
        }
        out.push(c);
    }
    out
}
