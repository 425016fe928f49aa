//! Running cases: which, where, and what is said of them.

use std::{
    cell::RefCell,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};

use crate::{
    cases,
    cluster::{self, Cluster},
    command,
    kubectl::Kubectl,
    netns,
    node::{Mark, Node},
    poll::{self, secs},
};

/// What all cases share.
pub struct Env {
    /// The binary under test.
    pub binary: PathBuf,
    /// Old and new kubectl: version and path.
    pub kubectls: [(String, PathBuf); 2],
    /// Scratch directory.
    pub work: PathBuf,
    /// Whether slow cases run in full.
    pub long: bool,
    images: PathBuf,
    /// Nodes of the running case whose logs tell why it failed.
    logs: RefCell<Vec<String>>,
}

/// What a case on the shared node works with.
pub struct Cx<'a> {
    /// The suite.
    pub env: &'a Env,
    /// The node.
    pub node: &'a Node<'a>,
    /// kubectl in a namespace of this case.
    pub kubectl: Kubectl,
    /// That namespace.
    pub ns: String,
}

/// Where a case runs.
#[derive(Clone, Copy)]
pub enum Place {
    /// On the shared node, with each version of kubectl.
    Both(fn(&Cx) -> Result<()>),
    /// On the shared node, with the new kubectl.
    Shared(fn(&Cx) -> Result<()>),
    /// On a node of its own.
    Own(fn(&Env, &Node) -> Result<()>),
    /// On a cluster of its own: a server and an agent, each on a host of its own.
    Cluster(fn(&Env, &Cluster) -> Result<()>),
    /// Without a node.
    Host(fn(&Env) -> Result<()>),
}

/// A case.
#[derive(Clone, Copy)]
pub struct Case {
    /// Its name, for the filter: `group/what`.
    pub name: &'static str,
    /// Where it runs.
    pub place: Place,
    /// It disturbs what else runs on the machine, and so runs only when its whole name is asked for.
    pub asked: bool,
}

/// A row of a module's table.
pub const fn case(name: &'static str, place: Place) -> Case {
    Case { name, place, asked: false }
}

/// The same for one that runs only when its whole name is asked for.
pub const fn asked(name: &'static str, place: Place) -> Case {
    Case { name, place, asked: true }
}

impl Env {
    fn prepare(long: bool) -> Result<Self> {
        let binary = path_of("KNARR_BIN").context("KNARR_BIN names the binary under test")?;
        let kubectl = |variable: &str| -> Result<(String, PathBuf)> {
            let path = path_of(variable).with_context(|| format!("{variable} names a kubectl"))?;
            let out = command::ok(Command::new(&path).args(["version", "--client", "-o", "json"]), secs(30))?;
            let version: serde_json::Value = serde_json::from_str(&out).context("read kubectl's version")?;
            let part = |name: &str| version["clientVersion"][name].as_str().unwrap_or("?").to_owned();
            Ok((format!("{}.{}", part("major"), part("minor").trim_end_matches('+')), path))
        };
        let work = PathBuf::from(format!("/tmp/kn-suite-{:x}", std::process::id()));
        fs::create_dir_all(work.join("home")).context("make the scratch directory")?;
        let images = match path_of("KNARR_IMAGES") {
            Ok(dir) => dir,
            Err(_) => {
                let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/hello/images");
                let dir = work.join("images");
                command::ok(Command::new(&script).arg(&dir), secs(60)).context("make the images")?;
                dir
            }
        };
        let kubectls = [kubectl("KUBECTL_OLD")?, kubectl("KUBECTL_NEW")?];
        Ok(Self { binary, kubectls, work, long, images, logs: RefCell::default() })
    }

    /// Image archives for a node.
    pub fn images(&self) -> Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.images).context("read the image directory")?;
        Ok(entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "tar")).collect())
    }

    /// Adds what explains a failure of the running case.
    pub fn explain(&self, text: String) {
        self.logs.borrow_mut().push(text);
    }

    /// How often something dangerous is repeated: `few` normally, `many` with `--long`; `KNARR_KILLS` overrides.
    pub fn times(&self, few: usize, many: usize) -> usize {
        let told = std::env::var("KNARR_KILLS").ok().and_then(|n| n.parse().ok());
        told.unwrap_or(if self.long { many } else { few })
    }
}

fn path_of(variable: &str) -> Result<PathBuf> {
    let value = std::env::var_os(variable).with_context(|| format!("{variable} is not set"))?;
    fs::canonicalize(&value).with_context(|| format!("{variable}={}", value.display()))
}

/// Every so-manieth case: parts can run side by side, for they share nothing but the machine.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Part {
    number: usize,
    of: usize,
}

impl Part {
    const WHOLE: Self = Self { number: 1, of: 1 };

    /// `2/3`: the second of three.
    fn parse(text: &str) -> Result<Self> {
        let part = text.split_once('/').and_then(|(k, n)| Some(Self { number: k.parse().ok()?, of: n.parse().ok()? }));
        part.filter(|p| (1..=p.of).contains(&p.number)).with_context(|| format!("{text:?} is no part, as 1/2 is"))
    }

    fn has(self, case: usize) -> bool {
        case % self.of == self.number - 1
    }
}

/// Runs what the arguments ask for.
pub fn run(args: impl Iterator<Item = String>) -> Result<ExitCode> {
    let (options, filters): (Vec<_>, Vec<_>) = args.partition(|a| a.starts_with("--"));
    let mut mine = Part::WHOLE;
    for option in &options {
        match option.strip_prefix("--part=") {
            Some(text) => mine = Part::parse(text)?,
            None if ["--long", "--list"].contains(&option.as_str()) => {}
            None => bail!("there is no option {option}"),
        }
    }
    let fits = |c: &Case, f: &str| if c.asked { c.name == f } else { c.name.contains(f) };
    let wanted = cases::all().filter(|c| (filters.is_empty() && !c.asked) || filters.iter().any(|f| fits(c, f)));
    let chosen: Vec<Case> = wanted.enumerate().filter(|(i, _)| mine.has(*i)).map(|(_, c)| c).collect();
    if options.iter().any(|o| o == "--list") {
        chosen.iter().for_each(|c| println!("{}", c.name));
        return Ok(ExitCode::SUCCESS);
    }
    netns::leave_the_host()?;
    poll::watch_signals()?;
    let env = Env::prepare(options.iter().any(|o| o == "--long"))?;
    let mut runner = Runner { env: &env, shared: None, passed: 0, failed: Vec::new(), number: 0 };
    for case in &chosen {
        if poll::interrupted() {
            break;
        }
        runner.run(case);
    }
    runner.close();
    let (passed, failed) = (runner.passed, runner.failed);
    if failed.is_empty() {
        let _ = fs::remove_dir_all(&env.work);
    } else {
        println!("\nfailed (logs in {}):\n  {}\n", env.work.display(), failed.join("\n  "));
    }
    println!("{passed} passed, {} failed", failed.len());
    let good = failed.is_empty() && passed > 0 && !poll::interrupted();
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

struct Runner<'a> {
    env: &'a Env,
    shared: Option<Node<'a>>,
    passed: usize,
    failed: Vec<String>,
    number: usize,
}

impl<'a> Runner<'a> {
    fn run(&mut self, case: &Case) {
        match case.place {
            Place::Host(body) => self.judge(case.name, || body(self.env)),
            Place::Own(body) => {
                let env = self.env;
                self.judge(case.name, || own(env, body));
            }
            Place::Cluster(body) => {
                let env = self.env;
                self.judge(case.name, || cluster::with(env, "", body));
            }
            Place::Shared(body) => self.on_shared(case.name, &self.env.kubectls[1], body),
            Place::Both(body) => {
                for kubectl in &self.env.kubectls {
                    self.on_shared(&format!("{} (kubectl {})", case.name, kubectl.0), kubectl, body);
                }
            }
        }
    }

    fn on_shared(&mut self, name: &str, kubectl: &'a (String, PathBuf), body: fn(&Cx) -> Result<()>) {
        if self.shared.as_ref().is_some_and(|node| !node.runs()) {
            self.close();
        }
        if self.shared.is_none() {
            match Node::prepare(self.env, "") {
                Ok(node) => self.shared = Some(node),
                Err(e) => return self.judge(name, || Err(e.context("prepare the shared node"))),
            }
        }
        self.number += 1;
        let number = self.number;
        let Some(node) = self.shared.take() else { return };
        let env = self.env;
        let mut lost = false;
        self.judge(name, || {
            if node.pid().is_none() {
                let up = node.spawn().and_then(|()| node.wait_ready(secs(60)));
                if up.is_err() {
                    env.logs.borrow_mut().push(node.tails(Mark::default()));
                    lost = true;
                }
                up.context("start the shared node")?;
            }
            let since = node.mark();
            let ns = format!("case-{number}");
            let cx = Cx { env, node: &node, kubectl: node.kubectl_of(kubectl, &ns), ns };
            let result = caught(|| {
                node.namespace(&cx.ns)?;
                body(&cx)
            });
            if result.is_err() {
                let seen = cx.kubectl.ok("get all,events --ignore-not-found").unwrap_or_default();
                env.logs.borrow_mut().push(format!("{seen}{}", node.tails(since)));
            }
            let deleted = node.delete_namespace(&cx.ns);
            result.and(deleted)
        });
        if !lost {
            self.shared = Some(node);
        }
    }

    /// Takes the shared node away; that is a case too: all namespaces go, and nothing is left.
    fn close(&mut self) {
        let Some(node) = self.shared.take() else { return };
        let env = self.env;
        self.judge("the shared node/its namespaces go", || {
            let result = cases::namespaces_go(&node);
            if result.is_err() {
                env.logs.borrow_mut().push(node.tails(Mark::default()));
            }
            result
        });
        self.judge("the shared node/leaves nothing", || node.finish());
    }

    fn judge(&mut self, name: &str, body: impl FnOnce() -> Result<()>) {
        let begun = Instant::now();
        let result = caught(body);
        let took = begun.elapsed();
        let logs = self.env.logs.take();
        self.report(name, result, took, &logs);
    }

    fn report(&mut self, name: &str, result: Result<()>, took: Duration, logs: &[String]) {
        let Err(error) = result else {
            self.passed += 1;
            return println!("ok     {:7.1} s  {name}", took.as_secs_f32());
        };
        println!("FAILED {:7.1} s  {name}", took.as_secs_f32());
        for line in format!("{error:#}").lines().chain(logs.iter().flat_map(|l| l.lines())) {
            println!("         | {line}");
        }
        self.failed.push(name.to_owned());
    }
}

/// A case on a node of its own.
fn own(env: &Env, body: fn(&Env, &Node) -> Result<()>) -> Result<()> {
    let node = Node::prepare(env, "")?;
    let result = caught(|| {
        node.spawn()?;
        node.wait_ready(secs(60))?;
        body(env, &node)
    });
    if result.is_err() {
        let seen = node.kubectl("default").ok("get pods,events -A -o wide").unwrap_or_default();
        env.logs.borrow_mut().push(format!("{seen}{}", node.tails(Mark::default())));
    }
    // What is left after a failure is told too, but the failure comes first.
    let end = node.finish().context("taking the node away");
    result.and(end)
}

/// A panic is a failure of the case.
pub fn caught(body: impl FnOnce() -> Result<()>) -> Result<()> {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
        Err(anyhow!("panicked: {}", text.unwrap_or_default()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_together_are_the_whole() {
        let parts: Vec<Part> = ["1/3", "2/3", "3/3"].map(|p| Part::parse(p).unwrap()).into();
        assert!((0..10).all(|case| parts.iter().filter(|p| p.has(case)).count() == 1));
        assert!((0..10).all(|case| Part::WHOLE.has(case)));
        for bad in ["", "1", "0/2", "3/2", "1/0", "a/b"] {
            assert!(Part::parse(bad).is_err(), "{bad}");
        }
    }
}
