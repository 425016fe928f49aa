//! The face in front of a real registry and store, in memory: requests in, responses out.

#![expect(clippy::unwrap_used, reason = "tests")]

mod access;
mod connection;
mod documents;
mod nodes;
mod objects;
mod transports;
mod watches;
mod world;
