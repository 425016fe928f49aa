//! Reads `docs/*.docs`: what types and fields are for, in sentences.
//!
//! ```text
//! package io.k8s.api.apps.v1
//!
//! Deployment: What the type is.
//!   spec: What the field is.
//! ```
//!
//! `common.docs` has no package: its sections speak for all types whose name ends as they say (`*List`), and `*` for
//! all. A type's own section wins over them, the longest match over shorter ones. Blank lines and lines that begin
//! with `#` are skipped.

use std::{collections::BTreeMap, error::Error};

use knarr_api::schema::{Type, text::Parsed};

/// Sentences by type, and by field of a type.
#[derive(Default)]
struct Section<'a> {
    text: &'a str,
    fields: BTreeMap<&'a str, &'a str>,
}

/// All sentences as the program reads them: a line `name<TAB>text` a type, in the order of the names, each followed by
/// a line `<TAB>name<TAB>text` a field as JSON sees them.
pub(crate) fn compile(parsed: &Parsed, files: &[(String, String)]) -> Result<String, Box<dyn Error>> {
    let (mut own, mut common) = (BTreeMap::new(), BTreeMap::new());
    for (path, body) in files {
        read(body, &mut own, &mut common).map_err(|e| format!("{path}: {e}"))?;
    }
    let mut out = String::new();
    for (name, id) in &parsed.types {
        let ty = parsed.tables.ty(*id);
        let of_all = || chain(name, &own, &common);
        let text = of_all().map(|s| s.text).find(|t| !t.is_empty()).unwrap_or_default();
        out.push_str(&format!("{name}\t{text}\n"));
        each_field(ty, &mut |owner, field| {
            let owner = if owner.is_empty() { name } else { owner };
            // What an inlined struct says of its member may be said better where it is inlined.
            let of_field = of_all().take(1).chain(chain(owner, &own, &common)).chain(of_all());
            let text = of_field.filter_map(|s| s.fields.get(field)).next().unwrap_or(&"");
            out.push_str(&format!("\t{field}\t{text}\n"));
        });
    }
    for (name, section) in &own {
        let Some(id) = parsed.types.get(name) else {
            return Err(format!("there is no type {name}, but a description of it").into());
        };
        let ty = parsed.tables.ty(*id);
        if let Some(stray) = section.fields.keys().find(|field| ty.field(field).is_none()) {
            return Err(format!("{name} has no field {stray:?}, but a description of it").into());
        }
    }
    Ok(out)
}

/// The sections that speak for a type, the most particular first.
fn chain<'s, 'a>(
    name: &str,
    own: &'s BTreeMap<String, Section<'a>>,
    common: &'s BTreeMap<&'a str, Section<'a>>,
) -> impl Iterator<Item = &'s Section<'a>> {
    let mut suffixes: Vec<&&str> = common.keys().filter(|suffix| name.ends_with(**suffix)).collect();
    suffixes.sort_by_key(|suffix| std::cmp::Reverse(suffix.len()));
    own.get(name).into_iter().chain(suffixes.into_iter().filter_map(|s| common.get(*s)))
}

/// Members as JSON sees them, each with the name of the struct that declares it.
fn each_field<'t>(ty: Type<'t>, visit: &mut impl FnMut(&'t str, &'t str)) {
    for field in ty.fields() {
        if field.row.inline { each_field(field.ty(), visit) } else { visit(ty.name(), field.name()) }
    }
}

fn read<'a>(
    body: &'a str,
    own: &mut BTreeMap<String, Section<'a>>,
    common: &mut BTreeMap<&'a str, Section<'a>>,
) -> Result<(), String> {
    let mut package = None;
    let mut section: Option<&mut Section<'a>> = None;
    for (number, line) in body.lines().enumerate() {
        let wrong = |what: &str| format!("line {}: {what}: {line:?}", number + 1);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix("package ") {
            package = Some(name.trim());
            continue;
        }
        let (name, text) = line.split_once(':').ok_or_else(|| wrong("neither a type nor a field"))?;
        let text = text.trim();
        if let Some(field) = name.strip_prefix("  ") {
            let section = section.as_deref_mut().ok_or_else(|| wrong("a field before any type"))?;
            if section.fields.insert(field, text).is_some() {
                return Err(wrong("said twice"));
            }
            continue;
        }
        let entry = match (name.strip_prefix('*'), package) {
            (Some(suffix), _) => common.entry(suffix).or_default(),
            (None, Some(package)) => own.entry(format!("{package}.{name}")).or_default(),
            (None, None) => return Err(wrong("a type before any package")),
        };
        if !entry.text.is_empty() {
            return Err(wrong("said twice"));
        }
        entry.text = text;
        section = Some(entry);
    }
    Ok(())
}
