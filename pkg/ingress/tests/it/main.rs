//! The ingress from outside: tables as text, and real sockets on loopback against a cluster in memory.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod certificates;
mod change;
mod classes;
mod failure;
mod http;
mod office;
mod paths;
mod pods;
mod routing;
mod streams;
mod support;
mod tables;
