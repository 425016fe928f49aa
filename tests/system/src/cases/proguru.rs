//! `examples/proguru`, the application of a whole team, on two nodes: both overlays, applied by each version of kubectl
//! and looked at from outside.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    cluster::{self, Cluster},
    command,
    http::Client,
    kubectl::Kubectl,
    node::Node,
    poll::{secs, until},
    suite::{Case, Env, Place::Host, case},
    text::{has, is},
};

pub const CASES: &[Case] = &[case("proguru/the application on two nodes", Host(application))];

/// An environment, as its overlay makes it.
struct Overlay {
    name: &'static str,
    namespace: &'static str,
    host: &'static str,
    greeting: &'static str,
    replicas: usize,
    node_port: Option<u16>,
}

const OVERLAYS: [Overlay; 2] = [
    Overlay {
        name: "staging",
        namespace: "proguru-staging",
        host: "staging.high.proguru.jp",
        greeting: "Hello from staging from proguru-high-",
        replicas: 1,
        node_port: None,
    },
    Overlay {
        name: "production",
        namespace: "proguru",
        host: "high.proguru.jp",
        greeting: "Welcome from proguru-high-",
        replicas: 3,
        node_port: Some(30080),
    },
];

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/proguru")
}

fn application(env: &Env) -> Result<()> {
    let images = env.work.join("proguru-images");
    command::ok(Command::new(example().join("images")).arg(&images), secs(120)).context("make the images")?;
    cluster::with_images(env, "", &[images.join("python.tar")], |env, cluster| {
        until(secs(60), "the images on both nodes", || {
            let names =
                cluster.kubectl("default").path("get nodes", "{range .items[*]}{.status.images}{\"\\n\"}{end}")?;
            ensure!(names.lines().all(|node| node.contains("knarr.local/python:1")), "{names}");
            Ok(())
        })?;
        for kubectl in &env.kubectls {
            // A copy, so that a file of it can change.
            let files = env.work.join(format!("proguru-{}", kubectl.0));
            command::ok(Command::new("cp").arg("-r").arg(example()).arg(&files), secs(10))?;
            for overlay in &OVERLAYS {
                let k = cluster.server.kubectl_of(kubectl, overlay.namespace);
                let day = Day { cluster, overlay, k, files: &files };
                day.whole().with_context(|| format!("{} with kubectl {}", overlay.name, kubectl.0))?;
            }
            for overlay in &OVERLAYS {
                let k = cluster.server.kubectl_of(kubectl, overlay.namespace);
                // The namespace goes first, and takes the rest along.
                let delete = format!("delete -k {}/overlays/{} --ignore-not-found", files.display(), overlay.name);
                k.within(secs(120), &delete)?;
            }
        }
        Ok(())
    })
}

/// An overlay on a cluster.
struct Day<'a> {
    cluster: &'a Cluster<'a>,
    overlay: &'a Overlay,
    k: Kubectl,
    files: &'a Path,
}

impl Day<'_> {
    fn whole(&self) -> Result<()> {
        self.deploy()?;
        self.pages().context("the pages")?;
        self.neighbours().context("the Services")?;
        self.every_node().context("the agent on every node")?;
        self.weather().context("the nightly job")?;
        self.notice().context("a changed ConfigMap")?;
        self.setting().context("a changed setting")?;
        self.prune().context("what is dropped")
    }

    fn apply(&self, more: &str) -> Result<String> {
        let overlay = self.files.join("overlays").join(self.overlay.name);
        self.k.ok(&format!("apply -k {} {more}", overlay.display()))
    }

    fn deploy(&self) -> Result<()> {
        has(&self.apply("")?, &["deployment.apps/proguru-high", "cronjob.batch/fetch-weather", "ingress"])?;
        for what in ["deployment/proguru-high", "deployment/python", "daemonset/node-log"] {
            self.k.within(secs(180), &format!("rollout status {what}"))?;
        }
        let pods = self.k.path("get pods -l app=proguru-high", "{range .items[*]}{.status.phase} {end}")?;
        is(&pods, "Running ".repeat(self.overlay.replicas).trim())?;
        let again = self.apply("")?;
        // A budget's selector is replaced as a whole, which kubectl takes for a change each time.
        let same = |line: &str| line.ends_with(" unchanged") || line.starts_with("poddisruptionbudget.policy/");
        ensure!(again.lines().all(same), "applied again:\n{again}");
        Ok(())
    }

    /// The site, called from outside over TLS that the cluster's CA vouches for.
    fn site(&self) -> Result<Client> {
        self.cluster.server.page(self.overlay.host)
    }

    fn page(&self, path: &str) -> Result<String> {
        let answer = self.site()?.get(path)?;
        ensure!(answer.status == 200, "{path} answers {}: {}", answer.status, answer.text());
        Ok(answer.text().trim().to_owned())
    }

    fn pages(&self) -> Result<()> {
        until(secs(60), "the page", || has(&self.page("/")?, &["<h1>Proguru</h1>", "served by proguru-high-"]))?;
        has(&self.page("/hello")?, &[self.overlay.greeting])?;
        is(&self.page("/secret")?, "the file and the variable agree: True")?;
        is(&self.page("/python/healthz")?, "ok")?;
        let status = self.site()?.get("/pythonic")?.status;
        ensure!(status == 404, "/pythonic is not below /python, but answers {status}");
        // Every replica gets its share.
        until(secs(20), "every replica to answer", || {
            let pods: BTreeSet<String> = (0..20).map(|_| self.page("/")).collect::<Result<_>>()?;
            ensure!(pods.len() == self.overlay.replicas, "{pods:?}");
            Ok(())
        })?;
        // The other node's ingress serves the same.
        let ca = self.cluster.server.file("var/lib/knarr/server/tls/server-ca.crt");
        let (host, ip) = (self.overlay.host, self.cluster.agent.ip);
        let at = format!("--cacert {} --resolve {host}:443:{ip} https://{host}/hello", ca.display());
        has(&self.cluster.agent.curl(&at)?, &[self.overlay.greeting])
    }

    /// Each application finds the other by name, and the world finds the NodePort on every node.
    fn neighbours(&self) -> Result<()> {
        has(&self.page("/weather")?, &["weather"])?;
        has(&self.page("/python/site")?, &[self.overlay.greeting])?;
        let port = self.k.path("get service proguru-high", "{.spec.ports[0].nodePort}")?;
        if let Some(wanted) = self.overlay.node_port {
            is(&port, &wanted.to_string())?;
        }
        for node in self.cluster.hosts() {
            let url = format!("http://{}:{port}/hello", node.ip);
            let asked = command::ok(Command::new("curl").args(["-sSf", "--max-time", "5", &url]), secs(10));
            has(&asked.with_context(|| format!("NodePort of {}", node.name))?, &[self.overlay.greeting])?;
        }
        Ok(())
    }

    fn every_node(&self) -> Result<()> {
        let on = |node: &&Node| -> Result<()> {
            let field = format!("--field-selector spec.nodeName={}", node.name);
            let pod = self.k.ok(&format!("get pods -l app=node-log {field} -o name"))?;
            ensure!(pod.lines().count() == 1, "on {}: {pod}", node.name);
            has(&self.k.ok(&format!("logs {}", pod.trim()))?, &[&format!("{}: logs of ", node.name)])
        };
        self.cluster.hosts().iter().try_for_each(on)
    }

    fn weather(&self) -> Result<()> {
        has(&self.k.ok("get cronjob fetch-weather")?, &["0 6 * * *", "Asia/Tokyo", "False"])?;
        self.k.ok("create job --from=cronjob/fetch-weather now")?;
        self.k.within(secs(90), "wait --for=condition=complete job/now --timeout=80s")?;
        has(&self.k.ok("logs job/now")?, &["200 thanks"])?;
        has(&self.page("/weather")?, &["fair, as of "])?;
        self.k.ok("delete job now").map(drop)
    }

    /// The file changes under the running program.
    fn notice(&self) -> Result<()> {
        is(&self.page("/python/notice")?, "no news")?;
        let line = "{.items[0].metadata.uid} {.items[0].status.containerStatuses[0].restartCount}";
        let before = self.k.path("get pods -l app=python", line)?;
        self.k.ok("patch configmap notice --type=merge -p '{\"data\":{\"notice.txt\":\"good news\"}}'")?;
        until(secs(60), "the new notice", || is(&self.page("/python/notice")?, "good news"))?;
        is(&self.k.path("get pods -l app=python", line)?, &before)
    }

    /// A setting that pods read at their start: its ConfigMap gets another name, and the pods are replaced.
    fn setting(&self) -> Result<()> {
        let file = self.files.join("base/kustomization.yaml");
        let text = fs::read_to_string(&file).context("read the base")?;
        fs::write(&file, text.replace("SECRET_KEY_BASE=change-me\n", "SECRET_KEY_BASE=changed\n"))?;
        let before = self.k.path("get pods -l app=proguru-high", "{.items[*].metadata.name}")?;
        has(&self.apply("")?, &["deployment.apps/proguru-high configured"])?;
        self.k.within(secs(180), "rollout status deployment/proguru-high")?;
        until(secs(60), "the old pods to go", || {
            let now = self.k.path("get pods -l app=proguru-high", "{.items[*].metadata.name}")?;
            ensure!(!now.split(' ').any(|pod| before.contains(pod)), "{before} and now {now}");
            Ok(())
        })?;
        is(&self.page("/secret")?, "the file and the variable agree: True")?;
        fs::write(&file, text).context("put the base back")
    }

    fn prune(&self) -> Result<()> {
        let file = self.files.join("base/kustomization.yaml");
        let text = fs::read_to_string(&file).context("read the base")?;
        fs::write(&file, text.replace("  - node-log.yaml\n", ""))?;
        let out = self.apply("--prune -l app.kubernetes.io/part-of=proguru --prune-allowlist=apps/v1/DaemonSet")?;
        has(&out, &["daemonset.apps/node-log pruned"])?;
        fs::write(&file, text).context("put the base back")?;
        until(secs(60), "its pods to go", || is(&self.k.ok("get pods -l app=node-log -o name")?, ""))?;
        is(&self.k.ok("get daemonsets -o name")?, "")
    }
}
