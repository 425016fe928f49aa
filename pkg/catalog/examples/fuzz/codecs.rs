//! What is read can be written, and read again as the same.

use knarr_api::{
    Value, decode,
    decode::Validation,
    default,
    json::{self, Limits},
    proto,
    schema::{Schema, Type},
    yaml,
};
use knarr_fuzz::Random;

use crate::{kinds, mutate::print};

const OBJECT: &[u8] = br#"{"kind":"Thing","metadata":{"name":"a","labels":{"k":"v"},"when":"2024-01-01T00:00:00Z"},
"spec":{"count":3,"ratio":1.5e-7,"amount":"1500m","raw":"AQ==","span":"1m30s","port":"http","any":{"x":[1,null]},
"list":[{"key":"a","value":"b"}],"words":["x","\u003c\ud83d\ude00"],"limits":{"cpu":"100m"},"extra":{"a":["b"]},
"nested":{"flag":true,"moment":"2024-01-01T00:00:00.000001Z"}}}"#;

const MANIFEST: &[u8] = b"---\nkind: Thing\nspec:\n  list:\n  - {key: a, value: yes}\n  - &x\n    key: 'b'\n  - <<: *x\n  any: |\n    text\n    more\n  count: 0x10\n---\na: \"b\\n\"\n";

/// For what we print ourselves, which may be longer than what we read.
const UNBOUNDED: Limits = Limits { depth: 256, bytes: usize::MAX };

pub(crate) fn object_seed(random: &mut Random) -> Vec<u8> {
    if random.one_in(16) { OBJECT.to_vec() } else { print(&kinds::object(random)) }
}

pub(crate) fn json_seed(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0 => b"[1,-2.5e3,\"\\u2028\",true,null]".to_vec(),
        _ => object_seed(random),
    }
}

pub(crate) fn yaml_seed(random: &mut Random) -> Vec<u8> {
    match random.below(4) {
        0 => MANIFEST.to_vec(),
        1 => object_seed(random),
        _ => {
            let mut out = Vec::new();
            yaml::write(&kinds::object(random), &mut out);
            out
        }
    }
}

pub(crate) fn json_round_trip(input: &[u8]) {
    let read = json::parse(input, &Limits::default());
    if let (Err(why), Ok(_)) = (&read, serde_json::from_slice::<serde_json::Value>(input)) {
        panic!("a JSON document is refused: {why}");
    }
    let Ok(first) = read else { return };
    let text = print(&first.value);
    let again = json::parse(&text, &UNBOUNDED).expect("what we print we can read");
    assert_eq!(print(&again.value), text);
    assert!(again.duplicates.is_empty());
    if !first.duplicates.is_empty() {
        json::in_document_order(input, &mut first.duplicates.clone(), |path| path);
    }
}

pub(crate) fn yaml_round_trip(input: &[u8]) {
    let limits = Limits::default();
    let _ = yaml::parse_all(input, &limits);
    let Ok(first) = yaml::parse(input, &limits) else { return };
    let mut text = Vec::new();
    yaml::write(&first.value, &mut text);
    let again = yaml::parse(&text, &UNBOUNDED).expect("what we print we can read");
    assert_eq!(print(&again.value), print(&first.value), "{}", String::from_utf8_lossy(&text));
}

/// The first byte chooses the type, the rest is the message.
pub(crate) fn proto_seed(random: &mut Random) -> Vec<u8> {
    let all = kinds::schemas();
    loop {
        let object = kinds::object(random);
        let at = all.iter().position(|(v, k, _)| v == object.str_at(&["apiVersion"]) && k == object.str_at(&["kind"]));
        let at = at.unwrap_or_default();
        let ty = all[at].2.ty();
        if let Ok(tree) = decode::normalise(ty, object, Validation::Ignore) {
            let mut out = vec![at as u8];
            proto::encode(ty, &tree.value, &mut out).expect("canonical trees can be encoded");
            return out;
        }
    }
}

pub(crate) fn proto_round_trip(input: &[u8]) {
    let Some((which, input)) = input.split_first() else { return };
    let all = kinds::schemas();
    let ty = all[usize::from(*which) % all.len()].2.ty();
    let Ok(tree) = proto::decode(ty, input, &Limits::default()) else { return };
    let checked = decode::normalise(ty, tree.clone(), Validation::Strict).expect("a decoded message fits its schema");
    assert_eq!(checked.value, tree);
    let mut bytes = Vec::new();
    proto::encode(ty, &tree, &mut bytes).expect("a decoded message can be encoded");
    let again = proto::decode(ty, &bytes, &UNBOUNDED);
    assert_eq!(print(&again.expect("what we write we can read")), print(&tree));
    reads_its_json(ty, &tree);
}

/// The two codecs meet in one form. Compared is what is printed: `1e3` in a member that holds any JSON is a float when
/// it is read and an integer when it is read again.
fn reads_its_json(ty: Type<'_>, tree: &Value) {
    let encode = |tree: &Value| {
        let mut text = Vec::new();
        json::encode(ty, tree, &mut text);
        text
    };
    let text = encode(tree);
    let again =
        decode::document(ty, &text, &UNBOUNDED, Validation::Strict).expect("canonical trees are strictly valid");
    assert_eq!(encode(&again.value), text, "{}", String::from_utf8_lossy(&text));
}

pub(crate) fn envelope_seed(random: &mut Random) -> Vec<u8> {
    let raw = proto_seed(random);
    let all = kinds::schemas();
    let (version, kind, _) = &all[usize::from(raw[0]) % all.len()];
    let mut out = Vec::new();
    let seal = proto::Envelope { api_version: version, kind, raw: &raw[1..], content_encoding: "", content_type: "" };
    seal.seal(&mut out);
    out
}

pub(crate) fn envelope(input: &[u8]) {
    let Ok(open) = proto::Envelope::open(input) else { return };
    let mut out = Vec::new();
    open.seal(&mut out);
    assert_eq!(proto::Envelope::open(&out), Ok(open));
    let all = kinds::schemas();
    let known = all.iter().find(|(v, k, _)| v == open.api_version && k == open.kind);
    if let Some((_, _, schema)) = known {
        let _ = proto::decode(schema.ty(), open.raw, &Limits::default());
    }
}

/// The canonical tree of a document with its type, if it has one.
pub(crate) fn canonical(input: &[u8]) -> Option<(&'static Schema, Value)> {
    let limits = Limits::default();
    let schema = kinds::of(&json::parse(input, &limits).ok()?.value);
    let decoded = decode::document(schema.ty(), input, &limits, Validation::Ignore).ok()?;
    Some((schema, decoded.value))
}

/// Leaves what goes over the wire upstream: empty lists and maps are nothing there, and kind and version of an object
/// inside another (a claim's template) are not in its message.
pub(crate) fn as_on_the_wire(value: &mut Value) {
    match value {
        Value::Object(map) => map.retain(|name, inner| {
            as_on_the_wire(inner);
            let nothing = inner.is_null() || *inner == Value::object() || *inner == Value::Array(Vec::new());
            !nothing && !matches!(name, "kind" | "apiVersion")
        }),
        Value::Array(items) => items.iter_mut().for_each(as_on_the_wire),
        _ => {}
    }
}

pub(crate) fn canonical_form(input: &[u8]) {
    let Some((schema, mut once)) = canonical(input) else { return };
    let ty = schema.ty();
    let limits = Limits::default();
    let warned = decode::document(ty, input, &limits, Validation::Warn).expect("only `Strict` refuses more");
    let strict = decode::document(ty, input, &limits, Validation::Strict);
    assert_eq!(strict.is_err(), !warned.warnings.is_empty(), "{strict:?} {:?}", warned.warnings);
    assert_eq!(warned.value, once);
    for defaulted in [false, true] {
        if defaulted {
            default::apply(ty, &mut once);
            let again = once.clone();
            default::apply(ty, &mut once);
            assert_eq!(again, once, "defaults fill in once");
        }
        reads_its_json(ty, &once);
        let mut bytes = Vec::new();
        proto::encode(ty, &once, &mut bytes).expect("canonical trees can be encoded");
        if ty.field("apiVersion").is_some() {
            let mut back = proto::decode(ty, &bytes, &UNBOUNDED).expect("what we write we can read");
            let mut once = once.clone();
            as_on_the_wire(&mut back);
            as_on_the_wire(&mut once);
            assert_eq!(print(&back), print(&once), "both codecs meet in one form: {back:?} {once:?}");
        }
    }
}
