//! `kubectl cp`: files and trees both ways, over both transports.

use std::{fs, path::Path, process::Command};

use anyhow::{Context as _, Result, ensure};

use super::{await_pod, pod};
use crate::{
    command,
    kubectl::Kubectl,
    poll::secs,
    suite::{Case, Cx, Place::Both, case},
    text::{has, is},
};

pub const CASES: &[Case] = &[
    case("cp/100 MB both ways", Both(large)),
    case("cp/trees", Both(trees)),
    case("cp/what is not there", Both(missing)),
];

const LARGE: usize = 100_000_000;

fn sum(path: &Path) -> Result<String> {
    let out = command::ok(Command::new("sha256sum").arg(path), secs(30))?;
    Ok(out.split(' ').next().unwrap_or_default().to_owned())
}

fn large(cx: &Cx) -> Result<()> {
    let dir = cx.env.work.join(&cx.ns);
    fs::create_dir_all(&dir)?;
    let (there, back) = (dir.join("there"), dir.join("back"));
    // Bytes that no layer can compress or mistake for another place in the file.
    let mut state = 1u64;
    let words = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()
    });
    fs::write(&there, words.take(LARGE / 8).flatten().collect::<Vec<u8>>()).context("write the file")?;
    let expected = sum(&there)?;
    cx.kubectl.apply(&pod("web", "sleep 1000", "volumes: [{name: v, emptyDir: {}}]"))?;
    await_pod(&cx.kubectl, "web")?;
    for (transport, k) in cx.kubectl.each_transport() {
        k.within(secs(120), &format!("cp {} web:/tmp/large", there.display())).context(transport)?;
        let inside = k.ok("exec web -- sha256sum /tmp/large")?;
        ensure!(inside.starts_with(&expected), "over {transport} {inside} arrived, not {expected}");
        k.within(secs(120), &format!("cp web:/tmp/large {}", back.display())).context(transport)?;
        ensure!(sum(&back)? == expected, "over {transport} {} bytes came back changed", fs::metadata(&back)?.len());
        fs::remove_file(&back)?;
        k.ok("exec web -- rm /tmp/large")?;
    }
    fs::remove_file(&there).context("take the file away")
}

fn trees(cx: &Cx) -> Result<()> {
    let dir = cx.env.work.join(&cx.ns).join("tree");
    fs::create_dir_all(dir.join("a/b"))?;
    fs::create_dir_all(dir.join("empty"))?;
    fs::write(dir.join("a/one"), "1")?;
    fs::write(dir.join("a/b/with a space"), "2")?;
    fs::write(dir.join("a/b/run"), "#!/bin/sh\necho it runs\n")?;
    command::ok(Command::new("chmod").arg("755").arg(dir.join("a/b/run")), secs(5))?;
    let side = "  - {name: side, image: 'knarr.local/busybox:1', command: [sleep, '1000']}\n";
    cx.kubectl.apply(&format!("{}{side}", pod("web", "sleep 1000", "")))?;
    await_pod(&cx.kubectl, "web")?;
    for (transport, k) in cx.kubectl.each_transport() {
        k.ok(&format!("cp {} web:/tmp/{transport} -c side", dir.display())).context(transport)?;
        let listed = k.ok(&format!("exec web -c side -- sh -c 'cd /tmp/{transport} && find . | sort'"))?;
        is(&listed, ".\n./a\n./a/b\n./a/b/run\n./a/b/with a space\n./a/one\n./empty").context(transport)?;
        is(&k.ok(&format!("exec web -c side -- /tmp/{transport}/a/b/run"))?, "it runs").context(transport)?;
        has(&k.refused(&format!("exec web -c main -- ls /tmp/{transport}"), None)?, &["No such file"])?;
        let back = cx.env.work.join(&cx.ns).join(transport);
        k.ok(&format!("cp {}/web:/tmp/{transport} {} -c side", cx.ns, back.display())).context(transport)?;
        command::ok(Command::new("diff").arg("-r").arg(&dir).arg(&back), secs(5)).context(transport)?;
    }
    Ok(())
}

fn missing(cx: &Cx) -> Result<()> {
    let k: &Kubectl = &cx.kubectl;
    k.apply(&pod("web", "sleep 1000", ""))?;
    await_pod(k, "web")?;
    let nowhere = cx.env.work.join(&cx.ns).join("nowhere");
    let output = k.run(&format!("cp web:/no/such/file {}", nowhere.display()), None, secs(30))?;
    // The archive ends before the program that makes it does: kubectl may end without having heard of its failure.
    ensure!(output.out.is_empty() || output.out.contains("No such file or directory"), "{output:?}");
    ensure!(!nowhere.exists(), "something was copied");
    has(&k.refused("cp /etc/hostname none:/tmp/x", None)?, &["pods \"none\" not found"])?;
    has(&k.refused("cp /no/such/file web:/tmp/x", None)?, &["/no/such/file"])
}
