//! What a CronJob makes of its Jobs and of the time: pure.

use std::sync::Arc;

use jiff::Timestamp;
use knarr_client::events::Type;

use super::{
    due::Due,
    model::{Child, CronJob, CronStatus, End, Policy, Reference},
};

/// Something to tell about the CronJob.
pub(super) type Note = (Type, &'static str, String);

/// Finished Jobs beyond the limits of the history, oldest first.
pub(super) fn surplus(cron: &CronJob, jobs: &[Arc<Child>]) -> Vec<Arc<Child>> {
    let beyond = |end: End, keep: Option<usize>| {
        let mut ended: Vec<&Arc<Child>> = jobs.iter().filter(|j| j.end == Some(end)).collect();
        // Those that never started come last.
        ended.sort_by_key(|j| (j.started.is_none(), j.started, &*j.meta.name));
        let too_many = keep.map_or(0, |keep| ended.len().saturating_sub(keep));
        ended.into_iter().take(too_many).cloned().collect::<Vec<_>>()
    };
    [beyond(End::Complete, cron.keep_successful), beyond(End::Failed, cron.keep_failed)].concat()
}

/// The status after a look at the Jobs. Jobs that are named as running and not among `jobs` are left for the ring to
/// ask about ([`missing`]).
pub(super) fn observe(cron: &CronJob, jobs: &[Arc<Child>]) -> (CronStatus, Vec<Note>) {
    let mut status = cron.status.clone();
    let mut notes = Vec::new();
    for job in jobs {
        let named = status.active.iter().position(|r| r.uid == job.meta.uid);
        let name = &job.meta.name;
        match (job.end, named) {
            (None, Some(_)) => {}
            (None, None) => {
                let text = format!("Saw a job that the controller did not create or forgot: {name}");
                notes.push((Type::Warning, "UnexpectedJob", text));
            }
            (Some(end), named) => {
                if let Some(at) = named {
                    status.active.remove(at);
                    let text = format!("Saw completed job: {name}, condition: {end:?}");
                    notes.push((Type::Normal, "SawCompletedJob", text));
                }
                if end == End::Complete {
                    status.last_successful_time = status.last_successful_time.max(job.completed);
                }
            }
        }
    }
    (status, notes)
}

/// Jobs that are named as running and were not seen.
pub(super) fn missing(status: &CronStatus, jobs: &[Arc<Child>]) -> Vec<Reference> {
    let seen = |r: &&Reference| jobs.iter().any(|j| j.meta.uid == r.uid);
    status.active.iter().filter(|r| !seen(r)).cloned().collect()
}

/// What to do about a time that is due.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Nothing, with the reason if it is worth telling.
    No(Option<Note>),
    /// Makes the Job.
    Yes(Timestamp),
    /// Ends those that run, then makes the Job.
    Replace(Timestamp),
}

/// Decides about the newest time that is due.
pub(super) fn start(cron: &CronJob, status: &CronStatus, due: &Due, now: Timestamp) -> Start {
    let Some(at) = due.at else { return Start::No(None) };
    if cron.deadline.is_some_and(|d| now.duration_since(at).as_secs() > d) {
        let text = format!("Missed scheduled time to start a job: {}", at.strftime("%a, %d %b %Y %H:%M:%S +0000"));
        return Start::No(Some((Type::Warning, "MissSchedule", text)));
    }
    let name = cron.job_name(at);
    if status.last_schedule_time == Some(at) || status.active.iter().any(|r| *r.name == *name) {
        return Start::No(None);
    }
    match cron.policy {
        _ if status.active.is_empty() => Start::Yes(at),
        Policy::Allow => Start::Yes(at),
        Policy::Replace => Start::Replace(at),
        Policy::Forbid => {
            let text = "Not starting job because prior execution is running and concurrency policy is Forbid";
            Start::No(Some((Type::Normal, "JobAlreadyActive", text.to_owned())))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use knarr_api::Object;
    use serde_json::json;

    use super::*;

    fn cron(spec: serde_json::Value, active: &[&str]) -> CronJob {
        let active: Vec<_> = active.iter().map(|a| json!({"name": a, "uid": a})).collect();
        let mut v = json!({"metadata": {"name": "c", "namespace": "n", "uid": "u"},
            "spec": {"schedule": "* * * * *", "successfulJobsHistoryLimit": 1, "failedJobsHistoryLimit": 1},
            "status": {"active": active, "lastSuccessfulTime": "2026-01-01T00:05:00Z"}});
        for (key, value) in spec.as_object().unwrap() {
            v["spec"][key] = value.clone();
        }
        CronJob::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap()
    }

    fn job(name: &str, end: &str, minute: Option<u8>) -> Arc<Child> {
        let time = minute.map(|m| format!("2026-01-01T00:{m:02}:00Z"));
        let conditions = json!([{"type": end, "status": "True"}]);
        let v = json!({"metadata": {"name": name, "namespace": "n", "uid": name, "ownerReferences":
                [{"apiVersion": "batch/v1", "kind": "CronJob", "name": "c", "uid": "u", "controller": true}]},
            "status": {"startTime": time, "completionTime": time, "conditions": conditions}});
        Arc::new(Child::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap())
    }

    #[test]
    fn the_history_has_limits() {
        let jobs = [
            job("b", "Complete", Some(2)),
            job("a", "Complete", Some(1)),
            job("never", "Complete", None),
            job("f", "Failed", Some(3)),
            job("g", "Failed", Some(4)),
            job("runs", "Suspended", Some(0)),
        ];
        let gone = |spec| surplus(&cron(spec, &[]), &jobs).iter().map(|j| j.meta.name.to_string()).collect::<Vec<_>>();
        assert_eq!(gone(json!({})), ["a", "b", "f"]);
        assert_eq!(gone(json!({"successfulJobsHistoryLimit": 0, "failedJobsHistoryLimit": 5})), ["a", "b", "never"]);
    }

    #[test]
    fn jobs_are_followed() {
        let c = cron(json!({}), &["done", "runs", "lost"]);
        let jobs = [
            job("done", "Complete", Some(9)),
            job("runs", "Suspended", None),
            job("stray", "Suspended", None),
            job("old", "Failed", Some(1)),
        ];
        let (status, notes) = observe(&c, &jobs);
        assert_eq!(status.active.iter().map(|r| &*r.name).collect::<Vec<_>>(), ["runs", "lost"]);
        assert_eq!(status.last_successful_time.unwrap().to_string(), "2026-01-01T00:09:00Z");
        assert_eq!(notes.iter().map(|n| n.1).collect::<Vec<_>>(), ["SawCompletedJob", "UnexpectedJob"]);
        assert_eq!(notes[0].2, "Saw completed job: done, condition: Complete");
        assert_eq!(missing(&status, &jobs).iter().map(|r| &*r.name).collect::<Vec<_>>(), ["lost"]);
    }

    #[test]
    fn what_runs_decides_whether_more_may() {
        let now: Timestamp = "2026-01-01T00:10:30Z".parse().unwrap();
        let at: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        let policy = |name: &str| json!({ "concurrencyPolicy": name });
        let reason = |s: Start| match s {
            Start::No(note) => note.map_or("no", |n| n.1).to_owned(),
            Start::Yes(t) => format!("yes {t}"),
            Start::Replace(t) => format!("replace {t}"),
        };
        for (spec, active, want) in [
            (policy("Allow"), &["c-1"] as &[&str], "yes 2026-01-01T00:10:00Z"),
            (policy("Forbid"), &[], "yes 2026-01-01T00:10:00Z"),
            (policy("Forbid"), &["c-1"], "JobAlreadyActive"),
            (policy("Replace"), &["c-1"], "replace 2026-01-01T00:10:00Z"),
            (policy("Replace"), &[], "yes 2026-01-01T00:10:00Z"),
            // This very Job runs already.
            (policy("Allow"), &["c-29453770"], "no"),
            (json!({"startingDeadlineSeconds": 20}), &[], "MissSchedule"),
            (json!({"startingDeadlineSeconds": 30}), &[], "yes 2026-01-01T00:10:00Z"),
        ] {
            let c = cron(spec.clone(), active);
            let due = Due { at: Some(at), many: false, again: Duration::ZERO };
            assert_eq!(reason(start(&c, &c.status, &due, now)), want, "{spec} {active:?}");
        }
        let due = Due { at: Some(at), many: false, again: Duration::ZERO };
        let Start::No(Some(note)) =
            start(&cron(json!({"startingDeadlineSeconds": 1}), &[]), &CronStatus::default(), &due, now)
        else {
            panic!("too late")
        };
        assert_eq!(note.2, "Missed scheduled time to start a job: Thu, 01 Jan 2026 00:10:00 +0000");
    }
}
