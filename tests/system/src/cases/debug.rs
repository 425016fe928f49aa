//! `kubectl debug`: looking into a running pod, a copy of it, and a node.

use anyhow::{Context as _, Result, ensure};

use super::{await_pod, pod};
use crate::{
    poll::{secs, until},
    suite::{Case, Cx, Place::Both, case},
    text::{equals, has, is, text_at},
};

pub const CASES: &[Case] = &[
    case("debug/a container beside others", Both(ephemeral)),
    case("debug/a copy of a pod", Both(copy)),
    case("debug/a node", Both(node)),
    case("debug/-i without input, and with some", Both(piped)),
];

const IMAGE: &str = "--image knarr.local/busybox:1 --image-pull-policy IfNotPresent";

fn ephemeral(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&pod("web", "exec sleep 4242", ""))?;
    let before = await_pod(k, "web")?;
    // It sees the processes of the container it was pointed at.
    k.ok(&format!("debug web {IMAGE} -c looker --target main --profile general -- sh -c 'ps; sleep 1; echo seen'"))?;
    until(secs(30), "the looker to end", || {
        let pod = k.json("get pod web")?;
        let status = &pod["status"]["ephemeralContainerStatuses"][0];
        equals(status, "/name", "looker")?;
        equals(status, "/state/terminated/reason", "Completed")
    })?;
    has(&k.ok("logs web -c looker")?, &["sleep 4242", "seen"])?;
    has(&k.ok("describe pod web")?, &["Ephemeral Containers:", "looker"])?;
    // Attached to while it runs.
    let script = "sleep 4; echo from-$((40+2)); sleep 1";
    k.ok(&format!("debug web {IMAGE} -c talker --profile general -- sh -c '{script}'"))?;
    let said = until(secs(30), "to be attached", || k.ok("attach web -c talker"))?;
    has(&said, &["from-42"])?;
    let after = k.json("get pod web")?;
    let id = "/status/containerStatuses/0/containerID";
    ensure!(text_at(&before, id)? == text_at(&after, id)?, "the pod's own container was restarted");
    equals(&after, "/status/phase", "Running")?;
    let again = k.refused(&format!("debug web {IMAGE} -c looker --profile general -- true"), None)?;
    has(&again, &["looker"])
}

fn copy(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    k.apply(&pod("web", "exit 1", ""))?;
    k.ok("debug web --copy-to web-copy --container main --profile general -- sleep 1000")?;
    let copy = await_pod(k, "web-copy")?;
    equals(&copy, "/spec/containers/0/command/0", "sleep")?;
    k.ok(&format!("debug web --copy-to shared --share-processes {IMAGE} -c beside --set-image main=knarr.local/nginx:1 --profile general -- sleep 1000"))?;
    until(secs(30), "the second copy", || {
        let shared = k.json("get pod shared")?;
        equals(&shared, "/spec/shareProcessNamespace", true)?;
        equals(&shared, "/spec/containers/0/image", "knarr.local/nginx:1")?;
        let all = shared["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
        ensure!(all.iter().any(|c| c["name"] == "beside" && c["ready"] == true), "{all:?}");
        Ok(())
    })
}

fn node(cx: &Cx) -> Result<()> {
    let k = &cx.kubectl;
    let made = k.ok(&format!(
        "debug node/{} {IMAGE} --profile general -- sh -c 'ls /host/etc/hostname; cat /proc/1/comm; ip link | head -1'",
        cx.node.name
    ))?;
    has(&made, &["Creating debugging pod node-debugger-"])?;
    let name = k.ok("get pods -o name")?;
    let name = name.trim().trim_start_matches("pod/").to_owned();
    until(secs(30), "the debugging pod to end", || {
        is(&k.path(&format!("get pod {name}"), "{.status.phase}")?, "Succeeded")
    })?;
    let pod = k.json(&format!("get pod {name}"))?;
    equals(&pod, "/spec/hostPID", true)?;
    equals(&pod, "/spec/hostNetwork", true)?;
    equals(&pod, "/spec/hostIPC", true)?;
    let comm = std::fs::read_to_string("/proc/1/comm")?;
    has(&k.ok(&format!("logs {name}"))?, &["/host/etc/hostname", comm.trim()])?;
    k.ok(&format!("delete pod {name}")).map(drop)
}

/// A script's input ends before the command has begun to speak: it sees all of it. What was typed is answered.
fn piped(cx: &Cx) -> Result<()> {
    cx.kubectl.apply(&pod("web", "exec sleep 4242", ""))?;
    await_pod(&cx.kubectl, "web")?;
    for (transport, k) in cx.kubectl.each_transport() {
        let (silent, typing) =
            (format!("silent-{}", transport.to_lowercase()), format!("typing-{}", transport.to_lowercase()));
        let line = format!("debug web -i {IMAGE} --profile general");
        let script = "for i in 1 2 3 4; do sleep 1; echo said-$i; done";
        let said = k.feed(&format!("{line} -c {silent} -- sh -c '{script}'"), "").context(transport)?;
        has(&said, &["said-1", "said-2", "said-3", "said-4"]).context(transport)?;
        // Its shell would wait for ever: kubectl comes back when it has answered.
        let said = k.feed(&format!("{line} -c {typing} -- sh"), "echo got-$((40+2))\n").context(transport)?;
        has(&said, &["got-42"]).context(transport)?;
        let said = k.feed(
            &format!(
                "run lone-{} -i --rm --restart=Never --image=knarr.local/busybox:1 --command -- sh -c '{script}'",
                transport.to_lowercase()
            ),
            "",
        );
        has(&said.context(transport)?, &["said-3", "said-4"]).context(transport)?;
    }
    Ok(())
}
