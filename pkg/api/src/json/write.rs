//! Tree → text, escaped as Go's `encoding/json` escapes by default (safe inside HTML).

use std::io::Write as _;

use crate::{
    Map, Value,
    schema::{Node, Type},
};

/// Prints a tree as Go prints a map: keys sorted, no spaces.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Array(items) => list(items, out, &mut write),
        Value::Object(map) => {
            out.push(b'{');
            for (n, (key, value)) in map.iter().enumerate() {
                member(n, key, out);
                write(value, out);
            }
            out.push(b'}');
        }
        leaf => scalar(leaf, out),
    }
}

/// Prints a tree by its schema: struct members in declared order, members the schema does not know after them,
/// maps sorted. What does not fit the schema is printed as [`write`] prints it.
pub fn encode(ty: Type<'_>, value: &Value, out: &mut Vec<u8>) {
    match (ty.node(), value) {
        (Node::Struct(_), Value::Object(map)) => structure(ty, map, out),
        (Node::List { .. }, Value::Array(items)) => match ty.item() {
            Some(item) => list(items, out, &mut |v, out| encode(item, v, out)),
            None => write(value, out),
        },
        (Node::Map { .. }, Value::Object(map)) => {
            let item = ty.item();
            out.push(b'{');
            for (n, (key, value)) in map.iter().enumerate() {
                member(n, key, out);
                match item {
                    Some(item) => encode(item, value, out),
                    None => write(value, out),
                }
            }
            out.push(b'}');
        }
        _ => write(value, out),
    }
}

fn structure(ty: Type<'_>, map: &Map, out: &mut Vec<u8>) {
    out.push(b'{');
    let mut printed = 0;
    ty.each_field(&mut |field| {
        if printed == map.len() {
            return;
        }
        if let Some(value) = map.get(field.name()) {
            member(printed, field.name(), out);
            encode(field.ty(), value, out);
            printed += 1;
        }
    });
    if printed < map.len() {
        for (key, value) in map.iter() {
            if ty.field(key).is_none() {
                member(printed, key, out);
                write(value, out);
                printed += 1;
            }
        }
    }
    out.push(b'}');
}

fn list(items: &[Value], out: &mut Vec<u8>, each: &mut dyn FnMut(&Value, &mut Vec<u8>)) {
    out.push(b'[');
    for (n, item) in items.iter().enumerate() {
        if n > 0 {
            out.push(b',');
        }
        each(item, out);
    }
    out.push(b']');
}

fn member(n: usize, key: &str, out: &mut Vec<u8>) {
    if n > 0 {
        out.push(b',');
    }
    string(key, out);
    out.push(b':');
}

fn scalar(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(n) => integer(*n, out),
        Value::Float(n) => float(*n, out),
        Value::String(s) => string(s, out),
        Value::Null | Value::Array(_) | Value::Object(_) => out.extend_from_slice(b"null"),
    }
}

fn integer(n: i64, out: &mut Vec<u8>) {
    write!(out, "{n}").expect("writing to memory does not fail");
}

/// Go prints the shortest digits, with an exponent below 1e-6 and from 1e21 on.
fn float(n: f64, out: &mut Vec<u8>) {
    let size = n.abs();
    if !n.is_finite() {
        // The invariant of Value; null is what a reader can at least parse.
        out.extend_from_slice(b"null");
    } else if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let start = out.len();
        write!(out, "{n:e}").expect("writing to memory does not fail");
        // Rust prints 1e21, Go 1e+21.
        if let Some(e) = out[start..].iter().position(|b| *b == b'e')
            && out[start + e + 1] != b'-'
        {
            out.insert(start + e + 1, b'+');
        }
    } else {
        write!(out, "{n}").expect("writing to memory does not fail");
    }
}

/// Prints a string in quotes.
fn string(text: &str, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut run = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' | b'\\' => byte,
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x08 => b'b',
            0x0c => b'f',
            0..0x20 | b'<' | b'>' | b'&' => 0,
            // U+2028 and U+2029: E2 80 A8, E2 80 A9.
            0xe2 if matches!(bytes[at..], [0xe2, 0x80, 0xa8 | 0xa9, ..]) => {
                out.extend_from_slice(&bytes[run..at]);
                out.extend_from_slice(if bytes[at + 2] == 0xa8 { b"\\u2028" } else { b"\\u2029" });
                run = at + 3;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[run..at]);
        run = at + 1;
        if short == 0 {
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
    }
    out.extend_from_slice(&bytes[run..]);
    out.push(b'"');
}
