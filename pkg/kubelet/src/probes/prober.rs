//! The timer wheel of all probes of the node.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use k8s_openapi::api::core::v1::{Pod, Probe};
use knarr_daemon::{Crowd, Stop};
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

use super::{Checker, Machine, Outcome, ProbeKind};

/// One probe that should be running.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The pod.
    pub pod: Arc<Pod>,
    /// The pod's address; the node's for pods on its network.
    pub ip: String,
    /// Container name.
    pub container: String,
    /// Container id.
    pub id: String,
    /// How long the container has been running.
    pub age: Duration,
    /// What for.
    pub kind: ProbeKind,
    /// How.
    pub probe: Probe,
}

/// What came out of a probe.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    /// Pod UID.
    pub uid: String,
    /// Container id.
    pub id: String,
    /// Which probe.
    pub kind: ProbeKind,
    /// The new verdict; `None`: only an event is to be told.
    pub ok: Option<bool>,
    /// The probe's own grace period for kills.
    pub grace: Option<i64>,
    /// An event: reason, message.
    pub event: Option<(&'static str, String)>,
    /// The target, for the event.
    pub target: Arc<Target>,
}

type Key = (String, ProbeKind);
/// A question to ask now, and how long the answer may take.
type Due = (Key, Arc<Target>, Duration);

struct Entry {
    uid: String,
    target: Arc<Target>,
    machine: Machine,
    due: Option<Instant>,
}

#[derive(Default)]
struct Wheel {
    entries: HashMap<Key, Entry>,
    order: BTreeSet<(Instant, Key)>,
}

impl Wheel {
    fn schedule(&mut self, key: &Key) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        if let Some(old) = entry.due.take() {
            self.order.remove(&(old, key.clone()));
        }
        entry.due = entry.machine.next_deadline();
        if let Some(at) = entry.due {
            self.order.insert((at, key.clone()));
        }
    }

    fn remove(&mut self, key: &Key) {
        if let Some(Entry { due: Some(at), .. }) = self.entries.remove(key) {
            self.order.remove(&(at, key.clone()));
        }
    }
}

/// All probes of the node.
pub(crate) struct Prober {
    wheel: Mutex<Wheel>,
    wake: Notify,
    checker: Checker,
    tell: Box<dyn Fn(Verdict) + Send + Sync>,
}

impl Prober {
    /// Asks through `checker`, tells `tell`, which must not block.
    pub(crate) fn new(checker: Checker, tell: impl Fn(Verdict) + Send + Sync + 'static) -> Self {
        Self { wheel: Mutex::default(), wake: Notify::new(), checker, tell: Box::new(tell) }
    }

    /// From now on pod `uid` has exactly these probes. Those already known go on as they are.
    pub(crate) fn set(&self, uid: &str, targets: Vec<Target>, now: Instant) {
        let mut wheel = self.wheel.lock();
        let keep: BTreeSet<Key> = targets.iter().map(|t| (t.id.clone(), t.kind)).collect();
        let mine = wheel.entries.iter().filter(|(k, e)| e.uid == uid && !keep.contains(*k));
        let gone: Vec<Key> = mine.map(|(k, _)| k.clone()).collect();
        gone.iter().for_each(|key| wheel.remove(key));
        let mut fresh = false;
        for target in targets {
            let key = (target.id.clone(), target.kind);
            if wheel.entries.contains_key(&key) {
                continue;
            }
            let machine = Machine::new(target.kind, &target.probe, target.age, now);
            let entry = Entry { uid: uid.to_owned(), target: Arc::new(target), machine, due: None };
            wheel.entries.insert(key.clone(), entry);
            wheel.schedule(&key);
            fresh = true;
        }
        drop(wheel);
        if fresh {
            self.wake.notify_one();
        }
    }

    /// Asks until stopped.
    pub(crate) async fn run(self: Arc<Self>, stop: Stop) -> Result<(), knarr_daemon::Error> {
        // More questions at once than this wait for their turn.
        let crowd = Crowd::new(&stop, 64);
        loop {
            let (due, next) = self.take(Instant::now());
            for (key, target, timeout) in due {
                let this = self.clone();
                crowd
                    .spawn(|_| async move {
                        let outcome = this.checker.check(&target, timeout).await;
                        this.done(&key, outcome);
                    })
                    .await;
            }
            let sleep = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep => {}
                () = self.wake.notified() => {}
                () = stop.cancelled() => break,
            }
        }
        crowd.stop_all(Duration::from_secs(1)).await;
        Ok(())
    }

    /// What is due, and when the next one is.
    fn take(&self, now: Instant) -> (Vec<Due>, Option<Instant>) {
        let mut wheel = self.wheel.lock();
        let mut due = Vec::new();
        while let Some((at, _)) = wheel.order.first() {
            if *at > now {
                break;
            }
            let (_, key) = wheel.order.pop_first().expect("seen above");
            let Some(entry) = wheel.entries.get_mut(&key) else { continue };
            entry.due = None; // asked again when the answer is there
            entry.machine.on_ask(now);
            due.push((key, entry.target.clone(), entry.machine.timeout()));
        }
        (due, wheel.order.first().map(|(at, _)| *at))
    }

    fn done(&self, key: &Key, outcome: Outcome) {
        let verdict = {
            let mut wheel = self.wheel.lock();
            let Some(entry) = wheel.entries.get_mut(key) else { return };
            let title = key.1.title();
            let (ok, event) = match &outcome {
                Outcome::Success => (entry.machine.on_result(true), None),
                Outcome::Warning(text) => {
                    (entry.machine.on_result(true), Some(("ProbeWarning", format!("{title} probe warning: {text}"))))
                }
                Outcome::Failure(text) => {
                    (entry.machine.on_result(false), Some(("Unhealthy", format!("{title} probe failed: {text}"))))
                }
                Outcome::Error(text) => {
                    let text = format!("{title} probe errored and resulted in unknown state: {text}");
                    (None, Some(("Unhealthy", text)))
                }
            };
            let verdict = Verdict {
                uid: entry.uid.clone(),
                id: key.0.clone(),
                kind: key.1,
                ok,
                grace: entry.target.probe.termination_grace_period_seconds,
                event,
                target: entry.target.clone(),
            };
            wheel.schedule(key);
            verdict
        };
        self.wake.notify_one();
        if verdict.ok.is_some() || verdict.event.is_some() {
            (self.tell)(verdict);
        }
    }
}
