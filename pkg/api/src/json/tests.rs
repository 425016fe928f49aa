use proptest::prelude::*;

use super::*;
use crate::{testing, value};

fn read(text: &str) -> Result<Parsed, Error> {
    parse(text.as_bytes(), &Limits::default())
}

fn print(value: &Value) -> String {
    let mut out = Vec::new();
    write(value, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn reads_what_go_reads() {
    let table = [
        ("null", Value::Null),
        (" [1, -2,0 ]\n", value!([1, (-2), 0])),
        ("-0", Value::Int(0)),
        ("9223372036854775807", Value::Int(i64::MAX)),
        ("9223372036854775808", Value::Float(9_223_372_036_854_775_808.0)),
        ("1.0", Value::Float(1.0)),
        ("1e3", Value::Float(1000.0)),
        (r#""a\u00e9\ud83d\ude00\ud800x\/\n""#, Value::from("aé😀\u{fffd}x/\n")),
        (r#"{"b":1,"a":{}}"#, value!({ "a": {}, "b": 1 })),
    ];
    for (text, want) in table {
        assert_eq!(read(text).unwrap().value, want, "{text}");
    }
    assert_eq!(parse(b"\"\xff\"", &Limits::default()).unwrap().value, Value::from("\u{fffd}"));
}

#[test]
fn zero_has_no_sign() {
    for text in ["-0", "-0.0", "-1.5e-79223372036854775808"] {
        let once = print(&read(text).unwrap().value);
        assert_eq!(once, "0", "{text}");
        assert_eq!(print(&read(&once).unwrap().value), once);
    }
}

#[test]
fn words_syntax_errors_as_go_does() {
    let table = [
        ("", "unexpected end of JSON input"),
        ("{", "unexpected end of JSON input"),
        ("x", "invalid character 'x' looking for beginning of value"),
        ("{x", "invalid character 'x' looking for beginning of object key string"),
        ("{\"a\" 1}", "invalid character '1' after object key"),
        ("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
        ("[1 2]", "invalid character '2' after array element"),
        ("{} x", "invalid character 'x' after top-level value"),
        ("\"\n\"", r"invalid character '\n' in string literal"),
        (r#""\x""#, "invalid character 'x' in string escape code"),
        (r#""\u12g4""#, r"invalid character 'g' in \u hexadecimal character escape"),
        ("trve", "invalid character 'v' in literal true (expecting 'u')"),
        ("-a", "invalid character 'a' in numeric literal"),
        ("1.x", "invalid character 'x' after decimal point in numeric literal"),
        ("1ex", "invalid character 'x' in exponent of numeric literal"),
        ("1e999", "json: cannot unmarshal number 1e999 into Go value of type float64"),
    ];
    for (text, want) in table {
        assert_eq!(read(text).unwrap_err().to_string(), want, "{text}");
    }
}

#[test]
fn keeps_its_bounds() {
    let limits = Limits { depth: 3, bytes: 20 };
    assert!(parse(b"[[[1]]]", &limits).is_ok());
    assert_eq!(parse(b"[[[[1]]]]", &limits), Err(Error::TooDeep));
    assert_eq!(parse(&[b' '; 21], &limits), Err(Error::TooLarge { limit: 20 }));
    assert_eq!(read(&"[".repeat(100_000)), Err(Error::TooDeep));
}

#[test]
fn the_last_of_equal_keys_wins_and_is_reported() {
    let text = r#"{"b":1,"spec":{"x":[{"k":1,"k":2,"k":3}]},"b":2}"#;
    let parsed = read(text).unwrap();
    assert_eq!(parsed.value, value!({ "b": 2, "spec": { "x": [{ "k": 3 }] } }));
    assert_eq!(parsed.duplicates, ["spec.x[0].k", "spec.x[0].k", "b"]);
}

#[test]
fn issues_can_be_put_in_document_order() {
    let text = br#"{"spec":{"z":1,"list":[{"y":1}],"a":2},"b":{}}"#;
    let mut paths = ["b", "gone", "spec.a", "spec.list[0].y", "spec.z"];
    in_document_order(text, &mut paths, |p| p);
    assert_eq!(paths, ["spec.z", "spec.list[0].y", "spec.a", "b", "gone"]);
}

#[test]
fn prints_as_go_prints() {
    let table = [
        (Value::from("<a href=\"x\">&\u{2028}\u{2029}é\u{7f}"), r#""\u003ca href=\"x\"\u003e\u0026\u2028\u2029é"#),
        (Value::from("\u{0}\u{8}\u{c}\n\r\t\u{1f}\\"), r#""\u0000\b\f\n\r\t\u001f\\""#),
        (Value::Float(1.0), "1"),
        (Value::Float(-0.5), "-0.5"),
        (Value::Float(1e21), "1e+21"),
        (Value::Float(1e20), "100000000000000000000"),
        (Value::Float(1e-6), "0.000001"),
        (Value::Float(1.5e-7), "1.5e-7"),
        (value!({ "b": [1, true, null], "a": {} }), r#"{"a":{},"b":[1,true,null]}"#),
    ];
    for (value, want) in table {
        assert!(print(&value).starts_with(want), "{} ≠ {want}", print(&value));
    }
}

#[test]
fn encodes_members_in_declared_order_and_unknown_ones_last() {
    let pod_type = testing::schema("Pod");
    let mut out = Vec::new();
    let pod = value!({
        "apiVersion": "v1", "kind": "Pod", "aaa": 1,
        "metadata": { "name": "a", "labels": { "b": "2", "a": "1" } },
        "spec": { "containers": [{ "name": "c", "image": "i" }] },
    });
    encode(pod_type.ty(), &pod, &mut out);
    let want = concat!(
        r#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","labels":{"a":"1","b":"2"}},"#,
        r#""spec":{"containers":[{"name":"c","image":"i"}]},"aaa":1}"#
    );
    assert_eq!(String::from_utf8(out).unwrap(), want);
}

proptest! {
    #[test]
    fn print_then_read_gives_the_same(value in testing::any_value()) {
        prop_assert_eq!(read(&print(&value)).unwrap().value, value);
    }

    #[test]
    fn reading_never_panics(text in "[\\[\\]{}:,\"a-f0-9 .eE+\\\\u-]{0,40}") {
        let _ = read(&text);
    }
}
