//! The facts of upstream's tests of stabilization and scaling policies.

use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

fn spec(min: i32, max: i32, behavior: serde_json::Value) -> Spec {
    serde_json::from_value(json!({"scaleTargetRef": {}, "minReplicas": min, "maxReplicas": max, "behavior": behavior}))
        .unwrap()
}

/// Rules as pairs of value and period: so many pods, such a percentage. Zero is none.
fn rules(pods: (i32, i32), percent: (i32, i32), window: i32) -> serde_json::Value {
    let policy =
        |kind: &str, (value, period): (i32, i32)| json!({"type": kind, "value": value, "periodSeconds": period});
    let all: Vec<_> = [("Pods", pods), ("Percent", percent)].into_iter().filter(|(_, p)| p.0 > 0).collect();
    let policies: Vec<_> = all.into_iter().map(|(kind, p)| policy(kind, p)).collect();
    json!({"stabilizationWindowSeconds": window, "selectPolicy": "Max", "policies": policies})
}

fn default_up() -> serde_json::Value {
    rules((4, 15), (100, 15), 0)
}

fn default_down() -> serde_json::Value {
    rules((0, 0), (100, 15), 0)
}

#[test]
fn without_rules() {
    for (current, desired, min, max, want, reason) in [
        (5, 7, 3, 8, 7, "DesiredWithinRange"),
        (3, 1, 2, 8, 2, "TooFewReplicas"),
        (1, 0, 0, 10, 0, "DesiredWithinRange"),
        (20, 1000, 1, 10, 10, "TooManyReplicas"),
        (3, 1000, 1, 2000, 6, "ScaleUpLimit"),
        (1, 1000, 1, 2000, 4, "ScaleUpLimit"),
    ] {
        let got = Memory::default().limit(&spec(min, max, json!(null)), current, desired, now());
        assert_eq!((got.replicas, got.reason), (want, reason), "{current} to {desired}");
        assert_eq!(got.limited, want != desired);
    }
}

#[test]
fn without_rules_it_shrinks_after_five_minutes() {
    let s = spec(1, 100, json!(null));
    let mut memory = Memory::default();
    memory.begin(10, ago(310));
    assert_eq!(memory.limit(&s, 10, 2, ago(60)).replicas, 10);
    assert_eq!(memory.limit(&s, 10, 4, ago(30)).stabilized.map(|s| s.0), Some("ScaleDownStabilized"));
    assert_eq!(memory.limit(&s, 10, 2, now()).replicas, 4);
    // A restart forgets, and begins with the size that is.
    let mut fresh = Memory::default();
    fresh.begin(10, now());
    assert_eq!(fresh.limit(&s, 10, 2, now()).replicas, 10);
}

/// Sizes before; grown and shrunk by these amounts within the last two minutes; what is asked for; what comes of it.
struct Rate {
    up: serde_json::Value,
    down: serde_json::Value,
    events: (&'static [i32], &'static [i32]),
    bounds: (i32, i32),
    current: i32,
    desired: i32,
    want: (i32, &'static str),
}

#[track_caller]
fn check_rate(r: Rate) {
    let s = spec(r.bounds.0, r.bounds.1, json!({"scaleUp": r.up, "scaleDown": r.down}));
    let spread = |changes: &[i32]| {
        let step = 120 / (changes.len() as i64 + 1);
        changes.iter().enumerate().map(|(n, c)| (ago(step * (n as i64 + 1)), *c)).collect()
    };
    let memory = Memory { recommended: Vec::new(), grown: spread(r.events.0), shrunk: spread(r.events.1) };
    let (replicas, (reason, _)) = memory.by_rate(&s, s.behavior.as_ref().unwrap(), r.current, r.desired, now());
    assert_eq!((replicas, reason), r.want, "{} to {}", r.current, r.desired);
}

#[test]
fn growing_by_policies() {
    let check = |up, events: &'static [i32], max, current, desired, want| {
        check_rate(Rate { up, down: default_down(), events: (events, &[]), bounds: (1, max), current, desired, want });
    };
    const LIMIT: &str = "ScaleUpLimit";
    const MANY: &str = "TooManyReplicas";
    const FINE: &str = "DesiredWithinRange";
    const FIFTEEN: &[i32] = &[1, 5, 9];
    let none = (0, 0);
    check(default_up(), &[], 8, 5, 7, (7, FINE));
    check(default_up(), &[], 150, 100, 1000, (150, MANY));
    check(default_up(), &[], 1000, 10, 50, (20, LIMIT));
    check(rules(none, (1, 60), 0), &[], 2000, 3, 1000, (4, LIMIT));
    check(rules((100, 60), (100, 60), 0), &[], 1000, 10, 500, (110, LIMIT));
    check(rules((2, 60), (100, 60), 0), &[], 1000, 10, 500, (20, LIMIT));
    check(rules((100, 60), none, 0), &[], 1000, 10, 50, (50, FINE));
    check(rules((30, 60), none, 0), &[], 1000, 10, 50, (40, LIMIT));
    check(rules(none, (200, 60), 0), &[], 1000, 10, 50, (30, LIMIT));
    // What it has grown by in the period counts.
    check(rules((300, 60), none, 0), FIFTEEN, 200, 100, 500, (200, MANY));
    check(rules((5, 120), none, 0), FIFTEEN, 1000, 100, 500, (100, LIMIT));
    check(rules((150, 120), none, 0), FIFTEEN, 1000, 100, 500, (235, LIMIT));
    check(rules(none, (200, 120), 0), FIFTEEN, 1000, 100, 500, (255, LIMIT));
    let up = rules(none, (300, 300), 0);
    check_rate(Rate {
        up,
        down: default_down(),
        events: (&[4], &[2]),
        bounds: (1, 1000),
        current: 6,
        desired: 24,
        want: (16, LIMIT),
    });
}

#[test]
fn shrinking_by_policies() {
    let check = |down, events: (&'static [i32], &'static [i32]), min, current, desired, want| {
        check_rate(Rate { up: default_up(), down, events, bounds: (min, 1000), current, desired, want });
    };
    const LIMIT: &str = "ScaleDownLimit";
    const FEW: &str = "TooFewReplicas";
    const FINE: &str = "DesiredWithinRange";
    let none = (0, 0);
    let quiet: (&[i32], &[i32]) = (&[], &[]);
    check(default_down(), quiet, 2, 3, 1, (2, FEW));
    check(rules((20, 60), none, 0), quiet, 3, 1000, 3, (980, LIMIT));
    check(rules((20, 60), (1, 60), 300), quiet, 1, 100, 2, (80, LIMIT));
    check(rules((2, 60), (1, 60), 300), quiet, 1, 100, 2, (98, LIMIT));
    check(rules((100, 60), none, 300), quiet, 1, 10, 0, (1, FEW));
    check(rules(none, (100, 60), 300), quiet, 5, 10, 2, (5, FEW));
    check(rules((5, 60), none, 300), quiet, 1, 10, 2, (5, LIMIT));
    check(rules(none, (50, 60), 300), quiet, 1, 10, 5, (5, FINE));
    check(rules((115, 120), none, 300), (&[], &[1, 5, 9]), 1, 100, 0, (1, FEW));
    check(rules((5, 120), none, 300), (&[], &[1, 5, 9]), 1, 100, 2, (100, LIMIT));
    check(rules(none, (50, 120), 300), (&[], &[2, 4, 6]), 1, 100, 0, (56, LIMIT));
    check(rules(none, (50, 180), 0), (&[2], &[4]), 1, 10, 1, (6, LIMIT));
    check(rules(none, (10, 120), 300), (&[], &[10, 10, 10]), 1, 100, 0, (100, LIMIT));
    check(rules(none, (1000, 120), 300), (&[], &[10, 10, 10]), 1, 10, 5, (5, FINE));
}

#[test]
fn policies_are_selected() {
    let both = |select: &str, up: bool| {
        let mut rules = rules((2, 60), (50, 60), 0);
        rules["selectPolicy"] = select.into();
        let key = if up { "scaleUp" } else { "scaleDown" };
        let mut behavior = json!({"scaleUp": default_up(), "scaleDown": default_down()});
        behavior[key] = rules;
        Memory::default().limit(&spec(1, 1000, behavior), 10, if up { 100 } else { 1 }, now()).replicas
    };
    assert_eq!(["Max", "Min", "Disabled"].map(|s| both(s, true)), [15, 12, 10]);
    assert_eq!(["Max", "Min", "Disabled"].map(|s| both(s, false)), [5, 8, 10]);
}

#[test]
fn stabilization() {
    // Recommendations by age in minutes, size now, size asked for, windows up and down in minutes, size that follows.
    type Row = (&'static [(i64, i32)], i32, i32, i32, i32, i32);
    let table: [Row; 11] = [
        (&[], 100, 5, 0, 0, 5),
        (&[(2, 4), (1, 5)], 100, 3, 0, 3, 5),
        (&[(2, 4), (1, 5)], 1, 7, 5, 0, 4),
        (&[(2, 1), (1, 2)], 100, 3, 5, 0, 3),
        (&[(2, 4), (1, 5)], 1, 3, 0, 5, 3),
        (&[(10, 10), (9, 9)], 100, 3, 0, 0, 3),
        (&[(10, 10), (9, 9)], 1, 100, 0, 0, 100),
        (&[(10, 10), (1, 4), (2, 5), (9, 9)], 100, 3, 0, 3, 5),
        (&[(100, 10), (1, 6), (2, 5), (3, 9)], 1, 100, 5, 0, 5),
        (&[(100, 2), (3, 3)], 2, 1, 5, 5, 2),
        (&[(100, 2), (3, 1)], 2, 3, 5, 5, 2),
    ];
    for (recommended, current, desired, up, down, want) in table {
        let free = |window: i32| rules((1000, 15), (1000, 15), window * 60);
        let s = spec(1, 1000, json!({"scaleUp": free(up), "scaleDown": free(down)}));
        let recommended = recommended.iter().map(|(minutes, n)| (ago(minutes * 60), *n)).collect();
        let mut memory = Memory { recommended, ..Memory::default() };
        let got = memory.limit(&s, current, desired, now());
        assert_eq!(got.replicas, want, "{current} to {desired}");
        let word = if desired >= current { "ScaleUpStabilized" } else { "ScaleDownStabilized" };
        assert_eq!(got.stabilized.map(|s| s.0), (want != desired).then_some(word));
        assert_eq!(memory.recommended.last(), Some(&(now(), desired)));
    }
}

#[test]
fn changes_are_remembered_as_long_as_a_policy_asks() {
    let s = spec(1, 100, json!({"scaleUp": rules((2, 60), (0, 0), 0), "scaleDown": default_down()}));
    let mut memory = Memory::default();
    memory.rescaled(&s, 1, 3, ago(70));
    memory.rescaled(&s, 3, 5, ago(30));
    assert_eq!(memory.limit(&s, 5, 50, now()).replicas, 5, "two in the last minute are enough");
    memory.rescaled(&s, 5, 4, now());
    assert_eq!((memory.grown.len(), memory.shrunk.len()), (1, 1), "what is older than any period is forgotten");
}
