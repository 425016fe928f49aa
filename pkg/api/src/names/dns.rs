//! Names of DNS.

use super::{BYTES, CHARACTERS, Complaints, check, longest, regex};

const LABEL: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL_MAX: usize = 63;
const SUBDOMAIN_MAX: usize = 253;

/// `my-name`: most names that become DNS labels (namespaces, containers, …).
pub fn dns1123_label(value: &str) -> Complaints {
    let mut out = longest(value, LABEL_MAX, CHARACTERS);
    out.extend(check(is_label(value), || {
        if is_subdomain(value) {
            "must not contain dots".to_owned()
        } else {
            regex(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                LABEL,
                &["my-name", "123-abc"],
            )
        }
    }));
    out
}

/// `example.com`: most object names.
pub fn dns1123_subdomain(value: &str) -> Complaints {
    subdomain(value, CHARACTERS)
}

/// The same, as the newer checks word it.
pub(super) fn prefix_subdomain(value: &str) -> Complaints {
    subdomain(value, BYTES)
}

fn subdomain(value: &str, unit: &str) -> Complaints {
    let mut out = longest(value, SUBDOMAIN_MAX, unit);
    out.extend(check(is_subdomain(value), || {
        regex(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            SUBDOMAIN,
            &["example.com"],
        )
    }));
    out
}

/// `_sip.example.com`: search paths of a pod's DNS.
pub fn dns1123_subdomain_with_underscore(value: &str) -> Complaints {
    let mut out = longest(value, SUBDOMAIN_MAX, CHARACTERS);
    let label = |label: &str| {
        let label = label.strip_prefix('_').unwrap_or(label);
        let inner = |b: u8| lower(b) || matches!(b, b'-' | b'_');
        edges(label, lower, lower) && label.bytes().all(inner)
    };
    out.extend(check(value.split('.').all(label), || {
        regex(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
            r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*",
            &["example.com"],
        )
    }));
    out
}

/// `*.example.com`: hosts of an Ingress.
pub fn wildcard_dns1123_subdomain(value: &str) -> Complaints {
    let mut out = longest(value, SUBDOMAIN_MAX, CHARACTERS);
    out.extend(check(value.strip_prefix("*.").is_some_and(is_subdomain), || {
        regex(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
            &["*.example.com"],
        )
    }));
    out
}

/// `my-name` that does not begin with a digit: Services.
pub fn dns1035_label(value: &str) -> Complaints {
    let mut out = longest(value, LABEL_MAX, CHARACTERS);
    let good = is_label(value) && value.starts_with(|c: char| c.is_ascii_lowercase());
    out.extend(check(good, || {
        regex(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        )
    }));
    out
}

fn lower(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

fn is_label(value: &str) -> bool {
    edges(value, lower, lower) && value.bytes().all(|b| lower(b) || b == b'-')
}

fn is_subdomain(value: &str) -> bool {
    value.split('.').all(is_label)
}

fn edges(value: &str, first: impl Fn(u8) -> bool, last: impl Fn(u8) -> bool) -> bool {
    matches!((value.bytes().next(), value.bytes().next_back()), (Some(a), Some(z)) if first(a) && last(z))
}
