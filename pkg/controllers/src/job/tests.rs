//! Whole rounds in one line each, and the ring over a cluster in memory.

use knarr_api::{Object, value::to_value};
use knarr_client::fake::FakeApi;
use serde_json::json;

use super::*;
use crate::testing::context;

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

/// A Job of 2 at a time, 5 in all, but for what `spec` and `status` say.
fn job(spec: &serde_json::Value, status: &serde_json::Value) -> Job {
    let mut v = json!({"metadata": {"name": "j", "namespace": "n", "uid": "u", "generation": 1, "resourceVersion": "1"},
        "spec": {"parallelism": 2, "completions": 5, "backoffLimit": 6, "selector": {"matchLabels": {"job": "j"}},
            "template": {"spec": {"restartPolicy": "Never"}}},
        "status": status});
    for (key, value) in spec.as_object().unwrap() {
        match key.as_str() {
            "deleting" => v["metadata"]["deletionTimestamp"] = "2026-01-01T11:00:00Z".into(),
            "indexed" => v["spec"]["completionMode"] = "Indexed".into(),
            "restarts" => v["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure".into(),
            key => v["spec"][key] = value.clone(),
        }
    }
    Job::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap()
}

/// Pods in short: `2R` is a running pod with index 2. Phases: **P**ending, **R**unning, **r**eady, **T**erminating,
/// **S**ucceeded, **F**ailed. `S-` has lost its finalizer, `F@11:59:50` says when it ended, `F*1` how often its index
/// had failed before, `F!3` with which code its container ended.
fn pods(text: &str) -> Vec<Arc<JobPod>> {
    text.split_whitespace().enumerate().map(|(i, word)| Arc::new(short(&format!("p{i}"), word))).collect()
}

fn short(name: &str, word: &str) -> JobPod {
    let at = word.find(|c: char| c.is_ascii_alphabetic()).unwrap();
    let (index, rest) = word.split_at(at);
    let (phase, mut rest) = rest.split_at(1);
    let mut v = json!({"metadata": {"name": name, "namespace": "n", "uid": name, "labels": {"job": "j"},
        "creationTimestamp": "2026-01-01T10:00:00Z", "finalizers": [TRACKING], "annotations": {}}});
    if !index.is_empty() {
        v["metadata"]["annotations"][pod::INDEX] = index.into();
    }
    let word = match phase {
        "P" => "Pending",
        "S" => "Succeeded",
        "F" => "Failed",
        _ => "Running",
    };
    v["status"] = json!({"phase": word, "conditions": [{"type": "Ready", "status": if phase == "r" { "True" } else { "False" }}]});
    if phase == "T" {
        v["metadata"]["deletionTimestamp"] = "2026-01-01T11:00:00Z".into();
    }
    let (mut code, mut end) = (1, "10:30:00");
    while let Some(mark) = rest.chars().next() {
        let (value, next) = rest[1..].split_at(rest[1..].find(['-', '@', '*', '!', '#']).unwrap_or(rest.len() - 1));
        match mark {
            '-' => v["metadata"]["finalizers"] = json!([]),
            '@' => end = value,
            '*' => v["metadata"]["annotations"][pod::FAILURES] = value.into(),
            '!' => code = value.parse().unwrap(),
            '#' => {
                v["status"]["containerStatuses"] = json!([{"name": "c", "restartCount": value.parse::<i32>().unwrap()}])
            }
            _ => panic!("{word}"),
        }
        rest = next;
    }
    if phase == "F" || phase == "S" {
        let end = json!({"exitCode": if phase == "F" { code } else { 0 }, "finishedAt": format!("2026-01-01T{end}Z")});
        v["status"]["containerStatuses"] = json!([{"name": "c", "state": {"terminated": end}}]);
    }
    JobPod::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap()
}

/// One round in which every step works: what was done, and the status that was written last.
fn round(job: &Job, pods: &[Arc<JobPod>], settled: bool) -> (String, JobStatus) {
    let standing = assess(job, pods, Backoff::default(), now());
    let plan = plan(&standing, settled);
    let mut done = Done::default();
    let mut indexes = Vec::new();
    for step in &plan.steps {
        match step {
            Step::Create(successor) => {
                done.created += 1;
                let failures = successor.failures.filter(|f| f.0 > 0).map_or(String::new(), |f| format!("*{}", f.0));
                indexes.extend(successor.index.map(|i| format!("{i}{failures}")));
            }
            Step::End(pod) | Step::Drop(pod) => {
                done.deleted += 1;
                done.deleted_ready += i32::from(pod.ready.is_some());
            }
        }
    }
    let account = account(&standing, done, plan.managed, settled);
    let released: HashSet<&str> = account.release.iter().map(|p| &*p.meta.uid).collect();
    let mut text = Vec::new();
    if done.created > 0 {
        text.push(format!("+{}", if indexes.is_empty() { done.created.to_string() } else { indexes.join(",") }));
    }
    if done.deleted > 0 {
        text.push(format!("-{}", done.deleted));
    }
    if !released.is_empty() {
        text.push(format!("~{}", released.len()));
    }
    let (status, _) = account.close(&standing, &released);
    for (name, n) in [
        ("a", status.active),
        ("r", status.ready),
        ("t", status.terminating),
        ("s", status.succeeded),
        ("f", status.failed),
    ] {
        if n != 0 {
            text.push(format!("{name}{n}"));
        }
    }
    text.extend(Some(&status.completed_indexes).filter(|i| !i.is_empty()).map(|i| format!("done={i}")));
    text.extend(status.failed_indexes.as_ref().map(|i| format!("lost={i}")));
    for c in &status.conditions {
        let not = if c.holds() { "" } else { "!" };
        text.push(format!("{not}{}/{}", c.kind, c.reason));
    }
    text.extend(plan.again.map(|wait| format!("in {}s", wait.as_secs())));
    (text.join(" "), status)
}

#[track_caller]
fn check(spec: serde_json::Value, have: &str, want: &str) {
    let job = job(&spec, &json!({"startTime": "2026-01-01T10:00:00Z"}));
    assert_eq!(round(&job, &pods(have), true).0, want, "{spec} with {have}");
}

#[test]
fn pods_are_made_and_given_up() {
    let open = json!({"completions": null});
    check(json!({}), "", "+2 a2");
    check(open.clone(), "", "+2 a2");
    check(json!({}), "P P", "a2");
    check(json!({"parallelism": 3}), "r r R", "a3 r2");
    check(json!({}), "R S", "+1 ~1 a2 s1");
    check(open.clone(), "R", "+1 a2");
    check(json!({}), "R R R", "-1 a2 t1");
    check(json!({}), "r r r", "-1 a2 r2 t1");
    check(json!({}), "R S@11:00:00 F", "+1 ~2 a2 s1 f1");
    check(json!({}), "R R R R R R R R R R", "-8 a2 t8");
    check(json!({"parallelism": 3, "completions": 4}), "R R R S S", "-1 ~2 a2 t1 s2");
    check(json!({"deleting": true}), "P R S", "~3 a2 s1");
    check(json!({"parallelism": 0}), "", "");
    check(json!({"parallelism": 600, "completions": 700}), "", "+500 a500");
    // One success is enough: no more pods, but those there may finish.
    check(open, "R S", "~1 a1 s1");
}

#[test]
fn a_pod_that_is_being_deleted_is_replaced_by_policy() {
    let late = json!({"parallelism": 1, "completions": 1, "podReplacementPolicy": "Failed"});
    check(json!({"parallelism": 1, "completions": 1}), "T", "+1 ~1 a1 t1 f1");
    check(late.clone(), "T", "t1");
    check(late.clone(), "R R T T T T", "-1 a1 t5");
    check(json!({"parallelism": 1, "completions": 1, "podFailurePolicy": {"rules": []}}), "T", "t1");
    check(json!({"indexed": 1, "podReplacementPolicy": "Failed"}), "0T", "+1 a1 t1");
    check(json!({"indexed": 1}), "0T", "+0,1 ~1 a2 t1 f1");
}

#[test]
fn failed_pods_are_replaced_after_a_while() {
    check(json!({}), "R F@11:59:55", "~1 a1 f1 in 5s");
    check(json!({}), "R F@11:59:49", "+1 ~1 a2 f1");
    check(json!({}), "F@11:59:45 F@11:59:45", "~2 f2 in 5s");
    check(json!({}), "F@11:59:58 S@11:59:59", "+2 ~2 a2 s1 f1");
}

#[test]
fn jobs_end() {
    let complete = "SuccessCriteriaMet/CompletionsReached Complete/CompletionsReached";
    check(json!({}), "S S S S S", &format!("~5 s5 {complete}"));
    check(json!({"completions": null}), "S F", &format!("~2 s1 f1 {complete}"));
    check(json!({"completions": 0}), "", complete);
    let failed = "FailureTarget/BackoffLimitExceeded Failed/BackoffLimitExceeded";
    check(json!({"backoffLimit": 0, "deleting": 1}), "F", &format!("~1 f1 {failed}"));
    // Not over before the pods are.
    check(json!({"backoffLimit": 0}), "r r F", "-2 ~3 t2 f3 FailureTarget/BackoffLimitExceeded");
    check(json!({"activeDeadlineSeconds": 7200}), "R", "-1 ~1 t1 f1 FailureTarget/DeadlineExceeded");
    check(json!({"activeDeadlineSeconds": 7260}), "R R", "a2 in 60s");
    check(json!({"activeDeadlineSeconds": 1, "suspend": true}), "", "Suspended/JobSuspended");
    check(json!({"restarts": 1, "backoffLimit": 4}), "R#2 R#2", "-2 ~2 t2 f2 FailureTarget/BackoffLimitExceeded");
    check(json!({"restarts": 1, "backoffLimit": 0}), "R#1", "-1 ~1 t1 f1 FailureTarget/BackoffLimitExceeded");
    check(json!({"restarts": 1, "backoffLimit": 5}), "R#2 R#2", "a2");
}

#[test]
fn nothing_is_made_or_declared_while_changes_are_to_be_seen() {
    let start = json!({"startTime": "2026-01-01T10:00:00Z"});
    for (spec, have, want) in [
        (json!({}), "R", "a1"),
        (json!({"suspend": true}), "r r R", "a3 r2"),
        (json!({"backoffLimit": 0}), "F", "~1 f1"),
    ] {
        assert_eq!(round(&job(&spec, &start), &pods(have), false).0, want);
    }
}

#[test]
fn what_was_said_before_is_kept() {
    let with = |kind: &str, status: &str| {
        json!({"startTime": "2026-01-01T10:00:00Z", "conditions":
            [{"type": kind, "status": status, "reason": "Because", "message": "of that"}]})
    };
    for (kind, status, have, want) in [
        ("FailureTarget", "True", "S S S S S", "~5 s5 FailureTarget/Because Failed/Because"),
        ("SuccessCriteriaMet", "True", "F F F F F F F", "~7 f7 SuccessCriteriaMet/Because Complete/Because"),
        // A success leaves pods that did not end uncounted.
        ("SuccessCriteriaMet", "True", "R", "-1 ~1 t1 SuccessCriteriaMet/Because"),
        ("FailureTarget", "False", "R R", "a2 !FailureTarget/Because"),
    ] {
        assert_eq!(round(&job(&json!({}), &with(kind, status)), &pods(have), true).0, want);
    }
}

#[test]
fn jobs_rest_and_go_on() {
    let (_, rests) = round(&job(&json!({"suspend": true}), &json!({})), &[], true);
    assert_eq!(rests.start_time, None);
    check(json!({"suspend": true}), "r r", "-2 t2 Suspended/JobSuspended");
    check(json!({"suspend": true, "deleting": 1}), "R R", "~2 a2");
    let rested = json!({"conditions": [{"type": "Suspended", "status": "True", "reason": "JobSuspended", "message": "Job suspended"}]});
    let (text, status) = round(&job(&json!({}), &rested), &[], true);
    assert_eq!((text.as_str(), status.start_time), ("+2 a2 !Suspended/JobResumed", Some(now())));
    let ran = job(&json!({"suspend": true}), &json!({"startTime": "2026-01-01T10:00:00Z"}));
    assert_eq!(round(&ran, &[], true).1.start_time, None, "the deadline will start again");
}

#[test]
fn what_is_over_has_begun_and_ended_later() {
    let done = pods("S S S S S");
    let (_, status) = round(&job(&json!({"suspend": true}), &json!({})), &done, true);
    assert_eq!((status.start_time, status.completion_time), (Some(now()), Some(now())));
    let tomorrow = json!({"startTime": "2026-01-02T10:00:00Z"});
    let (_, status) = round(&job(&json!({}), &tomorrow), &done, true);
    assert!(status.completion_time > Some(now()), "the clock was put back");
    assert_eq!(status.completion_time, status.start_time);
}

#[test]
fn indexes_are_done_once_each() {
    let three = |more: serde_json::Value| {
        let mut spec = json!({"indexed": 1, "completions": 3});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    check(json!({"indexed": 1}), "", "+0,1 a2");
    let complete = "SuccessCriteriaMet/CompletionsReached Complete/CompletionsReached";
    check(three(json!({})), "0S 1F 1S 2S", &format!("~4 s3 f1 done=0-2 {complete}"));
    check(three(json!({"backoffLimit": 0})), "0S 1F 2R", "-1 ~3 t1 s1 f2 done=0 FailureTarget/BackoffLimitExceeded");
    check(three(json!({})), "0S 1S 1S", "+2 ~3 a1 s2 done=0,1");
    check(
        json!({"indexed": 1, "parallelism": 8, "completions": 20}),
        "0R 2S 3P 4S 5S 7S 8S 9S",
        "+1,6,10,11,12,13 ~6 a8 s6 done=2,4,5,7-9",
    );
    check(json!({"indexed": 1, "parallelism": 3, "completions": 4}), "0F 1P 2F", "+0,2 ~2 a3 f2");
    check(json!({"indexed": 1}), "R S F P 0S 1R 2R", "-2 ~3 a2 t2 s1 done=0");
    check(json!({"indexed": 1, "parallelism": 5}), "R 0S 1R 2R 2P", "-2 ~1 a2 t2 s1 done=0");
    check(json!({"indexed": 1}), "0S 5R 6S 7P 8F", "-2 ~3 t2 s1 done=0");
}

#[test]
fn each_index_has_its_own_limit() {
    let spec = |more: serde_json::Value| {
        let mut spec = json!({"indexed": 1, "completions": 2, "backoffLimit": i32::MAX, "backoffLimitPerIndex": 1});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    // The failed pod stays until its successor carries the count.
    check(spec(json!({})), "0F*0@11:59:00 1R", "+0*1 a2 lost=");
    check(spec(json!({})), "0F*0 0R*1 1R", "~1 a2 f1 lost=");
    check(spec(json!({})), "0F*0@11:59:55 1R", "a1 lost= in 5s");
    check(spec(json!({})), "0F*1 1R", "~1 a1 f1 lost=0");
    check(spec(json!({})), "0F*1 1S", "~2 s1 f1 done=1 lost=0 FailureTarget/FailedIndexes Failed/FailedIndexes");
    check(
        spec(json!({"completions": 5, "maxFailedIndexes": 1})),
        "0F*1 1F*1 2R",
        "-1 ~3 t1 f3 lost=0,1 FailureTarget/MaxFailedIndexesExceeded",
    );
    let rules = json!({"rules": [
        {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [7]}},
        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [8]}}]});
    check(spec(json!({"podFailurePolicy": rules})), "0F*0!7 1R", "~1 a1 f1 lost=0");
    check(spec(json!({"podFailurePolicy": rules})), "0F*1!8@11:00:00 1R", "+0*1 a2 lost=");
}

#[test]
fn policies_decide_what_an_end_means() {
    let rules = |action: &str| {
        json!({"podFailurePolicy": {"rules": [{"action": action, "onExitCodes": {"operator": "In", "values": [42]}}]},
            "backoffLimit": 0})
    };
    check(rules("FailJob"), "F!42 R", "-1 ~2 t1 f2 FailureTarget/PodFailurePolicy");
    check(rules("Ignore"), "F!42 R", "+1 ~1 a2");
    check(rules("Count"), "F!42", "~1 f1 FailureTarget/BackoffLimitExceeded Failed/BackoffLimitExceeded");
    let enough = json!({"indexed": 1, "successPolicy": {"rules": [{"succeededIndexes": "1", "succeededCount": 1}]}});
    check(enough.clone(), "0R 1S", "-1 ~2 t1 s1 done=1 SuccessCriteriaMet/SuccessPolicy");
    check(enough, "0S 1R", "+2 ~1 a2 s1 done=0");
}

#[test]
fn named_pods_are_counted_when_their_finalizers_are_gone() {
    let status = json!({"startTime": "2026-01-01T10:00:00Z", "succeeded": 1, "failed": 1,
        "uncountedTerminatedPods": {"succeeded": ["p0", "gone"], "failed": ["p1"]}});
    let job = job(&json!({}), &status);
    let pods = pods("S F- S R");
    let standing = assess(&job, &pods, Backoff::default(), now());
    assert_eq!(standing.succeeded, 4, "two named and one new beside the one counted");
    let account = account(&standing, Done::default(), true, true);
    assert_eq!((account.status.succeeded, account.status.failed), (2, 2), "what has no finalizer counts at once");
    let named = account.status.uncounted_terminated_pods.clone().unwrap();
    assert_eq!(named.succeeded.iter().map(|u| &**u).collect::<Vec<_>>(), ["p0", "p2"]);
    // Only one of the two could be released.
    let (status, finish) = account.close(&standing, &HashSet::from(["p2"]));
    assert_eq!((status.succeeded, status.uncounted_terminated_pods.unwrap().len()), (3, 1));
    assert!(finish.is_none());
}

#[test]
fn the_status_survives_being_written() {
    let mut s =
        JobStatus { active: 1, start_time: Some(now()), failed_indexes: Some("1".into()), ..JobStatus::default() };
    s.say("Suspended", true, "JobSuspended", "Job suspended", now());
    s.uncounted_terminated_pods = Some(status::Uncounted { succeeded: vec!["a".into()], failed: Vec::new() });
    let mut printed = s.print();
    printed.as_object_mut().unwrap().retain(|_, v| !v.is_null());
    printed.at_mut(&["uncountedTerminatedPods"]).unwrap().as_object_mut().unwrap().retain(|_, v| !v.is_null());
    assert_eq!(value::from_value::<JobStatus>(&printed).unwrap(), s);
}

/// The ring over a cluster in memory, round by round.
struct World {
    fake: FakeApi,
    me: Controller,
    _tasks: Tasks,
}

impl World {
    async fn new(spec: serde_json::Value) -> Self {
        let fake = FakeApi::new();
        let me = Controller::new(&context(&fake));
        let mut v = json!({"metadata": {"name": "j", "generation": 1}, "spec": {"parallelism": 1, "completions": 1,
            "backoffLimit": 6, "selector": {"matchLabels": {"job": "j"}}, "template":
                {"metadata": {"labels": {"job": "j"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c"}]}}}});
        for (key, value) in spec.as_object().unwrap() {
            v["spec"][key] = value.clone();
        }
        fake.create(&JOBS, "n", to_value(&v).unwrap()).await.unwrap();
        let tasks = Tasks::new(&knarr_daemon::Stop::new());
        me.cx.follow(&tasks, NAME, &JOBS, &me.jobs, Job::project, |_| {});
        let control = me.control.clone();
        me.cx.follow(&tasks, NAME, &PODS, &me.pods, JobPod::project, move |c| control.observe(&c, |_| {}, |_| {}));
        tokio::join!(me.jobs.synced(), me.pods.synced());
        Self { fake, me, _tasks: tasks }
    }

    /// Rounds until nothing is left to write, each after the caches have caught up.
    async fn settle(&self) {
        for _ in 0..10 {
            let before = self.fake.writes().len();
            self.me.reconcile(&Key::new("n", "j"), Timestamp::now()).await.unwrap();
            self.caught_up().await;
            if self.fake.writes().len() == before {
                return;
            }
        }
        panic!("never settles: {:?}", self.fake.writes());
    }

    async fn caught_up(&self) {
        let same = |cached: Vec<u64>, stored: Vec<Object>| {
            cached.len() == stored.len() && stored.iter().all(|o| cached.contains(&o.revision()))
        };
        for _ in 0..10_000 {
            let jobs = self.me.jobs.list().iter().map(|j| j.meta.revision).collect();
            let pods = self.me.pods.list().iter().map(|p| p.meta.revision).collect();
            let (all_jobs, all_pods) =
                (self.fake.list(&JOBS, "").await.unwrap(), self.fake.list(&PODS, "").await.unwrap());
            if same(jobs, all_jobs.items) && same(pods, all_pods.items) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("the caches never caught up");
    }

    async fn pods(&self) -> Vec<Object> {
        self.fake.list(&PODS, "n").await.unwrap().items
    }

    fn status(&self) -> Value {
        self.fake.tree(&JOBS, "n", "j").unwrap().get("status").cloned().unwrap_or_default()
    }
}

#[tokio::test]
async fn a_job_runs_to_its_end() {
    let world = World::new(json!({})).await;
    // The fake generates no names.
    world.fake.fail_next("create", Status::forbidden("", "pods", "", "quota"));
    assert!(world.me.reconcile(&Key::new("n", "j"), Timestamp::now()).await.is_err());
    world.caught_up().await;
    assert_eq!(world.status().at(&["active"]), Some(&Value::Int(0)), "a failed creation is no active pod");
    world.settle().await;
    let pods = world.pods().await;
    assert_eq!(pods.len(), 1);
    assert_eq!(&*pods[0].meta().finalizers, [TRACKING.into()]);
    assert_eq!(world.status().at(&["active"]), Some(&Value::Int(1)));

    let body = value!({ "status": { "phase": "Succeeded" } });
    world.fake.merge(&PODS, "n", pods[0].name(), "status", body).await.unwrap();
    world.caught_up().await;
    world.settle().await;
    let status = world.status();
    assert_eq!((status.at(&["succeeded"]), status.at(&["active"])), (Some(&Value::Int(1)), Some(&Value::Int(0))));
    let kinds: Vec<&str> = status.list_at(&["conditions"]).iter().map(|c| c.str_at(&["type"])).collect();
    assert_eq!(kinds, ["SuccessCriteriaMet", "Complete"]);
    assert!(!status.str_at(&["completionTime"]).is_empty());
    assert!(world.pods().await[0].meta().finalizers.is_empty());
}

#[tokio::test]
async fn a_round_waits_until_its_own_writes_are_shown() {
    let world = World::new(json!({})).await;
    let key = Key::new("n", "j");
    world.me.reconcile(&key, Timestamp::now()).await.unwrap();
    let writes = world.fake.writes();
    // The caches have not moved: nothing is done twice, nothing is written onto an old revision.
    world.me.reconcile(&key, Timestamp::now()).await.unwrap();
    assert_eq!(world.fake.writes(), writes);
}

#[tokio::test]
async fn pods_of_a_job_that_is_gone_are_let_go() {
    let world = World::new(json!({})).await;
    world.settle().await;
    world.fake.delete(&JOBS, "n", "j", "").await.unwrap();
    world.caught_up().await;
    world.settle().await;
    assert!(world.pods().await[0].meta().finalizers.is_empty());
}

#[tokio::test]
async fn a_job_that_somebody_else_manages_is_left_alone() {
    let world = World::new(json!({"managedBy": "example.com/queue"})).await;
    world.settle().await;
    assert_eq!(world.fake.writes(), ["create jobs n/"]);
}
