//! The notation, read and told again in words.

use expect_test::{Expect, expect};

use super::{super::*, parse};

const HEAD: &str = "package io.x.v1\nversion x.io/v1\nimport meta io.meta\n";
const META: &str = "package io.meta\nstruct ObjectMeta\n  name 1 string omitempty\n";

/// Every fact of every struct of the first file.
fn tell(body: &str) -> String {
    let text = format!("{HEAD}{body}");
    let parsed = match parse(&[("x.schema", &text), ("meta.schema", META)]) {
        Ok(parsed) => parsed,
        Err(e) => return format!("{e}\n"),
    };
    let t = &parsed.tables;
    let mut out = String::new();
    for (name, id) in parsed.types.iter().filter(|(name, _)| name.starts_with("io.x")) {
        let row = t.ty(*id).as_struct().unwrap();
        out += &format!("{name} atomic={} open={}\n", row.atomic, row.open);
        for f in t.ty(*id).fields() {
            let r = f.row;
            out += &format!("  {} #{} {} pointer={} {:?}", f.name(), r.tag, kind(f.ty()), r.pointer, r.print);
            let flags = [(r.inline, "inline"), (r.required, "required"), (r.nullable, "nullable")];
            let flags = flags.into_iter().chain([(r.immutable, "immutable")]);
            out.extend(flags.filter(|(set, _)| *set).map(|(_, word)| format!(" {word}")));
            out += &format!(" {:?} {:?} {:?}", r.strategy, f.merge_key(), f.default());
            out += &format!(" {:?} {:?}\n", f.enums().collect::<Vec<_>>(), f.format());
        }
    }
    for ((group, version, kind), id) in &parsed.kinds {
        out += &format!("{group}/{version} {kind} = {}\n", t.ty(*id).name());
    }
    out
}

fn kind(ty: Type<'_>) -> String {
    let item = || kind(ty.item().unwrap());
    match ty.node() {
        Node::Scalar(s) => format!("{s:?}"),
        Node::Struct(_) => ty.name().to_owned(),
        Node::List { kind, wrapped, .. } => {
            format!("List({}, {kind:?} {:?} wrapped={wrapped})", item(), ty.list_keys().collect::<Vec<_>>())
        }
        Node::Map { atomic, .. } => format!("Map({}, atomic={atomic})", item()),
    }
}

#[track_caller]
fn check(body: &str, expected: Expect) {
    expected.assert_eq(&tell(body));
}

#[test]
fn every_fact_has_a_notation() {
    check(
        r#"
# a comment
struct Pod kind kind(v1,y/v2) atomic
  TypeMeta - meta.ObjectMeta inline
  # an indented comment
  metadata 1 io.meta.ObjectMeta omitempty
  spec 2 *Spec required

struct Spec open
  ports 6 [by:port,protocol]Spec omitempty merge(port)
  names 7 [set]string omitzero replace immutable
  volumes 8 []Spec merge+retainKeys(name)
  strategy 9 Spec retainKeys
  other 10 []json mergeKey(k)
  extra 11 {}wrapped[]string nullable
  limits 12 {atomic}quantity
  policy 13 string default="a b" enum(A,"",b/c,"d,e") format=hostname
  count 14 *int64 default=0
"#,
        expect![[r#"
            io.x.v1.Pod atomic=true open=false
              TypeMeta #0 io.meta.ObjectMeta pointer=false Always inline Default None None [] ""
              metadata #1 io.meta.ObjectMeta pointer=false OmitEmpty Default None None [] ""
              spec #2 io.x.v1.Spec pointer=true Always required Default None None [] ""
            io.x.v1.Spec atomic=false open=true
              ports #6 List(io.x.v1.Spec, Map ["port", "protocol"] wrapped=false) pointer=false OmitEmpty Merge Some("port") None [] ""
              names #7 List(String, Set [] wrapped=false) pointer=false OmitZero immutable Replace None None [] ""
              volumes #8 List(io.x.v1.Spec, Atomic [] wrapped=false) pointer=false Always MergeRetainKeys Some("name") None [] ""
              strategy #9 io.x.v1.Spec pointer=false Always RetainKeys None None [] ""
              other #10 List(Json, Atomic [] wrapped=false) pointer=false Always Default Some("k") None [] ""
              extra #11 Map(List(String, Atomic [] wrapped=true), atomic=false) pointer=false Always nullable Default None None [] ""
              limits #12 Map(Quantity, atomic=true) pointer=false Always Default None None [] ""
              policy #13 String pointer=false Always Default None Some("\"a b\"") ["A", "", "b/c", "d,e"] "hostname"
              count #14 Int64 pointer=true Always Default None Some("0") [] ""
            /v1 Pod = io.x.v1.Pod
            x.io/v1 Pod = io.x.v1.Pod
            y/v2 Pod = io.x.v1.Pod
        "#]],
    );
}

#[test]
fn mistakes_are_told_with_file_and_line() {
    let cases = [
        "strukt A",
        "  a 1 string",
        "struct A big",
        "struct A\nstruct A",
        "struct A\n  a 1",
        "struct A\n  a 0 string",
        "struct A\n  a 1 Nope",
        "struct A\n  a 1 nope.B",
        "struct A\n  a 1 [x]string",
        "struct A\n  a 1 {x}string",
        "struct A\n  a 1 string\n  b 1 string",
        "struct A\n  a 1 string\n  a 2 string",
        "struct A\n  a 1 string omitemtpy",
        "struct A\n  a 1 string default=TCP",
        "struct A\n  a 1 string default=\"x",
        "struct A\n  a 1 string enum(\"a\"b)",
        "struct A kind(v1,v1)",
    ];
    let told: String = cases.iter().map(|c| tell(c)).collect();
    expect![[r#"
        x.schema:4: unknown declaration "strukt A"
        x.schema:4: field outside a struct
        x.schema:4: unknown flag "big"
        x.schema:5: struct "A" stands twice
        x.schema:5: expected name, tag and type
        x.schema:5: expected a tag from 1 to 65535, or -
        x.schema:5: unknown type "Nope"
        x.schema:5: unknown type "nope.B"
        x.schema:5: expected [], [set] or [by:keys]
        x.schema:5: expected {} or {atomic}
        x.schema:6: tag "1" stands twice
        x.schema:6: field "a" stands twice
        x.schema:5: unknown flag "omitemtpy"
        x.schema:5: default "TCP" is not JSON
        x.schema:5: unclosed quote
        x.schema:5: expected a comma between items
        x.schema:4: kind "A" stands twice
    "#]]
    .assert_eq(&told);
}

#[test]
fn a_struct_needs_a_package_and_a_kind_a_version() {
    let first = |text| parse(&[("f", text)]).unwrap_err().to_string();
    assert_eq!(first("struct A"), "f:1: missing package line above");
    assert_eq!(first("package p\n\nstruct A kind"), "f:3: missing version line above");
}

#[test]
fn equal_types_are_one_node() {
    let body = "struct A\n  a 1 []string\n  b 2 []string\n  c 3 [set]string\n  d 4 {}[]string\n  e 5 {}[]string\n";
    let parsed = parse(&[("f", &format!("{HEAD}{body}"))]).unwrap();
    let ids: Vec<NodeId> = parsed.tables.ty(parsed.types["io.x.v1.A"]).fields().map(|f| f.row.node).collect();
    assert!(ids[0] == ids[1] && ids[3] == ids[4] && ids[0] != ids[2] && ids[0] != ids[3]);
}
