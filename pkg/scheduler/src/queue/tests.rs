use super::*;
use crate::{parts::Part, tests};

fn pod(name: &str, priority: i32) -> Arc<PodInfo> {
    let p = tests::pod(name, serde_json::json!({}), serde_json::json!({}));
    Arc::new(PodInfo { priority, ..p })
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn take(q: &mut Queue, now: Instant) -> Option<String> {
    q.take(now).map(|p| p.key.name.to_string())
}

#[test]
fn by_priority_then_age() {
    let t0 = Instant::now();
    let mut q = Queue::default();
    for (name, priority) in [("a", 0), ("b", 5), ("c", 0), ("d", 5)] {
        q.put(pod(name, priority), t0);
    }
    // A change of priority before its turn counts.
    q.put(pod("c", 9), t0);
    let order: Vec<_> = std::iter::from_fn(|| take(&mut q, t0)).collect();
    assert_eq!(order, ["c", "b", "d", "a"]);
    assert_eq!(q.len(), 4);
}

#[test]
fn a_refused_pod_waits_for_help_and_backs_off() {
    let t0 = Instant::now();
    let mut q = Queue::default();
    q.put(pod("a", 0), t0);
    let mut now = t0;
    let mut waits = Vec::new();
    for _ in 0..6 {
        assert_eq!(take(&mut q, now).as_deref(), Some("a"));
        q.refused(&Key::new("d", "a"), Parts::of(Part::Ports), now);
        // Nothing that helps.
        assert!(!q.wake_if(now, |_, parts| parts.has(Part::Taints)));
        assert_eq!(take(&mut q, now + secs(20)), None);
        // Help: it is tried again once it has rested.
        assert!(q.wake_if(now, |_, parts| parts.has(Part::Ports)));
        let at = q.next_due().unwrap();
        assert_eq!(take(&mut q, at - Duration::from_millis(1)), None);
        waits.push((at - now).as_secs());
        now = at;
    }
    assert_eq!(waits, [1, 2, 4, 8, 10, 10]);
}

#[test]
fn help_that_comes_late_counts_at_once_and_none_after_five_minutes() {
    let t0 = Instant::now();
    let mut q = Queue::default();
    q.put(pod("a", 0), t0);
    take(&mut q, t0);
    q.refused(&Key::new("d", "a"), Parts::default(), t0);
    q.wake_if(t0 + secs(30), |_, _| true);
    assert_eq!(take(&mut q, t0 + secs(30)).as_deref(), Some("a"));
    q.refused(&Key::new("d", "a"), Parts::default(), t0);
    assert_eq!(q.next_due(), Some(t0 + secs(300)));
    assert_eq!(take(&mut q, t0 + secs(300)).as_deref(), Some("a"));
}

#[test]
fn gates_and_changes() {
    let t0 = Instant::now();
    let mut q = Queue::default();
    let spec = serde_json::json!({"schedulingGates": [{"name": "g"}]});
    q.put(Arc::new(tests::pod("a", serde_json::json!({}), spec)), t0);
    assert_eq!((take(&mut q, t0), q.len()), (None, 1));
    q.put(pod("a", 0), t0);
    assert_eq!(take(&mut q, t0).as_deref(), Some("a"));
    q.refused(&Key::new("d", "a"), Parts::default(), t0);
    // What the scheduler wrote itself is no reason to try again; a new toleration is.
    let mut told = (*pod("a", 0)).clone();
    told.wishes.as_mut().unwrap().told = Some(("Unschedulable".into(), "x".into()));
    q.put(Arc::new(told), t0);
    assert_eq!(take(&mut q, t0 + secs(60)), None);
    let spec = serde_json::json!({"tolerations": [{"operator": "Exists"}]});
    q.put(Arc::new(tests::pod("a", serde_json::json!({}), spec)), t0 + secs(60));
    assert_eq!(take(&mut q, t0 + secs(60)).as_deref(), Some("a"));
    q.failed(&Key::new("d", "a"), t0 + secs(60));
    q.remove(&Key::new("d", "a"));
    assert_eq!((q.next_due(), q.is_empty()), (None, true));
}
