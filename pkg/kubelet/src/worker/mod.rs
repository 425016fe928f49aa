//! One worker per pod.
//!
//! A worker is woken by changes of the pod, by the runtime's events, by probes, by ConfigMaps and Secrets, and by its own
//! timer. It never asks what woke it: it takes the whole present state (which the runtime is asked for only when it may be
//! another one, see `observe`), computes and hands over the status, and decides ([`crate::sync::plan()`]). What is decided
//! runs as one *job* beside the loop, so that the status stays current during a long pull or a long grace period. A job is
//! told to stop only when somebody wants the pod to end, or to end faster: a container that ends by itself, be it while it
//! is being started, leaves the job that started it to tell the rest.

mod auth;
mod ending;
mod handle;
mod hooks;
mod image;
mod job;
mod observe;
mod place;
mod start;
mod stop;

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
    ops::ControlFlow,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Pod, PodStatus};
use knarr_client::events::Type;
use knarr_cri::CriError;
use knarr_daemon::{Backoff, Stop};
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::{
    pod::{self, Kind},
    probes::{ProbeKind, Target},
    shared::Shared,
    status::{carried, status},
    sync::{Action, Ended, Health, Memory, Observed, Plan, State, deadline, plan},
};
pub(crate) use handle::Handle;
pub(crate) use place::places;

use ending::Ending;
use job::{Job, JobError};
use observe::Observer;

/// While the runtime's answers lag behind its own events.
const SOON: Duration = Duration::from_secs(1);

/// The job that is being done.
struct Running {
    doing: Doing,
    stop: Stop,
    run: Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>>,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// Bringing the pod up.
    Sync,
    /// Ending it; with the seconds it was given, whatever is left of them.
    Terminate(i64),
    /// Taking it away.
    Clean,
}

/// The loop around one pod.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    handle: Arc<Handle>,
    observer: Observer,
    job: Option<Running>,
    ending: Ending,
    hold: Option<Instant>,
    backoff: Backoff,
    refresh: Arc<Mutex<Option<Timestamp>>>,
    /// The status that was computed last.
    status: Option<PodStatus>,
    told: BTreeSet<String>,
    /// The attempts to pull whose waiting was told, by container.
    told_pulls: BTreeMap<String, Timestamp>,
}

impl Worker {
    /// `blank`: the pod came to the node just now, so that there can be nothing of it yet.
    pub(crate) fn new(shared: Arc<Shared>, handle: Arc<Handle>, blank: bool) -> Self {
        let uid = pod::uid(&handle.pod()).to_owned();
        let ending = Ending::of(&handle.pod());
        Self {
            observer: Observer::new(shared.clone(), handle.clone(), &uid, blank),
            shared,
            handle,
            job: None,
            ending,
            hold: None,
            backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(10)),
            refresh: Arc::default(),
            status: None,
            told: BTreeSet::new(),
            told_pulls: BTreeMap::new(),
        }
    }

    /// Until the pod is no more, or the agent stops (the pod goes on running).
    pub(crate) async fn run(mut self, stop: Stop) {
        let handle = self.handle.clone();
        loop {
            // A job goes on while the runtime is asked. One that ends meanwhile makes the answer old: another look then.
            let exited = handle.exited.lock().clone();
            let until = tokio::select! {
                biased;
                ended = end_of(&mut self.job) => {
                    if self.settle(ended).is_break() {
                        break;
                    }
                    continue;
                }
                seen = self.observer.observe(&exited) => self.turn(seen, &exited),
            };
            tokio::select! {
                biased;
                () = stop.cancelled() => {
                    if let Some(job) = self.job {
                        job.stop.cancel();
                        let _ = job.run.await;
                    }
                    return;
                }
                ended = end_of(&mut self.job) => {
                    if self.settle(ended).is_break() {
                        break;
                    }
                }
                () = handle.wake.notified() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
        let uid = pod::uid(&self.handle.pod()).to_owned();
        self.shared.prober.set(&uid, Vec::new(), Instant::now());
        self.shared.objects.refer(&uid, "", &BTreeSet::new(), &BTreeSet::new());
        self.shared.writer.forget(&uid);
        self.shared.ids.lock().retain(|_, pod| *pod != uid);
    }

    /// A job has ended: what follows from how. Breaks when the pod is no more.
    fn settle(&mut self, ended: Result<(), JobError>) -> ControlFlow<()> {
        // What a start did, it told. Of anything else, and of what was stopped half-way, only the runtime knows.
        if !self.job.take().is_some_and(|job| ended.is_ok() && job.doing == Doing::Sync && !job.stop.is_cancelled()) {
            self.observer.forget();
        }
        match ended {
            Ok(()) => self.backoff.reset(),
            Err(JobError::Over) => return ControlFlow::Break(()),
            Err(JobError::Retry(why)) => {
                tracing::debug!(pod = %pod::full_name(&self.handle.pod()), error = %why, "will try again");
                self.hold = Some(Instant::now() + self.backoff.next_delay());
            }
        }
        ControlFlow::Continue(())
    }

    /// What follows from a look; when the next one is due.
    fn turn(&mut self, seen: Result<Observed, CriError>, exited: &BTreeSet<String>) -> Instant {
        let seen = match seen {
            Ok(seen) => Arc::new(seen),
            Err(e) => {
                tracing::debug!(error = %e, "the runtime cannot be asked");
                return Instant::now() + self.backoff.next_delay().max(Duration::from_millis(500));
            }
        };
        self.handle.exited.lock().retain(|id| !exited.contains(id) || seen.goes_on(id));
        self.handle.seen.send_replace(seen.clone());
        let pod = self.handle.pod();
        let now = Timestamp::now();
        let memory = self.remember(&pod, &seen, now);
        let mut current = (*pod).clone();
        if let Some(last) = &self.status {
            current.status = Some(carried(current.status.take().unwrap_or_default(), last));
        }
        let status = status(&current, &seen, &memory, &self.shared.host_ips(), now);
        if !memory.removed {
            self.shared.writer.put(&pod, &status);
        }
        // Decide on the status as it will be, not as the informer still has it.
        self.status = Some(status.clone());
        current.status = Some(status);
        let pod = Arc::new(current);
        self.probe(&pod, &seen, &memory, now);
        let plan = plan(&pod, &seen, &memory, now);
        self.tell_backoffs(&pod, &seen, &plan);
        self.tell_pulls(&pod, &memory, now);
        self.act(&pod, &seen, &plan, now);
        // The runtime said that a container ended, and does not know it yet: it is asked again until it does.
        let lags = !self.handle.exited.lock().is_empty();
        let mut until = if lags { Instant::now() + SOON } else { self.observer.until() };
        let refresh = *self.refresh.lock();
        for at in [plan.wake_at, refresh].into_iter().flatten() {
            until = until.min(instant(at, now));
        }
        if let Some(hold) = self.hold {
            until = until.min(hold);
        }
        until
    }

    /// Brings the memory up to what is seen, and returns a copy to decide on.
    fn remember(&mut self, pod: &Pod, seen: &Observed, now: Timestamp) -> Memory {
        let mut memory = self.handle.memory.lock();
        for c in seen.containers.iter().filter(|c| c.state == State::Running) {
            if memory.health.contains_key(&c.id) {
                continue;
            }
            let Some(part) = pod::part(pod, &c.name) else { continue };
            memory.health.insert(c.id.clone(), adopted(pod, &part, &c.id));
        }
        let known = |id: &String| seen.containers.iter().any(|c| c.id == *id);
        memory.health.retain(|id, health| health.hook || known(id));
        if memory.ended.is_none() && !pod::is_terminal(pod) && deadline(pod).is_some_and(|at| at <= now) {
            memory.ended = Some(Ended {
                reason: "DeadlineExceeded".to_owned(),
                message: "Pod was active on the node longer than the specified deadline".to_owned(),
            });
        }
        if pod::is_deleting(pod) || memory.removed || memory.ended.is_some() {
            memory.ending = self.ending.spent(pod, now);
        }
        memory.clone()
    }

    fn probe(&self, pod: &Arc<Pod>, seen: &Observed, memory: &Memory, now: Timestamp) {
        let ips = seen.sandbox().map(|s| s.ips.clone()).unwrap_or_default();
        let ip = if pod::host_network(pod) { Some(self.shared.config.node_ip()) } else { ips.first().cloned() };
        let mut targets = Vec::new();
        let ending = pod::is_deleting(pod) || memory.removed;
        for part in pod::parts(pod).iter().filter(|p| matches!(p.kind, Kind::App | Kind::Sidecar)) {
            let Some(ip) = &ip else { continue };
            let Some(c) = seen.active(part.name()).filter(|c| c.state == State::Running) else { continue };
            let Some(health) = memory.health.get(&c.id).filter(|h| !h.hook && h.failed.is_none()) else { continue };
            let spec = &part.spec;
            let wanted = [
                (ProbeKind::Startup, &spec.startup_probe, !health.started && !ending),
                (ProbeKind::Liveness, &spec.liveness_probe, health.started && !ending),
                (ProbeKind::Readiness, &spec.readiness_probe, health.started),
            ];
            for (kind, probe, wanted) in wanted {
                let Some(probe) = probe.clone().filter(|_| wanted) else { continue };
                let age = c.started.map_or(0, |at| now.duration_since(at).as_secs().max(0));
                targets.push(Target {
                    pod: pod.clone(),
                    ip: ip.clone(),
                    container: c.name.clone(),
                    id: c.id.clone(),
                    age: Duration::from_secs(age.unsigned_abs()),
                    kind,
                    probe,
                });
            }
        }
        self.shared.prober.set(pod::uid(pod), targets, Instant::now());
    }

    /// Tells once per attempt that a container waits.
    fn tell_backoffs(&mut self, pod: &Pod, seen: &Observed, plan: &Plan) {
        for name in &plan.backing_off {
            let (Some(c), Some(part)) = (seen.latest(name), pod::part(pod, name)) else { continue };
            if self.told.insert(c.id.clone()) {
                let message = format!("Back-off restarting failed container {name} in pod {}", pod::full_name(pod));
                let object = pod::object_ref(pod, &part.field_path());
                self.shared.recorder.event(&object, Type::Warning, "BackOff", message);
            }
        }
        self.told.retain(|id| seen.containers.iter().any(|c| c.id == *id));
    }

    /// Tells once per attempt that a pull waits.
    fn tell_pulls(&mut self, pod: &Pod, memory: &Memory, now: Timestamp) {
        for (name, error) in &memory.start_errors {
            let waits = error.changes_at().is_some_and(|at| at <= now);
            let Some(part) = pod::part(pod, name).filter(|_| waits) else { continue };
            if self.told_pulls.insert(name.clone(), error.at) == Some(error.at) {
                continue;
            }
            let object = pod::object_ref(pod, &part.field_path());
            let image = part.spec.image.as_deref().unwrap_or_default();
            let recorder = &self.shared.recorder;
            recorder.event(&object, Type::Normal, "BackOff", format!("Back-off pulling image {image:?}"));
            recorder.event(&object, Type::Warning, "Failed", "Error: ImagePullBackOff");
        }
        self.told_pulls.retain(|name, _| memory.start_errors.contains_key(name));
    }

    fn act(&mut self, pod: &Arc<Pod>, seen: &Arc<Observed>, plan: &Plan, now: Timestamp) {
        let wanted = doing(&plan.actions);
        let hurry = {
            let memory = self.handle.memory.lock();
            let leaving = pod::is_deleting(pod) || memory.removed;
            Hurry { leaving, ended: memory.ended.is_some() }
        };
        if let Some(job) = &self.job
            && wanted.is_some_and(|wanted| overtakes(job.doing, wanted, hurry))
        {
            // Decided anew when it has ended.
            job.stop.cancel();
            self.hold = None;
        }
        if self.job.is_some() || self.hold.is_some_and(|at| at > Instant::now()) {
            return;
        }
        self.hold = None;
        let job = Job {
            shared: self.shared.clone(),
            handle: self.handle.clone(),
            pod: pod.clone(),
            seen: seen.clone(),
            refresh: self.refresh.clone(),
            stop: Stop::new(),
            making: Default::default(),
            place: Default::default(),
        };
        let stop = job.stop.clone();
        if self.handle.sources_changed.load(Ordering::Relaxed) {
            let mut memory = self.handle.memory.lock();
            if memory.pod_error.as_ref().is_some_and(|e| e.reason == "FailedMount") {
                memory.pod_error = None;
                self.handle.wake.notify_one();
            }
            let before = memory.start_errors.len();
            memory.start_errors.retain(|_, e| e.reason != "CreateContainerConfigError");
            if memory.start_errors.len() != before {
                self.handle.wake.notify_one();
            }
        }
        match wanted {
            Some(doing) => {
                let actions = plan.actions.clone();
                self.job = Some(Running { doing, stop, run: Box::pin(job.run(actions)) });
            }
            None => {
                let due = self.refresh.lock().is_some_and(|at| at <= now);
                let live = seen.alive().next().is_some() && !pod::is_deleting(pod);
                let changed = self.handle.sources_changed.swap(false, Ordering::Relaxed);
                if live && (due || changed) {
                    self.job = Some(Running { doing: Doing::Sync, stop, run: Box::pin(job.refresh_volumes()) });
                }
            }
        }
    }
}

/// Works on a job until it ends; without one, for ever.
async fn end_of(job: &mut Option<Running>) -> Result<(), JobError> {
    match job {
        Some(job) => (&mut job.run).await,
        None => std::future::pending().await,
    }
}

/// Who wants the pod to end.
#[derive(Clone, Copy, Debug)]
struct Hurry {
    /// It is deleted.
    leaving: bool,
    /// The node ends it: it was refused, or its time is over.
    ended: bool,
}

/// Whether a job is dropped for the next one. A pod that ended by itself is in no hurry: the job that started its last
/// container still has to tell of it. A termination goes on unless it was given less time.
fn overtakes(present: Doing, wanted: Doing, hurry: Hurry) -> bool {
    match (present, wanted) {
        (Doing::Sync, Doing::Terminate(_)) => hurry.leaving || hurry.ended,
        (Doing::Sync, Doing::Clean) => hurry.leaving,
        (Doing::Terminate(old), Doing::Terminate(new)) => new < old,
        _ => false,
    }
}

fn doing(actions: &[Action]) -> Option<Doing> {
    Some(match actions.first()? {
        Action::Terminate { grace, .. } => Doing::Terminate(*grace),
        Action::Cleanup | Action::Finish => Doing::Clean,
        _ => Doing::Sync,
    })
}

fn instant(at: Timestamp, now: Timestamp) -> Instant {
    let wait = at.duration_since(now);
    Instant::now() + Duration::try_from(wait).unwrap_or(Duration::ZERO)
}

/// The health of a container that was already running when we first looked: as its status says, so that a restart of
/// the agent changes nothing; the probes go on from there.
fn adopted(pod: &Pod, part: &pod::Part<'_>, id: &str) -> Health {
    let status = pod.status.as_ref();
    let lists = status.into_iter().flat_map(|s| [&s.container_statuses, &s.init_container_statuses]);
    let id = format!("containerd://{id}");
    let old = lists.flatten().flatten().find(|s| s.container_id.as_ref() == Some(&id));
    Health {
        hook: false,
        started: part.spec.startup_probe.is_none() || old.is_some_and(|s| s.started == Some(true)),
        ready: part.spec.readiness_probe.is_none() || old.is_some_and(|s| s.ready),
        failed: None,
    }
}

#[cfg(test)]
mod tests;
