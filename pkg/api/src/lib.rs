//! What Kubernetes objects *are*: the object tree, the schema engine over it, codecs, patches, apply.
//!
//! Everything here is pure: no IO, no async, no clock, no log. The API server runs these algorithms on every
//! request; the components use the tree, [`Object`] and the small vocabularies (selectors, quantities, times).
//!
//! There is exactly one description of a type — [`schema::Tables`], filled by `knarr-catalog` for built-in kinds
//! and by a compiler from OpenAPI for CustomResourceDefinitions — and every algorithm is generic over it.

pub mod apply;
pub mod cron;
pub mod decode;
pub mod default;
pub mod demand;
pub mod duration;
pub mod field;
pub mod fields;
pub mod json;
pub mod names;
pub mod object;
pub mod patch;
pub mod placement;
pub mod proto;
pub mod quantity;
pub mod quota;
pub mod same;
pub mod schema;
pub mod selector;
pub mod status;
pub mod time;
pub mod validate;
pub mod value;
pub mod yaml;

#[cfg(test)]
mod kinds;
#[cfg(test)]
mod testing;
mod trail;

pub use object::{Meta, Object, OwnerRef};
pub use status::{Reason, Status};
pub use value::{Map, Str, Value};
