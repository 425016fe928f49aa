//! The notation in which the built-in types are written down, and its reader.
//!
//! The table of types is data of some 2,500 lines that people review and change with every version of Kubernetes.
//! So it is text: a line a field, in the order upstream declares them, with the words of Go's struct tags. The
//! catalogue's build script compiles it into static arrays; tests write small schemas in it.
//!
//! ```text
//! # A file describes one package, and one API version where it has kinds.
//! package io.k8s.api.apps.v1
//! version apps/v1
//! import meta io.k8s.apimachinery.pkg.apis.meta.v1
//!
//! struct Deployment kind
//!   TypeMeta  - meta.TypeMeta        inline
//!   metadata  1 meta.ObjectMeta      omitempty
//!   spec      2 DeploymentSpec       omitempty
//!
//! struct DeploymentSpec
//!   replicas  1 *int32               omitempty default=1
//!   ports     6 [by:port,protocol]io.k8s.api.core.v1.ServicePort omitempty merge(port)
//! ```
//!
//! **Structs**: `struct NAME` and any of `kind` (an API kind of the file's version), `kind(v1,meta.k8s.io/v1)` (of
//! these versions), `atomic` (one owner), `open` (unknown members are kept).
//!
//! **Fields**, indented: JSON name, protobuf tag (`-`: none), type, flags.
//!
//! **Types**
//!
//! | notation | type |
//! |---|---|
//! | `bool` `int32` `int64` `double` `string` `bytes` `quantity` `time` `microTime` `duration` `intOrString` `rawExtension` `json` `fieldsV1` | the scalars |
//! | `Name` | a struct of this package |
//! | `alias.Name` | a struct of an imported package |
//! | `io.k8s.api.core.v1.Name` | any struct, by its full name |
//! | `[]T`, `[set]T`, `[by:k1,k2]T` | a list: atomic, a set, or found by keys |
//! | `wrapped[]T` | a list that is a message of its own in protobuf |
//! | `{}T`, `{atomic}T` | a map with string keys, owned by key or as a whole |
//! | `*T` | a Go pointer; only at the start |
//!
//! **Flags**
//!
//! | notation | fact |
//! |---|---|
//! | `omitempty`, `omitzero` | when it is printed; neither: always |
//! | `inline` `required` `nullable` `immutable` | the facts of these names |
//! | `merge(key)`, `merge`, `replace`, `retainKeys`, `merge+retainKeys(key)` | strategic merge strategy with its key |
//! | `mergeKey(key)` | a key without a strategy |
//! | `default=JSON` | static default |
//! | `enum(A,B)` | allowed values; quoted as in JSON where they are empty or hold other than letters, digits and `-_./` |
//! | `format=F` | OpenAPI format |
//!
//! A line is split at white space outside double quotes. `#` starts a comment only at the beginning of a line.

mod read;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::{NodeId, Tables, builder::TooLarge};

pub use read::parse;

/// What a set of files describes.
#[derive(Debug)]
pub struct Parsed {
    /// The tables.
    pub tables: Tables,
    /// Structs by full name.
    pub types: BTreeMap<String, NodeId>,
    /// Kinds by group, version and kind.
    pub kinds: BTreeMap<(String, String, String), NodeId>,
}

impl Parsed {
    /// The schema of the struct with this full name.
    pub fn schema(self, name: &str) -> Option<super::Schema> {
        let id = *self.types.get(name)?;
        Some(super::Schema::owned(std::sync::Arc::new(self.tables), id))
    }
}

/// A mistake in a file.
#[derive(Debug, thiserror::Error)]
#[error("{file}:{line}: {problem}")]
pub struct Error {
    /// Name of the file as given to [`parse`].
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub problem: Problem,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// Not a `package`, `version`, `import` or `struct` line.
    #[error("unknown declaration {0:?}")]
    Declaration(String),
    /// A struct before the package line, or a kind in a file without version.
    #[error("missing {0} line above")]
    Missing(&'static str),
    /// A field before any struct.
    #[error("field outside a struct")]
    Stray,
    /// A line without all its parts.
    #[error("expected {0}")]
    Expected(&'static str),
    /// A flag nobody knows.
    #[error("unknown flag {0:?}")]
    Flag(String),
    /// A type nobody declares.
    #[error("unknown type {0:?}")]
    Type(String),
    /// The same name or tag again.
    #[error("{what} {name:?} stands twice")]
    Twice {
        /// `struct`, `field`, `tag` or `kind`.
        what: &'static str,
        /// Which one.
        name: String,
    },
    /// A default that is not JSON.
    #[error("default {0:?} is not JSON")]
    Default(String),
    /// A quote without end.
    #[error("unclosed quote")]
    Quote,
    /// See [`TooLarge`].
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
}
