//! A Job's status as it is read, reckoned with and written.

use jiff::Timestamp;
use knarr_api::{Value, value};
use serde::Deserialize;

use crate::{
    conditions::{self, Condition, find, holding, put},
    context::rfc3339,
};

/// `status`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct JobStatus {
    pub(super) active: i32,
    pub(super) ready: i32,
    pub(super) terminating: i32,
    pub(super) succeeded: i32,
    pub(super) failed: i32,
    pub(super) start_time: Option<Timestamp>,
    pub(super) completion_time: Option<Timestamp>,
    pub(super) completed_indexes: String,
    pub(super) failed_indexes: Option<String>,
    pub(super) uncounted_terminated_pods: Option<Uncounted>,
    pub(super) conditions: Vec<Condition>,
}

/// UIDs of pods that have ended, still carry the finalizer and are not in the counters yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct Uncounted {
    pub(super) succeeded: Vec<Box<str>>,
    pub(super) failed: Vec<Box<str>>,
}

impl Uncounted {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.succeeded.len() + self.failed.len()
    }
}

impl JobStatus {
    /// The condition of a type, if it holds.
    pub(super) fn holding(&self, kind: &str) -> Option<&Condition> {
        holding(&self.conditions, kind)
    }

    /// Whether it is over.
    pub(super) fn is_finished(&self) -> bool {
        self.holding("Complete").or_else(|| self.holding("Failed")).is_some()
    }

    /// Says a condition; whether that changed anything. A condition that was never there is not said to be false.
    pub(super) fn say(&mut self, kind: &str, on: bool, reason: &str, message: &str, now: Timestamp) -> bool {
        let at = Some(now);
        let new =
            Condition { last_probe_time: at, last_transition_time: at, ..Condition::new(kind, on, reason, message) };
        let changes = find(&self.conditions, kind).map_or(on, |old| !old.agrees(&new));
        if changes {
            put(&mut self.conditions, new);
        }
        changes
    }

    /// As a merge patch writes it: what is not there is taken away.
    pub(super) fn print(&self) -> Value {
        let time = |at: Option<Timestamp>| at.map_or(Value::Null, |t| rfc3339(t).into());
        let uids = |list: &[Box<str>]| match list {
            [] => Value::Null,
            uids => Value::Array(uids.iter().map(|uid| (&**uid).into()).collect()),
        };
        let uncounted = self.uncounted_terminated_pods.clone().unwrap_or_default();
        value!({
            "active": self.active,
            "ready": self.ready,
            "terminating": self.terminating,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "startTime": time(self.start_time),
            "completionTime": time(self.completion_time),
            "completedIndexes": match self.completed_indexes.as_str() { "" => Value::Null, text => text.into() },
            "failedIndexes": self.failed_indexes.as_deref().map_or(Value::Null, Value::from),
            "uncountedTerminatedPods": {
                "succeeded": uids(&uncounted.succeeded),
                "failed": uids(&uncounted.failed),
            },
            "conditions": conditions::print(&self.conditions),
        })
    }
}
