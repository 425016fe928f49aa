//! The built-in types: one description of each.
//!
//! [`resources`] lists what the API server serves out of the box; [`kind`] finds the schema of any built-in kind, the
//! virtual ones (reviews, options, scale, binding) included. The facts come from `schema/*.schema`, compiled into
//! static tables at build time; what facts cannot say (defaults across fields, validation, printer cells) are hooks,
//! one module per kind.

mod convert;
mod docs;
mod kinds;
mod resource;
mod resources;
mod tables;

pub use convert::Rename;
pub use docs::Docs;
pub use resource::{Cell, Column, Convert, Face, Hooks, NoHooks, Resource, Subresource, Verbs};
pub use resources::resources;
pub use tables::{TABLES, kind, kinds, type_named};
