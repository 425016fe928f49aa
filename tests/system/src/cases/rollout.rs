//! `kubectl rollout`.

use anyhow::{Context as _, Result, ensure};

use super::sleeper;
use crate::{
    poll::{secs, until},
    suite::{Case, Cx, Place::Both, case},
    text::{equals, has, is},
};

pub const CASES: &[Case] = &[
    case("rollout/status, history, undo", Both(undo)),
    case("rollout/restart", Both(restart)),
    case("rollout/pause and resume", Both(pause)),
    case("rollout/stuck", Both(stuck)),
];

fn undo(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&sleeper("web", 2, ""))?;
    k.ok("annotate deployment web kubernetes.io/change-cause=first")?;
    let status = k.within(secs(60), "rollout status deployment/web")?;
    has(&status, &["deployment \"web\" successfully rolled out"])?;
    k.ok("set env deployment/web STEP=two")?;
    k.ok("annotate deployment web kubernetes.io/change-cause=second")?;
    k.within(secs(60), "rollout status deployment/web")?;
    until(secs(10), "the causes of both revisions", || {
        let history = k.ok("rollout history deployment/web")?;
        has(&history, &["deployment.apps/web", "REVISION", "CHANGE-CAUSE", "1 ", "first", "2 ", "second"])
    })?;
    has(
        &k.ok("rollout history deployment/web --revision=2")?,
        &["revision #2", "STEP:", "two", "Image:", "knarr.local/busybox:1"],
    )?;
    is(&k.ok("rollout undo deployment/web")?, "deployment.apps/web rolled back")?;
    k.within(secs(60), "rollout status deployment/web")?;
    is(&k.path("get deployment web", "{.spec.template.spec.containers[0].env}")?, "")?;
    // Revision 1 has become 3; its ReplicaSet is the one of before.
    let history = k.ok("rollout history deployment/web")?;
    ensure!(!history.contains("\n1 ") && history.contains("\n3 "), "{history}");
    let sets = k.json("get rs -l app=web")?;
    ensure!(sets["items"].as_array().is_some_and(|s| s.len() == 2), "{sets:#}");
    k.ok("rollout undo deployment/web --to-revision=2")?;
    k.within(secs(60), "rollout status deployment/web")?;
    is(&k.path("get deployment web", "{.spec.template.spec.containers[0].env[0].value}")?, "two")?;
    has(&k.refused("rollout undo deployment/web --to-revision=99", None)?, &["unable to find"])?;
    let pods = k.json("get pods -l app=web")?;
    let running =
        pods["items"].as_array().context("pods")?.iter().filter(|p| p["metadata"]["deletionTimestamp"].is_null());
    ensure!(running.count() == 2, "{pods:#}");
    Ok(())
}

fn restart(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&sleeper("web", 2, ""))?;
    k.within(secs(60), "rollout status deployment/web")?;
    let before = k.ok("get pods -l app=web -o name")?;
    is(&k.ok("rollout restart deployment/web")?, "deployment.apps/web restarted")?;
    k.within(secs(60), "rollout status deployment/web")?;
    until(secs(30), "the old pods to go", || {
        let after = k.ok("get pods -l app=web -o name")?;
        ensure!(after.lines().count() == 2 && !after.lines().any(|p| before.contains(p)), "{before}{after}");
        Ok(())
    })?;
    has(&k.path("get deployment web", "{.spec.template.metadata.annotations}")?, &["kubectl.kubernetes.io/restartedAt"])
}

fn pause(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&sleeper("web", 1, ""))?;
    k.within(secs(60), "rollout status deployment/web")?;
    is(&k.ok("rollout pause deployment/web")?, "deployment.apps/web paused")?;
    k.ok("set env deployment/web STEP=two")?;
    until(secs(10), "the controller to see it", || {
        let object = k.json("get deployment web")?;
        equals(&object, "/status/observedGeneration", object["metadata"]["generation"].clone())?;
        has(&object["status"]["conditions"].to_string(), &["DeploymentPaused"])
    })?;
    ensure!(k.ok("get rs -l app=web -o name")?.lines().count() == 1, "a paused Deployment made a ReplicaSet");
    has(&k.refused("rollout restart deployment/web", None)?, &["can't restart paused deployment"])?;
    is(&k.ok("rollout resume deployment/web")?, "deployment.apps/web resumed")?;
    k.within(secs(60), "rollout status deployment/web")?;
    is(
        &k.path(
            "get pods -l app=web --field-selector=status.phase=Running",
            "{.items[*].spec.containers[0].env[0].value}",
        )
        .map(|v| v.split(' ').next().unwrap_or_default().to_owned())?,
        "two",
    )
}

/// A rollout that cannot go on says so after its deadline, and the old pods serve on.
fn stuck(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&sleeper("web", 2, ""))?;
    k.ok("patch deployment web -p '{\"spec\":{\"progressDeadlineSeconds\":3,\"strategy\":{\"rollingUpdate\":{\"maxUnavailable\":0}}}}'")?;
    k.within(secs(60), "rollout status deployment/web")?;
    k.ok("set image deployment/web main=127.0.0.1:1/nothing:1")?;
    let output = k.run("rollout status deployment/web", None, secs(40))?;
    ensure!(output.code == 1, "{output:?}");
    has(&output.err, &["deployment \"web\" exceeded its progress deadline"])?;
    let object = k.json("get deployment web")?;
    equals(&object, "/status/availableReplicas", 2)?;
    has(&object["status"]["conditions"].to_string(), &["ProgressDeadlineExceeded"])?;
    k.ok("rollout undo deployment/web")?;
    k.within(secs(60), "rollout status deployment/web").map(drop)
}
