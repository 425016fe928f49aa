//! Jobs, CronJobs, their clean-up, and disruption budgets.

use anyhow::{Result, ensure};
use serde_json::Value;

use super::sleeper;
use crate::{
    kubectl::Kubectl,
    poll::{secs, until},
    suite::{
        Case, Cx,
        Place::{Both, Shared},
        case,
    },
    text::{equals, has, is, text_at},
};

pub const CASES: &[Case] = &[
    case("job/runs to its end", Both(runs)),
    case("job/indexed", Both(indexed)),
    case("job/fails", Both(fails)),
    case("job/retries after a while", Shared(retries)),
    case("job/pod failure policy", Shared(policy)),
    case("job/deadline", Shared(deadline)),
    case("job/suspended and resumed", Both(suspended)),
    case("job/deleted", Shared(deleted)),
    case("job/goes after its time", Shared(ttl)),
    case("cronjob/fires", Both(cron)),
    case("cronjob/by hand", Both(by_hand)),
    case("budget/numbers", Shared(budget)),
    case("budget/refusals", Shared(refusals)),
];

/// A Job that runs a shell script; `spec` goes into its spec, as lines of YAML.
fn job(name: &str, script: &str, spec: &str) -> String {
    let spec: String = spec.lines().map(|line| format!("  {}\n", line.trim_start())).collect();
    format!(
        "
apiVersion: batch/v1
kind: Job
metadata: {{name: {name}}}
spec:
{spec}  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 1
      containers:
      - {{name: main, image: 'knarr.local/busybox:1', command: [sh, -c, '{script}']}}
"
    )
}

/// The conditions of a Job that hold: `Type/Reason`.
fn conditions(object: &Value) -> Vec<String> {
    let all = object["status"]["conditions"].as_array().into_iter().flatten();
    let word = |c: &Value, key: &str| c[key].as_str().unwrap_or_default().to_owned();
    all.filter(|c| c["status"] == "True").map(|c| format!("{}/{}", word(c, "type"), word(c, "reason"))).collect()
}

fn ends(k: &Kubectl, name: &str, kind: &str, reason: &str) -> Result<Value> {
    k.within(secs(60), &format!("wait job/{name} --for=condition={kind} --timeout=55s"))?;
    let object = k.json(&format!("get job {name}"))?;
    let found = conditions(&object);
    ensure!(found.contains(&format!("{kind}/{reason}")), "{found:?}");
    Ok(object)
}

fn runs(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&job("hello", "echo hello", "completions: 3\nparallelism: 2"))?;
    let object = ends(k, "hello", "Complete", "CompletionsReached")?;
    for (path, want) in [("succeeded", 3), ("ready", 0), ("terminating", 0)] {
        equals(&object, &format!("/status/{path}"), want)?;
    }
    ensure!(object["status"]["uncountedTerminatedPods"] == serde_json::json!({}), "{:#}", object["status"]);
    ensure!(object["status"]["startTime"].is_string() && object["status"]["completionTime"].is_string());
    let row = k.ok("get jobs")?;
    has(&row, &["NAME", "STATUS", "COMPLETIONS", "DURATION", "Complete", "3/3"])?;
    let told = k.ok("describe job hello")?;
    has(
        &told,
        &["Pods Statuses:    0 Active (0 Ready) / 3 Succeeded / 0 Failed", "SuccessfulCreate", "Created pod: hello-"],
    )?;
    until(secs(10), "the last event", || has(&k.ok("describe job hello")?, &["Completed", "Job completed"]))?;
    has(&k.ok("logs job/hello")?, &["hello"])?;
    // Counted pods are held no longer.
    let finalizers = k.path("get pods -l job-name=hello", "{.items[*].metadata.finalizers}")?;
    is(&finalizers, "")?;
    // What can be seen of a pod of a Job.
    let pods = k.json("get pods -l batch.kubernetes.io/job-name=hello")?;
    ensure!(pods["items"].as_array().is_some_and(|p| p.len() == 3), "{pods:#}");
    has(&k.ok("delete job hello")?, &["job.batch \"hello\" deleted"])?;
    until(secs(20), "its pods to go", || is(&k.ok("get pods -l job-name=hello -o name")?, ""))
}

fn indexed(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let script = "echo index=$JOB_COMPLETION_INDEX host=$(hostname)";
    k.apply(&job("many", script, "completions: 3\nparallelism: 3\ncompletionMode: Indexed"))?;
    let object = ends(k, "many", "Complete", "CompletionsReached")?;
    equals(&object, "/status/completedIndexes", "0-2")?;
    for index in 0..3 {
        let selector = format!("-l job-name=many,batch.kubernetes.io/job-completion-index={index}");
        is(&k.ok(&format!("logs {selector}"))?, &format!("index={index} host=many-{index}"))?;
        let pods = k.json(&format!("get pods {selector}"))?;
        let pod = &pods["items"][0];
        has(text_at(pod, "/metadata/name")?, &[&format!("many-{index}-")])?;
        equals(pod, "/metadata/annotations/batch.kubernetes.io~1job-completion-index", index.to_string().as_str())?;
    }
    has(&k.ok("describe job many")?, &["Completion Mode:    Indexed", "Completed Indexes:  0-2"])
}

fn fails(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&job("bad", "exit 3", "backoffLimit: 0"))?;
    let object = ends(k, "bad", "Failed", "BackoffLimitExceeded")?;
    equals(&object, "/status/failed", 1)?;
    let found = conditions(&object);
    ensure!(found[0] == "FailureTarget/BackoffLimitExceeded", "{found:?}");
    has(&k.ok("get job bad")?, &["Failed", "0/1"])?;
    until(secs(10), "the event", || {
        has(&k.ok("describe job bad")?, &["BackoffLimitExceeded", "Job has reached the specified backoff limit"])
    })
}

/// A second pod comes ten seconds after the first failed, not before.
fn retries(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&job("bad", "exit 1", "backoffLimit: 1"))?;
    let object = ends(k, "bad", "Failed", "BackoffLimitExceeded")?;
    equals(&object, "/status/failed", 2)?;
    let pods = k.json("get pods -l job-name=bad --sort-by=.metadata.creationTimestamp")?;
    let ended = text_at(&pods, "/items/0/status/containerStatuses/0/state/terminated/finishedAt")?;
    let made = text_at(&pods, "/items/1/metadata/creationTimestamp")?;
    let second = |t: &str| -> i64 {
        let clock: Vec<i64> = t.trim_end_matches('Z')[11..].split(':').map(|n| n.parse().unwrap_or(0)).collect();
        clock.iter().fold(0, |all, n| all * 60 + n)
    };
    let waited = (second(made) - second(ended)).rem_euclid(86_400);
    ensure!((10..20).contains(&waited), "{ended} to {made}");
    Ok(())
}

fn policy(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let rules = "backoffLimit: 6
podFailurePolicy: {rules: [{action: FailJob, onExitCodes: {containerName: main, operator: In, values: [42]}}]}";
    k.apply(&job("picky", "exit 42", rules))?;
    let object = ends(k, "picky", "Failed", "PodFailurePolicy")?;
    let conditions = object["status"]["conditions"].to_string();
    has(&conditions, &["Container main for pod", "failed with exit code 42 matching FailJob rule at index 0"])
}

fn deadline(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&job("slow", "sleep 1000", "activeDeadlineSeconds: 3"))?;
    let object = ends(k, "slow", "Failed", "DeadlineExceeded")?;
    equals(&object, "/status/failed", 1)?;
    ensure!(object["status"]["active"].is_null(), "{:#}", object["status"]);
    Ok(())
}

fn suspended(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&job("later", "sleep 1000", "suspend: true\nparallelism: 2\ncompletions: 2"))?;
    k.within(secs(20), "wait job/later --for=condition=Suspended --timeout=15s")?;
    is(&k.ok("get pods -o name")?, "")?;
    has(&k.ok("get job later")?, &["Suspended", "0/2"])?;
    is(&k.path("get job later", "{.status.startTime}")?, "")?;
    k.ok("patch job later -p '{\"spec\":{\"suspend\":false}}'")?;
    until(secs(30), "two ready pods", || is(&k.path("get job later", "{.status.active} {.status.ready}")?, "2 2"))?;
    ensure!(!k.path("get job later", "{.status.startTime}")?.is_empty());
    k.ok("patch job later -p '{\"spec\":{\"suspend\":true}}'")?;
    until(secs(30), "the pods to go", || is(&k.ok("get pods -o name")?, ""))?;
    until(secs(10), "the status to say so", || {
        is(&k.path("get job later", "{.status.active}{.status.startTime}{.status.failed}")?, "")
    })?;
    has(&k.ok("describe job later")?, &["Suspended", "Resumed", "SuccessfulDelete"])
}

/// A Job that runs can be deleted in each way, and nothing holds its pods.
fn deleted(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    for (how, stay) in [("background", false), ("foreground", false), ("orphan", true)] {
        k.apply(&job("gone", "sleep 1000", ""))?;
        until(secs(30), "its pod", || is(&k.path("get job gone", "{.status.ready}")?, "1"))?;
        k.within(secs(30), &format!("delete job gone --cascade={how}"))?;
        until(secs(20), "the pods to be let go", || {
            let pods = k.json("get pods")?;
            let items = pods["items"].as_array().cloned().unwrap_or_default();
            ensure!(items.is_empty() != stay, "{how}: {} pods", items.len());
            ensure!(items.iter().all(|p| p["metadata"]["finalizers"].is_null()), "{how}: {pods:#}");
            Ok(())
        })?;
    }
    k.within(secs(30), "delete pods --all").map(drop)
}

fn ttl(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&job("short", "true", "ttlSecondsAfterFinished: 2"))?;
    k.apply(&job("kept", "true", "ttlSecondsAfterFinished: 1000"))?;
    k.within(secs(40), "wait job/short --for=delete --timeout=35s")?;
    until(secs(20), "its pods to go", || is(&k.ok("get pods -l job-name=short -o name")?, ""))?;
    ends(k, "kept", "Complete", "CompletionsReached").map(drop)
}

fn cron_job(spec: &str) -> String {
    format!(
        "
apiVersion: batch/v1
kind: CronJob
metadata: {{name: tick}}
spec:
{}  jobTemplate:
    metadata: {{labels: {{from: tick}}}}
    spec:
      template:
        spec:
          restartPolicy: Never
          containers: [{{name: main, image: 'knarr.local/busybox:1', command: [echo, tock]}}]
",
        spec.lines().map(|line| format!("  {line}\n")).collect::<String>()
    )
}

/// At the next full minute.
fn cron(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let out = k.run("apply -f -", Some(&cron_job("schedule: 'CRON_TZ=Asia/Tokyo * * * * *'")), secs(20))?;
    has(&out.err, &["cannot use TZ or CRON_TZ in schedule, use timeZone field instead"])?;
    k.apply(&cron_job("schedule: '* * * * *'\ntimeZone: Asia/Tokyo\nsuccessfulJobsHistoryLimit: 1"))?;
    has(&k.ok("get cronjobs")?, &["NAME", "SCHEDULE", "TIMEZONE", "* * * * *", "Asia/Tokyo", "False"])?;
    until(secs(75), "a Job that completed", || {
        has(&k.path("get cronjob tick", "x{.status.lastSuccessfulTime}")?, &["T"])
    })?;
    let jobs = k.json("get jobs -l from=tick")?;
    let made = &jobs["items"][0];
    let due = k.path("get cronjob tick", "{.status.lastScheduleTime}")?;
    ensure!(due.ends_with(":00Z"), "{due}");
    let scheduled = text_at(made, "/metadata/annotations/batch.kubernetes.io~1cronjob-scheduled-timestamp")?;
    ensure!(scheduled.ends_with(":00+09:00"), "{scheduled}");
    let name = text_at(made, "/metadata/name")?;
    ensure!(name.strip_prefix("tick-").is_some_and(|n| n.parse::<u64>().is_ok()), "{name}");
    equals(made, "/metadata/ownerReferences/0/name", "tick")?;
    until(secs(10), "the events", || {
        let told = k.ok("describe cronjob tick")?;
        has(&told, &["SuccessfulCreate", &format!("Created job {name}"), "SawCompletedJob"])?;
        has(&told, &["condition: Complete", "Active Jobs:"])
    })?;
    k.ok("patch cronjob tick -p '{\"spec\":{\"suspend\":true}}'")?;
    has(&k.ok("get cronjob tick")?, &["True"])?;
    k.ok("delete cronjob tick")?;
    until(secs(20), "all of it to go", || is(&k.ok("get jobs,pods -o name")?, ""))
}

fn by_hand(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&cron_job("schedule: '0 0 1 1 *'\nsuspend: true"))?;
    is(&k.ok("create job now --from=cronjob/tick")?, "job.batch/now created")?;
    let object = ends(k, "now", "Complete", "CompletionsReached")?;
    equals(&object, "/metadata/annotations/cronjob.kubernetes.io~1instantiate", "manual")?;
    is(&k.ok("logs job/now")?, "tock")
}

fn budget(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&sleeper("web", 3, ""))?;
    k.ok("create poddisruptionbudget most --selector=app=web --max-unavailable=34%")?;
    k.within(secs(60), "rollout status deployment/web")?;
    let numbers =
        "{.status.expectedPods} {.status.currentHealthy} {.status.desiredHealthy} {.status.disruptionsAllowed}";
    until(secs(20), "the numbers", || is(&k.path("get pdb most", numbers)?, "3 3 1 2"))?;
    let object = k.json("get pdb most")?;
    equals(&object, "/status/conditions/0/reason", "SufficientPods")?;
    has(&k.ok("get pdb")?, &["34%", "N/A", "2"])?;
    let pods = k.ok("get pods -l app=web -o name")?;
    let pod = pods.lines().next().unwrap_or_default().trim_start_matches("pod/").to_owned();
    let raw = format!("create --raw /api/v1/namespaces/{}/pods/{pod}/eviction -f -", cx.ns);
    let eviction = |more: &str| {
        format!("{{\"apiVersion\":\"policy/v1\",\"kind\":\"Eviction\",\"metadata\":{{\"name\":\"{pod}\"}}{more}}}")
    };
    k.feed(&raw, &eviction(",\"deleteOptions\":{\"dryRun\":[\"All\"]}"))?;
    is(&k.path("get pdb most", numbers)?, "3 3 1 2")?;
    k.feed(&raw, &eviction(""))?;
    until(secs(20), "the pod to go", || has(&k.refused(&format!("get pod {pod}"), None)?, &["not found"]))?;
    until(secs(40), "a new one in its place", || is(&k.path("get pdb most", numbers)?, "3 3 1 2"))?;
    until(secs(20), "the budget to forget the pod", || {
        let left = k.path("get pdb most", "{.status.disruptedPods}")?;
        ensure!(["", "{}"].contains(&left.trim()), "{left}");
        Ok(())
    })
}

/// 429 with the reason, 500 for two budgets; an unready pod goes where the budget says so.
fn refusals(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let broken = ", readinessProbe: {exec: {command: ['false']}}";
    k.apply(&sleeper("web", 1, broken))?;
    k.ok("create poddisruptionbudget one --selector=app=web --min-available=1")?;
    until(secs(30), "the pod to run", || is(&k.path("get pods -l app=web", "{.items[*].status.phase}")?, "Running"))?;
    until(secs(20), "the budget", || is(&k.path("get pdb one", "{.status.expectedPods}")?, "1"))?;
    let pod = k.path("get pods -l app=web", "{.items[0].metadata.name}")?;
    let api = cx.node.api()?;
    let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", cx.ns);
    let body = serde_json::json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}});
    let evict = || api.request("POST", &path, "application/json", body.to_string().as_bytes());
    let refused = evict()?;
    ensure!(refused.status == 429, "{refused:?}");
    let status = refused.json()?;
    equals(&status, "/message", "Cannot evict pod as it would violate the pod's disruption budget.")?;
    equals(&status, "/reason", "TooManyRequests")?;
    equals(&status, "/details/causes/0/reason", "DisruptionBudget")?;
    equals(&status, "/details/causes/0/message", "The disruption budget one needs 1 healthy pods and has 0 currently")?;
    k.ok("create poddisruptionbudget two --selector=app=web --min-available=1")?;
    let refused = evict()?;
    ensure!(refused.status == 500, "{refused:?}");
    let why = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    equals(&refused.json()?, "/message", why)?;
    k.ok("delete pdb two")?;
    k.ok("patch pdb one --type merge -p '{\"spec\":{\"unhealthyPodEvictionPolicy\":\"AlwaysAllow\"}}'")?;
    let allowed = evict()?;
    ensure!(allowed.status == 201, "{allowed:?}");
    until(secs(20), "the pod to go", || has(&k.refused(&format!("get pod {pod}"), None)?, &["not found"]))
}
