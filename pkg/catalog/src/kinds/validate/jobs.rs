//! Jobs and CronJobs.

use knarr_api::{
    Value,
    field::{Error, Errors, Path},
    names,
};

use super::{common::label_selector, pod::template, schedule};
use crate::kinds::{
    same::equal,
    spot::Spot,
    tree::{copy, flag},
};

const RULES: usize = 20;
/// Of Jobs whose pods have numbers.
const PARALLELISM: i64 = 100_000;

/// A Job.
pub(in crate::kinds) fn job(object: &Value) -> Errors {
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    generated(&root, &mut out);
    let selector = spec.at("selector");
    match selector.is_set() {
        true => label_selector(&selector, &mut out),
        false => out.push(selector.required("")),
    }
    let pods = spec.at("template");
    let metadata = pods.at("metadata");
    let labels = metadata.at("labels");
    let matches = |(key, value): (&str, Spot<'_, '_>)| labels.value().get(key) == Some(value.value());
    if !selector.at("matchLabels").entries().all(matches) {
        out.push(labels.invalid("`selector` does not match template `labels`"));
    }
    job_spec(&spec, &mut out);
    if spec.text_at("completionMode") == "Indexed"
        && let Some(count @ 1..) = spec.at("completions").int()
    {
        let name = object.str_at(&["metadata", "name"]);
        let last = format!("{name}-{}", count - 1);
        if !names::dns1123_label(&last).is_empty() {
            let path = Path::new("metadata").child("name");
            let why = format!("will not able to create pod with invalid DNS label: {last}");
            out.push(Error::invalid(&path, name, why));
        }
    }
    out
}

/// A selector that is not the user's own must be what the server makes.
fn generated(root: &Spot<'_, '_>, out: &mut Errors) {
    let object = root.value();
    if flag(object, &["spec", "manualSelector"]) {
        return;
    }
    let meta = |key| object.str_at(&["metadata", key]);
    let spec = root.at("spec");
    let template = spec.at("template");
    let metadata = template.at("metadata");
    let labels = metadata.at("labels");
    let wanted = [
        ("controller-uid", meta("uid")),
        ("job-name", meta("name")),
        ("batch.kubernetes.io/controller-uid", meta("uid")),
        ("batch.kubernetes.io/job-name", meta("name")),
    ];
    for (key, want) in wanted {
        match labels.value().get(key).and_then(Value::as_str) {
            // Jobs of older versions have only the older spelling.
            None if key.contains('/') => {}
            None => out.push(labels.key(key).required(&format!("must be '{want}'"))),
            Some(have) if have != want => {
                out.push(labels.key(key).invalid_as(labels.value().clone(), format!("must be '{want}'")));
            }
            Some(_) => {}
        }
    }
    let selector = spec.at("selector");
    let only = selector.at("matchLabels");
    let is_own = |key: &str| only.value().get(key).and_then(Value::as_str) == Some(meta("uid"));
    let one = only.len() == 1 && selector.at("matchExpressions").is_empty();
    if !(one && (is_own("controller-uid") || is_own("batch.kubernetes.io/controller-uid"))) {
        out.push(selector.invalid("`selector` not auto-generated"));
    }
}

fn job_spec(spec: &Spot<'_, '_>, out: &mut Errors) {
    for key in [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ] {
        spec.at(key).not_negative(out);
    }
    let (per_index, failed) = (spec.at("backoffLimitPerIndex"), spec.at("maxFailedIndexes"));
    if failed.is_set() && !per_index.is_set() {
        out.push(per_index.required("when maxFailedIndexes is specified"));
    }
    let (parallelism, completions) = (spec.at("parallelism"), spec.at("completions"));
    if spec.text_at("completionMode") == "Indexed" {
        if !completions.is_set() {
            out.push(completions.required("when completion mode is Indexed"));
        }
        if parallelism.int().is_some_and(|n| n > PARALLELISM) {
            let why = format!("must be less than or equal to {PARALLELISM} when completion mode is Indexed");
            out.push(parallelism.invalid(why));
        }
        if let (Some(most), Some(count)) = (failed.int(), completions.int())
            && most > count
        {
            out.push(failed.invalid("must be less than or equal to completions"));
        }
    } else {
        for key in ["backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"] {
            let spot = spec.at(key);
            if spot.is_set() {
                out.push(spot.invalid("requires indexed completion mode"));
            }
        }
    }
    failure_policy(spec, out);
    let managed = spec.at("managedBy");
    if managed.is_set() {
        let complaints = names::qualified_name(managed.text());
        out.extend(complaints.into_iter().map(|m| managed.invalid(m)));
        if managed.text().len() > 63 {
            out.push(Error::too_long(&managed.path(), 63));
        }
    }
    let pods = spec.at("template");
    template(&pods, out);
    let pod = pods.at("spec");
    let restart = pod.at("restartPolicy");
    match restart.text() {
        "Always" => out.push(restart.not_supported(&["OnFailure", "Never"])),
        "OnFailure" if spec.at("podFailurePolicy").is_set() => {
            out.push(restart.invalid("only \"Never\" is supported when podFailurePolicy is specified"));
        }
        _ => {}
    }
}

fn failure_policy(spec: &Spot<'_, '_>, out: &mut Errors) {
    let policy = spec.at("podFailurePolicy");
    let rules = policy.at("rules");
    if rules.len() > RULES {
        out.push(Error::too_many(&rules.path(), rules.len(), RULES));
    }
    for rule in rules.items() {
        let (codes, conditions) = (rule.at("onExitCodes"), rule.at("onPodConditions"));
        if rule.text_at("action") == "FailIndex" && !spec.at("backoffLimitPerIndex").is_set() {
            out.push(rule.at("action").invalid("requires the backoffLimitPerIndex to be set"));
        }
        let why = match (codes.is_set(), !conditions.is_empty()) {
            (true, true) => Some("specifying both OnExitCodes and OnPodConditions is not supported"),
            (false, false) => Some("specifying one of OnExitCodes and OnPodConditions is required"),
            _ => None,
        };
        out.extend(why.map(|why| Error { value: None, ..rule.invalid(why) }));
        if codes.is_set() {
            exit_codes(&codes, out);
        }
    }
}

fn exit_codes(codes: &Spot<'_, '_>, out: &mut Errors) {
    let values = codes.at("values");
    if values.is_empty() {
        out.push(values.invalid("at least one value is required"));
    }
    let numbers: Vec<i64> = values.items().filter_map(|v| v.int()).collect();
    for (i, value) in values.items().enumerate() {
        if value.int() == Some(0) && codes.text_at("operator") == "In" {
            out.push(value.invalid("must not be 0 for the In operator"));
        }
        if numbers.iter().take(i).any(|n| Some(*n) == value.int()) {
            out.push(value.duplicate());
        }
    }
    if !numbers.is_sorted() {
        out.push(values.invalid("must be ordered"));
    }
}

/// What of a Job stays.
pub(in crate::kinds) fn job_update(object: &Value, old: &Value, sub: &str) -> Errors {
    let mut out = Errors::new();
    if !sub.is_empty() {
        return out;
    }
    let root = Spot::root(object);
    let spec = root.at("spec");
    let before = |key| old.at(&["spec", key]).unwrap_or(&Value::Null);
    let completions = spec.at("completions");
    if !equal(Some(completions.value()), Some(before("completions"))) {
        let indexed = spec.text_at("completionMode") == "Indexed";
        if !indexed {
            completions.unchanged(before("completions"), &mut out);
        } else if completions.value() != spec.at("parallelism").value() {
            out.push(completions.invalid("can only be modified in tandem with spec.parallelism"));
        }
    }
    for key in ["selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"]
    {
        spec.at(key).unchanged(before(key), &mut out);
    }
    pods_update(&spec.at("template"), before("template"), old, &mut out);
    out
}

/// The pods of a Job stay as they are; while it is suspended and has not begun, their placement may change.
fn pods_update(template: &Spot<'_, '_>, before: &Value, old: &Value, out: &mut Errors) {
    let waiting = flag(old, &["spec", "suspend"]) && old.str_at(&["status", "startTime"]).is_empty();
    let mut munged = template.value().clone();
    if waiting {
        for path in [
            &["metadata", "labels"] as &[&str],
            &["metadata", "annotations"],
            &["spec", "nodeSelector"],
            &["spec", "tolerations"],
            &["spec", "schedulingGates"],
            &["spec", "affinity", "nodeAffinity"],
        ] {
            copy(before, &mut munged, path);
        }
    }
    if !equal(Some(&munged), Some(before)) {
        out.push(template.invalid("field is immutable"));
    }
}

/// A CronJob.
pub(in crate::kinds) fn cron_job(object: &Value) -> Errors {
    const NAME: usize = 52;
    let mut out = Errors::new();
    let root = Spot::root(object);
    let spec = root.at("spec");
    let schedule_at = spec.at("schedule");
    let zone = spec.at("timeZone");
    if !schedule_at.is_empty() {
        let text = schedule_at.text();
        if text.contains("TZ") {
            out.push(schedule_at.invalid(match zone.is_set() {
                true => "cannot use both timeZone field and TZ or CRON_TZ in schedule",
                false => "cannot use TZ or CRON_TZ in schedule, use timeZone field instead",
            }));
        } else if let Err(why) = schedule::check(text) {
            out.push(schedule_at.invalid(why));
        }
    }
    if zone.is_set() {
        match zone.text() {
            "" => out.push(zone.invalid("timeZone must be nil or non-empty string")),
            "Local" => out.push(
                zone.invalid("timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"),
            ),
            name if jiff::tz::TimeZone::get(name).is_err() => {
                out.push(zone.invalid(format!("unknown time zone {name}")));
            }
            _ => {}
        }
    }
    for key in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        spec.at(key).not_negative(&mut out);
    }
    let template = spec.at("jobTemplate");
    let job = template.at("spec");
    if job.at("selector").is_set() {
        out.push(job.at("selector").invalid("`selector` will be auto-generated"));
    }
    if job.at("manualSelector").flag() {
        out.push(job.at("manualSelector").not_supported(&["nil", "false"]));
    }
    job_spec(&job, &mut out);
    let name = object.str_at(&["metadata", "name"]);
    if name.len() > NAME {
        let path = Path::new("metadata").child("name");
        out.push(Error::invalid(&path, name, format!("must be no more than {NAME} characters")));
    }
    out
}
