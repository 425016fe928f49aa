//! What names may look like: DNS labels, label keys, ports, environment variables.
//!
//! Each check gives the complaints in upstream's words, none if the name is good: they end up in field errors, and
//! people search for them. Upstream words them as regular expressions; here they are plain scans over bytes that
//! quote the expression.

mod dns;
mod label;

pub use dns::{
    dns1035_label, dns1123_label, dns1123_subdomain, dns1123_subdomain_with_underscore, wildcard_dns1123_subdomain,
};
pub use label::{label_value, qualified_name};

/// The complaints about a name, none if it is good.
pub type Complaints = Vec<String>;

/// For names that `metadata.generateName` begins: a trailing dash would be followed by more.
pub fn without_trailing_dash(prefix: &str) -> String {
    match prefix.char_indices().rev().nth(1) {
        // Upstream puts one letter for the last two characters.
        Some((at, _)) if prefix.ends_with('-') => format!("{}a", &prefix[..at]),
        _ => prefix.to_owned(),
    }
}

/// A name that can be one segment of a URL path: the least that any object name must be.
pub fn path_segment_name(name: &str) -> Complaints {
    match name {
        "." | ".." => vec![format!("may not be '{name}'")],
        _ => path_segment_prefix(name),
    }
}

/// The beginning of such a name.
pub fn path_segment_prefix(name: &str) -> Complaints {
    let bad = ["/", "%"].into_iter().filter(|part| name.contains(part));
    bad.map(|part| format!("may not contain '{part}'")).collect()
}

/// A C identifier.
pub fn c_identifier(value: &str) -> Complaints {
    let good = matches!(value.as_bytes(), [b'A'..=b'Z' | b'a'..=b'z' | b'_', rest @ ..]
        if rest.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_'));
    check(good, || {
        regex(
            "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
            "[A-Za-z_][A-Za-z0-9_]*",
            &["my_name", "MY_NAME", "MyName"],
        )
    })
}

/// The name of an environment variable, as it was before [`relaxed_env_var_name`].
pub fn env_var_name(value: &str) -> Complaints {
    let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    let good = matches!(value.as_bytes(), all @ [first, ..] if !first.is_ascii_digit() && all.iter().all(part));
    let mut out = check(good, || {
        regex(
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit",
            "[-._a-zA-Z][-._a-zA-Z0-9]*",
            &["my.env-name", "MY_ENV.NAME", "MyEnvName1"],
        )
    });
    out.extend(dot_prefix(value));
    out
}

/// The name of an environment variable: any printable ASCII but `=`.
pub fn relaxed_env_var_name(value: &str) -> Complaints {
    let mut out = check(!value.is_empty(), || format!("environment variable name {EMPTY}"));
    if !value.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'=') {
        out.push(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
                .to_owned(),
        );
    }
    out
}

/// A key of a ConfigMap or Secret.
pub fn config_map_key(value: &str) -> Complaints {
    let mut out = longest(value, 253, CHARACTERS);
    let good = !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    out.extend(check(good, || {
        regex(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        )
    }));
    out.extend(dot_prefix(value));
    out
}

/// The name of a port (`IANA_SVC_NAME`).
pub fn port_name(port: &str) -> Complaints {
    let mut out = longest(port, 15, CHARACTERS);
    let mut rule = |good: bool, words: &str| out.extend((!good).then(|| words.to_owned()));
    rule(
        !port.is_empty() && port.bytes().all(|b| matches!(b, b'-' | b'a'..=b'z' | b'0'..=b'9')),
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
    );
    rule(port.bytes().any(|b| b.is_ascii_lowercase()), "must contain at least one letter (a-z)");
    rule(!port.contains("--"), "must not contain consecutive hyphens");
    rule(!port.starts_with('-') && !port.ends_with('-'), "must not begin or end with a hyphen");
    out
}

/// A port number.
pub fn port_number(port: i64) -> Complaints {
    in_range(port, 1, 65535)
}

/// A user or group id.
pub fn user_id(id: i64) -> Complaints {
    in_range(id, 0, i32::MAX.into())
}

/// A number from `lo` to `hi`.
pub fn in_range(value: i64, lo: i64, hi: i64) -> Complaints {
    check((lo..=hi).contains(&value), || format!("must be between {lo} and {hi}, inclusive"))
}

/// The reason of a condition.
pub fn condition_reason(reason: &str) -> Complaints {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let bytes = reason.as_bytes();
    let good = bytes.first().is_some_and(u8::is_ascii_alphabetic)
        && bytes.last().is_some_and(|b| inner(*b))
        && bytes.iter().all(|b| inner(*b) || matches!(b, b',' | b':'));
    check(good, || {
        regex(
            "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_'",
            "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?",
            &["my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB"],
        )
    })
}

/// `50%`.
pub fn percent(value: &str) -> Complaints {
    let good = value.strip_suffix('%').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    check(good, || {
        regex("a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%", &["1%", "93%"])
    })
}

/// The name of an HTTP header.
pub fn http_header_name(value: &str) -> Complaints {
    let good = !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    check(good, || {
        regex("a valid HTTP header must consist of alphanumeric characters or '-'", "[-A-Za-z0-9]+", &["X-Header-Name"])
    })
}

const EMPTY: &str = "must be non-empty";
/// Upstream has the same rules twice: the older set counts "characters", the newer "bytes".
const CHARACTERS: &str = "characters";
const BYTES: &str = "bytes";

fn check(good: bool, words: impl FnOnce() -> String) -> Complaints {
    if good { Vec::new() } else { vec![words()] }
}

fn longest(value: &str, max: usize, unit: &str) -> Complaints {
    check(value.len() <= max, || format!("must be no more than {max} {unit}"))
}

/// Names that would mean another directory where they become file names.
fn dot_prefix(value: &str) -> Option<String> {
    match value {
        "." | ".." => Some(format!("must not be '{value}'")),
        _ if value.starts_with("..") => Some("must not start with '..'".to_owned()),
        _ => None,
    }
}

fn regex(words: &str, expression: &str, examples: &[&str]) -> String {
    let mut out = words.to_owned();
    out.push_str(" (");
    for (n, example) in examples.iter().enumerate() {
        out.push_str(if n == 0 { "e.g. '" } else { " or '" });
        out.push_str(example);
        out.push_str("', ");
    }
    out.push_str("regex used for validation is '");
    out.push_str(expression);
    out.push_str("')");
    out
}

#[cfg(test)]
mod tests;
