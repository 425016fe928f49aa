//! YAML in and out, as `sigs.k8s.io/yaml` reads it.
//!
//! That library is YAML 1.1 on top of JSON's data model: `yes`, `on` and `0777` mean what they meant then, keys become
//! strings, and a document is an object of the API like any other. Anchors and merge keys (`<<`) are resolved; what
//! they expand to counts against the size limit, so that a few lines cannot grow into gigabytes.

//!
//! A key that stands twice is told of by its line, and all of them as one error: this is where upstream reads the text
//! a second time, with the strict reader of YAML, whose words are not those of the one of JSON.

mod build;
mod resolve;
mod split;
mod write;

pub use build::{parse, parse_all};
pub use split::documents;
pub use write::write;

/// The error of upstream's strict reader: [`duplicate_lines`](crate::json::Parsed::duplicate_lines) in one.
pub fn strict_error(lines: &[String]) -> String {
    format!("yaml: unmarshal errors:\n  {}", lines.join("\n  "))
}

#[cfg(test)]
mod tests;
