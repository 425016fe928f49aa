//! The container runtime as the node agent sees it.
//!
//! [`Runtime`] is the line the kubelet is tested at: CRI v1, one method a call, typed errors. [`Cri`] speaks it over a
//! unix socket, [`fake::FakeRuntime`] pretends in memory. [`containerd`] owns a private containerd (or leaves a foreign
//! one alone), [`events`] says what happened to containers without polling, [`images`] brings images in from files,
//! [`registries`] says where others come from, and [`pause`] holds the sandbox image, so that the first pod needs no registry.
//!
//! Nothing here knows pods or the Kubernetes API.

mod channel;
mod client;
pub mod containerd;
mod error;
pub mod events;
pub mod fake;
pub mod images;
pub mod pause;
pub mod registries;
mod runtime;
mod toml;

pub use channel::unix_channel;
pub use client::Cri;
pub use error::CriError;
/// The messages of CRI v1.
pub use k8s_cri::v1;
pub use runtime::{ExecOutput, Runtime};
/// The codes a [`CriError`] carries.
pub use tonic::Code;

/// The containerd namespace that CRI keeps everything in.
pub const NAMESPACE: &str = "k8s.io";
