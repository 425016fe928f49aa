//! `kubectl logs`, and `exec` with and without a terminal over both transports.

use anyhow::{Context as _, Result, ensure};

use super::{await_phase, await_pod, pod, sleeper};
use crate::{
    kubectl::Kubectl,
    poll::{secs, until},
    pty,
    suite::{Case, Cx, Place::Both, case},
    text::{has, is},
};

pub const CASES: &[Case] = &[
    case("logs/forms", Both(logs)),
    case("logs/follow", Both(follow)),
    case("logs/previous", Both(previous)),
    case("logs/several containers", Both(several)),
    case("exec/streams and exit codes", Both(exec)),
    case("exec/much data", Both(much)),
    case("exec/terminal", Both(terminal)),
];

fn logs(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&pod("web", "for i in 1 2 3 4 5; do echo line $i; done; echo oops >&2; sleep 1000", ""))?;
    await_pod(k, "web")?;
    let all = "line 1\nline 2\nline 3\nline 4\nline 5\noops";
    until(secs(10), "all of the log", || {
        // Two streams have no order between them.
        let log = k.ok("logs web")?;
        has(&log, &all.split('\n').collect::<Vec<_>>())
    })?;
    ensure!(k.ok("logs web --tail=2")?.lines().count() == 2, "{}", k.ok("logs web --tail=2")?);
    is(&k.ok("logs web --tail=0")?, "")?;
    ensure!(k.ok("logs web --limit-bytes=6")?.len() == 6, "{}", k.ok("logs web --limit-bytes=6")?);
    let stamped = k.ok("logs web --timestamps --tail=1")?;
    ensure!(stamped.starts_with("20") && stamped.contains("Z "), "{stamped}");
    has(&k.ok("logs web --since=1h")?, &["line 1", "line 5"])?;
    is(&k.ok("logs web --since-time=2999-01-01T00:00:00Z")?, "")?;
    has(&k.ok("logs web -c main --prefix")?, &["[pod/web/main] line 1"])?;
    has(&k.ok("logs -l app=web")?, &["line 5"])?;
    k.apply(&pod("short", "printf 'no newline'", "restartPolicy: Never"))?;
    await_phase(k, "short", "Succeeded")?;
    is(&k.ok("logs short")?, "no newline")?;
    has(&k.refused("logs web -c none", None)?, &["container none is not valid for pod web"])?;
    has(&k.refused("logs none", None)?, &["pods \"none\" not found"])
}

fn follow(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    // It goes on when it is told to, and ends when it is told to.
    k.apply(&pod(
        "web",
        "echo begin; for f in a b end; do while [ ! -e /tmp/$f ]; do sleep 0.1; done; echo saw $f; done",
        "restartPolicy: Never",
    ))?;
    await_pod(k, "web")?;
    let log = k.follow("logs -f web")?;
    log.shows("begin", secs(10))?;
    let late = k.follow("logs -f web --tail=0")?;
    for name in ["a", "b", "end"] {
        k.ok(&format!("exec web -- touch /tmp/{name}"))?;
        log.shows(&format!("saw {name}"), secs(10))?;
    }
    let (code, text) = log.end(secs(10)).context("the log ends with its container")?;
    ensure!(code == 0, "logs -f ended with {code}");
    is(&text, "begin\nsaw a\nsaw b\nsaw end")?;
    let (_, text) = late.end(secs(10))?;
    ensure!(!text.contains("begin") && text.contains("saw end"), "{text}");
    await_phase(k, "web", "Succeeded")?;
    is(&k.ok("logs web --tail=1")?, "saw end")
}

fn previous(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(
        &pod(
            "web",
            "if [ -e /keep/ran ]; then echo second; sleep 1000; fi; touch /keep/ran; echo first; exit 3",
            "volumes: [{name: keep, emptyDir: {}}]",
        )
        .replace("    command:", "    volumeMounts: [{name: keep, mountPath: /keep}]\n    command:"),
    )?;
    until(secs(30), "the restart", || {
        let pod = k.json("get pod web")?;
        ensure!(pod["status"]["containerStatuses"][0]["restartCount"] == 1, "{:#}", pod["status"]);
        super::super::node::pod_ready(&pod)
    })?;
    is(&k.ok("logs web")?, "second")?;
    is(&k.ok("logs web --previous")?, "first")?;
    k.apply(&pod("fresh", "sleep 1000", ""))?;
    await_pod(k, "fresh")?;
    has(&k.refused("logs fresh -p", None)?, &["previous terminated container \"main\" in pod \"fresh\" not found"])
}

fn several(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let manifest = pod(
        "web",
        "echo from main; sleep 1000",
        "initContainers: [{name: first, image: 'knarr.local/busybox:1', command: [echo, from init]}]",
    );
    k.apply(&format!("{manifest}  - {{name: side, image: 'knarr.local/busybox:1', command: [sh, -c, 'echo from side; sleep 1000']}}\n"))?;
    await_pod(k, "web")?;
    until(secs(10), "all logs", || {
        let all = k.ok("logs web --all-containers --prefix")?;
        has(&all, &["[pod/web/first] from init", "[pod/web/main] from main", "[pod/web/side] from side"])
    })?;
    is(&k.ok("logs web -c side")?, "from side")?;
    is(&k.ok("logs web -c first")?, "from init")?;
    let default = k.run("logs web", None, secs(20))?;
    is(&default.out, "from main")?;
    has(&default.err, &["Defaulted container \"main\" out of: main, side, first (init)"])
}

fn exec(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&sleeper("web", 1, ", env: [{name: WORD, value: here}], workingDir: /tmp"))?;
    k.within(secs(60), "rollout status deployment/web")?;
    let name = k.ok("get pods -l app=web -o name")?.trim().to_owned();
    for (transport, k) in k.each_transport() {
        exec_over(&k, &name).with_context(|| format!("over {transport}"))?;
    }
    Ok(())
}

fn exec_over(k: &Kubectl, name: &str) -> Result<()> {
    is(
        &k.ok(&format!("exec {name} -- sh -c 'echo $WORD; pwd; hostname'"))?,
        &format!("here\n/tmp\n{}", name.trim_start_matches("pod/")),
    )?;
    is(&k.ok("exec deploy/web -- echo found")?, "found")?;
    let both = k.run(&format!("exec {name} -c main -- sh -c 'echo out; echo err >&2; exit 42'"), None, secs(20))?;
    ensure!(both.code == 42, "exit code {}", both.code);
    is(&both.out, "out")?;
    has(&both.err, &["err\n", "command terminated with exit code 42"])?;
    is(&k.feed(&format!("exec -i {name} -- sh -c 'cat; echo end'"), "typed in\n")?, "typed in\nend")?;
    let missing = k.run(&format!("exec {name} -- /no/such/program"), None, secs(20))?;
    ensure!(missing.code != 0, "{missing:?}");
    has(&missing.err, &["no such file or directory"])?;
    has(&k.refused(&format!("exec {name} -c none -- true"), None)?, &["container none is not valid for pod"])?;
    has(&k.refused("exec none -- true", None)?, &["pods \"none\" not found"])
}

/// Megabytes in both directions come through whole and in order.
fn much(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&pod("web", "sleep 1000", ""))?;
    await_pod(k, "web")?;
    let line = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopq\n";
    let data = line.repeat(4 << 20 >> 6);
    let local = crate::command::run(&mut std::process::Command::new("md5sum"), Some(&data), secs(20))?;
    for (transport, k) in k.each_transport() {
        let back = k.run("exec -i web -- cat", Some(&data), secs(60))?;
        ensure!(back.out == data, "{} of {} bytes came back over {transport}", back.out.len(), data.len());
        let sum = k.run("exec -i web -- md5sum", Some(&data), secs(60))?;
        is(&sum.out, &local.out).context(transport)?;
    }
    Ok(())
}

fn terminal(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&pod("web", "sleep 1000", ""))?;
    await_pod(k, "web")?;
    let dialogue = [
        ("# ", "stty size\n"),
        ("33 99", "tty; test -t 0 && echo is'-'terminal\n"),
        // Only the program itself says for certain that the terminal is its own: a ^C that comes while the shell is still
        // at it ends nothing.
        ("is-terminal", "sh -c \"echo go'-'ing; exec sleep 100\"\n"),
        ("go-ing", "\u{3}"),
        ("^C", "echo still'-'here\n"),
        ("still-here", "exit 7\n"),
    ];
    for (transport, k) in k.each_transport() {
        let mut command = k.command("exec -it web -- sh");
        let (code, screen) = pty::talk(&mut command, (33, 99), &dialogue, secs(20)).context(transport)?;
        ensure!(code == 7, "exit code {code} over {transport}: {screen}");
        has(&screen, &["/dev/pts/", "command terminated with exit code 7"]).context(transport)?;
    }
    Ok(())
}
