//! Tree → YAML, for clients that ask for `application/yaml`.

use super::resolve;
use crate::{Value, json};

/// Prints a tree as a YAML document: keys sorted, two spaces a level, lists not indented under their key.
pub fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Object(map) if !map.is_empty() => block(value, 0, out),
        Value::Array(items) if !items.is_empty() => block(value, 0, out),
        leaf => {
            scalar(leaf, 0, out);
            out.push(b'\n');
        }
    }
}

/// A list or object that has entries; the cursor is at the start of an indented line.
fn block(value: &Value, indent: usize, out: &mut Vec<u8>) {
    let mut first = true;
    let mut start = |out: &mut Vec<u8>| {
        if !std::mem::take(&mut first) {
            spaces(indent, out);
        }
    };
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter() {
                start(out);
                text(key, out);
                out.push(b':');
                match value {
                    Value::Object(inner) if !inner.is_empty() => {
                        out.push(b'\n');
                        spaces(indent + 2, out);
                        block(value, indent + 2, out);
                    }
                    Value::Array(items) if !items.is_empty() => {
                        out.push(b'\n');
                        spaces(indent, out);
                        block(value, indent, out);
                    }
                    leaf => {
                        out.push(b' ');
                        scalar(leaf, indent + 2, out);
                        out.push(b'\n');
                    }
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                start(out);
                out.extend_from_slice(b"- ");
                match item {
                    Value::Object(inner) if !inner.is_empty() => block(item, indent + 2, out),
                    Value::Array(inner) if !inner.is_empty() => block(item, indent + 2, out),
                    leaf => {
                        scalar(leaf, indent + 2, out);
                        out.push(b'\n');
                    }
                }
            }
        }
        _ => {}
    }
}

fn spaces(n: usize, out: &mut Vec<u8>) {
    out.resize(out.len() + n, b' ');
}

fn scalar(value: &Value, indent: usize, out: &mut Vec<u8>) {
    match value {
        Value::String(s) if is_block(s) => literal(s, indent, out),
        Value::String(s) => text(s, out),
        other => json::write(other, out),
    }
}

/// Whether a text reads best as a literal block, and can be one without an indentation indicator.
fn is_block(s: &str) -> bool {
    s.contains('\n')
        && !s.starts_with([' ', '\n'])
        && s.chars().all(|c| c == '\n' || c == '\t' || (' '..='~').contains(&c) || c > '\u{a0}' && c.is_alphanumeric())
}

fn literal(s: &str, indent: usize, out: &mut Vec<u8>) {
    let body = s.trim_end_matches('\n');
    out.push(b'|');
    match s.len() - body.len() {
        0 => out.push(b'-'),
        1 => {}
        _ => out.push(b'+'),
    }
    let kept = if s.len() - body.len() > 1 { &s[..s.len() - 1] } else { body };
    for line in kept.split('\n') {
        out.push(b'\n');
        if !line.is_empty() {
            spaces(indent, out);
            out.extend_from_slice(line.as_bytes());
        }
    }
}

/// A string on one line: plain where that is read back as the same string, quoted as in JSON elsewhere.
fn text(s: &str, out: &mut Vec<u8>) {
    let plain_start = s.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.' | '$' | '('));
    let plain_body = s.chars().all(|c| c.is_ascii_alphanumeric() || "/_.-$()+=,@;<>~^ :".contains(c));
    let ambiguous =
        s.contains(": ") || s.ends_with(':') || s.ends_with(' ') || s.starts_with("---") || s.starts_with("...");
    let same = matches!(resolve::plain(s), Ok(Value::String(_)));
    if plain_start && plain_body && !ambiguous && same {
        out.extend_from_slice(s.as_bytes());
    } else {
        json::write(&Value::from(s), out);
    }
}
