//! Compiles `schema/*.schema` into static arrays, included by `src/tables.rs`, and `docs/*.docs` into one compressed
//! text, included by `src/docs.rs`.
//!
//! The arrays refer to each other by index and to names by offset, so what comes out is read-only data without
//! relocations. The rows are written as calls of short `const` functions, which keeps the generated file small and
//! the build quick.

mod docs;

use std::{env, error::Error, fmt::Write as _, fs, io::Write as _, path::Path};

use flate2::{Compression, write::DeflateEncoder};
use knarr_api::schema::{FieldRow, Node, Print, Run, Text, builder::Builder, text};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=schema");
    println!("cargo::rerun-if-changed=docs");
    let files = read(Path::new("schema"), "schema")?;
    let files: Vec<(&str, &str)> = files.iter().map(|(name, body)| (name.as_str(), body.as_str())).collect();
    let parsed = text::parse(&files)?;
    let out = env::var("OUT_DIR")?;
    let out = Path::new(&out);
    let (words, code) = generate(&parsed)?;
    fs::write(out.join("text.txt"), words)?;
    fs::write(out.join("tables.rs"), code)?;
    let sentences = docs::compile(&parsed, &read(Path::new("docs"), "docs")?)?;
    let mut packed = DeflateEncoder::new(Vec::new(), Compression::best());
    packed.write_all(sentences.as_bytes())?;
    fs::write(out.join("docs.bin"), packed.finish()?)?;
    Ok(())
}

/// Name and content of every file with this extension, by name: the output must not depend on the file system's order.
fn read(directory: &Path, extension: &str) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == extension) {
            files.push((path.display().to_string(), fs::read_to_string(&path)?));
        }
    }
    files.sort();
    Ok(files)
}

/// The text all names live in, and the Rust source of the arrays.
fn generate(parsed: &text::Parsed) -> Result<(String, String), Box<dyn Error>> {
    let tables = &parsed.tables;
    // Groups, versions and kinds are looked up too, and need a place in a text of their own.
    let mut names = Builder::default();
    let mut code = String::new();
    array(&mut code, "NODES", "Node", tables.nodes.iter().map(|n| node(*n)))?;
    array(&mut code, "FIELDS", "FieldRow", tables.fields.iter().map(field))?;
    array(&mut code, "WORDS", "Text", tables.words.iter().map(|w| at(*w)))?;
    array(&mut code, "TYPES", "NodeId", parsed.types.values().map(ToString::to_string))?;
    let mut kinds = Vec::new();
    for ((group, version, kind), id) in &parsed.kinds {
        let [group, version, kind] = [names.text(group)?, names.text(version)?, names.text(kind)?];
        kinds.push(format!("({}, {}, {}, {id})", at(group), at(version), at(kind)));
    }
    array(&mut code, "KINDS", "(Text, Text, Text, NodeId)", kinds.into_iter())?;
    writeln!(code, "static NAMES: &str = {:?};", names.finish().text)?;
    Ok((tables.text.to_string(), code))
}

fn array(
    code: &mut String,
    name: &str,
    of: &str,
    rows: impl ExactSizeIterator<Item = String>,
) -> Result<(), std::fmt::Error> {
    writeln!(code, "static {name}: [{of}; {}] = [", rows.len())?;
    for row in rows {
        writeln!(code, "{row},")?;
    }
    writeln!(code, "];")
}

fn at(text: Text) -> String {
    format!("t({},{})", text.at, text.len)
}

fn run(run: Run) -> String {
    format!("r({},{})", run.at, run.len)
}

fn node(node: Node) -> String {
    match node {
        Node::Scalar(scalar) => format!("Node::Scalar(Scalar::{scalar:?})"),
        Node::Struct(row) => format!("object({},{},{},{})", at(row.name), run(row.fields), row.atomic, row.open),
        Node::List { item, kind, keys, wrapped } => format!("list({item},ListKind::{kind:?},{},{wrapped})", run(keys)),
        Node::Map { value, atomic } => format!("Node::Map {{ value: {value}, atomic: {atomic} }}"),
    }
}

fn field(row: &FieldRow) -> String {
    // Destructured whole, so that a new fact cannot be forgotten here.
    let FieldRow {
        name,
        node,
        tag,
        pointer,
        print,
        inline,
        required,
        nullable,
        immutable,
        strategy,
        merge_key,
        default,
        enums,
        format,
    } = *row;
    let flags = [pointer, inline, required, nullable, immutable];
    let flags = flags.iter().enumerate().fold(0, |bits, (i, set)| bits | u8::from(*set) << i);
    let print = match print {
        Print::Always => 0,
        Print::OmitEmpty => 1,
        Print::OmitZero => 2,
    };
    format!(
        "field({},{node},{tag},{flags},{print},Strategy::{strategy:?},{},{},{},{})",
        at(name),
        at(merge_key),
        at(default),
        run(enums),
        at(format)
    )
}
