//! Field paths and field errors, worded as upstream words them (`k8s.io/apimachinery/pkg/util/validation/field`).

use std::fmt;

use crate::{Map, Value};

/// A path to a field: `spec.containers[0].image`, `metadata.labels[app]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Path(String);

impl Path {
    /// The root, printed as nothing (upstream's nil path prints `<nil>`; see [`Error`]).
    pub fn root() -> Self {
        Self::default()
    }

    /// A path of one or more names: `Path::new("spec")`.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The member `name` of this.
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() { Self(name.to_owned()) } else { Self(format!("{}.{name}", self.0)) }
    }

    /// The element at `index` of this list.
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// The entry `key` of this map.
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }

    /// The printed form.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with a field. The reason of a Status cause is [`Kind::reason`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A needed value is missing.
    Required,
    /// The value breaks a rule.
    Invalid,
    /// The value is none of the allowed ones.
    NotSupported,
    /// The field may not be set here.
    Forbidden,
    /// Two elements that must differ do not.
    Duplicate,
    /// What the value refers to does not exist.
    NotFound,
    /// The value is too long.
    TooLong,
    /// The list has too many elements.
    TooMany,
    /// Something inside failed.
    Internal,
    /// The value has the wrong type.
    TypeInvalid,
}

impl Kind {
    /// `FieldValueRequired`, …: the reason in a Status cause.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Required => "FieldValueRequired",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::Duplicate => "FieldValueDuplicate",
            Self::NotFound => "FieldValueNotFound",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Internal => "InternalError",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Required => "Required value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::Duplicate => "Duplicate value",
            Self::NotFound => "Not found",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
        }
    }
}

/// One field error.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    /// Where.
    pub path: Path,
    /// What.
    pub kind: Kind,
    /// The offending value, where the message shows it.
    pub value: Option<Value>,
    /// The explanation after the colon; may be empty.
    pub detail: String,
}

/// Field errors of one validation.
pub type Errors = Vec<Error>;

impl Error {
    fn new(path: &Path, kind: Kind, value: Option<Value>, detail: impl Into<String>) -> Self {
        Self { path: path.clone(), kind, value, detail: detail.into() }
    }

    /// A needed value is missing.
    pub fn required(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(path, Kind::Required, None, detail)
    }

    /// The value breaks a rule.
    pub fn invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(path, Kind::Invalid, Some(value.into()), detail)
    }

    /// The value has the wrong type.
    pub fn type_invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Self {
        Self::new(path, Kind::TypeInvalid, Some(value.into()), detail)
    }

    /// The value is none of `allowed` (printed sorted and quoted).
    pub fn not_supported<'a>(path: &Path, value: impl Into<Value>, allowed: impl IntoIterator<Item = &'a str>) -> Self {
        let mut allowed: Vec<String> = allowed.into_iter().map(|v| format!("{v:?}")).collect();
        allowed.sort();
        let detail =
            if allowed.is_empty() { String::new() } else { format!("supported values: {}", allowed.join(", ")) };
        Self::new(path, Kind::NotSupported, Some(value.into()), detail)
    }

    /// The field may not be set here.
    pub fn forbidden(path: &Path, detail: impl Into<String>) -> Self {
        Self::new(path, Kind::Forbidden, None, detail)
    }

    /// The value stands twice.
    pub fn duplicate(path: &Path, value: impl Into<Value>) -> Self {
        Self::new(path, Kind::Duplicate, Some(value.into()), "")
    }

    /// What the value names does not exist.
    pub fn not_found(path: &Path, value: impl Into<Value>) -> Self {
        Self::new(path, Kind::NotFound, Some(value.into()), "")
    }

    /// The value is longer than `max` bytes. Upstream does not echo the value.
    pub fn too_long(path: &Path, max: usize) -> Self {
        Self::new(path, Kind::TooLong, None, format!("may not be more than {max} bytes"))
    }

    /// The list has more than `max` elements.
    pub fn too_many(path: &Path, actual: usize, max: usize) -> Self {
        Self::new(path, Kind::TooMany, Some(Value::Int(actual as i64)), format!("must have at most {max} items"))
    }

    /// The message without the path: what a Status cause carries.
    pub fn body(&self) -> String {
        let mut out = self.kind.words().to_owned();
        if let Some(value) = &self.value {
            out.push_str(": ");
            go_value(value, &mut out);
        }
        if !self.detail.is_empty() {
            out.push_str(": ");
            out.push_str(&self.detail);
        }
        out
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.as_str().is_empty() { "<nil>" } else { self.path.as_str() };
        write!(f, "{path}: {}", self.body())
    }
}

/// Prints a value as upstream's errors show it: strings quoted as Go does, structs and lists as JSON.
fn go_value(value: &Value, out: &mut String) {
    use fmt::Write as _;
    let _ = match value {
        Value::Null => write!(out, "null"),
        Value::Bool(b) => write!(out, "{b}"),
        Value::Int(n) => write!(out, "{n}"),
        Value::Float(n) => write!(out, "{n}"),
        Value::String(s) => write!(out, "{:?}", s.as_str()),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                go_value(item, out);
            }
            out.push(']');
            Ok(())
        }
        Value::Object(map) => {
            go_map(map, out);
            Ok(())
        }
    };
}

fn go_map(map: &Map, out: &mut String) {
    out.push('{');
    for (i, (k, v)) in map.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        out.push_str(&format!("{k:?}:"));
        go_value(v, out);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_upstreams() {
        let p = Path::new("spec").child("containers").index(0).child("name");
        assert_eq!(Error::required(&p, "").to_string(), "spec.containers[0].name: Required value");
        assert_eq!(
            Error::invalid(&p, "A_b", "must be lower case").to_string(),
            r#"spec.containers[0].name: Invalid value: "A_b": must be lower case"#
        );
        assert_eq!(
            Error::not_supported(&p, "x", ["b", "a"]).to_string(),
            r#"spec.containers[0].name: Unsupported value: "x": supported values: "a", "b""#
        );
        assert_eq!(Error::duplicate(&Path::new("m").key("k"), 1i64).to_string(), "m[k]: Duplicate value: 1");
    }
}
