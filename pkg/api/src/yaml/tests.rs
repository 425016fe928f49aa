use proptest::prelude::*;

use super::*;
use crate::{
    Value,
    json::{Error, Limits},
    testing, value,
};

fn read(text: &str) -> Value {
    parse(text.as_bytes(), &Limits::default()).unwrap().value
}

#[test]
fn scalars_mean_what_gos_library_takes_them_for() {
    let table = [
        ("yes", Value::Bool(true)),
        ("Off", Value::Bool(false)),
        ("n", Value::Bool(false)),
        ("~", Value::Null),
        ("", Value::Null),
        ("0777", Value::Int(511)),
        ("0o17", Value::Int(15)),
        ("0x1F", Value::Int(31)),
        ("-1_000", Value::Int(-1000)),
        ("08", Value::Float(8.0)),
        ("1e3", Value::Float(1000.0)),
        (".5", Value::Float(0.5)),
        ("1.", Value::Float(1.0)),
        ("18446744073709551615", Value::Float(18_446_744_073_709_551_615.0)),
        ("1.2.3", Value::from("1.2.3")),
        ("2001-01-01", Value::from("2001-01-01")),
        ("'yes'", Value::from("yes")),
        ("\"1\"", Value::from("1")),
        ("!!str 1", Value::from("1")),
        ("100m", Value::from("100m")),
        ("12:30", Value::from("12:30")),
    ];
    for (text, want) in table {
        assert_eq!(read(text), want, "{text}");
    }
    assert!(read("-1e-999").as_f64().is_some_and(f64::is_sign_positive), "zero has no sign");
}

#[test]
fn documents_become_objects() {
    let text = "
kind: Pod
spec:
  containers:
  - name: a
    args: [x, 'y', \"z\"]
    command: |
      one
      two
  1: number
  true: bool
";
    let want = value!({ "kind": "Pod", "spec": {
        "containers": [{ "name": "a", "args": ["x", "y", "z"], "command": "one\ntwo\n" }],
        "1": "number", "true": "bool" } });
    assert_eq!(read(text), want);
    assert_eq!(read("{\"a\": [1, {\"b\": null}]}"), value!({ "a": [1, { "b": null }] }));
}

#[test]
fn anchors_and_merges_are_resolved_within_bounds() {
    assert_eq!(
        read("a: &x {p: 1, q: 2}\nb: *x\nc:\n  <<: *x\n  q: 3\n"),
        value!({ "a": { "p": 1, "q": 2 }, "b": { "p": 1, "q": 2 }, "c": { "p": 1, "q": 3 } })
    );
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..12 {
        let list = format!("*a{}", n - 1);
        bomb += &format!("a{n}: &a{n} [{}]\n", [list.as_str(); 9].join(", "));
    }
    let bounded = parse(bomb.as_bytes(), &Limits::default());
    assert_eq!(bounded, Err(Error::TooLarge { limit: Limits::default().bytes }));
    assert!(parse("a: *nobody".as_bytes(), &Limits::default()).is_err());
    assert_eq!(parse("- ".repeat(300).as_bytes(), &Limits::default()), Err(Error::TooDeep));
    assert!(parse("[".repeat(100_000).as_bytes(), &Limits::default()).is_err());
}

#[test]
fn duplicates_are_reported() {
    let parsed = parse(b"a: 1\nspec:\n- b: 1\n  b: 2\na: 2\n", &Limits::default()).unwrap();
    assert_eq!(parsed.value, value!({ "a": 2, "spec": [{ "b": 2 }] }));
    let table: &[(&str, &[&str])] = &[
        (
            "a: 1\nspec:\n- b: 1\n  b: 2\na: 2\n",
            &["line 4: key \"b\" already set in map", "line 5: key \"a\" already set in map"],
        ),
        ("# head\na: {b: 1, b: 2}\n", &["line 2: key \"b\" already set in map"]),
        // The line is that of the value.
        ("a:\n  b: 1\na:\n  b: 2\n", &["line 4: key \"a\" already set in map"]),
        ("a:\na:\nb: 1\n", &["line 2: key \"a\" already set in map"]),
        ("1: x\n1: y\n", &["line 2: key 1 already set in map"]),
        ("1: x\n\"1\": y\n", &[]),
        ("a: &x {p: 1}\nb:\n  <<: *x\n  p: 2\n", &[]),
    ];
    for (text, want) in table {
        let parsed = parse(text.as_bytes(), &Limits::default()).unwrap();
        assert!(parsed.duplicates.is_empty());
        assert_eq!(parsed.duplicate_lines, *want, "{text}");
    }
}

#[test]
fn errors_name_the_line() {
    let e = parse(b"a: 1\nb: [1\nc: 2\n", &Limits::default()).unwrap_err().to_string();
    assert!(e.starts_with("yaml: line "), "{e}");
    assert!(parse(b"a: .nan", &Limits::default()).is_err());
    assert!(parse(b"? [a]\n: b", &Limits::default()).is_err());
}

#[test]
fn manifests_are_split() {
    let text = "# head\n---\na: 1\n--- # two\n\nb: |\n  ---x\n---\n# nothing\n---\nc: 3";
    let pieces: Vec<&str> = documents(text).collect();
    assert_eq!(pieces, ["a: 1\n", "\nb: |\n  ---x\n", "c: 3"]);
    let all = parse_all(b"---\na: 1\n---\n---\nb: 2\n", &Limits::default()).unwrap();
    assert_eq!(all.into_iter().map(|p| p.value).collect::<Vec<_>>(), [value!({ "a": 1 }), value!({ "b": 2 })]);
}

#[test]
fn prints_blocks() {
    let tree = value!({ "a": { "b": [1, { "c": "x", "d": [] }, [2, 3]] }, "e": "yes", "f": "one\ntwo\n", "g": {},
        "h": "1.5", "i": "a: b", "j": "plain text", "k": null });
    let mut out = Vec::new();
    write(&tree, &mut out);
    let want = r#"a:
  b:
  - 1
  - c: x
    d: []
  - - 2
    - 3
e: "yes"
f: |
  one
  two
g: {}
h: "1.5"
i: "a: b"
j: plain text
k: null
"#;
    assert_eq!(String::from_utf8(out).unwrap(), want);
}

proptest! {
    #[test]
    fn print_then_read_gives_the_same(value in testing::any_value()) {
        let mut out = Vec::new();
        write(&value, &mut out);
        let text = String::from_utf8(out).unwrap();
        let again = parse(text.as_bytes(), &Limits::default());
        prop_assert_eq!(again.map(|p| p.value), Ok(value), "{}", text);
    }

    #[test]
    fn reading_never_panics(text in "[a-z0-9:&*<! '\"{},\\[\\]|>#\n-]{0,40}") {
        let _ = parse(text.as_bytes(), &Limits::default());
    }
}
