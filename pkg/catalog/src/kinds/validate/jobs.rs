//! Jobs and CronJobs.

use knarr_api::{
    Value, cron,
    field::{Error, Errors, Path},
    names,
};

use super::{common::label_selector, job_policies, job_status, pod::template};
use crate::kinds::{
    same::equal,
    spot::Spot,
    tree::{copy, flag, int},
};

/// Of Jobs whose pods have numbers.
const PARALLELISM: i64 = 100_000;
/// Above so many completions the failed indexes of a Job that counts them one by one must be bounded.
const MANY: i64 = 100_000;
const OF_MANY: i64 = 10_000;

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
        if failed.int().is_some_and(|n| n > PARALLELISM) {
            out.push(failed.invalid(format!("must be less than or equal to {PARALLELISM}")));
        }
        if per_index.is_set() && completions.int().is_some_and(|n| n > MANY) {
            many_indexes(spec, out);
        }
    } else {
        for key in ["backoffLimitPerIndex", "maxFailedIndexes"] {
            let spot = spec.at(key);
            if spot.is_set() {
                out.push(spot.invalid("requires indexed completion mode"));
            }
        }
    }
    job_policies::check(spec, out);
    let managed = spec.at("managedBy");
    if managed.is_set() {
        domain_path(&managed, out);
        if managed.text().len() > 63 {
            out.push(Error::too_long(&managed.path(), 63));
        }
    }
    let pods = spec.at("template");
    template(&pods, out);
    let pod = pods.at("spec");
    let restart = pod.at("restartPolicy");
    match restart.text() {
        "" | "Always" => out.push(restart.required(r#"valid values: "OnFailure", "Never""#)),
        "OnFailure" if spec.at("podFailurePolicy").is_set() => {
            out.push(restart.invalid("only \"Never\" is supported when podFailurePolicy is specified"));
        }
        _ => {}
    }
}

/// `example.com/what`.
fn domain_path(spot: &Spot<'_, '_>, out: &mut Errors) {
    const PATH: &str = "-._~%!$&'()*+,;=:/";
    let Some((host, path)) = spot.text().split_once('/').filter(|(h, p)| !h.is_empty() && !p.is_empty()) else {
        out.push(match spot.text() {
            "" => spot.required(""),
            _ => spot.invalid(r#"must be a domain-prefixed path (such as "acme.io/foo")"#),
        });
        return;
    };
    out.extend(names::dns1123_subdomain(host).into_iter().map(|why| spot.invalid_as(host, why)));
    if !path.chars().all(|c| c.is_ascii_alphanumeric() || PATH.contains(c)) {
        let why = r"Invalid path (regex used for validation is '[A-Za-z0-9/\-._~%!$&'()*+,;=:]+')";
        out.push(spot.invalid_as(path, why));
    }
}

fn many_indexes(spec: &Spot<'_, '_>, out: &mut Errors) {
    let failed = spec.at("maxFailedIndexes");
    if !failed.is_set() {
        out.push(failed.required(&format!("must be specified when completions is above {MANY}")));
    }
    for spot in [spec.at("parallelism"), failed] {
        if spot.int().is_some_and(|n| n > OF_MANY) {
            let why = format!(
                "must be less than or equal to {OF_MANY} when completions are above {MANY} and used with backoff limit per index"
            );
            out.push(spot.invalid(why));
        }
    }
}

/// What of a Job stays.
pub(in crate::kinds) fn job_update(object: &Value, old: &Value, sub: &str) -> Errors {
    let mut out = Errors::new();
    if sub == "status" {
        job_status::check(object, old, &mut out);
    }
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

/// The pods of a Job stay as they are; while it rests and has none, where they run and what they need may change.
fn pods_update(template: &Spot<'_, '_>, before: &Value, old: &Value, out: &mut Errors) {
    let conditions = old.list_at(&["status", "conditions"]);
    let rests = conditions.iter().any(|c| c.str_at(&["type"]) == "Suspended" && c.str_at(&["status"]) == "True");
    let idle = int(old, &["status", "active"]).unwrap_or(0) == 0;
    let began = !old.str_at(&["status", "startTime"]).is_empty();
    if !flag(old, &["spec", "suspend"]) || (began && !rests) || !idle {
        if !equal(Some(template.value()), Some(before)) {
            out.push(template.invalid("field is immutable"));
        }
        return;
    }
    let mut munged = template.value().clone();
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
    for list in ["initContainers", "containers"] {
        let olds = before.list_at(&["spec", list]);
        let news = munged.at_mut(&["spec", list]).and_then(Value::as_array_mut);
        for (new, old) in news.into_iter().flatten().zip(olds) {
            if new.str_at(&["name"]) == old.str_at(&["name"]) {
                copy(old, new, &["resources"]);
            }
        }
    }
    if !equal(munged.get("spec"), before.get("spec")) {
        out.push(template.at("spec").invalid("field is immutable"));
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
        } else if let Err(why) = text.parse::<cron::Schedule>() {
            out.push(schedule_at.invalid(why.to_string()));
        }
    }
    if zone.is_set() {
        match zone.text() {
            "" => out.push(zone.invalid("timeZone must be nil or non-empty string")),
            name if name.eq_ignore_ascii_case("Local") => out.push(
                zone.invalid("timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"),
            ),
            // Names are exact, even if the database finds them in any case.
            name if jiff::tz::TimeZone::get(name).is_ok_and(|zone| zone.iana_name() == Some(name)) => {}
            name => out.push(zone.invalid(format!("unknown time zone {name}"))),
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
