//! Label and field selectors: their notation, what they match, and the words for what is wrong with them.

mod fields;
mod labels;
mod lex;

pub use fields::{Fields, Requirement as FieldRequirement};
pub use labels::{Labels, Operator, Requirement};

/// Why a selector was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(String);

impl Error {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

#[cfg(test)]
mod tests;
