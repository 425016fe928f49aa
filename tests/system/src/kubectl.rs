//! kubectl as a user runs it: inside the node's network, with the kubeconfig the node wrote.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    command::{self, Following, Output},
    poll::secs,
    text,
};

/// One version of kubectl, against one node.
#[derive(Clone, Debug)]
pub struct Kubectl {
    /// The program.
    pub program: PathBuf,
    /// Its version, for the report: `1.37`.
    pub version: String,
    /// Path of the network namespace to run in.
    pub netns: String,
    /// The kubeconfig.
    pub config: PathBuf,
    /// Its caches.
    pub home: PathBuf,
    /// The namespace of objects.
    pub namespace: String,
    /// Variables of its environment beside those.
    pub env: Vec<(&'static str, String)>,
}

impl Kubectl {
    /// The command of a line of arguments; single quotes group.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.netns)).arg("--").arg(&self.program);
        // What a shell's completion asks must stand alone.
        if !line.starts_with("__complete ") {
            command.arg("--namespace").arg(&self.namespace);
        }
        command.args(text::words(line));
        command.env("KUBECONFIG", &self.config).env("HOME", &self.home).env("TERM", "xterm");
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The same with one more variable in its environment.
    pub fn with(&self, name: &'static str, value: impl Into<String>) -> Self {
        let mut other = self.clone();
        other.env.push((name, value.into()));
        other
    }

    /// The same twice: streams over WebSocket, and over SPDY/3.1.
    pub fn each_transport(&self) -> [(&'static str, Self); 2] {
        [("WebSocket", "true"), ("SPDY", "false")].map(|(name, switch)| {
            let other = self.with("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", switch);
            (name, other.with("KUBECTL_PORT_FORWARD_WEBSOCKETS", switch))
        })
    }

    /// Runs, whatever comes of it.
    pub fn run(&self, line: &str, input: Option<&str>, limit: Duration) -> Result<Output> {
        command::run(&mut self.command(line), input, limit)
    }

    /// Starts something that goes on, and reads along.
    pub fn follow(&self, line: &str) -> Result<Following> {
        Following::start(self.command(line))
    }

    /// Runs with success; gives standard output.
    pub fn ok(&self, line: &str) -> Result<String> {
        self.done(line, None, secs(60))
    }

    /// Runs with success and standard input.
    pub fn feed(&self, line: &str, input: &str) -> Result<String> {
        self.done(line, Some(input), secs(60))
    }

    /// Runs with success within a limit.
    pub fn within(&self, limit: Duration, line: &str) -> Result<String> {
        self.done(line, None, limit)
    }

    fn done(&self, line: &str, input: Option<&str>, limit: Duration) -> Result<String> {
        let output = self.run(line, input, limit)?;
        ensure!(output.code == 0, "kubectl {line} ended with {}:\n{}{}", output.code, output.out, output.err);
        Ok(output.out)
    }

    /// Runs without success; gives standard error.
    pub fn refused(&self, line: &str, input: Option<&str>) -> Result<String> {
        let output = self.run(line, input, secs(60))?;
        ensure!(output.code != 0, "kubectl {line} should have failed and said:\n{}{}", output.out, output.err);
        Ok(output.err)
    }

    /// An object or a list as JSON.
    pub fn json(&self, line: &str) -> Result<Value> {
        let out = self.ok(&format!("{line} -o json"))?;
        serde_json::from_str(&out).with_context(|| format!("kubectl {line}: read {out}"))
    }

    /// What a JSONPath gives.
    pub fn path(&self, line: &str, path: &str) -> Result<String> {
        self.ok(&format!("{line} -o 'jsonpath={path}'"))
    }

    /// Applies a manifest.
    pub fn apply(&self, manifest: &str) -> Result<String> {
        self.feed("apply -f -", manifest)
    }
}
