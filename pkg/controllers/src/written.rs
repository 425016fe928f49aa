//! What was written and the caches do not show yet.
//!
//! Where a status counts, each round must start from what the last one wrote: after a write, an object is left alone
//! until its own new state, and that of the dependents that were written, have come back through the informers. Their
//! coming wakes it.

use std::collections::HashMap;

use knarr_client::Key;
use parking_lot::Mutex;

/// The newest revisions written, by object.
#[derive(Debug, Default)]
pub(crate) struct Written(Mutex<HashMap<Key, Revisions>>);

#[derive(Debug, Default)]
struct Revisions {
    own: u64,
    dependents: HashMap<Key, u64>,
}

impl Written {
    /// The object was written.
    pub(crate) fn own(&self, key: &Key, revision: u64) {
        self.0.lock().entry(key.clone()).or_default().own = revision;
    }

    /// One of its dependents was written.
    pub(crate) fn dependent(&self, key: &Key, dependent: &Key, revision: u64) {
        self.0.lock().entry(key.clone()).or_default().dependents.insert(dependent.clone(), revision);
    }

    /// Whether caches that have the object at `revision`, and its dependents as `have` says, show all of it. A
    /// dependent they do not have is gone.
    pub(crate) fn is_shown(&self, key: &Key, revision: u64, have: impl Fn(&Key) -> Option<u64>) -> bool {
        let mut map = self.0.lock();
        let Some(written) = map.get_mut(key) else { return true };
        written.dependents.retain(|dependent, at| have(dependent).is_some_and(|revision| revision < *at));
        let shown = written.dependents.is_empty() && revision >= written.own;
        if shown {
            map.remove(key);
        }
        shown
    }

    /// The object is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.0.lock().remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_when_everything_came_back() {
        let (w, job) = (Written::default(), Key::new("n", "j"));
        assert!(w.is_shown(&job, 1, |_| None));
        w.own(&job, 5);
        w.dependent(&job, &Key::new("n", "a"), 6);
        w.dependent(&job, &Key::new("n", "b"), 7);
        assert!(!w.is_shown(&job, 4, |_| Some(9)));
        assert!(!w.is_shown(&job, 4, |_| None), "a pod once shown need not be shown again");
        assert!(w.is_shown(&job, 5, |_| Some(1)));
    }
}
