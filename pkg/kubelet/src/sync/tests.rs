//! The plan as a table: a pod and its containers in a few words, and what is to be done.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::*;
use crate::pod::{self, testutil::pod};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Containers in words: `app:run`, `app:exit0`, `app:created`, `app:unknown`; the last one of a name is the newest.
/// `!` before all: the sandbox is not ready; no words: there is none.
pub(crate) fn seen(pod: &Pod, words: &str) -> Observed {
    let (ready, words) = words.strip_prefix('!').map_or((true, words), |rest| (false, rest));
    let mut count = std::collections::BTreeMap::<String, u32>::new();
    let containers: Vec<Container> = words
        .split_whitespace()
        .filter(|w| *w != "sandbox")
        .enumerate()
        .map(|(i, word)| {
            let (name, state) = word.split_once(':').unwrap();
            let restarts = count.entry(name.to_owned()).or_default();
            *restarts += 1;
            let code = state.strip_prefix("exit").map(|n| n.parse().unwrap());
            Container {
                id: format!("{name}{restarts}"),
                sandbox: "s".into(),
                name: name.into(),
                restarts: *restarts - 1,
                state: match state {
                    "run" | "old" => State::Running,
                    "created" => State::Created,
                    "unknown" | "half-made" => State::Unknown,
                    _ => State::Exited,
                },
                created: i as i64,
                started: (state != "created" && state != "half-made").then(|| at(50)),
                finished: code.map(|_| at(100)),
                exit_code: code.unwrap_or(0),
                reason: String::new(),
                message: String::new(),
                image: "img:1".into(),
                image_id: "sha256:1".into(),
                hash: match (state, pod::part(pod, name)) {
                    ("old", _) | (_, None) => "0".into(),
                    (_, Some(part)) => container_hash(&part.spec),
                },
                log_path: String::new(),
                user: None,
            }
        })
        .collect();
    let sandbox = Sandbox { id: "s".into(), attempt: 0, ready, created: 0, ips: vec!["10.0.0.5".into()] };
    let sandboxes = if words.is_empty() && ready { Vec::new() } else { vec![sandbox] };
    Observed::new(sandboxes, containers)
}

fn show(plan: &Plan) -> String {
    let mut out: Vec<String> = plan
        .actions
        .iter()
        .map(|a| match a {
            Action::StopSandboxes => "stop-sandboxes".to_owned(),
            Action::CreateSandbox { attempt } => format!("sandbox#{attempt}"),
            Action::Kill { id, reason, .. } => format!("kill {id} ({reason:?})"),
            Action::Start { name, restarts } => format!("start {name}#{restarts}"),
            Action::Terminate { grace, left } if grace == left => format!("terminate {grace}"),
            Action::Terminate { grace, left } => format!("terminate {left} of {grace}"),
            Action::Cleanup => "cleanup".to_owned(),
            Action::Finish => "finish".to_owned(),
        })
        .collect();
    if let Some(at) = plan.wake_at {
        out.push(format!("wake {}", at.as_second()));
    }
    out.join(", ")
}

#[track_caller]
fn check(spec: serde_json::Value, words: &str, memory: &Memory, want: &str) {
    let pod = pod(spec);
    assert_eq!(show(&plan(&pod, &seen(&pod, words), memory, at(101))), want, "{words}");
}

fn plain() -> Memory {
    Memory::default()
}

fn healthy(id: &str) -> Memory {
    let mut memory = Memory::default();
    memory.health.insert(id.into(), Health { started: true, ready: true, ..Health::default() });
    memory
}

#[test]
fn from_nothing_to_running() {
    check(json!({}), "", &plain(), "sandbox#0, start app#0");
    check(json!({}), "sandbox", &plain(), "start app#0");
    check(json!({}), "app:run", &plain(), "");
    check(json!({}), "app:created", &plain(), "start app#0");
    check(json!({}), "app:exit1 app:created", &plain(), "start app#1");
    check(json!({}), "app:half-made", &plain(), "start app#0");
    check(json!({}), "!app:created", &plain(), "stop-sandboxes, sandbox#1, start app#0");
    let two = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}});
    check(two, "a:run", &plain(), "start b#0");
}

#[test]
fn init_containers_and_sidecars_come_first() {
    let spec = || json!({"spec": {"initContainers": [{"name": "one"}, {"name": "side", "restartPolicy": "Always"}, {"name": "two"}]}});
    check(spec(), "", &plain(), "sandbox#0, start one#0");
    check(spec(), "one:run", &plain(), "");
    check(spec(), "one:exit0", &plain(), "start side#0");
    check(spec(), "one:exit0 side:run", &plain(), "");
    check(spec(), "one:exit0 side:run", &healthy("side1"), "start two#0");
    check(spec(), "one:exit0 side:run two:exit0", &healthy("side1"), "start app#0");
    check(spec(), "one:exit1", &plain(), "start one#1");
    // A sidecar that ends later starts again, and holds up nothing that runs.
    check(spec(), "one:exit0 side:exit0 two:exit0 app:run", &plain(), "start side#1");
    // What the collector removed of a pod that runs is not run again.
    check(spec(), "side:run app:run", &healthy("side1"), "");
    let never = json!({"spec": {"restartPolicy": "Never", "initContainers": [{"name": "one"}]}});
    check(never, "one:exit1", &plain(), "terminate 30");
}

#[test]
fn what_ended_restarts_by_policy_and_back_off() {
    let policy = |p: &str| json!({"spec": {"restartPolicy": p}});
    check(policy("Always"), "app:exit0", &plain(), "start app#1");
    check(policy("OnFailure"), "app:exit1", &plain(), "start app#1");
    check(policy("OnFailure"), "app:exit0", &plain(), "terminate 30");
    check(policy("Never"), "app:exit1", &plain(), "terminate 30");
    check(policy("Never"), "!app:exit1", &plain(), "cleanup");
    let mut memory = plain();
    memory.crashes.entry("app".into()).or_default().next(at(90), at(90));
    check(policy("Always"), "app:exit1", &memory, "wake 110");
    let two = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "a"}, {"name": "b"}]}});
    check(two, "a:exit0 b:run", &plain(), "");
}

#[test]
fn sick_and_changed_containers_are_killed_first() {
    let mut memory = healthy("app1");
    check(json!({}), "app:old", &memory, "kill app1 (Changed)");
    check(json!({}), "app:unknown", &memory, "kill app1 (Unknown)");
    memory.health.get_mut("app1").unwrap().failed = Some(Failure { probe: "liveness", grace: Some(3) });
    check(json!({}), "app:run", &memory, "kill app1 (Unhealthy(\"liveness\", Some(3)))");
}

#[test]
fn a_lost_sandbox_is_replaced() {
    check(json!({}), "!app:exit137", &plain(), "stop-sandboxes, sandbox#1, start app#1");
    check(json!({}), "!app:run", &plain(), "stop-sandboxes, sandbox#1, start app#1");
    let done = json!({"spec": {"restartPolicy": "OnFailure", "containers": [{"name": "a"}, {"name": "b"}]}});
    check(done, "!a:exit0 b:exit1", &plain(), "stop-sandboxes, sandbox#1, start b#1");
}

#[test]
fn failures_to_start_wait() {
    let mut memory = plain();
    let ten = SignedDuration::from_secs(10);
    memory.start_errors.insert("app".into(), StartError::new("ErrImagePull", "no", at(100), ten));
    check(json!({}), "sandbox", &memory, "wake 103");
    memory.start_errors.insert("app".into(), StartError::new("CreateContainerError", "no", at(90), ten));
    check(json!({}), "sandbox", &memory, "start app#0");
    memory.pod_error = Some(StartError::new("FailedMount", "no", at(100), ten));
    check(json!({}), "", &memory, "wake 110");
}

#[test]
fn a_deleted_pod_ends_in_steps() {
    let spec = || json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5}});
    check(spec(), "app:run", &plain(), "terminate 5");
    check(spec(), "sandbox", &plain(), "terminate 5");
    check(spec(), "!app:exit0", &plain(), "cleanup");
    check(spec(), "", &plain(), "cleanup");
    let cleaned = Memory { cleaned: true, ..plain() };
    check(spec(), "!app:exit0", &cleaned, "finish");
    let removed = Memory { removed: true, ..plain() };
    check(json!({}), "app:run", &removed, "terminate 30");
    // Ended by itself: it stays until someone deletes it.
    check(json!({"spec": {"restartPolicy": "Never"}}), "!app:exit0", &cleaned, "");
}

#[test]
fn what_is_left_of_the_grace_period() {
    let deleted = |grace: i64| json!({"metadata": {"deletionTimestamp": "1970-01-01T00:00:00Z", "deletionGracePeriodSeconds": grace}});
    let after = |milliseconds| Memory { ending: SignedDuration::from_millis(milliseconds), ..plain() };
    check(deleted(20), "app:run", &after(0), "terminate 20");
    check(deleted(20), "app:run", &after(900), "terminate 20");
    check(deleted(20), "app:run", &after(9_100), "terminate 11 of 20");
    check(deleted(20), "app:run", &after(19_000), "terminate 2 of 20");
    check(deleted(20), "app:run", &after(90_000), "terminate 2 of 20");
    // At once means at once.
    check(deleted(1), "app:run", &after(90_000), "terminate 1");
    check(deleted(0), "app:run", &after(90_000), "terminate 0");
    let ended = Some(Ended { reason: "r".into(), message: "m".into() });
    let sixty = || json!({"spec": {"terminationGracePeriodSeconds": 60}});
    check(sixty(), "app:run", &Memory { ended: ended.clone(), ..plain() }, "terminate 30");
    check(sixty(), "app:run", &Memory { ended: ended.clone(), ..after(5_000) }, "terminate 25 of 30");
    check(sixty(), "app:run", &Memory { ended, given: Some(1), ..plain() }, "terminate 1");
}

#[test]
fn a_clock_that_was_put_back_makes_nobody_wait() {
    let mut memory = plain();
    let ten = SignedDuration::from_secs(10);
    memory.start_errors.insert("app".into(), StartError::new("ErrImagePull", "no", at(5000), ten));
    check(json!({}), "sandbox", &memory, "start app#0");
    memory.pod_error = Some(StartError::new("FailedMount", "no", at(5000), ten));
    check(json!({}), "sandbox", &memory, "start app#0");
}

#[test]
fn a_deadline_ends_the_pod() {
    let spec = |seconds: i64| json!({"spec": {"activeDeadlineSeconds": seconds}, "status": {"startTime": "1970-01-01T00:01:00Z"}});
    check(spec(100), "app:run", &plain(), "wake 160");
    check(spec(40), "app:run", &plain(), "terminate 30");
}

#[test]
fn a_clock_put_back_does_not_make_the_newest_container_old() {
    let pod = pod(json!({}));
    let Observed { sandboxes, mut containers } = seen(&pod, "app:exit1 app:exit2");
    for c in &mut containers {
        c.created = -c.created;
    }
    let seen = Observed::new(sandboxes, containers);
    assert_eq!((seen.latest("app").unwrap().id.as_str(), seen.previous("app").unwrap().id.as_str()), ("app2", "app1"));
}
