//! Jobs: pods that run to their end, as often as asked for, counted exactly once each.
//!
//! [`model`] and [`pod`] are what is known, [`assess`] how a Job stands, [`plan`] what to do about its pods,
//! [`account`] what the status says then. All four are pure; a round here is assess → plan → steps → account → write →
//! release finalizers → close the account → write.

mod account;
mod assess;
mod backoff;
mod body;
mod indexes;
mod model;
mod plan;
mod pod;
mod policy;
mod status;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;
use knarr_api::{Reason, Status, Value, value};
use knarr_client::{
    ApiExt as _, Cache, Key, PatchKind, Request, Verb, WorkQueue,
    resources::{JOBS, PODS},
};
use knarr_daemon::Tasks;
use parking_lot::Mutex;

use crate::{Context, context::Again, pod_control::PodControl, written::Written};
use account::{Account, Done, account};
use assess::{Standing, assess};
use backoff::Backoff;
use model::Job;
use plan::{Plan, Step, plan};
use pod::{JobPod, TRACKING};
use status::JobStatus;

const NAME: &str = "job";
/// Pods of a Job tend to end together: what happens within this time is looked at once.
const BATCH: Duration = Duration::from_millis(100);

#[derive(Clone)]
struct Controller {
    cx: Context,
    jobs: Arc<Cache<Job>>,
    pods: Arc<Cache<JobPod>>,
    control: Arc<PodControl>,
    written: Arc<Written>,
    backoffs: Arc<Mutex<HashMap<Key, Backoff>>>,
}

pub(crate) fn start(cx: &Context, tasks: &Tasks) {
    let me = Controller::new(cx);
    let (queue, strays): (Arc<WorkQueue<Key>>, Arc<WorkQueue<Key>>) = (WorkQueue::new(), WorkQueue::new());
    let wake = queue.clone();
    cx.follow(tasks, NAME, &JOBS, &me.jobs, Job::project, move |change| {
        // Its own status coming back may wait for more; what somebody wants may not.
        let same = change.old.zip(change.new).is_some_and(|(old, new)| old.meta.generation == new.meta.generation);
        wake.add_after(change.key.clone(), if same { BATCH } else { Duration::ZERO });
    });
    let (it, wake, stray) = (me.clone(), queue.clone(), strays.clone());
    cx.follow(tasks, NAME, &PODS, &me.pods, JobPod::project, move |change| {
        let orphan = |pod: &JobPod| {
            if pod.is_tracked() {
                stray.add(pod.key.clone());
            }
            let jobs = it.jobs.in_namespace(&pod.key.namespace);
            let fitting = jobs.iter().filter(|job| job.selector.matches(&pod.meta));
            fitting.for_each(|job| wake.add_after(job.key.clone(), BATCH));
        };
        it.control.observe(&change, |job| wake.add_after(job, BATCH), orphan);
    });
    let it = me.clone();
    let ready = move || {
        let it = it.clone();
        async move {
            tokio::join!(it.jobs.synced(), it.pods.synced());
        }
    };
    let it = me.clone();
    cx.work(tasks, NAME, 4, &queue, ready.clone(), move |key| {
        let it = it.clone();
        async move { it.reconcile(&key, Timestamp::now()).await }
    });
    cx.work(tasks, "job-stray-pods", 1, &strays, ready, move |key| {
        let me = me.clone();
        async move { me.release_stray(&key).await.map(|()| None) }
    });
}

impl Controller {
    fn new(cx: &Context) -> Self {
        Self {
            cx: cx.clone(),
            jobs: Cache::new(),
            pods: Cache::new(),
            control: PodControl::with_finalizer(cx, &JOBS, TRACKING),
            written: Arc::default(),
            backoffs: Arc::default(),
        }
    }

    async fn reconcile(&self, key: &Key, now: Timestamp) -> Result<Again, Status> {
        let now = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let job = self.jobs.get(key);
        if job.as_ref().is_some_and(|job| job.foreign) {
            return Ok(None);
        }
        self.release_leftovers(key, job.as_deref()).await?;
        let Some(job) = job.filter(|job| !job.status.is_finished()) else {
            self.control.forget(key);
            self.written.forget(key);
            self.backoffs.lock().remove(key);
            return Ok(None);
        };
        if !self.written.is_shown(key, job.meta.revision, |pod| self.pods.get(pod).map(|p| p.meta.revision)) {
            return Ok(None);
        }
        // Asked before the pods are read: what is seen in between may only count as not seen yet.
        let settled = self.control.is_settled(key);
        let pods = self.pods.in_namespace(&key.namespace);
        let pods = self.control.claim(job.owner(), pods, |p| job.selector.matches(&p.meta)).await?;
        if pods.iter().any(|p| p.meta.controller().is_none()) {
            return Ok(None); // just adopted: they come back with their finalizers
        }
        let backoff = self.backoffs.lock().get(key).copied().unwrap_or_default();
        let standing = assess(&job, &pods, backoff, now);
        let plan = plan(&standing, settled);
        let (done, failure) = self.apply(&job, &plan).await;
        let account = account(&standing, done, plan.managed, settled);
        self.keep(&standing, account).await?;
        match failure {
            Some(e) => Err(e),
            None if settled => Ok(plan.again),
            None => Ok(self.control.patience(key)),
        }
    }

    /// Takes the steps, up to the first that fails.
    async fn apply(&self, job: &Job, plan: &Plan<'_>) -> (Done, Option<Status>) {
        let mut done = Done::default();
        let mut template = None;
        for step in &plan.steps {
            let result = match step {
                Step::Create(successor) => {
                    async {
                        let template = match &template {
                            Some(template) => template,
                            None => template.insert(self.template(job).await?),
                        };
                        let pod = body::pod(job, template, *successor);
                        self.control
                            .create(job.owner(), pod, |k| self.pods.get(k).is_some())
                            .await
                            .map(|_| done.created += 1)
                    }
                    .await
                }
                Step::End(pod) => self.give_up(job, pod, &mut done).await,
                Step::Drop(pod) => match self.release(&job.key, pod).await {
                    Ok(()) => self.give_up(job, pod, &mut done).await,
                    Err(e) => Err(e),
                },
            };
            if let Err(e) = result {
                return (done, Some(e));
            }
        }
        (done, None)
    }

    async fn give_up(&self, job: &Job, pod: &JobPod, done: &mut Done) -> Result<(), Status> {
        self.control.delete(job.owner(), &pod.key, &pod.meta.uid).await?;
        done.deleted += 1;
        done.deleted_ready += i32::from(pod.ready.is_some());
        Ok(())
    }

    async fn template(&self, job: &Job) -> Result<Value, Status> {
        let mut template = self.control.template(job.owner()).await?;
        body::prepare(job, &mut template);
        Ok(template)
    }

    /// Writes the account and takes the finalizers away in between.
    async fn keep(&self, standing: &Standing<'_>, account: Account<'_>) -> Result<(), Status> {
        let job = standing.job;
        let mut stored = (job.status.clone(), job.meta.revision);
        if !self.write(job, &mut stored, &account.status).await? {
            return Ok(());
        }
        self.backoffs.lock().insert(job.key.clone(), standing.backoff);
        for (kind, reason, message) in &account.events {
            self.control.tell(job.owner(), *kind, reason, message.clone());
        }
        let mut released = HashSet::new();
        let mut failure = None;
        for pod in &account.release {
            match self.release(&job.key, pod).await {
                Ok(()) => drop(released.insert(&*pod.meta.uid)),
                Err(e) => failure = Some(e),
            }
        }
        let (status, finish) = account.close(standing, &released);
        let written = self.write(job, &mut stored, &status).await?;
        for (kind, reason, message) in finish.into_iter().flatten().filter(|_| written) {
            self.control.tell(job.owner(), kind, &reason, message);
        }
        failure.map_or(Ok(()), Err)
    }

    /// Writes a status onto the one `stored`, if they differ; `false` if the Job is gone.
    async fn write(&self, job: &Job, stored: &mut (JobStatus, u64), status: &JobStatus) -> Result<bool, Status> {
        if stored.0 == *status {
            return Ok(true);
        }
        let body = value!({
            "metadata": { "uid": &*job.meta.uid, "resourceVersion": stored.1.to_string() },
            "status": status.print(),
        });
        match self.cx.api.merge(&JOBS, &job.key.namespace, &job.key.name, "status", body).await {
            Ok(object) => {
                self.written.own(&job.key, object.revision());
                *stored = (status.clone(), object.revision());
                Ok(true)
            }
            Err(e) if e.is(Reason::NotFound) => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Takes the finalizer from a pod; that it is gone is as good.
    async fn release(&self, job: &Key, pod: &JobPod) -> Result<(), Status> {
        if !pod.is_tracked() {
            return Ok(());
        }
        let body = value!({ "metadata": {
            "uid": &*pod.meta.uid,
            "$deleteFromPrimitiveList/finalizers": [TRACKING],
        } });
        let request = Request::new(Verb::Patch(PatchKind::Strategic), &PODS)
            .namespace(&pod.key.namespace)
            .name(&pod.key.name)
            .body(body);
        match self.cx.api.call(request).await.and_then(knarr_client::Reply::into_object) {
            Ok(object) => self.written.dependent(job, &pod.key, object.revision()),
            Err(e) if e.is(Reason::NotFound) || e.is(Reason::Conflict) => {}
            Err(e) => return Err(e),
        }
        Ok(())
    }

    /// Pods that nobody will count any more: their Job is over, gone, or another one of the same name.
    async fn release_leftovers(&self, key: &Key, job: Option<&Job>) -> Result<(), Status> {
        for pod in self.pods.in_namespace(&key.namespace).iter().filter(|p| p.is_tracked()) {
            let owner = pod.meta.controller().filter(|c| &*c.kind == "Job" && *c.name == *key.name);
            let live = |uid: &str| job.is_some_and(|job| *job.meta.uid == *uid && !job.status.is_finished());
            if owner.is_some_and(|owner| !live(&owner.uid)) {
                self.release(key, pod).await?;
            }
        }
        Ok(())
    }

    /// A pod without an owner that still carries the finalizer, unless a Job is about to adopt it.
    async fn release_stray(&self, key: &Key) -> Result<(), Status> {
        match self.pods.get(key) {
            Some(pod) if pod.meta.controller().is_none() => self.release(key, &pod).await,
            _ => Ok(()),
        }
    }
}
