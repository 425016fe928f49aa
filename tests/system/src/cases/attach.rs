//! `kubectl attach` and `kubectl run`: what a container already says, and what is typed into it. Over both transports.

use anyhow::{Context as _, Result, ensure};

use super::{await_phase, await_pod, pod};
use crate::{
    poll::{secs, until},
    pty,
    suite::{Case, Cx, Place::Both, case},
    text::{equals, has, is},
};

pub const CASES: &[Case] = &[
    case("attach/output", Both(output)),
    case("attach/input", Both(input)),
    case("attach/terminal", Both(terminal)),
    case("run/pods", Both(run)),
    case("run/-i --rm", Both(once)),
    case("run/-it --rm", Both(shell)),
];

/// Output of both kinds, from now on, to the end of the container and its exit code.
fn output(cx: &Cx) -> Result<()> {
    for (transport, k) in cx.kubectl.each_transport() {
        let name = format!("web-{}", transport.to_lowercase());
        let script =
            "echo early; while [ ! -e /tmp/go ]; do echo tick; sleep 0.1; done; echo oops >&2; echo last; exit 3";
        k.apply(&pod(&name, script, "restartPolicy: Never"))?;
        await_pod(&k, &name)?;
        let attached = k.follow(&format!("attach {name}"))?;
        attached.shows("tick", secs(20))?;
        k.ok(&format!("exec {name} -- touch /tmp/go"))?;
        let (code, text) = attached.end(secs(20)).context(transport)?;
        has(&text, &["oops", "last"]).context(transport)?;
        ensure!(!text.contains("early"), "attach over {transport} shows what was before it:\n{text}");
        ensure!(code == 0, "attach over {transport} ended with {code}: {text}");
        await_phase(&k, &name, "Failed")?;
        let late = k.refused(&format!("attach {name}"), None)?;
        has(&late, &["cannot attach a container in a completed pod; current phase is Failed"])?;
    }
    Ok(())
}

fn input(cx: &Cx) -> Result<()> {
    for (transport, k) in cx.kubectl.each_transport() {
        let name = format!("web-{}", transport.to_lowercase());
        let manifest =
            pod(&name, "while read -r line; do echo heard $line; done; echo end of input", "restartPolicy: Never");
        k.apply(&format!("{manifest}    stdin: true\n    stdinOnce: true\n"))?;
        await_pod(&k, &name)?;
        let said = k.feed(&format!("attach -i {name}"), "one\ntwo\n").context(transport)?;
        has(&said, &["heard one\nheard two\nend of input"]).context(transport)?;
        await_phase(&k, &name, "Succeeded")?;
        has(&k.ok(&format!("logs {name}"))?, &["heard two"])?;
    }
    Ok(())
}

fn terminal(cx: &Cx) -> Result<()> {
    for (transport, k) in cx.kubectl.each_transport() {
        let name = format!("web-{}", transport.to_lowercase());
        let manifest = pod(&name, "exec sh", "restartPolicy: Never");
        k.apply(&format!("{manifest}    stdin: true\n    tty: true\n"))?;
        await_pod(&k, &name)?;
        // A shell that waits says nothing: the first line typed brings its prompt.
        let dialogue = [("enter", "\n"), ("# ", "stty size; echo in a te''rminal\n"), ("in a terminal", "exit 0\n")];
        let (code, screen) = pty::talk(&mut k.command(&format!("attach -it {name}")), (31, 97), &dialogue, secs(20))
            .context(transport)?;
        ensure!(code == 0, "{transport}: exit code {code}: {screen}");
        has(&screen, &["31 97", "in a terminal"]).context(transport)?;
        await_phase(&k, &name, "Succeeded")?;
    }
    Ok(())
}

fn run(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let line = "run web --image=knarr.local/busybox:1 --restart=Never --labels=tier=front --env=WORD=here --port=80";
    is(&k.ok(&format!("{line} --annotations=k=v --command -- sh -c 'echo $WORD'"))?, "pod/web created")?;
    let done = await_phase(k, "web", "Succeeded")?;
    is(&k.ok("logs web")?, "here")?;
    equals(&done, "/spec/restartPolicy", "Never")?;
    equals(&done, "/metadata/labels", serde_json::json!({"tier": "front"}))?;
    equals(&done, "/metadata/annotations/k", "v")?;
    equals(&done, "/spec/containers/0/ports/0/containerPort", 80)?;
    let dry = k.ok("run other --image=x:1 --dry-run=server -o yaml")?;
    has(&dry, &["run: other", "terminationGracePeriodSeconds: 30", "restartPolicy: Always"])?;
    let both = k.ok("run open --image=knarr.local/busybox:1 --port=80 --expose --command -- sleep 1000")?;
    has(&both, &["service/open created", "pod/open created"])?;
    equals(&k.json("get service open")?, "/spec/selector", serde_json::json!({"run": "open"}))?;
    has(&k.refused("run web --image=x:1", None)?, &["pods \"web\" already exists"])
}

/// Without a terminal: input, output, the command's exit code, and no pod is left.
fn once(cx: &Cx) -> Result<()> {
    for (transport, k) in cx.kubectl.each_transport() {
        let line = "run web -i --rm --restart=Never --image=knarr.local/busybox:1 --command --";
        let done =
            k.run(&format!("{line} sh -c 'read -r word; echo got $word; sleep 0.2; exit 5'"), Some("it\n"), secs(60))?;
        has(&done.out, &["got it", "pod \"web\" deleted"]).with_context(|| format!("{transport}: {done:?}"))?;
        ensure!(done.code == 5, "{transport}: exit code {}: {done:?}", done.code);
        has(&k.refused("get pod web", None)?, &["not found"])?;
    }
    Ok(())
}

fn shell(cx: &Cx) -> Result<()> {
    for (transport, k) in cx.kubectl.each_transport() {
        let mut command = k.command("run web -it --rm --restart=Never --image=knarr.local/busybox:1 --command -- sh");
        let dialogue = [("enter", "\n"), ("# ", "echo it''works; tty\n"), ("/dev/", "exit 0\n"), ("deleted", "")];
        let (code, screen) = pty::talk(&mut command, (24, 80), &dialogue, secs(40)).context(transport)?;
        ensure!(code == 0, "{transport}: exit code {code}: {screen}");
        has(&screen, &["itworks", "pod \"web\" deleted"]).context(transport)?;
        until(secs(10), "the pod to be gone", || has(&k.refused("get pod web", None)?, &["not found"]))?;
    }
    Ok(())
}
