//! Statuses as text.

use expect_test::{Expect, expect};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::*;
use crate::{
    pod::testutil::pod,
    sync::{Ended, Health, StartError, tests::seen},
};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Phase, conditions and containers in words.
fn show(status: &PodStatus) -> String {
    let mut out = vec![status.phase.clone().unwrap_or_default()];
    let conditions = status.conditions.iter().flatten();
    out.extend(conditions.map(|c| {
        let why = c.reason.as_deref().map(|r| format!(" {r}")).unwrap_or_default();
        let text = c.message.as_deref().map(|m| format!(": {m}")).unwrap_or_default();
        format!("{}={}{why}{text}", c.type_, c.status)
    }));
    let all = [&status.init_container_statuses, &status.container_statuses];
    for s in all.into_iter().flatten().flatten() {
        let state = serde_json::to_value(&s.state).unwrap();
        let last = serde_json::to_value(&s.last_state).unwrap_or(Value::Null);
        out.push(format!(
            "{} ready={} started={:?} restarts={} {state} last={last}",
            s.name, s.ready, s.started, s.restart_count
        ));
    }
    out.join("\n")
}

#[track_caller]
fn check(spec: Value, words: &str, memory: &Memory, want: Expect) {
    let pod = pod(spec);
    let status = status(&pod, &seen(&pod, words), memory, &["10.0.0.1".into()], at(101));
    want.assert_eq(&show(&status));
}

fn healthy(id: &str, started: bool, ready: bool) -> Memory {
    let mut memory = Memory::default();
    memory.health.insert(id.into(), Health { started, ready, ..Health::default() });
    memory
}

#[test]
fn a_pod_that_was_just_assigned() {
    check(
        json!({}),
        "",
        &Memory::default(),
        expect![[r#"
        Pending
        PodReadyToStartContainers=False
        Initialized=True
        Ready=False ContainersNotReady: containers with unready status: [app]
        ContainersReady=False ContainersNotReady: containers with unready status: [app]
        app ready=false started=Some(false) restarts=0 {"waiting":{"reason":"ContainerCreating"}} last=null"#]],
    );
}

#[test]
fn a_pod_that_runs() {
    check(
        json!({}),
        "app:run",
        &healthy("app1", true, true),
        expect![[r#"
        Running
        PodReadyToStartContainers=True
        Initialized=True
        Ready=True
        ContainersReady=True
        app ready=true started=Some(true) restarts=0 {"running":{"startedAt":"1970-01-01T00:00:50Z"}} last=null"#]],
    );
}

#[test]
fn a_pod_that_initializes() {
    let spec = json!({"spec": {"initContainers": [{"name": "one"}]}});
    check(
        spec,
        "one:run",
        &Memory::default(),
        expect![[r#"
        Pending
        PodReadyToStartContainers=True
        Initialized=False ContainersNotInitialized: containers with incomplete status: [one]
        Ready=False ContainersNotReady: containers with unready status: [app]
        ContainersReady=False ContainersNotReady: containers with unready status: [app]
        one ready=false started=Some(false) restarts=0 {"running":{"startedAt":"1970-01-01T00:00:50Z"}} last=null
        app ready=false started=Some(false) restarts=0 {"waiting":{"reason":"PodInitializing"}} last=null"#]],
    );
}

#[test]
fn a_container_that_crashes_again_and_again() {
    let mut memory = Memory::default();
    memory.crashes.entry("app".into()).or_default().next(at(95), at(95));
    check(
        json!({}),
        "app:exit1 app:exit2",
        &memory,
        expect![[r#"
        Running
        PodReadyToStartContainers=True
        Initialized=True
        Ready=False ContainersNotReady: containers with unready status: [app]
        ContainersReady=False ContainersNotReady: containers with unready status: [app]
        app ready=false started=Some(false) restarts=1 {"waiting":{"message":"back-off 10s restarting failed container=app pod=web_default(u-1)","reason":"CrashLoopBackOff"}} last={"terminated":{"containerID":"containerd://app2","exitCode":2,"finishedAt":"1970-01-01T00:01:40Z","reason":"Error","startedAt":"1970-01-01T00:00:50Z"}}"#]],
    );
}

#[test]
fn an_image_that_is_not_there() {
    let mut memory = Memory::default();
    let error = StartError::new("ErrImagePull", "not found", at(99), SignedDuration::from_secs(10));
    memory.start_errors.insert("app".into(), error.clone());
    check(
        json!({}),
        "sandbox",
        &memory,
        expect![[r#"
        Pending
        PodReadyToStartContainers=True
        Initialized=True
        Ready=False ContainersNotReady: containers with unready status: [app]
        ContainersReady=False ContainersNotReady: containers with unready status: [app]
        app ready=false started=Some(false) restarts=0 {"waiting":{"message":"not found","reason":"ErrImagePull"}} last=null"#]],
    );
    let (reason, message) = error.shown("img:1", at(105));
    assert_eq!(
        (reason.as_str(), message.as_str()),
        ("ImagePullBackOff", "Back-off pulling image \"img:1\": ErrImagePull: not found")
    );
}

#[test]
fn ends() {
    let never = || json!({"spec": {"restartPolicy": "Never"}});
    let phase = |spec: Value, words: &str, memory: &Memory| {
        let pod = pod(spec);
        let s = status(&pod, &seen(&pod, words), memory, &["10.0.0.1".into()], at(101));
        (s.phase.unwrap(), s.reason.unwrap_or_default())
    };
    let none = Memory::default();
    let two = |p: &str| json!({"spec": {"restartPolicy": p, "containers": [{"name": "a"}, {"name": "b"}]}});
    let deleted = || json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    let table = [
        (never(), "app:exit0", &none, "Succeeded"),
        (never(), "app:exit1", &none, "Failed"),
        (json!({}), "app:exit1", &none, "Running"),
        (two("Never"), "a:exit1 b:run", &none, "Running"),
        (two("OnFailure"), "a:exit1 b:exit0", &none, "Running"),
        (two("Never"), "a:exit0 b:exit1", &none, "Failed"),
        (json!({"spec": {"restartPolicy": "Never", "initContainers": [{"name": "i"}]}}), "i:exit1", &none, "Failed"),
        // A deleted pod ends by what its containers said last, once nothing runs.
        (deleted(), "!app:exit0", &none, "Succeeded"),
        (deleted(), "!app:exit143", &none, "Failed"),
        (deleted(), "app:run", &none, "Running"),
        (deleted(), "", &none, "Failed"),
        // An end is never taken back.
        (json!({"status": {"phase": "Succeeded"}}), "app:run", &none, "Succeeded"),
    ];
    for (spec, words, memory, want) in table {
        assert_eq!(phase(spec.clone(), words, memory).0, want, "{spec} {words}");
    }
    let ended = Ended { reason: "DeadlineExceeded".into(), message: String::new() };
    let memory = Memory { ended: Some(ended), ..Memory::default() };
    assert_eq!(phase(json!({}), "!app:exit137", &memory), ("Failed".into(), "DeadlineExceeded".into()));
    assert_eq!(phase(json!({}), "app:run", &memory).0, "Running");
}

#[test]
fn readiness_gates_and_others_conditions() {
    let spec = json!({
        "spec": {"readinessGates": [{"conditionType": "x/gate"}]},
        "status": {"conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": "1970-01-01T00:00:01Z"},
            {"type": "ContainersReady", "status": "True", "lastTransitionTime": "1970-01-01T00:00:02Z"},
        ]},
    });
    let pod = pod(spec);
    let s = status(&pod, &seen(&pod, "app:run"), &healthy("app1", true, true), &["10.0.0.1".into()], at(101));
    let time = |kind: &str| {
        let c = s.conditions.iter().flatten().find(|c| c.type_ == kind).unwrap();
        (c.status.clone(), c.last_transition_time.as_ref().unwrap().0.as_second())
    };
    assert_eq!(time("PodScheduled"), ("True".into(), 1));
    assert_eq!(time("ContainersReady"), ("True".into(), 2));
    assert_eq!(time("Ready"), ("False".into(), 101));
    let ready = s.conditions.iter().flatten().find(|c| c.type_ == "Ready").unwrap();
    assert_eq!(
        ready.message.as_deref(),
        Some("corresponding condition of pod readiness gate \"x/gate\" does not exist.")
    );
}
