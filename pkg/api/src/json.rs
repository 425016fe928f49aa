//! JSON in and out.
//!
//! [`parse`] reads outside bytes into a tree: bounded in size and depth, remembering keys that stand twice (strict
//! field validation reports them), with the syntax errors Go's decoder words. [`write`] prints any tree as Go prints a
//! map. [`encode`] prints a tree by its schema: struct members in declared order, so that a canonical tree gives
//! exactly upstream's bytes. Printing appends to the caller's buffer and allocates nothing of its own: it runs on
//! every write and for every face of an object.

mod lex;
mod parse;
mod write;

pub use parse::{in_document_order, parse};
pub use write::{encode, write};

use crate::Value;

/// Bounds on outside input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nesting of objects and lists.
    pub depth: usize,
    /// Size of the input (for YAML also of the tree after aliases are expanded).
    pub bytes: usize,
}

impl Default for Limits {
    /// Upstream's 3 MiB request limit; depth so that recursion over a tree stays far inside a thread's stack.
    fn default() -> Self {
        Self { depth: 256, bytes: 3 * 1024 * 1024 }
    }
}

/// A parsed document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The tree. Of keys that stand twice the last one won.
    pub value: Value,
    /// Paths of keys that stand twice in JSON (`spec.ports[0].name`), at most [`Parsed::MAX_DUPLICATES`].
    pub duplicates: Vec<String>,
    /// What upstream's reader of YAML says of them instead (`line 4: key "data" already set in map`), as many.
    pub duplicate_lines: Vec<String>,
}

impl Parsed {
    /// More are not recorded: upstream bounds its strict errors alike.
    pub const MAX_DUPLICATES: usize = crate::trail::MAX_PATHS;
}

impl From<Value> for Parsed {
    fn from(value: Value) -> Self {
        Self { value, ..Self::default() }
    }
}

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not well-formed; worded as the decoder of that notation upstream words it.
    #[error("{0}")]
    Syntax(Box<str>),
    /// Nested deeper than the limit.
    #[error("exceeded max depth")]
    TooDeep,
    /// Longer than the limit.
    #[error("the document is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}

impl Error {
    pub(crate) fn syntax(text: impl Into<Box<str>>) -> Self {
        Self::Syntax(text.into())
    }
}

#[cfg(test)]
mod tests;
