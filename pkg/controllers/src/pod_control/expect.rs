//! What was asked for and has not shown up in the informer yet.

use std::{
    collections::{HashMap, HashSet},
    time::{Duration, Instant},
};

use knarr_api::Str;
use knarr_client::Key;
use parking_lot::Mutex;

/// After so long the informer is believed, whatever is still expected.
const PATIENCE: Duration = Duration::from_secs(60);

/// Expectations by owner.
#[derive(Debug, Default)]
pub(super) struct Expectations(Mutex<HashMap<Key, Expected>>);

#[derive(Debug)]
struct Expected {
    creations: HashSet<Str>,
    deletions: HashSet<Str>,
    since: Instant,
}

impl Default for Expected {
    fn default() -> Self {
        Self { creations: HashSet::new(), deletions: HashSet::new(), since: Instant::now() }
    }
}

impl Expectations {
    /// Whether everything asked for has been seen.
    pub(super) fn are_met(&self, owner: &Key) -> bool {
        let mut map = self.0.lock();
        let met = map
            .get(owner)
            .is_none_or(|e| (e.creations.is_empty() && e.deletions.is_empty()) || e.since.elapsed() > PATIENCE);
        if met {
            map.remove(owner);
        }
        met
    }

    /// `name` was created; expected unless `seen` already. The check is made under the lock, so that the informer
    /// cannot show it in between.
    pub(super) fn creation(&self, owner: &Key, name: &str, seen: impl Fn(&Key) -> bool) {
        let mut map = self.0.lock();
        if !seen(&Key::new(&owner.namespace, name)) {
            map.entry(owner.clone()).or_default().creations.insert(name.into());
        }
    }

    /// `name` is about to be deleted.
    pub(super) fn deletion(&self, owner: &Key, name: &str) {
        self.0.lock().entry(owner.clone()).or_default().deletions.insert(name.into());
    }

    /// The informer shows `name`.
    pub(super) fn created(&self, owner: &Key, name: &str) {
        if let Some(e) = self.0.lock().get_mut(owner) {
            e.creations.remove(name);
        }
    }

    /// The informer shows `name` gone or going.
    pub(super) fn deleted(&self, owner: &Key, name: &str) {
        if let Some(e) = self.0.lock().get_mut(owner) {
            e.deletions.remove(name);
        }
    }

    /// How long what is still expected is waited for.
    pub(super) fn patience(&self, owner: &Key) -> Option<Duration> {
        let map = self.0.lock();
        map.get(owner).map(|e| PATIENCE.saturating_sub(e.since.elapsed()) + Duration::from_secs(1))
    }

    /// The owner is gone.
    pub(super) fn forget(&self, owner: &Key) {
        self.0.lock().remove(owner);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn met_when_all_was_seen() {
        let (e, owner) = (Expectations::default(), Key::new("n", "rs"));
        assert!(e.are_met(&owner));
        e.creation(&owner, "a", |_| false);
        e.creation(&owner, "b", |_| true);
        e.deletion(&owner, "c");
        assert!(!e.are_met(&owner));
        e.created(&owner, "a");
        assert!(!e.are_met(&owner));
        e.deleted(&owner, "c");
        assert!(e.are_met(&owner));
    }
}
