//! The recent past: a bounded sequence of events. Pure; time is a parameter.
//!
//! Events lie in one queue per collection, so that a watch of a quiet resource does not scan those of a busy one,
//! and in one order of expiry for all: what "too old" means is the same everywhere, as clients expect of one store.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{Collection, Event};

/// How much past is kept.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) history: Duration,
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

pub(crate) struct Ring {
    bounds: Bounds,
    /// Oldest first; one entry per event in `by_collection`.
    order: VecDeque<Entry>,
    /// Indexed by collection. Revisions grow within each.
    by_collection: Vec<VecDeque<Arc<Event>>>,
    bytes: usize,
    /// Every event after this revision is here.
    floor: u64,
}

struct Entry {
    at: Instant,
    cost: usize,
    collection: Collection,
}

impl Ring {
    /// An empty past that begins at `floor`.
    pub(crate) fn new(bounds: Bounds, floor: u64) -> Self {
        Self { bounds, order: VecDeque::new(), by_collection: Vec::new(), bytes: 0, floor }
    }

    /// Adds the newest event and forgets what the bounds no longer allow; how many bytes that was.
    pub(crate) fn push(&mut self, event: Arc<Event>, now: Instant) -> usize {
        let (collection, cost) = (event.collection, event.cost());
        if self.by_collection.len() <= collection.index() {
            self.by_collection.resize_with(collection.index() + 1, VecDeque::new);
        }
        self.by_collection[collection.index()].push_back(event);
        self.order.push_back(Entry { at: now, cost, collection });
        self.bytes += cost;
        let full = self.bytes;
        self.trim(now);
        full - self.bytes
    }

    fn trim(&mut self, now: Instant) {
        let Bounds { history, events, bytes } = self.bounds;
        while let Some(oldest) = self.order.front() {
            let old = now.saturating_duration_since(oldest.at) > history;
            if !old && self.order.len() <= events && self.bytes <= bytes {
                break;
            }
            self.bytes -= oldest.cost;
            let event = self.by_collection[oldest.collection.index()].pop_front();
            self.floor = event.expect("an entry per event").revision;
            self.order.pop_front();
        }
    }

    /// The oldest revision whose state and following events are known.
    pub(crate) fn floor(&self) -> u64 {
        self.floor
    }

    /// The events of a collection after `revision`, oldest first; `None` if some are forgotten.
    pub(crate) fn since(
        &self,
        collection: Collection,
        revision: u64,
    ) -> Option<impl DoubleEndedIterator<Item = &Arc<Event>>> {
        if revision < self.floor {
            return None;
        }
        let events = self.by_collection.get(collection.index());
        let start = events.map_or(0, |e| e.partition_point(|e| e.revision <= revision));
        Some(events.into_iter().flat_map(move |e| e.range(start..)))
    }

    /// Events and bytes held.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.order.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draft::Draft;

    fn event(collection: u32, revision: u64) -> Arc<Event> {
        let json: bytes::Bytes = format!(r#"{{"metadata":{{"name":"a{revision}"}}}}"#).into();
        let meta = knarr_api::Object::from_json(json.clone()).unwrap().meta().clone();
        Arc::new(Event {
            revision,
            previous: None,
            new: Some(Draft::new(meta, json).unwrap().seal(revision)),
            last: None,
            collection: Collection(collection),
            row: revision,
            previous_node: None,
            node: None,
        })
    }

    fn ring(events: usize, bytes: usize) -> Ring {
        Ring::new(Bounds { history: Duration::from_secs(10), events, bytes }, 5)
    }

    #[track_caller]
    fn check(ring: &Ring, collection: u32, from: u64, expected: Option<&[u64]>) {
        let got = ring.since(Collection(collection), from).map(|e| e.map(|e| e.revision).collect::<Vec<_>>());
        assert_eq!(got.as_deref(), expected);
    }

    #[test]
    fn gives_what_came_after_per_collection() {
        let mut ring = ring(100, 1 << 20);
        let now = Instant::now();
        let forgotten: usize = [(0, 6), (2, 7), (0, 8), (0, 11)].map(|(c, r)| ring.push(event(c, r), now)).iter().sum();
        assert_eq!(forgotten, 0);
        check(&ring, 0, 5, Some(&[6, 8, 11]));
        check(&ring, 0, 7, Some(&[8, 11]));
        check(&ring, 0, 11, Some(&[]));
        check(&ring, 1, 5, Some(&[]));
        check(&ring, 9, 5, Some(&[]));
        check(&ring, 2, 6, Some(&[7]));
        check(&ring, 0, 4, None);
    }

    #[test]
    fn forgets_by_count() {
        let mut ring = ring(2, 1 << 20);
        let now = Instant::now();
        let forgotten = [(0, 6), (1, 7), (0, 8)].map(|(c, r)| ring.push(event(c, r), now));
        assert_eq!(forgotten.map(|bytes| bytes > 0), [false, false, true]);
        assert_eq!((ring.floor(), ring.size().0), (6, 2));
        check(&ring, 0, 5, None);
        check(&ring, 1, 5, None);
        check(&ring, 0, 6, Some(&[8]));
    }

    #[test]
    fn forgets_by_bytes_and_returns_to_none() {
        let mut ring = ring(100, 700);
        let now = Instant::now();
        let forgotten: usize = (6..12).map(|r| ring.push(event(0, r), now)).sum();
        assert_eq!((ring.floor(), ring.size(), forgotten), (9, (2, 512), 1024));
    }

    #[test]
    fn forgets_by_age() {
        let mut ring = ring(100, 1 << 20);
        let start = Instant::now();
        let forgotten = [0, 1, 2, 3].map(|n| ring.push(event(0, 6 + n), start + Duration::from_secs(4 * n)));
        assert_eq!(forgotten.map(|bytes| bytes > 0), [false, false, false, true]);
        assert_eq!(ring.floor(), 6);
        check(&ring, 0, 6, Some(&[7, 8, 9]));
    }
}
