//! What a Job does about its pods: pure.

use std::{cmp::Reverse, collections::BTreeSet, time::Duration};

use super::{
    assess::{Standing, number},
    backoff::Backoff,
    indexes::Indexes,
    model::Job,
    pod::JobPod,
    policy::Meaning,
};

/// Most pods made or given up in one round.
const BURST: usize = 500;

/// The steps of one round, and when to look again.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Plan<'a> {
    pub(super) steps: Vec<Step<'a>>,
    pub(super) again: Option<Duration>,
    /// Whether the number of pods was looked after: not while changes are still to be seen, nor at the end.
    pub(super) managed: bool,
}

/// One step.
#[derive(Debug, PartialEq)]
pub(super) enum Step<'a> {
    /// Makes a pod.
    Create(Successor),
    /// Ends a pod; it keeps the finalizer until it has been counted.
    End(&'a JobPod),
    /// Gives up a pod that shall not be counted.
    Drop(&'a JobPod),
}

/// What tells a pod from its siblings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Successor {
    pub(super) index: Option<i32>,
    /// Failures of the index so far, those that count and those that do not, where each index has its own limit.
    pub(super) failures: Option<(i32, i32)>,
}

/// The next steps. `settled`: the caches show all that was done before.
pub(super) fn plan<'a>(s: &Standing<'a>, settled: bool) -> Plan<'a> {
    if s.verdict.is_some() {
        let steps = s.active.iter().map(|p| Step::End(p)).collect();
        return Plan { steps, ..Plan::default() };
    }
    if !settled || s.job.meta.deleted.is_some() {
        return Plan { again: s.again, ..Plan::default() };
    }
    let managed = Plan { again: s.again, managed: true, ..Plan::default() };
    let want = wanted(s);
    let surplus = (s.active.len()).saturating_sub(usize::try_from(want).unwrap_or(0));
    let given_up = given_up(s.job, &s.active, surplus);
    if !given_up.is_empty() {
        // Making and giving up never happen in the same round.
        let most = if s.job.suspended { usize::MAX } else { BURST };
        return Plan { steps: given_up.into_iter().take(most).map(Step::Drop).collect(), ..managed };
    }
    let terminating = if s.job.waits_for_end { s.terminating } else { 0 };
    let missing = want - terminating - number(s.active.len());
    match usize::try_from(missing) {
        Ok(missing @ 1..) => create(s, missing.min(BURST), managed),
        _ => managed,
    }
}

/// How many pods shall run.
fn wanted(s: &Standing<'_>) -> i32 {
    let job = s.job;
    match job.completions {
        _ if job.suspended => 0,
        // One success is enough: what runs still may run on.
        None if s.succeeded > 0 => number(s.active.len()),
        None => job.parallelism,
        Some(completions) => completions.saturating_sub(s.succeeded).min(job.parallelism).max(0),
    }
}

/// Pods that are too many: of an indexed Job first those without a number and all but one of the same number; then
/// those that have got least far.
fn given_up<'a>(job: &Job, active: &[&'a JobPod], at_least: usize) -> Vec<&'a JobPod> {
    let mut by_progress = active.to_vec();
    by_progress.sort_by_key(|p| progress(p));
    let (mut out, mut left) = (Vec::new(), Vec::new());
    let mut taken = BTreeSet::new();
    // The most advanced pod of a number stays.
    for pod in by_progress.into_iter().rev() {
        let fits = !job.indexed || job.index_of(pod).is_some_and(|i| taken.insert(i));
        if fits { left.push(pod) } else { out.push(pod) }
    }
    out.sort_by_key(|p| (p.index, progress(p)));
    let more = at_least.saturating_sub(out.len());
    out.extend(left.into_iter().rev().take(more));
    out
}

/// Unbound before bound, pending before running, unready before ready, ready for less long, restarted more often,
/// younger.
fn progress<'a>(pod: &'a JobPod) -> impl Ord + use<'a> {
    (
        pod.node,
        pod.phase,
        pod.ready.is_some(),
        Reverse(pod.ready),
        Reverse(pod.most_restarts),
        Reverse(&*pod.meta.created),
        &*pod.meta.name,
    )
}

fn create<'a>(s: &Standing<'a>, missing: usize, managed: Plan<'a>) -> Plan<'a> {
    let later =
        |wait: Duration| Plan { again: Some(s.again.map_or(wait, |a| a.min(wait))), steps: Vec::new(), managed: true };
    if s.job.limit_per_index.is_none()
        && let Some(wait) = s.backoff.remaining(s.now)
    {
        return later(wait);
    }
    if !s.job.indexed {
        let steps = (0..missing).map(|_| Step::Create(Successor::default())).collect();
        return Plan { steps, ..managed };
    }
    let pending = pending(s, missing);
    if s.job.limit_per_index.is_none() {
        let one = |i| Step::Create(Successor { index: Some(i), failures: None });
        return Plan { steps: pending.into_iter().map(one).collect(), ..managed };
    }
    // Each index waits for itself; what is not due now is looked at again when something else happens, or when the
    // first of them is due.
    let wait = |i: &i32| s.held.get(i).and_then(|p| Backoff::of_index(p).remaining(s.now));
    let one = |i: i32| Step::Create(Successor { index: Some(i), failures: Some(failures(s, i)) });
    let steps: Vec<Step<'a>> = pending.iter().filter(|i| wait(i).is_none()).map(|i| one(*i)).collect();
    match pending.iter().filter_map(wait).min() {
        Some(wait) => Plan { steps, ..later(wait) },
        None => Plan { steps, ..managed },
    }
}

/// The first indexes that neither succeeded nor failed for good and have no pod.
fn pending(s: &Standing<'_>, count: usize) -> Vec<i32> {
    let running = s.active.iter().filter_map(|p| p.index);
    let going = s.pods.iter().filter(|p| s.job.waits_for_end && p.is_terminating()).filter_map(|p| p.index);
    let none = Indexes::default();
    let failed = s.failed_indexes.as_ref().unwrap_or(&none);
    s.succeeded_indexes.with(running.chain(going)).union(failed).missing(count, s.job.completions.unwrap_or(0))
}

/// The failures of an index, that of the pod to be replaced included.
fn failures(s: &Standing<'_>, index: i32) -> (i32, i32) {
    let Some(pod) = s.held.get(&index) else { return (0, 0) };
    match s.job.judge(pod) {
        Meaning::Ignored => (pod.failures, pod.ignored_failures.saturating_add(1)),
        _ => (pod.failures.saturating_add(1), pod.ignored_failures),
    }
}
