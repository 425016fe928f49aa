//! What runs pods.

use jiff::Timestamp;
use knarr_api::Value;

use super::{age, ages, cell, column, count, name, number, text, text_or, timed, wide, words};
use crate::{Column, kinds::tree::int};

const CONTAINERS: &[&str] = &["spec", "template", "spec", "containers"];
const CRON_CONTAINERS: &[&str] = &["spec", "jobTemplate", "spec", "template", "spec", "containers"];

pub(super) fn columns(plural: &str) -> Vec<Column> {
    match plural {
        "deployments" => with_template(
            vec![
                name(),
                cell("Ready", ready),
                Column { kind: "string".into(), ..number("Up-to-date", &["status", "updatedReplicas"]) },
                Column { kind: "string".into(), ..number("Available", &["status", "availableReplicas"]) },
                age(),
            ],
            |deployment| match words::selector(deployment, &["spec", "selector"]).as_str() {
                words::NONE => String::new(),
                "<error>" => "<invalid>".to_owned(),
                selector => selector.to_owned(),
            },
        ),
        "replicasets" => with_template(replicas(), selector),
        "replicationcontrollers" => with_template(replicas(), |rc| words::labels(rc, &["spec", "selector"])),
        "statefulsets" => {
            let mut columns = with_template(vec![name(), cell("Ready", ready), age()], selector);
            columns.pop();
            columns
        }
        "daemonsets" => with_template(
            vec![
                name(),
                number("Desired", &["status", "desiredNumberScheduled"]),
                number("Current", &["status", "currentNumberScheduled"]),
                number("Ready", &["status", "numberReady"]),
                number("Up-to-date", &["status", "updatedNumberScheduled"]),
                number("Available", &["status", "numberAvailable"]),
                cell("Node Selector", |set| words::labels(set, &["spec", "template", "spec", "nodeSelector"])),
                age(),
            ],
            selector,
        ),
        "jobs" => with_template(
            vec![
                name(),
                cell("Status", job_status),
                cell("Completions", completions),
                timed("Duration", job_duration),
                age(),
            ],
            selector,
        ),
        "cronjobs" => cron_jobs(),
        "podtemplates" => vec![
            name(),
            cell("Containers", |t| words::joined(words::each(t, &["template", "spec", "containers"], "name"))),
            cell("Images", |t| words::joined(words::each(t, &["template", "spec", "containers"], "image"))),
            cell("Pod Labels", |t| words::labels(t, &["template", "metadata", "labels"])),
        ],
        "controllerrevisions" => vec![
            name(),
            cell("Controller", controller),
            column("Revision", "string", |r, _| int(r, &["revision"]).unwrap_or(0).into()),
            age(),
        ],
        _ => Vec::new(),
    }
}

/// Adds what the pods are made of.
fn with_template(mut columns: Vec<Column>, selector: fn(&Value) -> String) -> Vec<Column> {
    columns.push(wide(cell("Containers", |object| words::joined(words::each(object, CONTAINERS, "name")))));
    columns.push(wide(cell("Images", |object| words::joined(words::each(object, CONTAINERS, "image")))));
    columns.push(wide(cell("Selector", selector)));
    columns
}

fn selector(object: &Value) -> String {
    words::selector(object, &["spec", "selector"])
}

fn replicas() -> Vec<Column> {
    vec![
        name(),
        number("Desired", &["spec", "replicas"]),
        number("Current", &["status", "replicas"]),
        number("Ready", &["status", "readyReplicas"]),
        age(),
    ]
}

fn ready(object: &Value) -> String {
    let number = |path| int(object, path).unwrap_or(0);
    format!("{}/{}", number(&["status", "readyReplicas"]), number(&["spec", "replicas"]))
}

fn cron_jobs() -> Vec<Column> {
    vec![
        name(),
        text("Schedule", &["spec", "schedule"]),
        text_or("Timezone", &["spec", "timeZone"], words::NONE),
        column("Suspend", "boolean", |job, _| match job.at(&["spec", "suspend"]).and_then(Value::as_bool) {
            Some(true) => "True".into(),
            Some(false) => "False".into(),
            None => "<unset>".into(),
        }),
        count("Active", &["status", "active"]),
        timed("Last Schedule", |job, now| match job.str_at(&["status", "lastScheduleTime"]) {
            "" => words::NONE.to_owned(),
            last => ages::since(last, now),
        }),
        age(),
        wide(cell("Containers", |job| words::joined(words::each(job, CRON_CONTAINERS, "name")))),
        wide(cell("Images", |job| words::joined(words::each(job, CRON_CONTAINERS, "image")))),
        wide(cell("Selector", |job| words::selector(job, &["spec", "jobTemplate", "spec", "selector"]))),
    ]
}

fn completions(job: &Value) -> String {
    let succeeded = int(job, &["status", "succeeded"]).unwrap_or(0);
    match (int(job, &["spec", "completions"]), int(job, &["spec", "parallelism"]).unwrap_or(0)) {
        (Some(wanted), _) => format!("{succeeded}/{wanted}"),
        (None, parallelism @ 2..) => format!("{succeeded}/1 of {parallelism}"),
        (None, _) => format!("{succeeded}/1"),
    }
}

fn job_status(job: &Value) -> String {
    let first = |kinds: &[&'static str]| kinds.iter().find(|kind| words::holds(job, kind)).copied();
    let word = match first(&["Complete", "Failed"]) {
        Some(end) => end,
        None if words::is_deleting(job) => "Terminating",
        None => first(&["Suspended", "FailureTarget", "SuccessCriteriaMet"]).unwrap_or("Running"),
    };
    word.to_owned()
}

fn job_duration(job: &Value, now: Timestamp) -> String {
    let time = |key| job.str_at(&["status", key]).parse::<Timestamp>().ok();
    match (time("startTime"), time("completionTime")) {
        (None, _) => String::new(),
        (Some(start), end) => ages::between(start, end.unwrap_or(now)),
    }
}

fn controller(revision: &Value) -> String {
    let owners = revision.list_at(&["metadata", "ownerReferences"]);
    let Some(owner) = owners.iter().find(|o| o.get("controller").and_then(Value::as_bool) == Some(true)) else {
        return words::NONE.to_owned();
    };
    let group = owner.str_at(&["apiVersion"]).split_once('/').map_or("", |(group, _)| group);
    let kind = owner.str_at(&["kind"]);
    let kind = if group.is_empty() { kind.to_lowercase() } else { format!("{kind}.{group}").to_lowercase() };
    format!("{kind}/{}", owner.str_at(&["name"]))
}
