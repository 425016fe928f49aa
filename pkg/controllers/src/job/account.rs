//! How a Job's pods get into its counters exactly once: pure.
//!
//! A pod that ended is first named in `uncountedTerminatedPods`; when that is written, its finalizer is taken away;
//! when that is done, the name becomes a count. Whatever is interrupted, the next round goes on from what is stored.

use std::collections::HashSet;

use knarr_client::events::Type;

use super::{
    assess::{Standing, Verdict, number},
    pod::JobPod,
    policy::Meaning,
    status::{JobStatus, Uncounted},
};
use crate::pod::Phase;

/// Most pods named as uncounted at a time: they stand in the status by UID.
const MOST: usize = 500;

/// What became of a plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Done {
    pub(super) created: i32,
    pub(super) deleted: i32,
    /// Of those deleted.
    pub(super) deleted_ready: i32,
}

/// A round's account.
#[derive(Debug)]
pub(super) struct Account<'a> {
    /// To be written before any finalizer is taken away.
    pub(super) status: JobStatus,
    /// Pods to lose their finalizers then.
    pub(super) release: Vec<&'a JobPod>,
    /// Pods that have it now.
    tracked: HashSet<&'a str>,
    verdict: Option<Verdict>,
    /// Whether there were too many pods for one round.
    full: bool,
    /// What is worth telling when the status is written.
    pub(super) events: Vec<(Type, String, String)>,
}

/// Draws up the account after the steps. `managed`: the plan looked after the number of pods.
pub(super) fn account<'a>(s: &Standing<'a>, done: Done, managed: bool, settled: bool) -> Account<'a> {
    let job = s.job;
    let mut out = Account {
        status: JobStatus { start_time: s.start_time, ..job.status.clone() },
        release: Vec::new(),
        tracked: s.pods.iter().filter(|p| p.is_tracked()).map(|p| &*p.meta.uid).collect(),
        verdict: s.verdict.clone(),
        full: false,
        events: Vec::new(),
    };
    let active = number(s.active.len()) + done.created - done.deleted;
    if s.verdict.is_some() {
        // Not before every pod is on its way out and in the cache.
        if active != 0 || !settled {
            out.verdict = None;
        }
    } else if completes(s, active) {
        let text = "Reached expected number of succeeded pods";
        out.verdict = Some(Verdict::success("CompletionsReached", text));
    } else if managed {
        out.suspend(s);
    }
    out.status.active = active;
    out.status.ready = s.ready - done.deleted_ready;
    out.status.terminating = s.terminating + done.deleted;
    out.status.count(&out.tracked);
    out.name(s);
    out.end(s);
    out
}

/// Whether enough pods succeeded and none is left.
fn completes(s: &Standing<'_>, active: i32) -> bool {
    active == 0 && s.job.completions.map_or(s.succeeded > 0, |n| s.succeeded >= n)
}

impl<'a> Account<'a> {
    /// Says that the Job rests, or goes on.
    fn suspend(&mut self, s: &Standing<'a>) {
        let (reason, message) =
            if s.job.suspended { ("JobSuspended", "Job suspended") } else { ("JobResumed", "Job resumed") };
        if self.status.say("Suspended", s.job.suspended, reason, message, s.now) {
            // The deadline counts the time since the Job went on.
            self.status.start_time = (!s.job.suspended).then_some(s.now);
            let event = if s.job.suspended { "Suspended" } else { "Resumed" };
            self.events.push((Type::Normal, event.to_owned(), message.to_owned()));
        }
    }

    /// Names pods that ended.
    fn name(&mut self, s: &Standing<'a>) {
        let job = s.job;
        let failing = self.verdict.as_ref().is_some_and(|v| !v.success);
        let mut uncounted = self.status.uncounted_terminated_pods.take().unwrap_or_default();
        let known = uncounted.clone();
        let mut indexes = Vec::new();
        let mut pods: Vec<&JobPod> = s.pods.iter().map(|p| &**p).filter(|p| p.is_tracked()).collect();
        if job.indexed {
            pods.sort_by_key(|p| p.index);
        }
        for pod in pods {
            let failed = job.has_failed(pod);
            if !self.may_release(s, pod, failed) {
                continue;
            }
            self.release.push(pod);
            let (uid, index) = (&pod.meta.uid, job.index_of(pod));
            if pod.phase == Phase::Succeeded && !known.failed.contains(uid) {
                match index {
                    // The index itself says that it has been counted.
                    _ if job.indexed => indexes.extend(index.filter(|i| !s.known_indexes.contains(*i))),
                    _ if known.succeeded.contains(uid) => {}
                    _ => uncounted.succeeded.push(uid.clone()),
                }
            } else if (failed || failing)
                && !known.failed.contains(uid)
                && job.is_valid(pod)
                && job.judge(pod) != Meaning::Ignored
            {
                uncounted.failed.push(uid.clone());
            }
            if indexes.len() + uncounted.len() >= MOST {
                self.full = true;
                break;
            }
        }
        self.status.uncounted_terminated_pods = Some(uncounted);
        if job.indexed {
            let succeeded = s.known_indexes.with(indexes);
            self.status.succeeded = succeeded.total();
            self.status.completed_indexes = succeeded.to_string();
            self.status.failed_indexes = s.failed_indexes.as_ref().map(ToString::to_string);
        }
    }

    /// Whether a pod's finalizer may go: it has ended, or the Job has.
    fn may_release(&self, s: &Standing<'a>, pod: &JobPod, failed: bool) -> bool {
        if s.job.meta.deleted.is_some() || self.verdict.is_some() || pod.phase == Phase::Succeeded {
            return true;
        }
        let held = pod.index.and_then(|i| s.held.get(&i)).is_some_and(|p| p.meta.uid == pod.meta.uid);
        failed && !held
    }

    /// Says how the Job is going to end, before the finalizers go.
    fn end(&mut self, s: &Standing<'a>) {
        if let Some(v) = self.verdict.as_ref().filter(|v| !v.told) {
            let kind = if v.success { "SuccessCriteriaMet" } else { "FailureTarget" };
            self.status.say(kind, true, &v.reason, &v.message, s.now);
        }
    }

    /// The account is closed: `released` pods (by UID) have lost their finalizers, and what was only named of them
    /// counts. Answers the status to be written last, and what to tell of a Job that is over.
    pub(super) fn close(mut self, s: &Standing<'a>, released: &HashSet<&str>) -> (JobStatus, Option<Vec<Finish>>) {
        self.tracked.retain(|uid| !released.contains(uid));
        self.status.count(&self.tracked);
        let open = self.status.uncounted_terminated_pods.as_ref().is_some_and(|u| u.len() > 0);
        let Some(verdict) = self.verdict.filter(|_| !open && !self.full && self.status.terminating == 0) else {
            return (self.status, None);
        };
        let kind = if verdict.success { "Complete" } else { "Failed" };
        self.status.say(kind, true, &verdict.reason, &verdict.message, s.now);
        let mut told = Vec::new();
        // What is over has begun, even if it rested all the time; and the clock may have been put back since.
        let began = *self.status.start_time.get_or_insert(s.now);
        if verdict.success {
            self.status.completion_time = Some(s.now.max(began));
            if s.job.completions.is_some_and(|n| self.status.succeeded > n) {
                let text = "Too many succeeded pods running after completion count reached";
                told.push((Type::Warning, "TooManySucceededPods".to_owned(), text.to_owned()));
            }
            told.push((Type::Normal, "Completed".to_owned(), "Job completed".to_owned()));
        } else {
            told.push((Type::Warning, verdict.reason, verdict.message));
        }
        (self.status, Some(told))
    }
}

/// What is told at the end.
pub(super) type Finish = (Type, String, String);

impl JobStatus {
    /// Pods that were named and have no finalizer any more are counted.
    fn count(&mut self, tracked: &HashSet<&str>) {
        let Some(Uncounted { succeeded, failed }) = &mut self.uncounted_terminated_pods else { return };
        let settle = |uids: &mut Vec<Box<str>>| {
            let before = uids.len();
            uids.retain(|uid| tracked.contains(&**uid));
            number(before - uids.len())
        };
        self.succeeded = self.succeeded.saturating_add(settle(succeeded));
        self.failed = self.failed.saturating_add(settle(failed));
    }
}
