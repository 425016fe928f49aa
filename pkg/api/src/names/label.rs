//! Label keys (qualified names) and label values.

use super::{BYTES, Complaints, EMPTY, check, dns::prefix_subdomain, longest, regex};

const WORDS: &str =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const KEY: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const EXAMPLES: &[&str] = &["MyName", "my.name", "123-abc"];
const MAX: usize = 63;

/// `example.com/MyName`: keys of labels and annotations, names of conditions, resources and finalizers.
pub fn qualified_name(value: &str) -> Complaints {
    let mut out = Vec::new();
    let mut parts = value.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(prefix), Some(name), None) => {
            if prefix.is_empty() {
                out.push(format!("prefix part {EMPTY}"));
            } else {
                out.extend(prefix_subdomain(prefix).into_iter().map(|c| format!("prefix part {c}")));
            }
            name
        }
        (_, _, Some(_)) => {
            let words = regex(WORDS, KEY, EXAMPLES);
            return vec![format!(
                "a valid label key {words} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
        _ => value,
    };
    if name.is_empty() {
        out.push(format!("name part {EMPTY}"));
    } else {
        out.extend(longest(name, MAX, BYTES).into_iter().map(|c| format!("name part {c}")));
    }
    out.extend(check(is_name(name), || format!("name part {}", regex(WORDS, KEY, EXAMPLES))));
    out
}

/// The value of a label; may be empty.
pub fn label_value(value: &str) -> Complaints {
    let mut out = longest(value, MAX, BYTES);
    out.extend(check(value.is_empty() || is_name(value), || {
        regex(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
            &["MyValue", "my_value", "12345"],
        )
    }));
    out
}

fn is_name(value: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
    edge(value.bytes().next())
        && edge(value.bytes().next_back())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}
