use proptest::prelude::*;

use super::*;
use crate::{
    Value,
    decode::{Validation, normalise},
    json::Limits,
    schema::Type,
    testing, value,
};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ")
}

fn canonical(ty: Type<'_>, value: Value) -> Value {
    normalise(ty, value, Validation::Strict).unwrap().value
}

#[test]
fn plain_members_are_written_even_when_zero() {
    let schema = testing::schema("Pod");
    let mut out = Vec::new();
    encode(schema.ty(), &canonical(schema.ty(), value!({})), &mut out).unwrap();
    // metadata { name "", creationTimestamp {} }, spec {}
    assert_eq!(hex(&out), "0a 04 0a 00 42 00 12 00");

    out.clear();
    let pod = value!({ "kind": "Pod", "metadata": { "labels": { "b": "", "a": "1" } },
        "spec": { "containers": [{ "name": "c" }] } });
    encode(schema.ty(), &canonical(schema.ty(), pod), &mut out).unwrap();
    let want = "0a 13 0a 00 42 00 5a 06 0a 01 61 12 01 31 5a 05 0a 01 62 12 00 12 07 12 05 0a 01 63 12 00";
    assert_eq!(hex(&out), want);
}

#[test]
fn scalars_with_messages_of_their_own() {
    let schema = testing::schema("Inner");
    let mut out = Vec::new();
    let inner = value!({ "key": "k", "port": "http" });
    encode(schema.ty(), &canonical(schema.ty(), inner), &mut out).unwrap();
    // port { type 1, intVal 0, strVal "http" }
    assert_eq!(hex(&out), "0a 01 6b 12 00 1a 0a 08 01 10 00 1a 04 68 74 74 70");
}

#[test]
fn reads_packed_numbers_groups_and_unknown_fields() {
    let schema = testing::schema("Spec");
    // numbers [1, 300] packed, then 2 alone; tag 100 as varint; a group under tag 101 with a varint inside.
    let bytes =
        [0x92, 0x01, 0x03, 0x01, 0xac, 0x02, 0x90, 0x01, 0x02, 0xa0, 0x06, 0x05, 0xab, 0x06, 0x08, 0x01, 0xac, 0x06];
    let value = decode(schema.ty(), &bytes, &Limits::default()).unwrap();
    assert_eq!(value.get("numbers"), Some(&value!([1, 300, 2])));
}

#[test]
fn refuses_broken_messages() {
    let schema = testing::schema("Everything");
    let read = |bytes: &[u8]| decode(schema.ty(), bytes, &Limits { depth: 8, bytes: 1000 });
    let table: [(&[u8], Error); 6] = [
        (&[0x0a, 0x05, 0x00], Error::Truncated),
        (&[0x00, 0x01], Error::Tag(0)),
        (&[0x08, 0x01], Error::WireType { wire: 0, field: "metadata".into() }),
        (&[0x0a, 0x03, 0x0a, 0x01, 0xff], Error::Utf8 { field: "name".into() }),
        (&[0xff; 11], Error::Overflow),
        (&[0; 1001], Error::TooLarge { limit: 1000 }),
    ];
    for (bytes, want) in table {
        assert_eq!(read(bytes), Err(want), "{bytes:?}");
    }
    let spec = testing::schema("Spec");
    let mut nested = Vec::new();
    for _ in 0..20 {
        let mut outer = Vec::new();
        wire::put_bytes(22, &nested, &mut outer);
        nested = outer;
    }
    assert_eq!(decode(spec.ty(), &nested, &Limits { depth: 8, bytes: 1000 }), Err(Error::TooDeep));
}

#[test]
fn unions_of_schemas() {
    let schema = testing::schema("JSONSchemaProps");
    let ty = schema.ty();
    let both = |tree: Value| {
        let mut out = Vec::new();
        encode(ty, &tree, &mut out).unwrap();
        assert_eq!(decode(ty, &out, &Limits::default()), Ok(tree));
        hex(&out)
    };
    assert_eq!(both(value!({ "additionalProperties": false })), "2a 00 f2 01 02 08 00");
    // allows 1, schema { type "a" }
    assert_eq!(both(value!({ "additionalItems": { "type": "a" } })), "2a 00 8a 02 07 08 01 12 03 2a 01 61");
    assert_eq!(both(value!({ "items": { "type": "a" } })), "2a 00 c2 01 05 0a 03 2a 01 61");
    assert_eq!(both(value!({ "items": [{ "type": "a" }] })), "2a 00 c2 01 05 12 03 2a 01 61");
    let names = value!({ "dependencies": { "k": ["x"], "l": { "items": { "maximum": 0.5 } } } });
    assert!(both(names).starts_with("2a 00 82 02 08 0a 01 6b 12 03 12 01 78"));
    assert!(encode(ty, &value!({ "items": 1 }), &mut Vec::new()).is_err());
}

#[test]
fn envelopes() {
    let sealed = Envelope { api_version: "v1", kind: "Pod", raw: &[7; 200], content_encoding: "", content_type: "x" };
    let mut out = Vec::new();
    sealed.seal(&mut out);
    assert_eq!(Envelope::open(&out), Ok(sealed));
    assert!(out.starts_with(b"k8s\0\x0a\x09\x0a\x02v1\x12\x03Pod\x12\xc8\x01"));
    assert_eq!(Envelope::open(b"{}"), Err(Error::NoEnvelope));
}

proptest! {
    #[test]
    fn a_canonical_tree_survives_the_wire(spec in testing::fitting("Spec")) {
        let schema = testing::schema("Spec");
        let ty = schema.ty();
        let tree = normalise(ty, spec, Validation::Ignore).unwrap().value;
        let mut bytes = Vec::new();
        encode(ty, &tree, &mut bytes).unwrap();
        let back = decode(ty, &bytes, &Limits::default()).unwrap();
        let mut again = Vec::new();
        encode(ty, &back, &mut again).unwrap();
        prop_assert_eq!(again, bytes);
        prop_assert_eq!(testing::without_empty(ty, &back), testing::without_empty(ty, &tree));
    }

    #[test]
    fn whatever_is_read_is_canonical(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let schema = testing::schema("Everything");
        if let Ok(tree) = decode(schema.ty(), &bytes, &Limits::default()) {
            let canonical = normalise(schema.ty(), tree.clone(), Validation::Strict).map(|d| d.value);
            prop_assert_eq!(canonical, Ok(tree));
        }
    }
}
