//! CronJobs: a Job each time the schedule says so.
//!
//! [`due`] says which time has come and [`plan`] what to do about it; both are pure. The worker asks to be woken at the
//! next time; nothing polls. The name of a Job is made of its time, so that a time is never served twice, whatever the
//! caches show.

mod due;
mod model;
mod plan;
mod zone;

use std::{collections::HashMap, sync::Arc};

use jiff::{Timestamp, tz::TimeZone};
use knarr_api::{Reason, Status, Value, cron::Schedule, value, value::to_value};
use knarr_client::{
    ApiExt as _, Cache, Key, WorkQueue,
    events::Type,
    resources::{CRON_JOBS, JOBS},
};
use knarr_daemon::Tasks;
use parking_lot::Mutex;

use crate::{
    Context,
    context::{Again, reference},
    pod_control::namespace_terminates,
    steps::controlled_by,
    written::Written,
};
use due::due;
use model::{Child, CronJob, CronStatus, Reference};
use plan::{Note, Start, missing, observe, start as decide, surplus};

const NAME: &str = "cronjob";
/// When a Job was due, in the zone of the schedule.
const SCHEDULED: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";

#[derive(Clone)]
struct Controller {
    cx: Context,
    crons: Arc<Cache<CronJob>>,
    jobs: Arc<Cache<Child>>,
    written: Arc<Written>,
    /// The time about which something was told last: each is worth one event, however often it is looked at.
    told: Arc<Mutex<HashMap<Key, Timestamp>>>,
    local: TimeZone,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let queue: Arc<WorkQueue<Key>> = WorkQueue::new();
    let me = Controller {
        cx: cx.clone(),
        crons: Cache::new(),
        jobs: Cache::new(),
        written: Arc::default(),
        told: Arc::default(),
        local: zone::local(),
    };
    let wake = queue.clone();
    cx.follow(tasks, NAME, &CRON_JOBS, &me.crons, CronJob::project, move |c| wake.add(c.key.clone()));
    let wake = queue.clone();
    cx.follow(tasks, NAME, &JOBS, &me.jobs, Child::project, move |change| {
        for owner in [change.old, change.new].into_iter().flatten().filter_map(|job| job.meta.controller()) {
            wake.add(Key::new(&change.key.namespace, &owner.name));
        }
    });
    let it = me.clone();
    let ready = move || {
        let it = it.clone();
        async move {
            tokio::join!(it.crons.synced(), it.jobs.synced());
        }
    };
    cx.work(tasks, NAME, 2, &queue, ready, move |key| {
        let me = me.clone();
        async move { me.reconcile(&key, Timestamp::now()).await }
    });
}

impl Controller {
    async fn reconcile(&self, key: &Key, now: Timestamp) -> Result<Again, Status> {
        let Some(cron) = self.crons.get(key) else {
            self.written.forget(key);
            self.told.lock().remove(key);
            return Ok(None);
        };
        if !self.written.is_shown(key, cron.meta.revision, |_| None) {
            return Ok(None);
        }
        let mine = |job: &Arc<Child>| job.meta.controller().is_some_and(|c| c.uid == cron.meta.uid);
        let jobs: Vec<Arc<Child>> = self.jobs.in_namespace(&key.namespace).into_iter().filter(mine).collect();
        let (mut status, notes) = observe(&cron, &jobs);
        notes.into_iter().for_each(|note| self.tell(&cron, note));
        for job in surplus(&cron, &jobs) {
            self.delete(&cron, &job.key, &job.meta.uid, &mut status).await?;
        }
        for gone in missing(&status, &jobs) {
            // Before a Job counts as lost it is asked for: the cache may only be late.
            let live = self.cx.api.get(&JOBS, &key.namespace, &gone.name).await;
            if live.is_err_and(|e| e.is(Reason::NotFound)) {
                self.tell(&cron, (Type::Normal, "MissingJob", format!("Active job went missing: {}", gone.name)));
                status.active.retain(|r| r.uid != gone.uid);
            }
        }
        let result = self.serve(&cron, &mut status, now).await;
        self.write(&cron, &status).await?;
        result
    }

    /// Serves the time that is due, if one is.
    async fn serve(&self, cron: &CronJob, status: &mut CronStatus, now: Timestamp) -> Result<Again, Status> {
        if cron.meta.deleted.is_some() || cron.suspended {
            return Ok(None);
        }
        let zone = match cron.zone.as_deref().map(TimeZone::get) {
            None => self.local.clone(),
            Some(Ok(zone)) => zone,
            Some(Err(e)) => {
                let zone = cron.zone.as_deref().unwrap_or_default();
                self.tell(cron, (Type::Warning, "UnknownTimeZone", format!("invalid timeZone: {zone:?}: {e}")));
                return Ok(None);
            }
        };
        let schedule: Schedule = match cron.schedule.parse() {
            Ok(schedule) => schedule,
            Err(e) => {
                let text = format!("unparseable schedule: {:?} : {e}", cron.schedule);
                self.tell(cron, (Type::Warning, "UnparseableSchedule", text));
                return Ok(None);
            }
        };
        let Ok(due) = due(cron, &schedule, &zone, now) else {
            let text = format!("invalid schedule: {} : no day fits it", cron.schedule);
            self.tell(cron, (Type::Warning, "InvalidSchedule", text));
            return Ok(None);
        };
        if let Some(at) = due.at.filter(|_| due.many) {
            let text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
            self.tell_once(cron, at, (Type::Warning, "TooManyMissedTimes", text.to_owned()));
        }
        match decide(cron, status, &due, now) {
            Start::No(note) => {
                if let Some((at, note)) = due.at.zip(note) {
                    self.tell_once(cron, at, note);
                }
            }
            Start::Yes(at) => self.create(cron, status, at, &zone).await?,
            Start::Replace(at) => {
                for job in status.active.clone() {
                    self.delete(cron, &Key::new(&cron.key.namespace, &job.name), &job.uid, status).await?;
                }
                self.create(cron, status, at, &zone).await?;
            }
        }
        Ok(Some(due.again))
    }

    /// Makes the Job of a time and names it as running.
    async fn create(
        &self,
        cron: &CronJob,
        status: &mut CronStatus,
        at: Timestamp,
        zone: &TimeZone,
    ) -> Result<(), Status> {
        let (ns, name) = (&cron.key.namespace, cron.job_name(at));
        let body = self.body(cron, &name, at, zone).await?;
        let job = match self.cx.api.create(&JOBS, ns, body).await {
            Ok(job) => {
                self.tell(cron, (Type::Normal, "SuccessfulCreate", format!("Created job {name}")));
                job
            }
            // Made before, and the status was not written; or somebody else's, who will know.
            Err(e) if e.is(Reason::AlreadyExists) => {
                let job = self.cx.api.get(&JOBS, ns, &name).await?;
                if job.meta().controller().is_none_or(|c| c.uid != cron.meta.uid) {
                    return Ok(());
                }
                job
            }
            Err(e) => {
                if !namespace_terminates(&e) {
                    self.tell(cron, (Type::Warning, "FailedCreate", format!("Error creating job: {e}")));
                }
                return Err(e);
            }
        };
        if status.active.iter().all(|r| r.uid != job.meta().uid) {
            status.active.push(Reference::to(job.meta()));
        }
        status.last_schedule_time = Some(at);
        Ok(())
    }

    /// The Job as the present template has it.
    async fn body(&self, cron: &CronJob, name: &str, at: Timestamp, zone: &TimeZone) -> Result<Value, Status> {
        let live = self.cx.api.get(&CRON_JOBS, &cron.key.namespace, &cron.key.name).await?;
        let tree: serde_json::Value = live.decode().map_err(Status::internal)?;
        let template = to_value(&tree["spec"]["jobTemplate"]).map_err(Status::internal)?;
        let part = |path: &[&str]| template.at(path).filter(|v| !v.is_null()).cloned().unwrap_or_else(Value::object);
        let mut job = value!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "name": name,
                "labels": part(&["metadata", "labels"]),
                "annotations": part(&["metadata", "annotations"]),
                "ownerReferences": controlled_by(&CRON_JOBS, &cron.key.name, &cron.meta.uid),
            },
            "spec": part(&["spec"]),
        });
        job.set(&["metadata", "annotations", SCHEDULED], moment(at, cron.zone.as_ref().map(|_| zone)));
        Ok(job)
    }

    /// Deletes a Job with its pods; it no longer runs then.
    async fn delete(&self, cron: &CronJob, job: &Key, uid: &str, status: &mut CronStatus) -> Result<(), Status> {
        match self.cx.delete(&JOBS, job, uid).await {
            Ok(()) => self.tell(cron, (Type::Normal, "SuccessfulDelete", format!("Deleted job {}", job.name))),
            Err(e) if e.is(Reason::NotFound) || e.is(Reason::Conflict) => {}
            Err(e) => {
                self.tell(cron, (Type::Warning, "FailedDelete", format!("Deleted job: {e}")));
                return Err(e);
            }
        }
        status.active.retain(|r| *r.uid != *uid);
        Ok(())
    }

    async fn write(&self, cron: &CronJob, status: &CronStatus) -> Result<(), Status> {
        if cron.status == *status {
            return Ok(());
        }
        let body = value!({
            "metadata": { "uid": &*cron.meta.uid, "resourceVersion": cron.meta.revision.to_string() },
            "status": status.print(&cron.key.namespace),
        });
        match self.cx.api.merge(&CRON_JOBS, &cron.key.namespace, &cron.key.name, "status", body).await {
            Ok(object) => self.written.own(&cron.key, object.revision()),
            Err(e) if e.is(Reason::NotFound) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    fn tell(&self, cron: &CronJob, (kind, reason, message): Note) {
        self.cx.recorder.event(&reference(&CRON_JOBS, &cron.key, &cron.meta.uid), kind, reason, message);
    }

    /// Tells something about a time, unless something was told about it before.
    fn tell_once(&self, cron: &CronJob, at: Timestamp, note: Note) {
        if self.told.lock().insert(cron.key.clone(), at) != Some(at) {
            self.tell(cron, note);
        }
    }
}

/// A time in a zone; without one, and where the zone is at that of UTC, it ends in `Z`.
fn moment(at: Timestamp, zone: Option<&TimeZone>) -> String {
    let zoned = at.to_zoned(zone.cloned().unwrap_or(TimeZone::UTC));
    let format = if zoned.offset().seconds() == 0 { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" };
    zoned.strftime(format).to_string()
}

#[cfg(test)]
mod tests {
    use knarr_client::fake::FakeApi;
    use serde_json::json;

    use super::*;
    use crate::testing::context;

    #[test]
    fn moments() {
        let at: Timestamp = "2026-01-01T00:10:00Z".parse().unwrap();
        let zone = |name: &str| TimeZone::get(name).unwrap();
        assert_eq!(moment(at, None), "2026-01-01T00:10:00Z");
        assert_eq!(moment(at, Some(&zone("Asia/Tokyo"))), "2026-01-01T09:10:00+09:00");
        assert_eq!(moment(at, Some(&zone("Europe/London"))), "2026-01-01T00:10:00Z");
    }

    #[tokio::test]
    async fn a_time_is_served_once() {
        let fake = FakeApi::new();
        let cx = context(&fake);
        let me = Controller {
            cx: cx.clone(),
            crons: Cache::new(),
            jobs: Cache::new(),
            written: Arc::default(),
            told: Arc::default(),
            local: TimeZone::UTC,
        };
        let body = json!({"metadata": {"name": "c", "creationTimestamp": "2026-01-01T00:09:30Z"},
            "spec": {"schedule": "* * * * *", "timeZone": "Asia/Tokyo", "jobTemplate":
                {"metadata": {"labels": {"app": "x"}}, "spec": {"parallelism": 2}}}});
        fake.create(&CRON_JOBS, "n", to_value(&body).unwrap()).await.unwrap();
        let tasks = Tasks::new(&knarr_daemon::Stop::new());
        cx.follow(&tasks, NAME, &CRON_JOBS, &me.crons, CronJob::project, |_| {});
        cx.follow(&tasks, NAME, &JOBS, &me.jobs, Child::project, |_| {});
        tokio::join!(me.crons.synced(), me.jobs.synced());
        let key = Key::new("n", "c");
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let again = me.reconcile(&key, at("2026-01-01T00:09:50Z")).await.unwrap();
        assert!(again.unwrap().as_secs() == 10 && fake.writes().len() == 1);
        me.reconcile(&key, at("2026-01-01T00:10:00.02Z")).await.unwrap();
        let job = fake.tree(&JOBS, "n", "c-29453770").unwrap();
        assert_eq!(job.str_at(&["metadata", "annotations", SCHEDULED]), "2026-01-01T09:10:00+09:00");
        assert_eq!(
            (job.str_at(&["metadata", "labels", "app"]), job.at(&["spec", "parallelism"])),
            ("x", Some(&Value::Int(2)))
        );
        let status = fake.tree(&CRON_JOBS, "n", "c").unwrap();
        assert_eq!(status.str_at(&["status", "lastScheduleTime"]), "2026-01-01T00:10:00Z");
        // The caches have not moved yet; nothing is done twice.
        let writes = fake.writes();
        me.reconcile(&key, at("2026-01-01T00:10:01Z")).await.unwrap();
        assert_eq!(fake.writes(), writes);
    }
}
