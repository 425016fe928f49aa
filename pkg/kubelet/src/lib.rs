//! The node agent: pods → containers, volumes, probes, logs, statistics.
//!
//! ```text
//!  API watch (pods of this node) ─┐                      ┌─► CRI (sandboxes, containers, images)
//!  containerd events ─────────────┤  one worker per pod  ├─► volumes, cgroups, logs on the host
//!  probe verdicts ────────────────┼─► observe → status ──┼─► status writer → API
//!  ConfigMaps and Secrets ────────┤     └────→ plan → job┘
//!  timers ────────────────────────┘
//! ```
//!
//! What to do is decided in pure code ([`sync`], [`status`], [`translate`], [`probes`]); IO is a thin ring around it.
//! The agent keeps nothing that must survive it: containers carry what it needs to know as labels, so a restart adopts
//! what runs and restarts nothing. While the API is away everything goes on as it was last told.
//!
//! Deliberately absent: static pods, devices and CPU
//! pinning, in-place resize, user namespaces, CSI.

mod admit;
mod arguments;
mod cgroups;
mod config;
mod gc;
mod kubelet;
mod logs;
mod making;
mod node;
mod objects;
mod pod;
mod pods;
mod pressure;
mod probes;
mod quantity;
mod registry;
mod server;
mod services;
mod shared;
mod stats;
mod status;
mod status_writer;
mod sync;
mod translate;
mod tree;
mod volumes;
mod worker;

#[cfg(test)]
mod testutil;

pub use config::{Config, ConfigError, Taint};
pub use kubelet::{Kubelet, KubeletError};
pub use pressure::{Amount, Signal, Thresholds, ThresholdsError};
pub use server::{Caller, Guard, Server};
