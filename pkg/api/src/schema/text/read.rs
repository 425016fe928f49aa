//! Reads files of the notation: declarations first, so that types may refer forward and across files, then members.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Error, Parsed, Problem,
    words::{call, items, split},
};
use crate::schema::{FieldRow, ListKind, NodeId, Print, Run, Scalar, Strategy, builder::Builder};

/// Reads files given as (name, text); the name appears in errors only.
///
/// # Errors
/// The first mistake.
pub fn parse(files: &[(&str, &str)]) -> Result<Parsed, Error> {
    let mut reader = Reader::default();
    let mut structs: Vec<Body<'_>> = Vec::new();
    for (file, text) in files {
        reader.head = Head::default();
        for (i, line) in text.lines().enumerate() {
            let at = |problem| Error { file: (*file).to_owned(), line: i + 1, problem };
            match line.chars().next() {
                None | Some('#') => {}
                Some(c) if c.is_whitespace() => {
                    let words = split(line).map_err(at)?;
                    if words.first().is_none_or(|w| w.starts_with('#')) {
                        continue;
                    }
                    let body = structs.last_mut().filter(|b| b.file == *file).ok_or_else(|| at(Problem::Stray))?;
                    body.fields.push((i + 1, words));
                }
                Some(_) => {
                    let id = split(line).and_then(|words| reader.declare(&words)).map_err(at)?;
                    let head = reader.head.clone();
                    structs.extend(id.map(|id| Body { file, line: i + 1, id, head, fields: Vec::new() }));
                }
            }
        }
    }
    for body in structs {
        let mut rows = Vec::new();
        let mut seen = BTreeSet::new();
        for (line, words) in body.fields {
            let row = reader.field(&body.head, &words, &mut seen);
            rows.push(row.map_err(|problem| Error { file: body.file.to_owned(), line, problem })?);
        }
        let at = |problem| Error { file: body.file.to_owned(), line: body.line, problem };
        reader.builder.fill(body.id, &rows).map_err(|e| at(e.into()))?;
    }
    Ok(Parsed { tables: reader.builder.finish(), types: reader.types, kinds: reader.kinds })
}

/// A struct whose members are still words.
struct Body<'a> {
    file: &'a str,
    line: usize,
    id: NodeId,
    head: Head,
    fields: Vec<(usize, Vec<&'a str>)>,
}

/// What the top of a file said.
#[derive(Clone, Default)]
struct Head {
    package: Option<String>,
    version: Option<(String, String)>,
    imports: BTreeMap<String, String>,
}

#[derive(Default)]
struct Reader {
    builder: Builder,
    types: BTreeMap<String, NodeId>,
    kinds: BTreeMap<(String, String, String), NodeId>,
    head: Head,
}

impl Reader {
    /// Reads a line that is not indented; gives the node of a struct line.
    fn declare(&mut self, words: &[&str]) -> Result<Option<NodeId>, Problem> {
        match words {
            ["package", name] => self.head.package = Some((*name).to_owned()),
            ["version", version] => self.head.version = Some(group_version(version)),
            ["import", alias, package] => {
                self.head.imports.insert((*alias).to_owned(), (*package).to_owned());
            }
            ["struct", name, flags @ ..] => return self.declare_struct(name, flags).map(Some),
            _ => return Err(Problem::Declaration(words.join(" "))),
        }
        Ok(None)
    }

    fn declare_struct(&mut self, name: &str, flags: &[&str]) -> Result<NodeId, Problem> {
        let package = self.head.package.as_ref().ok_or(Problem::Missing("package"))?;
        let full = format!("{package}.{name}");
        let (mut atomic, mut open, mut versions) = (false, false, Vec::new());
        for flag in flags {
            match call(flag) {
                ("atomic", None) => atomic = true,
                ("open", None) => open = true,
                ("kind", None) => versions.push(self.head.version.clone().ok_or(Problem::Missing("version"))?),
                ("kind", Some(list)) => versions.extend(list.split(',').map(group_version)),
                _ => return Err(Problem::Flag((*flag).to_owned())),
            }
        }
        let id = self.builder.reserve(&full, atomic, open)?;
        for (group, version) in versions {
            if self.kinds.insert((group, version, name.to_owned()), id).is_some() {
                return Err(Problem::Twice { what: "kind", name: name.to_owned() });
            }
        }
        match self.types.insert(full, id) {
            Some(_) => Err(Problem::Twice { what: "struct", name: name.to_owned() }),
            None => Ok(id),
        }
    }

    /// Reads a member. `seen` holds the names and tags of those before it.
    fn field(&mut self, head: &Head, words: &[&str], seen: &mut BTreeSet<String>) -> Result<FieldRow, Problem> {
        let [name, tag, ty, flags @ ..] = words else { return Err(Problem::Expected("name, tag and type")) };
        if !seen.insert((*name).to_owned()) {
            return Err(Problem::Twice { what: "field", name: (*name).to_owned() });
        }
        let number = match *tag {
            "-" => 0,
            tag => tag.parse().ok().filter(|t| *t > 0).ok_or(Problem::Expected("a tag from 1 to 65535, or -"))?,
        };
        if number > 0 && !seen.insert(format!("#{number}")) {
            return Err(Problem::Twice { what: "tag", name: (*tag).to_owned() });
        }
        let (pointer, ty) = ty.strip_prefix('*').map_or((false, *ty), |ty| (true, ty));
        let mut row = FieldRow::plain(self.builder.text(name)?, self.ty(head, ty)?);
        (row.tag, row.pointer) = (number, pointer);
        for flag in flags {
            self.flag(&mut row, flag)?;
        }
        Ok(row)
    }

    fn flag(&mut self, row: &mut FieldRow, flag: &str) -> Result<(), Problem> {
        if let Some(json) = flag.strip_prefix("default=") {
            serde_json::from_str::<serde::de::IgnoredAny>(json).map_err(|_| Problem::Default(json.to_owned()))?;
            row.default = self.builder.text(json)?;
            return Ok(());
        }
        if let Some(format) = flag.strip_prefix("format=") {
            row.format = self.builder.text(format)?;
            return Ok(());
        }
        let (word, inside) = call(flag);
        match (word, inside) {
            ("omitempty", None) => row.print = Print::OmitEmpty,
            ("omitzero", None) => row.print = Print::OmitZero,
            ("inline", None) => row.inline = true,
            ("required", None) => row.required = true,
            ("nullable", None) => row.nullable = true,
            ("immutable", None) => row.immutable = true,
            ("enum", Some(list)) => {
                let list = items(list)?;
                row.enums = self.builder.words(list.iter().map(String::as_str))?;
            }
            _ => {
                row.strategy = strategy(word).ok_or_else(|| Problem::Flag(flag.to_owned()))?;
                row.merge_key = self.builder.text(inside.unwrap_or_default())?;
            }
        }
        Ok(())
    }

    fn ty(&mut self, head: &Head, ty: &str) -> Result<NodeId, Problem> {
        if let Some(rest) = ty.strip_prefix("wrapped[]") {
            let item = self.ty(head, rest)?;
            return Ok(self.builder.list(item, ListKind::Atomic, Run::default(), true)?);
        }
        if let Some((how, rest)) = ty.strip_prefix('[').and_then(|t| t.split_once(']')) {
            let (kind, keys) = match how {
                "" => (ListKind::Atomic, Run::default()),
                "set" => (ListKind::Set, Run::default()),
                how => {
                    let keys = how.strip_prefix("by:").ok_or(Problem::Expected("[], [set] or [by:keys]"))?;
                    (ListKind::Map, self.builder.words(keys.split(','))?)
                }
            };
            let item = self.ty(head, rest)?;
            return Ok(self.builder.list(item, kind, keys, false)?);
        }
        if let Some((how, rest)) = ty.strip_prefix('{').and_then(|t| t.split_once('}')) {
            let atomic = match how {
                "" => false,
                "atomic" => true,
                _ => return Err(Problem::Expected("{} or {atomic}")),
            };
            let value = self.ty(head, rest)?;
            return Ok(self.builder.map(value, atomic)?);
        }
        match scalar(ty) {
            Some(scalar) => Ok(self.builder.scalar(scalar)?),
            None => self.named(head, ty).ok_or_else(|| Problem::Type(ty.to_owned())),
        }
    }

    fn named(&self, head: &Head, name: &str) -> Option<NodeId> {
        let full = match name.split_once('.') {
            None => format!("{}.{name}", head.package.as_deref().unwrap_or_default()),
            Some((alias, rest)) => match head.imports.get(alias) {
                Some(package) => format!("{package}.{rest}"),
                None => name.to_owned(),
            },
        };
        self.types.get(&full).copied()
    }
}

fn group_version(text: &str) -> (String, String) {
    let (group, version) = text.split_once('/').unwrap_or(("", text));
    (group.to_owned(), version.to_owned())
}

fn strategy(word: &str) -> Option<Strategy> {
    Some(match word {
        "merge" => Strategy::Merge,
        "replace" => Strategy::Replace,
        "retainKeys" => Strategy::RetainKeys,
        "merge+retainKeys" => Strategy::MergeRetainKeys,
        "mergeKey" => Strategy::Default,
        _ => return None,
    })
}

fn scalar(word: &str) -> Option<Scalar> {
    Some(match word {
        "bool" => Scalar::Bool,
        "int32" => Scalar::Int32,
        "int64" => Scalar::Int64,
        "double" => Scalar::Double,
        "string" => Scalar::String,
        "bytes" => Scalar::Bytes,
        "quantity" => Scalar::Quantity,
        "time" => Scalar::Time,
        "microTime" => Scalar::MicroTime,
        "duration" => Scalar::Duration,
        "intOrString" => Scalar::IntOrString,
        "rawExtension" => Scalar::RawExtension,
        "json" => Scalar::Json,
        "fieldsV1" => Scalar::FieldsV1,
        _ => return None,
    })
}
