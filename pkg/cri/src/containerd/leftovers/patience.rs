//! How long a thing may be without a use before it is taken for forgotten. Pure.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use super::Key;

/// What may be in the making: longer than the runtime is given to make a sandbox.
const NEW: Duration = Duration::from_secs(300);
/// What is settled: as long as the end of a sandbox takes.
const SETTLED: Duration = Duration::from_secs(10);

/// Since when things have been of no use, and how long they may be.
#[derive(Debug, Default)]
pub(super) struct Patience {
    idle: BTreeMap<Key, (Instant, Duration)>,
}

impl Patience {
    /// Of those that are `idle` now, the ones that have been for too long. With each goes whether it is settled: certainly
    /// not in the making.
    pub(super) fn look(&mut self, idle: BTreeMap<Key, bool>, now: Instant) -> Vec<Key> {
        self.idle.retain(|key, _| idle.contains_key(key));
        for (key, settled) in idle {
            let limit = if settled { SETTLED } else { NEW };
            self.idle.entry(key).and_modify(|(_, was)| *was = limit).or_insert((now, limit));
        }
        let over = |(since, limit): &(Instant, Duration)| now.saturating_duration_since(*since) >= *limit;
        self.idle.iter().filter(|(_, times)| over(times)).map(|(key, _)| key.clone()).collect()
    }

    /// How long until the next one has been for too long. Those that are already wait for the next look.
    pub(super) fn next(&self, now: Instant) -> Option<Duration> {
        let left = |(since, limit): &(Instant, Duration)| (*since + *limit).checked_duration_since(now);
        self.idle.values().filter_map(left).filter(|left| !left.is_zero()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &str) -> Vec<Key> {
        names.split_whitespace().map(|n| ("things", n.to_owned())).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn settled_things_go_soon_and_new_ones_after_any_making() {
        let (begin, mut patience) = (Instant::now(), Patience::default());
        // (after seconds, idle then, gone then, seconds until the next look is due)
        let table = [
            (0, "old new", "", Some(10)),
            (9, "old new", "", Some(1)),
            (10, "old new", "old", Some(290)),
            (20, "new late", "", Some(280)),
            // Needed in between: its time begins again.
            (100, "new", "", Some(200)),
            (299, "new late", "", Some(1)),
            (300, "new late", "new", Some(299)),
            (599, "late", "late", None),
        ];
        for (after, idle, gone, next) in table {
            let now = begin + Duration::from_secs(after);
            let idle = keys(idle).into_iter().map(|key| (key.clone(), key.1 == "old")).collect();
            assert_eq!(patience.look(idle, now), keys(gone), "after {after} s");
            assert_eq!(patience.next(now), next.map(Duration::from_secs), "after {after} s");
        }
    }
}
