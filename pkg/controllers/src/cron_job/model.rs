//! CronJobs and the Jobs they made, as their controller sees them.

use jiff::Timestamp;
use knarr_api::{Meta, Object, Value, value};
use knarr_client::Key;
use serde::Deserialize;

use crate::{conditions::Condition, context::rfc3339};

/// A CronJob.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CronJob {
    pub(super) key: Key,
    pub(super) meta: Meta,
    pub(super) created: Timestamp,
    pub(super) schedule: Box<str>,
    pub(super) zone: Option<Box<str>>,
    /// `startingDeadlineSeconds`.
    pub(super) deadline: Option<i64>,
    pub(super) policy: Policy,
    pub(super) suspended: bool,
    pub(super) keep_successful: Option<usize>,
    pub(super) keep_failed: Option<usize>,
    pub(super) status: CronStatus,
}

/// `concurrencyPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) enum Policy {
    #[default]
    Allow,
    Forbid,
    Replace,
}

/// `status`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct CronStatus {
    pub(super) active: Vec<Reference>,
    pub(super) last_schedule_time: Option<Timestamp>,
    pub(super) last_successful_time: Option<Timestamp>,
}

/// A Job that runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Reference {
    pub(super) name: Box<str>,
    pub(super) uid: Box<str>,
    resource_version: Box<str>,
}

/// A Job that a CronJob made.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Child {
    pub(super) key: Key,
    pub(super) meta: Meta,
    pub(super) started: Option<Timestamp>,
    pub(super) completed: Option<Timestamp>,
    pub(super) end: Option<End>,
}

/// How a Job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    Failed,
}

#[derive(Deserialize)]
struct Wire {
    spec: Spec,
    #[serde(default)]
    status: CronStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    schedule: Box<str>,
    time_zone: Option<Box<str>>,
    starting_deadline_seconds: Option<i64>,
    #[serde(default)]
    concurrency_policy: Policy,
    #[serde(default)]
    suspend: bool,
    successful_jobs_history_limit: Option<i32>,
    failed_jobs_history_limit: Option<i32>,
}

impl CronJob {
    /// Projects a CronJob.
    pub(super) fn project(object: &Object) -> Option<Self> {
        let Wire { spec, status } = object.decode().ok()?;
        let limit = |n: Option<i32>| n.map(|n| usize::try_from(n).unwrap_or(0));
        Some(Self {
            key: Key::of(object),
            meta: object.meta().clone(),
            created: object.meta().created.parse().unwrap_or_default(),
            schedule: spec.schedule,
            zone: spec.time_zone,
            deadline: spec.starting_deadline_seconds,
            policy: spec.concurrency_policy,
            suspended: spec.suspend,
            keep_successful: limit(spec.successful_jobs_history_limit),
            keep_failed: limit(spec.failed_jobs_history_limit),
            status,
        })
    }

    /// The name of the Job that is due at a time. It is the lock against making it twice.
    pub(super) fn job_name(&self, at: Timestamp) -> String {
        format!("{}-{}", self.key.name, at.as_second() / 60)
    }
}

impl Reference {
    /// Of a Job.
    pub(super) fn to(job: &Meta) -> Self {
        Self {
            name: job.name.clone(),
            uid: job.uid.clone(),
            resource_version: job.revision.to_string().into_boxed_str(),
        }
    }
}

impl CronStatus {
    /// As a merge patch writes it.
    pub(super) fn print(&self, namespace: &str) -> Value {
        let time = |at: Option<Timestamp>| at.map_or(Value::Null, |t| rfc3339(t).into());
        let one = |r: &Reference| {
            value!({
                "apiVersion": "batch/v1",
                "kind": "Job",
                "namespace": namespace,
                "name": &*r.name,
                "uid": &*r.uid,
                "resourceVersion": &*r.resource_version,
            })
        };
        value!({
            "active": match self.active.as_slice() {
                [] => Value::Null,
                active => Value::Array(active.iter().map(one).collect()),
            },
            "lastScheduleTime": time(self.last_schedule_time),
            "lastSuccessfulTime": time(self.last_successful_time),
        })
    }
}

impl Child {
    /// Projects a Job whose controller is a CronJob; others do not concern us.
    pub(super) fn project(object: &Object) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire {
            #[serde(default)]
            status: JobStatus,
        }
        #[derive(Deserialize, Default)]
        #[serde(rename_all = "camelCase", default)]
        struct JobStatus {
            start_time: Option<Timestamp>,
            completion_time: Option<Timestamp>,
            conditions: Vec<Condition>,
        }
        object.meta().controller().filter(|c| &*c.kind == "CronJob")?;
        let Wire { status } = object.decode().ok()?;
        let end = status.conditions.iter().filter(|c| c.holds()).find_map(|c| match &*c.kind {
            "Complete" => Some(End::Complete),
            "Failed" => Some(End::Failed),
            _ => None,
        });
        Some(Self {
            key: Key::of(object),
            meta: object.meta().clone(),
            started: status.start_time,
            completed: status.completion_time,
            end,
        })
    }
}
