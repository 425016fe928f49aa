//! How long a pod has been ending.
//!
//! Measured by a clock that nobody puts forward or back, from when we first saw it: the end that is written in the pod is by
//! the clock of another machine. Only for a pod that was ending before we came (an agent before us may have begun with
//! it) that end is asked once: the pod was told long ago, and is not given all its time again by each restart.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use tokio::time::Instant;

use crate::pod;

/// The end of one pod.
#[derive(Debug)]
pub(super) struct Ending {
    /// Whether it was ending when it was first seen.
    found: bool,
    begun: Option<Begun>,
}

#[derive(Debug)]
struct Begun {
    /// Seconds it was given.
    grace: i64,
    /// What another agent spent of them.
    before: SignedDuration,
    since: Instant,
}

impl Ending {
    /// Of a pod as it is first seen.
    pub(super) fn of(pod: &Pod) -> Self {
        Self { found: pod::is_deleting(pod), begun: None }
    }

    /// How long a pod that ends has been ending. Another grace period is another beginning.
    pub(super) fn spent(&mut self, pod: &Pod, now: Timestamp) -> SignedDuration {
        let grace = pod::grace(pod);
        let again = self.begun.take_if(|b| b.grace != grace).is_some();
        let found = self.found && !again;
        let begun = self.begun.get_or_insert_with(|| Begun {
            grace,
            before: if found { written(pod, grace, now) } else { SignedDuration::ZERO },
            since: Instant::now(),
        });
        let since = SignedDuration::try_from(begun.since.elapsed()).unwrap_or(SignedDuration::MAX);
        begun.before.saturating_add(since)
    }
}

/// What is spent of `grace` seconds as the pod tells.
fn written(pod: &Pod, grace: i64, now: Timestamp) -> SignedDuration {
    let Some(end) = &pod.metadata.deletion_timestamp else { return SignedDuration::ZERO };
    let grace = SignedDuration::from_secs(grace);
    (grace - end.0.duration_since(now)).clamp(SignedDuration::ZERO, grace)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::pod::testutil::pod;

    #[tokio::test(start_paused = true)]
    async fn only_what_was_found_ending_believes_what_is_written() {
        let deleted = |end: &str, grace: i64| {
            pod(json!({"metadata": {"deletionTimestamp": end, "deletionGracePeriodSeconds": grace}}))
        };
        let now: Timestamp = "2026-01-01T00:00:20Z".parse().unwrap();
        let told = deleted("2026-01-01T00:00:30Z", 30);
        let table = [
            (pod(json!({})), &told, 0),
            (told.clone(), &told, 20),
            // A clock that is behind, and one that is ahead.
            (told.clone(), &deleted("2026-01-01T01:00:00Z", 30), 0),
            (told.clone(), &deleted("2025-01-01T00:00:00Z", 30), 30),
        ];
        for (first, later, want) in table {
            let mut ending = Ending::of(&first);
            assert_eq!(ending.spent(later, now).as_secs(), want);
            tokio::time::advance(Duration::from_secs(5)).await;
            assert_eq!(
                ending.spent(later, now - SignedDuration::from_hours(1)).as_secs(),
                want + 5,
                "no clock is asked"
            );
            assert_eq!(ending.spent(&deleted("2026-01-01T00:00:21Z", 1), now).as_secs(), 0, "another grace period");
        }
    }
}
