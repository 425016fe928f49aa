//! The facts of upstream's tests of its replica calculator, for resource metrics.

use jiff::SignedDuration;
use knarr_api::Object;
use serde_json::json;

use super::*;
use crate::autoscaler::usage::Sample;

/// One pod: its state, what it asks for and what it uses, in thousandths of a core.
struct P(&'static str, i64, Option<i64>);

/// A pod that is ready, asks for one core and uses `used`.
fn r(used: i64) -> P {
    P("ready", 1000, Some(used))
}

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

/// `ready`, `unready` (never was ready), `was-ready` (long ago), `hot` (ready, but just started), `pending`, `failed`,
/// `going`.
fn pod(name: &str, state: &str, request: i64) -> PodFacts {
    let phase = match state {
        "pending" => "Pending",
        "failed" => "Failed",
        _ => "Running",
    };
    let ready = if matches!(state, "ready" | "hot" | "going") { "True" } else { "False" };
    let (started, since) = match state {
        "hot" => ("2026-01-01T11:59:50Z", "2026-01-01T11:59:55Z"),
        "was-ready" => ("2026-01-01T10:00:00Z", "2026-01-01T11:00:00Z"),
        _ => ("2026-01-01T10:00:00Z", "2026-01-01T10:00:05Z"),
    };
    let mut v = json!({"metadata": {"name": name, "namespace": "n"},
        "spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": format!("{request}m")}}}]},
        "status": {"phase": phase, "startTime": started,
            "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": since}]}});
    if state == "going" {
        v["metadata"]["deletionTimestamp"] = "2026-01-01T11:59:00Z".into();
    }
    PodFacts::of(&Object::from_json(v.to_string().into()).unwrap()).unwrap()
}

fn run(pods: &[P], goal: &Goal, resource: &str, current: i32, tolerances: Tolerances) -> Result<Proposal, String> {
    let name = |n: usize| format!("p{n}");
    let facts: Vec<PodFacts> = pods.iter().enumerate().map(|(n, p)| pod(&name(n), p.0, p.1)).collect();
    let sample = |value| Sample { value, at: now(), window: SignedDuration::from_secs(30) };
    let used = pods.iter().enumerate().filter_map(|(n, p)| Some((name(n).into(), sample(p.2?))));
    let samples: Samples = used.collect();
    propose(Measure { resource, container: "", goal }, &facts, &samples, current, tolerances, now())
}

const USUAL: Tolerances = Tolerances { down: 0.1, up: 0.1 };

#[track_caller]
fn check(target: i32, pods: &[P], current: i32, replicas: i32, utilization: i32) {
    let goal = Goal { average_utilization: Some(target), average_value: None };
    let got = run(pods, &goal, "cpu", current, USUAL).unwrap();
    assert_eq!((got.replicas, got.utilization), (replicas, Some(utilization)));
}

#[test]
fn growing() {
    check(30, &[r(300), r(500), r(700)], 3, 5, 50);
    // Pods that are not ready yet, or have just started, may yet use something: they count as using nothing.
    check(30, &[P("unready", 1000, Some(300)), r(500), r(700)], 3, 4, 60);
    check(30, &[P("hot", 1000, Some(300)), r(500), r(700)], 3, 4, 60);
    check(30, &[r(400), P("unready", 1000, Some(500)), P("unready", 1000, Some(700))], 3, 3, 40);
    // Those that have failed or go are not there at all.
    check(30, &[r(500), r(700), P("failed", 1000, None), P("failed", 1000, None)], 2, 4, 60);
    check(30, &[r(500), r(700), P("going", 1000, Some(9000)), P("going", 1000, None)], 2, 4, 60);
    // One that was ready and is not any more counts as what it is.
    check(30, &[P("was-ready", 1000, Some(300)), r(500), r(700)], 3, 5, 50);
}

#[test]
fn shrinking() {
    check(50, &[r(100), r(300), r(500), r(250), r(250)], 5, 3, 28);
    let unready = || P("unready", 1000, Some(500));
    check(50, &[r(100), r(300), r(500), unready(), unready()], 5, 2, 30);
    check(
        50,
        &[
            r(100),
            P("pending", 1000, None),
            P("pending", 1000, None),
            P("pending", 1000, None),
            P("pending", 1000, None),
        ],
        5,
        1,
        10,
    );
    check(50, &[r(100), r(300), r(500), r(250), r(250), P("failed", 1000, None), P("going", 1000, None)], 5, 3, 28);
}

#[test]
fn samples_that_are_missing() {
    let none = || P("ready", 1000, None);
    // For shrinking they count as all that was asked for, for growing as nothing.
    check(100, &[r(400), r(95), none(), none()], 4, 3, 24);
    check(100, &[r(1000), none()], 2, 2, 100);
    check(100, &[r(1900), none()], 2, 2, 190);
    check(100, &[r(600), none()], 2, 2, 60);
    check(50, &[P("unready", 1000, Some(100)), r(450), none()], 3, 3, 45);
    check(50, &[P("unready", 1000, Some(100)), r(2000), none()], 3, 4, 200);
    check(50, &[P("unready", 1000, Some(100)), r(100), r(100), none()], 4, 3, 10);
    // A target above what is asked for is what they may use.
    let half = [P("unready", 1000, Some(200)), r(100), P("ready", 2000, Some(100)), P("ready", 2000, None)];
    check(300, &half, 4, 2, 6);
    // A third pod of a rolling update must not turn the direction.
    check(50, &[r(100), r(100), none()], 2, 2, 10);
}

#[test]
fn tolerances() {
    let pods = |used: [i64; 3]| {
        [P("ready", 900, Some(used[0])), P("ready", 1000, Some(used[1])), P("ready", 1100, Some(used[2]))]
    };
    let goal = Goal { average_utilization: Some(100), average_value: None };
    for (down, up, used, want) in [
        (0.1, 0.1, [1010, 1030, 1020], 3),
        (0.0, 0.0, [909, 1010, 1111], 4),
        (0.1, 2.0, [1890, 1910, 1900], 3),
        (2.0, 0.08, [1100, 1080, 1090], 4),
        (0.36, 0.1, [660, 640, 650], 3),
        (0.34, 0.1, [660, 640, 650], 2),
    ] {
        let got = run(&pods(used), &goal, "cpu", 3, Tolerances { down, up }).unwrap();
        assert_eq!(got.replicas, want, "{down} {up} {used:?}");
    }
}

#[test]
fn averages() {
    let goal = |value| Goal { average_utilization: None, average_value: Some(value) };
    let got = |pods: &[P], target, current| {
        let p = run(pods, &goal(target), "memory", current, USUAL).unwrap();
        assert_eq!(p.utilization, None);
        (p.replicas, p.average)
    };
    assert_eq!(got(&[r(20000), r(10000), r(30000)], 15000, 3), (4, 20000));
    assert_eq!(got(&[r(12000), r(12000), r(12000), r(12000), r(12000)], 20000, 5), (3, 12000));
    assert_eq!(got(&[r(20000), r(21000), r(21000)], 20000, 3), (3, 20666));
    // Other resources than CPU need no time to settle.
    let unready = [P("unready", 0, Some(50000)), r(10000), P("unready", 0, Some(30000))];
    assert_eq!(got(&unready, 15000, 3), (6, 30000));
    let missing = [r(10000), r(10000), P("ready", 0, None)];
    assert_eq!(got(&missing, 17000, 2), (2, 10000));
}

#[test]
fn what_cannot_be_computed() {
    let goal = Goal { average_utilization: Some(50), average_value: None };
    let error = |pods: &[P], goal: &Goal| run(pods, goal, "cpu", 1, USUAL).unwrap_err();
    assert_eq!(error(&[], &goal), "no pods returned by selector while calculating replica count");
    let unready = "did not receive metrics for targeted pods (pods might be unready)";
    assert_eq!(error(&[P("unready", 1000, Some(100))], &goal), unready);
    assert_eq!(error(&[P("ready", 0, Some(100))], &goal), "no metrics returned matched known pods");
    let memory = run(&[r(1)], &goal, "memory", 1, USUAL).unwrap_err();
    assert_eq!(memory, "missing request for memory in container c of Pod p0");
    assert!(error(&[r(1)], &Goal::default()).contains("neither an average utilization target nor"));
}

#[test]
fn nothing_overflows() {
    let goal = Goal { average_utilization: None, average_value: Some(1) };
    let got = run(&[r(i64::MAX), r(i64::MAX)], &goal, "memory", 1, USUAL).unwrap();
    assert_eq!((got.replicas, got.average), (i32::MAX, i64::MAX));
}
