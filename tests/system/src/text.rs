//! Looking at what programs print.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

/// Splits a command line as a shell would that knows spaces and single quotes only.
pub fn words(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            c if c.is_whitespace() && !quoted => out.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    out.extend(word);
    out
}

/// Text has all these parts.
pub fn has(text: &str, parts: &[&str]) -> Result<()> {
    let missing: Vec<_> = parts.iter().filter(|p| !text.contains(**p)).collect();
    ensure!(missing.is_empty(), "{missing:?} is not in:\n{text}");
    Ok(())
}

/// Text is exactly this, but for blank space at its end.
pub fn is(text: &str, expected: &str) -> Result<()> {
    ensure!(text.trim_end() == expected.trim_end(), "expected:\n{expected}\ngot:\n{text}");
    Ok(())
}

/// The cells of a table that kubectl printed; columns stand at least two spaces apart.
pub fn table(text: &str) -> Vec<Vec<&str>> {
    text.lines().map(|line| line.split("  ").map(str::trim).filter(|c| !c.is_empty()).collect()).collect()
}

/// A table's rows match patterns cell by cell: `*` is anything, a part before `*` must begin the cell.
pub fn rows(text: &str, expected: &[&str]) -> Result<()> {
    let found = table(text);
    let fits = |row: &Vec<&str>, pattern: &str| {
        let pattern: Vec<_> = pattern.split('|').map(str::trim).collect();
        row.len() == pattern.len() && row.iter().zip(pattern).all(|(cell, p)| cell_fits(cell, p))
    };
    ensure!(found.len() == expected.len(), "expected {} rows:\n{}\ngot:\n{text}", expected.len(), expected.join("\n"));
    for pattern in expected {
        ensure!(found.iter().any(|row| fits(row, pattern)), "no row fits {pattern:?}:\n{text}");
    }
    Ok(())
}

fn cell_fits(cell: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        Some((head, tail)) => cell.len() >= head.len() + tail.len() && cell.starts_with(head) && cell.ends_with(tail),
        None => cell == pattern,
    }
}

/// The telling part of an object, short enough for a report.
fn brief(value: &Value) -> String {
    let part = value.get("status").filter(|s| s.is_object()).unwrap_or(value);
    let text = part.to_string();
    text.char_indices().nth(1500).map_or(text.clone(), |(end, _)| format!("{}…", &text[..end]))
}

/// The value at a JSON pointer, which must be there.
pub fn at<'a>(value: &'a Value, pointer: &str) -> Result<&'a Value> {
    value.pointer(pointer).with_context(|| format!("nothing at {pointer} of {}", brief(value)))
}

/// The text at a JSON pointer, which must be there.
pub fn text_at<'a>(value: &'a Value, pointer: &str) -> Result<&'a str> {
    at(value, pointer)?.as_str().with_context(|| format!("{pointer} is no text in {}", brief(value)))
}

/// The value at a JSON pointer is this.
pub fn equals(value: &Value, pointer: &str, expected: impl Into<Value>) -> Result<()> {
    let (found, expected) = (value.pointer(pointer).unwrap_or(&Value::Null), expected.into());
    ensure!(*found == expected, "{pointer} is {found}, not {expected}, in {}", brief(value));
    Ok(())
}
