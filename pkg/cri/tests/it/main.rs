//! What needs more than one module: archives as the world writes them, and real containerd.
//!
//! `cargo test -p knarr-cri -- --ignored` runs the suite that needs root and containerd.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod archives;
mod busybox;
mod containerd;
mod node;
