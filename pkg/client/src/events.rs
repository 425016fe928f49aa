//! Kubernetes Events: what a component tells people about an object.
//!
//! Telling must never hold up the work: [`Recorder::event`] puts a note in a bounded queue and returns; when the queue
//! is full the note is dropped and counted. One task ([`EventWriter::run`]) writes. The same sentence about the same
//! object is one Event whose `count` grows; an object that talks too much is silenced by a token bucket (25 at once,
//! then one in 5 minutes), as upstream's recorder does. What to write is decided by the pure [`Correlator`].

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::Timestamp;
use knarr_api::{Reason, Status, Value, value};
use knarr_daemon::Stop;
use tokio::sync::mpsc;

use crate::{Api, ApiExt, resources::EVENTS};

/// Notes that may wait to be written.
const QUEUE: usize = 1000;
/// Objects and sentences remembered; beyond it the oldest are forgotten.
const MEMORY: usize = 4096;
/// A sentence not repeated for so long starts a new Event.
const FORGET: Duration = Duration::from_secs(10 * 60);
const BURST: f64 = 25.0;
const REFILL_PER_SECOND: f64 = 1.0 / 300.0;

/// What an event is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ObjectRef {
    /// `apiVersion`.
    pub api_version: String,
    /// `kind`.
    pub kind: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Part of the object: `spec.containers{app}`; usually empty.
    pub field_path: String,
}

/// How serious it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Type {
    /// As it should be.
    Normal,
    /// Someone may want to look.
    Warning,
}

impl Type {
    fn word(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Note {
    component: Arc<str>,
    object: ObjectRef,
    kind: Type,
    reason: String,
    message: String,
}

/// The telling end. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    component: Arc<str>,
    notes: mpsc::Sender<(Timestamp, Note)>,
    dropped: Arc<AtomicU64>,
}

/// The writing end: give [`EventWriter::run`] to a task.
pub struct EventWriter {
    api: Arc<dyn Api>,
    notes: mpsc::Receiver<(Timestamp, Note)>,
    dropped: Arc<AtomicU64>,
    correlator: Correlator,
}

impl Recorder {
    /// A recorder that signs as `component` on `host` (empty for components that belong to no node).
    pub fn new(api: Arc<dyn Api>, component: &str, host: &str) -> (Self, EventWriter) {
        let (tx, rx) = mpsc::channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let correlator = Correlator::new(host);
        let recorder = Self { component: component.into(), notes: tx, dropped: dropped.clone() };
        (recorder, EventWriter { api, notes: rx, dropped, correlator })
    }

    /// The same recorder, signing as another component: people filter by it (`source=deployment-controller`).
    #[must_use]
    pub fn signing_as(&self, component: &str) -> Self {
        Self { component: component.into(), ..self.clone() }
    }

    /// Tells `message` about `object`. Never blocks.
    pub fn event(&self, object: &ObjectRef, kind: Type, reason: &str, message: impl Into<String>) {
        let (component, object) = (self.component.clone(), object.clone());
        let note = Note { component, object, kind, reason: reason.to_owned(), message: message.into() };
        if self.notes.try_send((Timestamp::now(), note)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Events not written: queue full, silenced, or refused by the API.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

impl EventWriter {
    /// Writes until stopped; what is queued then is still written.
    ///
    /// # Errors
    /// None: an event that cannot be written is dropped and counted.
    pub async fn run(mut self, stop: Stop) -> Result<(), Status> {
        loop {
            let next = tokio::select! {
                biased;
                next = self.notes.recv() => next,
                () = stop.cancelled() => return Ok(()),
            };
            let Some((at, note)) = next else { return Ok(()) };
            if self.write(at, note).await.is_err() {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    async fn write(&mut self, at: Timestamp, note: Note) -> Result<(), Status> {
        let namespace = event_namespace(&note.object).to_owned();
        match self.correlator.correlate(note.clone(), at) {
            Step::Silence => Err(Status::new(Reason::TooManyRequests, "silenced")),
            Step::Create { name, body } => {
                let mut wait = Duration::from_millis(100);
                for _ in 0..4 {
                    match self.api.create(&EVENTS, &namespace, body.clone()).await {
                        Err(e) if e.is(Reason::ServiceUnavailable) => tokio::time::sleep(wait).await,
                        Err(e) => {
                            tracing::debug!(event = name, error = %e, "event refused");
                            self.correlator.forget(&note);
                            return Err(e);
                        }
                        Ok(_) => return Ok(()),
                    }
                    wait *= 4;
                }
                self.correlator.forget(&note);
                Err(Status::new(Reason::ServiceUnavailable, "the API is away"))
            }
            Step::Count { name, body } => match self.api.merge(&EVENTS, &namespace, &name, "", body).await {
                Ok(_) => Ok(()),
                Err(e) if e.is(Reason::NotFound) => {
                    // The event was deleted meanwhile: start over.
                    self.correlator.forget(&note);
                    match self.correlator.correlate(note, at) {
                        Step::Create { body, .. } => self.api.create(&EVENTS, &namespace, body).await.map(drop),
                        Step::Count { .. } | Step::Silence => Err(e),
                    }
                }
                Err(e) => Err(e),
            },
        }
    }
}

fn event_namespace(object: &ObjectRef) -> &str {
    if object.namespace.is_empty() { "default" } else { &object.namespace }
}

/// What to do with a note.
#[derive(Debug)]
enum Step {
    Create { name: String, body: Value },
    Count { name: String, body: Value },
    Silence,
}

#[derive(Debug)]
struct Told {
    name: String,
    count: i64,
    last: Timestamp,
}

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    last: Timestamp,
}

/// The memory of what was told. Pure: time is a parameter.
#[derive(Debug)]
struct Correlator {
    host: String,
    told: HashMap<Note, Told>,
    buckets: HashMap<u64, Bucket>,
}

impl Correlator {
    fn new(host: &str) -> Self {
        Self { host: host.to_owned(), told: HashMap::new(), buckets: HashMap::new() }
    }

    fn forget(&mut self, note: &Note) {
        self.told.remove(note);
    }

    fn correlate(&mut self, note: Note, now: Timestamp) -> Step {
        self.tidy(now);
        if !self.may_talk(&note.object, now) {
            return Step::Silence;
        }
        if let Some(told) = self.told.get_mut(&note) {
            told.count += 1;
            told.last = now;
            let body = value!({ "count": told.count, "lastTimestamp": seconds(now) });
            return Step::Count { name: told.name.clone(), body };
        }
        let name = format!("{}.{:x}", note.object.name, now.as_nanosecond() as u64);
        let body = self.body(&name, &note, now);
        self.told.insert(note, Told { name: name.clone(), count: 1, last: now });
        Step::Create { name, body }
    }

    fn may_talk(&mut self, object: &ObjectRef, now: Timestamp) -> bool {
        let mut hasher = DefaultHasher::new();
        object.hash(&mut hasher);
        let bucket = self.buckets.entry(hasher.finish()).or_insert(Bucket { tokens: BURST, last: now });
        let elapsed = now.duration_since(bucket.last).as_secs_f64().max(0.0);
        bucket.tokens = (bucket.tokens + elapsed * REFILL_PER_SECOND).min(BURST);
        bucket.last = now;
        if bucket.tokens < 1.0 {
            return false;
        }
        bucket.tokens -= 1.0;
        true
    }

    fn tidy(&mut self, now: Timestamp) {
        if self.told.len() < MEMORY && self.buckets.len() < MEMORY {
            return;
        }
        let fresh = |last: Timestamp| now.duration_since(last).as_secs_f64() < FORGET.as_secs_f64();
        self.told.retain(|_, told| fresh(told.last));
        self.buckets.retain(|_, bucket| fresh(bucket.last));
        if self.told.len() >= MEMORY {
            self.told.clear();
        }
        if self.buckets.len() >= MEMORY {
            self.buckets.clear();
        }
    }

    fn body(&self, name: &str, note: &Note, now: Timestamp) -> Value {
        let ObjectRef { api_version, kind, namespace, name: about, uid, field_path } = &note.object;
        let mut involved =
            value!({ "apiVersion": api_version.as_str(), "kind": kind.as_str(), "name": about.as_str() });
        for (key, text) in [("namespace", namespace), ("uid", uid), ("fieldPath", field_path)] {
            if !text.is_empty() {
                involved.set(&[key], text.as_str());
            }
        }
        let mut source = value!({ "component": &*note.component });
        if !self.host.is_empty() {
            source.set(&["host"], self.host.as_str());
        }
        let mut body = value!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": { "name": name, "namespace": event_namespace(&note.object) },
            "reason": note.reason.as_str(),
            "message": note.message.as_str(),
            "type": note.kind.word(),
            "count": 1i64,
            "firstTimestamp": seconds(now),
            "lastTimestamp": seconds(now),
            "reportingComponent": &*note.component,
            "reportingInstance": self.host.as_str(),
        });
        body.set(&["involvedObject"], involved);
        body.set(&["source"], source);
        body
    }
}

/// RFC 3339 in whole seconds: what `metav1.Time` prints.
fn seconds(at: Timestamp) -> String {
    let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
    whole.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(message: &str) -> Note {
        let object = ObjectRef {
            api_version: "v1".into(),
            kind: "Pod".into(),
            namespace: "n".into(),
            name: "p".into(),
            uid: "u".into(),
            field_path: String::new(),
        };
        Note {
            component: "kubelet".into(),
            object,
            kind: Type::Warning,
            reason: "BackOff".into(),
            message: message.into(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_same_sentence_is_counted() {
        let mut c = Correlator::new("node");
        let Step::Create { name, body } = c.correlate(note("m"), at(1)) else { panic!("new") };
        assert_eq!(name, "p.3b9aca00");
        assert_eq!(body.str_at(&["involvedObject", "uid"]), "u");
        assert_eq!((body.str_at(&["source", "component"]), body.str_at(&["reportingInstance"])), ("kubelet", "node"));
        assert_eq!(body.str_at(&["firstTimestamp"]), "1970-01-01T00:00:01Z");
        let Step::Count { name: again, body } = c.correlate(note("m"), at(2)) else { panic!("counted") };
        assert_eq!((again, body.at(&["count"]).and_then(Value::as_i64)), (name, Some(2)));
        assert!(matches!(c.correlate(note("other"), at(3)), Step::Create { .. }));
        let elsewhere = Note { component: "job-controller".into(), ..note("m") };
        assert!(matches!(c.correlate(elsewhere, at(4)), Step::Create { .. }));
    }

    #[test]
    fn who_talks_too_much_is_silenced_and_may_talk_again() {
        let mut c = Correlator::new("node");
        let told = (0..40).filter(|_| !matches!(c.correlate(note("m"), at(0)), Step::Silence)).count();
        assert_eq!(told, 25);
        assert!(!matches!(c.correlate(note("m"), at(301)), Step::Silence));
    }

    #[tokio::test]
    async fn a_full_queue_drops_and_counts() {
        let api: Arc<dyn Api> = Arc::new(crate::fake::FakeApi::new());
        let (recorder, _writer) = Recorder::new(api, "c", "");
        for _ in 0..=QUEUE {
            recorder.event(&ObjectRef::default(), Type::Normal, "r", "m");
        }
        assert_eq!(recorder.dropped(), 1);
    }

    #[tokio::test]
    async fn events_reach_the_api() {
        let fake = crate::fake::FakeApi::new();
        let (recorder, writer) = Recorder::new(Arc::new(fake.clone()), "kubelet", "n1");
        for _ in 0..2 {
            recorder.event(&note("m").object, Type::Normal, "Pulled", "here");
        }
        recorder.signing_as("probe").event(&note("m").object, Type::Normal, "Probed", "there");
        drop(recorder);
        writer.run(Stop::new()).await.unwrap();
        let events = fake.list(&EVENTS, "n").await.unwrap().items;
        let trees: Vec<serde_json::Value> = events.iter().map(|e| e.decode().unwrap()).collect();
        let told = |t: &serde_json::Value| (t["source"].clone(), t["count"].clone());
        let of = |component: &str| serde_json::json!({ "component": component, "host": "n1" });
        assert_eq!(trees.iter().map(told).collect::<Vec<_>>(), [(of("kubelet"), 2.into()), (of("probe"), 1.into())]);
    }
}
