use expect_test::expect;

use super::updates::check;

const BEGUN: &str = "startTime: '2026-01-01T00:00:00Z'";

/// A Job of this much spec and status.
fn job(spec: &str, status: &str) -> String {
    let template = "template: {spec: {restartPolicy: Never, containers: [{name: c, image: i}]}}";
    format!("{{metadata: {{name: j, uid: u}}, spec: {{{spec}, {template}}}, status: {{{BEGUN}, {status}}}}}")
}

/// Conditions that are true.
fn hold(kinds: &[&str]) -> String {
    let all: Vec<String> = kinds.iter().map(|kind| format!("{{type: {kind}, status: 'True'}}")).collect();
    format!("conditions: [{}]", all.join(", "))
}

fn over(base: &str, cases: &[&str], expected: expect_test::Expect) {
    let path: &[&str] = &["status"];
    let cases: Vec<(&[&str], &str)> = cases.iter().map(|case| (path, *case)).collect();
    check(("batch", "jobs"), base, "status", &cases, expected);
}

#[test]
fn what_is_said_of_a_job_fits_together() {
    let idle = "active: 0, ready: 0";
    let complete = hold(&["SuccessCriteriaMet", "Complete"]);
    over(
        &job("completions: 2", "active: 2, ready: 1, failed: 1, succeeded: 1"),
        &[
            "active: 1, ready: 1, succeeded: 2",
            "active: -1, ready: -1, terminating: -1",
            "ready: 3",
            "failed: 0, succeeded: 0",
            "startTime: '2026-01-01T00:00:01Z'",
            "completionTime: '2026-01-01T01:00:00Z'",
            &format!("{idle}, {}", hold(&["Complete"])),
            &format!("{idle}, completionTime: '2025-12-31T23:59:59Z', {complete}"),
            &format!("{idle}, completionTime: '2026-01-01T00:00:00Z', {complete}"),
            &format!("startTime: null, terminating: 1, {}", hold(&["Failed"])),
            &format!("{idle}, {}", hold(&["Failed", "FailureTarget"])),
            &format!(
                "{idle}, completionTime: '2026-01-01T01:00:00Z', {}",
                hold(&["Complete", "SuccessCriteriaMet", "FailureTarget", "Failed"])
            ),
            "uncountedTerminatedPods: {succeeded: [a, ''], failed: [a]}",
            &format!("{idle}, uncountedTerminatedPods: {{failed: [a]}}, {}", hold(&["Failed", "FailureTarget"])),
            "completedIndexes: '0'",
            "failedIndexes: ''",
        ],
        expect![[r#"
            active: 1, ready: 1, succeeded: 2
            active: -1, ready: -1, terminating: -1
                status.active: Invalid value: -1: must be greater than or equal to 0
                status.ready: Invalid value: -1: must be greater than or equal to 0
                status.terminating: Invalid value: -1: must be greater than or equal to 0
            ready: 3
                status.ready: Invalid value: 3: cannot set more ready pods than active
            failed: 0, succeeded: 0
                status.failed: Invalid value: 0: cannot decrease the failed counter
                status.succeeded: Invalid value: 0: cannot decrease the succeeded counter
            startTime: '2026-01-01T00:00:01Z'
                status.startTime: Invalid value: "2026-01-01T00:00:01Z": field is immutable for unsuspended job once set
            completionTime: '2026-01-01T01:00:00Z'
                status.completionTime: Invalid value: "2026-01-01T01:00:00Z": cannot set completionTime when there is no Complete=True condition
            active: 0, ready: 0, conditions: [{type: Complete, status: 'True'}]
                status.completionTime: Required value: completionTime is required for Complete jobs
                status.conditions: Invalid value: cannot set Complete=True condition without the SuccessCriteriaMet=true condition
            active: 0, ready: 0, completionTime: '2025-12-31T23:59:59Z', conditions: [{type: SuccessCriteriaMet, status: 'True'}, {type: Complete, status: 'True'}]
                status.completionTime: Invalid value: "2025-12-31T23:59:59Z": must be equal to or after `startTime`
            active: 0, ready: 0, completionTime: '2026-01-01T00:00:00Z', conditions: [{type: SuccessCriteriaMet, status: 'True'}, {type: Complete, status: 'True'}]
            startTime: null, terminating: 1, conditions: [{type: Failed, status: 'True'}]
                status.conditions: Invalid value: cannot set Failed=True condition without the FailureTarget=true condition
                status.active: Invalid value: 2: active>0 is invalid for finished job
                status.startTime: Required value: startTime is required for finished job
                status.terminating: Invalid value: 1: terminating>0 is invalid for finished job
                status.startTime: Invalid value: null: field is immutable for unsuspended job once set
            active: 0, ready: 0, conditions: [{type: Failed, status: 'True'}, {type: FailureTarget, status: 'True'}]
            active: 0, ready: 0, completionTime: '2026-01-01T01:00:00Z', conditions: [{type: Complete, status: 'True'}, {type: SuccessCriteriaMet, status: 'True'}, {type: FailureTarget, status: 'True'}, {type: Failed, status: 'True'}]
                status.conditions: Invalid value: cannot set Complete=True and Failed=true conditions
                status.conditions: Invalid value: cannot set Complete=True and FailureTarget=true conditions
                status.conditions: Invalid value: cannot set SuccessCriteriaMet=True and Failed=true conditions
                status.conditions: Invalid value: cannot set SuccessCriteriaMet=True and FailureTarget=true conditions
            uncountedTerminatedPods: {succeeded: [a, ''], failed: [a]}
                status.uncountedTerminatedPods.succeeded[1]: Invalid value: "": must not be empty
                status.uncountedTerminatedPods.failed[0]: Duplicate value: "a"
            active: 0, ready: 0, uncountedTerminatedPods: {failed: [a]}, conditions: [{type: Failed, status: 'True'}, {type: FailureTarget, status: 'True'}]
                status.uncountedTerminatedPods: Invalid value: {"failed":["a"]}: must be empty for finished job
            completedIndexes: '0'
                status.completedIndexes: Invalid value: "0": cannot set non-empty completedIndexes when non-indexed completion mode
            failedIndexes: ''
                status.failedIndexes: Invalid value: "": cannot set non-null failedIndexes when backoffLimitPerIndex is null
        "#]],
    );
}

#[test]
fn indexes_of_a_job() {
    let spec = "completionMode: Indexed, completions: 9, parallelism: 2, backoffLimitPerIndex: 1";
    over(
        &job(spec, "completedIndexes: '0', succeeded: 1, conditions: [{type: Suspended, status: 'True'}]"),
        &[
            "completedIndexes: '0-2,4', succeeded: 4",
            "completedIndexes: '2,1'",
            "completedIndexes: '2-2'",
            "completedIndexes: '0,9'",
            "completedIndexes: '1-2-3'",
            "completedIndexes: ',x'",
            "failedIndexes: '1-3,8'",
            "failedIndexes: '1,0-9'",
            "completedIndexes: '0,4-6', failedIndexes: '1-3,5'",
            "succeeded: 0",
            "startTime: '2026-01-01T00:00:01Z'",
            "conditions: [{type: Suspended, status: 'False'}], startTime: '2026-01-01T00:00:01Z'",
        ],
        expect![[r#"
            completedIndexes: '0-2,4', succeeded: 4
            completedIndexes: '2,1'
                status.completedIndexes: Invalid value: "2,1": error parsing completedIndexes: non-increasing order, previous: 2, current: 1
            completedIndexes: '2-2'
                status.completedIndexes: Invalid value: "2-2": error parsing completedIndexes: non-increasing order, previous: 2, current: 2
            completedIndexes: '0,9'
                status.completedIndexes: Invalid value: "0,9": error parsing completedIndexes: too large index: "9"
            completedIndexes: '1-2-3'
                status.completedIndexes: Invalid value: "1-2-3": error parsing completedIndexes: the fragment "1-2-3" violates the requirement that an index interval can have at most two parts separated by '-'
            completedIndexes: ',x'
                status.completedIndexes: Invalid value: ",x": error parsing completedIndexes: cannot convert string to integer for index: ""
            failedIndexes: '1-3,8'
            failedIndexes: '1,0-9'
                status.failedIndexes: Invalid value: "1,0-9": error parsing failedIndexes: too large index: "9"
            completedIndexes: '0,4-6', failedIndexes: '1-3,5'
                status.failedIndexes: Invalid value: "1-3,5": failedIndexes and completedIndexes overlap at index: 5
            succeeded: 0
                status.succeeded: Invalid value: 0: cannot decrease the succeeded counter
            startTime: '2026-01-01T00:00:01Z'
                status.startTime: Invalid value: "2026-01-01T00:00:01Z": field is immutable for unsuspended job once set
            conditions: [{type: Suspended, status: 'False'}], startTime: '2026-01-01T00:00:01Z'
        "#]],
    );
    let elastic = spec.replace("parallelism: 2", "parallelism: 9");
    over(
        &job(&elastic, "succeeded: 1"),
        &["succeeded: 0"],
        expect![[r#"
        succeeded: 0
    "#]],
    );
}

#[test]
fn the_end_of_a_job_stays() {
    let end = "completionTime: '2026-01-01T01:00:00Z'";
    let complete = hold(&["SuccessCriteriaMet", "Complete"]);
    over(
        &job("completions: 2", &format!("{end}, {complete}")),
        &[
            "conditions: []",
            "completionTime: '2026-01-01T01:00:01Z'",
            "completionTime: null",
            "startTime: null",
            "active: 1",
            "terminating: 1",
        ],
        expect![[r#"
            conditions: []
                status.completionTime: Invalid value: "2026-01-01T01:00:00Z": cannot set completionTime when there is no Complete=True condition
                status.conditions: Invalid value: cannot disable the terminal Complete=True condition
                status.conditions: Invalid value: cannot disable the SuccessCriteriaMet=True condition
            completionTime: '2026-01-01T01:00:01Z'
                status.completionTime: Invalid value: "2026-01-01T01:00:01Z": field is immutable
            completionTime: null
                status.completionTime: Required value: completionTime is required for Complete jobs
            startTime: null
                status.startTime: Required value: startTime is required for finished job
                status.startTime: Invalid value: null: field is immutable for unsuspended job once set
            active: 1
                status.active: Invalid value: 1: active>0 is invalid for finished job
            terminating: 1
                status.terminating: Invalid value: 1: terminating>0 is invalid for finished job
        "#]],
    );
    // What was wrong before does not stop other news.
    over(
        &job("completions: 2, successPolicy: {rules: [{succeededCount: 1}]}", &hold(&["Complete", "Failed"])),
        &["failed: 1", &hold(&["Complete", "Failed", "SuccessCriteriaMet"])],
        expect![[r#"
            failed: 1
                status.conditions: Invalid value: cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True
            conditions: [{type: Complete, status: 'True'}, {type: Failed, status: 'True'}, {type: SuccessCriteriaMet, status: 'True'}]
                status.conditions: Invalid value: cannot set SuccessCriteriaMet=True and Failed=true conditions
                status.conditions: Invalid value: cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions
        "#]],
    );
}

#[test]
fn budgets() {
    let condition = "type: DisruptionAllowed, status: 'True', reason: SufficientPods, message: ''";
    check(
        ("policy", "poddisruptionbudgets"),
        "{metadata: {name: b}, spec: {minAvailable: 1}, status: {disruptionsAllowed: 1}}",
        "status",
        &[
            (&["status"], "disruptionsAllowed: -1, currentHealthy: -1, desiredHealthy: -1, expectedPods: -1"),
            (&["status"], &format!("conditions: [{{{condition}, lastTransitionTime: '2026-01-01T00:00:00Z'}}]")),
            (&["status"], &format!("conditions: [{{{condition}}}, {{{condition}, reason: ''}}]")),
            (&["status"], "conditions: [{type: a/, status: Maybe, reason: 'a b', observedGeneration: -1}]"),
        ],
        expect![[r#"
            disruptionsAllowed: -1, currentHealthy: -1, desiredHealthy: -1, expectedPods: -1
                status.disruptionsAllowed: Invalid value: -1: must be greater than or equal to 0
                status.currentHealthy: Invalid value: -1: must be greater than or equal to 0
                status.desiredHealthy: Invalid value: -1: must be greater than or equal to 0
                status.expectedPods: Invalid value: -1: must be greater than or equal to 0
            conditions: [{type: DisruptionAllowed, status: 'True', reason: SufficientPods, message: '', lastTransitionTime: '2026-01-01T00:00:00Z'}]
            conditions: [{type: DisruptionAllowed, status: 'True', reason: SufficientPods, message: ''}, {type: DisruptionAllowed, status: 'True', reason: SufficientPods, message: '', reason: ''}]
                status.conditions[0].lastTransitionTime: Required value
                status.conditions[1].type: Duplicate value: "DisruptionAllowed"
                status.conditions[1].lastTransitionTime: Required value
                status.conditions[1].reason: Required value
            conditions: [{type: a/, status: Maybe, reason: 'a b', observedGeneration: -1}]
                status.conditions[0].type: Invalid value: "a/": name part must be non-empty
                status.conditions[0].type: Invalid value: "a/": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')
                status.conditions[0].status: Unsupported value: "Maybe": supported values: "False", "True", "Unknown"
                status.conditions[0].observedGeneration: Invalid value: -1: must be greater than or equal to zero
                status.conditions[0].lastTransitionTime: Required value
                status.conditions[0].reason: Invalid value: "a b": a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')
        "#]],
    );
}
