//! Probes of containers.
//!
//! `machine` is the pure state machine of one probe, `check` the four ways of asking, [`Prober`] the one timer wheel that
//! asks when it is time and tells what changed. It keeps no opinion about pods: it is told which probes there are
//! ([`Prober::set`], level-triggered) and passes verdicts on.

mod check;
mod grpc;
mod http;
mod machine;
mod prober;

pub(crate) use check::{Checker, Outcome};
pub(crate) use machine::{Machine, ProbeKind};
pub(crate) use prober::{Prober, Target, Verdict};
