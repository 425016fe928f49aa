//! The status of a Job. Anybody may manage Jobs (`managedBy`), and people wait for them to end: what is said of one must
//! fit together, and what was said of its end stays said.
//!
//! Most rules look only at what changes. A status that was wrong before does not stop an update of something else, and
//! whoever manages a Job may take a moment to follow a change of its spec.

use std::collections::BTreeSet;

use jiff::Timestamp;
use knarr_api::{
    Value,
    field::{Error, Errors},
};

use crate::kinds::{
    same::equal,
    spot::{IMMUTABLE, Spot},
    tree::flag,
};

/// A status and the one before it.
struct Change<'v, 'p> {
    object: &'v Value,
    old: &'v Value,
    spec: Spot<'v, 'p>,
    status: Spot<'v, 'p>,
}

/// What a write of a Job's status says, after what was said before.
pub(super) fn check(object: &Value, old: &Value, out: &mut Errors) {
    let root = Spot::root(object);
    let change = Change { object, old, spec: root.at("spec"), status: root.at("status") };
    for key in ["active", "succeeded", "failed", "ready", "terminating"] {
        change.status.at(key).not_negative(out);
    }
    uncounted(&change.status.at("uncountedTerminatedPods"), out);
    change.completion(out);
    change.end(out);
    change.indexes(out);
    change.pods(out);
    change.success(out);
    change.history(out);
}

/// Pods that have ended are named once.
fn uncounted(pods: &Spot<'_, '_>, out: &mut Errors) {
    let mut seen = BTreeSet::new();
    for list in [pods.at("succeeded"), pods.at("failed")] {
        for uid in list.items() {
            if uid.is_empty() {
                out.push(uid.invalid("must not be empty"));
            } else if !seen.insert(uid.text()) {
                out.push(uid.duplicate());
            }
        }
    }
}

fn holds(job: &Value, kind: &str) -> bool {
    says(job, kind, "True")
}

fn says(job: &Value, kind: &str, status: &str) -> bool {
    let conditions = job.list_at(&["status", "conditions"]);
    conditions.iter().any(|c| c.str_at(&["type"]) == kind && c.str_at(&["status"]) == status)
}

fn is_finished(job: &Value) -> bool {
    holds(job, "Complete") || holds(job, "Failed")
}

fn time(job: &Value, key: &str) -> Option<Timestamp> {
    job.str_at(&["status", key]).parse().ok()
}

fn count(job: &Value, key: &str) -> i64 {
    job.at(&["status", key]).and_then(Value::as_i64).unwrap_or(0)
}

impl Change<'_, '_> {
    fn holds(&self, kind: &str) -> bool {
        holds(self.object, kind)
    }

    /// Whether a condition has become true, or is so no more.
    fn turned(&self, kind: &str) -> bool {
        holds(self.object, kind) != holds(self.old, kind)
    }

    fn changed(&self, key: &str) -> bool {
        let path = ["status", key];
        !equal(self.object.at(&path), self.old.at(&path))
    }

    fn finished_changed(&self) -> bool {
        is_finished(self.object) != is_finished(self.old)
    }

    fn is_indexed(&self) -> bool {
        self.spec.text_at("completionMode") == "Indexed"
    }

    /// An error about the conditions, which are too long to be repeated.
    fn conditions(&self, why: impl Into<String>) -> Error {
        Error { value: None, ..self.status.at("conditions").invalid(why) }
    }

    /// What is complete has not failed, and has a time.
    fn completion(&self, out: &mut Errors) {
        let complete = self.holds("Complete");
        for (kind, why) in [
            ("Failed", "cannot set Complete=True and Failed=true conditions"),
            ("FailureTarget", "cannot set Complete=True and FailureTarget=true conditions"),
        ] {
            if (self.turned("Complete") || self.turned(kind)) && complete && self.holds(kind) {
                out.push(self.conditions(why));
            }
        }
        let at = self.status.at("completionTime");
        if self.turned("Complete") || self.changed("completionTime") {
            match (at.is_set(), complete) {
                (true, false) => {
                    out.push(at.invalid("cannot set completionTime when there is no Complete=True condition"));
                }
                (false, true) => out.push(at.required("completionTime is required for Complete jobs")),
                _ => {}
            }
        }
        let (start, end) = (time(self.object, "startTime"), time(self.object, "completionTime"));
        if (self.changed("startTime") || self.changed("completionTime"))
            && start.zip(end).is_some_and(|(start, end)| end < start)
        {
            out.push(at.invalid("must be equal to or after `startTime`"));
        }
    }

    /// The end is announced, and comes when no pod is left.
    fn end(&self, out: &mut Errors) {
        if (self.turned("Failed") || self.changed("failedIndexes"))
            && self.holds("Failed")
            && !self.holds("FailureTarget")
        {
            out.push(self.conditions("cannot set Failed=True condition without the FailureTarget=true condition"));
        }
        if (self.turned("Complete") || self.turned("SuccessCriteriaMet"))
            && self.holds("Complete")
            && !self.holds("SuccessCriteriaMet")
        {
            let why = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition";
            out.push(self.conditions(why));
        }
        if !is_finished(self.object) {
            return;
        }
        let turned = self.finished_changed();
        let looked_at = |key: &str| turned || self.changed(key);
        let (active, start) = (self.status.at("active"), self.status.at("startTime"));
        if looked_at("active") && active.int().unwrap_or(0) > 0 {
            out.push(active.invalid("active>0 is invalid for finished job"));
        }
        // A Job that rests and wants nothing is complete without having begun.
        let never_began = self.spec.at("suspend").flag() && self.spec.at("completions").int() == Some(0);
        if looked_at("startTime") && !never_began && !start.is_set() {
            out.push(start.required("startTime is required for finished job"));
        }
        let uncounted = self.status.at("uncountedTerminatedPods");
        if looked_at("uncountedTerminatedPods") && ["succeeded", "failed"].iter().any(|l| !uncounted.at(l).is_empty()) {
            out.push(uncounted.invalid("must be empty for finished job"));
        }
    }

    /// Indexes are written as ranges in order, are those of the Job, and have not both succeeded and failed.
    fn indexes(&self, out: &mut Errors) {
        let (completed, failed) = (self.status.at("completedIndexes"), self.status.at("failedIndexes"));
        let (new_completed, new_failed) = (self.changed("completedIndexes"), self.changed("failedIndexes"));
        let limited = self.spec.at("backoffLimitPerIndex").is_set();
        let completions = self.spec.at("completions").int();
        if let Some(n) = completions {
            if new_completed && let Err(why) = in_order(completed.text(), n) {
                out.push(completed.invalid_as(completed.text(), format!("error parsing completedIndexes: {why}")));
            }
            if new_failed
                && limited
                && let Err(why) = in_order(failed.text(), n)
            {
                out.push(failed.invalid(format!("error parsing failedIndexes: {why}")));
            }
        }
        if new_completed && !completed.is_empty() && !self.is_indexed() {
            out.push(completed.invalid("cannot set non-empty completedIndexes when non-indexed completion mode"));
        }
        if new_failed && !limited && failed.is_set() {
            out.push(failed.invalid("cannot set non-null failedIndexes when backoffLimitPerIndex is null"));
        }
        if (new_completed || new_failed)
            && let Some(n) = completions
            && let Some(at) = overlap(completed.text(), failed.text(), n)
        {
            out.push(failed.invalid(format!("failedIndexes and completedIndexes overlap at index: {at}")));
        }
    }

    /// Pods that are ready are active, and with the Job they have all ended.
    fn pods(&self, out: &mut Errors) {
        let (terminating, ready) = (self.status.at("terminating"), self.status.at("ready"));
        if (self.finished_changed() || self.changed("terminating"))
            && terminating.int().unwrap_or(0) > 0
            && is_finished(self.object)
        {
            out.push(terminating.invalid("terminating>0 is invalid for finished job"));
        }
        if (self.changed("ready") || self.changed("active")) && ready.int().unwrap_or(0) > count(self.object, "active")
        {
            out.push(ready.invalid("cannot set more ready pods than active"));
        }
    }

    /// A Job that has what it wants does not fail.
    fn success(&self, out: &mut Errors) {
        let met = self.holds("SuccessCriteriaMet");
        for (kind, why) in [
            ("Failed", "cannot set SuccessCriteriaMet=True and Failed=true conditions"),
            ("FailureTarget", "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"),
        ] {
            if met && self.holds(kind) {
                out.push(self.conditions(why));
            }
        }
        if self.spec.at("successPolicy").is_set() && !met && self.holds("Complete") {
            let why = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True";
            out.push(self.conditions(why));
        }
    }

    /// What was said stays.
    fn history(&self, out: &mut Errors) {
        let gone = |kind: &str| holds(self.old, kind) && !self.holds(kind);
        for kind in ["Failed", "Complete", "FailureTarget"] {
            if gone(kind) {
                out.push(self.conditions(format!("cannot disable the terminal {kind}=True condition")));
            }
        }
        // A Job with an index for each of its pods can be made smaller: what is cut off counts no more.
        let elastic = self.is_indexed() && self.spec.at("completions").value() == self.spec.at("parallelism").value();
        for (key, may_fall) in [("failed", false), ("succeeded", elastic)] {
            if !may_fall && count(self.object, key) < count(self.old, key) {
                let spot = self.status.at(key);
                out.push(spot.invalid_as(count(self.object, key), format!("cannot decrease the {key} counter")));
            }
        }
        let was_set = |key: &str| time(self.old, key).is_some();
        let end = self.status.at("completionTime");
        if end.is_set() && was_set("completionTime") && self.changed("completionTime") {
            out.push(end.invalid(IMMUTABLE));
        }
        let resumes = holds(self.old, "Suspended") && says(self.object, "Suspended", "False");
        let start = self.status.at("startTime");
        if self.changed("startTime") && !resumes && was_set("startTime") && !flag(self.object, &["spec", "suspend"]) {
            out.push(start.invalid("field is immutable for unsuspended job once set"));
        }
        if gone("SuccessCriteriaMet") {
            out.push(self.conditions("cannot disable the SuccessCriteriaMet=True condition"));
        }
        if holds(self.old, "Complete") && self.turned("SuccessCriteriaMet") && self.holds("SuccessCriteriaMet") {
            let why = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions";
            out.push(self.conditions(why));
        }
    }
}

/// Reads one index, or a range of several: `3` or `5-7`.
fn range(text: &str, completions: i64) -> Result<(i64, i64), String> {
    let index = |text: &str| {
        let n: i64 = text.parse().map_err(|_| format!("cannot convert string to integer for index: {text:?}"))?;
        if n >= completions { Err(format!("too large index: {text:?}")) } else { Ok(n) }
    };
    let parts: Vec<&str> = text.split('-').collect();
    match parts[..] {
        [only] => index(only).map(|n| (n, n)),
        [first, last] => {
            let (first, last) = (index(first)?, index(last)?);
            if first >= last { Err(increasing(first, last)) } else { Ok((first, last)) }
        }
        _ => Err(format!(
            "the fragment {text:?} violates the requirement that an index interval can have at most two parts separated by '-'"
        )),
    }
}

fn increasing(previous: i64, current: i64) -> String {
    format!("non-increasing order, previous: {previous}, current: {current}")
}

/// Whether a text is ranges in increasing order.
fn in_order(text: &str, completions: i64) -> Result<(), String> {
    let mut before = None;
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let (first, last) = range(part, completions)?;
        if let Some(before) = before.filter(|before| *before >= first) {
            return Err(increasing(before, first));
        }
        before = Some(last);
    }
    Ok(())
}

/// The first index in both of two texts. What cannot be read has been complained of.
fn overlap(completed: &str, failed: &str, completions: i64) -> Option<i64> {
    let ranges =
        |text: &str| -> Vec<(i64, i64)> { text.split(',').filter_map(|r| range(r, completions).ok()).collect() };
    let (completed, failed) = (ranges(completed), ranges(failed));
    let (mut c, mut f) = (completed.iter().peekable(), failed.iter().peekable());
    while let (Some((c1, c2)), Some((f1, f2))) = (c.peek(), f.peek()) {
        if c1 <= f2 && f1 <= c2 {
            return Some(*c1.max(f1));
        }
        let _ = if c1 <= f1 { c.next() } else { f.next() };
    }
    None
}
