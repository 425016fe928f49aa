//! Protobuf in and out, driven by the schema.
//!
//! The wire form is upstream's: proto2 as gogo generates it. Plain scalars and structs are always written, zero or not;
//! pointers, lists and maps when they are there; fields in the order of their tags; maps sorted. Reading gives the
//! canonical tree (see [`crate::decode`]), so the two codecs meet in one form. Kind and version travel in an
//! [`Envelope`] around the message.

mod decode;
mod encode;
mod envelope;
mod leaf;
pub(crate) mod union;
mod wire;

pub use decode::decode;
pub use encode::encode;
pub use envelope::{Envelope, MAGIC};

use crate::json;

/// Why bytes are no message of a type, or a tree cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The input ends inside a field.
    #[error("unexpected EOF")]
    Truncated,
    /// A number over 64 bits.
    #[error("proto: integer overflow")]
    Overflow,
    /// A tag that is zero, or a group that does not end.
    #[error("proto: illegal tag {0}")]
    Tag(u64),
    /// A known field in a wire form that is not its own.
    #[error("proto: wrong wireType = {wire} for field {field}")]
    WireType {
        /// The wire form found.
        wire: u8,
        /// JSON name of the field.
        field: Box<str>,
    },
    /// A string that is no UTF-8.
    #[error("proto: field {field} contains invalid UTF-8")]
    Utf8 {
        /// JSON name of the field.
        field: Box<str>,
    },
    /// Nested deeper than the limit.
    #[error("proto: exceeded max depth")]
    TooDeep,
    /// Longer than the limit.
    #[error("the document is larger than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Not wrapped in upstream's envelope.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    NoEnvelope,
    /// Embedded JSON that is none.
    #[error("field {field}: embedded JSON: {source}")]
    Embedded {
        /// JSON name of the field.
        field: Box<str>,
        /// What is wrong with it.
        source: json::Error,
    },
    /// A leaf out of its range, or (writing) not in canonical form.
    #[error("field {field}: {problem}")]
    Leaf {
        /// JSON name of the field.
        field: Box<str>,
        /// What is wrong with it.
        problem: Box<str>,
    },
    /// The type at the root is not a struct: only structs are messages.
    #[error("the type is not a message")]
    NotAMessage,
}

#[cfg(test)]
mod tests;
