use super::*;

#[track_caller]
fn sort(check: fn(&str) -> Complaints, good: &[&str], bad: &[&str]) {
    for name in good {
        assert_eq!(check(name), Vec::<String>::new(), "{name}");
    }
    for name in bad {
        assert!(!check(name).is_empty(), "{name}");
    }
}

#[test]
fn good_and_bad() {
    let long = "a".repeat(64);
    sort(dns1123_label, &["a", "a-1", "1--a", "0"], &["", "A", "-a", "a-", "a_b", "a.b", "a b", &long, "é"]);
    sort(
        dns1123_subdomain,
        &["a", "a.b", "1.2", &long],
        &["", ".a", "a.", "a..b", "a.-b", "A.b", "a_b", &"a".repeat(254)],
    );
    sort(dns1123_subdomain_with_underscore, &["_a.b", "a_b.c"], &["__a", "a_", ".a", ""]);
    sort(wildcard_dns1123_subdomain, &["*.a", "*.a.b"], &["*", "a.b", "*.*.a", "*a.b"]);
    sort(dns1035_label, &["a", "a-1"], &["1a", "a-", "", "a.b"]);
    sort(
        qualified_name,
        &["a", "A_b.c", "example.com/MyName", "1/2"],
        &["", "/a", "a/", "a/b/c", "-a", "a-", "A.com/a", "é", &long],
    );
    sort(label_value, &["", "a", "A_b.c-1"], &["-a", "a-", "a/b", "a b", &long]);
    sort(c_identifier, &["_", "a1", "A_b"], &["", "1a", "a-b"]);
    sort(env_var_name, &["A_B", "a.b-c", "-a"], &["", "1a", "a b", "..a", ".", "é"]);
    sort(relaxed_env_var_name, &["1 a", "a:b"], &["", "a=b", "é", "a\n"]);
    sort(config_map_key, &["a.b", "1", "-"], &["", "a/b", "..", ".", "..a", &"a".repeat(254)]);
    sort(port_name, &["http", "a-1"], &["", "1", "a--b", "-a", "a-", "A", &"a".repeat(16)]);
    sort(path_segment_name, &["a:b", "A"], &[".", "..", "a/b", "a%b"]);
    sort(condition_reason, &["A", "a_", "A,b:C1"], &["", "1a", "_a", "a,", "a:", "a b", "é"]);
    sort(percent, &["1%", "100%"], &["%", "1", "1.5%"]);
    sort(http_header_name, &["X-A"], &["", "X A"]);
    assert!(port_number(1).is_empty() && !port_number(0).is_empty() && !port_number(65536).is_empty());
    assert_eq!(user_id(-1), ["must be between 0 and 2147483647, inclusive"]);
}

#[test]
fn words_are_upstreams() {
    assert_eq!(dns1123_label("a.b"), ["must not contain dots"]);
    assert_eq!(
        dns1123_label("A"),
        [
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
        ]
    );
    assert_eq!(
        qualified_name("/"),
        [
            "prefix part must be non-empty",
            "name part must be non-empty",
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
        ]
    );
    assert_eq!(label_value(&"a".repeat(64)), ["must be no more than 63 bytes"]);
    assert_eq!(dns1035_label(&"a".repeat(64)), ["must be no more than 63 characters"]);
}

#[test]
fn generated_names_may_end_in_a_dash_so_far() {
    for (prefix, want) in [("a-", "a"), ("ab-", "aa"), ("-", "-"), ("ab", "ab")] {
        assert_eq!(without_trailing_dash(prefix), want);
    }
}
