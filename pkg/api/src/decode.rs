//! From a tree somebody sent to the tree upstream would hold.
//!
//! [`normalise`] checks a tree against its schema and brings it to *canonical form*: exactly the members that upstream
//! would print, each scalar in the spelling in which upstream would print it. Encoding a canonical tree by its schema
//! therefore gives upstream's bytes, and two canonical trees are equal exactly if upstream's objects are. Everything
//! behind the decoders (defaults, patches, ownership, validation, storage) may rely on that form.
//!
//! Members the schema does not know are dropped and, as the request asks, refused, reported or passed over in silence.

pub(crate) mod canon;
mod normalise;
mod prune;
pub(crate) mod scalar;
mod words;

pub use normalise::normalise;
pub use prune::prune;

use crate::{
    Status, Value,
    json::{self, Limits},
    schema::Type,
};

/// What to do about unknown and duplicate members (`fieldValidation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validation {
    /// Refuse the request.
    Strict,
    /// Report them as warnings.
    Warn,
    /// Drop them in silence.
    Ignore,
}

/// A canonical tree.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The tree.
    pub value: Value,
    /// `unknown field "spec.foo"`, `duplicate field "spec.bar"`; only under [`Validation::Warn`].
    pub warnings: Vec<String>,
}

/// Why a document is not an object of the type. The client's mistake, always.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not well-formed, or out of bounds.
    #[error(transparent)]
    Parse(#[from] json::Error),
    /// A value has another type than its member; worded as Go's decoder words it.
    #[error("{0}")]
    Type(Box<str>),
    /// Unknown or duplicate members under [`Validation::Strict`], worded as upstream.
    #[error("strict decoding error: {}", .0.join(", "))]
    Strict(Vec<String>),
}

impl From<Error> for Status {
    fn from(e: Error) -> Self {
        match e {
            Error::Parse(json::Error::TooLarge { .. }) => {
                Self::new(crate::Reason::RequestEntityTooLarge, e.to_string())
            }
            _ => Self::bad_request(e.to_string()),
        }
    }
}

/// More unknown and duplicate members than this are dropped without being named.
const MAX_ISSUES: usize = 100;

/// Reads a JSON document as an object of the type: [`json::parse`], then [`normalise`], with unknown and duplicate
/// members reported in the order in which the document has them.
///
/// # Errors
/// See [`Error`].
pub fn document(ty: Type<'_>, input: &[u8], limits: &Limits, validation: Validation) -> Result<Decoded, Error> {
    let parsed = json::parse(input, limits)?;
    let sorted = |mut issues: Vec<String>| {
        if issues.len() > 1 {
            json::in_document_order(input, &mut issues, |issue| issue.split('"').nth(1).unwrap_or_default());
        }
        issues
    };
    match normalise(ty, parsed, validation) {
        Ok(decoded) => Ok(Decoded { warnings: sorted(decoded.warnings), ..decoded }),
        Err(Error::Strict(issues)) => Err(Error::Strict(sorted(issues))),
        Err(other) => Err(other),
    }
}

#[cfg(test)]
mod tests;
