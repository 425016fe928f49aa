//! Patches: an input is a list of a document and a patch of it.

use std::collections::BTreeSet;

use knarr_api::{
    Value, decode,
    decode::Validation,
    json::{self, Limits},
    patch,
};
use knarr_fuzz::Random;

use crate::{
    grow, kinds,
    mutate::{count, mutate_tree, print},
};

/// How much longer a JSON patch may make a document than document and patch together are.
const MAX_GROWTH: usize = 3 << 20;
/// How much longer a character may be in the form in which we print it.
const MAX_ESCAPE: usize = 6;

/// A document and something like it.
pub(crate) fn pair_seed(random: &mut Random) -> Vec<u8> {
    let doc = kinds::object(random);
    let mut patch = match random.below(3) {
        0 => kinds::object(random),
        1 => {
            let mut left = 60;
            grow::value(kinds::of(&doc).ty(), random, &mut left)
        }
        _ => doc.clone(),
    };
    for _ in 0..random.below(6) {
        mutate_tree(&mut patch, random);
    }
    print(&Value::Array(vec![doc, patch]))
}

/// A document and operations that name places in it.
pub(crate) fn json_seed(random: &mut Random) -> Vec<u8> {
    let doc = kinds::object(random);
    let mut places = Vec::new();
    pointers(&doc, &mut String::new(), &mut places);
    let place = |random: &mut Random| {
        let mut path = places[random.below(places.len())].clone();
        if random.one_in(4) {
            path = path + "/" + random.pick(&["-", "0", "1", "-1", "a", "~1", "~0"]);
        }
        path
    };
    let operations = (0..random.below(8)).map(|_| {
        let mut operation = Value::object();
        operation.set(&["op"], random.pick(&["add", "add", "remove", "replace", "move", "copy", "copy", "test"]));
        operation.set(&["path"], place(random));
        operation.set(&["from"], place(random));
        operation.set(&["value"], grow::any(random));
        operation
    });
    let operations = Value::Array(operations.collect());
    print(&Value::Array(vec![doc, operations]))
}

/// The JSON pointers of all nodes.
fn pointers(value: &Value, path: &mut String, out: &mut Vec<String>) {
    out.push(path.clone());
    let mut inside = |step: &str, inner: &Value| {
        let len = path.len();
        path.push('/');
        path.push_str(&step.replace('~', "~0").replace('/', "~1"));
        pointers(inner, path, out);
        path.truncate(len);
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(i, item)| inside(&i.to_string(), item)),
        Value::Object(map) => map.iter().for_each(|(name, inner)| inside(name, inner)),
        _ => {}
    }
}

/// Document and patch, each as deep as a request may be.
fn pair(input: &[u8]) -> Option<(Value, Value)> {
    let limits = Limits::default();
    let parsed = json::parse(input, &Limits { depth: limits.depth + 1, ..limits }).ok()?;
    let Value::Array(both) = parsed.value else { return None };
    let [doc, patch] = <[Value; 2]>::try_from(both).ok()?;
    Some((doc, patch))
}

/// What comes out of a patch can be printed, read, and normalised or refused.
fn acceptable(doc: &Value) {
    let text = print(doc);
    let limits = Limits { bytes: usize::MAX, ..Limits::default() };
    if let Ok(again) = json::parse(&text, &limits) {
        assert_eq!(print(&again.value), text);
    } else {
        assert!(depth(doc) > limits.depth, "what we print we can read");
    }
    let _ = decode::normalise(kinds::of(doc).ty(), doc.clone(), Validation::Warn);
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.iter().map(|(_, v)| depth(v)).max().unwrap_or(0),
        _ => 0,
    }
}

pub(crate) fn json(input: &[u8]) {
    let Some((mut doc, operations)) = pair(input) else { return };
    let applied = patch::json_patch(&mut doc, &operations);
    assert!(print(&doc).len() <= MAX_ESCAPE * input.len() + MAX_GROWTH, "a patch makes a document grow without bounds");
    if applied.is_ok() {
        assert!(depth(&doc) <= Limits::default().depth, "a patch makes a document grow too deep");
        acceptable(&doc);
    }
}

pub(crate) fn merge(input: &[u8]) {
    let Some((mut doc, patch)) = pair(input) else { return };
    let given = count(&doc) + count(&patch);
    if patch::merge(&mut doc, &patch).is_err() {
        return;
    }
    assert!(count(&doc) <= given, "a merge makes nothing up");
    acceptable(&doc);
    // A list that replaces an object is taken with its nulls, one that replaces anything else is not.
    if !nulls_in_lists(&patch, false) {
        let once = doc.clone();
        assert_eq!(patch::merge(&mut doc, &patch), Ok(()));
        assert_eq!(doc, once, "a second merge changes nothing");
    }
}

fn nulls_in_lists(value: &Value, inside: bool) -> bool {
    match value {
        Value::Null => inside,
        Value::Array(items) => items.iter().any(|item| nulls_in_lists(item, true)),
        Value::Object(map) => map.iter().any(|(_, item)| nulls_in_lists(item, inside)),
        _ => false,
    }
}

pub(crate) fn strategic(input: &[u8]) {
    let Some((doc, patch)) = pair(input) else { return };
    let schema = kinds::of(&doc);
    // Stored objects are canonical; objects of other types are patched as they are, and must only not panic.
    let canonical = decode::normalise(schema.ty(), doc.clone(), Validation::Ignore).map(|d| d.value);
    for mut doc in canonical.ok().into_iter().chain([doc]) {
        let given = count(&doc) + count(&patch);
        if patch::strategic(schema.ty(), &mut doc, &patch).is_err() {
            continue;
        }
        assert!(count(&doc) <= given, "a merge makes nothing up");
        acceptable(&doc);
        // What a new list brings is added as it is, and merged with itself the second time.
        if !directs(&patch) && !twins(&patch) && patch::strategic(schema.ty(), &mut doc, &patch).is_ok() {
            let twice = doc.clone();
            // Members that the type does not have are added, but cannot be merged.
            if patch::strategic(schema.ty(), &mut doc, &patch).is_ok() {
                assert_eq!(doc, twice, "a third merge changes nothing");
            }
        }
    }
}

/// Whether a patch may have elements of one name in a list. Which member is the name is the type's knowledge: any may be.
fn twins(patch: &Value) -> bool {
    match patch {
        Value::Array(items) => {
            let mut members = items.iter().filter_map(Value::as_object).flat_map(|map| map.iter());
            let mut seen = BTreeSet::new();
            !members.all(|(name, value)| seen.insert((name, print(value)))) || items.iter().any(twins)
        }
        Value::Object(map) => map.iter().any(|(_, item)| twins(item)),
        _ => false,
    }
}

/// Whether a patch removes things or steers: such patches may do something else the second time.
fn directs(patch: &Value) -> bool {
    match patch {
        Value::Null => true,
        Value::Array(items) => items.iter().any(directs),
        Value::Object(map) => map.iter().any(|(name, item)| name.starts_with('$') || directs(item)),
        _ => false,
    }
}
