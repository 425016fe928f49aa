//! What needs more than one module: archives as the world writes them, and real containerd.
//!
//! `cargo test -p knarr-cri -- --ignored` runs the suite that needs root and containerd.

mod archives;
mod busybox;
mod containerd;
mod node;
