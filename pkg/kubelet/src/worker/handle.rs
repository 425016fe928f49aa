//! How others reach a worker: they say what happened, and the worker looks for itself.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use k8s_openapi::api::core::v1::Pod;
use knarr_cri::v1;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::{
    probes::{ProbeKind, Verdict},
    sync::{Container, Ended, Failure, Memory, Observed},
};

/// What a job made: the runtime was asked about it once, and need not be asked again.
#[derive(Debug)]
pub(super) enum Made {
    /// A sandbox that is ready.
    Sandbox(Box<v1::PodSandboxStatus>),
    /// A container that runs.
    Container(Box<Container>),
}

/// How others reach a worker.
pub(crate) struct Handle {
    pod: watch::Sender<Arc<Pod>>,
    pub(super) wake: Notify,
    pub(super) memory: Mutex<Memory>,
    /// Containers the runtime said have ended, until its state says so too.
    pub(super) exited: Mutex<BTreeSet<String>>,
    /// What was made since the last turn, oldest first. At most one entry for each step of the running job.
    pub(super) made: Mutex<Vec<Made>>,
    /// Counts what may have changed in the runtime, beside what is told in `exited` and `made`.
    news: AtomicU64,
    /// Something that volumes or environments are made of changed.
    pub(super) sources_changed: AtomicBool,
    pub(super) seen: watch::Sender<Arc<Observed>>,
}

impl Handle {
    pub(crate) fn new(pod: Arc<Pod>) -> Arc<Self> {
        Arc::new(Self {
            pod: watch::Sender::new(pod),
            wake: Notify::new(),
            memory: Mutex::default(),
            exited: Mutex::default(),
            made: Mutex::default(),
            news: AtomicU64::new(0),
            sources_changed: AtomicBool::new(false),
            seen: watch::Sender::default(),
        })
    }

    /// The pod as last read.
    pub(crate) fn pod(&self) -> Arc<Pod> {
        self.pod.borrow().clone()
    }

    /// What the runtime had at the last look.
    pub(crate) fn seen(&self) -> Arc<Observed> {
        self.seen.borrow().clone()
    }

    /// What the runtime has, look by look, until the pod is forgotten.
    pub(crate) fn sights(&self) -> watch::Receiver<Arc<Observed>> {
        self.seen.subscribe()
    }

    /// The pod changed.
    pub(crate) fn update(&self, pod: Arc<Pod>) {
        let old = self.pod.send_replace(pod.clone());
        let meta = |p: &Pod| (p.metadata.labels.clone(), p.metadata.annotations.clone());
        if meta(&old) != meta(&pod) {
            self.sources_changed.store(true, Ordering::Relaxed);
        }
        self.wake.notify_one();
    }

    /// The pod is gone from the API.
    pub(crate) fn removed(&self) {
        self.memory.lock().removed = true;
        self.wake.notify_one();
    }

    /// The pod may not run here.
    pub(crate) fn refuse(&self, reason: &str, message: &str) {
        self.memory.lock().ended = Some(Ended { reason: reason.to_owned(), message: message.to_owned() });
        self.wake.notify_one();
    }

    /// The pod has to go, within so many seconds: to make room (`disrupted`), or because it took more than it may.
    pub(crate) fn evict(&self, message: &str, grace: i64, disrupted: bool) {
        {
            let mut memory = self.memory.lock();
            memory.given = Some(grace);
            memory.disrupted = disrupted;
        }
        self.refuse("Evicted", message);
    }

    /// Whether the node has ended the pod.
    pub(crate) fn is_ended(&self) -> bool {
        self.memory.lock().ended.is_some()
    }

    /// A container's process ended.
    pub(crate) fn exited(&self, container: &str) {
        self.exited.lock().insert(container.to_owned());
        self.wake.notify_one();
    }

    /// A ConfigMap or Secret the pod refers to changed.
    pub(crate) fn sources_changed(&self) {
        self.sources_changed.store(true, Ordering::Relaxed);
        self.wake.notify_one();
    }

    /// Think again, of what is known already.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// The runtime may have something else than was seen last: ask it.
    pub(crate) fn look(&self) {
        self.news.fetch_add(1, Ordering::AcqRel);
        self.wake.notify_one();
    }

    /// What a job made.
    pub(super) fn made(&self, made: Made) {
        self.made.lock().push(made);
        self.wake.notify_one();
    }

    /// Grows with each [`Self::look`].
    pub(super) fn news(&self) -> u64 {
        self.news.load(Ordering::Acquire)
    }

    /// A probe has something to say.
    pub(crate) fn verdict(&self, v: &Verdict) {
        let Some(ok) = v.ok else { return };
        if let Some(health) = self.memory.lock().health.get_mut(&v.id) {
            match (v.kind, ok) {
                (ProbeKind::Readiness, ok) => health.ready = ok,
                (ProbeKind::Startup, true) => health.started = true,
                (ProbeKind::Liveness, true) => {}
                (kind, false) => health.failed = Some(Failure { probe: kind.word(), grace: v.grace }),
            }
        }
        self.wake.notify_one();
    }
}
