//! Changes inputs: half of the time as bytes, half of the time as the JSON tree they are.

use knarr_api::{
    Map, Str, Value,
    json::{self, Limits},
};
use knarr_fuzz::Random;

use crate::grow;

const MAX_LEN: usize = 8192;

pub(crate) fn print(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    json::write(value, &mut out);
    out
}

pub(crate) fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if random.one_in(2)
        && let Ok(mut tree) = json::parse(input, &Limits::default())
    {
        for _ in 0..=random.below(4) {
            mutate_tree(&mut tree.value, random);
        }
        *input = print(&tree.value);
        if !random.one_in(16) {
            input.truncate(MAX_LEN);
            return;
        }
    }
    mutate_bytes(input, other, random);
    input.truncate(MAX_LEN);
}

fn mutate_bytes(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    #[rustfmt::skip]
    const BITS: &[&[u8]] = &[
        b"{", b"}", b"[", b"]", b"\"", b":", b",", b"\\u", b"\\ud83d", b"null", b"true", b"-", b"1e", b".", b"0",
        b"9223372036854775808", b"\n", b"- ", b"&a ", b"*a", b"<<: ", b"---\n", b"|\n", b"? ", b"!!binary ", b"\t",
        b"\xff", b"\x00", b"\x80\x80", b"\xff\xff\xff\xff\x0f", b"\x0b", b"\x0c", b"Ki", b"spec", b"list", b"e99999",
        b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
        b"{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":",
    ];
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let end = (at + random.below(16)).min(input.len());
        match random.below(6) {
            0 => drop(input.drain(at..end)),
            1 => {
                let bit = random.pick(BITS);
                input.splice(at..at, bit.iter().copied());
            }
            2 if at < input.len() => input[at] = random.number() as u8,
            3 if at < input.len() => input[at] ^= 1 << random.below(8),
            4 => {
                let piece = input[at..end].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            _ => {
                let from = random.below(other.len() + 1);
                let piece = &other[from..(from + random.below(64)).min(other.len())];
                input.splice(at..at, piece.iter().copied());
            }
        }
    }
}

pub(crate) fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(map) => map.iter().map(|(_, v)| count(v)).sum(),
        _ => 0,
    }
}

/// The `n`th node, parents before children.
fn nth<'a>(value: &'a mut Value, n: &mut usize) -> Option<&'a mut Value> {
    if *n == 0 {
        return Some(value);
    }
    *n -= 1;
    match value {
        Value::Array(items) => items.iter_mut().find_map(|item| nth(item, n)),
        Value::Object(map) => map.iter_mut().find_map(|(_, item)| nth(item, n)),
        _ => None,
    }
}

pub(crate) fn mutate_tree(tree: &mut Value, random: &mut Random) {
    let nodes = count(tree);
    let elsewhere = nth(&mut tree.clone(), &mut random.below(nodes)).cloned().unwrap_or_default();
    let Some(here) = nth(tree, &mut random.below(nodes)) else { return };
    match (random.below(8), here) {
        (0, here) => *here = elsewhere,
        (1, here) => *here = grow::any(random),
        (2, Value::Object(map)) if !map.is_empty() => {
            let name = key(map, random);
            map.remove(&name);
        }
        (3, Value::Object(map)) if !map.is_empty() => {
            let name = key(map, random);
            let value = map.remove(&name).unwrap_or_default();
            map.insert(grow::name(random), value);
        }
        (4, Value::Object(map)) => directive(map, random),
        (_, Value::Object(map)) => {
            map.insert(grow::name(random), elsewhere);
        }
        (2, Value::Array(items)) if !items.is_empty() => drop(items.remove(random.below(items.len()))),
        (3, Value::Array(items)) if !items.is_empty() => {
            let copy = items[random.below(items.len())].clone();
            items.insert(random.below(items.len() + 1), copy);
        }
        (4, Value::Array(items)) if !items.is_empty() => {
            let (a, b) = (random.below(items.len()), random.below(items.len()));
            items.swap(a, b);
        }
        (_, Value::Array(items)) => items.push(elsewhere),
        (_, scalar) => *scalar = grow::any(random),
    }
}

fn key(map: &Map, random: &mut Random) -> Str {
    map.keys().nth(random.below(map.len())).unwrap_or_default().into()
}

/// Puts one of the strategic merge patch's directives beside the members it is about.
fn directive(map: &mut Map, random: &mut Random) {
    let lists: Vec<(Str, Vec<Value>)> =
        map.iter().filter_map(|(name, value)| Some((name.into(), value.as_array()?.to_vec()))).collect();
    let keys: Vec<Value> = map.keys().filter(|_| random.below(4) > 0).map(Value::from).collect();
    match (random.below(4), lists.is_empty()) {
        (0, _) => drop(map.insert("$patch", random.pick(&["delete", "replace", "merge", ""]))),
        (1, _) => drop(map.insert("$retainKeys", Value::Array(keys))),
        (n, false) => {
            let (name, mut items) = lists[random.below(lists.len())].clone();
            let turn = random.below(items.len());
            items.rotate_left(turn);
            let sign = if n == 2 { "$setElementOrder/" } else { "$deleteFromPrimitiveList/" };
            map.insert(format!("{sign}{name}"), Value::Array(items));
        }
        _ => {}
    }
}
