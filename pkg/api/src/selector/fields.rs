//! Field selectors: `metadata.name=a,spec.nodeName!=b`.

use std::fmt;

use super::Error;
use crate::Str;

/// A parsed field selector; empty it selects everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(Vec<Requirement>);

/// One term.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Field path as the resource names it.
    pub field: Str,
    /// The value.
    pub value: Str,
    /// Whether the field must have it, or must not.
    pub equal: bool,
}

impl Fields {
    /// Reads the notation. Commas, equal signs and backslashes in values are escaped with a backslash.
    ///
    /// # Errors
    /// A term without an operator, or a bad escape.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let mut terms = split(text);
        terms.sort_unstable();
        let terms = terms.into_iter().filter(|t| !t.is_empty());
        terms.map(|term| read(text, term)).collect::<Result<_, _>>().map(Self)
    }

    /// `field=value`.
    pub fn equal(field: &str, value: &str) -> Self {
        Self(vec![Requirement { field: field.into(), value: value.into(), equal: true }])
    }

    /// The terms, all of which must hold.
    pub fn requirements(&self) -> &[Requirement] {
        &self.0
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The value `field` must have, if the selector says so.
    pub fn exact(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|r| r.equal && r.field == field).map(|r| r.value.as_str())
    }

    /// Whether an object whose fields `lookup` knows is selected. An absent field is the empty string.
    pub fn matches<'a>(&self, mut lookup: impl FnMut(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|r| (lookup(&r.field).unwrap_or_default() == r.value) == r.equal)
    }
}

/// Terms between unescaped commas.
fn split(text: &str) -> Vec<&str> {
    let mut terms = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                terms.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    terms.push(&text[start..]);
    terms
}

fn read(text: &str, term: &str) -> Result<Requirement, Error> {
    let operator = |i| ["!=", "==", "="].into_iter().find(|op| term[i..].starts_with(op)).map(|op| (i, op));
    let found = term.char_indices().find_map(|(i, _)| operator(i));
    let Some((at, op)) = found else {
        return Err(Error::new(format!("invalid selector: '{text}'; can't understand '{term}'")));
    };
    Ok(Requirement { field: term[..at].into(), value: unescape(&term[at + op.len()..])?, equal: op != "!=" })
}

fn unescape(text: &str) -> Result<Str, Error> {
    let mut out = Str::default();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some(c @ ('\\' | ',' | '=')) => out.push(c),
                other => {
                    let what: String = other.into_iter().collect();
                    return Err(Error::new(format!("invalid field selector: invalid escape sequence: \\{what}")));
                }
            },
            ',' | '=' => {
                let code = u32::from(c);
                return Err(Error::new(format!("invalid field selector: unescaped character in value: {code}")));
            }
            c => out.push(c),
        }
    }
    Ok(out)
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, r) in self.0.iter().enumerate() {
            let value = r.value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=");
            write!(f, "{}{}{}{value}", if i > 0 { "," } else { "" }, r.field, if r.equal { "=" } else { "!=" })?;
        }
        Ok(())
    }
}
