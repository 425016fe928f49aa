//! The pods that wait.
//!
//! ```text
//!            ┌────────────── back-off over ◀── backing off ◀──┐
//!            ▼                                       ▲         │ something that may help
//!   put ─▶ ready ── take ──▶ out ── failed ──────────┘         │ (or five minutes)
//!                             └───── refused ──────────────▶ parked
//! ```
//!
//! Ready pods go by priority, then by age. A pod that was refused is parked with who refused it, and only a change that
//! may help it brings it back; however often that happens, it is tried again only after a back-off of 1 to 10 seconds.
//! Pure: time is a parameter.

use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use knarr_client::Key;

use crate::{PodInfo, parts::Parts, pod::Wishes};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10);
/// A parked pod is tried again after so long even if nothing happened: the repair of a missed event.
const PARKED: Duration = Duration::from_secs(300);

/// See the module. Holds one entry a waiting pod.
#[derive(Debug, Default)]
pub struct Queue {
    pods: HashMap<Key, Entry>,
    ready: BTreeSet<(Reverse<i32>, u64, Key)>,
    /// Pods that back off, and parked ones, by the time they are due.
    due: BTreeSet<(Instant, Key)>,
    next: u64,
}

#[derive(Debug)]
struct Entry {
    pod: Arc<PodInfo>,
    /// The order pods came in.
    number: u64,
    attempts: u32,
    /// Not to be tried before.
    rested: Option<Instant>,
    place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Ready,
    BackingOff(Instant),
    Parked(Parts, Instant),
    /// Waits for its gates.
    Gated,
    /// Being placed.
    Out,
}

impl Queue {
    /// A waiting pod is new or changed.
    pub fn put(&mut self, pod: Arc<PodInfo>, now: Instant) {
        let gated = pod.wishes.as_ref().is_some_and(|w| w.gated);
        let key = pod.key.clone();
        if let Some(entry) = self.pods.get_mut(&key).filter(|e| e.pod.uid == pod.uid) {
            let before = std::mem::replace(&mut entry.pod, pod);
            let changed = differ(&before, &entry.pod);
            if before.priority != entry.pod.priority && entry.place == Place::Ready {
                self.ready.remove(&(Reverse(before.priority), entry.number, key.clone()));
                self.ready.insert((Reverse(entry.pod.priority), entry.number, key.clone()));
            }
            match entry.place {
                Place::Out => {}
                _ if gated => self.move_to(&key, Place::Gated),
                Place::Gated => self.move_to(&key, Place::Ready),
                Place::Parked(..) if changed => self.wake(&key, now),
                _ => {}
            }
            return;
        }
        self.remove(&key);
        let place = if gated { Place::Gated } else { Place::Ready };
        if place == Place::Ready {
            self.ready.insert((Reverse(pod.priority), self.next, key.clone()));
        }
        self.pods.insert(key, Entry { pod, number: self.next, attempts: 0, rested: None, place });
        self.next += 1;
    }

    /// A pod waits no longer.
    pub fn remove(&mut self, key: &Key) {
        self.unlink(key);
        self.pods.remove(key);
    }

    /// The pod to be placed next.
    pub fn take(&mut self, now: Instant) -> Option<Arc<PodInfo>> {
        while let Some((at, key)) = self.due.first().cloned()
            && at <= now
        {
            self.wake(&key, now);
        }
        let (_, _, key) = self.ready.first().cloned()?;
        self.move_to(&key, Place::Out);
        self.pods.get(&key).map(|e| e.pod.clone())
    }

    /// When [`Queue::take`] may give something that it does not give now.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// No node took the pod.
    pub fn refused(&mut self, key: &Key, parts: Parts, now: Instant) {
        if self.rest(key, now).is_some() {
            self.move_to(key, Place::Parked(parts, now + PARKED));
        }
    }

    /// Placing the pod came to nothing for other reasons.
    pub fn failed(&mut self, key: &Key, now: Instant) {
        if let Some(rested) = self.rest(key, now) {
            self.move_to(key, Place::BackingOff(rested));
        }
    }

    /// Brings back the parked pods that `helped` names.
    pub fn wake_if(&mut self, now: Instant, mut helped: impl FnMut(&PodInfo, Parts) -> bool) -> bool {
        let keys: Vec<Key> = self
            .pods
            .iter()
            .filter(|(_, e)| matches!(e.place, Place::Parked(parts, _) if helped(&e.pod, parts)))
            .map(|(key, _)| key.clone())
            .collect();
        keys.iter().for_each(|key| self.wake(key, now));
        !keys.is_empty()
    }

    /// Number of pods that wait.
    pub fn len(&self) -> usize {
        self.pods.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    /// Counts an attempt; when the pod may be tried again.
    fn rest(&mut self, key: &Key, now: Instant) -> Option<Instant> {
        let entry = self.pods.get_mut(key)?;
        let wait = FIRST.saturating_mul(2u32.saturating_pow(entry.attempts.min(8))).min(LONGEST);
        entry.attempts += 1;
        entry.rested = Some(now + wait);
        entry.rested
    }

    fn wake(&mut self, key: &Key, now: Instant) {
        let Some(entry) = self.pods.get(key) else { return };
        let place = match entry.rested {
            Some(at) if at > now => Place::BackingOff(at),
            _ => Place::Ready,
        };
        self.move_to(key, place);
    }

    fn move_to(&mut self, key: &Key, place: Place) {
        self.unlink(key);
        let Some(entry) = self.pods.get_mut(key) else { return };
        entry.place = place;
        match place {
            Place::Ready => drop(self.ready.insert((Reverse(entry.pod.priority), entry.number, key.clone()))),
            Place::BackingOff(at) | Place::Parked(_, at) => drop(self.due.insert((at, key.clone()))),
            Place::Gated | Place::Out => {}
        }
    }

    fn unlink(&mut self, key: &Key) {
        let Some(entry) = self.pods.get(key) else { return };
        match entry.place {
            Place::Ready => drop(self.ready.remove(&(Reverse(entry.pod.priority), entry.number, key.clone()))),
            Place::BackingOff(at) | Place::Parked(_, at) => drop(self.due.remove(&(at, key.clone()))),
            Place::Gated | Place::Out => {}
        }
    }
}

/// Whether a pod asks for something else than before. What the scheduler itself writes does not count.
fn differ(a: &PodInfo, b: &PodInfo) -> bool {
    let bare =
        |wishes: &Option<Box<Wishes>>| wishes.as_deref().map(|w| Wishes { told: None, nominated: None, ..w.clone() });
    a.labels != b.labels
        || a.requests != b.requests
        || a.priority != b.priority
        || a.affinity != b.affinity
        || bare(&a.wishes) != bare(&b.wishes)
}

#[cfg(test)]
mod tests;
