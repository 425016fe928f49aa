//! Deciding what to do with a pod. Everything here is pure: no IO, no clock, no log.
//!
//! `observe` turns the runtime's answers into [`Observed`]; `Memory` is what the worker remembers beside it (failed
//! starts, back-offs, probe results); [`plan()`] says what to do next and when to look again without being woken.

mod backoff;
mod hash;
mod memory;
mod observe;
mod plan;
mod restart;

pub(crate) use backoff::CrashBackoff;
pub(crate) use hash::container_hash;
pub(crate) use memory::{Ended, Failure, Health, Memory, StartError};
pub(crate) use observe::{Container, Observed, Sandbox, State, annotations, labels};
pub(crate) use plan::{Action, KillReason, MINIMUM, Plan, plan};
pub(crate) use restart::should_restart;
pub(crate) use {observe::state as container_state, plan::deadline};

#[cfg(test)]
pub(crate) mod tests;
