//! The node agent.
mod cgroups;
mod config;
mod objects;
mod pod;
mod probes;
mod quantity;
mod services;
mod shared;
mod status;
mod status_writer;
mod sync;
mod translate;
mod tree;
mod volumes;
mod worker;
pub use config::Config;
