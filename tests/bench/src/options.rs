//! What the caller asks for.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context as _, Result, bail};
use lexopt::Arg;

/// The arguments.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// The binary under test.
    pub(crate) binary: PathBuf,
    /// Where the image archives of the example are.
    pub(crate) images: PathBuf,
    /// The manifest of the application that is weighed as a whole.
    pub(crate) team: Option<PathBuf>,
    /// Where the figures go as JSON.
    pub(crate) json: Option<PathBuf>,
    /// Less of everything.
    pub(crate) quick: bool,
    /// Only these parts; empty for all.
    pub(crate) parts: Vec<String>,
}

/// The parts that can be chosen.
pub(crate) const PARTS: [&str; 9] = ["start", "idle", "team", "objects", "pods", "dataplane", "app", "gap", "agent"];

/// What `--help` prints.
const HELP: &str = "scripts/bench [--quick] [--json FILE] [--binary FILE] [PART ...]

Starts the release binary on a node of its own and prints what it costs and how fast it is, beside the budget.
Parts: start idle team objects pods dataplane app gap agent (default: all). Ends with 1 when a figure is over its bar.";

/// Reads the arguments; `None` when only help was asked for.
pub(crate) fn parse(args: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Option<Options>> {
    let mut options = Options::default();
    let mut parser = lexopt::Parser::from_args(args);
    while let Some(arg) = parser.next()? {
        match arg {
            Arg::Long("binary") => options.binary = parser.value()?.into(),
            Arg::Long("images") => options.images = parser.value()?.into(),
            Arg::Long("team") => options.team = Some(parser.value()?.into()),
            Arg::Long("json") => options.json = Some(parser.value()?.into()),
            Arg::Long("quick") => options.quick = true,
            Arg::Long("help") | Arg::Short('h') => {
                println!("{HELP}");
                return Ok(None);
            }
            Arg::Value(part) => {
                let part = part.into_string().ok().context("a part's name")?;
                if !PARTS.contains(&part.as_str()) {
                    bail!("there is no part {part:?}; there are {}", PARTS.join(", "));
                }
                options.parts.push(part);
            }
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
}

impl Options {
    /// Whether a part is to be run.
    pub(crate) fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|p| p == part)
    }

    /// One of two numbers.
    pub(crate) fn pick<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }

    /// One of two times, in seconds.
    pub(crate) fn seconds(&self, full: f64, quick: f64) -> Duration {
        Duration::from_secs_f64(self.pick(full, quick))
    }
}
