//! A seeded mutation fuzzer for everything that reads outside bytes.
//!
//! ```text
//! cargo run -p knarr-api --example fuzz -- --seconds 60 --target json --seed 1
//! ```
//!
//! Each target is a function over bytes that panics where an invariant breaks. To join, a decoder adds a line to
//! [`TARGETS`] with a few well-formed inputs to start from. Without `--target` all take turns. A failing input is
//! printed as an escaped string together with the seed, and the exit code is 1.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    process::ExitCode,
    time::{Duration, Instant},
};

use knarr_api::{
    Value, decode,
    decode::Validation,
    default,
    json::{self, Limits},
    proto, quantity,
    schema::{Schema, text},
    time, yaml,
};

/// A decoder under test.
struct Target {
    name: &'static str,
    seeds: &'static [&'static [u8]],
    run: fn(&[u8]),
}

const OBJECT: &[u8] = br#"{"kind":"Thing","metadata":{"name":"a","labels":{"k":"v"},"when":"2024-01-01T00:00:00Z"},
"spec":{"count":3,"ratio":1.5e-7,"amount":"1500m","raw":"AQ==","span":"1m30s","port":"http","any":{"x":[1,null]},
"list":[{"key":"a","value":"b"}],"words":["x","\u003c\ud83d\ude00"],"limits":{"cpu":"100m"},"extra":{"a":["b"]},
"nested":{"flag":true,"moment":"2024-01-01T00:00:00.000001Z"}}}"#;

const MANIFEST: &[u8] = b"---\nkind: Thing\nspec:\n  list:\n  - {key: a, value: yes}\n  - &x\n    key: 'b'\n  - <<: *x\n  any: |\n    text\n    more\n  count: 0x10\n---\na: \"b\\n\"\n";

const TARGETS: &[Target] = &[
    Target { name: "json", seeds: &[OBJECT, b"[1,-2.5e3,\"\\u2028\",true,null]"], run: json_round_trip },
    Target { name: "yaml", seeds: &[MANIFEST, OBJECT], run: yaml_round_trip },
    Target {
        name: "proto",
        seeds: &[b"\x0a\x05\x0a\x01a\x42\x00\x12\x06\x12\x00\x20\x05\x68\x01"],
        run: proto_round_trip,
    },
    Target {
        name: "envelope",
        seeds: &[b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\x02\x0a\x00\x1a\x00\x22\x00"],
        run: envelope,
    },
    Target { name: "normalise", seeds: &[OBJECT], run: canonical_form },
    Target { name: "quantity", seeds: &[b"1500m", b"-1.5Gi", b"1e3"], run: amount },
    Target { name: "time", seeds: &[b"2024-01-01T00:00:00.000001+01:00"], run: moment },
];

/// Every scalar kind and shape.
const SCHEMA: &str = "package io.example.v1
version v1
struct TypeMeta
  kind - string omitempty
struct Meta
  name 1 string omitempty
  labels 2 {}string omitempty
  when 8 time omitzero
struct Thing kind
  TypeMeta - TypeMeta inline
  metadata 1 Meta omitempty
  spec 2 Spec omitempty
struct Inner
  key 1 string
  value 2 string omitempty
struct Spec
  Inner 1 Inner inline
  flag 2 bool omitempty
  count 3 *int32 omitempty default=1
  big 4 int64 omitempty
  ratio 5 double omitempty
  amount 6 quantity omitempty
  moment 7 microTime omitempty
  span 8 *duration omitempty
  port 9 intOrString omitempty
  raw 10 bytes omitempty
  ext 11 rawExtension omitempty
  any 12 *json omitempty
  list 13 []Inner
  words 14 [set]string omitempty
  numbers 15 []int64 omitempty
  limits 16 {}quantity omitempty
  extra 17 {}wrapped[]string omitempty
  nested 18 *Spec omitempty
";

fn schema() -> &'static Schema {
    static SCHEMA_OF_THING: std::sync::OnceLock<Schema> = std::sync::OnceLock::new();
    SCHEMA_OF_THING.get_or_init(|| {
        let parsed = text::parse(&[("fuzz", SCHEMA)]).expect("the schema above is well-formed");
        parsed.schema("io.example.v1.Thing").expect("the schema above declares it")
    })
}

fn print(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    json::write(value, &mut out);
    out
}

fn json_round_trip(input: &[u8]) {
    let limits = Limits::default();
    let Ok(first) = json::parse(input, &limits) else { return };
    let text = print(&first.value);
    let again = json::parse(&text, &Limits { bytes: usize::MAX, ..limits }).expect("what we print we can read");
    assert_eq!(print(&again.value), text);
    assert!(again.duplicates.is_empty());
}

fn yaml_round_trip(input: &[u8]) {
    let limits = Limits::default();
    let Ok(first) = yaml::parse(input, &limits) else { return };
    let mut text = Vec::new();
    yaml::write(&first.value, &mut text);
    let again = yaml::parse(&text, &Limits { bytes: usize::MAX, ..limits }).expect("what we print we can read");
    assert_eq!(print(&again.value), print(&first.value), "{}", String::from_utf8_lossy(&text));
    let _ = yaml::parse_all(input, &limits);
}

fn proto_round_trip(input: &[u8]) {
    let ty = schema().ty();
    let Ok(tree) = proto::decode(ty, input, &Limits::default()) else { return };
    let checked = decode::normalise(ty, tree.clone(), Validation::Strict).expect("a decoded message fits its schema");
    assert_eq!(checked.value, tree);
    let mut bytes = Vec::new();
    proto::encode(ty, &tree, &mut bytes).expect("a decoded message can be encoded");
    let again = proto::decode(ty, &bytes, &Limits { bytes: usize::MAX, ..Limits::default() });
    assert_eq!(again.expect("what we write we can read"), tree);
}

fn envelope(input: &[u8]) {
    let Ok(open) = proto::Envelope::open(input) else { return };
    let mut out = Vec::new();
    open.seal(&mut out);
    assert_eq!(proto::Envelope::open(&out), Ok(open));
}

fn canonical_form(input: &[u8]) {
    let ty = schema().ty();
    let limits = Limits::default();
    let _ = decode::document(ty, input, &limits, Validation::Warn);
    let Ok(mut once) = decode::document(ty, input, &limits, Validation::Ignore) else { return };
    let mut text = Vec::new();
    json::encode(ty, &once.value, &mut text);
    let limits = Limits { bytes: usize::MAX, ..limits };
    let again = decode::document(ty, &text, &limits, Validation::Strict).expect("canonical trees are strictly valid");
    assert_eq!(again.value, once.value);
    default::apply(ty, &mut once.value);
    proto::encode(ty, &once.value, &mut Vec::new()).expect("canonical trees can be encoded");
}

fn amount(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(once) = quantity::canonical(text) else { return };
    assert_eq!(quantity::canonical(&once).as_deref(), Ok(&*once));
}

fn moment(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    for precision in [time::Precision::Second, time::Precision::Micro] {
        if let Ok(Some(once)) = time::canonical(text, precision) {
            assert_eq!(time::canonical(&once, precision), Ok(Some(once)));
        }
    }
}

/// SplitMix64: small, seeded, good enough to choose mutations.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

const MAX_LEN: usize = 4096;

fn mutate(input: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    const BITS: &[&[u8]] = &[
        b"{",
        b"}",
        b"[",
        b"]",
        b"\"",
        b":",
        b",",
        b"\\u",
        b"null",
        b"true",
        b"-",
        b"1e",
        b".",
        b"0",
        b"9223372036854775808",
        b"\n",
        b"- ",
        b"&a ",
        b"*a",
        b"<<: ",
        b"---\n",
        b"|\n",
        b"\xff",
        b"\x00",
        b"\x80\x80",
        b"Ki",
        b"spec",
        b"list",
    ];
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        let end = (at + random.below(16)).min(input.len());
        match random.below(6) {
            0 => drop(input.drain(at..end)),
            1 => {
                let bit = BITS[random.below(BITS.len())];
                input.splice(at..at, bit.iter().copied());
            }
            2 if at < input.len() => input[at] = random.next() as u8,
            3 if at < input.len() => input[at] ^= 1 << random.below(8),
            4 => {
                let piece = input[at..end].to_vec();
                let to = random.below(input.len() + 1);
                input.splice(to..to, piece);
            }
            _ => {
                let from = random.below(other.len() + 1);
                let piece = &other[from..(from + random.below(64)).min(other.len())];
                input.splice(at..at, piece.iter().copied());
            }
        }
    }
    input.truncate(MAX_LEN);
}

/// Runs one target until the deadline; gives the number of inputs tried, or the one that failed.
fn fuzz(target: &Target, random: &mut Random, until: Instant) -> Result<u64, Vec<u8>> {
    const POOL: usize = 64;
    let mut pool: Vec<Vec<u8>> = target.seeds.iter().map(|seed| seed.to_vec()).collect();
    let mut tried = 0;
    while Instant::now() < until {
        for _ in 0..64 {
            let mut input = pool[random.below(pool.len())].clone();
            let other = pool[random.below(pool.len())].clone();
            mutate(&mut input, &other, random);
            tried += 1;
            if catch_unwind(AssertUnwindSafe(|| (target.run)(&input))).is_err() {
                return Err(input);
            }
            // Mutants of mutants wander far; seeds always stay in the pool.
            if random.below(32) == 0 {
                if pool.len() == POOL {
                    let old = target.seeds.len() + random.below(POOL - target.seeds.len());
                    pool.swap_remove(old);
                }
                pool.push(input);
            }
        }
    }
    Ok(tried)
}

fn main() -> ExitCode {
    let (mut seconds, mut seed, mut only) = (10u64, 1u64, None);
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().unwrap_or_default();
        match (flag.as_str(), value.parse()) {
            ("--seconds", Ok(n)) => seconds = n,
            ("--seed", Ok(n)) => seed = n,
            ("--target", _) => only = Some(value),
            _ => {
                eprintln!("usage: fuzz [--seconds N] [--seed N] [--target NAME]");
                return ExitCode::from(2);
            }
        }
    }
    let chosen: Vec<&Target> = TARGETS.iter().filter(|t| only.as_deref().is_none_or(|name| name == t.name)).collect();
    if chosen.is_empty() {
        eprintln!("targets: {}", TARGETS.iter().map(|t| t.name).collect::<Vec<_>>().join(" "));
        return ExitCode::from(2);
    }
    let share = Duration::from_secs(seconds) / u32::try_from(chosen.len()).unwrap_or(1);
    for target in chosen {
        match fuzz(target, &mut Random(seed), Instant::now() + share) {
            Ok(tried) => println!("{}: {tried} inputs", target.name),
            Err(input) => {
                println!("{}: seed {seed}: failed on b\"{}\"", target.name, input.escape_ascii());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
