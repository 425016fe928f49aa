//! Images from real registries: plain ones, ones that want a login, mirrors, and ones that are away.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Stdio},
};

use anyhow::{Context as _, Result, ensure};

use super::{await_pod, pod};
use crate::{
    command,
    kubectl::Kubectl,
    node::Node,
    poll::{secs, until},
    suite::{Case, Env, Place::Host, case},
    text::{equals, has, text_at},
};

pub const CASES: &[Case] = &[case("registry/pulls", Host(pulls))];

/// `user` with the password `s3cret`.
const PASSWORDS: &str = "user:$2b$04$bX/WKKPAhz.6qER/.r1ANehNdTD9iP6bSYG8v0qnG0nG851yZSEtO\n";

/// A registry on the node's host.
pub(super) struct Registry<'a> {
    node: &'a Node<'a>,
    dir: PathBuf,
    port: u16,
    login: bool,
    /// Whether it speaks TLS.
    tls: bool,
    process: Option<Child>,
}

impl<'a> Registry<'a> {
    pub(super) fn start(env: &Env, node: &'a Node<'a>, port: u16, login: bool) -> Result<Self> {
        Self::with(env, node, port, login, None)
    }

    /// With a certificate and its key it speaks TLS.
    pub(super) fn with(
        env: &Env,
        node: &'a Node<'a>,
        port: u16,
        login: bool,
        tls: Option<(&Path, &Path)>,
    ) -> Result<Self> {
        let dir = env.work.join(format!("registry-{port}"));
        fs::create_dir_all(dir.join("data"))?;
        let mut config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp:\n  addr: ':{port}'\n",
            dir.join("data").display()
        );
        if let Some((cert, key)) = tls {
            config += &format!("  tls: {{certificate: {}, key: {}}}\n", cert.display(), key.display());
        }
        if login {
            fs::write(dir.join("passwords"), PASSWORDS)?;
            config += &format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", dir.join("passwords").display());
        }
        fs::write(dir.join("config.yml"), config)?;
        let mut registry = Self { node, dir, port, login, tls: tls.is_some(), process: None };
        registry.run()?;
        Ok(registry)
    }

    fn run(&mut self) -> Result<()> {
        let log = fs::File::options().create(true).append(true).open(self.dir.join("log"))?;
        let mut command = self.node.netns.command("docker-registry");
        command.arg("serve").arg(self.dir.join("config.yml"));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        self.process = Some(command.spawn().context("start docker-registry (Debian's package of that name)")?);
        until(secs(20), "the registry to answer", || {
            let url = format!("{}://127.0.0.1:{}/v2/", if self.tls { "https" } else { "http" }, self.port);
            let code = self.node.curl(&format!("-sk -o /dev/null -w '%{{http_code}}' {url}"))?;
            ensure!(matches!(code.as_str(), "200" | "401"), "it answers {code}");
            Ok(())
        })
    }

    fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    pub(super) fn push(&self, archive: &Path, name: &str) -> Result<()> {
        let mut command = self.node.netns.command("skopeo");
        command.args(["copy", "--insecure-policy", "--dest-tls-verify=false"]);
        if self.login {
            command.args(["--dest-creds", "user:s3cret"]);
        }
        command.arg(format!("oci-archive:{}", archive.display()));
        command.arg(format!("docker://127.0.0.1:{}/{name}", self.port));
        command::ok(&mut command, secs(60)).map(drop)
    }
}

impl Drop for Registry<'_> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts a node with this `registries.yaml`; answers an image archive to fill registries from.
pub(super) fn begin(env: &Env, node: &Node, registries: &str) -> Result<PathBuf> {
    let file = node.file("etc/knarr/registries.yaml");
    fs::create_dir_all(file.parent().context("its directory")?)?;
    fs::write(&file, registries)?;
    node.spawn()?;
    node.wait_ready(secs(60))?;
    env.images()?.into_iter().find(|p| p.ends_with("busybox.tar")).context("the image of busybox")
}

fn pulls(env: &Env) -> Result<()> {
    let node = Node::prepare(env, "")?;
    let archive = begin(
        env,
        &node,
        "mirrors:
  127.0.0.1:5001: {endpoint: ['http://127.0.0.1:5001']}
  127.0.0.1:5002: {endpoint: ['http://127.0.0.1:5002']}
  hub.example:
    endpoint: ['http://127.0.0.1:5003']
    rewrite: {'^team/(.*)$': 'mirrored/$1'}
  plain.example: {endpoint: ['http://127.0.0.1:5001']}
configs:
  127.0.0.1:5003: {auth: {username: user, password: s3cret}}
",
    )?;
    let archive = archive.as_path();
    let mut plain = Registry::start(env, &node, 5001, false)?;
    let guarded = Registry::start(env, &node, 5002, true)?;
    let mirror = Registry::start(env, &node, 5003, true)?;
    plain.push(archive, "team/app:1")?;
    guarded.push(archive, "team/app:1")?;
    mirror.push(archive, "mirrored/app:1")?;
    let k = node.kubectl("default");
    let result = from_plain(&k)
        .and_then(|()| with_login(&k))
        .and_then(|()| through_mirrors(&k))
        .and_then(|()| away(&k, &mut plain, archive))
        .and_then(|()| never(&k));
    if result.is_err() {
        env.explain(k.ok("get pods,events -o wide").unwrap_or_default());
    }
    result?;
    k.ok("delete pods --all")?;
    drop((plain, guarded, mirror));
    node.finish()
}

pub(super) fn with_image(name: &str, image: &str, extra: &str) -> String {
    pod(name, "sleep 1000", extra)
        .replace("image: knarr.local/busybox:1", &format!("image: '{image}'\n    imagePullPolicy: Always"))
}

pub(super) fn await_waiting(k: &Kubectl, name: &str, reason: &str) -> Result<String> {
    until(secs(40), &format!("{name} to wait with {reason}"), || {
        let pod = k.json(&format!("get pod {name}"))?;
        let waiting = &pod["status"]["containerStatuses"][0]["state"]["waiting"];
        equals(waiting, "/reason", reason)?;
        Ok(waiting["message"].as_str().unwrap_or_default().to_owned())
    })
}

/// Reasons and messages of a pod's events.
pub(super) fn events(k: &Kubectl, name: &str, expected: &[&str]) -> Result<()> {
    until(secs(20), "the events", || {
        let path = "{range .items[*]}{.reason}: {.message}{\"\\n\"}{end}";
        has(&k.path(&format!("get events --field-selector involvedObject.name={name}"), path)?, expected)
    })
}

fn from_plain(k: &Kubectl) -> Result<()> {
    k.apply(&with_image("plain", "127.0.0.1:5001/team/app:1", ""))?;
    let made = await_pod(k, "plain")?;
    equals(&made, "/status/containerStatuses/0/image", "127.0.0.1:5001/team/app:1")?;
    has(text_at(&made, "/status/containerStatuses/0/imageID")?, &["127.0.0.1:5001/team/app@sha256:"])?;
    events(
        k,
        "plain",
        &[
            "Pulling: Pulling image \"127.0.0.1:5001/team/app:1\"",
            "Pulled: Successfully pulled image \"127.0.0.1:5001/team/app:1\" in ",
            " including waiting). Image size: ",
            " bytes.",
        ],
    )?;
    // A plain registry is not asked over TLS in the end: that would hide what it said.
    k.apply(&with_image("absent", "127.0.0.1:5001/team/none:1", ""))?;
    await_waiting(k, "absent", "ImagePullBackOff")?;
    events(k, "absent", &["127.0.0.1:5001/team/none:1: not found"])
}

fn with_login(k: &Kubectl) -> Result<()> {
    let image = "127.0.0.1:5002/team/app:1";
    k.apply(&with_image("stranger", image, ""))?;
    let why = await_waiting(k, "stranger", "ImagePullBackOff")?;
    has(&why, &["Back-off pulling image \"127.0.0.1:5002/team/app:1\""])?;
    events(
        k,
        "stranger",
        &[
            "Failed: Failed to pull image \"127.0.0.1:5002/team/app:1\": ",
            "Failed: Error: ErrImagePull",
            "BackOff: Back-off pulling image \"127.0.0.1:5002/team/app:1\"",
            "Failed: Error: ImagePullBackOff",
        ],
    )?;
    let secret = |name: &str, password: &str| {
        format!(
            "create secret docker-registry {name} --docker-server 127.0.0.1:5002 --docker-username user --docker-password {password}"
        )
    };
    k.ok(&secret("right", "s3cret"))?;
    k.ok(&secret("wrong", "guessed"))?;
    k.apply(&with_image("liar", image, "imagePullSecrets: [{name: wrong}]"))?;
    await_waiting(k, "liar", "ImagePullBackOff")?;
    k.apply(&with_image("member", image, "imagePullSecrets: [{name: wrong}, {name: right}]"))?;
    await_pod(k, "member")?;
    // The account's own secrets go to each of its pods.
    k.ok("create serviceaccount puller")?;
    k.ok("patch serviceaccount puller -p '{\"imagePullSecrets\":[{\"name\":\"right\"}]}'")?;
    k.apply(&with_image("accounted", image, "serviceAccountName: puller"))?;
    let pod = await_pod(k, "accounted")?;
    equals(&pod, "/spec/imagePullSecrets/0/name", "right")
}

fn through_mirrors(k: &Kubectl) -> Result<()> {
    for (name, image) in [("rewritten", "hub.example/team/app:1"), ("mirrored", "plain.example/team/app:1")] {
        k.apply(&with_image(name, image, ""))?;
        await_pod(k, name)?;
        events(k, name, &[&format!("Pulled: Successfully pulled image {image:?} in ")])?;
        // The image has its own name on the node, whoever it came from. (A container's status may tell any of several.)
        let kept = format!("{name}-kept");
        k.apply(&with_image(&kept, image, "").replace("imagePullPolicy: Always", "imagePullPolicy: Never"))?;
        await_pod(k, &kept)?;
    }
    Ok(())
}

/// The registry goes away and comes back.
fn away(k: &Kubectl, registry: &mut Registry<'_>, archive: &Path) -> Result<()> {
    registry.push(archive, "team/late:1")?;
    registry.stop();
    k.apply(&with_image("late", "127.0.0.1:5001/team/late:1", ""))?;
    let why = await_waiting(k, "late", "ErrImagePull").or_else(|_| await_waiting(k, "late", "ImagePullBackOff"))?;
    has(&why, &["connection refused"])?;
    await_waiting(k, "late", "ImagePullBackOff")?;
    registry.run()?;
    until(secs(90), "the pull to be tried again", || {
        let pod = k.json("get pod late")?;
        equals(&pod, "/status/phase", "Running")
    })
}

fn never(k: &Kubectl) -> Result<()> {
    let missing = with_image("missing", "knarr.local/none:1", "").replace("Always", "Never");
    k.apply(&missing)?;
    let why = await_waiting(k, "missing", "ErrImageNeverPull")?;
    has(&why, &["Container image \"knarr.local/none:1\" is not present with pull policy of Never"])?;
    k.apply(&with_image("crooked", "Not/An:Image:Name", ""))?;
    let why = await_waiting(k, "crooked", "InvalidImageName")?;
    has(&why, &["couldn't parse image name", "invalid reference format"])
}
