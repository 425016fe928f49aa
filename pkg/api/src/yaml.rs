//! YAML in and out, as `sigs.k8s.io/yaml` reads it.
//!
//! That library is YAML 1.1 on top of JSON's data model: `yes`, `on` and `0777` mean what they meant then, keys become
//! strings, and a document is an object of the API like any other. Anchors and merge keys (`<<`) are resolved; what
//! they expand to counts against the size limit, so that a few lines cannot grow into gigabytes.

mod build;
mod resolve;
mod split;
mod write;

pub use build::{parse, parse_all};
pub use split::documents;
pub use write::write;

#[cfg(test)]
mod tests;
