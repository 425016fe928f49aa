//! How a Job stands: pure.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::Timestamp;

use super::{backoff::Backoff, indexes::Indexes, model::Job, pod::JobPod, policy::Meaning};
use crate::pod::Phase;

/// How a Job stands before anything is done about it.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    pub(super) job: &'a Job,
    pub(super) pods: &'a [Arc<JobPod>],
    pub(super) now: Timestamp,
    /// Pods that run or may come to run.
    pub(super) active: Vec<&'a JobPod>,
    pub(super) ready: i32,
    pub(super) terminating: i32,
    /// Pods (for an indexed Job: indexes) that succeeded, counted or not.
    pub(super) succeeded: i32,
    /// Indexes the status knew to have succeeded, and those that have now.
    pub(super) known_indexes: Indexes,
    pub(super) succeeded_indexes: Indexes,
    /// Where each index has its own limit: those that have failed for good.
    pub(super) failed_indexes: Option<Indexes>,
    /// There too: the failed pod of an index that is held until its successor has taken over the count.
    pub(super) held: BTreeMap<i32, &'a JobPod>,
    pub(super) backoff: Backoff,
    /// How it ends, if it does.
    pub(super) verdict: Option<Verdict>,
    pub(super) start_time: Option<Timestamp>,
    /// When the deadline asks again.
    pub(super) again: Option<Duration>,
}

/// How a Job ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) success: bool,
    pub(super) reason: String,
    pub(super) message: String,
    /// Whether the status says already that it will end so.
    pub(super) told: bool,
}

impl Verdict {
    pub(super) fn success(reason: &str, message: impl Into<String>) -> Self {
        Self { success: true, reason: reason.to_owned(), message: message.into(), told: false }
    }

    fn failure(reason: &str, message: impl Into<String>) -> Self {
        Self { success: false, ..Self::success(reason, message) }
    }
}

/// Judges a Job by its pods. `backoff` is what is remembered of earlier failures.
pub(super) fn assess<'a>(job: &'a Job, pods: &'a [Arc<JobPod>], backoff: Backoff, now: Timestamp) -> Standing<'a> {
    let uncounted = job.status.uncounted_terminated_pods.clone().unwrap_or_default();
    let all = || pods.iter().map(|p| &**p);
    let fresh = |uids: &[Box<str>], p: &JobPod| p.is_tracked() && !uids.contains(&p.meta.uid) && job.is_valid(p);
    let done: Vec<&JobPod> = all().filter(|p| p.phase == Phase::Succeeded && fresh(&uncounted.succeeded, p)).collect();
    let lost: Vec<&JobPod> = all().filter(|p| job.has_failed(p) && fresh(&uncounted.failed, p)).collect();
    let counting = lost.iter().filter(|p| job.judge(p) != Meaning::Ignored).count() + uncounted.failed.len();
    let failed = job.status.failed.saturating_add(number(counting));
    let active: Vec<&JobPod> = all().filter(|p| p.is_active()).collect();
    let mut standing = Standing {
        job,
        pods,
        now,
        ready: number(active.iter().filter(|p| p.ready.is_some()).count()),
        active,
        terminating: number(all().filter(|p| p.is_terminating()).count()),
        succeeded: job.status.succeeded.saturating_add(number(done.len() + uncounted.succeeded.len())),
        known_indexes: Indexes::default(),
        succeeded_indexes: Indexes::default(),
        failed_indexes: None,
        held: BTreeMap::new(),
        backoff: backoff.after(&done, &lost),
        verdict: None,
        start_time: job.status.start_time.or((!job.suspended).then_some(now)),
        again: None,
    };
    standing.verdict = standing.earlier().or_else(|| standing.by_policy()).or_else(|| standing.by_limits(failed));
    if job.indexed {
        standing.count_indexes();
        standing.verdict = standing.verdict.take().or_else(|| standing.by_indexes());
    }
    if standing.verdict.is_none() {
        standing.again =
            standing.until_deadline().filter(|left| *left > 0).map(|s| Duration::from_secs(s.unsigned_abs()));
    }
    standing
}

impl Standing<'_> {
    /// What the status said before stays said.
    fn earlier(&self) -> Option<Verdict> {
        let status = &self.job.status;
        let of = |kind: &str, success| {
            let c = status.holding(kind)?;
            Some(Verdict { success, reason: c.reason.to_string(), message: c.message.to_string(), told: true })
        };
        of("SuccessCriteriaMet", true).or_else(|| of("FailureTarget", false))
    }

    fn by_policy(&self) -> Option<Verdict> {
        self.job.failure_policy.as_ref()?;
        self.pods.iter().filter(|p| self.job.has_failed(p)).find_map(|p| match self.job.judge(p) {
            Meaning::EndsJob(message) => Some(Verdict::failure("PodFailurePolicy", message)),
            _ => None,
        })
    }

    fn by_limits(&self, failed: i32) -> Option<Verdict> {
        if failed > self.job.backoff_limit || self.restarted_too_often() {
            let text = "Job has reached the specified backoff limit";
            return Some(Verdict::failure("BackoffLimitExceeded", text));
        }
        (self.until_deadline()? <= 0)
            .then(|| Verdict::failure("DeadlineExceeded", "Job was active longer than specified deadline"))
    }

    /// Where containers restart in place, their restarts are the failures.
    fn restarted_too_often(&self) -> bool {
        let alive = self.pods.iter().filter(|p| matches!(p.phase, Phase::Running | Phase::Pending));
        let restarts = alive.fold(0i32, |n, p| n.saturating_add(p.restarts));
        self.job.restarts && restarts >= self.job.backoff_limit.max(1)
    }

    /// Seconds until the deadline; a suspended Job has none.
    fn until_deadline(&self) -> Option<i64> {
        let (deadline, start) = (self.job.deadline?, self.start_time?);
        (!self.job.suspended).then(|| deadline - self.now.duration_since(start).as_secs())
    }

    fn count_indexes(&mut self) {
        let (job, pods) = (self.job, self.pods);
        let completions = job.completions.unwrap_or(0);
        let known = |text: &str| Indexes::parse(text, completions);
        let tracked = || pods.iter().map(|p| &**p).filter(|p| p.is_tracked());
        let done = tracked().filter(|p| p.phase == Phase::Succeeded).filter_map(|p| job.index_of(p));
        self.known_indexes = known(&job.status.completed_indexes);
        self.succeeded_indexes = self.known_indexes.with(done);
        self.succeeded = self.succeeded_indexes.total();
        let Some(limit) = job.limit_per_index else { return };
        let ended = tracked().filter(|p| job.has_failed(p)).filter(|p| match job.judge(p) {
            Meaning::EndsIndex => true,
            Meaning::Ignored => false,
            Meaning::Counts | Meaning::EndsJob(_) => p.failures >= limit,
        });
        let before = job.status.failed_indexes.as_deref().unwrap_or_default();
        let failed = known(before).with(ended.filter_map(|p| job.index_of(p)));
        // The failure count lives in the newest pod of an index; while none is active, the failed one keeps it.
        let active: BTreeSet<i32> = self.active.iter().filter_map(|p| p.index).collect();
        let settled = |i: i32| self.succeeded_indexes.contains(i) || failed.contains(i) || active.contains(&i);
        for pod in tracked().filter(|p| job.has_failed(p)) {
            let Some(index) = job.index_of(pod).filter(|i| !settled(*i)) else { continue };
            let kept = self.held.entry(index).or_insert(pod);
            let tries = |p: &JobPod| p.failures.saturating_add(p.ignored_failures);
            if tries(kept) <= tries(pod) && kept.finished <= pod.finished {
                *kept = pod;
            }
        }
        self.failed_indexes = Some(failed);
    }

    fn by_indexes(&self) -> Option<Verdict> {
        let completions = self.job.completions.unwrap_or(0);
        if let Some(failed) = self.failed_indexes.as_ref().map(Indexes::total) {
            if self.job.max_failed_indexes.is_some_and(|most| failed > most) {
                let text = "Job has exceeded the specified maximal number of failed indexes";
                return Some(Verdict::failure("MaxFailedIndexesExceeded", text));
            }
            if failed > 0 && failed.saturating_add(self.succeeded) >= completions {
                return Some(Verdict::failure("FailedIndexes", "Job has failed indexes"));
            }
        }
        let message = self.job.success_policy.satisfied(&self.succeeded_indexes, completions)?;
        Some(Verdict::success("SuccessPolicy", message))
    }
}

/// A count as the API has it.
pub(super) fn number(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
