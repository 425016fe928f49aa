//! Grows values from a schema: objects of every kind with members of every type, most of them sensible.

use knarr_api::{
    Map, Str, Value,
    schema::{Node, Scalar, Type},
};
use knarr_fuzz::Random;

#[rustfmt::skip]
const NAMES: &[&str] = &[
    "a", "b", "name", "key", "spec", "labels", "containers", "ports", "value", "x/y", "a.example.com/b", "~", "m~n",
    "", "-", "0", "1", "-1", "$patch", "é", "metadata", "managedFields", "f:a", ".", "k:{\"name\":\"a\"}", "v:1", "i:0",
];

#[rustfmt::skip]
const WORDS: &[&str] = &[
    "", "a", "b", "a", "b", "web", "TCP", "UDP", "http", "80", "0", "-1", "100m", "1Gi", "1.5", "1e3", "10.0.0.1", "fd00::1",
    "10.42.0.0/16", "*", "a.example.com", "*.example.com", "Always", "Never", "true", "yes", "null", "0x10", "1_000",
    "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5+01:00", "0000-00-00T00:00:00Z", "1m30s", "-5ns", "AQ==", "AQ", "50%", "-1%",
    "\u{2028}<&>\u{0}\u{1f600}", "a/b", "/a", "..", "-a", "a\nb", "$(a)", "nginx:1.25@sha256:00", "ClusterIP", "None",
    "LoadBalancer", "RollingUpdate", "Recreate", "* * * * *", "0 0 31 2 *", "self.x > 0", "9223372036854775807",
];

const NUMBERS: &[i64] =
    &[0, 1, 1, 2, 3, 80, 443, -1, 255, 65_535, 65_536, i32::MAX as i64, i32::MIN as i64, i64::MAX, i64::MIN];

pub(crate) fn name(random: &mut Random) -> &'static str {
    random.pick(NAMES)
}

pub(crate) fn word(random: &mut Random) -> &'static str {
    random.pick(WORDS)
}

fn number(random: &mut Random) -> i64 {
    NUMBERS[random.below(NUMBERS.len())]
}

/// A scalar, or something empty or small.
pub(crate) fn any(random: &mut Random) -> Value {
    match random.below(10) {
        0 => Value::Null,
        1 => Value::Bool(random.one_in(2)),
        2 | 3 => Value::Int(number(random)),
        4 => Value::Float([0.5, -1.5e-7, 1e21, 1e300, 9.007_199_254_740_993e15][random.below(5)]),
        5 => Value::Array(Vec::new()),
        6 => Value::object(),
        _ => word(random).into(),
    }
}

/// A value of a type. `left` is how many nodes it may still have.
pub(crate) fn value(ty: Type<'_>, random: &mut Random, left: &mut usize) -> Value {
    *left = left.saturating_sub(1);
    match ty.node() {
        Node::Scalar(scalar) => leaf(scalar, random),
        Node::Struct(_) => {
            let mut map = Map::new();
            // Rich or poor: a struct with half of its members finds other things than one with two.
            let odds = 2 + random.below(6);
            ty.each_field(&mut |field| {
                if *left > 0 && (field.row.required || random.one_in(odds)) {
                    let enums: Vec<&str> = field.enums().collect();
                    let grown = match enums.is_empty() {
                        true => value(field.ty(), random, left),
                        false => random.pick(&enums).into(),
                    };
                    map.insert(field.name(), grown);
                }
            });
            map.into()
        }
        Node::List { .. } => {
            let Some(item) = ty.item() else { return Value::Null };
            Value::Array((0..random.below(4)).map(|_| value(item, random, left)).collect())
        }
        Node::Map { .. } => {
            let Some(item) = ty.item() else { return Value::Null };
            let entries = (0..random.below(4)).map(|_| (Str::from(name(random)), value(item, random, left)));
            Value::Object(entries.collect())
        }
    }
}

fn leaf(scalar: Scalar, random: &mut Random) -> Value {
    if random.one_in(64) {
        return any(random);
    }
    match scalar {
        Scalar::Bool => random.one_in(2).into(),
        Scalar::Int32 => [0, 1, 2, 80, 443, 65_535, -1, i64::from(i32::MAX)][random.below(8)].into(),
        Scalar::Int64 => number(random).into(),
        Scalar::Double => Value::Float(number(random) as f64 / 8.0),
        Scalar::String => word(random).into(),
        Scalar::Bytes => random.pick(&["", "AQ==", "AAEC/w=="]).into(),
        Scalar::Quantity => random.pick(&["0", "1", "100m", "1Gi", "1.5", "1e3", "-1", "1000m", "0.1n"]).into(),
        Scalar::Time | Scalar::MicroTime => {
            random.pick(&["2024-01-01T00:00:00Z", "2024-02-29T23:59:59.123456Z", "1970-01-01T00:00:00+01:00"]).into()
        }
        Scalar::Duration => random.pick(&["0s", "1m30s", "-1.5h", "300ms"]).into(),
        Scalar::IntOrString if random.one_in(2) => number(random).into(),
        Scalar::IntOrString => random.pick(&["http", "25%", "80", ""]).into(),
        Scalar::RawExtension | Scalar::FieldsV1 => {
            Value::Object([(Str::from("f:a"), Value::object()), (Str::from("b"), any(random))].into_iter().collect())
        }
        Scalar::Json => any(random),
    }
}
