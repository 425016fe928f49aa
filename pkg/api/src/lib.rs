//! What Kubernetes objects *are*: the object tree, the schema engine over it, codecs, patches, apply.
//!
//! Everything here is pure: no IO, no async, no clock, no log. The API server runs these algorithms on every
//! request; the components use the tree, [`Object`] and the small vocabularies (selectors, quantities, times).
//!
//! There is exactly one description of a type — [`schema::Tables`], filled by `knarr-catalog` for built-in kinds
//! and by a compiler from OpenAPI for CustomResourceDefinitions — and every algorithm is generic over it.

pub mod field;
pub mod object;
pub mod schema;
pub mod status;
pub mod value;

pub use object::{Meta, Object, OwnerRef};
pub use status::{Reason, Status};
pub use value::{Map, Str, Value};
