//! The work queue of a controller.
//!
//! One key is never worked on twice at once, duplicates collapse, the earliest time wins, failures back off per key.
//! [`Queue`] is the pure state (time is a parameter), [`WorkQueue`] the waiting around it.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
    time::Duration,
};

use knarr_daemon::Stop;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::Instant};

/// The state of a work queue. Not bounded by itself: it holds at most one entry a key, and keys are objects.
#[derive(Debug)]
pub struct Queue<K> {
    /// When each waiting key is due. A key is here or in `order`, never twice.
    due: HashMap<K, Instant>,
    order: BTreeSet<(Instant, K)>,
    /// Keys being worked on; `Some` is the time they were asked for again meanwhile.
    active: BTreeMap<K, Option<Instant>>,
    failures: HashMap<K, u32>,
    first: Duration,
    max: Duration,
}

impl<K: Clone + Ord + Hash> Queue<K> {
    /// An empty queue whose retries wait from `first` to `max`.
    pub fn new(first: Duration, max: Duration) -> Self {
        Self {
            due: HashMap::new(),
            order: BTreeSet::new(),
            active: BTreeMap::new(),
            failures: HashMap::new(),
            first,
            max,
        }
    }

    /// Asks for work on `key` at `at`.
    pub fn add(&mut self, key: K, at: Instant) {
        if let Some(again) = self.active.get_mut(&key) {
            *again = Some(again.map_or(at, |t| t.min(at)));
            return;
        }
        match self.due.get(&key) {
            Some(t) if *t <= at => return,
            Some(t) => drop(self.order.remove(&(*t, key.clone()))),
            None => {}
        }
        self.due.insert(key.clone(), at);
        self.order.insert((at, key));
    }

    /// Takes the next key that is due at `now`, or says when to look again.
    pub fn take(&mut self, now: Instant) -> Result<K, Option<Instant>> {
        match self.order.first() {
            Some((at, _)) if *at <= now => {
                let (_, key) = self.order.pop_first().expect("seen above");
                self.due.remove(&key);
                self.active.insert(key.clone(), None);
                Ok(key)
            }
            first => Err(first.map(|(at, _)| *at)),
        }
    }

    /// The work on `key` ended. `ok` clears its failures; otherwise it is tried again after a growing delay.
    pub fn done(&mut self, key: &K, ok: bool, now: Instant) {
        let Some(again) = self.active.remove(key) else { return };
        if ok {
            self.failures.remove(key);
            if let Some(at) = again {
                self.add(key.clone(), at);
            }
            return;
        }
        let failures = self.failures.entry(key.clone()).or_default();
        let delay = self.first.saturating_mul(2u32.saturating_pow((*failures).min(30))).min(self.max);
        *failures = failures.saturating_add(1);
        self.add(key.clone(), now + delay);
    }

    /// Makes everything that waits due at `now`: when it is due was reckoned with a clock that has been put right.
    pub fn hasten(&mut self, now: Instant) {
        for (at, key) in std::mem::take(&mut self.order) {
            let at = at.min(now);
            self.due.insert(key.clone(), at);
            self.order.insert((at, key));
        }
    }

    /// Keys waiting or being worked on.
    pub fn len(&self) -> usize {
        self.order.len() + self.active.len()
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A [`Queue`] one can wait on.
#[derive(Debug)]
pub struct WorkQueue<K> {
    queue: Mutex<Queue<K>>,
    wake: Notify,
}

impl<K: Clone + Ord + Hash + Send + 'static> Default for WorkQueue<K> {
    /// Retries wait from 5 ms to 60 s.
    fn default() -> Self {
        Self { queue: Mutex::new(Queue::new(Duration::from_millis(5), Duration::from_secs(60))), wake: Notify::new() }
    }
}

impl<K: Clone + Ord + Hash + Send + 'static> WorkQueue<K> {
    /// An empty queue.
    pub fn new() -> std::sync::Arc<Self> {
        std::sync::Arc::default()
    }

    /// Asks for work on `key` now.
    pub fn add(&self, key: K) {
        self.add_after(key, Duration::ZERO);
    }

    /// Asks for work on `key` after `delay`.
    pub fn add_after(&self, key: K, delay: Duration) {
        self.queue.lock().add(key, Instant::now() + delay);
        self.wake.notify_one();
    }

    /// Makes everything that waits due.
    pub fn hasten(&self) {
        self.queue.lock().hasten(Instant::now());
        self.wake.notify_one();
    }

    /// The next key. Every key taken must be given back with [`WorkQueue::done`].
    pub async fn next(&self) -> K {
        loop {
            let wake = self.wake.notified();
            let next = self.queue.lock().take(Instant::now());
            match next {
                Ok(key) => {
                    self.wake.notify_one(); // there may be more for another worker
                    return key;
                }
                Err(Some(at)) => tokio::select! {
                    () = wake => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                Err(None) => wake.await,
            }
        }
    }

    /// The work on `key` ended.
    pub fn done(&self, key: &K, ok: bool) {
        self.queue.lock().done(key, ok, Instant::now());
        self.wake.notify_one();
    }

    /// Works until stopped, one key at a time: run it several times for several workers. `work` answers when to come
    /// back (`Ok(Some(delay))`), that all is well, or an error, which is logged and tried again with back-off.
    pub async fn work<F, E>(&self, name: &str, stop: &Stop, mut work: impl FnMut(K) -> F)
    where
        F: Future<Output = Result<Option<Duration>, E>>,
        E: std::fmt::Display,
        K: std::fmt::Display,
    {
        loop {
            let key = tokio::select! {
                key = self.next() => key,
                () = stop.cancelled() => return,
            };
            let result = work(key.clone()).await;
            if let Err(e) = &result {
                tracing::debug!(worker = name, %key, error = %e, "will try again");
            }
            self.done(&key, result.is_ok());
            if let Ok(Some(delay)) = result {
                self.add_after(key, delay);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn duplicates_collapse_and_the_earliest_time_wins() {
        let t0 = Instant::now();
        let mut q = Queue::new(secs(1), secs(4));
        q.add("a", t0 + secs(5));
        q.add("a", t0 + secs(2));
        q.add("a", t0 + secs(9));
        assert_eq!(q.take(t0), Err(Some(t0 + secs(2))));
        assert_eq!(q.take(t0 + secs(2)), Ok("a"));
        assert_eq!(q.take(t0 + secs(20)), Err(None));
    }

    #[test]
    fn what_waits_can_be_hastened() {
        let t0 = Instant::now();
        let mut q = Queue::new(secs(1), secs(4));
        q.add("late", t0 + secs(3600));
        q.add("due", t0);
        q.hasten(t0 + secs(1));
        assert_eq!(q.take(t0 + secs(1)), Ok("due"));
        assert_eq!(q.take(t0 + secs(1)), Ok("late"));
        q.done(&"late", true, t0 + secs(1));
        assert_eq!(q.take(t0 + secs(9)), Err(None));
    }

    #[test]
    fn a_key_is_never_active_twice() {
        let t0 = Instant::now();
        let mut q = Queue::new(secs(1), secs(4));
        q.add("a", t0);
        assert_eq!(q.take(t0), Ok("a"));
        q.add("a", t0);
        assert_eq!(q.take(t0), Err(None));
        q.done(&"a", true, t0);
        assert_eq!(q.take(t0), Ok("a"));
    }

    #[test]
    fn failures_back_off_and_success_forgets() {
        let t0 = Instant::now();
        let mut q = Queue::new(secs(1), secs(4));
        let mut delays = Vec::new();
        q.add("a", t0);
        let mut now = t0;
        for _ in 0..4 {
            assert_eq!(q.take(now), Ok("a"));
            q.done(&"a", false, now);
            let Err(Some(at)) = q.take(now) else { panic!("must wait") };
            delays.push((at - now).as_secs());
            now = at;
        }
        assert_eq!(delays, [1, 2, 4, 4]);
        assert_eq!(q.take(now), Ok("a"));
        q.done(&"a", true, now);
        assert!(q.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn waits_for_the_due_time() {
        let q = WorkQueue::new();
        let t0 = Instant::now();
        q.add_after("late", secs(3));
        q.add_after("soon", secs(1));
        assert_eq!(q.next().await, "soon");
        assert_eq!(q.next().await, "late");
        assert_eq!(t0.elapsed(), secs(3));
    }
}
