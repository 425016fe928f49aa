//! Jobs that are over and said how long they are to be kept.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use knarr_api::{Object, Reason, Status};
use knarr_client::{ApiExt as _, Cache, Key, Propagation, Request, Verb, WorkQueue, resources::JOBS};
use knarr_daemon::Tasks;
use serde::Deserialize;

use crate::{Context, conditions::Condition, context::Again};

const NAME: &str = "ttl-after-finished";
/// The longest wait at a time: a clock that is set meanwhile is noticed then.
const LONGEST: Duration = Duration::from_secs(60);

/// A Job that is over and goes at some time.
#[derive(Debug, PartialEq, Eq)]
struct Finished {
    uid: Box<str>,
    expires: Timestamp,
}

#[derive(Deserialize)]
struct Wire {
    spec: Spec,
    #[serde(default)]
    status: JobStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    ttl_seconds_after_finished: Option<i32>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct JobStatus {
    conditions: Vec<Condition>,
}

/// Jobs that are over, are not going yet and have a time to go.
fn project(object: &Object) -> Option<Finished> {
    let Wire { spec, status } = object.decode().ok()?;
    let ttl = spec.ttl_seconds_after_finished.filter(|_| object.meta().deleted.is_none())?;
    let over = |c: &&Condition| matches!(&*c.kind, "Complete" | "Failed") && c.holds();
    let end = status.conditions.iter().find(over)?.last_transition_time?;
    let expires = end.checked_add(SignedDuration::from_secs(i64::from(ttl))).ok()?;
    Some(Finished { uid: object.meta().uid.clone(), expires })
}

impl Finished {
    /// How long it may stay, if at all.
    fn left(&self, now: Timestamp) -> Again {
        let left = Duration::try_from(self.expires.duration_since(now)).ok()?;
        Some(left.min(LONGEST)).filter(|left| !left.is_zero())
    }
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue: Arc<WorkQueue<Key>> = WorkQueue::new();
    let jobs = Cache::new();
    let wake = queue.clone();
    cx.follow(tasks, NAME, &JOBS, &jobs, project, move |change| {
        if change.new.is_some() && change.old != change.new {
            wake.add(change.key.clone());
        }
    });
    let seen = jobs.clone();
    let ready = move || {
        let seen = seen.clone();
        async move { seen.synced().await }
    };
    let cx = cx.clone();
    cx.clone().work(tasks, NAME, 1, &queue, ready, move |key| {
        let (cx, job) = (cx.clone(), jobs.get(&key));
        async move {
            match job {
                Some(job) => reconcile(&cx, &key, &job, Timestamp::now()).await,
                None => Ok(None),
            }
        }
    });
}

async fn reconcile(cx: &Context, key: &Key, job: &Finished, now: Timestamp) -> Result<Again, Status> {
    if let Some(left) = job.left(now) {
        return Ok(Some(left));
    }
    // Somebody may have given it more time just now: the API has the last word.
    let live = match cx.api.get(&JOBS, &key.namespace, &key.name).await {
        Ok(live) => live,
        Err(e) if e.is(Reason::NotFound) => return Ok(None),
        Err(e) => return Err(e),
    };
    let Some(fresh) = project(&live) else { return Ok(None) };
    if let Some(left) = fresh.left(now) {
        return Ok(Some(left));
    }
    let request = Request::new(Verb::Delete, &JOBS).namespace(&key.namespace).name(&key.name).options(|o| {
        o.precondition.uid = (&*fresh.uid).into();
        o.propagation = Some(Propagation::Foreground);
    });
    match cx.api.call(request).await {
        Err(e) if !e.is(Reason::NotFound) && !e.is(Reason::Conflict) => Err(e),
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use knarr_client::fake::FakeApi;
    use serde_json::json;

    use super::*;
    use crate::testing::context;

    fn job(ttl: Option<i32>, condition: &str, deleted: bool) -> serde_json::Value {
        let mut v = json!({"metadata": {"name": "j", "namespace": "n", "uid": "u"},
            "spec": {"ttlSecondsAfterFinished": ttl},
            "status": {"conditions": [{"type": condition, "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
        if deleted {
            v["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        v
    }

    fn projected(v: &serde_json::Value) -> Option<Finished> {
        project(&Object::from_json(v.to_string().into()).unwrap())
    }

    #[test]
    fn who_goes_and_when() {
        for (v, at, left) in [
            (job(Some(10), "Complete", false), "2026-01-01T00:00:04Z", Some(6)),
            (job(Some(10), "Failed", false), "2026-01-01T00:00:10Z", None),
            (job(Some(0), "Complete", false), "2026-01-01T00:00:00Z", None),
            (job(Some(600), "Complete", false), "2026-01-01T00:00:00Z", Some(60)),
        ] {
            let left_now = projected(&v).unwrap().left(at.parse().unwrap());
            assert_eq!(left_now.map(|d| d.as_secs()), left, "{v}");
        }
        for v in [job(None, "Complete", false), job(Some(1), "Suspended", false), job(Some(1), "Complete", true)] {
            assert_eq!(projected(&v), None, "{v}");
        }
    }

    #[tokio::test]
    async fn the_live_job_decides() {
        let fake = FakeApi::new();
        let cx = context(&fake);
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let stale = projected(&job(Some(10), "Complete", false)).unwrap();
        let body = |ttl| knarr_api::value::to_value(&job(Some(ttl), "Complete", false)).unwrap();
        let key = Key::new("n", "j");
        fake.create(&JOBS, "n", body(7200)).await.unwrap();
        assert!(reconcile(&cx, &key, &stale, now).await.unwrap().is_some());
        assert!(fake.tree(&JOBS, "n", "j").is_some());
        fake.merge(&JOBS, "n", "j", "", body(10)).await.unwrap();
        assert_eq!(reconcile(&cx, &key, &stale, now).await.unwrap(), None);
        assert!(fake.tree(&JOBS, "n", "j").is_none());
        assert_eq!(reconcile(&cx, &key, &stale, now).await.unwrap(), None, "gone already");
    }
}
