//! When a failed pod may be replaced: 10 seconds after the first failure, twice as long after each further one, at
//! most 10 minutes. A success starts the count again.

use std::time::Duration;

use jiff::Timestamp;

use super::pod::JobPod;

const FIRST: Duration = Duration::from_secs(10);
const MOST: Duration = Duration::from_secs(600);

/// Failures since the last success. Not stored: a restarted controller counts anew, as upstream's does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    failures: i32,
    last: Option<Timestamp>,
}

impl Backoff {
    /// With pods that ended since.
    pub(super) fn after(self, succeeded: &[&JobPod], failed: &[&JobPod]) -> Self {
        let success = succeeded.iter().map(|p| p.finished).max();
        let before = if success.is_some() { Self::default() } else { self };
        let since: Vec<Timestamp> =
            failed.iter().map(|p| p.finished).filter(|t| success.is_none_or(|s| *t > s)).collect();
        let Some(last) = since.iter().max() else { return before };
        let failures = i32::try_from(since.len()).unwrap_or(i32::MAX).saturating_add(before.failures);
        Self { failures, last: Some(*last) }
    }

    /// For one index, whose pods say themselves how often it failed before.
    pub(super) fn of_index(failed: &JobPod) -> Self {
        let failures = failed.failures.saturating_add(failed.ignored_failures).saturating_add(1);
        Self { failures, last: Some(failed.finished) }
    }

    /// How long to wait still, if at all.
    pub(super) fn remaining(self, now: Timestamp) -> Option<Duration> {
        let last = self.last.filter(|_| self.failures > 0)?;
        let doublings = u32::try_from(self.failures - 1).unwrap_or(0).min(16);
        let wait = FIRST.saturating_mul(1 << doublings).min(MOST);
        // A time in the future (a clock that was set back) costs the whole wait, not more.
        let passed = Duration::try_from(now.duration_since(last)).unwrap_or_default();
        Some(wait.saturating_sub(passed)).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::job::pod::tests::pod;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    fn ended(seconds: i64) -> JobPod {
        let mut p = pod(json!({"metadata": {"name": "p"}}));
        p.finished = at(seconds);
        p
    }

    #[test]
    fn failures_count_from_the_last_success() {
        let pods: Vec<JobPod> = [1, 2, 3, 4].map(ended).into();
        let [a, b, c, d] = &pods[..] else { unreachable!() };
        let old = Backoff { failures: 2, last: Some(at(0)) };
        for (succeeded, failed, failures, last) in [
            (&[] as &[&JobPod], &[] as &[&JobPod], 2, Some(at(0))),
            (&[], &[b, a], 4, Some(at(2))),
            (&[a], &[], 0, None),
            (&[b], &[a, c, d], 2, Some(at(4))),
            (&[d], &[a, b, c], 0, None),
            (&[b], &[b], 0, None),
        ] {
            assert_eq!(old.after(succeeded, failed), Backoff { failures, last });
        }
    }

    #[test]
    fn waits_double_up_to_ten_minutes() {
        for (failures, passed, left) in [
            (0, 0, 0),
            (1, 0, 10),
            (1, 4, 6),
            (1, 10, 0),
            (2, 0, 20),
            (3, 0, 40),
            (6, 0, 320),
            (7, 0, 600),
            (99, 1, 599),
            (1, -60, 10),
        ] {
            let wait = Backoff { failures, last: Some(at(0)) }.remaining(at(passed));
            assert_eq!(wait.unwrap_or_default().as_secs(), left, "{failures} failures, {passed} s ago");
        }
    }
}
