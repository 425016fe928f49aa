use super::{Fields, Labels};
use crate::{Value, kinds::tree};

fn labels(text: &str) -> Vec<(Box<str>, Box<str>)> {
    let mut out: Vec<_> =
        text.split_whitespace().map(|pair| pair.split_once('=').map(|(k, v)| (k.into(), v.into())).unwrap()).collect();
    out.sort();
    out
}

#[test]
fn notation_and_canonical_form() {
    let table = [
        ("", ""),
        ("x=a,y=b,z=c", "x=a,y=b,z=c"),
        ("z=c, x = a", "x=a,z=c"),
        ("x!=a,y==b", "x!=a,y==b"),
        ("x", "x"),
        ("!x", "!x"),
        ("! x , y", "!x,y"),
        ("x in (c,a,b)", "x in (a,b,c)"),
        ("x in (a,a)", "x in (a)"),
        ("x notin (a, b),y", "x notin (a,b),y"),
        ("x in ()", "x in ()"),
        ("x in (,a)", "x in (,a)"),
        ("x in (a,)", "x in (,a)"),
        ("x in (in,notin)", "x in (in,notin)"),
        ("notin=in", "notin=in"),
        ("x=", "x="),
        ("x=,y", "x=,y"),
        ("x>1,z<5", "x>1,z<5"),
        ("a.example.com/x=1", "a.example.com/x=1"),
        ("x>-1", "err"),
    ];
    for (text, canonical) in table {
        match Labels::parse(text) {
            Ok(l) => {
                assert_eq!(l.to_string(), canonical, "{text}");
                assert_eq!(Labels::parse(&l.to_string()).unwrap(), l, "{text}");
            }
            Err(e) => assert_eq!("err", canonical, "{text}: {e}"),
        }
    }
}

#[test]
fn errors_have_upstreams_words() {
    let table = [
        ("x=a||y=b", "unable to parse requirement: values[0][x]: Invalid value: \"a||y\": a valid label must be"),
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("x,", "found '', expected: identifier after ','"),
        ("x y", "unable to parse requirement: found 'y', expected: in, notin, =, ==, !=, gt, lt"),
        ("x in a", "unable to parse requirement: found 'a' expected: '('"),
        ("x in (a", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("!x=a", "found '=', expected: ',' or 'end of string'"),
        ("!!x", "unable to parse requirement: found '!', expected: identifier"),
        ("x=(", "unable to parse requirement: found '(', expected: identifier"),
        (
            "x>a",
            "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        ("-x=a", "unable to parse requirement: <nil>: Invalid value: \"-x\": name part must consist of alphanumeric"),
    ];
    for (text, expected) in table {
        let e = Labels::parse(text).unwrap_err().to_string();
        assert!(e.starts_with(expected), "{text}: {e}");
    }
}

#[test]
fn labels_match() {
    let table = [
        ("", "", true),
        ("x=a", "x=a", true),
        ("x=a", "x=b", false),
        ("x!=a", "y=b", true),
        ("x!=a", "x=a", false),
        ("x in (a,b)", "x=b y=c", true),
        ("x in (a,b)", "", false),
        ("x notin (a,b)", "x=a", false),
        ("x notin (a,b)", "y=a", true),
        ("x", "x=", true),
        ("!x", "x=", false),
        ("x>1", "x=2", true),
        ("x>1", "x=b", false),
        ("x<1", "x=0", true),
        ("x=", "x=", true),
        ("x=", "", false),
        ("x=a,y=b", "x=a y=b z=c", true),
        ("x=a,y=b", "x=a", false),
    ];
    for (selector, having, expected) in table {
        assert_eq!(Labels::parse(selector).unwrap().matches(&labels(having)), expected, "{selector} on {having}");
    }
}

#[test]
fn selectors_of_objects() {
    let of = |json: &str| Labels::from_selector(Some(&tree(json)));
    assert_eq!(
        of(r#"{"matchLabels":{"b":"1","a":"2"},"matchExpressions":[{"key":"c","operator":"NotIn","values":["y","x"]},{"key":"d","operator":"Exists"}]}"#)
            .unwrap()
            .to_string(),
        "a=2,b=1,c notin (x,y),d"
    );
    assert!(of("{}").unwrap().matches(&[]));
    assert!(!Labels::from_selector(None).unwrap().matches(&[]));
    assert!(!Labels::from_selector(Some(&Value::Null)).unwrap().matches(&[]));
    assert_eq!(
        of(r#"{"matchExpressions":[{"key":"c","operator":"Near"}]}"#).unwrap_err().to_string(),
        r#""Near" is not a valid label selector operator"#
    );
    assert_eq!(
        of(r#"{"matchExpressions":[{"key":"c","operator":"In"}]}"#).unwrap_err().to_string(),
        "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"
    );
}

#[test]
fn field_selectors() {
    let table = [
        ("", ""),
        ("b=2,a!=1", "a!=1,b=2"),
        ("a==1", "a=1"),
        (r"a=x\,y\=z\\", r"a=x\,y\=z\\"),
        ("a=1,,", "a=1"),
        ("a=", "a="),
        ("a", "invalid selector: 'a'; can't understand 'a'"),
        (r"a=\x", r"invalid field selector: invalid escape sequence: \x"),
        (r"a=\", r"invalid field selector: invalid escape sequence: \"),
        ("a=b=c", "invalid field selector: unescaped character in value: 61"),
    ];
    for (text, expected) in table {
        let got = Fields::parse(text).map_or_else(|e| e.to_string(), |f| f.to_string());
        assert_eq!(got, expected, "{text}");
    }
    let f = Fields::parse("spec.nodeName=n1,metadata.name!=x").unwrap();
    let object = |name: &'static str| {
        move |field: &str| match field {
            "metadata.name" => Some(name),
            "spec.nodeName" => Some("n1"),
            _ => None,
        }
    };
    assert!(f.matches(object("y")));
    assert!(!f.matches(object("x")));
    assert!(Fields::parse("spec.other=").unwrap().matches(object("x")));
    assert_eq!(f.exact("spec.nodeName"), Some("n1"));
    assert_eq!(f.exact("metadata.name"), None);
}
