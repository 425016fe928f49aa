use std::{cell::RefCell, collections::BTreeMap};

use knarr_api::Object;
use serde_json::json;

use super::*;

pub(crate) fn set(replicas: u32, spec: serde_json::Value) -> StatefulSet {
    let mut v = json!({"metadata": {"name": "web", "namespace": "n", "uid": "u", "generation": 1},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": "a"}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "template": {"metadata": {"labels": {"app": "a"}}}}});
    for (key, value) in spec.as_object().unwrap() {
        v["spec"][key] = value.clone();
    }
    StatefulSet::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap()
}

/// A member: `pending`, `unready`, `ready`, `terminating` (and ready), `failed`, `succeeded`.
pub(crate) fn member(ordinal: u32, revision: &str, state: &str) -> Arc<Member> {
    let name = format!("web-{ordinal}");
    let mut v = json!({"metadata": {"name": name, "namespace": "n", "uid": format!("uid-{ordinal}"), "labels":
            {"app": "a", "controller-revision-hash": revision, "statefulset.kubernetes.io/pod-name": name}},
        "status": {"phase": "Running", "conditions": [
            {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:01:00Z"}]}});
    match state {
        "terminating" => v["metadata"]["deletionTimestamp"] = "2026-01-01T00:30:00Z".into(),
        "ready" => {}
        other => {
            v["status"]["conditions"][0]["status"] = "False".into();
            v["status"]["phase"] = match other {
                "unready" => "Running".into(),
                "pending" => "Pending".into(),
                "failed" => "Failed".into(),
                "succeeded" => "Succeeded".into(),
                _ => panic!("no such state: {other}"),
            };
        }
    }
    Arc::new(Member::project(&Object::from_json(v.to_string().into()).unwrap()).unwrap())
}

fn members(states: &[&str], revision: &str) -> Vec<Arc<Member>> {
    (0u32..).zip(states).filter(|(_, s)| !s.is_empty()).map(|(n, s)| member(n, revision, s)).collect()
}

fn steps(set: &StatefulSet, members: &[Arc<Member>], current: &str, update: &str) -> Vec<Step> {
    let now = "2026-01-01T01:00:00Z".parse().unwrap();
    plan(&World { set, members, current, update, claims: &|_| None, now })
}

/// The steps in short: `+2@new`, `-3`.
fn short(steps: &[Step]) -> String {
    let word = |step: &Step| match step {
        Step::Create { ordinal, revision } => format!("+{ordinal}@{revision}"),
        Step::Delete { key, .. } => format!("-{}", key.name.rsplit('-').next().unwrap()),
        Step::Claim { claim, .. } => format!("claim {}", claim.name),
        Step::Identify { ordinal, .. } => format!("name {ordinal}"),
        Step::Own(owners) => format!("own {}", owners.claim.name),
    };
    steps.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(set: &StatefulSet, members: &[Arc<Member>], want: &str) {
    assert_eq!(short(&steps(set, members, "old", "old")), want);
}

#[test]
fn ordered_members_wait_for_those_before() {
    let s = set(3, json!({}));
    check(&s, &[], "+0@old");
    check(&s, &members(&["pending"], "old"), "");
    check(&s, &members(&["unready"], "old"), "");
    check(&s, &members(&["ready"], "old"), "+1@old");
    check(&s, &members(&["ready", "terminating"], "old"), "");
    check(&s, &members(&["ready", "", "ready"], "old"), "+1@old");
    check(&s, &members(&["ready", "ready", "ready"], "old"), "");
    // Available, not merely ready.
    let slow = set(3, json!({"minReadySeconds": 7200}));
    check(&slow, &members(&["ready"], "old"), "");
}

#[test]
fn parallel_members_do_not_wait() {
    let s = set(3, json!({"podManagementPolicy": "Parallel"}));
    check(&s, &[], "+0@old +1@old +2@old");
    check(&s, &members(&["unready", "", "terminating"], "old"), "+1@old");
    let less = set(1, json!({"podManagementPolicy": "Parallel"}));
    check(&less, &members(&["unready", "unready", "terminating", "ready"], "old"), "-3 -1");
}

#[test]
fn ended_members_are_made_again() {
    for state in ["failed", "succeeded"] {
        check(&set(2, json!({})), &members(&[state], "old"), "-0");
        check(&set(2, json!({"podManagementPolicy": "Parallel"})), &members(&[state], "old"), "-0 +1@old");
    }
}

#[test]
fn the_last_goes_first() {
    let s = set(1, json!({}));
    check(&s, &members(&["ready", "ready", "ready"], "old"), "-2");
    check(&s, &members(&["ready", "ready", "terminating"], "old"), "");
    check(&s, &members(&["ready", "ready"], "old"), "-1");
    // One that is not ready holds up those above, and only the lowest of them goes.
    check(&s, &members(&["ready", "unready", "ready"], "old"), "-2");
    check(&s, &members(&["ready", "unready", "unready"], "old"), "");
    check(&s, &members(&["ready", "ready", "unready"], "old"), "-2");
    check(&s, &members(&["unready", "ready", "ready"], "old"), "");
    check(&set(0, json!({})), &members(&["unready"], "old"), "-0");
}

#[test]
fn ordinals_start_where_they_are_told() {
    let s = set(2, json!({"ordinals": {"start": 3}}));
    check(&s, &[], "+3@old");
    check(&s, &[member(3, "old", "ready"), member(4, "old", "ready"), member(0, "old", "ready")], "-0");
}

#[test]
fn a_huge_size_is_approached_in_rounds() {
    let s = set(2_000_000_000, json!({"podManagementPolicy": "Parallel"}));
    assert_eq!(steps(&s, &[], "old", "old").len(), BURST);
}

fn rolling(strategy: serde_json::Value) -> StatefulSet {
    set(4, json!({"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": strategy}}))
}

#[track_caller]
fn check_update(set: &StatefulSet, members: &[Arc<Member>], want: &str) {
    assert_eq!(short(&steps(set, members, "old", "new")), want);
}

#[test]
fn updates_go_from_the_last_to_the_partition() {
    let s = rolling(json!({"partition": 2}));
    let old = |n| member(n, "old", "ready");
    let new = |n| member(n, "new", "ready");
    check_update(&s, &[old(0), old(1), old(2), old(3)], "-3");
    check_update(&s, &[old(0), old(1), old(2)], "+3@new");
    check_update(&s, &[old(0), old(1), old(2), member(3, "new", "unready")], "");
    check_update(&s, &[old(0), old(1), old(2), new(3)], "-2");
    check_update(&s, &[old(0), old(1), new(2), new(3)], "");
    check_update(&s, &[old(0), new(2), new(3)], "+1@old");
    let all = rolling(json!({}));
    check_update(&all, &[old(0), old(1), new(2), new(3)], "-1");
    let on_delete = set(2, json!({"updateStrategy": {"type": "OnDelete"}}));
    check_update(&on_delete, &[old(0), old(1)], "");
    check_update(&on_delete, &[old(0)], "+1@new");
}

#[test]
fn a_strategy_without_words_keeps_as_many_as_are_old() {
    let s = set(4, json!({"updateStrategy": {"type": "RollingUpdate"}}));
    let old = |n| member(n, "old", "ready");
    check_update(&s, &[old(0), old(1), old(2)], "+3@new");
    check_update(&s, &[old(0), old(2), member(3, "new", "ready")], "+1@old");
}

#[test]
fn several_may_be_away() {
    let s = rolling(json!({"maxUnavailable": 2}));
    let old = |n| member(n, "old", "ready");
    check_update(&s, &[old(0), old(1), old(2), old(3)], "-3 -2");
    let parallel = set(
        4,
        json!({"podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "50%"}}}),
    );
    check_update(&parallel, &[old(0), old(1), old(2), member(3, "new", "unready")], "-2");
    check_update(&parallel, &[old(0), old(1), member(2, "new", "unready"), member(3, "new", "unready")], "");
    // A percentage that comes to nothing is one.
    assert_eq!(rolling(json!({"maxUnavailable": "1%"})).unavailable(), Some(1));
}

#[test]
fn parallel_updates_still_go_one_by_one() {
    let s = set(3, json!({"podManagementPolicy": "Parallel"}));
    let old = |n| member(n, "old", "ready");
    check_update(&s, &[old(0), old(1), old(2)], "-2");
    check_update(&s, &[old(0), old(1), member(2, "old", "terminating")], "");
    check_update(&s, &[old(0), old(1)], "+2@new");
}

fn claim(name: &str, v: serde_json::Value) -> (Key, Arc<Claim>) {
    let mut tree = json!({"metadata": {"name": name, "namespace": "n", "uid": name}});
    for (key, value) in v.as_object().unwrap() {
        tree["metadata"][key] = value.clone();
    }
    (Key::new("n", name), Arc::new(Claim::project(&Object::from_json(tree.to_string().into()).unwrap()).unwrap()))
}

#[test]
fn claims_come_before_their_pod() {
    let spec = json!({"volumeClaimTemplates": [{"metadata": {"name": "data"}}, {"metadata": {"name": "logs"}}],
        "persistentVolumeClaimRetentionPolicy": {"whenScaled": "Delete", "whenDeleted": "Retain"}});
    let s = set(2, spec);
    let check = |members: &[Arc<Member>], claims: Vec<(Key, Arc<Claim>)>, want: &str| {
        let claims: RefCell<BTreeMap<Key, Arc<Claim>>> = RefCell::new(claims.into_iter().collect());
        let now = "2026-01-01T01:00:00Z".parse().unwrap();
        let claims = |key: &Key| claims.borrow().get(key).cloned();
        let got = plan(&World { set: &s, members, current: "r", update: "r", claims: &claims, now });
        assert_eq!(short(&got), want);
    };
    check(&[], vec![], "claim data-web-0 claim logs-web-0 +0@r");
    check(&[], vec![claim("data-web-0", json!({}))], "claim logs-web-0 +0@r");
    // A pod that waits may be waiting for a claim.
    check(&[member(0, "r", "pending")], vec![claim("data-web-0", json!({}))], "claim logs-web-0");
    // Neither a claim on its way out nor one of an earlier pod is used.
    check(&[], vec![claim("data-web-0", json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}))], "");
    let left = json!({"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "web-0", "uid": "earlier"}]});
    check(&[], vec![claim("data-web-0", left)], "");
    // What is scaled away takes its claims along.
    let all = [member(0, "r", "ready"), member(1, "r", "ready"), member(2, "r", "ready")];
    check(&all, vec![claim("data-web-2", json!({}))], "own data-web-2 -2");
}

/// Every way from one size and revision to another ends, in order and within bounds.
#[test]
fn simulated_to_the_end() {
    for parallel in [false, true] {
        for (from, to, updated) in [(0, 3, false), (5, 2, false), (3, 3, true), (2, 4, true), (4, 1, true)] {
            let policy = if parallel { "Parallel" } else { "OrderedReady" };
            let s = set(to, json!({"podManagementPolicy": policy}));
            let update = if updated { "new" } else { "old" };
            let mut have: BTreeMap<u32, String> = (0..from).map(|n| (n, "old".to_owned())).collect();
            let mut rounds = 0;
            loop {
                let members: Vec<_> = have.iter().map(|(n, r)| member(*n, r, "ready")).collect();
                let steps = steps(&s, &members, "old", update);
                if steps.is_empty() {
                    break;
                }
                rounds += 1;
                assert!(rounds < 30, "no end from {from} to {to}");
                assert!(parallel || steps.len() == 1, "ordered management takes one step at a time");
                for step in steps {
                    match step {
                        Step::Create { ordinal, revision } => drop(have.insert(ordinal, revision)),
                        Step::Delete { key, .. } => {
                            drop(have.remove(&key.name.rsplit('-').next().unwrap().parse().unwrap()));
                        }
                        _ => {}
                    }
                }
            }
            let want: BTreeMap<u32, String> = (0..to).map(|n| (n, update.to_owned())).collect();
            assert_eq!(have, want, "{policy} from {from} to {to}");
        }
    }
}
