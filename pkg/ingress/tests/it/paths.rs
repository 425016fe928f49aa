//! Path types and their precedence, after the table in Kubernetes' Ingress documentation and the scenarios of the
//! Ingress conformance tests.

use crate::tables::{ask, rules};

#[track_caller]
fn matches(kind: &str, path: &str, asked: &str, expected: bool) {
    let table = rules(&format!("h {kind} {path} s"));
    let found = ask(&table, &format!("http://h{asked}")) == "shop/s:80";
    assert_eq!(found, expected, "{kind} {path} asked for {asked}");
}

#[test]
fn one_path() {
    for (kind, path, asked, expected) in [
        ("Prefix", "/", "/any/path", true),
        ("Prefix", "/", "/", true),
        ("Prefix", "/", "", true),
        ("Exact", "/foo", "/foo", true),
        ("Exact", "/foo", "/bar", false),
        ("Exact", "/foo", "/foo/", false),
        ("Exact", "/foo/", "/foo", false),
        ("Exact", "/foo", "/FOO", false),
        ("Exact", "/foo", "/foo/bar", false),
        ("Prefix", "/foo", "/foo", true),
        ("Prefix", "/foo", "/foo/", true),
        ("Prefix", "/foo/", "/foo", true),
        ("Prefix", "/foo/", "/foo/", true),
        ("Prefix", "/foo", "/FOO", false),
        ("Prefix", "/aaa/bb", "/aaa/bbb", false),
        ("Prefix", "/aaa/bbb", "/aaa/bbb", true),
        ("Prefix", "/aaa/bbb/", "/aaa/bbb", true),
        ("Prefix", "/aaa/bbb", "/aaa/bbb/", true),
        ("Prefix", "/aaa/bbb", "/aaa/bbb/ccc", true),
        ("Prefix", "/aaa/bbb", "/aaa/bbbxyz", false),
        ("Prefix", "/aaa/bbb", "/aaa", false),
        ("ImplementationSpecific", "/aaa", "/aaa/b", true),
        ("ImplementationSpecific", "/aaa", "/aaab", false),
    ] {
        matches(kind, path, asked, expected);
    }
}

#[track_caller]
fn wins(text: &str, asked: &str, service: &str) {
    let expected = if service == "404" { "404".to_owned() } else { format!("shop/{service}:80") };
    assert_eq!(ask(&rules(text), &format!("http://h{asked}")), expected, "{asked} among\n{text}");
}

#[test]
fn the_longest_path_wins_then_the_exact_one() {
    let root = "h Prefix / root\nh Prefix /aaa aaa";
    wins(root, "/aaa/ccc", "aaa");
    wins(root, "/ccc", "root");
    let three = "h Prefix / root\nh Prefix /aaa aaa\nh Prefix /aaa/bbb bbb";
    wins(three, "/aaa/bbb", "bbb");
    wins(three, "/aaa/bbbxyz", "aaa");
    wins("h Prefix /aaa aaa", "/ccc", "404");
    let both = "h Prefix /foo prefix\nh Exact /foo exact";
    wins(both, "/foo", "exact");
    wins(both, "/foo/", "prefix");
    wins(both, "/foo/bar", "prefix");
    let slash = "h Prefix /foo/ prefix\nh Exact /foo exact";
    wins(slash, "/foo", "exact");
    wins(slash, "/foo/x", "prefix");
    let exact = "h Prefix /aaa/bbb prefix\nh Exact /aaa/bbb/ exact";
    wins(exact, "/aaa/bbb/", "exact");
    wins(exact, "/aaa/bbb", "prefix");
}
